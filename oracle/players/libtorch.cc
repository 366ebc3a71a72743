#include "libtorch.h"

#include <ATen/Parallel.h>
#include <ATen/ops/_batch_norm_impl_index_backward.h>
#include <ATen/ops/from_blob.h>
#include <c10/util/Logging.h>
#include <dlfcn.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/generated/Functions.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/serialize.h>
#include <torch/version.h>

#include <algorithm>
#include <array>
#include <exception>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <variant>

#include "../arena.h"
#include "libtorch_contract.h"
#include "libtorch_words.h"

// Semantics come from the module API, forward by forward, and gradients from autograd, as a user of
// LibTorch would have them. save_mean and save_invstd are the tensors that the autograd node of
// that very forward has saved: nothing is computed a second time. Batch renormalization, which LibTorch has
// not, is composed from its definition.

#ifndef TRUENORM_LIBTORCH_VERSION
#define TRUENORM_LIBTORCH_VERSION TORCH_VERSION
#endif

namespace truenorm::oracle {
namespace {

namespace nn = torch::nn;
using Node = torch::autograd::generated::NativeBatchNormBackward0;

constexpr LibTorchVersion kVersion{TORCH_VERSION_MAJOR, TORCH_VERSION_MINOR};

constexpr std::array kTypes{at::kFloat, at::kDouble, at::kBFloat16, at::kHalf};  // by Dtype

at::ScalarType scalar_type(Dtype d) { return kTypes[static_cast<std::size_t>(d)]; }

at::Tensor tensor_at(const Placed& p) {
  const auto rank = static_cast<std::size_t>(p.rank);
  return at::from_blob(p.data, at::IntArrayRef(p.size.data(), rank),
                       at::IntArrayRef(p.stride.data(), rank),
                       at::TensorOptions().dtype(scalar_type(p.dtype)));
}

Dtype dtype_of(const at::Tensor& t) {
  const auto at = std::find(kTypes.begin(), kTypes.end(), t.scalar_type());
  if (at == kTypes.end()) throw std::invalid_argument("a tensor of none of the four dtypes");
  return static_cast<Dtype>(at - kTypes.begin());
}

/// Logical order, every value exact; empty for an undefined tensor. Without a call of LibTorch.
std::vector<double> values_of(const at::Tensor& t) {
  if (!t.defined()) return {};
  Placed p{t.data_ptr(), dtype_of(t), static_cast<int>(t.dim()), {}, {}, t.numel()};
  std::copy(t.sizes().begin(), t.sizes().end(), p.size.begin());
  std::copy(t.strides().begin(), t.strides().end(), p.stride.begin());
  return Arena::read(p);
}

/// Runs one call of LibTorch; a refusal is noted in the step.
template <class Call>
bool accepted(StepTrace& step, Call call) {
  try {
    call();
    return true;
  } catch (const c10::Error& e) {
    refuse(step, e.what_without_backtrace());
  } catch (const std::exception& e) {
    refuse(step, e.what());
  }
  return false;
}

void set_momentum(nn::BatchNormOptions& options, const Momentum& momentum) {
  if (momentum.cumulative)
    options.momentum(c10::nullopt);
  else
    options.momentum(momentum.value);
}

using Module = std::variant<nn::BatchNorm1d, nn::BatchNorm2d, nn::BatchNorm3d>;

Module make_module(const Problem& p) {
  nn::BatchNormOptions options(p.shape.c);
  options.eps(p.eps).affine(p.weight || p.bias).track_running_stats(p.track);
  set_momentum(options, p.momentum);
  if (p.shape.spatial_rank <= 1) return nn::BatchNorm1d(options);
  if (p.shape.spatial_rank == 2) return nn::BatchNorm2d(options);
  return nn::BatchNorm3d(options);
}

/// One layer during one program. The arenas outlive it: the graph of the last forward reads x where
/// it lies.
class Session {
 public:
  struct Memory {
    Arena parameters, dy;
    std::array<Arena, 2> x;  // of the last accepted forward, and of the one under way
  };

  Session(const Case& c, const Inputs& inputs, Memory& memory);
  StepTrace play(std::size_t index);
  const Harm& harm() const { return harm_; }

 private:
  template <class Visit>
  decltype(auto) with(Visit visit) {
    return std::visit([&](auto& m) -> decltype(auto) { return visit(*m); }, module_);
  }
  void adopt(const Inputs& state);
  void adopt(at::Tensor& ours, std::string_view name, const std::vector<double>& values);
  void forward(StepTrace& step, std::size_t index);
  at::Tensor composed(const at::Tensor& x, bool training, StepTrace& step);
  void backward(StepTrace& step, std::size_t index);
  void absent_parameters(StepTrace& step, const at::Tensor& dy);
  void reset_parameters(StepTrace& step);
  void save_load(StepTrace& step);
  void copy(StepTrace& step);
  void note(StepTrace& step);
  void blame(std::string_view when, const Harm& harm) {
    if (!harm_ && harm) harm_ = {harm.what, std::string(when) + ": " + harm.where};
  }

  const Case& case_;
  const Problem& problem_;
  const Inputs& inputs_;
  Memory& memory_;
  Module module_;
  at::Tensor x_, y_;          // of the last accepted forward
  at::Tensor weight_, bias_;  // that it used: a copy of the module has others
  std::size_t spare_ = 0;     // the arena of the next x
  Harm harm_;
};

Session::Session(const Case& c, const Inputs& inputs, Memory& memory)
    : case_(c),
      problem_(c.problem),
      inputs_(inputs),
      memory_(memory),
      module_(make_module(c.problem)) {
  memory_.parameters.begin(c);
  adopt(inputs);
}

/// Gives a new module the case's memory, with these parameters and statistics.
void Session::adopt(const Inputs& state) {
  with([&](auto& m) {
    adopt(m.weight, "weight", state.weight);
    adopt(m.bias, "bias", state.bias);
    adopt(m.running_mean, "running_mean", state.running_mean);
    adopt(m.running_var, "running_var", state.running_var);
    // An affine module has both; the functions below it take either, and forward() hands them what
    // the members hold.
    if (!problem_.weight) m.weight = at::Tensor();
    if (!problem_.bias) m.bias = at::Tensor();
  });
}

/// Gives a tensor of the module the case's dtype, strides, memory and values. set_data keeps its
/// identity, so that saving and loading see it; Module::to() would turn num_batches_tracked into a
/// float, too.
void Session::adopt(at::Tensor& ours, std::string_view name, const std::vector<double>& values) {
  if (!ours.defined()) return;
  std::vector<double> filled = values;
  filled.resize(static_cast<std::size_t>(problem_.shape.c));
  const Placed& place =
      memory_.parameters.vector(Use::inout, name, problem_.shape.c, problem_.param_dtype, &filled);
  ours.set_data(tensor_at(place));
}

void Session::forward(StepTrace& step, std::size_t index) {
  const Step& what = problem_.run[index];
  Arena& arena = memory_.x[spare_];
  arena.begin(case_);
  const Shape shape = problem_.shape.with_batch(batch_of(problem_, index));
  at::Tensor x = tensor_at(
      arena.tensor(Use::in, "x", shape, problem_.dtype, case_.exec->x, &inputs_.step[index]));
  x.set_requires_grad(true);
  at::Tensor y;
  const bool ok = accepted(step, [&] {
    with([&](auto& m) {
      m.train(what.op == Op::train);
      y = problem_.renorm ? composed(x, what.op == Op::train, step) : m.forward(x);
    });
  });
  blame("forward", arena.harm());
  if (!ok) return;
  spare_ = 1 - spare_;
  x_ = std::move(x);
  y_ = std::move(y);
  if (!problem_.renorm)
    with([&](auto& m) {
      weight_ = m.weight;
      bias_ = m.bias;
    });
  step.y = values_of(y_);
  if (what.op != Op::train) return;
  // An empty batch never reaches native_batch_norm: it has another node and saves nothing.
  if (const auto node = std::dynamic_pointer_cast<Node>(y_.grad_fn())) {
    step.save_mean = values_of(node->result1_.unpack(node));
    step.save_invstd = values_of(node->result2_.unpack(node));
  }
}

/// The forward of a problem with renormalization: the definition in tensors of f64, differentiated by
/// autograd but for r, d and what is tracked. With LibTorch's words where it refuses.
at::Tensor Session::composed(const at::Tensor& x, bool training, StepTrace& step) {
  return with([&](auto& m) {
    const bool tracks = m.options.track_running_stats(), batch = training || !tracks;
    const double n = static_cast<double>(problem_.shape.with_batch(x.size(0)).per_channel());
    TORCH_CHECK(!batch || n != 1, kOneValue);
    const bool updates = training && tracks && m.running_mean.defined();
    std::vector<std::int64_t> column(static_cast<std::size_t>(x.dim()), 1), others;
    column[1] = x.size(1);
    for (std::int64_t axis = 0; axis < x.dim(); ++axis)
      if (axis != 1) others.push_back(axis);
    const auto wide = [&](const at::Tensor& t) {
      return t.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true).reshape(column);
    };
    const auto leaf = [&](const at::Tensor& t, double absent) {
      const at::Tensor values = t.defined() ? wide(t) : at::full(column, absent, at::kDouble);
      return values.detach().requires_grad_();
    };
    const auto affine = [&](const at::Tensor& normalized) {
      weight_ = leaf(m.weight, 1);
      bias_ = leaf(m.bias, 0);
      return (normalized * weight_ + bias_).to(x.scalar_type());
    };
    if (updates) m.num_batches_tracked += 1;
    if (x.numel() == 0) return affine(x.to(at::kDouble));
    TORCH_CHECK(batch || m.running_mean.defined(), kNoStatistics);

    const at::Tensor values = x.to(at::kDouble);
    const at::Tensor mean = batch ? values.mean(others, true) : wide(m.running_mean);
    const at::Tensor centred = values - mean;
    const at::Tensor var = batch ? (centred * centred).mean(others, true) : wide(m.running_var);
    // A batch without variance and without eps has an invstd of 0.
    const double eps = m.options.eps();
    const at::Tensor square = var + eps, none = square.detach() == 0;
    const at::Tensor ones = at::ones_like(square);
    const bool flat = batch && eps == 0;
    const at::Tensor deviation = (flat ? at::where(none, ones, square) : square).sqrt();
    const at::Tensor scale = flat ? 1 - none.to(at::kDouble) : ones;
    const at::Tensor normalized = centred / deviation * scale;
    if (training) {
      step.save_mean = values_of(mean);
      step.save_invstd = values_of(scale / deviation);
    }
    if (!updates) return affine(normalized);

    at::Tensor r, d;
    {
      const torch::NoGradGuard no_grad;
      const double r_max = problem_.renorm->r_max, d_max = problem_.renorm->d_max;
      const at::Tensor old_mean = wide(m.running_mean), old_var = wide(m.running_var);
      const at::Tensor sigma = (old_var + eps).sqrt();
      r = (square.sqrt() / sigma).clamp(1 / r_max, r_max);
      d = ((mean - old_mean) / sigma).clamp(-d_max, d_max);
      const auto momentum = m.options.momentum();
      const double factor =
          momentum ? *momentum : 1 / m.num_batches_tracked.template item<double>();
      const at::Tensor unbiased = var * (n / (n - 1));
      m.running_mean.copy_((factor * mean + (1 - factor) * old_mean).reshape({-1}));
      m.running_var.copy_((factor * unbiased + (1 - factor) * old_var).reshape({-1}));
    }
    return affine(normalized * r + d);
  });
}

void Session::backward(StepTrace& step, std::size_t index) {
  if (!y_.defined()) {
    step.refused = Refusal::no_forward;
    step.message = "no forward was accepted before (the player's own check)";
    return;
  }
  memory_.dy.begin(case_);
  const Shape shape = problem_.shape.with_batch(batch_of(problem_, index));
  const at::Tensor dy = tensor_at(memory_.dy.tensor(Use::in, "dy", shape, problem_.dtype,
                                                    case_.exec->dy, &inputs_.step[index]));
  std::vector<at::Tensor> of{x_};
  std::vector<std::vector<double>*> to{&step.dx};
  if (weight_.defined()) of.push_back(weight_), to.push_back(&step.dweight);
  if (bias_.defined()) of.push_back(bias_), to.push_back(&step.dbias);
  const bool ok = accepted(step, [&] {
    // grad() returns the gradients of this call alone: nothing accumulates. The graph is kept for a
    // second backward.
    const auto grads = torch::autograd::grad({y_}, of, {dy}, /*retain_graph=*/true,
                                             /*create_graph=*/false, /*allow_unused=*/true);
    for (std::size_t i = 0; i < of.size(); ++i) {
      const bool parameter = problem_.renorm && i > 0;
      *to[i] = values_of(parameter ? grads[i].to(scalar_type(problem_.param_dtype)) : grads[i]);
    }
  });
  if (ok && dy.sizes() == y_.sizes()) accepted(step, [&] { absent_parameters(step, dy); });
  blame("backward", memory_.dy.harm());
  if (ok) blame("backward", memory_.x[1 - spare_].harm());
}

/// Gradients of a weight or bias that the layer does not have, which no graph asks for: the
/// kernel's own answer, from what the forward saved.
void Session::absent_parameters(StepTrace& step, const at::Tensor& dy) {
  if (problem_.renorm || (problem_.weight && problem_.bias)) return;
  at::Tensor weight, running_mean, running_var, mean, invstd;
  bool training = false;
  double eps = 0;
  if (const auto node = std::dynamic_pointer_cast<Node>(y_.grad_fn())) {
    weight = node->weight_.unpack();
    running_mean = node->running_mean_.unpack();
    running_var = node->running_var_.unpack();
    mean = node->result1_.unpack(node);
    invstd = node->result2_.unpack(node);
    training = node->training;
    eps = node->eps;
  }
  const torch::NoGradGuard no_grad;
  const auto grads = at::_batch_norm_impl_index_backward(
      0, x_, dy, weight, running_mean, running_var, mean, invstd, training, eps,
      {false, !problem_.weight, !problem_.bias}, at::Tensor());
  if (!problem_.weight) step.dweight = values_of(std::get<1>(grads));
  if (!problem_.bias) step.dbias = values_of(std::get<2>(grads));
}

/// The module's own reset_parameters(), but for a module that has lost one of its two parameters,
/// which it would not survive.
void Session::reset_parameters(StepTrace& step) {
  accepted(step, [&] {
    with([&](auto& m) {
      if (problem_.weight == problem_.bias) return m.reset_parameters();
      m.reset_running_stats();
      if (problem_.weight) nn::init::ones_(m.weight);
      if (problem_.bias) nn::init::zeros_(m.bias);
    });
  });
}

void Session::save_load(StepTrace& step) {
  accepted(step, [&] {
    std::stringstream archive;
    std::visit([&](auto& holder) { torch::save(holder, archive); }, module_);
    with([&](auto& m) {
      torch::NoGradGuard no_grad;
      for (at::Tensor& t : m.parameters()) t.fill_(-77);
      for (at::Tensor& t : m.buffers()) t.fill_(-77);
    });
    std::visit([&](auto& holder) { torch::load(holder, archive); }, module_);
  });
}

/// Goes on with the module's clone, in memory of the case's own strides. The original is
/// overwritten while the clone is read, then gets its values back and is destroyed: the graph of
/// the last forward still refers to its tensors, as it does for a user.
void Session::copy(StepTrace& step) {
  accepted(step, [&] {
    Module clone = std::visit(
        [](const auto& holder) -> Module {
          using Holder = std::decay_t<decltype(holder)>;
          return Holder(std::dynamic_pointer_cast<typename Holder::ContainedType>(holder->clone()));
        },
        module_);
    std::vector<std::pair<at::Tensor, at::Tensor>> original;  // without the graph's bookkeeping
    with([&](auto& m) {
      for (const auto& tensors : {m.parameters(), m.buffers()})
        for (const at::Tensor& t : tensors) original.emplace_back(t.data(), t.data().clone());
    });
    for (auto& [now, before] : original) now.fill_(-77);
    module_ = std::move(clone);
    adopt(with([](auto& m) {
      return Inputs{values_of(m.weight),
                    values_of(m.bias),
                    values_of(m.running_mean),
                    values_of(m.running_var),
                    {}};
    }));
    for (auto& [now, before] : original) now.copy_(before);
  });
}

/// The state after a step.
void Session::note(StepTrace& step) {
  with([&](auto& m) {
    step.running_mean = values_of(m.running_mean);
    step.running_var = values_of(m.running_var);
    if (m.num_batches_tracked.defined())
      step.num_batches_tracked =
          static_cast<double>(*m.num_batches_tracked.template data_ptr<std::int64_t>());
  });
  blame("state", memory_.parameters.harm());
}

StepTrace Session::play(std::size_t index) {
  StepTrace step;
  switch (problem_.run[index].op) {
    case Op::train:
    case Op::eval:
      forward(step, index);
      break;
    case Op::backward:
      backward(step, index);
      break;
    case Op::reset_stats:
      accepted(step, [&] { with([](auto& m) { m.reset_running_stats(); }); });
      break;
    case Op::reset_params:
      reset_parameters(step);
      break;
    case Op::save_load:
      save_load(step);
      break;
    case Op::track_off:
      with([](auto& m) { m.options.track_running_stats(false); });
      break;
    case Op::track_on:
      with([](auto& m) { m.options.track_running_stats(true); });
      break;
    case Op::set_eps:
      with([&](auto& m) { m.options.eps(problem_.run[index].eps); });
      break;
    case Op::set_momentum:
      with([&](auto& m) { set_momentum(m.options, problem_.run[index].momentum); });
      break;
    case Op::copy:
      copy(step);
      break;
    case Op::move: {
      Module moved = std::move(module_);
      module_ = std::move(moved);
      break;
    }
  }
  note(step);
  return step;
}

/// at::set_num_threads() also rebuilds a pool for mobile kernels, which costs milliseconds a call
/// and serves nothing here. LibTorch's own count is OpenMP's, once it has been set. The OpenMP
/// meant is the one that LibTorch has loaded, whichever this file's compiler brings.
void use_threads(int n) {
  static const auto set =
      reinterpret_cast<void (*)(int)>(::dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
  if (set != nullptr) set(n);
  if (at::get_num_threads() != n) at::set_num_threads(n);
}

class LibTorch final : public Player {
 public:
  /// Without the stack trace that a refusal would carry: to name its functions takes milliseconds,
  /// and nobody reads it.
  LibTorch() {
    at::set_num_threads(1);
    c10::SetStackTraceFetcher([] { return std::string(); });
  }
  std::string name() const override { return "libtorch"; }
  std::string version() const override { return TRUENORM_LIBTORCH_VERSION; }

  Unsupported unsupported(const Problem& p, const Exec&) const override {
    if (p.dtype == Dtype::f16 && !kVersion.has_f16())
      return "LibTorch 1.13 has no f16 BatchNorm on CPU";
    return {};
  }

  Contract contract(const Problem& p, const Exec& e) const override {
    return libtorch_contract(p, e, kVersion);
  }

  Trace play(const Case& c, const Inputs& inputs) override {
    Trace trace;
    try {
      use_threads(c.exec->threads);
      Session session(c, inputs, memory_);
      for (std::size_t i = 0; i < c.problem.run.size(); ++i) trace.steps.push_back(session.play(i));
      if (const Harm& harm = session.harm()) {
        trace.outcome = harm.what;
        trace.detail = harm.where;
      }
    } catch (const std::exception& e) {
      trace.outcome = Outcome::failed;
      trace.detail = e.what();
    }
    return trace;
  }

 private:
  Session::Memory memory_;
};

}  // namespace

std::unique_ptr<Player> make_libtorch() { return std::make_unique<LibTorch>(); }

}  // namespace truenorm::oracle
