// The balls of a linear layer's or convolution's parameters with an evaluation BatchNorm folded in,
// and of one output of such a layer. Derivation: docs/accuracy.md, Folding.
#pragma once

#include "elements.h"

namespace truenorm::oracle::exact {

/// One channel of a folding in double, each result rounded once to `format`. A folded bias is what
/// the BatchNorm makes of the bias, a folded weight what it makes of the weight but for mean and
/// bias: both are elements of y.
class Folding {
 public:
  Folding(double mean, double var, double eps, double gain, double shift, const Format& format)
      : invstd_(inverse_std({DD(var)}, eps, 0, gamma(3, kU64), false)),  // sum, root, quotient
        gain_(gain),
        weight_({{}, invstd_, exactly(gain), {}, 0, true, gamma(1, kU64), format, contract()}),
        bias_({{DD(mean)},
               invstd_,
               exactly(gain),
               exactly(shift),
               0,
               true,
               gamma(3, kU64),
               format,
               contract()}) {}
  Folding(const Folding&) = delete;
  Folding& operator=(const Folding&) = delete;

  /// weight*a, a = gain*invstd: a's rounding, and the product as the last operation.
  Element weight(double value) const { return weight_.at(value); }
  /// (value - mean)*a + shift: difference, a and product; the last addition.
  Element bias(double value) const { return bias_.at(value); }
  /// a, exactly.
  DD scale() const { return invstd_.mid * exactly(gain_).mid; }

 private:
  static const Contract& contract() {
    static const Contract in_double = [] {
      Contract c;
      c.unit = kU64;
      return c;
    }();
    return in_double;
  }

  Ball invstd_;
  double gain_;
  Forward weight_, bias_;
};

/// sum(x*k) + c, exactly (106 bits), as it is when each k and c is known to within a radius.
struct Dot {
  DD value;
  double size = 0;    // sum(|x*k|) + |c|
  double radius = 0;  // sum(|x|*radius of k) + radius of c
  double terms = 0;

  void add(double x, double k, double k_radius) {
    value = value + two_prod(x, k);
    size += std::abs(x * k);
    radius += std::abs(x) * k_radius;
    terms += 1;
  }

  /// How far the sum lies from its value when computed in `format`, in any order: a term passes a
  /// product and no more additions than there are other terms. Higham 2002, eq. 3.5; an underflow of
  /// each product.
  double rounding(const Format& format) const {
    return gamma(terms, format.unit) * size * (1 + 2 * terms * kU64) + terms * format.min_positive;
  }
  /// The error of what this file itself adds up.
  double reference() const { return terms * kDoubleDouble * size + terms * 2 * kU64 * radius; }
};

}  // namespace truenorm::oracle::exact
