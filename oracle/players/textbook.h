// BatchNorm as a textbook writes it, as kernels of the plugin interface: two passes, sums in
// double, any strides, one thread. Every formula stands in `Honest`; the loops ask a Rule for it,
// so that a planted fault is a Rule with one formula changed. A Rule lives for one call.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "../contract.h"
#include "../data.h"
#include "truenorm_plugin.h"

namespace truenorm::oracle::textbook {

inline Dtype dtype_of(std::int32_t dtype) {
  constexpr std::array kDtypes{Dtype::f32, Dtype::f64, Dtype::bf16, Dtype::f16};
  return kDtypes[static_cast<std::size_t>(dtype)];
}

/// Place of one value of a tensor: batch, channel, and up to three spatial coordinates.
using Index = std::array<std::int64_t, 5>;

/// A strided tensor whose elements read and write as double.
class Tensor {
 public:
  explicit Tensor(const truenorm_tensor& t) : t_(&t) {}

  std::int64_t size(int axis) const { return axis < t_->rank ? t_->size[axis] : 1; }
  int rank() const { return t_->rank; }
  Dtype dtype() const { return dtype_of(t_->dtype); }
  bool present() const { return t_->data != nullptr; }
  std::int64_t channels() const { return size(1); }
  std::int64_t plane() const { return size(2) * size(3) * size(4); }
  std::int64_t per_channel() const { return size(0) * plane(); }

  std::int64_t stride(int axis) const { return axis < t_->rank ? t_->stride[axis] : 0; }
  /// In elements.
  std::int64_t offset(const Index& i) const {
    std::int64_t offset = 0;
    for (std::size_t axis = 0; axis < static_cast<std::size_t>(t_->rank); ++axis)
      offset += i[axis] * t_->stride[axis];
    return offset;
  }
  void* at(std::int64_t offset) const {
    return static_cast<char*>(t_->data) + offset * static_cast<std::int64_t>(size_of(dtype()));
  }
  double get(std::int64_t offset) const { return load(dtype(), at(offset)); }
  void put(std::int64_t offset, double value) const { store(dtype(), value, at(offset)); }

  double operator()(const Index& i) const { return get(offset(i)); }
  void set(const Index& i, double value) const { put(offset(i), value); }

 private:
  const truenorm_tensor* t_;
};

/// One value for each channel; reading an absent vector gives `otherwise`.
class Vector {
 public:
  explicit Vector(const truenorm_vector* v) : v_(v) {}

  bool present() const { return v_ != nullptr && v_->data != nullptr; }
  bool fits(std::int64_t channels) const { return !present() || v_->size == channels; }
  Dtype dtype() const { return dtype_of(v_->dtype); }
  double get(std::int64_t c, double otherwise = 0) const {
    return present() ? place(c * v_->stride) : otherwise;
  }
  void set(std::int64_t c, double value) const {
    if (present()) store(dtype(), value, at(c * v_->stride));
  }
  /// The value so many elements behind the first.
  double place(std::int64_t offset) const { return load(dtype(), at(offset)); }

 private:
  void* at(std::int64_t offset) const {
    return static_cast<char*>(v_->data) + offset * static_cast<std::int64_t>(size_of(dtype()));
  }
  const truenorm_vector* v_;
};

/// Calls f for the place of every value of channel c, in logical order.
template <class F>
void each(const Tensor& x, std::int64_t c, F&& f) {
  for (std::int64_t n = 0; n < x.size(0); ++n)
    for (std::int64_t i = 0; i < x.size(2); ++i)
      for (std::int64_t j = 0; j < x.size(3); ++j)
        for (std::int64_t k = 0; k < x.size(4); ++k) f(Index{n, c, i, j, k});
}

struct Moments {
  double mean, var;  // var is biased: divided by n
};

/// The formulas.
struct Honest {
  /// Refused beyond what the interface demands.
  static bool refuses(const Tensor& /*x*/, double /*eps*/) { return false; }

  static Moments moments(const Tensor& x, std::int64_t c, int /*threads*/) {
    const auto n = static_cast<double>(x.per_channel());
    double sum = 0, squares = 0;
    each(x, c, [&](const Index& i) { sum += x(i); });
    const double mean = sum / n;
    each(x, c, [&](const Index& i) { squares += (x(i) - mean) * (x(i) - mean); });
    return {mean, squares / n};
  }

  static double invstd(double var, double eps, bool training) {
    return training && var == 0 && eps == 0 ? 0 : 1 / std::sqrt(var + eps);
  }
  static double transform(double x, double mean, double invstd, double weight, double bias) {
    return (x - mean) * invstd * weight + bias;
  }

  static double running_mean(double old, double mean, double factor) {
    return factor * mean + (1 - factor) * old;
  }
  static double running_var(double old, double var, double n, double factor, double /*eps*/) {
    return factor * (var * n / (n - 1)) + (1 - factor) * old;
  }

  /// What becomes of a statistic before it normalizes values of `data`, and before it is handed
  /// out.
  static double used(double statistic, Dtype /*data*/) { return statistic; }
  static double saved(double statistic, Dtype /*data*/) { return statistic; }
  /// The weight where there is none.
  static double no_weight(bool /*training*/) { return 1; }

  struct Sums {
    double dy = 0, dot = 0;  // sum(dy), sum((x - mean)*dy)
  };
  static Sums sums(const Tensor& dy, const Tensor& x, std::int64_t c, double mean,
                   bool /*training*/, int /*threads*/) {
    Sums s;
    each(x, c, [&](const Index& i) {
      s.dy += dy(i);
      s.dot += (x(i) - mean) * dy(i);
    });
    return s;
  }
  static double dx(double dy, double centred, double invstd, double weight, const Sums& s,
                   double n) {
    return (dy - s.dy / n - centred * invstd * invstd * s.dot / n) * invstd * weight;
  }
  static double dx_constant(double dy, double invstd, double weight) {
    return dy * invstd * weight;
  }
  static double dweight(const Sums& s, double invstd, double /*old*/) { return s.dot * invstd; }
  static double dbias(const Sums& s) { return s.dy; }

  /// The second passes: y = f(x) and dx = f(dy, x), over channel c.
  template <class F>
  static void map(const Tensor& x, const Tensor& y, std::int64_t c, F&& f) {
    each(x, c, [&](const Index& i) { y.set(i, f(x(i))); });
  }
  template <class F>
  static void map(const Tensor& dy, const Tensor& x, const Tensor& dx, std::int64_t c, F&& f) {
    each(x, c, [&](const Index& i) { dx.set(i, f(dy(i), x(i))); });
  }
  /// A parameter of channel c.
  static double parameter(const Vector& v, std::int64_t c, double otherwise) {
    return v.get(c, otherwise);
  }
};

inline bool well_formed(const Tensor& x, std::initializer_list<const truenorm_vector*> vectors) {
  if (x.rank() < 2 || x.rank() > 5) return false;
  return std::all_of(vectors.begin(), vectors.end(),
                     [&](const truenorm_vector* v) { return Vector(v).fits(x.channels()); });
}

template <class Rule>
truenorm_result forward_training(const truenorm_tensor* xt, const truenorm_vector* weight,
                                 const truenorm_vector* bias, truenorm_vector* running_mean,
                                 truenorm_vector* running_var, double factor, double eps,
                                 truenorm_tensor* yt, truenorm_vector* save_mean,
                                 truenorm_vector* save_invstd, std::int32_t threads) {
  const Tensor x(*xt), y(*yt);
  Rule rule;
  if (!well_formed(x, {weight, bias, running_mean, running_var, save_mean, save_invstd}))
    return TRUENORM_REFUSED;
  if (x.per_channel() == 1 || rule.refuses(x, eps)) return TRUENORM_REFUSED;
  if (x.per_channel() == 0) return TRUENORM_OK;
  const auto n = static_cast<double>(x.per_channel());
  for (std::int64_t c = 0; c < x.channels(); ++c) {
    const Moments m = rule.moments(x, c, threads);
    const double invstd = rule.invstd(m.var, eps, true);
    const double w = rule.parameter(Vector(weight), c, rule.no_weight(true)),
                 b = rule.parameter(Vector(bias), c, 0);
    const double mean_used = rule.used(m.mean, x.dtype()),
                 invstd_used = rule.used(invstd, x.dtype());
    rule.map(x, y, c, [&](double v) { return rule.transform(v, mean_used, invstd_used, w, b); });
    const Vector rm(running_mean), rv(running_var);
    rm.set(c, rule.running_mean(rm.get(c), m.mean, factor));
    rv.set(c, rule.running_var(rv.get(c), m.var, n, factor, eps));
    Vector(save_mean).set(c, rule.saved(m.mean, x.dtype()));
    Vector(save_invstd).set(c, rule.saved(invstd, x.dtype()));
  }
  return TRUENORM_OK;
}

template <class Rule>
truenorm_result forward_inference(const truenorm_tensor* xt, const truenorm_vector* weight,
                                  const truenorm_vector* bias, const truenorm_vector* running_mean,
                                  const truenorm_vector* running_var, double eps,
                                  truenorm_tensor* yt, std::int32_t /*threads*/) {
  const Tensor x(*xt), y(*yt);
  Rule rule;
  if (!well_formed(x, {weight, bias, running_mean, running_var}) || rule.refuses(x, eps))
    return TRUENORM_REFUSED;
  for (std::int64_t c = 0; c < x.channels(); ++c) {
    const double mean = rule.used(Vector(running_mean).get(c), x.dtype());
    const double invstd = rule.used(rule.invstd(Vector(running_var).get(c), eps, false), x.dtype());
    const double w = rule.parameter(Vector(weight), c, rule.no_weight(false)),
                 b = rule.parameter(Vector(bias), c, 0);
    rule.map(x, y, c, [&](double v) { return rule.transform(v, mean, invstd, w, b); });
  }
  return TRUENORM_OK;
}

template <class Rule>
truenorm_result backward(const truenorm_tensor* dyt, const truenorm_tensor* xt,
                         const truenorm_vector* weight, const truenorm_vector* running_mean,
                         const truenorm_vector* running_var, const truenorm_vector* save_mean,
                         const truenorm_vector* save_invstd, std::int32_t training, double eps,
                         truenorm_tensor* dxt, truenorm_vector* dweight, truenorm_vector* dbias,
                         std::int32_t threads) {
  const Tensor dy(*dyt), x(*xt), dx(*dxt);
  Rule rule;
  if (!well_formed(x, {weight, running_mean, running_var, save_mean, save_invstd, dweight, dbias}))
    return TRUENORM_REFUSED;
  const auto n = static_cast<double>(x.per_channel());
  for (std::int64_t c = 0; c < x.channels(); ++c) {
    const double mean = training ? Vector(save_mean).get(c) : Vector(running_mean).get(c);
    const double invstd =
        training ? Vector(save_invstd).get(c) : rule.invstd(Vector(running_var).get(c), eps, false);
    const double w = rule.parameter(Vector(weight), c, rule.no_weight(training != 0));
    if (x.per_channel() == 0) {  // and statistics that nobody knows
      Vector(dweight).set(c, 0);
      Vector(dbias).set(c, 0);
      continue;
    }
    const typename Rule::Sums sums = rule.sums(dy, x, c, mean, training != 0, threads);
    Vector(dweight).set(c, rule.dweight(sums, invstd, Vector(dweight).get(c)));
    Vector(dbias).set(c, rule.dbias(sums));
    if (!dx.present()) continue;
    rule.map(dy, x, dx, c, [&](double g, double v) {
      return training ? rule.dx(g, v - mean, invstd, w, sums, n) : rule.dx_constant(g, invstd, w);
    });
  }
  return TRUENORM_OK;
}

/// What the honest kernel promises, and what the planted ones claim.
Contract contract(const Problem&, const Exec&);

template <class Rule>
constexpr truenorm_kernel_v1 kernel(const char* name) {
  return {TRUENORM_PLUGIN_ABI,    sizeof(truenorm_kernel_v1), name,          {TRUENORM_F64, 0, 0},
          forward_training<Rule>, forward_inference<Rule>,    backward<Rule>};
}

}  // namespace truenorm::oracle::textbook
