// The lemmas that every radius is made of, and the constants of the number formats.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "../case.h"
#include "../contract.h"

namespace truenorm::oracle::exact {

inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kDoubleDouble = 0x1p-102;  // of one double-double operation, with room
inline constexpr double kMaxF32 = 0x1.fffffep127, kMinF32 = 0x1p-149;

/// gamma_k = k*u / (1 - k*u): k roundings of relative size u, multiplied. Higham 2002, Lemma 3.1.
/// Inf where it holds nothing.
inline double gamma(double k, double u) { return k * u < 0.5 ? k * u / (1 - k * u) : kInf; }

/// times*unit, for times >= 0. Multiples of the smallest subnormal are formed as integers, with the
/// same rounding: processors take more than a hundred cycles to multiply a subnormal.
inline double multiple(double times, double unit) {
  constexpr double kSpacingOne = 0x1p52;  // from here to its double, doubles are whole
  if (unit != std::numeric_limits<double>::denorm_min() || !(times < kSpacingOne))
    return times * unit;
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(times + kSpacingOne) -
                               std::bit_cast<std::uint64_t>(kSpacingOne));
}

/// A dtype as a number format.
struct Format {
  double unit;  // unit roundoff
  double max_finite;
  double min_positive;  // smallest subnormal
};
inline Format format(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return {kU32, kMaxF32, kMinF32};
    case Dtype::f64:
      return {kU64, std::numeric_limits<double>::max(), std::numeric_limits<double>::denorm_min()};
    case Dtype::bf16:
      return {kUBf16, 0x1.fep127, 0x1p-133};
    case Dtype::f16:
      return {kUF16, 65504, 0x1p-24};
  }
  return {};
}

/// Error of one rounding to a format, of a value no larger than `size`. Higham 2002, Theorem 2.2,
/// and a subnormal's spacing where it underflows.
inline double store_error(const Format& f, double size) { return f.unit * size + f.min_positive; }

}  // namespace truenorm::oracle::exact
