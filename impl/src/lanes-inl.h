// Elements to lanes and back, for each instruction set (included by kernels.cc only).
//
// All sets share one summation tree: *virtual lanes*, 64 bytes of them (16 f32 or 8 f64). A set with
// narrower registers walks the data once for each part of the lanes. So sets with FMA give equal
// bits.
#if defined(TRUENORM_SRC_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TRUENORM_SRC_LANES_INL_H_
#undef TRUENORM_SRC_LANES_INL_H_
#else
#define TRUENORM_SRC_LANES_INL_H_
#endif

#include <cstddef>
#include <cstdint>

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
// The instruction does as float_of_f16 in scalar.h; the sets without it follow that.
#undef TRUENORM_HAVE_F16C
#if (HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3) && !defined(HWY_DISABLE_F16C)
#define TRUENORM_HAVE_F16C 1
#else
#define TRUENORM_HAVE_F16C 0
#endif
template <class D>
HWY_INLINE hn::Vec<D> LoadLanes(D d, const F16* p) {
#if TRUENORM_HAVE_F16C
  if constexpr (hn::MaxLanes(D()) >= 4) {
    const hn::Rebind<hwy::float16_t, D> d16;
    return hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(p)));
  }
#endif
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

/// Streamed stores need p aligned to the vector.
template <Store kStore, class D, class T>
HWY_INLINE void Put(D d, hn::Vec<D> v, T* p) {
  if constexpr (kStore == Store::streamed && hn::MaxLanes(D()) * sizeof(T) >= 16) {
    hn::Stream(v, d, p);
  } else {
    hn::StoreU(v, d, p);
  }
}
template <Store kStore, class D, class V>
HWY_INLINE void StoreLanes(D d, V v, float* p) {
  Put<kStore>(d, v, p);
}
template <Store kStore, class D, class V>
HWY_INLINE void StoreLanes(D d, V v, double* p) {
  Put<kStore>(d, v, p);
}
// As bf16_of_float in scalar.h.
template <Store kStore, class D, class V>
HWY_INLINE void StoreLanes(D, V v, Bf16* p) {
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::Rebind<std::uint32_t, D> du;
  const hn::Rebind<std::int32_t, D> di;
  const auto bits = hn::BitCast(du, v);
  const auto high = hn::ShiftRight<16>(bits);
  const auto odd = hn::And(high, hn::Set(du, 1u));
  const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(du, 0x7fffu)), odd));
  const auto nan = hn::RebindMask(du, hn::Ne(v, v));
  const auto quiet = hn::Or(high, hn::Set(du, 0x40u));
  const auto out = hn::BitCast(di, hn::IfThenElse(nan, quiet, rounded));
  Put<kStore>(d16, hn::DemoteTo(d16, out), reinterpret_cast<std::uint16_t*>(p));
}
// As f16_of_float in scalar.h.
template <Store kStore, class D, class V>
HWY_INLINE void StoreLanes(D d, V v, F16* p) {
  const hn::Rebind<std::uint16_t, D> d16;
#if TRUENORM_HAVE_F16C
  if constexpr (hn::MaxLanes(D()) >= 4) {
    const hn::Rebind<hwy::float16_t, D> half;
    Put<kStore>(d16, hn::BitCast(d16, hn::DemoteTo(half, v)), reinterpret_cast<std::uint16_t*>(p));
    return;
  }
#endif
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
  Put<kStore>(d16, hn::DemoteTo(d16, out), reinterpret_cast<std::uint16_t*>(p));
}

/// Widens `count` elements into `to`.
template <class E, class L>
HWY_INLINE void Widen(const E* from, std::int64_t count, L* to) {
  const One<L> d;
  for (std::int64_t i = 0; i < count; ++i) hn::StoreU(LoadLanes(d, from + i), d, to + i);
}

/// Sums lane[0 .. size) by halves: lane i + lane i + size/2, and so on.
template <class L>
HWY_INLINE L Tree(L* lane, std::size_t size) {
  for (std::size_t width = size / 2; width > 0; width /= 2) {
    for (std::size_t i = 0; i < width; ++i) lane[i] += lane[i + width];
  }
  return lane[0];
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace truenorm::detail
HWY_AFTER_NAMESPACE();

#endif  // TRUENORM_SRC_LANES_INL_H_
