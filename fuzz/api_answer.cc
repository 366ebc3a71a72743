#include "api_answer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "exact/elements.h"
#include "exact/renorm.h"
#include "players/truenorm_contract.h"

namespace truenorm::fuzz {
namespace {

using namespace calls;
using oracle::Balls;
using oracle::Layout;
using oracle::Op;
using oracle::Output;

oracle::Dtype dtype_of(Dtype dtype) { return static_cast<oracle::Dtype>(dtype); }

/// Which dtype the parameters have; x's, where there are none.
oracle::Dtype parameter_dtype(Scene& scene) {
  if (scene.layer) return dtype_of(scene.layer->options().dtype);
  for (const Slot& slot : slots_of(scene.call))
    if (!slot.tensor && !is_saved(slot.argument) && scene.vector(slot.argument).present())
      return dtype_of(scene.vector(slot.argument).dtype);
  return dtype_of(scene.tensor(Argument::x).dtype);
}

std::vector<oracle::Step> program(Call call) {
  std::vector<Op> ops{Op::train};
  if (call == Call::forward_inference || call == Call::backward_inference ||
      call == Call::layer_evaluation)
    ops = {Op::eval};
  if (is_backward(call)) ops.push_back(Op::backward);
  std::vector<oracle::Step> run;
  for (const Op op : ops) {
    oracle::Step step;
    step.op = op;
    step.id = static_cast<std::uint32_t>(run.size());
    run.push_back(step);
  }
  return run;
}

std::array<Balls*, oracle::kOutputs> tensors(oracle::StepAnswer& s) {
  return {&s.y,       &s.save_mean, &s.save_invstd,  &s.dx,
          &s.dweight, &s.dbias,     &s.running_mean, &s.running_var};
}

/// The orders of summation that strides may ask for: by rows or not.
constexpr std::array<std::pair<Layout, Layout>, 3> kOrders{
    {{Layout::nchw, Layout::nchw}, {Layout::nhwc, Layout::nhwc}, {Layout::nhwc, Layout::nchw}}};

/// A number as it is stored.
oracle::exact::Element stored(const oracle::exact::Ball& ball,
                              const oracle::exact::Format& format) {
  oracle::exact::Element e;
  e.kind = ball.kind;
  e.scale = std::abs(ball.mid.hi);
  if (ball.kind != oracle::Kind::finite) return e;
  e.terms[0] = ball.radius;
  e.terms[3] = oracle::exact::store_error(format, ball.upper());
  oracle::exact::finish(e, ball.mid, format);
  return e;
}

oracle::Verdict failed(Output output, const std::string& detail) {
  oracle::Verdict v;
  v.result = oracle::Result::fail;
  v.reason = oracle::name(output);
  v.detail = detail;
  v.score = std::numeric_limits<double>::infinity();
  return v;
}

bool all(const std::vector<double>& values, bool (*is)(double)) {
  for (const double v : values)
    if (!is(v)) return false;
  return true;
}

}  // namespace

void push(Balls& balls, const oracle::exact::Element& e, const oracle::exact::Format& format) {
  balls.mid.push_back(e.mid);
  balls.low.push_back(e.low);
  balls.radius.push_back(e.radius);
  balls.kind.push_back(e.kind);
  balls.scale.push_back(e.scale);
  balls.max_finite = format.max_finite;
  balls.min_positive = format.min_positive;
}

std::vector<double> read(const ConstTensor& t) {
  std::vector<double> values;
  std::array<std::int64_t, max_rank> index{};
  const auto rank = static_cast<std::size_t>(t.rank);
  for (std::size_t i = 0; i < rank; ++i)
    if (t.size[i] == 0) return values;
  for (;;) {
    std::int64_t at = 0;
    for (std::size_t i = 0; i < rank; ++i) at += index[i] == 0 ? 0 : index[i] * t.stride[i];
    values.push_back(oracle::load(dtype_of(t.dtype),
                                  static_cast<const std::byte*>(t.data) + at * size_of(t.dtype)));
    std::size_t axis = rank;
    while (axis > 0 && ++index[axis - 1] == t.size[axis - 1]) index[--axis] = 0;
    if (axis == 0) return values;
  }
}

std::vector<double> read(const ConstVector& v) {
  if (!v.present()) return {};
  ConstTensor t{v.data, v.dtype, 1, {v.size}, {v.stride}};
  return read(t);
}

Question::Question(Scene& scene) {
  using A = Argument;
  const Tensor& x = scene.tensor(A::x);
  const auto sizes = x.size.begin();
  empty_ = std::find(sizes, sizes + x.rank, 0) != sizes + x.rank;
  if (empty_) return;
  oracle::Shape& shape = problem_.shape;
  shape = {x.size[0], x.size[1], x.rank - 2, {}};
  for (std::size_t i = 2; i < static_cast<std::size_t>(x.rank); ++i) shape.s[i - 2] = x.size[i];
  problem_.dtype = dtype_of(x.dtype);
  problem_.param_dtype = parameter_dtype(scene);
  problem_.eps = scene.layer ? scene.layer->options().eps : scene.eps;
  problem_.momentum.value = scene.layer ? *scene.layer->options().momentum : scene.factor;
  problem_.run = program(scene.call);
  if (scene.call == Call::forward_renorm)
    problem_.renorm = oracle::Renorm{scene.renorm.r_max, scene.renorm.d_max};
  by_given_ = is_backward(scene.call) && scene.call != Call::backward_inference;

  const auto vector = [&](A a, ConstVector (BatchNorm::*of_layer)() const) {
    return read(scene.layer ? (std::as_const(*scene.layer).*of_layer)()
                            : ConstVector(scene.vector(a)));
  };
  inputs_.weight = vector(A::weight, &BatchNorm::weight);
  inputs_.bias = vector(A::bias, &BatchNorm::bias);
  inputs_.running_mean = vector(A::running_mean, &BatchNorm::running_mean);
  inputs_.running_var = vector(A::running_var, &BatchNorm::running_var);
  problem_.weight = !inputs_.weight.empty();
  problem_.bias = !inputs_.bias.empty();
  problem_.track = !inputs_.running_mean.empty() || !inputs_.running_var.empty();
  inputs_.step.push_back(read(ConstTensor(x)));
  if (is_backward(scene.call)) inputs_.step.push_back(read(ConstTensor(scene.tensor(A::dy))));
  if (!by_given_) return;
  given_ = {vector(A::save_mean, &BatchNorm::saved_mean),
            vector(A::save_invstd, &BatchNorm::saved_invstd),
            vector(A::save_r, &BatchNorm::saved_r), vector(A::save_d, &BatchNorm::saved_d)};
}

oracle::StepTrace Question::trace(Scene& scene) const {
  using A = Argument;
  oracle::StepTrace t;
  const auto vector = [&](A a) { return read(ConstVector(scene.vector(a))); };
  if (is_backward(scene.call)) {
    if (scene.tensor(A::dx).data != nullptr) t.dx = read(ConstTensor(scene.tensor(A::dx)));
    t.dweight = vector(A::dweight);
    t.dbias = vector(A::dbias);
    return t;
  }
  t.y = read(ConstTensor(scene.tensor(A::y)));
  if (!scene.layer) {
    t.save_mean = vector(A::save_mean);
    t.save_invstd = vector(A::save_invstd);
    t.running_mean = vector(A::running_mean);
    t.running_var = vector(A::running_var);
    return t;
  }
  const BatchNorm& layer = *scene.layer;
  if (scene.call == Call::layer_training) {
    t.save_mean = read(layer.saved_mean());
    t.save_invstd = read(layer.saved_invstd());
  }
  t.running_mean = read(layer.running_mean());
  t.running_var = read(layer.running_var());
  return t;
}

oracle::Answer Question::answer(Scene& scene, const oracle::Contract& contract) const {
  oracle::Answer a;
  a.save_expected = true;
  // Of running statistics one may be absent: its place is taken by something, and nobody looks.
  oracle::Inputs inputs = inputs_;
  const auto channels = static_cast<std::size_t>(problem_.shape.c);
  if (problem_.track && inputs.running_mean.empty()) inputs.running_mean.resize(channels);
  if (problem_.track && inputs.running_var.empty()) inputs.running_var.resize(channels);
  a.steps.push_back(by_given_ ? oracle::gradients(problem_, inputs, contract, given_)
                              : oracle::answer(problem_, inputs, contract).steps.back());
  const oracle::StepTrace produced = trace(scene);
  const auto balls = tensors(a.steps[0]);
  for (std::size_t o = 0; o < oracle::kOutputs; ++o)
    if (oracle::tensor(produced, static_cast<Output>(o)).empty()) *balls[o] = {};
  return a;
}

/// r and d, which are no outputs of a case, in the place of save_mean and save_invstd.
oracle::Verdict Question::corrections(Scene& scene, const oracle::Contract& contract) const {
  oracle::Trace got;
  got.steps.resize(1);
  got.steps[0].save_mean = read(ConstVector(scene.vector(Argument::save_r)));
  got.steps[0].save_invstd = read(ConstVector(scene.vector(Argument::save_d)));
  oracle::Answer want;
  want.steps.resize(1);
  const std::int64_t plane = problem_.shape.plane(), channels = problem_.shape.c;
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto i = static_cast<std::size_t>(c);
    const auto statistics = oracle::exact::batch_statistics(
        oracle::exact::moments(
            {inputs_.step[0].data() + c * plane, problem_.shape.n, plane, channels * plane}),
        contract, problem_.eps);
    const auto correction = oracle::exact::correction(
        statistics, oracle::exact::exactly(inputs_.running_mean[i]),
        oracle::exact::exactly(inputs_.running_var[i]), *problem_.renorm, problem_.eps, contract);
    for (auto [a, to, ball] :
         {std::tuple{Argument::save_r, &want.steps[0].save_mean, &correction.r},
          std::tuple{Argument::save_d, &want.steps[0].save_invstd, &correction.d}})
      if (scene.vector(a).present()) {
        const auto format = oracle::exact::format(dtype_of(scene.vector(a).dtype));
        push(*to, stored(*ball, format), format);
      }
  }
  oracle::Verdict v = oracle::judge(got, want);
  if (v.result == oracle::Result::fail) v.reason = v.reason == "save_mean" ? "save_r" : "save_d";
  return v;
}

oracle::Verdict Question::judge(Scene& scene) const {
  oracle::Trace got;
  got.steps.push_back(trace(scene));
  const oracle::StepTrace& t = got.steps[0];
  if (empty_) {  // nothing but what stands in the header about no elements
    const auto is_nan = [](double v) { return std::isnan(v); };
    const auto is_zero = [](double v) { return v == 0; };
    if (!scene.layer && !(all(t.save_mean, is_nan) && all(t.save_invstd, is_nan)))
      return failed(Output::save_mean, "of no elements, and not NaN");
    if (!all(t.dweight, is_zero) || !all(t.dbias, is_zero))
      return failed(Output::dweight, "of no elements, and not 0");
    return {};
  }
  oracle::Verdict nearest;
  for (const auto& [x, dy] : kOrders) {
    oracle::Exec exec;
    exec.x = x;
    exec.dy = dy;
    oracle::Contract contract =
        oracle::truenorm_contract(problem_, exec, has_fma(scene.context.isa()));
    if (!scene.layer && scene.vector(Argument::save_mean).present() &&
        scene.vector(Argument::save_mean).dtype == Dtype::f32)
      contract.save_unit = oracle::kU32;
    if (!scene.layer && scene.vector(Argument::save_invstd).present() &&
        scene.vector(Argument::save_invstd).dtype == Dtype::f32)
      contract.save_unit = oracle::kU32;
    const oracle::Answer want = answer(scene, contract);
    got.steps[0].num_batches_tracked = want.steps[0].num_batches_tracked;
    oracle::Verdict v = oracle::judge(got, want);
    if (v.result != oracle::Result::fail && scene.call == Call::forward_renorm)
      v = corrections(scene, contract);
    if (v.result != oracle::Result::fail) return v;
    if (nearest.result != oracle::Result::fail || v.score < nearest.score) nearest = v;
  }
  return nearest;
}

}  // namespace truenorm::fuzz
