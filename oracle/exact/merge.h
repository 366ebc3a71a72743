// Moments of blocks merged, exactly, and how far a merge in double may lie from them. Derivation:
// docs/accuracy.md, Merging.
#pragma once

#include "moments.h"

namespace truenorm::oracle::exact {

/// Count, mean and sum of squared deviations of some values as they are computed in double, the mean
/// as base + offset with a base that is exact. A running error analysis of Chan, Golub, LeVeque 1983,
/// (2.1): each operation errs by one rounding of what it computes. Higham 2002, section 3.3.
class MergedMoments {
 public:
  MergedMoments() = default;
  /// A block whose offset and sum of squares are its exact ones, each rounded once.
  MergedMoments(const Moments& exact, double base)
      : count_(static_cast<double>(exact.count)),
        base_(base),
        mean_(exact.mean),
        m2_(exact.var * DD(count_)) {
    mean_radius_ = one(std::abs(offset().hi)) + mean_reference(exact);
    m2_radius_ = one(m2_.hi) + m2_reference();
  }

  /// These values and others together; the base stays. Either may be empty.
  void merge(const MergedMoments& other) {
    if (other.count_ == 0) return;
    if (count_ == 0) {
      *this = other;
      return;
    }
    const double all = count_ + other.count_, share = other.count_ / all, weight = count_ * share;
    const DD distance = other.mean_ - mean_;
    // What the difference of the means is formed of: that of the bases and that of the offsets.
    const double errors = mean_radius_ + other.mean_radius_;
    const double parts =
        std::abs(other.base_ - base_) + std::abs((other.offset() - offset()).hi) + errors;
    const double rounding = gamma(2 + kSlack, kU64) * parts + 2 * kTiny;
    const double reach = std::abs(distance.hi) + errors + rounding;

    // offset + distance*share, the error of each mean in proportion to its count.
    mean_ = mean_ + distance * (DD(other.count_) / DD(all));
    mean_radius_ = (1 - share) * mean_radius_ + share * (other.mean_radius_ + rounding) +
                   gamma(2 + kSlack, kU64) * share * reach + kTiny;
    mean_radius_ += one(std::abs(offset().hi) + mean_radius_);

    // m2 + (m2' + distance^2*weight): two roundings in the weight, two in the product, two additions.
    const DD between = distance * distance * (DD(count_) * DD(other.count_) / DD(all));
    m2_radius_ += other.m2_radius_ + reach * reach * weight * (1 + gamma(4 + kSlack, kU64)) -
                  between.hi + kUnderflows * kTiny * (weight + 1);
    m2_ = m2_ + other.m2_ + between;
    m2_radius_ += gamma(2 + kSlack, kU64) * (m2_.hi + m2_radius_);
    count_ = all;
  }

  double count() const { return count_; }
  /// Neither passes the range of double on the way; else nothing can be said.
  bool bounded() const { return std::isfinite(mean_radius_) && std::isfinite(m2_radius_); }

  /// Distance over radius, at most 1 within, of base + offset and of a sum of squares from what
  /// `exact` has, which are the moments of all these values.
  double mean_score(const Moments& exact, double base, double offset) const {
    const DD got = DD(base) + DD(offset);
    return score((got - exact.mean).hi, mean_radius_ + mean_reference(exact));
  }
  double m2_score(const Moments& exact, double m2) const {
    const DD want = exact.var * DD(count_);
    return score((DD(m2) - want).hi, m2_radius_ + m2_reference());
  }

 private:
  static constexpr double kSlack = 1;  // the radii are themselves rounded
  static constexpr double kTiny = std::numeric_limits<double>::denorm_min();
  /// Operations by which a square in double-double may lose digits to underflow: four to form and
  /// add it, four to divide the sum and multiply it again.
  static constexpr double kUnderflows = 8;

  static double one(double size) { return gamma(1 + kSlack, kU64) * size + kTiny; }
  static double score(double distance, double radius) {
    distance = std::abs(distance);
    return distance <= radius ? (radius > 0 ? distance / radius : 0)
                              : (radius > 0 ? distance / radius : kInf);
  }
  DD offset() const { return mean_ - DD(base_); }
  /// Of sums in double-double.
  double mean_reference(const Moments& exact) const {
    return count_ * kDoubleDouble * exact.mean_abs + kTiny;
  }
  double m2_reference() const { return count_ * (kDoubleDouble * m2_.hi + kUnderflows * kTiny); }

  double count_ = 0, base_ = 0;
  DD mean_, m2_;
  double mean_radius_ = 0, m2_radius_ = 0;
};

}  // namespace truenorm::oracle::exact
