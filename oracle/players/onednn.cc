// oneDNN's BatchNorm as a player: its primitives as a kernel of the plugin interface, under
// Truenorm's bookkeeping, since it has no running statistics of its own. The only file that sees
// oneDNN; both generations of its interface (2.x with operation descriptors, 3.x without).
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "host.h"
#include "players.h"

namespace truenorm::oracle {
namespace {

using dnnl::memory;
using dnnl::prop_kind;
using Flags = dnnl::normalization_flags;
using Forward = dnnl::batch_normalization_forward;
using Backward = dnnl::batch_normalization_backward;
using Arguments = std::unordered_map<int, memory>;

const dnnl::engine& engine() {
  static const dnnl::engine kEngine(dnnl::engine::kind::cpu, 0);
  return kEngine;
}

Forward::primitive_desc forward_desc(prop_kind kind, const memory::desc& data, double eps,
                                     Flags flags) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine(), kind, data, data, static_cast<float>(eps), flags};
#else
  return {Forward::desc(kind, data, static_cast<float>(eps), flags), engine()};
#endif
}

Backward::primitive_desc backward_desc(prop_kind kind, const memory::desc& data, double eps,
                                       Flags flags, const Forward::primitive_desc& hint) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine(), kind, data, data, data, static_cast<float>(eps), flags, hint};
#else
  return {Backward::desc(kind, data, data, static_cast<float>(eps), flags), engine(), hint};
#endif
}

memory::desc desc_of(const truenorm_tensor& t) {
  const auto type = t.dtype == TRUENORM_BF16  ? memory::data_type::bf16
                    : t.dtype == TRUENORM_F16 ? memory::data_type::f16
                                              : memory::data_type::f32;
  return {memory::dims(t.size, t.size + t.rank), type, memory::dims(t.stride, t.stride + t.rank)};
}

/// A channel vector for oneDNN: f32, dense.
memory channel(float* values, std::int64_t channels) {
  return {memory::desc({channels}, memory::data_type::f32, memory::format_tag::a), engine(),
          values};
}
memory channel(const truenorm_vector& v) { return channel(static_cast<float*>(v.data), v.size); }

bool present(const truenorm_vector* v) { return v->data != nullptr; }

std::int64_t per_channel(const truenorm_tensor& t) {
  std::int64_t n = 1;
  for (int i = 0; i < t.rank; ++i) n *= i == 1 ? 1 : t.size[i];
  return n;
}

template <class Primitive>
void execute(const Primitive& primitive, const Arguments& arguments) {
  dnnl::stream stream(engine());
  primitive.execute(stream, arguments);
  stream.wait();
}

/// What oneDNN lacks is not a failure of it.
template <class F>
truenorm_result guarded(std::int32_t threads, F&& f) {
  try {
    omp_set_num_threads(threads);
    return f();
  } catch (const dnnl::error& e) {
    return e.status == dnnl_unimplemented ? TRUENORM_UNSUPPORTED : TRUENORM_FAILED;
  } catch (const std::exception&) {
    return TRUENORM_FAILED;
  }
}

/// y, mean and variance of the batch.
void train(const truenorm_tensor& x, void* y, const truenorm_vector* weight,
           const truenorm_vector* bias, double eps, float* mean, float* var) {
  const memory::desc data = desc_of(x);
  Flags flags = Flags::none;
  const std::int64_t channels = x.size[1];
  Arguments arguments{{DNNL_ARG_SRC, memory(data, engine(), x.data)},
                      {DNNL_ARG_DST, memory(data, engine(), y)},
                      {DNNL_ARG_MEAN, channel(mean, channels)},
                      {DNNL_ARG_VARIANCE, channel(var, channels)}};
  if (weight && present(weight)) {
    flags |= Flags::use_scale;
    arguments.emplace(DNNL_ARG_SCALE, channel(*weight));
  }
  if (bias && present(bias)) {
    flags |= Flags::use_shift;
    arguments.emplace(DNNL_ARG_SHIFT, channel(*bias));
  }
  execute(Forward(forward_desc(prop_kind::forward_training, data, eps, flags)), arguments);
}

void average(truenorm_vector* running, std::int64_t c, double statistic, double factor) {
  if (!present(running)) return;
  float& value = static_cast<float*>(running->data)[c];
  value = static_cast<float>(factor * statistic + (1 - factor) * static_cast<double>(value));
}

truenorm_result forward_training(const truenorm_tensor* x, const truenorm_vector* weight,
                                 const truenorm_vector* bias, truenorm_vector* running_mean,
                                 truenorm_vector* running_var, double factor, double eps,
                                 truenorm_tensor* y, truenorm_vector* save_mean,
                                 truenorm_vector* save_invstd, std::int32_t threads) {
  const std::int64_t channels = x->size[1];
  // oneDNN's primitives know nothing of a layer's refusals.
  for (const truenorm_vector* v : {weight, bias})
    if (present(v) && v->size != channels) return TRUENORM_REFUSED;
  if (per_channel(*x) == 1) return TRUENORM_REFUSED;
  return guarded(threads, [&] {
    std::vector<float> var(static_cast<std::size_t>(channels));
    auto* mean = static_cast<float*>(save_mean->data);
    train(*x, y->data, weight, bias, eps, mean, var.data());
    const auto n = static_cast<double>(per_channel(*x));
    for (std::int64_t c = 0; c < channels; ++c) {
      const auto v = static_cast<double>(var[static_cast<std::size_t>(c)]);
      static_cast<float*>(save_invstd->data)[c] =
          static_cast<float>(v == 0 && eps == 0 ? 0 : 1 / std::sqrt(v + eps));
      average(running_mean, c, static_cast<double>(mean[c]), factor);
      average(running_var, c, v * n / (n - 1), factor);
    }
    return TRUENORM_OK;
  });
}

truenorm_result forward_inference(const truenorm_tensor* x, const truenorm_vector* weight,
                                  const truenorm_vector* bias, const truenorm_vector* running_mean,
                                  const truenorm_vector* running_var, double eps,
                                  truenorm_tensor* y, std::int32_t threads) {
  return guarded(threads, [&] {
    const memory::desc data = desc_of(*x);
    Flags flags = Flags::use_global_stats;
    Arguments arguments{{DNNL_ARG_SRC, memory(data, engine(), x->data)},
                        {DNNL_ARG_DST, memory(data, engine(), y->data)},
                        {DNNL_ARG_MEAN, channel(*running_mean)},
                        {DNNL_ARG_VARIANCE, channel(*running_var)}};
    if (present(weight)) {
      flags |= Flags::use_scale;
      arguments.emplace(DNNL_ARG_SCALE, channel(*weight));
    }
    if (present(bias)) {
      flags |= Flags::use_shift;
      arguments.emplace(DNNL_ARG_SHIFT, channel(*bias));
    }
    execute(Forward(forward_desc(prop_kind::forward_inference, data, eps, flags)), arguments);
    return TRUENORM_OK;
  });
}

truenorm_result backward(const truenorm_tensor* dy, const truenorm_tensor* x,
                         const truenorm_vector* weight, const truenorm_vector* running_mean,
                         const truenorm_vector* running_var, const truenorm_vector* save_mean,
                         const truenorm_vector*, std::int32_t training, double eps,
                         truenorm_tensor* dx, truenorm_vector* dweight, truenorm_vector* dbias,
                         std::int32_t threads) {
  return guarded(threads, [&] {
    const memory::desc data = desc_of(*x);
    const std::int64_t channels = x->size[1];
    const auto size = static_cast<std::size_t>(channels);
    std::vector<float> mean(size), var(size), ones(size, 1), no_dweight(size), no_dbias(size);
    std::vector<char> scratch(data.get_size());  // outputs of oneDNN's that nobody asked for
    // oneDNN's backward reads the variance, of which save_invstd is a rounded function: its forward
    // gives it again, bit for bit.
    if (training) train(*x, scratch.data(), nullptr, nullptr, eps, mean.data(), var.data());
    const Flags flags =
        Flags::use_scale | Flags::use_shift | (training ? Flags::none : Flags::use_global_stats);
    Arguments arguments{
        {DNNL_ARG_SRC, memory(data, engine(), x->data)},
        {DNNL_ARG_DIFF_DST, memory(data, engine(), dy->data)},
        {DNNL_ARG_DIFF_SRC, memory(data, engine(), dx->data ? dx->data : scratch.data())},
        {DNNL_ARG_MEAN, training ? channel(*save_mean) : channel(*running_mean)},
        {DNNL_ARG_VARIANCE, training ? channel(var.data(), channels) : channel(*running_var)},
        {DNNL_ARG_SCALE, present(weight) ? channel(*weight) : channel(ones.data(), channels)},
        {DNNL_ARG_DIFF_SCALE,
         present(dweight) ? channel(*dweight) : channel(no_dweight.data(), channels)},
        {DNNL_ARG_DIFF_SHIFT,
         present(dbias) ? channel(*dbias) : channel(no_dbias.data(), channels)}};
    if (DNNL_VERSION_MAJOR < 3)  // counted among the inputs there, though it is never read
      arguments.emplace(DNNL_ARG_SHIFT, channel(ones.data(), channels));
    const Forward::primitive_desc hint =
        forward_desc(prop_kind::forward_training, data, eps, flags);
    execute(Backward(backward_desc(prop_kind::backward, data, eps, flags, hint)), arguments);
    return TRUENORM_OK;
  });
}

Unsupported unsupported(const Problem& p, const Exec& e) {
  if (p.dtype == Dtype::f64) return "oneDNN has no BatchNorm for f64";
  if (p.param_dtype != Dtype::f32) return "oneDNN keeps parameters and statistics in f32";
  if (e.isa != Isa::best) return "oneDNN chooses its instruction set once a process";
  if (e.strided_params) return "oneDNN reads parameters from dense memory";
  const bool backward =
      std::any_of(p.run.begin(), p.run.end(), [](const Step& s) { return s.op == Op::backward; });
  const bool same = e.x == e.y && (!backward || (e.x == e.dy && e.x == e.dx));
  if (!same || (e.x != Layout::nchw && e.x != Layout::nhwc))
    return "oneDNN's BatchNorm wants one dense layout for all tensors";
  for (std::size_t i = 0; i < p.run.size(); ++i)
    if (p.shape.with_batch(batch_of(p, i)).numel() == 0)
      return "oneDNN does nothing with tensors of no values";
  return {};
}

// Read in oneDNN 3.7.1, src/cpu/{ncsp,nspc}_batch_normalization.cpp and
// src/cpu/x64/jit_uni_batch_normalization.cpp (2.6 computes alike): all sums are f32, partial sums
// of each thread added one after the other; the mean is divided by n in f32, the variance is a
// second pass about that mean, divided by n; y = (x - mean) * (scale/sqrt(var + eps)) + shift; dx =
// (dy - (dbias/n + (x - mean)*dscale*s/n)) * (scale*s) with s = 1/sqrt(var + eps), dscale = sum((x
// - mean)*dy)*s. bf16 and f16 are widened to f32 and rounded once.
Contract contract(const Problem& p, const Exec& e) {
  std::int64_t n = p.shape.per_channel();
  for (std::size_t i = 0; i < p.run.size(); ++i)
    n = std::max(n, p.shape.with_batch(batch_of(p, i)).per_channel());
  const double chain = static_cast<double>(n + e.threads);
  Contract c;
  c.mean = {0, kU32, chain};
  c.square = c.dot = {kU32, kU32, chain};
  c.dy_sum = {0, kU32, chain};
  c.mean_unit = c.var_unit = kU32;                // one division each
  c.invstd_unit = c.eval_invstd_unit = 3 * kU32;  // var + eps, the root, the quotient
  c.eps_unit = kU32;
  c.unit = kU32;
  c.forward_roundings = 3;  // scale/sqrt counted as a product, x - mean, their product
  c.backward_roundings =
      9;  // of the last term: x - mean, dot*s, two products, /n, two sums, scale*s, the product
  c.dy_sum_store = c.dot_store = kU32;
  c.save_unit = kU32;
  c.backward_from_saved = true;
  c.run_unit = kU64;  // the update is Truenorm's, in double
  c.f32_range = c.f32_sums = true;
  return c;
}

}  // namespace

std::unique_ptr<Player> make_onednn() {
  static const truenorm_kernel_v1 kKernel{
      TRUENORM_PLUGIN_ABI, sizeof(truenorm_kernel_v1), "onednn", {TRUENORM_F32, 0, 0},
      forward_training,    forward_inference,          backward};
  const dnnl_version_t* v = dnnl_version();
  HostOptions options;
  options.name = "onednn";
  options.version =
      std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
  options.unsupported = unsupported;
  options.contract = contract;
  return host_kernel(kKernel, std::move(options));
}

}  // namespace truenorm::oracle
