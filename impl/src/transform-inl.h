// The second pass, element by element, for each instruction set (included by kernels.cc only).
#if defined(TRUENORM_SRC_TRANSFORM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TRUENORM_SRC_TRANSFORM_INL_H_
#undef TRUENORM_SRC_TRANSFORM_INL_H_
#else
#define TRUENORM_SRC_TRANSFORM_INL_H_
#endif

#include <type_traits>

#include "lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace truenorm::detail {
namespace HWY_NAMESPACE {
namespace {

/// Coefficients of one vector of elements.
template <class D>
struct Factors {
  hn::Vec<D> m, a, b, c;
};

/// Coefficients by channel. c is for gradients only.
template <class L>
struct FactorArrays {
  const L* HWY_RESTRICT m;
  const L* HWY_RESTRICT a;
  const L* HWY_RESTRICT b;
  const L* HWY_RESTRICT c;

  FactorArrays(const void* m_, const void* a_, const void* b_, const void* c_)
      : m(static_cast<const L*>(m_)),
        a(static_cast<const L*>(a_)),
        b(static_cast<const L*>(b_)),
        c(static_cast<const L*>(c_)) {}

  /// Of one channel in all lanes.
  template <bool TwoInputs, class D>
  HWY_INLINE Factors<D> Same(D d, std::int64_t i) const {
    const auto last = TwoInputs ? hn::Set(d, c[i]) : hn::Zero(d);
    return {hn::Set(d, m[i]), hn::Set(d, a[i]), hn::Set(d, b[i]), last};
  }
  /// Of neighbouring channels, one a lane.
  template <bool TwoInputs, class D>
  HWY_INLINE Factors<D> Each(D d, std::int64_t i) const {
    Factors<D> f{hn::LoadU(d, m + i), hn::LoadU(d, a + i), hn::LoadU(d, b + i), hn::Zero(d)};
    if constexpr (TwoInputs) f.c = hn::LoadU(d, c + i);
    return f;
  }
};

/// (x - m)*a + b, or g*a + ((x - m)*b + c).
template <bool TwoInputs, Store kStore, class D, class E>
HWY_INLINE void TransformAt(D d, const E* x, const E* g, E* y, const Factors<D>& f) {
  const auto diff = hn::Sub(LoadLanes(d, x), f.m);
  auto v = diff;
  if constexpr (TwoInputs) {
    v = hn::MulAdd(LoadLanes(d, g), f.a, hn::MulAdd(diff, f.b, f.c));
  } else {
    v = hn::MulAdd(diff, f.a, f.b);
  }
  StoreLanes<kStore>(d, v, y);
}

template <class E>
HWY_INLINE bool Aligned(const E* p) {
  return reinterpret_cast<std::uintptr_t>(p) % (kNative<Lane<E>> * sizeof(E)) == 0;
}

/// Into the second-level cache, which the next group of channels will be read from.
template <class E>
HWY_INLINE void PrefetchAt(const E* p) {
  __builtin_prefetch(p, 0, 2);
}

/// Vectors run over the borders of channels; one that holds two channels gets blended coefficients.
template <bool TwoInputs, Store kStore, bool kAhead, class E>
HWY_INLINE void GroupTransform(const E* x, const E* g, E* y, std::int64_t length,
                               std::int64_t channels, const FactorArrays<Lane<E>>& k,
                               std::int64_t ahead) {
  using L = Lane<E>;
  const Wide<L> d;
  const One<L> one;
  constexpr std::int64_t N = kNative<L>;
  const std::int64_t count = length * channels;
  std::int64_t i = 0;
  if constexpr (kStore == Store::streamed) {
    const auto first = k.template Same<TwoInputs>(one, 0);
    for (; i < length && !Aligned(y + i); ++i) {
      TransformAt<TwoInputs, Store::cached>(one, x + i, g + i, y + i, first);
    }
  }
  const auto step = [&](const Factors<Wide<L>>& f) HWY_ATTR {
    if constexpr (kAhead) {
      PrefetchAt(x + i + ahead);
      if constexpr (TwoInputs) PrefetchAt(g + i + ahead);
    }
    TransformAt<TwoInputs, kStore>(d, x + i, g + i, y + i, f);
  };
  auto f = k.template Same<TwoInputs>(d, 0);
  for (std::int64_t c = 0;; ++c) {
    const std::int64_t end = (c + 1) * length;
    for (; i + N <= end; i += N) step(f);
    if (c + 1 == channels) break;
    const auto next = k.template Same<TwoInputs>(d, c + 1);
    if (i < end) {
      const auto mine = hn::FirstN(d, static_cast<std::size_t>(end - i));
      step({hn::IfThenElse(mine, f.m, next.m), hn::IfThenElse(mine, f.a, next.a),
            hn::IfThenElse(mine, f.b, next.b), hn::IfThenElse(mine, f.c, next.c)});
      i += N;
    }
    f = next;
  }
  const auto last = k.template Same<TwoInputs>(one, channels - 1);
  for (; i < count; ++i) {
    TransformAt<TwoInputs, Store::cached>(one, x + i, g + i, y + i, last);
  }
}

template <bool TwoInputs, class E>
HWY_INLINE void AnyGroupTransform(const E* x, const E* g, E* y, std::int64_t length,
                                  std::int64_t channels, const FactorArrays<Lane<E>>& k,
                                  Touch touch) {
  constexpr auto kCached = Store::cached, kStreamed = Store::streamed;
  if (touch.store == kCached) {
    GroupTransform<TwoInputs, kCached, false>(x, g, y, length, channels, k, 0);
  } else if (touch.ahead == 0) {
    GroupTransform<TwoInputs, kStreamed, false>(x, g, y, length, channels, k, 0);
  } else {
    GroupTransform<TwoInputs, kStreamed, true>(x, g, y, length, channels, k, touch.ahead);
  }
}

/// Computes: y = (x - m)*a + b, the product and sum as one fused operation.
/// Shapes:   x, y [channels][length], dense, y == x allowed; length at least the virtual lanes, or
///           one channel of any length; m, a, b [channels] lanes.
/// Order:    element by element.
/// Error:    |y err| <= u*|x - m||a| + u*|y|, (2u)|x - m||a| without FMA; and one rounding to E.
/// Special:  IEEE: NaN and Inf in x propagate; -0 is lost where b is +0.
/// Source:   Higham 2002, section 2.2.
template <class E>
void GroupAffine(const void* x, void* y, std::int64_t length, std::int64_t channels, const void* m,
                 const void* a, const void* b, Touch touch) {
  const E* from = static_cast<const E*>(x);
  AnyGroupTransform<false>(from, from, static_cast<E*>(y), length, channels, {m, a, b, b}, touch);
}

/// Computes: dx = g*a + ((x - m)*b + c), each product fused with its sum.
/// Shapes:   as GroupAffine, for x, g and dx; dx == g allowed.
/// Order:    element by element.
/// Error:    |dx err| <= 2u*|x - m||b| + u*|(x - m)b + c| + u*|dx|; and one rounding to E.
/// Special:  IEEE.
/// Source:   Higham 2002, section 2.2.
template <class E>
void GroupGradient(const void* x, const void* g, void* dx, std::int64_t length,
                   std::int64_t channels, const void* m, const void* a, const void* b,
                   const void* c, Touch touch) {
  AnyGroupTransform<true>(static_cast<const E*>(x), static_cast<const E*>(g), static_cast<E*>(dx),
                          length, channels, {m, a, b, c}, touch);
}

// ---- Rows: the channels are innermost and fill the lanes.

/// Where the rows of each tensor lie.
template <class E>
struct Rows {
  const E* x;
  std::int64_t xs;
  const E* g;
  std::int64_t gs;
  E* y;
  std::int64_t ys;

  HWY_INLINE Rows From(std::int64_t row, std::int64_t c) const {
    return {x + row * xs + c, xs, g + row * gs + c, gs, y + row * ys + c, ys};
  }
};

/// U vectors of channels, down all rows, their coefficients in registers.
template <bool TwoInputs, Store kStore, bool kAhead, int U, class D, class E>
HWY_INLINE void TransformTile(D d, const Rows<E>& t, std::int64_t rows, std::int64_t c,
                              const FactorArrays<Lane<E>>& k, std::int64_t ahead) {
  const std::int64_t N = static_cast<std::int64_t>(hn::Lanes(d));
  Factors<D> f[U];
  for (int u = 0; u < U; ++u) f[u] = k.template Each<TwoInputs>(d, c + u * N);
  for (std::int64_t r = 0; r < rows; ++r) {
    const Rows<E> row = t.From(r, c);
    for (int u = 0; u < U; ++u) {
      if constexpr (kAhead) {
        PrefetchAt(row.x + u * N + ahead);
        if constexpr (TwoInputs) PrefetchAt(row.g + u * N + ahead);
      }
      TransformAt<TwoInputs, kStore>(d, row.x + u * N, row.g + u * N, row.y + u * N, f[u]);
    }
  }
}

/// R rows side by side from end to end, each coefficient loaded once for all.
template <bool TwoInputs, Store kStore, bool kAhead, int R, class E>
HWY_INLINE void TransformRows(const Rows<E>& t, std::int64_t channels,
                              const FactorArrays<Lane<E>>& k, std::int64_t ahead) {
  const Wide<Lane<E>> d;
  for (std::int64_t c = 0; c < channels; c += static_cast<std::int64_t>(hn::Lanes(d))) {
    const auto f = k.template Each<TwoInputs>(d, c);
    for (int r = 0; r < R; ++r) {
      const Rows<E> row = t.From(r, c);
      if constexpr (kAhead) {
        PrefetchAt(row.x + ahead);
        if constexpr (TwoInputs) PrefetchAt(row.g + ahead);
      }
      TransformAt<TwoInputs, kStore>(d, row.x, row.g, row.y, f);
    }
  }
}

template <bool TwoInputs, Store kStore, bool kAhead, class E>
HWY_INLINE void RowTransform(const Rows<E>& t, std::int64_t rows, std::int64_t channels,
                             const FactorArrays<Lane<E>>& k, std::int64_t ahead) {
  using L = Lane<E>;
  const Wide<L> d;
  constexpr std::int64_t N = kNative<L>;
  constexpr int kTile = TwoInputs ? 4 : 8;  // vectors whose coefficients fit the registers
  std::int64_t c = 0;
  if (channels > 8 * static_cast<std::int64_t>(kVirtual<L>)) {
    c = channels / N * N;
    std::int64_t r = 0;
    if constexpr (kStore == Store::cached) {
      for (; r + 4 <= rows; r += 4) {
        TransformRows<TwoInputs, kStore, kAhead, 4>(t.From(r, 0), c, k, ahead);
      }
    }
    for (; r < rows; ++r) {
      TransformRows<TwoInputs, kStore, kAhead, 1>(t.From(r, 0), c, k, ahead);
    }
  }
  const auto tiles = [&]<int kWidth>(std::integral_constant<int, kWidth>) HWY_ATTR {
    for (; c + kWidth * N <= channels; c += kWidth * N) {
      TransformTile<TwoInputs, kStore, kAhead, kWidth>(d, t, rows, c, k, ahead);
    }
  };
  tiles(std::integral_constant<int, kTile>());
  tiles(std::integral_constant<int, 4>());
  tiles(std::integral_constant<int, 2>());
  tiles(std::integral_constant<int, 1>());
  for (; c < channels; ++c) {
    TransformTile<TwoInputs, Store::cached, false, 1>(One<L>(), t, rows, c, k, 0);
  }
}

template <bool TwoInputs, class E>
HWY_INLINE void AnyRowTransform(const Rows<E>& t, std::int64_t rows, std::int64_t channels,
                                const FactorArrays<Lane<E>>& k, Touch touch) {
  if (touch.store == Store::cached || !Aligned(t.y) || !Aligned(t.y + t.ys)) {
    RowTransform<TwoInputs, Store::cached, false>(t, rows, channels, k, 0);
  } else if (touch.ahead == 0) {
    RowTransform<TwoInputs, Store::streamed, false>(t, rows, channels, k, 0);
  } else {
    RowTransform<TwoInputs, Store::streamed, true>(t, rows, channels, k, touch.ahead);
  }
}

/// Computes: for c: y[., c] = (x[., c] - m[c])*a[c] + b[c].
/// Shapes:   x, y [rows][channels], rows x_stride and y_stride apart, y == x allowed; m, a, b
///           [channels] lanes. Rows of y that are not aligned to vectors are not streamed.
/// Order, Error, Special, Source: as GroupAffine.
template <class E>
void RowAffine(const void* x, std::int64_t x_stride, void* y, std::int64_t y_stride,
               std::int64_t rows, std::int64_t channels, const void* m, const void* a,
               const void* b, Touch touch) {
  const E* from = static_cast<const E*>(x);
  AnyRowTransform<false, E>({from, x_stride, from, x_stride, static_cast<E*>(y), y_stride}, rows,
                            channels, {m, a, b, b}, touch);
}

/// Computes: for k: dx[., k] = g[., k]*a[k] + ((x[., k] - m[k])*b[k] + c[k]).
/// Shapes:   x, g, dx [rows][channels], each with its stride, dx == g allowed; else as RowAffine.
/// Order, Error, Special, Source: as GroupGradient.
template <class E>
void RowGradient(const void* x, std::int64_t x_stride, const void* g, std::int64_t g_stride,
                 void* dx, std::int64_t dx_stride, std::int64_t rows, std::int64_t channels,
                 const void* m, const void* a, const void* b, const void* c, Touch touch) {
  AnyRowTransform<true, E>({static_cast<const E*>(x), x_stride, static_cast<const E*>(g), g_stride,
                            static_cast<E*>(dx), dx_stride},
                           rows, channels, {m, a, b, c}, touch);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace truenorm::detail
HWY_AFTER_NAMESPACE();

#endif  // TRUENORM_SRC_TRANSFORM_INL_H_
