#include "data.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "numbers.h"

namespace truenorm::oracle {
namespace {

/// Values of one tensor, each from its indices alone.
class Generator {
 public:
  Generator(const Dist& dist, Dtype dtype, const Shape& shape, std::uint64_t seed, Role role,
            std::uint32_t step_id)
      : dist_(dist),
        dtype_(dtype),
        count_(shape.per_channel()),
        key_(mix(mix(mix(seed) + static_cast<std::uint64_t>(role)) + step_id)),
        lane0_(mix(key_)) {
    // A mean of r with sigma 1, unless the dtype cannot hold r: then the largest comfortable mean,
    // and sigma to fit.
    const double limit = dtype == Dtype::f16 ? 1e4 : 1e30;
    mean_ = std::min(dist.a, limit);
    sigma_ = dist.a > limit ? limit / dist.a : 1;
  }

  /// Element `i` of `channel`; `index` is its place in the tensor's logical order. Not yet rounded
  /// to the dtype.
  double at(std::int64_t channel, std::int64_t i, std::int64_t index) const {
    const auto counter = static_cast<std::uint64_t>(index);
    switch (dist_.kind) {
      case DistKind::zero:
        return 0;
      case DistKind::constant:
        return dist_.a;
      case DistKind::ramp:
        return static_cast<double>((i + channel) % 256) / 16;
      case DistKind::uniform:
        return uniform(counter);
      case DistKind::normal:
        return dist_.a + dist_.b * normal(counter);
      case DistKind::cancel:
        return (channel % 2 == 0 ? mean_ : -mean_) + sigma_ * normal(counter);
      case DistKind::exact:
        return exact(channel, i);
      case DistKind::spike:
        return normal(counter) *
               (hash(counter, 1) % static_cast<std::uint64_t>(dist_.a) == 0 ? 4096 : 1);
      case DistKind::sorted:
        return normal_quantile((static_cast<double>(i) + unit(counter)) /
                               static_cast<double>(count_));
      case DistKind::tiny:
        return tiny(counter, 3);
      case DistKind::huge:
        return huge(counter);
      case DistKind::special:
        return unit(counter, 1) < dist_.a ? special(counter) : normal(counter);
      case DistKind::bits:
        return bits(counter);
    }
    return 0;
  }

 private:
  std::uint64_t hash(std::uint64_t counter, std::uint64_t lane = 0) const {
    return mix((lane == 0 ? lane0_ : mix(key_ + lane)) + counter);
  }
  /// In (0, 1), a multiple of 2^-53 off by half of one, so that neither end is met.
  double unit(std::uint64_t counter, std::uint64_t lane = 0) const {
    return unit_interval(hash(counter, lane));
  }
  double normal(std::uint64_t counter) const { return normal_quantile(unit(counter)); }

  double uniform(std::uint64_t counter) const {
    const double u = unit(counter);
    return std::clamp(dist_.a * (1 - u) + dist_.b * u, dist_.a,
                      dist_.b);  // no b - a: it may overflow
  }

  /// Elements 2j and 2j+1 of a channel are m + d and m - d, small integers, in either order; a last
  /// odd element is m. Every partial sum, of squares too, is an integer below 2^24 for channels of
  /// up to 10^5 elements, and the mean is m.
  double exact(std::int64_t channel, std::int64_t i) const {
    const auto c = static_cast<std::uint64_t>(channel);
    const double m = static_cast<double>(hash(c, 1) % 17) - 8;
    if (i + 1 == count_ && count_ % 2 == 1) return m;
    const std::uint64_t h = hash(static_cast<std::uint64_t>(i / 2), 2 + c);
    const double d = static_cast<double>(1 + h % 4);
    return ((h >> 8) + static_cast<std::uint64_t>(i)) % 2 == 0 ? m + d : m - d;
  }

  double sign(std::uint64_t counter) const { return hash(counter, 2) % 2 == 0 ? 1 : -1; }

  /// From the smallest subnormal up to 2^above times the smallest normal.
  double tiny(std::uint64_t counter, int above) const {
    const int exponents = mantissa_bits(dtype_) + above;
    const int exponent =
        static_cast<int>(hash(counter, 3) % static_cast<std::uint64_t>(exponents)) -
        mantissa_bits(dtype_);
    return sign(counter) * (1 + unit(counter)) * power_of_two(exponent) * min_normal(dtype_);
  }

  /// From 2^-16 of the largest finite value up to it.
  double huge(std::uint64_t counter) const {
    const int exponent = -static_cast<int>(hash(counter, 3) % 16);
    return sign(counter) * (1 + unit(counter)) / 2 * power_of_two(exponent) * max_finite(dtype_);
  }

  double special(std::uint64_t counter) const {
    constexpr double kInf = std::numeric_limits<double>::infinity();
    switch (hash(counter, 4) % 5) {
      case 0:
        return std::numeric_limits<double>::quiet_NaN();
      case 1:
        return kInf;
      case 2:
        return -kInf;
      case 3:
        return -0.0;
      default:
        return tiny(counter, 0);
    }
  }

  double bits(std::uint64_t counter) const {
    const std::uint64_t bytes = size_of(dtype_);
    std::uint64_t pattern = 0;
    for (std::uint64_t k = 0; k < bytes; ++k)
      pattern |= std::uint64_t{dist_.bits[(counter * bytes + k) % dist_.bits.size()]} << (8 * k);
    return from_pattern(dtype_, pattern);
  }

  const Dist& dist_;
  Dtype dtype_;
  std::int64_t count_;
  std::uint64_t key_, lane0_;
  double mean_ = 0, sigma_ = 1;
};

}  // namespace

std::vector<double> generate(const Dist& dist, Dtype dtype, const Shape& shape, std::uint64_t seed,
                             Role role, std::uint32_t step_id, bool expanded) {
  const Generator generator(dist, dtype, shape, seed, role, step_id);
  const std::int64_t plane = shape.plane();
  std::vector<double> values(static_cast<std::size_t>(shape.numel()));
  const auto image = static_cast<std::ptrdiff_t>(shape.c * plane);
  double* to = values.data();
  for (std::int64_t n = 0; n < shape.n; ++n) {
    if (expanded && n > 0) {
      to = std::copy_n(values.data(), image, to);
      continue;
    }
    for (std::int64_t c = 0; c < shape.c; ++c)
      for (std::int64_t p = 0; p < plane; ++p)
        *to++ = round_to(dtype, generator.at(c, n * plane + p, (n * shape.c + c) * plane + p));
  }
  return values;
}

Inputs make_inputs(const Case& c) {
  const Problem& problem = c.problem;
  const auto vector = [&problem](bool present, const Dist& dist, Role role) {
    if (!present) return std::vector<double>{};
    return generate(dist, problem.param_dtype, Shape{1, problem.shape.c, 0, {}}, problem.seed, role,
                    0);
  };
  Inputs inputs;
  inputs.weight = vector(problem.weight, problem.w, Role::weight);
  inputs.bias = vector(problem.bias, problem.b, Role::bias);
  inputs.running_mean = vector(problem.track, problem.rm, Role::running_mean);
  inputs.running_var = vector(problem.track, problem.rv, Role::running_var);
  inputs.step.resize(problem.run.size());
  for (std::size_t i = 0; i < problem.run.size(); ++i) {
    const Step& step = problem.run[i];
    if (!has_data(step.op)) continue;
    const bool backward = step.op == Op::backward;
    const bool expanded = c.exec && (backward ? c.exec->dy : c.exec->x) == Layout::expanded;
    inputs.step[i] = generate(backward ? problem.dy : problem.x, problem.dtype,
                              problem.shape.with_batch(batch_of(problem, i)), problem.seed,
                              backward ? Role::dy : Role::x, step.id, expanded);
  }
  return inputs;
}

}  // namespace truenorm::oracle
