// What a player promises about its arithmetic. The radius of every ball follows from this and from
// the data, nothing else.
#pragma once

#include <cstdint>

namespace truenorm::oracle {

// Unit roundoffs, round to nearest.
inline constexpr double kU32 = 0x1p-24, kU64 = 0x1p-53, kUBf16 = 0x1p-8, kUF16 = 0x1p-11;

/// How sums over a channel are formed: terms rounded with `term`, added with `add`, no chain of
/// dependent additions longer than `chain`.
struct Sum {
  double term = 0;   // unit roundoff of one term's formation: x - mean, its square, (x - mean)*dy
  double add = 0;    // unit roundoff of the additions
  double chain = 0;  // longest chain of dependent additions, merges included
};

/// Rounding errors of one implementation on one problem. Unit roundoffs; 0 means exact.
struct Contract {
  // Batch statistics.
  Sum mean, square;
  /// Moments are taken about a pivot near the mean (blocked Welford) instead of about the mean
  /// itself. `inflation` bounds the sum of squares about the pivots by inflation*M2 +
  /// pivot_roundings*n*(pivot_unit*max|x|)^2. The transform and the backward subtract the pivot
  /// (the mean rounded by pivot_unit) and correct for its rounding.
  bool pivoted = false;
  double inflation = 1, pivot_unit = 0, pivot_roundings = 1;
  bool constant_exact = false;  // the moments of a constant channel are exact: its value and 0
  /// Of the mean as it enters the variance and the transform: relative to |mean|, or with pivots, block
  /// merges included, to max|x|.
  double mean_unit = 0;
  double mean_roundings = 1;  // that mean_unit stands for, each of which may underflow
  double mean_floor = 0;      // absolute error of that rounding where it underflows
  double var_unit = 0;     // relative error of the biased variance beyond its sum: division, stores
  double var_floor = 0;    // absolute error of those where they underflow
  double invstd_unit = 0;  // relative error of 1/sqrt(var + eps) beyond that of var
  double eval_invstd_unit = 0;  // the same in evaluation, from the running variance
  double eps_unit = 0;          // eps rounded to the arithmetic's precision

  // Transform of an element, and backward of an element.
  double unit = 0;  // unit roundoff of the arithmetic
  /// y = x*a + b with a, b computed first; else y = (x - mean)*invstd*weight + bias.
  bool folded = false;
  /// Roundings on the way of (x - mean)*invstd*weight, the last addition and the store not counted;
  /// of bias, with the correction for the mean's rounding added to it.
  int forward_roundings = 3, bias_roundings = 0;
  int eval_backward_roundings = 2;  // roundings on the way of dx = dy*invstd*weight in evaluation
  int backward_roundings = 6;       // roundings on the way of each of the three terms of dx

  // Backward sums.
  Sum dy_sum, dot;                         // sum(dy), sum((x - mean)*dy)
  double dy_sum_store = 0, dot_store = 0;  // relative roundings of the finished sums
  bool dot_normalized = false;             // dweight is the sum of dy*x^ instead

  // What is stored.
  bool hands_out_statistics =
      false;                         // a forward by batch statistics that hands out no save_* fails
  double save_unit = 0;              // save_mean and save_invstd as handed out
  bool backward_from_saved = false;  // backward reads the statistics as rounded by save_unit

  // Running statistics.
  double run_unit = 0;  // arithmetic of the update; the store's rounding is the parameter dtype's
  double factor_unit = 0;  // momentum as it is used

  /// Batch renormalization: unit roundoff of r and d beyond the statistics that they are made of, at
  /// most four roundings each; of weight*r, one; of bias + weight*d, two on each of its terms' ways.
  double renorm_unit = 0;

  /// dx comes of the forward operator by operator, by automatic differentiation.
  bool differentiated = false;

  /// Arithmetic after the sums works in f32 range: an intermediate beyond it may be Inf or 0.
  /// False: only stores overflow.
  bool f32_range = false;
  /// The sums of squares and products of f32 data overflow or underflow in f32 range.
  bool f32_sums = false;

  /// Ends of the arithmetic's range, statistics as handed on included, where they are neither f32's
  /// nor f64's; 0: they are.
  double smallest = 0, largest = 0;

  /// Absolute error of an operation that underflows in the arithmetic after the sums.
  double underflow() const { return smallest > 0 ? smallest : f32_range ? 0x1p-149 : 0x1p-1074; }
  /// What an intermediate must not pass to stay finite.
  double overflow() const {
    return largest > 0 ? largest : f32_range ? 0x1.fffffep127 : 0x1.fffffffffffffp1023;
  }
};

}  // namespace truenorm::oracle
