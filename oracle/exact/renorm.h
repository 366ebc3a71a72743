// Batch renormalization: r and d as balls, and what the transform and the gradients take of them.
// Source: Ioffe 2017, Algorithm 1.
#pragma once

#include "moments.h"

namespace truenorm::oracle::exact {

/// r = clip(sqrt(var + eps)/sigma, 1/r_max, r_max) and d = clip((mean - running_mean)/sigma, -d_max,
/// d_max), where sigma = sqrt(running_var + eps). NaN is clipped to nothing.
struct Correction {
  Ball r = exactly(1), d;
};
Correction correction(const Statistics&, const Ball& running_mean, const Ball& running_var,
                      const Renorm&, double eps, const Contract&);

/// weight*r.
Ball scaled(double weight, const Ball& r, const Contract&);
/// bias + weight*d; bias itself where d is exactly 0.
Ball shifted(double bias, double weight, const Ball& d, const Contract&);

}  // namespace truenorm::oracle::exact
