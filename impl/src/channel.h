// From the sums of channels to the coefficients of the second pass, a block of channels at a time.
#ifndef TRUENORM_SRC_CHANNEL_H_
#define TRUENORM_SRC_CHANNEL_H_

#include <cmath>
#include <cstdint>

#include "scalar.h"

namespace truenorm::detail {

/// Below this, f32 squares and products may have lost bits to underflow.
inline constexpr double tiny_f32 = 0x1p-100;
/// From here on, f32 differences and products may overflow on the way to a representable result.
inline constexpr double large_f32 = 0x1p100;

/// invstd of given statistics; no special cases.
inline double inverse_deviation(double var, double eps) noexcept {
  return 1.0 / std::sqrt(var + eps);
}

/// base + scale*d, and base itself where d is 0, whatever sign it has and whatever scale is.
inline double shifted(double base, double scale, double d) noexcept {
  return d == 0 ? base : base + scale * d;
}

/// True if the mean of n values lies within about sigma of the pivot they were summed about, or so
/// near to it that rounding allows no better one.
inline bool pivot_served(Dtype lane, double n, double pivot, double offset, double m2) noexcept {
  const double reach = (lane == Dtype::f64 ? 0x1p-52 : 0x1p-23) * std::abs(pivot);
  return !(offset * offset * n > 1.2 * m2) || !(std::abs(offset) > reach);
}

/// Channels of a block, a multiple of every vector's length.
inline constexpr std::int64_t channel_block = 64;
/// One number for each channel of a block. Kernels compute all of them; what lies beyond the
/// channels there are is never used.
using Column = double[channel_block];

/// Between which magnitudes a lane computes without loss, 0 aside.
struct Range {
  double least;  ///< smallest normal number
  double most;   ///< largest number
  double large;  ///< what a mean and a constant must stay below
  double tiny;   ///< what squares and products must stay above
};
constexpr Range range_of(Dtype lane) noexcept {
  if (lane == Dtype::f64) return {0x1p-1022, 0x1.fffffffffffffp1023, 0x1p1023, 0};
  return {0x1p-126, 0x1.fffffep127, large_f32, tiny_f32};
}

/// Channels of a forward pass. Flags are 0 or 1.
struct alignas(64) ForwardBlock {
  Column base, offset, m2;  ///< moments, merged over the segments: the mean is base + offset
  Column mean, rest;        ///< rest: what the mean's rounding to double has lost
  Column var, unbiased;     ///< of n and of n - 1
  Column weight, bias;
  Column invstd, m, a, b;
  Column doubtful;  ///< the lanes could not hold what was summed, perhaps
  Column careful;   ///< the lanes cannot hold the coefficients, perhaps
};

/// Channels of a backward pass.
struct alignas(64) BackwardBlock {
  Column sum, dot;  ///< sum(g), sum((x - m)*g)
  Column mean, invstd, weight;
  Column offset, slope;  ///< sum/n, dot*invstd^2/n
  Column m, a, b, c;
  Column doubtful, careful;
};

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_CHANNEL_H_
