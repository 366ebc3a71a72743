// Channels that need more range than their lanes have: textbook loops in double, any layout and
// type.
#ifndef TRUENORM_SRC_CAREFUL_H_
#define TRUENORM_SRC_CAREFUL_H_

#include "context_state.h"
#include "plan.h"
#include "sums.h"

namespace truenorm::detail {

/// Computes: mean = sum(x)/n, m2 = sum((x - mean)^2), two passes in double.
/// Order:    compensated sums in the order of the walk. The mean is taken about the first value,
///           which is exact for equal values; if that is not finite, as the plain sum over n.
/// Error:    a few u of double, whatever n is.
/// Special:  no over- or underflow for data of at most 32 bits; Inf gives the IEEE mean (Inf, NaN).
/// Source:   Chan, Golub, LeVeque 1983, (1.2); Higham 2002, sections 1.9 and 4.3; Neumaier 1974.
[[nodiscard]] Moments careful_moments(Dtype dtype, const Walk& walk, const void* x, std::int64_t c,
                                      ThreadRoom& room) noexcept;

/// sum = sum(g), dot = sum((x - mean)*g), compensated sums of doubles in the order of the walk.
void careful_products(Dtype dtype, const Walk& walk, const void* x, const void* g, std::int64_t c,
                      double mean, ThreadRoom& room, double* sum, double* dot) noexcept;

/// True if every value of channel c in view v equals `value`.
[[nodiscard]] bool is_constant(Dtype dtype, const Walk& walk, std::size_t v, const void* base,
                               std::int64_t c, double value) noexcept;

/// The first value of channel c in view v.
[[nodiscard]] double first_value(Dtype dtype, const Walk& walk, std::size_t v, const void* base,
                                 std::int64_t c) noexcept;

/// y[i] = (x[i] - mean)*invstd*weight + bias in double, in this order, rounded once; y == x
/// allowed.
void careful_affine(Dtype dtype, const void* x, void* y, std::int64_t count, double mean,
                    double invstd, double weight, double bias) noexcept;

/// dx[i] = ((g[i] - offset) - (x[i] - mean)*slope)*invstd*weight in double, rounded once; dx == g
/// allowed.
void careful_gradient(Dtype dtype, const void* x, const void* g, void* dx, std::int64_t count,
                      double mean, double offset, double slope, double invstd,
                      double weight) noexcept;

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_CAREFUL_H_
