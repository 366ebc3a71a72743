#include "layer.h"

#include <cmath>

#include "../host.h"
#include "../players.h"

namespace truenorm::oracle {
namespace layered {
namespace {

using textbook::dtype_of;
using textbook::Vector;

constexpr truenorm_kernel_v1 kKernel = textbook::kernel<textbook::Honest>("textbook");
constexpr std::string_view kCounter = "num_batches_tracked";

/// A vector of the kernel's interface; kernels only read those that are const there.
truenorm_vector view(const State& state) {
  return {state.empty() ? nullptr : const_cast<double*>(state.data()), TRUENORM_F64, 0,
          static_cast<std::int64_t>(state.size()), 1};
}

void round_all(Dtype dtype, State& state) {
  for (double& value : state) value = round_to(dtype, value);
}

}  // namespace

Honest::Honest(const truenorm_layer_options& o) : options_(o) {
  const auto channels = static_cast<std::size_t>(o.num_features);
  if (o.has_weight) weight_.assign(channels, 1);
  if (o.has_bias) bias_.assign(channels, 0);
  if (!o.track_running_stats) return;
  running_mean_.assign(channels, 0);
  running_var_.assign(channels, 1);
  batches_ = {0};
}

Dtype Honest::running_dtype(Dtype /*data*/) const { return dtype_of(options_.param_dtype); }

void Honest::reset_running_stats() {
  running_mean_.assign(running_mean_.size(), 0);
  running_var_.assign(running_var_.size(), 1);
  batches_.assign(batches_.size(), 0);
}

State* Honest::find(std::string_view name) {
  State* state = name == "weight"         ? &weight_
                 : name == "bias"         ? &bias_
                 : name == "running_mean" ? &running_mean_
                 : name == "running_var"  ? &running_var_
                 : name == kCounter       ? &batches_
                                          : nullptr;
  return state == nullptr || state->empty() ? nullptr : state;
}

truenorm_result Honest::set_state(std::string_view name, const truenorm_vector& from) {
  State* state = find(name);
  if (state == nullptr || from.size != static_cast<std::int64_t>(state->size()) ||
      from.dtype != (name == kCounter ? TRUENORM_F64 : options_.param_dtype))
    return TRUENORM_REFUSED;
  for (std::size_t i = 0; i < state->size(); ++i)
    (*state)[i] = Vector(&from).get(static_cast<std::int64_t>(i));
  return TRUENORM_OK;
}

truenorm_result Honest::get_state(std::string_view name, const truenorm_vector& to) {
  const State* state = find(name);
  if (state == nullptr || to.size != static_cast<std::int64_t>(state->size()) ||
      to.dtype != (name == kCounter ? TRUENORM_F64 : options_.param_dtype))
    return TRUENORM_REFUSED;
  for (std::size_t i = 0; i < state->size(); ++i)
    Vector(&to).set(static_cast<std::int64_t>(i), (*state)[i]);
  return TRUENORM_OK;
}

/// What a refused call leaves as it was is written at the end.
truenorm_result Honest::train(const truenorm_tensor& x, truenorm_tensor& y, Used& used) {
  const State none;
  State mean = running_mean_, var = running_var_;
  const double counted = updates() ? batches_[0] + 1 : 0;
  const truenorm_vector weight = view(weight_), bias = view(bias_);
  truenorm_vector rm = view(updates() ? mean : none), rv = view(updates() ? var : none);
  truenorm_vector save_mean = view(used.mean), save_invstd = view(used.second);
  const truenorm_result result =
      kKernel.forward_training(&x, &weight, &bias, &rm, &rv, updates() ? factor(counted) : 0,
                               options_.eps, &y, &save_mean, &save_invstd, options_.threads);
  if (result != TRUENORM_OK) return result;
  const Dtype saved = x.dtype == TRUENORM_F64 ? Dtype::f64 : Dtype::f32;
  round_all(saved, used.mean);
  round_all(saved, used.second);
  if (!updates()) return result;
  round_all(running_dtype(dtype_of(x.dtype)), mean);
  round_all(running_dtype(dtype_of(x.dtype)), var);
  running_mean_ = mean;
  running_var_ = var;
  batches_[0] = counted;
  return result;
}

truenorm_result Honest::evaluate(const truenorm_tensor& x, truenorm_tensor& y, Used& used) {
  if (!running_mean_.empty()) {
    used.mean = running_mean_;
    used.second = running_var_;
  }
  const truenorm_vector weight = view(weight_), bias = view(bias_), mean = view(used.mean),
                        var = view(used.second);
  return kKernel.forward_inference(&x, &weight, &bias, &mean, &var, options_.eps, &y,
                                   options_.threads);
}

truenorm_result Honest::forward(const truenorm_tensor& x, truenorm_tensor& y,
                                truenorm_vector* save_mean, truenorm_vector* save_invstd) {
  if (x.rank < 2 || x.size[1] != options_.num_features) return TRUENORM_REFUSED;
  const auto channels = static_cast<std::size_t>(options_.num_features);
  Used used{by_batch(), State(channels, 0), State(channels, 1), weight_};
  const truenorm_result result = used.batch ? train(x, y, used) : evaluate(x, y, used);
  if (result != TRUENORM_OK) return result;
  for (std::int64_t c = 0; c < options_.num_features; ++c) {
    const double second = used.second[static_cast<std::size_t>(c)];
    Vector(save_mean).set(c, used.mean[static_cast<std::size_t>(c)]);
    Vector(save_invstd).set(c, used.batch ? second : 1 / std::sqrt(second + options_.eps));
  }
  remember(used);
  return result;
}

truenorm_result Honest::backward(const truenorm_tensor& dy, const truenorm_tensor& x,
                                 truenorm_tensor& dx, truenorm_vector& dweight,
                                 truenorm_vector& dbias) {
  const State none;
  const truenorm_vector weight = view(weight_of_backward()), mean = view(used_.mean),
                        second = view(used_.second), absent = view(none);
  const auto& [rm, rv, sm, ss] = used_.batch ? std::array{&absent, &absent, &mean, &second}
                                             : std::array{&mean, &second, &absent, &absent};
  return kKernel.backward(&dy, &x, &weight, rm, rv, sm, ss, used_.batch, options_.eps, &dx,
                          &dweight, &dbias, options_.threads);
}

}  // namespace layered

std::unique_ptr<Player> make_naive_layer() {
  HostOptions options{"naive:layer", "a layer's books, kept by itself, over the textbook's loops"};
  options.contract = textbook::contract;
  return host_layer(layered::kLayer<layered::Honest>, std::move(options));
}

}  // namespace truenorm::oracle
