// Truenorm's own BatchNorm as a player: the layer for everything, and beside it the functions
// themselves where vectors are strided, whose bits must be the layer's.
#include <truenorm/batch_norm.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>

#include "../arena.h"
#include "players.h"
#include "truenorm_contract.h"

namespace truenorm::oracle {

namespace {

truenorm::Dtype dtype_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return truenorm::Dtype::f32;
    case Dtype::f64:
      return truenorm::Dtype::f64;
    case Dtype::bf16:
      return truenorm::Dtype::bf16;
    case Dtype::f16:
      break;
  }
  return truenorm::Dtype::f16;
}

truenorm::Isa isa_of(Isa isa) {
  switch (isa) {
    case Isa::best:
      return truenorm::Isa::best;
    case Isa::scalar:
      return truenorm::Isa::scalar;
    case Isa::sse4:
      return truenorm::Isa::sse4;
    case Isa::avx2:
      return truenorm::Isa::avx2;
    case Isa::avx512:
      return truenorm::Isa::avx512;
    case Isa::neon:
      break;
  }
  return truenorm::Isa::neon;
}

Refusal refusal_of(Code code) {
  switch (code) {
    case Code::ok:
      return Refusal::none;
    case Code::one_value_per_channel:
      return Refusal::one_value_per_channel;
    case Code::missing_statistics:
      return Refusal::missing_statistics;
    case Code::no_forward:
      return Refusal::no_forward;
    case Code::shape_mismatch:
      return Refusal::shape_mismatch;
    default:
      return Refusal::other;
  }
}

Tensor view(const Placed& p) {
  Tensor t;
  t.data = p.data;
  t.dtype = dtype_of(p.dtype);
  t.rank = p.rank;
  std::copy(p.size.begin(), p.size.end(), t.size.begin());
  std::copy(p.stride.begin(), p.stride.end(), t.stride.begin());
  return t;
}

Vector vector_view(const Placed& p) { return {p.data, dtype_of(p.dtype), p.size[0], p.stride[0]}; }

std::vector<double> values_of(const ConstVector& v, Dtype dtype) {
  std::vector<double> values(v.present() ? static_cast<std::size_t>(v.size) : 0);
  const auto* from = static_cast<const std::byte*>(v.data);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = load(dtype, from + i * static_cast<std::size_t>(v.stride) * size_of(dtype));
  return values;
}

void assign(const Vector& v, Dtype dtype, const std::vector<double>& values) {
  auto* to = static_cast<std::byte*>(v.data);
  for (std::size_t i = 0; i < values.size(); ++i)
    store(dtype, values[i], to + i * static_cast<std::size_t>(v.stride) * size_of(dtype));
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](double p, double q) {
           return p == q || (std::isnan(p) && std::isnan(q));
         });
}

std::optional<double> momentum_of(const Momentum& m) {
  return m.cumulative ? std::nullopt : std::optional(m.value);
}

BatchNormOptions options_of(const Problem& p) {
  BatchNormOptions o;
  o.num_features = p.shape.c;
  o.eps = p.eps;
  o.momentum = momentum_of(p.momentum);
  o.affine =
      p.weight ? (p.bias ? Affine::both : Affine::weight) : (p.bias ? Affine::bias : Affine::none);
  o.track_running_stats = p.track;
  o.dtype = dtype_of(p.param_dtype);
  if (p.renorm) o.renorm = truenorm::Renorm{p.renorm->r_max, p.renorm->d_max};
  return o;
}

/// One game: a layer and the program.
class Game {
 public:
  Game(Arena& arena, const Case& c, const Inputs& inputs)
      : arena_(arena),
        case_(c),
        problem_(c.problem),
        exec_(*c.exec),
        inputs_(inputs),
        context_(exec_.threads, isa_of(exec_.isa)),
        layer_(std::make_unique<BatchNorm>(options_of(c.problem))) {
    assign(layer_->weight(), problem_.param_dtype, inputs.weight);
    assign(layer_->bias(), problem_.param_dtype, inputs.bias);
    assign(layer_->running_mean(), problem_.param_dtype, inputs.running_mean);
    assign(layer_->running_var(), problem_.param_dtype, inputs.running_var);
  }

  Trace play() {
    if (!context_.status().ok()) return stopped(Outcome::failed, context_.status().message());
    if (!layer_->status().ok()) return stopped(Outcome::failed, layer_->status().message());
    trace_.steps.reserve(problem_.run.size());
    for (std::size_t i = 0; i < problem_.run.size() && trace_.outcome == Outcome::played; ++i) {
      StepTrace step;
      take(i, step);
      const BatchNorm& layer = *layer_;
      step.running_mean = values_of(layer.running_mean(), problem_.param_dtype);
      step.running_var = values_of(layer.running_var(), problem_.param_dtype);
      if (const auto batches = layer.num_batches_tracked())
        step.num_batches_tracked = static_cast<double>(*batches);
      trace_.steps.push_back(std::move(step));
    }
    return std::move(trace_);
  }

 private:
  static Trace stopped(Outcome outcome, std::string detail) {
    Trace t;
    t.outcome = outcome;
    t.detail = std::move(detail);
    return t;
  }

  void stop(Outcome outcome, std::string detail) {
    trace_.outcome = outcome;
    trace_.detail = std::move(detail);
  }

  void take(std::size_t i, StepTrace& step) {
    switch (problem_.run[i].op) {
      case Op::train:
      case Op::eval:
        forward(i, step);
        break;
      case Op::backward:
        backward(i, step);
        break;
      case Op::reset_stats:
        settle(layer_->reset_running_stats(), step);
        break;
      case Op::reset_params:
        settle(layer_->reset_parameters(), step);
        break;
      case Op::save_load:
        save_load(step);
        break;
      case Op::track_off:
        layer_->set_track_running_stats(false);
        break;
      case Op::track_on:
        layer_->set_track_running_stats(true);
        break;
      case Op::set_eps:
        layer_->set_eps(problem_.run[i].eps);
        break;
      case Op::set_momentum:
        layer_->set_momentum(momentum_of(problem_.run[i].momentum));
        break;
      case Op::copy:
        copy(i, step);
        break;
      case Op::move:
        move(i, step);
        break;
    }
  }

  /// Notes a refusal; true if the call was accepted.
  bool settle(Status status, StepTrace& step) {
    step.refused = refusal_of(status.code);
    if (!status.ok()) step.message = status.message();
    return status.ok();
  }

  /// As settle(), and looks at the memory of the call.
  bool settle_call(Status status, StepTrace& step) {
    const bool accepted = settle(status, step);
    if (const Harm harm = accepted ? arena_.harm() : arena_.harm_after_refusal())
      stop(harm.what, harm.where);
    return accepted;
  }

  void forward(std::size_t i, StepTrace& step) {
    const Shape shape = problem_.shape.with_batch(batch_of(problem_, i));
    layer_->train(problem_.run[i].op == Op::train);
    arena_.begin(case_);
    const Placed& x = arena_.tensor(exec_.inplace ? Use::inout : Use::in, "x", shape,
                                    problem_.dtype, exec_.x, &inputs_.step[i]);
    const Placed& y =
        exec_.inplace ? x : arena_.tensor(Use::out, "y", shape, problem_.dtype, exec_.y);
    std::optional<BatchNorm> before;
    if (exec_.strided_params) before.emplace(*layer_);
    if (!settle_call(layer_->forward(context_, view(x), view(y)), step)) return;
    step.y = arena_.read(y);
    last_ = i;
    if (shape.numel() != 0 &&
        (problem_.run[i].op == Op::train || !layer_->options().track_running_stats)) {
      step.save_mean = values_of(layer_->saved_mean(), Dtype::f64);
      step.save_invstd = values_of(layer_->saved_invstd(), Dtype::f64);
    }
    if (before && trace_.outcome == Outcome::played) compare_functions(i, shape, *before, step);
    forwarded_by_batch_ = problem_.run[i].op == Op::train || !layer_->options().track_running_stats;
    forwarded_ = std::move(before);
  }

  const Placed& parameter(Use use, std::string_view name, const ConstVector& v,
                          std::vector<double>& values) {
    values = values_of(v, problem_.param_dtype);
    return arena_.vector(use, name, problem_.shape.c, problem_.param_dtype, &values);
  }

  // The functions over strided vectors must give the layer's bits.
  void compare_functions(std::size_t i, const Shape& shape, const BatchNorm& before,
                         const StepTrace& step) {
    arena_.begin(case_);
    const Placed& x = arena_.tensor(Use::in, "x", shape, problem_.dtype, exec_.x, &inputs_.step[i]);
    const Placed& y = arena_.tensor(Use::out, "y", shape, problem_.dtype, exec_.y);
    const bool batch = problem_.run[i].op == Op::train || !before.options().track_running_stats;
    const bool update = problem_.run[i].op == Op::train && before.options().track_running_stats &&
                        before.running_mean().present();
    std::vector<double> weight, bias, mean, var;
    ConstVector w, b;
    Vector rm, rv;
    if (problem_.weight) w = vector_view(parameter(Use::in, "weight", before.weight(), weight));
    if (problem_.bias) b = vector_view(parameter(Use::in, "bias", before.bias(), bias));
    const Placed *pm = nullptr, *pv = nullptr;
    if (update || (!batch && before.running_mean().present())) {
      pm = &parameter(update ? Use::inout : Use::in, "running_mean", before.running_mean(), mean);
      pv = &parameter(update ? Use::inout : Use::in, "running_var", before.running_var(), var);
      rm = vector_view(*pm);
      rv = vector_view(*pv);
    }
    Status status;
    if (batch) {
      const auto counted = before.num_batches_tracked().value_or(0) + 1;
      const auto momentum = before.options().momentum;
      ForwardTraining args{view(x),
                           w,
                           b,
                           rm,
                           rv,
                           momentum ? *momentum : 1 / static_cast<double>(counted),
                           before.options().eps,
                           view(y),
                           {},
                           {}};
      if (update) args.renorm = before.options().renorm;
      status = forward_training(context_, args);
    } else {
      status = forward_inference(context_, {view(x), w, b, rm, rv, before.options().eps, view(y)});
    }
    if (!status.ok())
      return stop(Outcome::failed,
                  std::string("the functions refuse what the layer accepts: ") + status.message());
    if (const Harm harm = arena_.harm()) return stop(harm.what, harm.where);
    const BatchNorm& layer = *layer_;
    const bool same =
        same_bits(arena_.read(y), step.y) &&
        (!update ||
         (same_bits(arena_.read(*pm), values_of(layer.running_mean(), problem_.param_dtype)) &&
          same_bits(arena_.read(*pv), values_of(layer.running_var(), problem_.param_dtype))));
    if (!same)
      stop(Outcome::failed, "the functions over strided vectors and the layer give different bits");
  }

  void backward(std::size_t i, StepTrace& step) {
    const Shape shape = problem_.shape.with_batch(batch_of(problem_, i));
    arena_.begin(case_);
    // Before any forward, and for another batch size, x has no data of its own: the offered dy
    // stands for it.
    const bool fits = last_ && batch_of(problem_, *last_) == shape.n;
    const Placed& x = arena_.tensor(Use::in, "x", shape, problem_.dtype, exec_.x,
                                    fits ? &inputs_.step[*last_] : &inputs_.step[i]);
    const bool inplace = exec_.inplace && exec_.dy == exec_.dx;
    const Placed& dy = arena_.tensor(inplace ? Use::inout : Use::in, "dy", shape, problem_.dtype,
                                     exec_.dy, &inputs_.step[i]);
    const Placed& dx =
        inplace ? dy : arena_.tensor(Use::out, "dx", shape, problem_.dtype, exec_.dx);
    const Placed& dweight = arena_.vector(Use::out, "dweight", shape.c, problem_.param_dtype);
    const Placed& dbias = arena_.vector(Use::out, "dbias", shape.c, problem_.param_dtype);
    if (!settle_call(layer_->backward(context_, view(dy), view(x), view(dx), vector_view(dweight),
                                      vector_view(dbias)),
                     step))
      return;
    step.dx = arena_.read(dx);
    step.dweight = arena_.read(dweight);
    step.dbias = arena_.read(dbias);
    if (forwarded_ && trace_.outcome == Outcome::played) compare_gradients(i, shape, step);
  }

  // As compare_functions, for the gradients: from the statistics and the weight of the forward.
  void compare_gradients(std::size_t i, const Shape& shape, const StepTrace& step) {
    arena_.begin(case_);
    const Placed& x =
        arena_.tensor(Use::in, "x", shape, problem_.dtype, exec_.x, &inputs_.step[*last_]);
    const Placed& dy =
        arena_.tensor(Use::in, "dy", shape, problem_.dtype, exec_.dy, &inputs_.step[i]);
    const Placed& dx = arena_.tensor(Use::out, "dx", shape, problem_.dtype, exec_.dx);
    const Placed& dweight = arena_.vector(Use::out, "dweight", shape.c, problem_.param_dtype);
    const Placed& dbias = arena_.vector(Use::out, "dbias", shape.c, problem_.param_dtype);
    std::vector<double> weight, mean, spread, ratio, distance;
    ConstVector w, m, s, r, d;
    const BatchNorm& then = *forwarded_;
    if (problem_.weight) w = vector_view(parameter(Use::in, "weight", then.weight(), weight));
    if (forwarded_by_batch_) {
      mean = values_of(layer_->saved_mean(), Dtype::f64);
      spread = values_of(layer_->saved_invstd(), Dtype::f64);
      m = vector_view(arena_.vector(Use::in, "save_mean", shape.c, Dtype::f64, &mean));
      s = vector_view(arena_.vector(Use::in, "save_invstd", shape.c, Dtype::f64, &spread));
      if (layer_->saved_r().present()) {
        ratio = values_of(layer_->saved_r(), Dtype::f64);
        distance = values_of(layer_->saved_d(), Dtype::f64);
        r = vector_view(arena_.vector(Use::in, "save_r", shape.c, Dtype::f64, &ratio));
        d = vector_view(arena_.vector(Use::in, "save_d", shape.c, Dtype::f64, &distance));
      }
    } else if (then.running_mean().present()) {
      m = vector_view(parameter(Use::in, "running_mean", then.running_mean(), mean));
      s = vector_view(parameter(Use::in, "running_var", then.running_var(), spread));
    }
    const Tensor to = view(dx);
    const Vector to_weight = vector_view(dweight), to_bias = vector_view(dbias);
    const Status status =
        forwarded_by_batch_
            ? backward_training(context_,
                                {view(dy), view(x), w, m, s, to, to_weight, to_bias, r, d})
            : backward_inference(context_, {view(dy), view(x), w, m, s, then.options().eps, to,
                                            to_weight, to_bias});
    if (!status.ok())
      return stop(Outcome::failed,
                  std::string("the functions refuse the layer's gradient: ") + status.message());
    if (const Harm harm = arena_.harm()) return stop(harm.what, harm.where);
    if (!same_bits(arena_.read(dx), step.dx) || !same_bits(arena_.read(dweight), step.dweight) ||
        !same_bits(arena_.read(dbias), step.dbias))
      stop(Outcome::failed, "the functions over strided vectors and the layer differ in gradients");
  }

  /// A layer to be assigned to, with another state than any case's.
  std::unique_ptr<BatchNorm> another() const {
    BatchNormOptions o;
    o.num_features = problem_.shape.c + 1;
    o.eps = 7;
    return std::make_unique<BatchNorm>(o);
  }

  /// Goes on with a copy: a new layer, or where the step's id is odd, one assigned to. The original
  /// is overwritten in all that it owns, its memory of the last forward too, and destroyed.
  void copy(std::size_t i, StepTrace& step) {
    auto copied = problem_.run[i].id % 2 == 0 ? std::make_unique<BatchNorm>(*layer_) : another();
    if (problem_.run[i].id % 2 != 0) *copied = *layer_;
    if (!settle(copied->status(), step)) return;
    if (const Status status = overwrite(*layer_); !status.ok())
      stop(Outcome::failed, std::string("a copied layer refuses a forward: ") + status.message());
    layer_ = std::move(copied);
  }

  /// As copy(), with the layer moved to. The layer moved from owns nothing and refuses every call.
  void move(std::size_t i, StepTrace& step) {
    auto moved =
        problem_.run[i].id % 2 == 0 ? std::make_unique<BatchNorm>(std::move(*layer_)) : another();
    if (problem_.run[i].id % 2 != 0) *moved = std::move(*layer_);
    if (overwrite(*layer_).ok()) stop(Outcome::failed, "a layer moved from accepts a forward");
    layer_ = std::move(moved);
    settle(layer_->status(), step);
  }

  Status overwrite(BatchNorm& layer) {
    for (const Vector& v :
         {layer.weight(), layer.bias(), layer.running_mean(), layer.running_var()})
      assign(v, problem_.param_dtype, std::vector<double>(static_cast<std::size_t>(v.size), -77));
    layer.set_eps(77);
    layer.set_momentum(0.77);
    layer.set_track_running_stats(true);
    layer.train();
    arena_.begin(case_);
    const Shape shape{3, problem_.shape.c, 0, {}};
    const std::vector<double> values(static_cast<std::size_t>(shape.numel()), -77);
    const Placed& x = arena_.tensor(Use::in, "x", shape, problem_.dtype, Layout::nchw, &values);
    const Placed& y = arena_.tensor(Use::out, "y", shape, problem_.dtype, Layout::nchw);
    return layer.forward(context_, view(x), view(y));
  }

  void save_load(StepTrace& step) {
    struct Kept {
      Vector v;
      std::vector<double> values;
      std::vector<std::byte> bytes;
    };
    const BatchNorm& layer = *layer_;
    std::array<Kept, 4> kept{Kept{layer_->weight(), {}, {}}, Kept{layer_->bias(), {}, {}},
                             Kept{layer_->running_mean(), {}, {}},
                             Kept{layer_->running_var(), {}, {}}};
    for (Kept& k : kept) {
      k.values = values_of(k.v, problem_.param_dtype);
      k.bytes.resize(k.values.size() * size_of(problem_.param_dtype) + 1);
      for (std::size_t c = 0; c < k.values.size(); ++c)
        store(problem_.param_dtype, k.values[c],
              k.bytes.data() + c * size_of(problem_.param_dtype));
      assign(k.v, problem_.param_dtype,
             std::vector<double>(k.values.size(), -77));  // what is not loaded back shows
    }
    const auto saved = [&](const Kept& k) {
      return k.v.present() ? ConstVector{k.bytes.data(), k.v.dtype, k.v.size, 1} : ConstVector{};
    };
    settle(layer_->load({saved(kept[0]), saved(kept[1]), saved(kept[2]), saved(kept[3]),
                         layer.num_batches_tracked()}),
           step);
  }

  Arena& arena_;
  const Case& case_;
  const Problem& problem_;
  const Exec& exec_;
  const Inputs& inputs_;
  Context context_;
  std::unique_ptr<BatchNorm> layer_;
  Trace trace_;
  std::optional<std::size_t> last_;
  std::optional<BatchNorm> forwarded_;  // the layer as the last forward met it (strided vectors)
  bool forwarded_by_batch_ = false;
};

class Truenorm final : public Player {
 public:
  std::string name() const override { return "truenorm"; }

  Unsupported unsupported(const Problem&, const Exec& exec) const override {
    const IsaList isas = available_isas();
    if (exec.isa == Isa::best ||
        std::find(isas.begin(), isas.end(), isa_of(exec.isa)) != isas.end())
      return {};
    return std::string("this machine or build has no ") + std::string(oracle::name(exec.isa));
  }

  Contract contract(const Problem& p, const Exec& exec) const override {
    return truenorm_contract(
        p, exec, has_fma(exec.isa == Isa::best ? *available_isas().begin() : isa_of(exec.isa)));
  }

  Trace play(const Case& c, const Inputs& inputs) override {
    return Game(arena_, c, inputs).play();
  }

 private:
  Arena arena_;
};

}  // namespace

std::unique_ptr<Player> make_truenorm() { return std::make_unique<Truenorm>(); }

}  // namespace truenorm::oracle
