// Two samples, compared without assuming how either is distributed.
#pragma once

#include <cstddef>
#include <vector>

#include "bench/statistics.h"

namespace truenorm::bench {

/// Mann and Whitney 1947 (Wilcoxon 1945). Under the hypothesis that both samples are of one
/// distribution, every order of the n + m values is as likely as any other.
struct RankTest {
  double u = 0;           // pairs in which b's value is the greater one; ties count half
  double p = 1;           // two-sided
  double superior = 0.5;  // u/(n m): the probability that a value of b exceeds one of a
  bool exact = false;     // of the exact distribution: no ties, and at most kExactSize values
};
inline constexpr std::size_t kExactSize = 100;  // n + m

/// No ties and few values: the exact distribution. Else the normal one, its variance corrected for
/// ties, and half a step for continuity. p is 1 of nothing.
RankTest mann_whitney(const std::vector<double>& a, const std::vector<double>& b);

/// P(U <= u) for samples of n and m without ties: by the recursion over whose value is the largest.
double mann_whitney_cdf(std::size_t n, std::size_t m, std::size_t u);

/// How far b lies above a: the median of all differences b[j] - a[i] (Hodges and Lehmann 1963), and
/// the interval between the differences of the ranks that the test of the same samples gives
/// (Hollander, Wolfe and Chicken 2014, section 4.3). No interval of samples that are too small.
struct Shift {
  double value = 0;
  std::optional<Interval> interval;
};
Shift shift(const std::vector<double>& a, const std::vector<double>& b,
            double confidence = kConfidence);

/// Holm 1979: p values of a list, each so raised that rejecting those below alpha rejects a true
/// hypothesis with a probability of alpha at most, whatever depends on what.
std::vector<double> holm(const std::vector<double>& p);

}  // namespace truenorm::bench
