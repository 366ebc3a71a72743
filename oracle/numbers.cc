#include "numbers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "data.h"

namespace truenorm::oracle {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
constexpr std::uint64_t kInfinity = std::uint64_t{0x7ff} << 52;

/// An IEEE interchange format, or one made like it.
struct Format {
  int mantissa;      // stored bits
  int min_exponent;  // of the smallest normal
  int bits;          // in all
};
constexpr std::array<Format, kDtypes> kFormats{
    {{23, -126, 32}, {52, -1022, 64}, {7, -126, 16}, {10, -14, 16}}};

constexpr Format format(Dtype dtype) { return kFormats[static_cast<std::size_t>(dtype)]; }
constexpr std::uint64_t infinity_of(Format f) {
  return (std::uint64_t{1} << (f.bits - 1)) - (std::uint64_t{1} << f.mantissa);
}

template <std::size_t N>
double polynomial(const std::array<double, N>& coefficients, double x) {
  double value = 0;
  for (std::size_t i = N; i-- > 0;) value = value * x + coefficients[i];
  return value;
}

}  // namespace

int mantissa_bits(Dtype dtype) { return format(dtype).mantissa; }
std::size_t size_of(Dtype dtype) { return static_cast<std::size_t>(format(dtype).bits) / 8; }
double min_normal(Dtype dtype) { return power_of_two(format(dtype).min_exponent); }
double max_finite(Dtype dtype) { return from_pattern(dtype, infinity_of(format(dtype)) - 1); }

std::uint64_t to_pattern(Dtype dtype, double value) {
  const auto u = std::bit_cast<std::uint64_t>(value);
  if (dtype == Dtype::f64) return value != value ? std::bit_cast<std::uint64_t>(kNan) : u;
  const Format f = format(dtype);
  const std::uint64_t sign = (u & kSign) >> (64 - f.bits), magnitude = u & ~kSign;
  if (magnitude > kInfinity) return sign | infinity_of(f) | std::uint64_t{1} << (f.mantissa - 1);
  if (magnitude == kInfinity) return sign | infinity_of(f);
  const int field = static_cast<int>(magnitude >> 52);
  if (field == 0) return sign;  // subnormal doubles lie far below half of the smallest subnormal
  const std::uint64_t significand = (magnitude & ((std::uint64_t{1} << 52) - 1)) | std::uint64_t{1}
                                                                                       << 52;
  const int exponent = std::max(field - 1023, f.min_exponent);
  const int dropped = 52 - f.mantissa + (exponent - (field - 1023));
  if (dropped > 53) return sign;
  const std::uint64_t kept = significand >> dropped, half = std::uint64_t{1} << (dropped - 1);
  const std::uint64_t rest = significand & ((half << 1) - 1);
  const std::uint64_t up = rest > half || (rest == half && (kept & 1) == 1) ? 1 : 0;
  // `kept` brings the hidden bit along, which raises the exponent field by one: right for a normal,
  // absent for a subnormal. A carry rises likewise.
  const std::uint64_t pattern =
      (static_cast<std::uint64_t>(exponent - f.min_exponent) << f.mantissa) + kept + up;
  return sign | std::min(pattern, infinity_of(f));
}

double from_pattern(Dtype dtype, std::uint64_t pattern) {
  const Format f = format(dtype);
  const std::uint64_t sign_bit = std::uint64_t{1} << (f.bits - 1);
  const std::uint64_t magnitude = pattern & (sign_bit - 1);
  const std::uint64_t mantissa_mask = (std::uint64_t{1} << f.mantissa) - 1;
  double value;
  if (magnitude > infinity_of(f)) return kNan;
  if (magnitude == infinity_of(f)) {
    value = std::numeric_limits<double>::infinity();
  } else if (dtype == Dtype::f64) {
    value = std::bit_cast<double>(magnitude);
  } else if (const int field = static_cast<int>(magnitude >> f.mantissa); field == 0) {
    value = static_cast<double>(magnitude) * power_of_two(f.min_exponent - f.mantissa);
  } else {
    const double significand =
        static_cast<double>((magnitude & mantissa_mask) | (mantissa_mask + 1));
    value = significand * power_of_two(field - 1 + f.min_exponent - f.mantissa);
  }
  return (pattern & sign_bit) != 0 ? -value : value;
}

double round_to(Dtype dtype, double value) {
  if (value != value) return kNan;
  if (dtype == Dtype::f64) return value;
  if (dtype == Dtype::f32) return static_cast<double>(static_cast<float>(value));
  return from_pattern(dtype, to_pattern(dtype, value));
}

void store(Dtype dtype, double value, void* to) {
  const std::uint64_t pattern = to_pattern(dtype, value);
  switch (size_of(dtype)) {
    case 2: {
      const auto half = static_cast<std::uint16_t>(pattern);
      std::memcpy(to, &half, sizeof half);
      break;
    }
    case 4: {
      const auto word = static_cast<std::uint32_t>(pattern);
      std::memcpy(to, &word, sizeof word);
      break;
    }
    default:
      std::memcpy(to, &pattern, sizeof pattern);
  }
}

double load(Dtype dtype, const void* from) {
  switch (size_of(dtype)) {
    case 2: {
      std::uint16_t half;
      std::memcpy(&half, from, sizeof half);
      return from_pattern(dtype, half);
    }
    case 4: {
      float word;
      std::memcpy(&word, from, sizeof word);
      return word != word ? kNan : static_cast<double>(word);
    }
    default: {
      double value;
      std::memcpy(&value, from, sizeof value);
      return value != value ? kNan : value;
    }
  }
}

double portable_log(double x) {
  constexpr double
      kLn2High = 0x1.62e42fee00000p-1,
      kLn2Low =
          0x1.a39ef35793c76p-33;  // high: 32 bits, so that its product with an exponent is exact
  const auto u = std::bit_cast<std::uint64_t>(x);
  int exponent = static_cast<int>(u >> 52) - 1023;
  double m =
      std::bit_cast<double>((u & ((std::uint64_t{1} << 52) - 1)) | std::uint64_t{1023} << 52);
  if (m > 0x1.6a09e667f3bcdp0) {  // sqrt(2): keeps |z| below 0.172
    m /= 2;
    ++exponent;
  }
  // log m = 2 artanh z, z = (m - 1)/(m + 1); eleven terms leave 2e-18 of the first.
  const double z = (m - 1) / (m + 1), w = z * z;
  double series = 0;
  for (int k = 21; k >= 1; k -= 2) series = series * w + 1 / static_cast<double>(k);
  return exponent * kLn2High + (2 * z * series + exponent * kLn2Low);
}

// Source: Wichura 1988, Algorithm AS 241 (PPND16), relative accuracy about 1e-16.
double normal_quantile(double p) {
  static constexpr std::array<double, 8> a{3.3871328727963666080e0,  1.3314166789178437745e+2,
                                           1.9715909503065514427e+3, 1.3731693765509461125e+4,
                                           4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                           3.3430575583588128105e+4, 2.5090809287301226727e+3};
  static constexpr std::array<double, 8> b{1,
                                           4.2313330701600911252e+1,
                                           6.8718700749205790830e+2,
                                           5.3941960214247511077e+3,
                                           2.1213794301586595867e+4,
                                           3.9307895800092710610e+4,
                                           2.8729085735721942674e+4,
                                           5.2264952788528545610e+3};
  static constexpr std::array<double, 8> c{1.42343711074968357734e0,  4.63033784615654529590e0,
                                           5.76949722146069140550e0,  3.64784832476320460504e0,
                                           1.27045825245236838258e0,  2.41780725177450611770e-1,
                                           2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr std::array<double, 8> d{1,
                                           2.05319162663775882187e0,
                                           1.67638483018380384940e0,
                                           6.89767334985100004550e-1,
                                           1.48103976427480074590e-1,
                                           1.51986665636164571966e-2,
                                           5.47593808499534494600e-4,
                                           1.05075007164441684324e-9};
  static constexpr std::array<double, 8> e{6.65790464350110377720e0,  5.46378491116411436990e0,
                                           1.78482653991729133580e0,  2.96560571828504891230e-1,
                                           2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                           2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static constexpr std::array<double, 8> f{1,
                                           5.99832206555887937690e-1,
                                           1.36929880922735805310e-1,
                                           1.48753612908506148525e-2,
                                           7.86869131145613259100e-4,
                                           1.84631831751005468180e-5,
                                           1.42151175831644588870e-7,
                                           2.04426310338993978564e-15};
  p = std::clamp(p, 0x1p-53, 1 - 0x1p-53);
  const double q = p - 0.5;
  if (q >= -0.425 && q <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * polynomial(a, r) / polynomial(b, r);
  }
  const double r = std::sqrt(-portable_log(q < 0 ? p : 1 - p));
  const double z = r <= 5 ? polynomial(c, r - 1.6) / polynomial(d, r - 1.6)
                          : polynomial(e, r - 5) / polynomial(f, r - 5);
  return q < 0 ? -z : z;
}

}  // namespace truenorm::oracle
