// Rules for one channel that the forward and the backward pass share.
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

/// True if a lane may subtract this mean and add this constant.
inline bool moderate(Dtype lane, double mean, double constant) noexcept {
  return representable(lane, mean) && representable(lane, constant) &&
         (lane == Dtype::f64 || (std::abs(mean) < large_f32 && std::abs(constant) < large_f32));
}

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_CHANNEL_H_
