// Exact moments and backward sums of one channel, and the radii that a contract gives them.
#pragma once

#include <cstdint>
#include <span>

#include "../answer.h"
#include "dd.h"
#include "lemmas.h"

namespace truenorm::oracle::exact {

/// One channel of a tensor in logical order: `batch` runs of `plane` values, `step` apart.
struct Channel {
  const double* first;
  std::int64_t batch, plane, step;

  template <class F>
  void each(F&& f) const {
    for (std::int64_t n = 0; n < batch; ++n)
      for (const double *p = first + n * step, *end = p + plane; p != end; ++p) f(*p);
  }
};

/// A number with what is known of it.
struct Ball {
  DD mid;
  double radius = 0;
  Kind kind = Kind::finite;
  double scale = 0;  // natural size, where it is not |mid|
  double upper() const { return std::abs(mid.hi) + radius; }
};

/// Kind of an IEEE result: finite, NaN or an Inf.
Kind kind_of(double);
double value_of(Kind);  // the Inf or NaN that a kind stands for; 0 for finite and any

/// A number known exactly, and the number that IEEE arithmetic has for a ball.
inline Ball exactly(double value) {
  const Kind kind = kind_of(value);
  return {kind == Kind::finite ? DD(value) : DD(), 0, kind};
}
inline double ieee(const Ball& ball) {
  return ball.kind == Kind::finite ? ball.mid.hi : value_of(ball.kind);
}

/// What the exact reference knows of the values of a channel.
struct Moments {
  std::int64_t count = 0;
  bool finite = true;   // no NaN or Inf among the values
  double ieee_sum = 0;  // of the values that are not finite
  double max_abs = 0, mean_abs = 0;
  DD mean, var;           // biased
  bool constant = false;  // all values equal
  bool wide = false;      // f64 data so large that squares leave the range of double
};
Moments moments(const Channel&);

/// The batch statistics as a player of this contract has them.
struct Statistics {
  Ball mean, var, invstd;
};
Statistics batch_statistics(const Moments&, const Contract&, double eps);

/// 1/sqrt(var + eps) of a variance that is known to within its radius; `unit` is the relative error
/// of forming it.
Ball inverse_std(const Ball& var, double eps, double eps_unit, double unit, bool training);

/// sum(dy) and sum((x - mean)*dy), exact and bounded.
struct Products {
  Ball dy_sum,
      dot;  // where something is not finite, of the kind that IEEE arithmetic gives in any order
  double dy_scale = 0, dot_scale = 0;  // sums of the terms' magnitudes
  double count = 0;                    // of the terms
};
Products products(const Channel& x, const Channel& dy, const Ball& mean, const Contract&);

}  // namespace truenorm::oracle::exact
