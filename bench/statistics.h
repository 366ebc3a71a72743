// What can be said of samples without assuming how they are distributed.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace truenorm::bench {

/// Linear between neighbours; `at` from 0 to 1. NaN of nothing.
double quantile(std::vector<double> values, double at);
inline double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

/// Of `parts` parts of the list, in order and of equal sizes as far as that goes, the medians.
std::vector<double> medians(const std::vector<double>& values, std::size_t parts);

/// (p75 - p25)/median.
double spread(const std::vector<double>& values);

/// a[i]/b[i].
std::vector<double> ratios(const std::vector<double>& a, const std::vector<double>& b);

struct Interval {
  double low = 0, high = 0;
  friend bool operator==(const Interval&, const Interval&) = default;
};

inline constexpr double kConfidence = 0.95;

/// The k for which the k-th smallest and the k-th largest of n samples hold the median of what they
/// were drawn from between them, with at least this confidence: the largest k with
/// P(Binomial(n, 1/2) < k) <= (1 - confidence)/2. 0: n is too small for any (6 are needed for 95 %).
std::size_t order_of_interval(std::size_t n, double confidence = kConfidence);

/// The confidence interval of the median between these order statistics. It assumes of the samples
/// that they are independent and of one distribution, of that nothing; ties make it safer.
/// (David and Nagaraja 2003, Order Statistics, section 7.1; the interval of the sign test.)
std::optional<Interval> median_interval(std::vector<double> values,
                                        double confidence = kConfidence);

/// What an interval of peer/truenorm says beside a noise floor, both ratios: 1.02 is 2 %.
enum class Difference {
  none,     // all of it is within the floor
  faster,   // all of it is above: truenorm is faster
  slower,   // all of it is below
  unclear,  // it reaches over an end of the floor, or there is no interval: more rounds would tell
};
const char* name(Difference);
Difference difference(const std::optional<Interval>& ratio, double floor);

/// Geometric mean of what is added, each with its weight.
class GeometricMean {
 public:
  void add(double ratio, double weight = 1);
  std::optional<double> value() const;

 private:
  double sum_ = 0, weights_ = 0;
};

}  // namespace truenorm::bench
