// The ball of one element of y and of dx.
#pragma once

#include <array>
#include <string_view>

#include "moments.h"

namespace truenorm::oracle::exact {

/// One element of a tensor of balls, and the terms of its radius.
struct Element {
  double mid = 0, low = 0, radius = 0, scale = 0;
  Kind kind = Kind::finite;
  std::array<double, 8> terms{};

  double total() const {  // from the first to the last
    return terms[0] + terms[1] + terms[2] + terms[3] + terms[4] + terms[5] + terms[6] + terms[7];
  }
};

/// Turns a finite value with the terms of its radius into the element that is stored: Inf where it
/// must overflow.
void finish(Element&, DD mid, const Format&);

/// Rounding into memory: none beyond the arithmetic's own where both have one precision.
inline double store_term(const Format& f, double unit, double size) {
  return f.unit > unit ? store_error(f, size) : f.min_positive;
}

/// y = (x - mean)*invstd*weight + bias over one channel.
class Forward {
 public:
  static constexpr std::array<std::string_view, 8> kTerms{"error of the mean",
                                                          "error of invstd",
                                                          "roundings of the product",
                                                          "roundings of bias and folding",
                                                          "underflow",
                                                          "last addition",
                                                          "store",
                                                          "errors of r and d"};
  struct Given {
    Ball mean, invstd;
    Ball weight, bias;  // renormalized: weight*r, bias + weight*d
    double sigma = 0;   // of the batch; 0 in evaluation
    bool wide = false;  // elements in double-double (f64 data)
    double growth = 0;  // gamma of the roundings of the product
    Format format;      // of y
    const Contract& contract;
  };
  explicit Forward(const Given&);

  Element at(double x) const;

 private:
  Element special(double x) const;

  Given given_;
  bool finite_;  // all four balls
  // What the channel's elements share.
  double mean_, invstd_, weight_, bias_;  // mids' high parts
  double s_, w_, a_;                      // upper bounds of invstd, weight and their product
  double mean_part_, pivot_, from_mean_, from_bias_, folding_, underflow_, limit_, least_scale_;
};

/// dx of one channel. In training dx = weight*invstd*(dy - sum(dy)/n - (x - mean)*invstd^2*dot/n),
/// in evaluation dx = dy*weight*invstd.
class Backward {
 public:
  static constexpr std::array<std::string_view, 8> kTerms{"error of the mean",
                                                          "errors of invstd, r",
                                                          "roundings of the terms",
                                                          "error of sum(dy)",
                                                          "error of sum((x-mean)*dy)",
                                                          "underflow",
                                                          "last addition",
                                                          "store"};
  struct Given {
    bool training = true;
    Ball mean, invstd, dy_sum, dot;
    Ball weight;  // renormalized: weight*r
    double count = 1;
    bool wide = false;
    double growth = 0, eval_growth = 0;  // gamma of the roundings of a term
    Format format;
    const Contract& contract;
    double factor = 1;  // upper bound of r
  };
  explicit Backward(const Given&);

  Element at(double x, double dy) const;

 private:
  Element special(double dy) const;
  Element evaluated(double dy) const;

  Given given_;
  bool scales_finite_, sums_finite_;  // invstd and weight; the others
  // What the channel's elements share.
  double mean_, invstd_, weight_, dy_mean_, dot_mean_;  // mids' high parts
  DD wide_dy_mean_, wide_dot_mean_;
  double s_, w_, a_;  // upper bounds of invstd, weight and their product
  double pivot_, t2_, slope_, from_mean_, from_dy_sum_, cubed_, relative_, underflow_, limit_;
  double dot_, factors_, largest_, step_, slope_step_;
};

}  // namespace truenorm::oracle::exact
