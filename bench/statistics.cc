#include "statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace truenorm::bench {

double quantile(std::vector<double> values, double at) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const double place = at * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(place);
  const std::size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (place - static_cast<double>(low)) * (values[high] - values[low]);
}

std::vector<double> medians(const std::vector<double>& values, std::size_t parts) {
  std::vector<double> all;
  for (std::size_t part = 0; part < parts; ++part) {
    const auto at = [&](std::size_t i) {
      return values.begin() + static_cast<std::ptrdiff_t>(values.size() * i / parts);
    };
    if (at(part) != at(part + 1)) all.push_back(median({at(part), at(part + 1)}));
  }
  return all;
}

double spread(const std::vector<double>& values) {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);
}

std::vector<double> ratios(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> r(std::min(a.size(), b.size()));
  for (std::size_t i = 0; i < r.size(); ++i) r[i] = a[i] / b[i];
  return r;
}

std::size_t order_of_interval(std::size_t n, double confidence) {
  const double tail = (1 - confidence) / 2, size = static_cast<double>(n);
  double below = 0;  // P(Binomial(n, 1/2) < k + 1)
  std::size_t k = 0;
  for (; 2 * k < n; ++k) {
    const double i = static_cast<double>(k);
    below += std::exp(std::lgamma(size + 1) - std::lgamma(i + 1) - std::lgamma(size - i + 1) -
                      size * std::log(2.0));
    if (below > tail) break;
  }
  return k;
}

std::optional<Interval> median_interval(std::vector<double> values, double confidence) {
  const std::size_t k = order_of_interval(values.size(), confidence);
  if (k == 0) return std::nullopt;
  std::sort(values.begin(), values.end());
  return Interval{values[k - 1], values[values.size() - k]};
}

const char* name(Difference d) {
  constexpr const char* kNames[] = {"none", "faster", "slower", "unclear"};
  return kNames[static_cast<int>(d)];
}

Difference difference(const std::optional<Interval>& ratio, double floor) {
  if (!ratio) return Difference::unclear;
  const double above = 1 + floor, below = 1 / above;
  if (ratio->low > above) return Difference::faster;
  if (ratio->high < below) return Difference::slower;
  return ratio->low >= below && ratio->high <= above ? Difference::none : Difference::unclear;
}

void GeometricMean::add(double ratio, double weight) {
  sum_ += weight * std::log(ratio);
  weights_ += weight;
}

std::optional<double> GeometricMean::value() const {
  if (weights_ <= 0) return std::nullopt;
  return std::exp(sum_ / weights_);
}

}  // namespace truenorm::bench
