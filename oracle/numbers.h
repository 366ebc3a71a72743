// Numbers that come out the same everywhere: hashing, the normal quantile, powers of two and the
// formats of the dtypes. Only + - * / and sqrt are used, which IEEE 754 rounds correctly; compile
// without contraction.
#pragma once

#include <bit>
#include <cstdint>

#include "case.h"

namespace truenorm::oracle {

/// One step of SplitMix64 from state `z`: increment by the golden ratio, then finalise. A bijection
/// whose output passes for random on any counter. Source: Steele, Lea, Flood 2014, "Fast splittable
/// pseudorandom number generators"; constants of Stafford's mix 13.
constexpr std::uint64_t mix(std::uint64_t z) {
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// In (0, 1): odd multiples of 2^-53, symmetric about 1/2.
constexpr double unit_interval(std::uint64_t hash) {
  return (static_cast<double>(hash >> 12) + 0.5) * 0x1p-52;
}

/// 2^exponent, exactly; exponent in -1022..1023.
constexpr double power_of_two(int exponent) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

constexpr bool is_prime(std::int64_t value) {
  for (std::int64_t d = 2; d * d <= value; ++d)
    if (value % d == 0) return false;
  return value >= 2;
}

/// Natural logarithm of a normal x > 0, within a few units in the last place.
double portable_log(double x);

/// The z with Phi(z) = p, for p in (0, 1); p is first brought into [2^-53, 1 - 2^-53].
double normal_quantile(double p);

/// Stored mantissa bits: 23, 52, 7, 10.
int mantissa_bits(Dtype);

/// The value whose bit pattern in `dtype` is the low bits of `pattern`. NaNs lose their payload.
double from_pattern(Dtype, std::uint64_t pattern);
/// The bit pattern of `value` rounded to nearest, ties to even.
std::uint64_t to_pattern(Dtype, double value);

}  // namespace truenorm::oracle
