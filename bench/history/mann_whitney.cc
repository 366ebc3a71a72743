#include "mann_whitney.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace truenorm::bench {
namespace {

/// P(U = u), u from 0 to n m, for samples of n and m without ties. The largest of all values is one
/// of b's with probability m/(n + m), and then exceeds all n of a; else it is one of a's and adds
/// nothing.
std::vector<double> distribution(std::size_t n, std::size_t m) {
  // by[i]: of i values of a and the j of b so far.
  std::vector<std::vector<double>> by(n + 1, std::vector<double>{1});
  for (std::size_t j = 1; j <= m; ++j)
    for (std::size_t i = 1; i <= n; ++i) {
      std::vector<double> next(i * j + 1, 0.0);
      const double all = static_cast<double>(i + j);
      for (std::size_t u = 0; u < by[i].size(); ++u)  // of (i, j - 1)
        next[u + i] += by[i][u] * static_cast<double>(j) / all;
      for (std::size_t u = 0; u < by[i - 1].size(); ++u)  // of (i - 1, j), made a step before
        next[u] += by[i - 1][u] * static_cast<double>(i) / all;
      by[i] = std::move(next);
    }
  return by[n];
}

/// The sum of t^3 - t over groups of t equal values: 0 without ties.
double ties(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  double sum = 0;
  for (auto it = values.begin(); it != values.end();) {
    const auto end = std::upper_bound(it, values.end(), *it);
    const auto t = static_cast<double>(end - it);
    sum += t * t * t - t;
    it = end;
  }
  return sum;
}

double normal_p(double u, double n, double m, double tied) {
  const double all = n + m;
  const double variance = n * m / 12 * (all + 1 - tied / (all * (all - 1)));
  if (!(variance > 0)) return 1;
  const double off = std::max(0.0, std::abs(u - n * m / 2) - 0.5);
  return std::min(1.0, std::erfc(off / std::sqrt(2 * variance)));
}

}  // namespace

double mann_whitney_cdf(std::size_t n, std::size_t m, std::size_t u) {
  const std::vector<double> p = distribution(n, m);
  const auto end = static_cast<std::ptrdiff_t>(std::min(u + 1, p.size()));
  return std::accumulate(p.begin(), p.begin() + end, 0.0);
}

RankTest mann_whitney(const std::vector<double>& a, const std::vector<double>& b) {
  RankTest test;
  if (a.empty() || b.empty()) return test;
  for (const double x : a)
    for (const double y : b) test.u += y > x ? 1 : y == x ? 0.5 : 0;
  const auto n = static_cast<double>(a.size()), m = static_cast<double>(b.size());
  test.superior = test.u / (n * m);
  std::vector<double> all = a;
  all.insert(all.end(), b.begin(), b.end());
  const double tied = ties(all);
  test.exact = tied == 0 && all.size() <= kExactSize;
  if (!test.exact) {
    test.p = normal_p(test.u, n, m, tied);
    return test;
  }
  const double nearer = std::min(test.u, n * m - test.u);  // the distribution is symmetric
  test.p =
      std::min(1.0, 2 * mann_whitney_cdf(a.size(), b.size(), static_cast<std::size_t>(nearer)));
  return test;
}

namespace {

/// The k for which the k-th smallest and k-th largest difference hold the shift between them with
/// this confidence; 0: there is none.
std::size_t order_of_shift(std::size_t n, std::size_t m, double confidence) {
  const double tail = (1 - confidence) / 2;
  if (n + m <= kExactSize) {
    const std::vector<double> p = distribution(n, m);
    std::size_t k = 0;
    for (double below = 0; k < p.size() && (below += p[k]) <= tail;) ++k;
    return k;
  }
  // The normal distribution's quantile by bisection of its tail.
  double low = 0, high = 10;
  for (int i = 0; i < 60; ++i) {
    const double z = (low + high) / 2;
    (std::erfc(z / std::sqrt(2.0)) / 2 > tail ? low : high) = z;
  }
  const double size = static_cast<double>(n * m), all = static_cast<double>(n + m + 1);
  return static_cast<std::size_t>(std::max(0.0, size / 2 - high * std::sqrt(size * all / 12)));
}

}  // namespace

Shift shift(const std::vector<double>& a, const std::vector<double>& b, double confidence) {
  std::vector<double> all;
  all.reserve(a.size() * b.size());
  for (const double x : a)
    for (const double y : b) all.push_back(y - x);
  Shift s{median(all), std::nullopt};
  const std::size_t k = order_of_shift(a.size(), b.size(), confidence);
  if (k == 0 || all.empty()) return s;
  std::sort(all.begin(), all.end());
  s.interval = Interval{all[k - 1], all[all.size() - k]};
  return s;
}

std::vector<double> holm(const std::vector<double>& p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return p[i] < p[j]; });
  std::vector<double> raised(p.size());
  double least = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    least = std::max(least, std::min(1.0, p[order[rank]] * static_cast<double>(p.size() - rank)));
    raised[order[rank]] = least;
  }
  return raised;
}

}  // namespace truenorm::bench
