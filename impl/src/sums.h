// The reductions over each channel: partial results by task, then merged in a fixed order in
// double.
#ifndef TRUENORM_SRC_SUMS_H_
#define TRUENORM_SRC_SUMS_H_

#include "context_state.h"
#include "plan.h"

namespace truenorm::detail {

/// Count, mean and sum of squared deviations of some values. The mean is base + offset, base being
/// a value near it: so differences of means keep their digits where the mean is large beside the
/// spread.
struct Moments {
  double count = 0;
  double base = 0;
  double offset = 0;
  double m2 = 0;

  [[nodiscard]] double mean() const noexcept { return base + offset; }

  /// The moments of both sets together, about this base. As the kernel merge_moments, which is for
  /// many channels at once.
  void merge(const Moments& other) noexcept;
};

/// Sums for each channel and segment: [segment*channels + c]. A part begins at its first slot.
struct Partials {
  double* first;   ///< offset, or sum(g)
  double* second;  ///< m2, or sum((x - m)*g)
  double* base;    ///< of the moments
};

/// Mean and m2 of the channels of one part, into its slots of `out`; `walk` is over x.
///
/// Computes: blocked Welford: moments about a pivot near the mean, in one read.
/// Order:    Planes and strided: blocks of at most max_block values, merged in double; the first at
///           most first_block, a later one no longer than all before it. A block ends at the end of
///           a run of direct_run or more. The first block's pivot is its own mean, a later one's
///           the mean so far, rounded to the lane type. Groups, grains and rows: one pivot for the
///           part, the mean of a few values, rounded to the lane type; blocks of runs or of 64 rows,
///           added in double. Where the mean found is not near the pivot, and for channels of few
///           values, the part is read again about the mean found. So the squares about pivots sum
///           to at most 2.25*M2 + 9*n*(u*mean)^2.
/// Error:    mean: (L + 2)u*sum|x - p|/n, m2: (L + 3)u*sum((x - p)^2), L the chain of the block
///           kernel.
/// Special:  what f32 cannot hold shows as non-finite results, or as a variance under 2^-100.
/// Source:   Chan, Golub, LeVeque 1983, sections 2 and 3.
void moment_sums(const Kernels& kernels, Dtype dtype, const Walk& walk, const Part& part,
                 const void* x, ThreadRoom& room, const Partials& out) noexcept;

/// sum(g) and sum((x - m)*g) of the channels of one part; `walk` is over x, g, in this order, and m
/// holds one lane for each channel. Order: as moment_sums, blocks of full length, added in double.
void product_sums(const Kernels& kernels, Dtype dtype, const Walk& walk, const Part& part,
                  const void* x, const void* g, const void* m, ThreadRoom& room,
                  const Partials& out) noexcept;

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_SUMS_H_
