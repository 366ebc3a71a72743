#include "elements.h"

#include <algorithm>
#include <numeric>

namespace truenorm::oracle::exact {

namespace {

double total(const Element& e) { return std::accumulate(e.terms.begin(), e.terms.end(), 0.0); }

Element straddle() {
  Element e;
  e.kind = Kind::any;
  return e;
}

}  // namespace

void finish(Element& e, DD mid, const Format& format) {
  e.mid = mid.hi;
  e.low = mid.lo;
  e.radius = total(e);
  if (!std::isfinite(mid.hi) || !std::isfinite(e.radius)) {
    e.kind = Kind::any;
  } else if (std::abs(mid.hi) - e.radius > format.max_finite * (1 + 2 * format.unit)) {
    e.kind = mid.hi > 0 ? Kind::pos_inf : Kind::neg_inf;
  }
}

// With a NaN or an Inf in it the formula is evaluated as IEEE arithmetic does, in each order of
// operations that the contract allows. Where the orders disagree, nothing can be said.
Element Forward::special(double x) const {
  const double m = ieee(mean), s = ieee(invstd);
  const double w = ieee(weight), b = ieee(bias), a = s * w;
  const double by_steps = (x - m) * s * w + b;
  const double factored = (x - m) * a + b;
  const double folded = contract.folded ? x * a + (b - m * a) : factored;
  Element e;
  e.kind = kind_of(by_steps);
  const auto any = [](const Ball& ball) { return ball.kind == Kind::any; };
  const bool nan = std::isnan(x) || weight.kind == Kind::nan || bias.kind == Kind::nan;
  const bool unknown = (any(mean) || any(invstd) || any(weight) || any(bias)) && !nan;
  const bool sign_lost =
      std::isfinite(x - m) && std::abs(x - m) <= mean.radius + contract.unit * std::abs(m);
  if (unknown || (sign_lost && e.kind != Kind::nan) || kind_of(factored) != e.kind ||
      kind_of(folded) != e.kind)
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
  if (mean.kind != Kind::finite || invstd.kind != Kind::finite || !std::isfinite(x) ||
      weight.kind != Kind::finite || bias.kind != Kind::finite)
    return special(x);
  const Contract& c = contract;
  DD distance, mid;
  if (wide) {
    distance = DD(x) - mean.mid;
    mid = distance * invstd.mid * weight.mid + bias.mid;
  } else {
    distance = (x - mean.mid.hi) - mean.mid.lo;
    mid = distance.hi * invstd.mid.hi * weight.mid.hi + bias.mid.hi;
  }
  Element e;
  const double d = std::abs(distance.hi) + mean.radius, s = invstd.upper(), w = weight.upper(),
               a = s * w;
  const double x_part = std::abs(x) * a, m_part = mean.upper() * a;
  e.terms[0] = a * mean.radius;
  e.terms[1] = std::abs(distance.hi) * w * invstd.radius;
  e.terms[7] = std::abs(distance.hi) * invstd.mid.hi * weight.radius + bias.radius;
  e.terms[2] = growth * (d + c.pivot_unit * mean.upper()) * a;
  e.terms[3] = c.bias_roundings * c.unit * (bias.upper() + c.pivot_unit * m_part);
  if (c.folded)
    e.terms[3] +=
        c.unit * (x_part + m_part +
                  std::abs(bias.mid.hi - mean.mid.hi * invstd.mid.hi * weight.mid.hi) + total(e));
  e.terms[4] = c.underflow() * (1 + d + w + s + (c.folded ? std::abs(x) + mean.upper() : 0));
  const double largest = std::max({d, a, s, d * s, c.folded ? std::max(x_part, m_part) : 0});
  if (largest > c.overflow() / 2) return straddle();
  if (!wide)
    e.terms[2] += 8 * kU64 * (d * a + bias.upper());  // the reference itself finishes in double
  e.terms[5] = c.unit * (std::abs(mid.hi) + total(e));
  e.terms[6] = store_term(format, c.unit, std::abs(mid.hi) + total(e));
  e.scale = std::max({std::abs(distance.hi) * invstd.mid.hi * w, sigma * invstd.mid.hi * w,
                      std::abs(bias.mid.hi)});
  finish(e, mid, format);
  return e;
}

Element Backward::at(double x, double dy) const {
  const Contract& c = contract;
  if (invstd.kind != Kind::finite || !std::isfinite(dy) || weight.kind != Kind::finite) {
    const bool nan = invstd.kind == Kind::nan || std::isnan(dy) || weight.kind == Kind::nan;
    if (training && !nan) return straddle();
    const double s = ieee(invstd), w = ieee(weight);
    Element e;
    e.kind = kind_of(dy * (w * s));
    const bool unknown = (invstd.kind == Kind::any || weight.kind == Kind::any) && !nan;
    if (unknown || kind_of(dy * w * s) != e.kind || e.kind == Kind::finite) e.kind = Kind::any;
    return e;
  }
  Element e;
  const double s = invstd.upper(), w = weight.upper(), g = std::abs(dy);
  const double rho = invstd.mid.hi > 0 ? invstd.radius / invstd.mid.hi : 0;
  if (!training) {
    const DD mid = wide ? DD(dy) * weight.mid * invstd.mid : DD(dy * weight.mid.hi * invstd.mid.hi);
    e.terms[1] = g * w * invstd.radius;
    e.terms[2] = eval_growth * g * w * s;
    e.terms[5] = c.underflow() * (1 + g + w + s);
    if (std::max({g * w, g * s, w * s}) > c.overflow() / 2) return straddle();
    e.terms[7] = store_term(format, c.unit, std::abs(mid.hi) + total(e));
    e.scale = g * w * invstd.mid.hi;
    finish(e, mid, format);
    return e;
  }
  if (dy_sum.kind == Kind::nan || dot.kind == Kind::nan) {
    e.kind = Kind::nan;
    return e;
  }
  if (mean.kind != Kind::finite || dy_sum.kind != Kind::finite || dot.kind != Kind::finite ||
      !std::isfinite(x))
    return straddle();
  DD distance, mid;
  if (wide) {
    distance = DD(x) - mean.mid;
    const DD inner = DD(dy) - dy_sum.mid / DD(count) -
                     distance * invstd.mid * invstd.mid * (dot.mid / DD(count));
    mid = inner * invstd.mid * weight.mid;
  } else {
    distance = (x - mean.mid.hi) - mean.mid.lo;
    const double projection = distance.hi * invstd.mid.hi * invstd.mid.hi * (dot.mid.hi / count);
    mid = (dy - dy_sum.mid.hi / count - projection) * invstd.mid.hi * weight.mid.hi;
  }
  // The three terms of dx, each an upper bound.
  const double d = std::abs(distance.hi) + mean.radius, a = s * w;
  const double t1 = g * a, t2 = dy_sum.upper() / count * a;
  const double slope = a * s * s * dot.upper() / count,
               t3 = slope * (d + c.pivot_unit * mean.upper());
  const double cubed = 3 * rho + 3 * rho * rho + rho * rho * rho;  // (1 + rho)^3 - 1
  const double relative = weight.radius == 0 ? 0 : weight.radius / w;
  e.terms[0] = slope * mean.radius;
  e.terms[1] = (std::abs(dy - dy_sum.mid.hi / count) * w * invstd.radius) +
               slope * std::abs(distance.hi) * cubed + (t1 + t2 + t3) * relative;
  e.terms[2] = growth * (t1 + t2 + t3);
  e.terms[3] = a * dy_sum.radius / count;
  e.terms[4] = a * s * s * d * dot.radius / count;
  if (!wide) e.terms[2] += 8 * kU64 * (t1 + t2 + t3);  // the reference itself finishes in double
  const double projection = (d + c.pivot_unit * mean.upper()) * s * s * dot.upper() / count,
               inner = g + dy_sum.upper() / count + projection;
  e.terms[5] = c.underflow() *
               (1 + w + s + a * (1 + (d + 1) * (1 + s) * (1 + s) * (1 + dot.upper() / count)));
  const double largest = std::max({d, a, s, s * s * dot.upper(), dot.upper() * s, d * s * s, inner,
                                   inner * s, inner * w, t1, t2, t3});
  if (largest > c.overflow() / 2) return straddle();
  e.terms[6] = c.unit * (std::abs(mid.hi) + total(e));
  e.terms[7] = store_term(format, c.unit, std::abs(mid.hi) + total(e));
  e.scale = std::max({t1, t2, t3});
  finish(e, mid, format);
  return e;
}

}  // namespace truenorm::oracle::exact
