#include "elements.h"

#include <algorithm>

namespace truenorm::oracle::exact {

namespace {

/// As std::max of the list, NaN and all.
template <class... Rest>
double largest(double first, Rest... rest) {
  ((first = first < rest ? rest : first), ...);
  return first;
}

Element straddle() {
  Element e;
  e.kind = Kind::any;
  return e;
}

/// An intermediate as the narrowest arithmetic that the contract allows may have it: Inf beyond its
/// range, 0 below. Only what comes of an Inf elsewhere depends on it.
double ranged(const Contract& c, double v) {
  const double size = std::abs(v);
  return size > c.overflow() / 2 ? std::copysign(HUGE_VAL, v) : size > c.underflow() ? v : 0 * v;
}

}  // namespace

void finish(Element& e, DD mid, const Format& format) {
  e.mid = mid.hi;
  e.low = mid.lo;
  e.radius = e.total();
  if (!std::isfinite(mid.hi) || !std::isfinite(e.radius)) {
    e.kind = Kind::any;
  } else if (std::abs(mid.hi) - e.radius > format.max_finite * (1 + 2 * format.unit)) {
    e.kind = mid.hi > 0 ? Kind::pos_inf : Kind::neg_inf;
  }
}

Forward::Forward(const Given& given)
    : given_(given),
      finite_(given.mean.kind == Kind::finite && given.invstd.kind == Kind::finite &&
              given.weight.kind == Kind::finite && given.bias.kind == Kind::finite),
      mean_(given.mean.mid.hi),
      invstd_(given.invstd.mid.hi),
      weight_(given.weight.mid.hi),
      bias_(given.bias.mid.hi),
      s_(given.invstd.upper()),
      w_(given.weight.upper()),
      a_(s_ * w_),
      mean_part_(given.mean.upper() * a_),
      pivot_(given.contract.pivot_unit * given.mean.upper()),
      from_mean_(a_ * given.mean.radius),
      from_bias_(given.contract.bias_roundings * given.contract.unit *
                 (given.bias.upper() + given.contract.pivot_unit * mean_part_)),
      folding_(std::abs(bias_ - mean_ * invstd_ * weight_)),
      underflow_(given.contract.underflow()),
      limit_(given.contract.overflow() / 2),
      least_scale_(given.sigma * invstd_ * w_) {}

// With a NaN or an Inf in it the formula is evaluated as IEEE arithmetic does, in each order of
// operations that the contract allows. Where the orders disagree, nothing can be said.
Element Forward::special(double x) const {
  const auto& [mean, invstd, weight, bias, sigma, wide, growth, format, contract] = given_;
  const double m = ieee(mean), s = ieee(invstd);
  const double w = ieee(weight), b = ieee(bias), a = s * w;
  const double by_steps = (x - m) * s * w + b;
  const double factored = (x - m) * a + b;
  const double folded = contract.folded ? x * a + (b - m * a) : factored;
  const auto r = [&range = contract](double v) { return ranged(range, v); };
  const double rd = r(x - m), rs = r(s), ra = r(rs * w);
  const double rm = std::abs(m) <= mean.radius ? 0 * m : r(m);  // a mean that may be 0
  Element e;
  e.kind = kind_of(by_steps);
  const auto any = [](const Ball& ball) { return ball.kind == Kind::any; };
  const bool nan = std::isnan(x) || weight.kind == Kind::nan || bias.kind == Kind::nan;
  const bool unknown = (any(mean) || any(invstd) || any(weight) || any(bias)) && !nan;
  const bool sign_lost =
      std::isfinite(x - m) && std::abs(x - m) <= mean.radius + contract.unit * std::abs(m);
  // A NaN that does not come of a distance which may be 0 or not.
  const bool sure =
      e.kind == Kind::nan && (nan || invstd.kind == Kind::nan || (mean.radius == 0 && x == m));
  const auto other = [&e](double y) { return kind_of(y) != e.kind; };
  if (unknown || (sign_lost && !sure) || other(factored) || other(folded) ||
      other(r(r(rd * rs) * w) + b) || other(r(rd * ra) + b) ||
      (contract.folded && other(r(x * ra) + (b - r(rm * ra)))))
    e.kind = Kind::any;
  if (e.kind != Kind::finite) return e;
  e.scale = std::abs(by_steps);
  e.terms[6] = store_error(format, std::abs(by_steps));
  finish(e, by_steps, format);
  return e;
}

// Every term: Higham 2002, Lemma 3.1 for products, eq. 2.4 for one operation; errors of the
// statistics enter to first order exactly, for (x - m)*s is bilinear.
Element Forward::at(double x) const {
  if (!finite_ || !std::isfinite(x)) return special(x);
  const Given& g = given_;
  const Contract& c = g.contract;
  DD distance, mid;
  if (g.wide) {
    distance = DD(x) - g.mean.mid;
    mid = distance * g.invstd.mid * g.weight.mid + g.bias.mid;
  } else {
    distance = (x - mean_) - g.mean.mid.lo;
    mid = distance.hi * invstd_ * weight_ + bias_;
  }
  Element e;
  const double away = std::abs(distance.hi), d = away + g.mean.radius;
  e.terms[0] = from_mean_;
  e.terms[1] = away * w_ * g.invstd.radius;
  e.terms[7] = away * invstd_ * g.weight.radius + g.bias.radius;
  e.terms[2] = g.growth * ((d + pivot_) * a_);  // a growth of a subnormal would be 0
  e.terms[3] = from_bias_;
  double most = largest(d, a_, s_, d * s_), reach = 0;
  if (c.folded) {
    const double x_part = std::abs(x) * a_;
    e.terms[3] += c.unit * (x_part + mean_part_ + folding_ + e.total());
    most = largest(most, x_part, mean_part_);
    reach = std::abs(x) + g.mean.upper();
  }
  e.terms[4] = multiple(1 + d + w_ + s_ + reach, underflow_);
  if (most > limit_) return straddle();
  if (!g.wide)
    e.terms[2] += 8 * kU64 * (d * a_ + g.bias.upper());  // the reference itself finishes in double
  const double size = std::abs(mid.hi);
  e.terms[5] = c.unit * (size + e.total());
  e.terms[6] = store_term(g.format, c.unit, size + e.total());
  e.scale = largest(away * invstd_ * w_, least_scale_, std::abs(bias_));
  finish(e, mid, g.format);
  return e;
}

Backward::Backward(const Given& given)
    : given_(given),
      scales_finite_(given.invstd.kind == Kind::finite && given.weight.kind == Kind::finite),
      sums_finite_(given.mean.kind == Kind::finite && given.dy_sum.kind == Kind::finite &&
                   given.dot.kind == Kind::finite),
      mean_(given.mean.mid.hi),
      invstd_(given.invstd.mid.hi),
      weight_(given.weight.mid.hi),
      dy_mean_(given.dy_sum.mid.hi / given.count),
      dot_mean_(given.dot.mid.hi / given.count),
      wide_dy_mean_(given.dy_sum.mid / DD(given.count)),
      wide_dot_mean_(given.dot.mid / DD(given.count)),
      s_(given.invstd.upper()),
      w_(given.weight.upper()),
      a_(s_ * w_),
      pivot_(given.contract.pivot_unit * given.mean.upper()),
      t2_(given.dy_sum.upper() / given.count * a_),
      slope_(a_ * (s_ * (s_ * given.dot.upper() / given.count))),
      from_mean_(slope_ * given.mean.radius),
      from_dy_sum_(a_ * given.dy_sum.radius / given.count),
      relative_(given.weight.radius == 0 ? 0 : given.weight.radius / w_),
      underflow_(given.contract.underflow()),
      limit_(given.contract.overflow() / 2),
      dot_(given.dot.upper()),
      factors_(a_ * (1 + s_) * (1 + s_) * (1 + dot_ / given.count)),
      largest_(largest(0, a_, s_, s_ * s_ * dot_, dot_ * s_)),
      step_(given.contract.differentiated ? 3 + s_ * (1 + given.factor) : 0),
      slope_step_(given.contract.differentiated
                      ? 1 / given.count + s_ * (1 + s_ * (1 + given.factor)) / 2
                      : 0) {
  const double rho = invstd_ > 0 ? given.invstd.radius / invstd_ : 0;
  cubed_ = 3 * rho + 3 * rho * rho + rho * rho * rho;  // (1 + rho)^3 - 1
}

Element Backward::special(double dy) const {
  const Ball &invstd = given_.invstd, &weight = given_.weight;
  const bool nan = invstd.kind == Kind::nan || std::isnan(dy) || weight.kind == Kind::nan;
  if (given_.training && !nan) return straddle();
  const Contract& c = given_.contract;
  const double s = ieee(invstd), w = ieee(weight), rs = ranged(c, s);
  Element e;
  e.kind = kind_of(dy * (w * s));
  const bool unknown = (invstd.kind == Kind::any || weight.kind == Kind::any) && !nan;
  const auto other = [&e](double dx) { return kind_of(dx) != e.kind; };
  if (unknown || e.kind == Kind::finite || other(dy * w * s) || other(dy * ranged(c, w * rs)) ||
      other(ranged(c, dy * w) * rs) || other(ranged(c, dy * rs) * w))
    e.kind = Kind::any;
  return e;
}

Element Backward::evaluated(double dy) const {
  const Given& v = given_;
  const Contract& c = v.contract;
  const double g = std::abs(dy);
  const DD mid = v.wide ? DD(dy) * v.weight.mid * v.invstd.mid : DD(dy * weight_ * invstd_);
  Element e;
  e.terms[1] = g * w_ * v.invstd.radius;
  e.terms[2] = v.eval_growth * (g * w_ * s_);
  e.terms[5] = multiple(1 + g + w_ + s_, underflow_);
  if (largest(g * w_, g * s_, w_ * s_) > limit_) return straddle();
  e.terms[7] = store_term(v.format, c.unit, std::abs(mid.hi) + e.total());
  e.scale = g * w_ * invstd_;
  finish(e, mid, v.format);
  return e;
}

// Every term as in Forward::at(). What a product loses that underflows is multiplied by the factors
// still to come: w*s by all that it scales, the coefficient of x - m by that, what is scaled last by w, s
// or both. invstd^2, which underflows by itself, is not formed here. What automatic differentiation loses
// beyond that is derived in docs/accuracy.md.
Element Backward::at(double x, double dy) const {
  if (!scales_finite_ || !std::isfinite(dy)) return special(dy);
  const Given& v = given_;
  const Contract& c = v.contract;
  if (!v.training) return evaluated(dy);
  Element e;
  if (v.dy_sum.kind == Kind::nan || v.dot.kind == Kind::nan) {
    e.kind = Kind::nan;
    return e;
  }
  if (!sums_finite_ || !std::isfinite(x)) return straddle();
  DD distance, mid;
  if (v.wide) {
    distance = DD(x) - v.mean.mid;
    const DD inner =
        DD(dy) - wide_dy_mean_ - distance * v.invstd.mid * (v.invstd.mid * wide_dot_mean_);
    mid = inner * v.invstd.mid * v.weight.mid;
  } else {
    distance = (x - mean_) - v.mean.mid.lo;
    const double projection = distance.hi * invstd_ * (invstd_ * dot_mean_);
    mid = (dy - dy_mean_ - projection) * invstd_ * weight_;
  }
  // The three terms of dx, each an upper bound.
  const double g = std::abs(dy), away = std::abs(distance.hi), d = away + v.mean.radius;
  const double t1 = g * a_, t3 = slope_ * (d + pivot_), sum = t1 + t2_ + t3;
  e.terms[0] = from_mean_;
  e.terms[1] =
      (std::abs(dy - dy_mean_) * w_ * v.invstd.radius) + slope_ * away * cubed_ + sum * relative_;
  e.terms[2] = v.growth * sum;
  e.terms[3] = from_dy_sum_;
  e.terms[4] = a_ * (s_ * d) * (s_ * v.dot.radius / v.count);
  if (!v.wide) e.terms[2] += 8 * kU64 * sum;  // the reference itself finishes in double
  const double projection = (d + pivot_) * s_ * (s_ * dot_ / v.count),
               inner = g + v.dy_sum.upper() / v.count + projection;
  e.terms[5] = multiple(
      1 + inner + w_ + s_ + a_ + (1 + d) * (1 + factors_) + step_ + d * slope_step_, underflow_);
  if (largest(d, largest_, d * s_ * s_, inner, inner * s_, inner * w_, t1, t2_, t3) > limit_)
    return straddle();
  const double size = std::abs(mid.hi);
  e.terms[6] = c.unit * (size + e.total());
  e.terms[7] = store_term(v.format, c.unit, size + e.total());
  e.scale = largest(t1, t2_, t3);
  finish(e, mid, v.format);
  return e;
}

}  // namespace truenorm::oracle::exact
