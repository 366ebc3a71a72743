// The textbook's kernel with one call done otherwise.
#include <csignal>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "../textbook.h"
#include "plant.h"

namespace truenorm::oracle::planted {
namespace {

using namespace textbook;
using T = const truenorm_tensor*;
using V = const truenorm_vector*;

constexpr truenorm_kernel_v1 kHonest = kernel<Honest>("honest");

/// Normalizes with the running statistics that the same call has just updated.
truenorm_result train_by_running(T x, V w, V b, truenorm_vector* rm, truenorm_vector* rv,
                                 double factor, double eps, truenorm_tensor* y, truenorm_vector* m,
                                 truenorm_vector* s, std::int32_t threads) {
  truenorm_tensor first = *x;  // only the statistics of the first pass are wanted
  if (rm->data == nullptr || x->data == y->data)
    return kHonest.forward_training(x, w, b, rm, rv, factor, eps, y, m, s, threads);
  const truenorm_result result =
      kHonest.forward_training(&first, w, b, rm, rv, factor, eps, y, m, s, threads);
  return result == TRUENORM_OK ? kHonest.forward_inference(x, w, b, rm, rv, eps, y, threads)
                               : result;
}

/// Statistics of each image by itself.
truenorm_result train_by_image(T x, V w, V b, truenorm_vector* rm, truenorm_vector* rv,
                               double factor, double eps, truenorm_tensor* y, truenorm_vector* m,
                               truenorm_vector* s, std::int32_t threads) {
  truenorm_vector none = *rm;
  none.data = nullptr;
  const truenorm_result result =
      kHonest.forward_training(x, w, b, rm, rv, factor, eps, y, m, s, threads);
  if (Tensor(*x).plane() < 2 || x->data == y->data) return result;
  const auto bytes = static_cast<std::int64_t>(size_of(dtype_of(x->dtype)));
  for (std::int64_t n = 0; n < x->size[0] && result == TRUENORM_OK; ++n) {
    truenorm_tensor xn = *x, yn = *y;
    xn.size[0] = yn.size[0] = 1;
    xn.data = static_cast<char*>(x->data) + n * x->stride[0] * bytes;
    yn.data = static_cast<char*>(y->data) + n * y->stride[0] * bytes;
    kHonest.forward_training(&xn, w, b, &none, &none, factor, eps, &yn, m, s, threads);
  }
  return result;
}

truenorm_result infer_without_statistics(T x, V w, V b, V rm, V rv, double, truenorm_tensor* y,
                                         std::int32_t) {
  const Tensor from(*x), to(*y);
  if (!well_formed(from, {w, b, rm, rv})) return TRUENORM_REFUSED;
  for (std::int64_t c = 0; c < from.channels(); ++c)
    each(from, c,
         [&](const Index& i) { to.set(i, from(i) * Vector(w).get(c, 1) + Vector(b).get(c)); });
  return TRUENORM_OK;
}

/// Scale and shift of an evaluation, kept for the next one with a plane of the same size.
std::map<std::pair<std::int64_t, std::int64_t>, std::pair<double, double>>& plans() {
  thread_local std::map<std::pair<std::int64_t, std::int64_t>, std::pair<double, double>> plans;
  return plans;
}
truenorm_result infer_by_cached_plan(T x, V w, V b, V rm, V rv, double eps, truenorm_tensor* y,
                                     std::int32_t) {
  const Tensor from(*x), to(*y);
  if (!well_formed(from, {w, b, rm, rv})) return TRUENORM_REFUSED;
  for (std::int64_t c = 0; c < from.channels(); ++c) {
    const std::pair fresh{Vector(rm).get(c), Honest::invstd(Vector(rv).get(c), eps, false)};
    const auto [mean, invstd] = plans().try_emplace({from.plane(), c}, fresh).first->second;
    each(from, c, [&, mean = mean, invstd = invstd](const Index& i) {
      to.set(i, Honest::transform(from(i), mean, invstd, Vector(w).get(c, 1), Vector(b).get(c)));
    });
  }
  return TRUENORM_OK;
}

/// In evaluation the gradients go by the batch's own statistics.
truenorm_result backward_by_batch(T dy, T x, V w, V rm, V rv, V sm, V ss, std::int32_t training,
                                  double eps, truenorm_tensor* dx, truenorm_vector* dw,
                                  truenorm_vector* db, std::int32_t threads) {
  const Tensor from(*x);
  if (training || from.per_channel() == 0)
    return kHonest.backward(dy, x, w, rm, rv, sm, ss, training, eps, dx, dw, db, threads);
  std::vector<double> mean, var;
  for (std::int64_t c = 0; c < from.channels(); ++c) {
    const Moments m = Honest::moments(from, c, threads);
    mean.push_back(m.mean);
    var.push_back(m.var);
  }
  const truenorm_vector batch_mean{mean.data(), TRUENORM_F64, 0, from.channels(), 1},
      batch_var{var.data(), TRUENORM_F64, 0, from.channels(), 1};
  return kHonest.backward(dy, x, w, &batch_mean, &batch_var, sm, ss, 0, eps, dx, dw, db, threads);
}

/// dx written in x's order of memory, whatever its own strides are.
truenorm_result backward_in_xs_order(T dy, T x, V w, V rm, V rv, V sm, V ss, std::int32_t training,
                                     double eps, truenorm_tensor* dx, truenorm_vector* dw,
                                     truenorm_vector* db, std::int32_t threads) {
  truenorm_tensor as_x = *dx;
  std::int64_t last_x = 0, last_dx = 0;  // an order that would leave dx's memory is not taken
  for (int i = 0; i < x->rank; ++i) {
    last_x += (x->size[i] - 1) * x->stride[i];
    last_dx += (x->size[i] - 1) * dx->stride[i];
  }
  if (last_x == last_dx) std::memcpy(as_x.stride, x->stride, sizeof as_x.stride);
  return kHonest.backward(dy, x, w, rm, rv, sm, ss, training, eps, &as_x, dw, db, threads);
}

/// Returns at once when there is nothing to do, and leaves the parameters' gradients as they were.
truenorm_result backward_empty_early(T dy, T x, V w, V rm, V rv, V sm, V ss, std::int32_t training,
                                     double eps, truenorm_tensor* dx, truenorm_vector* dw,
                                     truenorm_vector* db, std::int32_t threads) {
  if (Tensor(*x).per_channel() == 0) return TRUENORM_OK;
  return kHonest.backward(dy, x, w, rm, rv, sm, ss, training, eps, dx, dw, db, threads);
}

/// Takes the running statistics for values of the data's dtype when there is no weight to look at.
truenorm_result infer_by_narrow_buffers(T x, V w, V b, V rm, V rv, double eps, truenorm_tensor* y,
                                        std::int32_t threads) {
  if (w->data != nullptr) return kHonest.forward_inference(x, w, b, rm, rv, eps, y, threads);
  std::vector<double> mean, var;
  for (std::int64_t c = 0; c < x->size[1]; ++c) {
    mean.push_back(round_to(dtype_of(x->dtype), Vector(rm).get(c)));
    var.push_back(round_to(dtype_of(x->dtype), Vector(rv).get(c)));
  }
  const truenorm_vector narrow_mean{mean.data(), TRUENORM_F64, 0, x->size[1], 1},
      narrow_var{var.data(), TRUENORM_F64, 0, x->size[1], 1};
  return kHonest.forward_inference(x, w, b, &narrow_mean, &narrow_var, eps, y, threads);
}

/// Divides by the number of values before it asks whether there are any: integers, so the process
/// ends where the processor traps. The signal is raised here, for not all of them do.
truenorm_result infer_divides_first(T x, V w, V b, V rm, V rv, double eps, truenorm_tensor* y,
                                    std::int32_t threads) {
  if (Tensor(*x).per_channel() == 0) std::raise(SIGFPE);
  return kHonest.forward_inference(x, w, b, rm, rv, eps, y, threads);
}

// ---- the list ----------------------------------------------------------------------------------

template <class Function>
Plant call(std::string_view id, std::string_view what, Function truenorm_kernel_v1::*which,
           Function f) {
  truenorm_kernel_v1 table = kHonest;
  table.*which = f;
  return {{id, what}, table, nullptr, contract, [] { plans().clear(); }};
}
constexpr auto kTraining = &truenorm_kernel_v1::forward_training;
constexpr auto kInference = &truenorm_kernel_v1::forward_inference;
constexpr auto kBackward = &truenorm_kernel_v1::backward;

}  // namespace

Plants calls() {
  return {
      call("B002", "statistics of each image by itself", kTraining, train_by_image),
      call("B019", "an empty batch leaves dweight and dbias unwritten", kBackward,
           backward_empty_early),
      call("B027", "training normalizes with the running statistics, just updated", kTraining,
           train_by_running),
      call("B052", "gradients of an evaluation go by the batch's statistics", kBackward,
           backward_by_batch),
      call("B072", "dx is written in the order of x's memory", kBackward, backward_in_xs_order),
      call("B084", "without a weight, the running statistics are taken for the data's dtype",
           kInference, infer_by_narrow_buffers),
      call("B127", "evaluation keeps a plan that only the plane's size tells apart", kInference,
           infer_by_cached_plan),
      call("B142", "evaluation of an empty batch divides integers by zero", kInference,
           infer_divides_first),
      call("B147", "evaluation forgets the running statistics", kInference,
           infer_without_statistics),
  };
}

}  // namespace truenorm::oracle::planted
