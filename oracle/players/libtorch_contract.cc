#include "libtorch_contract.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "../arena.h"

// What is said here was read in ATen's sources, releases 1.13.1 and 2.6.0: native/Normalization.cpp
// (which path, and all of the strided one), native/cpu/batch_norm_kernel.cpp (the contiguous ones),
// native/cpu/SumKernel.cpp (at::sum), and checked bit by bit for f32 on AVX2. Bounds hold for each
// ATen CPU capability, with fused multiply-add and without.

namespace truenorm::oracle {
namespace {

using Path = LibTorchPath;

using Five = std::array<std::int64_t, 5>;

struct View {
  int rank;
  Five size, stride;
};

View view_of(Layout layout, const Shape& s) {
  return {s.rank(), {s.n, s.c, s.s[0], s.s[1], s.s[2]}, strides_of(layout, s)};
}

/// c10's test: dense with the axes in this order, innermost first; axes of size 1 do not count.
template <std::size_t N>
bool dense(const View& v, const std::array<std::size_t, N>& order, int rank) {
  if (v.rank != rank) return false;
  std::int64_t expected = 1;
  for (std::size_t axis : order) {
    if (v.size[axis] == 1) continue;
    if (v.stride[axis] != expected) return false;
    expected *= v.size[axis];
  }
  return true;
}

bool contiguous(const View& v) {
  std::int64_t expected = 1;
  for (auto axis = static_cast<std::size_t>(v.rank); axis-- > 0;) {
    if (v.size[axis] == 1) continue;
    if (v.stride[axis] != expected) return false;
    expected *= v.size[axis];
  }
  return true;
}

constexpr std::array<std::size_t, 4> kLast2d{1, 3, 2, 0};
constexpr std::array<std::size_t, 5> kLast3d{1, 4, 3, 2, 0};

bool channels_last(const View& v, LibTorchVersion version) {
  return dense(v, kLast2d, 4) || (version.channels_last_3d() && dense(v, kLast3d, 5));
}

/// c10's suggest_memory_format: whether strides look like channels last, dense or not. Source:
/// c10/core/MemoryFormat.h.
template <std::size_t N>
bool suggests_last(const View& v, const std::array<std::size_t, N>& order) {
  if (static_cast<std::size_t>(v.rank) != N || v.stride[1] == 0) return false;
  std::int64_t least = 0;
  for (std::size_t axis : order) {
    if (v.size[axis] == 0 || v.stride[axis] < least) return false;
    if (axis == 0 && least == v.stride[1]) return false;
    least = v.stride[axis] * std::max<std::int64_t>(v.size[axis], 1);
  }
  return true;
}

bool suggests_last(const View& v) { return suggests_last(v, kLast2d) || suggests_last(v, kLast3d); }

/// Normalization.cpp, is_contiguous(); batch_norm_kernel.cpp, the three *_kernel functions.
Path path_of(const View& x, const Shape& shape, LibTorchVersion version) {
  if (contiguous(x)) return shape.plane() == 1 ? Path::channels_last : Path::contiguous;
  return channels_last(x, version) ? Path::channels_last : Path::strided;
}

/// Normalization.cpp, batch_norm_backward_cpu_template: both dense, and of one suggested format.
Path backward_path(const View& x, const View& dy, const Shape& shape, LibTorchVersion version) {
  const bool same = suggests_last(x) == suggests_last(dy);
  if (!same || path_of(dy, shape, version) == Path::strided) return Path::strided;
  return path_of(x, shape, version);
}

/// How at::sum goes over one channel: TensorIterator puts the reduced axes first, by stride, and
/// joins those that lie end to end. Each run of the innermost is summed by a cascade; the runs are
/// added to the output one after the other, in the output's dtype.
struct Reduction {
  double cascade, runs;
};

Reduction reduction(const View& x, const Shape& shape, int threads) {
  std::vector<std::pair<std::int64_t, std::int64_t>> axes;  // stride, size
  for (auto axis = static_cast<std::size_t>(x.rank); axis-- > 0;) {
    if (axis != 1 && x.size[axis] != 1) axes.emplace_back(x.stride[axis], x.size[axis]);
  }
  // Repeated axes (stride 0) compare with nothing and stay behind.
  std::stable_sort(axes.begin(), axes.end(), [](const auto& a, const auto& b) {
    return a.first != 0 && (b.first == 0 || a.first < b.first);
  });
  std::int64_t innermost = axes.empty() ? 1 : axes[0].second;
  for (std::size_t i = 1; i < axes.size() && axes[i].first == axes[0].first * innermost; ++i)
    innermost *= axes[i].second;
  const double n = static_cast<double>(shape.per_channel());
  // SumKernel.cpp: multi_row_sum has four levels of 2^max(4, log2(size)/4) additions each, the last
  // of what is left; then 4 levels, 4 rows and up to 16 lanes with their tails are added up.
  const double step =
      std::exp2(std::max(4.0, std::ceil(std::ceil(std::log2(std::max(n, 1.0))) / 4)));
  const double cascade = std::min(n, 3 * step + std::ceil(n / (step * step * step)) + 40);
  // With one channel and 32768 elements or more the threads share the channel: a partial sum each,
  // and pieces of runs at both ends.
  const double shared = shape.c == 1 && threads > 1 && n >= 32768 ? 3.0 * threads : 0;
  return {cascade, (innermost > 0 ? n / static_cast<double>(innermost) : 0) + shared};
}

double unit_of(Dtype d) {
  switch (d) {
    case Dtype::f32:
      return kU32;
    case Dtype::f64:
      return kU64;
    case Dtype::bf16:
      return kUBf16;
    case Dtype::f16:
      return kUF16;
  }
  return kU32;
}

/// The smallest subnormal.
double smallest(Dtype d) { return d == Dtype::bf16 ? 0x1p-133 : 0x1p-24; }

/// One problem in the eyes of the kernels: the units of the data, the parameters and the
/// accumulators.
struct Setting {
  const Problem& problem;
  const Exec& exec;
  LibTorchVersion version;
  bool half = problem.dtype == Dtype::bf16 || problem.dtype == Dtype::f16;
  // Normalization.cpp, is_mixed_type: the first tensor among weight, bias and statistics decides;
  // without any, nothing is mixed.
  bool mixed = half && problem.param_dtype == Dtype::f32 &&
               (problem.weight || problem.bias || problem.track);
  double data = unit_of(problem.dtype);
  double param =
      mixed ? kU32 : data;           // of save_*, and of weights as the strided transform uses them
  double math = half ? kU32 : data;  // opmath_t: the contiguous kernels' arithmetic
  double acc =
      problem.dtype == Dtype::f32 ? kU64 : math;  // acc_type: double for float, else opmath_t
};

double count_of(const Shape& s) { return static_cast<double>(s.per_channel()); }

/// Rows that one thread sums in the channels-last kernels: at::parallel_for with grain 1.
double rows(const Setting& s, const Shape& shape) {
  return std::ceil(count_of(shape) / std::max(1, s.exec.threads));
}

/// A chain of `steps` additions of unit `s.math` and then `merges` of unit s.acc, told in additions
/// of s.math.
Sum chained(const Setting& s, double term, double steps, double merges) {
  return {term, s.math, steps + merges * (s.acc / s.math)};
}

void widen(Sum& to, const Sum& by) {
  to.term = std::max(to.term, by.term);
  if (to.add == 0 || by.add == 0) {
    if (by.add > 0) to.add = by.add, to.chain = by.chain;
    return;
  }
  const double reach =
      std::max(to.add * to.chain, by.add * by.chain);  // gamma(k, u) grows with k*u
  to.add = std::max(to.add, by.add);
  to.chain = reach / to.add;
}

void widen(double& to, double by) { to = std::max(to, by); }

/// Contract under construction: forward and backward roundings are kept as relative errors until
/// the unit is known.
struct Draft {
  Contract c;
  double forward = 0, backward = 0, eval_backward = 0;
};

/// Additions of one lane and its merging in the f32 and f64 plane sums of the contiguous backward:
/// vec::reduce_all over 256-bit vectors.
double lanes(const Setting& s, double plane) {
  const double width = s.problem.dtype == Dtype::f64 ? 4 : 8;
  return std::min(plane, std::ceil(plane / width) + width - 1);
}

/// The same in the contiguous bf16 and f16 kernels, over the whole channel: 16 values at a time
/// into 8 lanes, what is left of a plane one by one.
double half_lanes(const Shape& shape) {
  const double plane = static_cast<double>(shape.plane()), n = static_cast<double>(shape.n),
               whole = std::floor(plane / 16);
  return n * std::max(2 * whole, plane - 16 * whole) + 9;
}

/// batch_norm_cpu_collect_stats_*: mean and sum of squares, contiguous and channels-last.
void dense_sums(const Setting& s, const Shape& shape, Path path, Contract& c) {
  const double n = count_of(shape), threads = s.exec.threads;
  if (path == Path::contiguous && !s.half) {
    // One by one in double (f32) or in double (f64); the squares' factors and product are rounded
    // to T.
    widen(c.mean, {0, s.acc, n});
    widen(c.square, {s.data, s.acc, n});
  } else if (path == Path::contiguous) {
    widen(c.mean, {0, kU32, half_lanes(shape)});
    widen(c.square, {kU32, kU32, half_lanes(shape)});
  } else {
    // Each thread sums its rows in T (bf16, f16: f32) from 0; the partial sums are added in
    // acc_type. With no more rows than threads 2.x sums them one by one, then rounding differences
    // of 16-bit data to their own type.
    const bool few = s.version.major >= 2 && n <= threads;
    const double steps = few ? n : rows(s, shape);
    widen(c.mean, chained(s, 0, steps, threads));
    widen(c.square, chained(s, few && s.half && !s.mixed ? s.data : s.math, steps, threads));
  }
}

/// The statistics of contiguous and channels-last inputs, and what
/// batch_norm_cpu_update_stats_template makes of them.
void dense_stats(const Setting& s, const Shape& shape, Path path, Contract& c) {
  dense_sums(s, shape, path, c);
  const double n = count_of(shape);
  widen(c.mean_unit, s.param + (s.half ? kU32 : s.acc));  // param_t(sum / N)
  // var_sum is stored as param_t and divided by n as param_t: three roundings, of which n is free
  // where it is representable. f16 keeps it in f32.
  const double stored = s.problem.dtype == Dtype::f16 ? kU32 : s.param;
  const bool n_fits = round_to(stored == kUBf16 ? Dtype::bf16
                               : stored == kU32 ? Dtype::f32
                                                : Dtype::f64,
                               n) == n &&
                      round_to(stored == kUBf16 ? Dtype::bf16
                               : stored == kU32 ? Dtype::f32
                                                : Dtype::f64,
                               n - 1) == n - 1;
  widen(c.var_unit, (n_fits ? 2.01 : 3.02) * stored);
  // Partial sums of a constant are its multiples: exact where they fit the accumulator.
  const double bits = s.problem.dtype == Dtype::bf16  ? 0x1p16
                      : s.problem.dtype == Dtype::f16 ? 0x1p13
                                                      : 0x1p29;
  const bool wide_enough = s.half || (s.problem.dtype == Dtype::f32 && path == Path::contiguous);
  c.constant_exact = c.constant_exact && wide_enough && n <= bits;
  widen(c.run_unit, s.param);  // momentum_ and 1 - momentum_ are param_t, too
  for (const Momentum& momentum : each_momentum(s.problem))
    if (momentum.cumulative || round_to(s.problem.param_dtype, momentum.value) != momentum.value)
      widen(c.factor_unit, s.param);
}

/// batch_norm_cpu_update_stats_template for inputs of any strides: at::mean, then one pass a
/// channel.
void strided_stats(const Setting& s, const View& x, const Shape& shape, Contract& c) {
  const double n = count_of(shape);
  const Reduction r = reduction(x, shape, s.exec.threads);
  if (s.half && !s.mixed) {
    widen(
        c.mean,
        {0, s.data,
         r.runs + (r.cascade + 1) *
                      (kU32 / s.data)});  // at::sum's output has the data's dtype: a rounding a run
    widen(c.mean_unit, 2 * s.data);       // and div_ rounds n and the quotient
  } else {
    widen(c.mean, {0, s.math, r.cascade + r.runs});
    widen(c.mean_unit, s.param * (n > 0x1p24 ? 2 : 1));
  }
  widen(c.square, {s.acc, s.acc, n});  // (i - mean) in acc_type, mean as stored
  widen(c.var_unit, 2 * s.acc);
  c.constant_exact = c.constant_exact && s.mixed && n <= 0x1p13;
  widen(c.run_unit, s.half ? kU32 : kU64);  // momentum stays a double; unbiased_var is acc_type
}

/// Roundings of the transform: folded into x*alpha + beta, or operator by operator.
void transform(const Setting& s, Path path, Draft& d) {
  if (path == Path::strided) {
    widen(d.c.unit, s.param);
    widen(d.forward, 3 * s.param);  // ((x - mean)*invstd)*weight, each in param_t
    return;
  }
  d.c.folded = true;
  widen(d.c.unit, s.math);
  widen(d.forward,
        s.math);  // alpha = invstd*weight; products and sums of folding are counted by `folded`
}

/// 1/sqrt(running_var + eps): in the forward each operation in T (contiguous kernels: f32 for
/// 16-bit data), in the backward in double with one rounding.
void eval_statistics(const Setting& s, Path path, Contract& c) {
  const double unit = path == Path::strided ? s.param : s.math;
  widen(c.eval_invstd_unit,
        std::max(2.51 * unit + 2 * kU32 * (unit > kU32 ? 1 : 0), s.param + 4 * kU64));
  if (s.problem.dtype == Dtype::f64) return;
  // eps as f32: its rounding error is known exactly, underflow included.
  for (const double eps : each_eps(s.problem))
    if (eps != 0 && std::isfinite(eps))
      widen(c.eps_unit, std::abs(round_to(Dtype::f32, eps) - eps) / std::abs(eps));
}

/// Backward of contiguous and channels-last inputs. The longest way is that of (x - mean)*k: the
/// difference, three roundings of k = dot*s*s/n, the product, the subtraction, *invstd and *weight.
void dense_backward(const Setting& s, const Shape& shape, Path path, Draft& d) {
  Contract& c = d.c;
  const double plane = static_cast<double>(shape.plane());
  widen(d.backward, (count_of(shape) > 0x1p24 ? 9 : 8) * s.math);
  if (path == Path::contiguous && !s.half) {
    const Sum sum = chained(s, s.data, lanes(s, plane),
                            static_cast<double>(shape.n));  // lanes in T, planes in double
    widen(c.dot, sum);
    widen(c.dy_sum, {0, sum.add, sum.chain});
    widen(c.dot_store,
          s.problem.dtype == Dtype::f32 ? s.data : 0);  // k = T(dot)*...; dweight takes the double
  } else if (path == Path::contiguous) {
    widen(c.dot, {kU32, kU32, half_lanes(shape)});
    widen(c.dy_sum, {0, kU32, half_lanes(shape)});
  } else {
    const Sum sum = chained(s, s.math, rows(s, shape), s.exec.threads);
    widen(c.dot, sum);
    widen(c.dy_sum, {0, sum.add, sum.chain});
    widen(c.dot_store, s.math);  // both are kept in T
    widen(c.dy_sum_store, s.math);
  }
}

/// Backward of inputs or gradients of any strides.
void strided_backward(const Setting& s, const View& dy, const Shape& shape, Draft& d) {
  Contract& c = d.c;
  const Reduction r = reduction(dy, shape, s.exec.threads);
  widen(c.dot, {s.half && !s.mixed ? s.data : s.math, s.acc,
                count_of(shape)});  // param_t differences and products, acc_type sum
  if (!s.half) {
    widen(c.dy_sum, {0, s.math, r.cascade + r.runs});
    widen(c.dot_store, s.problem.dtype == Dtype::f32 ? s.data : 0);
    widen(d.backward, (count_of(shape) > 0x1p24 ? 9 : 8) * s.data);
    return;
  }
  if (!s.mixed) widen(d.eval_backward, 2 * s.data);  // dy*invstd*w, in param_t
  // at::sum(grad_out), k and (x - mean)*k all pass through the data's dtype; n does, too. Mixed: 4
  // of those roundings on the longest way, the rest in f32.
  widen(c.dy_sum, {0, s.data, r.runs + (r.cascade + 1) * (kU32 / s.data)});
  widen(d.backward, s.mixed ? 4 * s.data + 8 * kU32 : 10 * s.data);
}

Contract finished(const Setting& s, Draft d, bool any_strided) {
  Contract& c = d.c;
  if (c.unit == 0) c.unit = s.math;
  // Without parameters and statistics nothing says f32: sums are handed out in the data's type.
  if (s.half && !s.mixed && s.problem.param_dtype == Dtype::f32) {
    widen(c.dy_sum_store, s.data);
    widen(c.dot_store, s.data);
    c.smallest = 0x1p20 * smallest(s.problem.dtype);  // their underflow, whatever multiplies it
  }
  c.mean_floor = s.half && !s.mixed ? smallest(s.problem.dtype) / 2 : 0;
  // Two stores: the sum, of which the n-th part counts, and the quotient.
  c.var_floor = s.problem.dtype == Dtype::bf16 && !s.mixed ? smallest(Dtype::bf16) : 0;
  c.forward_roundings = static_cast<int>(std::ceil(d.forward / c.unit));
  c.eval_backward_roundings = std::max(2, static_cast<int>(std::ceil(d.eval_backward / c.unit)));
  c.backward_roundings = static_cast<int>(std::ceil(d.backward / c.unit));
  c.invstd_unit =
      s.param + (s.half ? 2 * kU32 : 8 * kU64);  // acc_type(1)/sqrt(var + eps), stored as param_t
  c.save_unit = s.param;
  // Step by step in the data's own type, or with statistics stored in it: its range, too.
  if (s.half && (any_strided || !s.mixed)) {
    if (any_strided) widen(c.smallest, smallest(s.problem.dtype));
    c.largest = s.problem.dtype == Dtype::bf16 ? 0x1.fep127 : 65504;
  }
  c.f32_range = c.f32_sums = s.problem.dtype != Dtype::f64;
  return c;
}

/// A problem with batch renormalization: composed from the definition in f64 (libtorch.cc, composed),
/// in whatever order at::mean and at::sum add up.
Contract composed_contract(const Problem& p) {
  double n = 0;
  for (std::size_t i = 0; i < p.run.size(); ++i)
    n = std::max(n, count_of(p.shape.with_batch(batch_of(p, i))));
  const double chain = n + 16;  // the terms of a sum take up to 8 roundings, too
  Contract c;
  // Autograd gives the mean, beside sum(dy), the sum of (x - mean)*slope over the batch, which is 0
  // but for two errors: that of the mean, gamma*mean|x|, and that of adding up, gamma*mean|x - mean|
  // <= 2*gamma*mean|x|. Both come on top of what the mean's error does to dx by itself.
  c.mean = {0, kU64, 4 * chain};
  c.square = c.dot = {kU64, kU64, chain};
  c.dy_sum = {0, kU64, chain};
  c.dot_normalized = true;
  c.constant_exact = p.dtype != Dtype::f64 && n <= 0x1p29;
  c.mean_unit = c.var_unit = 2 * kU64;
  c.invstd_unit = c.eval_invstd_unit = 3 * kU64;  // var + eps, the root, the quotient
  c.unit = kU64;
  c.forward_roundings = 6;  // x - mean, the quotient, the mask, *r, + d, *weight
  c.eval_backward_roundings = 3;
  // Of the last term: dy*weight*r and the mask, the root's and the mean's shares, two products with
  // x - mean and their sum, and two sums with the other terms.
  c.backward_roundings = 12;
  c.differentiated = true;
  c.save_unit = c.run_unit = c.renorm_unit = kU64;
  return c;
}

/// Contiguous parameters and statistics, or none: Normalization.cpp, all_contiguous.
bool dense_parameters(const Setting& s) {
  const Problem& p = s.problem;
  return !s.exec.strided_params || p.shape.c == 1 || !(p.weight || p.bias || p.track);
}

}  // namespace

LibTorchPath libtorch_backward_path(const Shape& shape, const Exec& exec, LibTorchVersion version) {
  return backward_path(view_of(exec.x, shape), view_of(exec.dy, shape), shape, version);
}

// suggest_memory_format says "contiguous" of a channels-last tensor whose axes of size 1 have small
// strides, and is_contiguous(t) accepts either order: together they let a mismatch pass.
bool libtorch_mistakes_layout(const Shape& shape, const Exec& exec, LibTorchVersion version) {
  return libtorch_backward_path(shape, exec, version) != Path::strided &&
         contiguous(view_of(exec.x, shape)) != contiguous(view_of(exec.dy, shape));
}

Contract libtorch_contract(const Problem& problem, const Exec& exec, LibTorchVersion version) {
  if (problem.renorm) return composed_contract(problem);
  const Setting s{problem, exec, version};
  Draft d;
  d.c.constant_exact = true;
  bool any_backward = false, any_strided = false, any_batch = false;
  for (const Step& step : problem.run) any_backward |= step.op == Op::backward;
  for (std::size_t i = 0; i < problem.run.size(); ++i) {
    const Op op = problem.run[i].op;
    if (op != Op::train && op != Op::eval) continue;
    const Shape shape = problem.shape.with_batch(batch_of(problem, i));
    if (shape.numel() == 0) continue;
    const View x = view_of(exec.x, shape);
    const Path stats = path_of(x, shape, version);
    const Path applied = dense_parameters(s) ? stats : Path::strided;
    any_batch = true;  // an evaluation may take batch statistics, too, when tracking is off
    if (stats == Path::strided)
      strided_stats(s, x, shape, d.c);
    else
      dense_stats(s, shape, stats, d.c);
    transform(s, applied, d);
    if (op == Op::eval) eval_statistics(s, applied, d.c);
    any_strided |= applied == Path::strided;
    if (!any_backward) continue;
    const View dy = view_of(exec.dy, shape);
    const Path back = backward_path(x, dy, shape, version);
    if (back == Path::strided)
      strided_backward(s, dy, shape, d);
    else
      dense_backward(s, shape, back, d);
    any_strided |= back == Path::strided;
  }
  d.c.constant_exact = d.c.constant_exact && any_batch;
  return finished(s, d, any_strided);
}

}  // namespace truenorm::oracle
