// One element at a time: conversions between element types and double, each rounding once.
#ifndef TRUENORM_SRC_SCALAR_H_
#define TRUENORM_SRC_SCALAR_H_

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "truenorm/tensor.h"

#ifdef __FAST_MATH__
#error "Truenorm needs IEEE arithmetic"
#endif

namespace truenorm::detail {

inline float float_of_bf16(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

/// Exact. The magnitude is placed in a float's fields and rescaled by the difference of the
/// exponent biases, which also normalizes subnormals; Inf and NaN get the float's top exponent.
inline float float_of_f16(std::uint16_t bits) noexcept {
  const std::uint32_t magnitude = bits & 0x7fffu;
  std::uint32_t out =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude << 13) * 0x1p112f);
  if (magnitude > 0x7bffu) out |= 0x7f800000u;
  return std::bit_cast<float>(out | (static_cast<std::uint32_t>(bits & 0x8000u) << 16));
}

/// To nearest, ties to even; NaN stays NaN (quiet).
inline std::uint16_t bf16_of_float(float value) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

/// To nearest, ties to even; NaN stays NaN (quiet).
inline std::uint16_t f16_of_float(float value) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  std::uint32_t out;
  if (magnitude > 0x7f800000u) {
    out = 0x7e00u;
  } else if (magnitude >= 0x47800000u) {  // 2^16 and above
    out = 0x7c00u;
  } else if (magnitude < 0x38800000u) {  // below 2^-14: adding 0.5 leaves multiples of 2^-24
    out = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  } else {
    out = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  }
  return static_cast<std::uint16_t>(sign | out);
}

/// double to float by rounding to odd: rounding the result again to 16 bits rounds the double once.
inline float round_to_odd(double value) noexcept {
  const float nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || std::isnan(nearest)) return nearest;
  std::uint32_t bits = std::bit_cast<std::uint32_t>(nearest);
  if (std::abs(static_cast<double>(nearest)) > std::abs(value)) --bits;
  return std::bit_cast<float>(bits | 1u);
}

/// Element i of an array, widened to double (exact).
inline double load_element(Dtype dtype, const void* data, std::int64_t i) noexcept {
  const char* at = static_cast<const char*>(data) + i * size_of(dtype);
  if (dtype == Dtype::f64) {
    double value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  if (dtype == Dtype::f32) {
    float value;
    std::memcpy(&value, at, sizeof value);
    return static_cast<double>(value);
  }
  std::uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return static_cast<double>(dtype == Dtype::bf16 ? float_of_bf16(bits) : float_of_f16(bits));
}

/// Rounds once to nearest, ties to even; beyond the range Inf.
inline void store_element(Dtype dtype, void* data, std::int64_t i, double value) noexcept {
  char* at = static_cast<char*>(data) + i * size_of(dtype);
  if (dtype == Dtype::f64) {
    std::memcpy(at, &value, sizeof value);
  } else if (dtype == Dtype::f32) {
    const float rounded = static_cast<float>(value);
    std::memcpy(at, &rounded, sizeof rounded);
  } else {
    const float odd = round_to_odd(value);
    const std::uint16_t bits = dtype == Dtype::bf16 ? bf16_of_float(odd) : f16_of_float(odd);
    std::memcpy(at, &bits, sizeof bits);
  }
}

/// Element c of a vector, or `absent` if there is no vector.
inline double load(const ConstVector& v, std::int64_t c, double absent) noexcept {
  return v.present() ? load_element(v.dtype, v.data, c * v.stride) : absent;
}

inline void store(const Vector& v, std::int64_t c, double value) noexcept {
  if (v.present()) store_element(v.dtype, v.data, c * v.stride, value);
}

/// Elements [c, c + count) of a vector, or `absent` if there is no vector.
inline void load_column(const ConstVector& v, std::int64_t c, std::int64_t count, double absent,
                        double* to) noexcept {
  if (!v.present()) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = absent;
  } else if (v.dtype == Dtype::f32 && v.stride == 1) {
    const float* from = static_cast<const float*>(v.data) + c;
    for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<double>(from[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) to[i] = load(v, c + i, absent);
  }
}

inline void store_column(const Vector& v, std::int64_t c, std::int64_t count,
                         const double* from) noexcept {
  if (!v.present()) return;
  if (v.dtype == Dtype::f32 && v.stride == 1) {
    float* to = static_cast<float*>(v.data) + c;
    for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) store(v, c + i, from[i]);
  }
}

/// Lanes [c, c + count) of an array of f32 or f64.
inline void store_lanes(Dtype lane, void* to, std::int64_t c, std::int64_t count,
                        const double* from) noexcept {
  store_column(Vector{to, lane, c + count, 1}, c, count, from);
}

/// to[i*repeat + j] = to[i] for i < count, j < repeat, in place.
template <class T>
void spread(T* to, std::int64_t count, std::int64_t repeat) noexcept {
  for (std::int64_t i = count; i-- > 0;) {
    const T value = to[i];
    for (std::int64_t j = 0; j < repeat; ++j) to[i * repeat + j] = value;
  }
}

/// Every element of a vector, if there is one.
inline void fill(const Vector& v, double value) noexcept {
  for (std::int64_t c = 0; v.present() && c < v.size; ++c) store(v, c, value);
}

/// The type that elements are computed in: f64 for f64, else f32.
constexpr Dtype lane_of(Dtype dtype) noexcept {
  return dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32;
}

/// `value` rounded to the lane type.
inline double to_lane(Dtype lane, double value) noexcept {
  return lane == Dtype::f64 ? value : static_cast<double>(static_cast<float>(value));
}

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_SCALAR_H_
