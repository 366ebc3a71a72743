// The inner loops, compiled once for each instruction set (included by kernels.cc only).
//
// All sets share one summation tree. Contiguous sums run in *virtual lanes*: 64 bytes of lanes (16
// f32 or 8 f64) times 4 accumulators. A set with narrower registers walks the block once for each
// part of the lanes. Row sums keep one chain for each channel. So sets with FMA give equal bits.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace truenorm::detail {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

struct Bf16 {
  std::uint16_t bits;
};
struct F16 {
  std::uint16_t bits;
};

template <class E>
struct LaneOf {
  using type = float;
};
template <>
struct LaneOf<double> {
  using type = double;
};
template <class E>
using Lane = typename LaneOf<E>::type;

template <class L>
inline constexpr std::size_t kVirtual = 64 / sizeof(L);
template <class L>
inline constexpr std::size_t kNative = HWY_LANES(L) < kVirtual<L> ? HWY_LANES(L) : kVirtual<L>;
template <class L>
using Wide = hn::Simd<L, kNative<L>, 0>;
template <class L>
using One = hn::Simd<L, 1, 0>;

// ---- Loads widen exactly; stores round once to nearest, ties to even; NaN stays NaN.

template <class D>
HWY_INLINE hn::Vec<D> LoadLanes(D d, const float* p) {
  return hn::LoadU(d, p);
}
template <class D>
HWY_INLINE hn::Vec<D> LoadLanes(D d, const double* p) {
  return hn::LoadU(d, p);
}
template <class D>
HWY_INLINE hn::Vec<D> LoadLanes(D d, const Bf16* p) {
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::Rebind<std::uint32_t, D> d32;
  const auto bits = hn::PromoteTo(d32, hn::LoadU(d16, reinterpret_cast<const std::uint16_t*>(p)));
  return hn::BitCast(d, hn::ShiftLeft<16>(bits));
}
// As float_of_f16 in scalar.h.
template <class D>
HWY_INLINE hn::Vec<D> LoadLanes(D d, const F16* p) {
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::Rebind<std::uint32_t, D> du;
  const hn::Rebind<std::int32_t, D> di;
  const auto bits = hn::PromoteTo(du, hn::LoadU(d16, reinterpret_cast<const std::uint16_t*>(p)));
  const auto magnitude = hn::And(bits, hn::Set(du, 0x7fffu));
  const auto scaled = hn::Mul(hn::BitCast(d, hn::ShiftLeft<13>(magnitude)), hn::Set(d, 0x1p112f));
  const auto value = hn::BitCast(di, scaled);
  const auto special = hn::Gt(hn::BitCast(di, magnitude), hn::Set(di, 0x7bff));
  const auto fixed = hn::IfThenElse(special, hn::Or(value, hn::Set(di, 0x7f800000)), value);
  const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(du, 0x8000u)));
  return hn::BitCast(d, hn::Or(hn::BitCast(du, fixed), sign));
}

template <class D, class V>
HWY_INLINE void StoreLanes(D d, V v, float* p) {
  hn::StoreU(v, d, p);
}
template <class D, class V>
HWY_INLINE void StoreLanes(D d, V v, double* p) {
  hn::StoreU(v, d, p);
}
// As bf16_of_float in scalar.h.
template <class D, class V>
HWY_INLINE void StoreLanes(D, V v, Bf16* p) {
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::Rebind<std::uint32_t, D> du;
  const hn::Rebind<std::int32_t, D> di;
  const auto bits = hn::BitCast(du, v);
  const auto high = hn::ShiftRight<16>(bits);
  const auto odd = hn::And(high, hn::Set(du, 1u));
  const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(du, 0x7fffu)), odd));
  const auto magnitude = hn::BitCast(di, hn::And(bits, hn::Set(du, 0x7fffffffu)));
  const auto nan = hn::Gt(magnitude, hn::Set(di, 0x7f800000));
  const auto quiet = hn::Or(high, hn::Set(du, 0x40u));
  const auto out = hn::IfThenElse(nan, hn::BitCast(di, quiet), hn::BitCast(di, rounded));
  hn::StoreU(hn::DemoteTo(d16, out), d16, reinterpret_cast<std::uint16_t*>(p));
}
// As f16_of_float in scalar.h.
template <class D, class V>
HWY_INLINE void StoreLanes(D d, V v, F16* p) {
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::Rebind<std::uint32_t, D> du;
  const hn::Rebind<std::int32_t, D> di;
  const auto bits = hn::BitCast(du, v);
  const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 0x8000u));
  const auto mag = hn::And(bits, hn::Set(du, 0x7fffffffu));
  const auto order = hn::BitCast(di, mag);
  const auto odd = hn::And(hn::ShiftRight<13>(mag), hn::Set(du, 1u));
  const auto rebased = hn::Sub(hn::Add(mag, hn::Set(du, 0xfffu)), hn::Set(du, 0x38000000u));
  const auto normal = hn::BitCast(di, hn::ShiftRight<13>(hn::Add(rebased, odd)));
  const auto shifted = hn::Add(hn::BitCast(d, mag), hn::Set(d, 0.5f));
  const auto tiny = hn::Sub(hn::BitCast(di, shifted), hn::Set(di, 0x3f000000));
  auto out = hn::IfThenElse(hn::Gt(hn::Set(di, 0x38800000), order), tiny, normal);
  out = hn::IfThenElse(hn::Gt(order, hn::Set(di, 0x477fffff)), hn::Set(di, 0x7c00), out);
  out = hn::IfThenElse(hn::Gt(order, hn::Set(di, 0x7f800000)), hn::Set(di, 0x7e00), out);
  out = hn::Or(out, hn::BitCast(di, sign));
  hn::StoreU(hn::DemoteTo(d16, out), d16, reinterpret_cast<std::uint16_t*>(p));
}

/// Widens `count` elements into `to`.
template <class E, class L>
HWY_INLINE void Widen(const E* from, std::int64_t count, L* to) {
  const One<L> d;
  for (std::int64_t i = 0; i < count; ++i) hn::StoreU(LoadLanes(d, from + i), d, to + i);
}

/// Sums lane[0 .. size) by halves: lane i + lane i + size/2, and so on.
template <class L>
HWY_INLINE double Tree(L* lane) {
  for (std::size_t width = kVirtual<L> / 2; width > 0; width /= 2) {
    for (std::size_t i = 0; i < width; ++i) lane[i] += lane[i + width];
  }
  return static_cast<double>(lane[0]);
}

// ---- Contiguous sums.

/// Sum and fused sum of products of one part of the virtual lanes over a whole number of groups of
/// 4*kVirtual elements. TwoInputs: products (x - p)*g and sum of g; else squares (x - p)^2 and sum
/// of x - p.
template <bool TwoInputs, class E, class L>
HWY_INLINE void AddGroups(const E* HWY_RESTRICT x, const E* HWY_RESTRICT g, std::int64_t groups,
                          L pivot, hn::Vec<Wide<L>>* s, hn::Vec<Wide<L>>* q) {
  const Wide<L> d;
  constexpr std::int64_t V = kVirtual<L>;
  const auto p = hn::Set(d, pivot);
  auto s0 = s[0], s1 = s[1], s2 = s[2], s3 = s[3];
  auto q0 = q[0], q1 = q[1], q2 = q[2], q3 = q[3];
  for (std::int64_t i = 0; i < groups * 4 * V; i += 4 * V) {
    const auto d0 = hn::Sub(LoadLanes(d, x + i), p);
    const auto d1 = hn::Sub(LoadLanes(d, x + i + V), p);
    const auto d2 = hn::Sub(LoadLanes(d, x + i + 2 * V), p);
    const auto d3 = hn::Sub(LoadLanes(d, x + i + 3 * V), p);
    auto f0 = d0, f1 = d1, f2 = d2, f3 = d3;
    if constexpr (TwoInputs) {
      f0 = LoadLanes(d, g + i);
      f1 = LoadLanes(d, g + i + V);
      f2 = LoadLanes(d, g + i + 2 * V);
      f3 = LoadLanes(d, g + i + 3 * V);
    }
    s0 = hn::Add(s0, f0);
    s1 = hn::Add(s1, f1);
    s2 = hn::Add(s2, f2);
    s3 = hn::Add(s3, f3);
    q0 = hn::MulAdd(d0, f0, q0);
    q1 = hn::MulAdd(d1, f1, q1);
    q2 = hn::MulAdd(d2, f2, q2);
    q3 = hn::MulAdd(d3, f3, q3);
  }
  s[0] = s0, s[1] = s1, s[2] = s2, s[3] = s3;
  q[0] = q0, q[1] = q1, q[2] = q2, q[3] = q3;
}

template <bool TwoInputs, class E>
HWY_INLINE void BlockSums(const E* x, const E* g, std::int64_t count, double pivot_value,
                          double* sum, double* dot) {
  using L = Lane<E>;
  constexpr std::int64_t V = kVirtual<L>;
  const L pivot = static_cast<L>(pivot_value);
  const std::int64_t groups = count / (4 * V);
  const std::int64_t rest = count - groups * 4 * V;
  // The incomplete last group, filled up with terms that add nothing.
  L x_rest[4 * kVirtual<L>], g_rest[4 * kVirtual<L>];
  for (std::int64_t i = 0; i < 4 * V; ++i) x_rest[i] = pivot, g_rest[i] = 0;
  Widen(x + groups * 4 * V, rest, x_rest);
  if (TwoInputs) Widen(g + groups * 4 * V, rest, g_rest);

  const Wide<L> d;
  L s_lane[kVirtual<L>], q_lane[kVirtual<L>];
  for (std::size_t part = 0; part < kVirtual<L>; part += kNative<L>) {
    hn::Vec<Wide<L>> s[4], q[4];
    for (int j = 0; j < 4; ++j) s[j] = hn::Zero(d), q[j] = hn::Zero(d);
    AddGroups<TwoInputs>(x + part, TwoInputs ? g + part : g, groups, pivot, s, q);
    if (rest > 0) {
      AddGroups<TwoInputs>(static_cast<const L*>(x_rest) + part,
                           static_cast<const L*>(g_rest) + part, 1, pivot, s, q);
    }
    hn::StoreU(hn::Add(hn::Add(s[0], s[1]), hn::Add(s[2], s[3])), d, s_lane + part);
    hn::StoreU(hn::Add(hn::Add(q[0], q[1]), hn::Add(q[2], q[3])), d, q_lane + part);
  }
  *sum = Tree(s_lane);
  *dot = Tree(q_lane);
}

/// Computes: sum = sum(x - p), square = sum((x - p)^2), p = pivot, a lane value.
/// Shapes:   x[count], dense; any count, best a multiple of 4 virtual lanes; count <= max_block.
/// Order:    element i joins chain i mod 64 (f64: 32); then accumulators (0+1)+(2+3), lanes by
///           halves.
/// Error:    with L = ceil(count/64) + 6 (f64: /32, + 5): |sum err| <= (L + 1)u*sum|x - p|,
///           |square err| <= (L + 2)u*sum((x - p)^2), (L + 3)u without FMA.
/// Special:  NaN and Inf reach both sums; lanes of the last group that hold no element add 0;
///           squares below the lane's normal range lose bits: the caller looks at the size of the
///           sum.
/// Source:   Higham 2002, section 4.2 (blocked summation); Chan, Golub, LeVeque 1983, (1.7),
///           shifted.
template <class E>
void Moments(const void* x, std::int64_t count, double pivot, double* sum, double* square) {
  const E* e = static_cast<const E*>(x);
  BlockSums<false, E>(e, e, count, pivot, sum, square);
}

/// Computes: sum = sum(g), dot = sum((x - p)*g), p = pivot, a lane value.
/// Shapes:   x[count], g[count], dense; any count <= max_block.
/// Order:    as Moments.
/// Error:    with L as in Moments: |sum err| <= L*u*sum|g|, |dot err| <= (L + 1)u*sum|(x - p)g|,
///           (L + 2)u without FMA.
/// Special:  as Moments.
/// Source:   Higham 2002, sections 3.1 and 4.2.
template <class E>
void Products(const void* x, const void* g, std::int64_t count, double pivot, double* sum,
              double* dot) {
  BlockSums<true, E>(static_cast<const E*>(x), static_cast<const E*>(g), count, pivot, sum, dot);
}

// ---- Contiguous transforms.

template <class D, class E, class V>
HWY_INLINE void AffineAt(D d, const E* x, E* y, V m, V a, V b) {
  StoreLanes(d, hn::MulAdd(hn::Sub(LoadLanes(d, x), m), a, b), y);
}

template <class D, class E, class V>
HWY_INLINE void GradientAt(D d, const E* x, const E* g, E* dx, V m, V a, V b, V c) {
  const auto inner = hn::MulAdd(hn::Sub(LoadLanes(d, x), m), b, c);
  StoreLanes(d, hn::MulAdd(LoadLanes(d, g), a, inner), dx);
}

/// Computes: y = (x - m)*a + b, the product and sum as one fused operation.
/// Shapes:   x[count], y[count], dense, y == x allowed; m, a, b one lane each; any count.
/// Order:    element by element.
/// Error:    |y err| <= u*|x - m||a| + u*|y|, (2u)|x - m||a| without FMA; and one rounding to E.
/// Special:  IEEE: NaN and Inf in x propagate; -0 is lost where b is +0.
/// Source:   Higham 2002, section 2.2.
template <class E>
void Affine(const void* x, void* y, std::int64_t count, const void* m, const void* a,
            const void* b) {
  using L = Lane<E>;
  const E* from = static_cast<const E*>(x);
  E* to = static_cast<E*>(y);
  const L lm = *static_cast<const L*>(m), la = *static_cast<const L*>(a);
  const L lb = *static_cast<const L*>(b);
  const Wide<L> d;
  const One<L> one;
  constexpr std::int64_t N = kNative<L>;
  std::int64_t i = 0;
  const auto vm = hn::Set(d, lm), va = hn::Set(d, la), vb = hn::Set(d, lb);
  for (; i + N <= count; i += N) AffineAt(d, from + i, to + i, vm, va, vb);
  const auto om = hn::Set(one, lm), oa = hn::Set(one, la), ob = hn::Set(one, lb);
  for (; i < count; ++i) AffineAt(one, from + i, to + i, om, oa, ob);
}

/// Computes: dx = g*a + ((x - m)*b + c), each product fused with its sum.
/// Shapes:   x[count], g[count], dx[count], dense, dx == g allowed; m, a, b, c one lane each.
/// Order:    element by element.
/// Error:    |dx err| <= 2u*|x - m||b| + u*|(x - m)b + c| + u*|dx|; and one rounding to E.
/// Special:  IEEE.
/// Source:   Higham 2002, section 2.2.
template <class E>
void Gradient(const void* x, const void* g, void* dx, std::int64_t count, const void* m,
              const void* a, const void* b, const void* c) {
  using L = Lane<E>;
  const E* in = static_cast<const E*>(x);
  const E* grad = static_cast<const E*>(g);
  E* to = static_cast<E*>(dx);
  const L lm = *static_cast<const L*>(m), la = *static_cast<const L*>(a);
  const L lb = *static_cast<const L*>(b), lc = *static_cast<const L*>(c);
  const Wide<L> d;
  const One<L> one;
  constexpr std::int64_t N = kNative<L>;
  std::int64_t i = 0;
  const auto vm = hn::Set(d, lm), va = hn::Set(d, la), vb = hn::Set(d, lb), vc = hn::Set(d, lc);
  for (; i + N <= count; i += N) GradientAt(d, in + i, grad + i, to + i, vm, va, vb, vc);
  const auto om = hn::Set(one, lm), oa = hn::Set(one, la);
  const auto ob = hn::Set(one, lb), oc = hn::Set(one, lc);
  for (; i < count; ++i) GradientAt(one, in + i, grad + i, to + i, om, oa, ob, oc);
}

// ---- Rows: the channels are innermost and fill the lanes.

template <bool TwoInputs, int U, class D, class E, class L>
HWY_INLINE void RowSumsAt(D d, const E* HWY_RESTRICT x, std::int64_t xs, const E* HWY_RESTRICT g,
                          std::int64_t gs, std::int64_t rows, const L* pivot, L* sum, L* dot) {
  const std::int64_t N = static_cast<std::int64_t>(hn::Lanes(d));
  hn::Vec<D> p[U], s[U], q[U];
  for (int u = 0; u < U; ++u) {
    p[u] = hn::LoadU(d, pivot + u * N);
    s[u] = hn::LoadU(d, sum + u * N);
    q[u] = hn::LoadU(d, dot + u * N);
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    for (int u = 0; u < U; ++u) {
      const auto diff = hn::Sub(LoadLanes(d, x + r * xs + u * N), p[u]);
      auto factor = diff;
      if constexpr (TwoInputs) factor = LoadLanes(d, g + r * gs + u * N);
      s[u] = hn::Add(s[u], factor);
      q[u] = hn::MulAdd(diff, factor, q[u]);
    }
  }
  for (int u = 0; u < U; ++u) {
    hn::StoreU(s[u], d, sum + u * N);
    hn::StoreU(q[u], d, dot + u * N);
  }
}

template <bool TwoInputs, class E>
HWY_INLINE void RowSums(const E* x, std::int64_t xs, const E* g, std::int64_t gs, std::int64_t rows,
                        std::int64_t channels, const Lane<E>* pivot, Lane<E>* sum, Lane<E>* dot) {
  using L = Lane<E>;
  constexpr std::int64_t N = kNative<L>;
  std::int64_t c = 0;
  for (; c + 4 * N <= channels; c += 4 * N) {
    RowSumsAt<TwoInputs, 4>(Wide<L>(), x + c, xs, g + c, gs, rows, pivot + c, sum + c, dot + c);
  }
  for (; c + N <= channels; c += N) {
    RowSumsAt<TwoInputs, 1>(Wide<L>(), x + c, xs, g + c, gs, rows, pivot + c, sum + c, dot + c);
  }
  for (; c < channels; ++c) {
    RowSumsAt<TwoInputs, 1>(One<L>(), x + c, xs, g + c, gs, rows, pivot + c, sum + c, dot + c);
  }
}

/// Computes: for c: sum[c] += sum(x[., c] - pivot[c]), square[c] += sum((x[., c] - pivot[c])^2).
/// Shapes:   x[rows][channels], rows x_stride apart; pivot, sum, square [channels], dense.
/// Order:    one chain for each channel, rows in order.
/// Error:    over a block of R rows: |sum err| <= R*u*sum|x - p|, |square err| <= (R + 2)u*square.
/// Special:  as Moments.
/// Source:   as Moments.
template <class E>
void RowMoments(const void* x, std::int64_t x_stride, std::int64_t rows, std::int64_t channels,
                const void* pivot, void* sum, void* square) {
  using L = Lane<E>;
  const E* e = static_cast<const E*>(x);
  RowSums<false, E>(e, x_stride, e, x_stride, rows, channels, static_cast<const L*>(pivot),
                    static_cast<L*>(sum), static_cast<L*>(square));
}

/// Computes: for c: sum[c] += sum(g[., c]), dot[c] += sum((x[., c] - pivot[c])*g[., c]).
/// Shapes:   x, g [rows][channels], rows x_stride and g_stride apart; the others [channels], dense.
/// Order:    as RowMoments.
/// Error:    over a block of R rows: |sum err| <= R*u*sum|g|, |dot err| <= (R + 1)u*sum|(x - p)g|.
/// Special:  as Moments.
/// Source:   as Products.
template <class E>
void RowProducts(const void* x, std::int64_t x_stride, const void* g, std::int64_t g_stride,
                 std::int64_t rows, std::int64_t channels, const void* pivot, void* sum,
                 void* dot) {
  using L = Lane<E>;
  RowSums<true, E>(static_cast<const E*>(x), x_stride, static_cast<const E*>(g), g_stride, rows,
                   channels, static_cast<const L*>(pivot), static_cast<L*>(sum),
                   static_cast<L*>(dot));
}

/// Computes: for c: y[., c] = (x[., c] - m[c])*a[c] + b[c].
/// Shapes:   x, y [rows][channels], rows x_stride and y_stride apart, y == x allowed; m, a, b
///           [channels].
/// Order:    element by element.
/// Error:    as Affine.
/// Special:  as Affine.
/// Source:   as Affine.
template <class E>
void RowAffine(const void* x, std::int64_t x_stride, void* y, std::int64_t y_stride,
               std::int64_t rows, std::int64_t channels, const void* m, const void* a,
               const void* b) {
  using L = Lane<E>;
  const L* lm = static_cast<const L*>(m);
  const L* la = static_cast<const L*>(a);
  const L* lb = static_cast<const L*>(b);
  const Wide<L> d;
  const One<L> one;
  constexpr std::int64_t N = kNative<L>;
  for (std::int64_t r = 0; r < rows; ++r) {
    const E* from = static_cast<const E*>(x) + r * x_stride;
    E* to = static_cast<E*>(y) + r * y_stride;
    std::int64_t c = 0;
    for (; c + N <= channels; c += N) {
      AffineAt(d, from + c, to + c, hn::LoadU(d, lm + c), hn::LoadU(d, la + c),
               hn::LoadU(d, lb + c));
    }
    for (; c < channels; ++c) {
      AffineAt(one, from + c, to + c, hn::LoadU(one, lm + c), hn::LoadU(one, la + c),
               hn::LoadU(one, lb + c));
    }
  }
}

/// Computes: for k: dx[., k] = g[., k]*a[k] + ((x[., k] - m[k])*b[k] + c[k]).
/// Shapes:   x, g, dx [rows][channels], each with its stride, dx == g allowed; m, a, b, c
///           [channels].
/// Order:    element by element.
/// Error:    as Gradient.
/// Special:  as Gradient.
/// Source:   as Gradient.
template <class E>
void RowGradient(const void* x, std::int64_t x_stride, const void* g, std::int64_t g_stride,
                 void* dx, std::int64_t dx_stride, std::int64_t rows, std::int64_t channels,
                 const void* m, const void* a, const void* b, const void* c) {
  using L = Lane<E>;
  const L* lm = static_cast<const L*>(m);
  const L* la = static_cast<const L*>(a);
  const L* lb = static_cast<const L*>(b);
  const L* lc = static_cast<const L*>(c);
  const Wide<L> d;
  const One<L> one;
  constexpr std::int64_t N = kNative<L>;
  for (std::int64_t r = 0; r < rows; ++r) {
    const E* in = static_cast<const E*>(x) + r * x_stride;
    const E* grad = static_cast<const E*>(g) + r * g_stride;
    E* to = static_cast<E*>(dx) + r * dx_stride;
    std::int64_t k = 0;
    for (; k + N <= channels; k += N) {
      GradientAt(d, in + k, grad + k, to + k, hn::LoadU(d, lm + k), hn::LoadU(d, la + k),
                 hn::LoadU(d, lb + k), hn::LoadU(d, lc + k));
    }
    for (; k < channels; ++k) {
      GradientAt(one, in + k, grad + k, to + k, hn::LoadU(one, lm + k), hn::LoadU(one, la + k),
                 hn::LoadU(one, lb + k), hn::LoadU(one, lc + k));
    }
  }
}

template <class E>
constexpr Kernels Make() {
  return {&Moments<E>,    &Products<E>,    &Affine<E>,    &Gradient<E>,
          &RowMoments<E>, &RowProducts<E>, &RowAffine<E>, &RowGradient<E>};
}

constexpr KernelSet kSet = {Make<float>(), Make<double>(), Make<Bf16>(), Make<F16>()};

}  // namespace

const KernelSet& Table() { return kSet; }

}  // namespace HWY_NAMESPACE
}  // namespace truenorm::detail
HWY_AFTER_NAMESPACE();
