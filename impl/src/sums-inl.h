// Sums over a channel, for each instruction set (included by kernels.cc only).
#if defined(TRUENORM_SRC_SUMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TRUENORM_SRC_SUMS_INL_H_
#undef TRUENORM_SRC_SUMS_INL_H_
#else
#define TRUENORM_SRC_SUMS_INL_H_
#endif

#include "lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace truenorm::detail {
namespace HWY_NAMESPACE {
namespace {

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
  *sum = static_cast<double>(Tree(s_lane, kVirtual<L>));
  *dot = static_cast<double>(Tree(q_lane, kVirtual<L>));
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

// ---- Groups: short runs of neighbouring channels.

/// One term of a lane: a difference and what it is multiplied with.
template <class V>
struct Term {
  V diff, factor;
};

/// V elements from x (and g) on, about the pivot.
template <bool TwoInputs, class D, class E>
HWY_INLINE Term<hn::Vec<D>> TermAt(D d, const E* x, const E* g, hn::Vec<D> pivot) {
  const auto diff = hn::Sub(LoadLanes(d, x), pivot);
  if constexpr (TwoInputs) return {diff, LoadLanes(d, g)};
  return {diff, diff};
}

/// The last, incomplete vector of a run where V elements cannot be read: from a copy.
template <bool TwoInputs, class E, class L>
Term<hn::Vec<Wide<L>>> CopiedTerm(const E* x, const E* g, std::int64_t rest, L pivot) {
  const Wide<L> d;
  L x_rest[kVirtual<L>], g_rest[kVirtual<L>];
  for (std::size_t k = 0; k < kNative<L>; ++k) x_rest[k] = pivot, g_rest[k] = 0;
  Widen(x, rest, x_rest);
  if constexpr (TwoInputs) Widen(g, rest, g_rest);
  const auto diff = hn::Sub(hn::LoadU(d, x_rest), hn::Set(d, pivot));
  if constexpr (TwoInputs) return {diff, hn::LoadU(d, g_rest)};
  return {diff, diff};
}

/// One part of the virtual lanes over one run: acc[0] += sum, acc[V] += dot. Full vectors go to four
/// accumulators in turn, kOver of them after the last whole turn, the incomplete one to the last;
/// then pairwise into one. `inside` are the lanes of the incomplete vector, of which kNative may be
/// read if `beyond`.
template <bool TwoInputs, bool kTurns, int kOver, class E, class L>
HWY_INLINE void AddRun(const E* HWY_RESTRICT x, const E* HWY_RESTRICT g, std::int64_t turns,
                       std::int64_t rest, hn::Mask<Wide<L>> inside, bool beyond, L pivot,
                       L* HWY_RESTRICT acc) {
  const Wide<L> d;
  constexpr std::int64_t V = kVirtual<L>;
  const auto p = hn::Set(d, pivot);
  hn::Vec<Wide<L>> s[4], q[4];
  for (int j = 0; j < 4; ++j) s[j] = q[j] = hn::Zero(d);
  const auto add = [&](int j, const Term<hn::Vec<Wide<L>>>& t) HWY_ATTR {
    s[j] = kTurns ? hn::Add(s[j], t.factor) : t.factor;
    q[j] = kTurns ? hn::MulAdd(t.diff, t.factor, q[j]) : hn::Mul(t.diff, t.factor);
  };
  for (; kTurns && turns > 0; --turns, x += 4 * V, g += 4 * V) {
    for (int j = 0; j < 4; ++j) add(j, TermAt<TwoInputs>(d, x + j * V, g + j * V, p));
  }
  for (int j = 0; j < kOver; ++j, x += V, g += V) add(j, TermAt<TwoInputs>(d, x, g, p));
  if (rest > 0) {
    if (HWY_LIKELY(beyond)) {
      auto t = TermAt<TwoInputs>(d, x, g, p);
      t.diff = hn::IfThenElseZero(inside, t.diff);
      t.factor = hn::IfThenElseZero(inside, t.factor);
      add(3, t);
    } else {
      add(3, CopiedTerm<TwoInputs>(x, g, rest, pivot));
    }
  }
  const auto sum = hn::Add(hn::Add(s[0], s[1]), hn::Add(s[2], s[3]));
  const auto dot = hn::Add(hn::Add(q[0], q[1]), hn::Add(q[2], q[3]));
  hn::StoreU(hn::Add(hn::LoadU(d, acc), sum), d, acc);
  hn::StoreU(hn::Add(hn::LoadU(d, acc + V), dot), d, acc + V);
}

/// Runs of all channels; kOver full vectors of each after whole turns of four.
template <bool TwoInputs, int kOver, class E>
void GroupRuns(const E* x, std::int64_t xs, const E* g, std::int64_t gs, std::int64_t length,
               std::int64_t channels, const Lane<E>* HWY_RESTRICT pivot,
               Lane<E>* HWY_RESTRICT acc) {
  using L = Lane<E>;
  const Wide<L> d;
  constexpr std::int64_t V = kVirtual<L>, N = kNative<L>;
  const std::int64_t turns = length / (4 * V);
  std::int64_t rest[V / N];
  hn::Mask<Wide<L>> inside[V / N];
  for (std::int64_t part = 0; part < V / N; ++part) {
    rest[part] = length % V - part * N;
    rest[part] = rest[part] < 0 ? 0 : rest[part] > N ? N : rest[part];
    inside[part] = hn::FirstN(d, static_cast<std::size_t>(rest[part]));
  }
  // Another run follows every run but the last.
  const bool dense = xs == length && gs == length && length >= V;
  for (std::int64_t c = 0; c < channels; ++c, x += xs, g += gs, acc += 2 * V) {
    const bool beyond = dense && c + 1 < channels;
    for (std::int64_t part = 0; part < V / N; ++part) {
      const std::int64_t at = part * N;
      if (turns > 0) {
        AddRun<TwoInputs, true, kOver>(x + at, g + at, turns, rest[part], inside[part], beyond,
                                       pivot[c], acc + at);
      } else {
        AddRun<TwoInputs, false, kOver>(x + at, g + at, 0, rest[part], inside[part], beyond,
                                        pivot[c], acc + at);
      }
    }
  }
}

template <bool TwoInputs, class E>
HWY_INLINE void GroupSums(const E* x, std::int64_t xs, const E* g, std::int64_t gs,
                          std::int64_t length, std::int64_t channels, const Lane<E>* pivot,
                          Lane<E>* acc) {
  switch (length / static_cast<std::int64_t>(kVirtual<Lane<E>>) % 4) {
    case 0:
      return GroupRuns<TwoInputs, 0>(x, xs, g, gs, length, channels, pivot, acc);
    case 1:
      return GroupRuns<TwoInputs, 1>(x, xs, g, gs, length, channels, pivot, acc);
    case 2:
      return GroupRuns<TwoInputs, 2>(x, xs, g, gs, length, channels, pivot, acc);
    default:
      return GroupRuns<TwoInputs, 3>(x, xs, g, gs, length, channels, pivot, acc);
  }
}

/// Computes: for c: acc[c] += (sum(x - p), sum((x - p)^2)) over the run of channel c, p = pivot[c].
/// Shapes:   x: runs of `length` elements, `stride` apart, one a channel; pivot[channels];
///           acc[channels][2][V], V virtual lanes.
/// Order:    element i joins lane i mod V of accumulator i/V mod 4 (the incomplete vector the last
///           one); accumulators (0+1)+(2+3), then into acc. group_flush adds the lanes.
/// Error:    with L = ceil(length/4V) + 3 + log2(V) + runs since the last flush: as Moments.
/// Special:  as Moments.
/// Source:   as Moments.
template <class E>
void GroupMoments(const void* x, std::int64_t stride, std::int64_t length, std::int64_t channels,
                  const void* pivot, void* acc) {
  const E* e = static_cast<const E*>(x);
  GroupSums<false, E>(e, stride, e, stride, length, channels, static_cast<const Lane<E>*>(pivot),
                      static_cast<Lane<E>*>(acc));
}

/// Computes: for c: acc[c] += (sum(g), sum((x - p)*g)) over the runs of channel c.
/// Shapes, Order, Error, Special, Source: as GroupMoments and Products.
template <class E>
void GroupProducts(const void* x, std::int64_t x_stride, const void* g, std::int64_t g_stride,
                   std::int64_t length, std::int64_t channels, const void* pivot, void* acc) {
  GroupSums<true, E>(static_cast<const E*>(x), x_stride, static_cast<const E*>(g), g_stride, length,
                     channels, static_cast<const Lane<E>*>(pivot), static_cast<Lane<E>*>(acc));
}

/// The two halves of a vector added.
template <class D, class V = hn::Vec<D>>
HWY_INLINE hn::Vec<hn::Half<D>> AddHalves(D, V v) {
#if HWY_TARGET == HWY_SCALAR
  return v;  // never called: there is no half
#else
  const hn::Half<D> half;
  return hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v));
#endif
}

/// Adds the upper half of the virtual lanes to the lower one until four are left.
template <class L>
HWY_INLINE void FoldToFour(const L* HWY_RESTRICT acc, L* HWY_RESTRICT four) {
  constexpr std::size_t V = kVirtual<L>, N = kNative<L>;
  const Wide<L> d;
  if constexpr (N == 16) {
    const hn::Half<Wide<L>> d8;
    hn::StoreU(AddHalves(d8, AddHalves(d, hn::LoadU(d, acc))), hn::Half<decltype(d8)>(), four);
  } else if constexpr (N == 8) {
    auto v = hn::LoadU(d, acc);
    if constexpr (V == 16) v = hn::Add(v, hn::LoadU(d, acc + 8));
    hn::StoreU(AddHalves(d, v), hn::Half<Wide<L>>(), four);
  } else {
    L lane[V];
    for (std::size_t i = 0; i < V; ++i) lane[i] = acc[i];
    for (std::size_t width = V / 2; width >= 4; width /= 2) {
      for (std::size_t i = 0; i < width; ++i) lane[i] += lane[i + width];
    }
    for (std::size_t i = 0; i < 4; ++i) four[i] = lane[i];
  }
}

/// to += v, lane by lane.
template <class D>
HWY_INLINE void AddTo(D d, hn::Vec<D> v, double* to) {
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    hn::StoreU(hn::Add(hn::LoadU(d, to), v), d, to);
  } else if constexpr (hn::MaxLanes(D()) == 1) {
    *to += static_cast<double>(hn::GetLane(v));
  } else {
#if HWY_TARGET != HWY_SCALAR
    const hn::Half<D> half;
    const hn::Rebind<double, hn::Half<D>> wide;
    constexpr std::size_t kHalf = hn::MaxLanes(D()) / 2;
    const auto low = hn::PromoteTo(wide, hn::LowerHalf(half, v));
    const auto high = hn::PromoteTo(wide, hn::UpperHalf(half, v));
    hn::StoreU(hn::Add(hn::LoadU(wide, to), low), wide, to);
    hn::StoreU(hn::Add(hn::LoadU(wide, to + kHalf), high), wide, to + kHalf);
#endif
  }
}

/// Computes: sum[c] += the first V lanes of acc[c], dot[c] += the others; acc = 0.
/// Shapes:   acc[channels][2][V]; sum, dot [channels].
/// Order:    lanes by halves, then in double.
/// Source:   Higham 2002, section 4.2.
template <class E>
void GroupFlush(void* acc, std::int64_t channels, double* sum, double* dot) {
  using L = Lane<E>;
  constexpr std::int64_t V = kVirtual<L>, N = kNative<L>;
  const Wide<L> d;
  L* lanes = static_cast<L*>(acc);
  for (std::int64_t c = 0; c < channels; c += N, sum += N, dot += N) {
    const std::int64_t count = channels - c < N ? channels - c : N;
    L s_four[4 * kNative<L>] = {}, q_four[4 * kNative<L>] = {};
    for (std::int64_t i = 0; i < count; ++i, lanes += 2 * V) {
      FoldToFour(lanes, s_four + 4 * i);
      FoldToFour(lanes + V, q_four + 4 * i);
      for (std::int64_t k = 0; k < 2 * V; k += N) hn::StoreU(hn::Zero(d), d, lanes + k);
    }
    hn::Vec<Wide<L>> v0, v1, v2, v3;
    hn::LoadInterleaved4(d, s_four, v0, v1, v2, v3);
    const auto s = hn::Add(hn::Add(v0, v2), hn::Add(v1, v3));
    hn::LoadInterleaved4(d, q_four, v0, v1, v2, v3);
    const auto q = hn::Add(hn::Add(v0, v2), hn::Add(v1, v3));
    if (count == N) {
      AddTo(d, s, sum);
      AddTo(d, q, dot);
    } else {
      L s_lane[kNative<L>], q_lane[kNative<L>];
      hn::StoreU(s, d, s_lane);
      hn::StoreU(q, d, q_lane);
      for (std::int64_t i = 0; i < count; ++i) {
        sum[i] += static_cast<double>(s_lane[i]);
        dot[i] += static_cast<double>(q_lane[i]);
      }
    }
  }
}

// ---- Rows: the channels are innermost and fill the lanes.

/// U vectors of channels, down all rows, in registers.
template <bool TwoInputs, int U, class D, class E, class L>
HWY_INLINE void RowTile(D d, const E* HWY_RESTRICT x, std::int64_t xs, const E* HWY_RESTRICT g,
                        std::int64_t gs, std::int64_t rows, const L* HWY_RESTRICT pivot,
                        double* HWY_RESTRICT sum, double* HWY_RESTRICT dot) {
  constexpr std::int64_t N = hn::MaxLanes(D());
  hn::Vec<D> p[U], s[U], q[U];
  for (int u = 0; u < U; ++u) {
    p[u] = hn::LoadU(d, pivot + u * N);
    s[u] = q[u] = hn::Zero(d);
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
    AddTo(d, s[u], sum + u * N);
    AddTo(d, q[u], dot + u * N);
  }
}

/// R rows, each read from end to end: the sums stay in acc[2][channels] from call to call.
template <bool TwoInputs, int R, class E, class L>
HWY_INLINE void RowWalk(const E* HWY_RESTRICT x, std::int64_t xs, const E* HWY_RESTRICT g,
                        std::int64_t gs, std::int64_t channels, const L* HWY_RESTRICT pivot,
                        L* HWY_RESTRICT acc, std::int64_t acc_stride) {
  const Wide<L> d;
  constexpr std::int64_t N = kNative<L>;
  for (std::int64_t c = 0; c < channels; c += N) {
    const auto p = hn::LoadU(d, pivot + c);
    auto s = hn::LoadU(d, acc + c), q = hn::LoadU(d, acc + acc_stride + c);
    for (int r = 0; r < R; ++r) {
      const auto diff = hn::Sub(LoadLanes(d, x + r * xs + c), p);
      auto factor = diff;
      if constexpr (TwoInputs) factor = LoadLanes(d, g + r * gs + c);
      s = hn::Add(s, factor);
      q = hn::MulAdd(diff, factor, q);
    }
    hn::StoreU(s, d, acc + c);
    hn::StoreU(q, d, acc + acc_stride + c);
  }
}

template <bool TwoInputs, class E>
HWY_INLINE void RowSums(const E* x, std::int64_t xs, const E* g, std::int64_t gs, std::int64_t rows,
                        std::int64_t channels, const Lane<E>* pivot, Lane<E>* acc, double* sum,
                        double* dot) {
  using L = Lane<E>;
  constexpr std::int64_t N = kNative<L>;
  const Wide<L> d;
  std::int64_t c = 0;
  if (channels > 8 * static_cast<std::int64_t>(kVirtual<L>)) {  // wide rows: end to end
    const std::int64_t whole = channels / N * N;
    for (std::int64_t i = 0; i < whole; i += N) {
      hn::StoreU(hn::Zero(d), d, acc + i);
      hn::StoreU(hn::Zero(d), d, acc + whole + i);
    }
    std::int64_t r = 0;
    for (; r + 4 <= rows; r += 4) {
      RowWalk<TwoInputs, 4>(x + r * xs, xs, g + r * gs, gs, whole, pivot, acc, whole);
    }
    for (; r < rows; ++r) {
      RowWalk<TwoInputs, 1>(x + r * xs, xs, g + r * gs, gs, whole, pivot, acc, whole);
    }
    for (; c < whole; c += N) {
      AddTo(d, hn::LoadU(d, acc + c), sum + c);
      AddTo(d, hn::LoadU(d, acc + whole + c), dot + c);
    }
  }
  for (; c + 8 * N <= channels; c += 8 * N) {
    RowTile<TwoInputs, 8>(d, x + c, xs, g + c, gs, rows, pivot + c, sum + c, dot + c);
  }
  for (; c + 4 * N <= channels; c += 4 * N) {
    RowTile<TwoInputs, 4>(d, x + c, xs, g + c, gs, rows, pivot + c, sum + c, dot + c);
  }
  for (; c + N <= channels; c += N) {
    RowTile<TwoInputs, 1>(d, x + c, xs, g + c, gs, rows, pivot + c, sum + c, dot + c);
  }
  for (; c < channels; ++c) {
    RowTile<TwoInputs, 1>(One<L>(), x + c, xs, g + c, gs, rows, pivot + c, sum + c, dot + c);
  }
}

/// Computes: for c: sum[c] += sum(x[., c] - pivot[c]), square[c] += sum((x[., c] - pivot[c])^2).
/// Shapes:   x[rows][channels], rows `stride` apart, at most max_block_rows; pivot, sum, square
///           [channels]; acc[2][channels] lanes of scratch.
/// Order:    one chain for each channel, rows in order, then into the double.
/// Error:    over R rows: |sum err| <= R*u*sum|x - p|, |square err| <= (R + 2)u*square.
/// Special:  as Moments.
/// Source:   as Moments.
template <class E>
void RowMoments(const void* x, std::int64_t stride, std::int64_t rows, std::int64_t channels,
                const void* pivot, void* acc, double* sum, double* square) {
  const E* e = static_cast<const E*>(x);
  RowSums<false, E>(e, stride, e, stride, rows, channels, static_cast<const Lane<E>*>(pivot),
                    static_cast<Lane<E>*>(acc), sum, square);
}

/// Computes: for c: sum[c] += sum(g[., c]), dot[c] += sum((x[., c] - pivot[c])*g[., c]).
/// Shapes:   x, g [rows][channels], rows x_stride and g_stride apart; else as RowMoments.
/// Order:    as RowMoments.
/// Error:    over R rows: |sum err| <= R*u*sum|g|, |dot err| <= (R + 1)u*sum|(x - p)g|.
/// Special:  as Moments.
/// Source:   as Products.
template <class E>
void RowProducts(const void* x, std::int64_t x_stride, const void* g, std::int64_t g_stride,
                 std::int64_t rows, std::int64_t channels, const void* pivot, void* acc,
                 double* sum, double* dot) {
  RowSums<true, E>(static_cast<const E*>(x), x_stride, static_cast<const E*>(g), g_stride, rows,
                   channels, static_cast<const Lane<E>*>(pivot), static_cast<Lane<E>*>(acc), sum,
                   dot);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace truenorm::detail
HWY_AFTER_NAMESPACE();

#endif  // TRUENORM_SRC_SUMS_INL_H_
