// The interval's promise is kept, by simulation and by hand, and what is said beside a noise floor.
#include "statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "oracle/numbers.h"

namespace truenorm::bench {
namespace {

using oracle::mix;

/// P(Binomial(n, 1/2) < k), from Pascal's triangle.
double below(std::size_t n, std::size_t k) {
  std::vector<double> row{1};
  for (std::size_t i = 1; i <= n; ++i) {
    row.push_back(0);
    for (std::size_t j = i; j > 0; --j) row[j] = (row[j] + row[j - 1]) / 2;
    row[0] /= 2;
  }
  double sum = 0;
  for (std::size_t j = 0; j < k; ++j) sum += row[j];
  return sum;
}

TEST(Statistics, QuantilesAreLinearBetweenNeighbours) {
  const std::vector<double> four{40, 10, 30, 20};
  EXPECT_EQ(quantile(four, 0), 10);
  EXPECT_EQ(quantile(four, 1), 40);
  EXPECT_EQ(median(four), 25);
  EXPECT_EQ(quantile(four, 0.25), 17.5);
  EXPECT_EQ(quantile({7}, 0.9), 7);
  EXPECT_TRUE(std::isnan(quantile({}, 0.5)));
  EXPECT_EQ(spread({1, 2, 3, 4, 5}), 2.0 / 3);
}

TEST(Statistics, RatiosArePaired) {
  EXPECT_EQ(ratios({2, 9, 8}, {1, 3}), (std::vector<double>{2, 3}));
}

TEST(Statistics, TheOrderIsThatOfTheTablesOfTheSignTest) {
  // David and Nagaraja; Conover 1999, table A3.
  EXPECT_EQ(order_of_interval(0), 0u);
  EXPECT_EQ(order_of_interval(5), 0u);
  EXPECT_EQ(order_of_interval(6), 1u);
  EXPECT_EQ(order_of_interval(8), 1u);
  EXPECT_EQ(order_of_interval(9), 2u);
  EXPECT_EQ(order_of_interval(11), 2u);
  EXPECT_EQ(order_of_interval(12), 3u);
  EXPECT_EQ(order_of_interval(20), 6u);
  EXPECT_EQ(order_of_interval(100), 40u);
  EXPECT_EQ(order_of_interval(7, 0.99), 0u);
  EXPECT_EQ(order_of_interval(8, 0.99), 1u);
}

TEST(Statistics, TheOrderIsTheLargestThatKeepsThePromise) {
  for (const double confidence : {0.9, 0.95, 0.99})
    for (std::size_t n = 1; n <= 200; ++n) {
      const std::size_t k = order_of_interval(n, confidence);
      const double tail = (1 - confidence) / 2;
      EXPECT_LE(below(n, k), tail) << n;
      EXPECT_GT(below(n, k + 1), tail) << n;
      EXPECT_LE(2 * k, n);
    }
}

TEST(Statistics, TheIntervalIsMadeOfOrderStatistics) {
  EXPECT_EQ(median_interval({5, 3, 1, 2, 4}), std::nullopt);
  EXPECT_EQ(median_interval({6, 3, 1, 2, 4, 5}), (Interval{1, 6}));
  EXPECT_EQ(median_interval({11, 3, 1, 2, 4, 5, 9, 7, 8, 6, 10}), (Interval{2, 10}));
}

/// Of so many intervals, each from n samples of a distribution with median 1, those that hold it.
template <class Draw>
int covering(std::size_t n, int intervals, const Draw& draw) {
  std::uint64_t seed = 0;
  int held = 0;
  for (int i = 0; i < intervals; ++i) {
    std::vector<double> samples(n);
    for (double& s : samples) s = draw(oracle::unit_interval(mix(seed++)));
    const auto interval = median_interval(samples);
    held += interval && interval->low <= 1 && 1 <= interval->high;
  }
  return held;
}

TEST(Statistics, TheIntervalHoldsTheMedianAsOftenAsItPromises) {
  constexpr int kIntervals = 4000;
  const auto skewed = [](double u) { return std::exp(oracle::normal_quantile(u)); };
  const auto heavy = [](double u) { return 1 + std::tan(std::acos(-1.0) * (u - 0.5)); };
  const auto two_humps = [](double u) { return u < 0.5 ? u : 1 + (u - 0.5) * 50; };
  for (const std::size_t n : {6, 11, 12, 31}) {
    const double exact = 1 - 2 * below(n, order_of_interval(n));
    ASSERT_GE(exact, kConfidence);
    const double four_sigma = 4 * std::sqrt(kIntervals * exact * (1 - exact));
    for (const int held : {covering(n, kIntervals, skewed), covering(n, kIntervals, heavy),
                           covering(n, kIntervals, two_humps)}) {
      EXPECT_GE(held, kIntervals * exact - four_sigma) << n;
      EXPECT_LE(held, kIntervals * exact + four_sigma) << n;
    }
    // A distribution of few values: ties make it safer.
    EXPECT_GE(covering(n, kIntervals, [](double u) { return std::floor(3 * u); }),
              kIntervals * exact - four_sigma);
  }
}

TEST(Statistics, ADifferenceIsOneBeyondTheFloor) {
  const double floor = 0.02;
  EXPECT_EQ(difference(Interval{1.03, 1.05}, floor), Difference::faster);
  EXPECT_EQ(difference(Interval{0.90, 0.97}, floor), Difference::slower);
  EXPECT_EQ(difference(Interval{0.99, 1.01}, floor), Difference::none);
  EXPECT_EQ(difference(Interval{1.005, 1.015}, floor), Difference::none);
  EXPECT_EQ(difference(Interval{1.01, 1.05}, floor), Difference::unclear);
  EXPECT_EQ(difference(Interval{0.90, 1.10}, floor), Difference::unclear);
  EXPECT_EQ(difference(std::nullopt, floor), Difference::unclear);
  // The floor is one of ratios: who is timed first makes no difference.
  EXPECT_EQ(difference(Interval{1 / 1.019, 1}, floor), Difference::none);
  EXPECT_EQ(difference(Interval{1 / 1.021, 1}, floor), Difference::unclear);
}

TEST(Statistics, GeometricMeansAreWeighted) {
  GeometricMean mean;
  EXPECT_EQ(mean.value(), std::nullopt);
  mean.add(8, 2);
  mean.add(1);
  EXPECT_DOUBLE_EQ(*mean.value(), 4);
  GeometricMean plain;
  plain.add(2);
  plain.add(0.5);
  EXPECT_DOUBLE_EQ(*plain.value(), 1);
}

}  // namespace
}  // namespace truenorm::bench
