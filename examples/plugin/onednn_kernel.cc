// oneDNN's batch normalization primitives behind the plugin interface: somebody else's library,
// judged as it is. Dense float data in NCHW or NHWC; oneDNN 2 and 3.
//
//   truenorm conform --subject build/libonednn_kernel.so
#include <omp.h>
#include <truenorm_plugin.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

namespace {

using dnnl::memory;
using dnnl::prop_kind;
using Flags = dnnl::normalization_flags;
using Forward = dnnl::batch_normalization_forward;
using Backward = dnnl::batch_normalization_backward;
using Arguments = std::unordered_map<int, memory>;
using Tensor = const truenorm_tensor*;
using Vector = const truenorm_vector*;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

// ---- the two generations of oneDNN's interface ----

Forward::primitive_desc forward_desc(prop_kind kind, const memory::desc& data, double eps,
                                     Flags flags) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine(), kind, data, data, static_cast<float>(eps), flags};
#else
  return {Forward::desc(kind, data, static_cast<float>(eps), flags), engine()};
#endif
}

Backward::primitive_desc backward_desc(const memory::desc& data, double eps, Flags flags) {
  const auto hint = forward_desc(prop_kind::forward_training, data, eps, flags);
#if DNNL_VERSION_MAJOR >= 3
  return {engine(), prop_kind::backward, data, data, data, static_cast<float>(eps), flags, hint};
#else
  return {Backward::desc(prop_kind::backward, data, data, static_cast<float>(eps), flags), engine(),
          hint};
#endif
}

// ---- what oneDNN takes ----

std::int64_t per_channel(Tensor t) {
  std::int64_t n = 1;
  for (int i = 0; i < t->rank; ++i) n *= i == 1 ? 1 : t->size[i];
  return n;
}

/// Dense, with the channels as the second axis in memory or as the last.
bool dense(Tensor t) {
  for (const bool channels_last : {false, true}) {
    std::vector<int> order{0};  // axes from the outermost in memory to the innermost
    if (!channels_last) order.push_back(1);
    for (int axis = 2; axis < t->rank; ++axis) order.push_back(axis);
    if (channels_last) order.push_back(1);
    std::int64_t next = 1;
    bool fits = true;
    for (auto axis = order.rbegin(); axis != order.rend(); ++axis) {
      fits = fits && t->stride[*axis] == next;
      next *= t->size[*axis];
    }
    if (fits) return true;
  }
  return false;
}

/// Ill-formed calls are refused, others that oneDNN does not take are told.
truenorm_result check(std::initializer_list<Tensor> tensors, std::initializer_list<Vector> vectors,
                      double eps) {
  const Tensor x = *tensors.begin();
  if (x->rank < 2 || x->rank > 5) return TRUENORM_REFUSED;
  for (const Vector v : vectors)
    if (v->data && v->size != x->size[1]) return TRUENORM_REFUSED;
  for (const Vector v : vectors)
    if (v->data && v->stride != 1) return TRUENORM_UNSUPPORTED;
  for (const Tensor t : tensors)
    if (t->data && (t->dtype != TRUENORM_F32 || !dense(t) ||
                    !std::equal(t->stride, t->stride + t->rank, x->stride)))
      return TRUENORM_UNSUPPORTED;
  return eps == 0 || eps >= static_cast<double>(FLT_MIN) ? TRUENORM_OK : TRUENORM_UNSUPPORTED;
}

memory tensor(Tensor t, void* data) {
  const memory::desc desc(memory::dims(t->size, t->size + t->rank), memory::data_type::f32,
                          memory::dims(t->stride, t->stride + t->rank));
  return {desc, engine(), data};
}

memory channels(float* values, std::int64_t count) {
  return {memory::desc({count}, memory::data_type::f32, memory::format_tag::a), engine(), values};
}
memory channels(Vector v) { return channels(static_cast<float*>(v->data), v->size); }

/// The vector, or `other` in its place where it is absent.
memory either(Vector v, std::vector<float>& other) {
  return v->data ? channels(v) : channels(other.data(), static_cast<std::int64_t>(other.size()));
}

template <class Primitive>
void execute(const Primitive& primitive, const Arguments& arguments) {
  dnnl::stream stream(engine());
  primitive.execute(stream, arguments);
  stream.wait();
}

/// No exception leaves the library; what oneDNN lacks is not a failure of it.
template <class F>
truenorm_result guarded(std::int32_t threads, F&& f) {
  try {
    omp_set_num_threads(threads);
    f();
    return TRUENORM_OK;
  } catch (const dnnl::error& e) {
    return e.status == dnnl_unimplemented ? TRUENORM_UNSUPPORTED : TRUENORM_FAILED;
  } catch (const std::exception&) {
    return TRUENORM_FAILED;
  }
}

void add_parameters(Arguments& arguments, Flags& flags, Vector weight, Vector bias) {
  if (weight->data) {
    flags |= Flags::use_scale;
    arguments.emplace(DNNL_ARG_SCALE, channels(weight));
  }
  if (bias->data) {
    flags |= Flags::use_shift;
    arguments.emplace(DNNL_ARG_SHIFT, channels(bias));
  }
}

/// y, mean and variance of the batch.
void train(Tensor x, void* y, Vector weight, Vector bias, double eps, float* mean, float* var) {
  const std::int64_t count = x->size[1];
  Flags flags = Flags::none;
  Arguments arguments{{DNNL_ARG_SRC, tensor(x, x->data)},
                      {DNNL_ARG_DST, tensor(x, y)},
                      {DNNL_ARG_MEAN, channels(mean, count)},
                      {DNNL_ARG_VARIANCE, channels(var, count)}};
  add_parameters(arguments, flags, weight, bias);
  const auto data = arguments.at(DNNL_ARG_SRC).get_desc();
  execute(Forward(forward_desc(prop_kind::forward_training, data, eps, flags)), arguments);
}

void average(truenorm_vector* running, std::int64_t c, double now, double factor) {
  if (!running->data) return;
  float& value = static_cast<float*>(running->data)[c];
  value = static_cast<float>(factor * now + (1 - factor) * static_cast<double>(value));
}

// ---- the three functions ----

truenorm_result forward_training(Tensor x, Vector weight, Vector bias,
                                 truenorm_vector* running_mean, truenorm_vector* running_var,
                                 double factor, double eps, truenorm_tensor* y,
                                 truenorm_vector* save_mean, truenorm_vector* save_invstd,
                                 std::int32_t threads) {
  const std::int64_t n = per_channel(x);
  const truenorm_result result =
      check({x, y}, {weight, bias, running_mean, running_var, save_mean, save_invstd}, eps);
  if (result != TRUENORM_OK) return result;
  if (n == 1) return TRUENORM_REFUSED;
  if (n == 0) return TRUENORM_OK;
  return guarded(threads, [&] {
    std::vector<float> var(static_cast<std::size_t>(x->size[1]));
    auto* mean = static_cast<float*>(save_mean->data);
    train(x, y->data, weight, bias, eps, mean, var.data());
    for (std::int64_t c = 0; c < x->size[1]; ++c) {
      const auto v = static_cast<double>(var[static_cast<std::size_t>(c)]);
      const double invstd = v == 0 && eps == 0 ? 0 : 1 / std::sqrt(v + eps);
      static_cast<float*>(save_invstd->data)[c] = static_cast<float>(invstd);
      average(running_mean, c, static_cast<double>(mean[c]), factor);
      average(running_var, c, v * static_cast<double>(n) / static_cast<double>(n - 1), factor);
    }
  });
}

truenorm_result forward_inference(Tensor x, Vector weight, Vector bias, Vector running_mean,
                                  Vector running_var, double eps, truenorm_tensor* y,
                                  std::int32_t threads) {
  const truenorm_result result = check({x, y}, {weight, bias, running_mean, running_var}, eps);
  if (result != TRUENORM_OK || per_channel(x) == 0) return result;
  return guarded(threads, [&] {
    Flags flags = Flags::use_global_stats;
    Arguments arguments{{DNNL_ARG_SRC, tensor(x, x->data)},
                        {DNNL_ARG_DST, tensor(y, y->data)},
                        {DNNL_ARG_MEAN, channels(running_mean)},
                        {DNNL_ARG_VARIANCE, channels(running_var)}};
    add_parameters(arguments, flags, weight, bias);
    const auto data = arguments.at(DNNL_ARG_SRC).get_desc();
    execute(Forward(forward_desc(prop_kind::forward_inference, data, eps, flags)), arguments);
  });
}

truenorm_result backward(Tensor dy, Tensor x, Vector weight, Vector running_mean,
                         Vector running_var, Vector save_mean, Vector save_invstd,
                         std::int32_t training, double eps, truenorm_tensor* dx,
                         truenorm_vector* dweight, truenorm_vector* dbias, std::int32_t threads) {
  const truenorm_result result =
      check({x, dy, dx},
            {weight, running_mean, running_var, save_mean, save_invstd, dweight, dbias}, eps);
  if (result != TRUENORM_OK) return result;
  const auto count = static_cast<std::size_t>(x->size[1]);
  if (per_channel(x) == 0) {
    for (truenorm_vector* v : {dweight, dbias})
      if (v->data) std::fill_n(static_cast<float*>(v->data), count, 0.0f);
    return TRUENORM_OK;
  }
  return guarded(threads, [&] {
    std::vector<float> mean(count), var(count), ones(count, 1), no_dweight(count), no_dbias(count);
    // oneDNN wants all gradients, and the variance: its forward gives that again, bit for bit.
    std::vector<float> scratch(count * static_cast<std::size_t>(per_channel(x)));
    const truenorm_vector none{nullptr, TRUENORM_F32, 0, 0, 1};
    if (training) train(x, scratch.data(), &none, &none, eps, mean.data(), var.data());
    const Flags flags =
        Flags::use_scale | Flags::use_shift | (training ? Flags::none : Flags::use_global_stats);
    Arguments arguments{{DNNL_ARG_SRC, tensor(x, x->data)},
                        {DNNL_ARG_DIFF_DST, tensor(dy, dy->data)},
                        {DNNL_ARG_DIFF_SRC, tensor(x, dx->data ? dx->data : scratch.data())},
                        {DNNL_ARG_MEAN, channels(training ? save_mean : running_mean)},
                        {DNNL_ARG_VARIANCE, training ? either(&none, var) : channels(running_var)},
                        {DNNL_ARG_SCALE, either(weight, ones)},
                        {DNNL_ARG_DIFF_SCALE, either(dweight, no_dweight)},
                        {DNNL_ARG_DIFF_SHIFT, either(dbias, no_dbias)}};
    if (DNNL_VERSION_MAJOR < 3)  // counted among the inputs there, though it is never read
      arguments.emplace(DNNL_ARG_SHIFT, either(&none, ones));
    const auto data = arguments.at(DNNL_ARG_SRC).get_desc();
    execute(Backward(backward_desc(data, eps, flags)), arguments);
  });
}

}  // namespace

extern "C" const truenorm_kernel_v1* truenorm_kernel(void) {
  static const truenorm_kernel_v1 kernel{
      TRUENORM_PLUGIN_ABI,  sizeof(truenorm_kernel_v1), "oneDNN",
      {TRUENORM_F32, 0, 0},  // sums in float, one long chain
      forward_training,     forward_inference,          backward};
  return &kernel;
}
