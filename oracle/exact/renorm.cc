#include "renorm.h"

#include <algorithm>

namespace truenorm::oracle::exact {

namespace {

constexpr double kSlack = 1 + 16 * kU64;  // the radii are themselves rounded
constexpr double kReference = 0x1p-100;   // relative error of a few double-double operations

/// The ball of an intermediate, which may leave the range of the arithmetic.
Ball ranged(const Ball& ball, const Contract& c) {
  const bool lost = ball.kind == Kind::finite && !(ball.upper() <= c.overflow() / 2);
  return lost ? Ball{0, 0, Kind::any} : ball;
}

Ball nan_or_any(bool nan) { return {0, 0, nan ? Kind::nan : Kind::any}; }

/// Of no certain sign.
bool open(const Ball& ball) {
  return ball.kind == Kind::finite && ball.radius > 0 && std::abs(ball.mid.hi) <= ball.radius;
}

/// sqrt(var + eps). The root is concave: below by the relative t it moves by t/(1 + sqrt(1 - t)) of
/// itself, above by less.
Ball deviation(const Ball& var, double eps, const Contract& c) {
  if (var.kind == Kind::any) return var;
  const double sum = ieee(var) + eps;
  const double radius = var.radius + c.eps_unit * std::abs(eps);
  if (!std::isfinite(sum) || (radius == 0 && sum == 0)) return exactly(std::sqrt(sum));
  const DD exact = var.mid + DD(eps);
  if (exact.hi + radius < 0) return nan_or_any(true);
  if (!(exact.hi - radius > 0) || exact.hi + radius > c.overflow() / 2) return nan_or_any(false);
  const double t = radius / exact.hi;
  Ball root;
  root.mid = sqrt(exact);
  root.radius = root.mid.hi * (t / (1 + std::sqrt(1 - t))) * kSlack;
  return root;
}

Ball difference(const Ball& a, const Ball& b, const Contract& c) {
  if (a.kind == Kind::finite && b.kind == Kind::finite)
    return ranged({a.mid - b.mid, (a.radius + b.radius) * kSlack}, c);
  const bool nan = a.kind == Kind::nan || b.kind == Kind::nan;
  if (nan || a.kind == Kind::any || b.kind == Kind::any) return nan_or_any(nan);
  return exactly(ieee(a) - ieee(b));
}

/// a/b, four roundings on its way, for a deviation b: |a'/b' - a/b| <= (da + |a/b|*db)/(b - db). By
/// IEEE's rules where a is not finite, b is, or b is 0.
Ball quotient(const Ball& a, const Ball& b, const Contract& c) {
  const bool nan = a.kind == Kind::nan || b.kind == Kind::nan;
  if (nan || a.kind == Kind::any || b.kind == Kind::any) return nan_or_any(nan);
  const bool zero = b.kind == Kind::finite && b.mid.hi == 0;
  if (zero && open(a)) return nan_or_any(false);
  if (zero || a.kind != Kind::finite || b.kind != Kind::finite) return exactly(ieee(a) / ieee(b));
  Ball q;
  q.mid = a.mid / b.mid;
  const double size = std::abs(q.mid.hi);
  q.radius = (a.radius + size * b.radius) / (b.mid.hi - b.radius) * kSlack;
  q.radius +=
      gamma(4, c.renorm_unit) * (size + q.radius) * kSlack + kReference * size + c.underflow();
  return q;
}

/// Clipping brings no two numbers farther apart: what lies beyond a bound comes off the radius. The
/// lower bound may itself be rounded.
Ball clip(const Ball& q, DD low, double low_error, double high, const Contract& c) {
  if (q.kind == Kind::nan || q.kind == Kind::any) return q;
  if (q.kind == Kind::pos_inf) return ranged(exactly(high), c);
  if (q.kind == Kind::neg_inf) return std::isinf(low.hi) ? q : Ball{low, low_error};
  if (!(q.upper() < kInf)) return nan_or_any(false);
  Ball clipped = q;
  if (!std::isinf(low.hi) && (low - q.mid).hi > 0) clipped.mid = low;
  if (!std::isinf(high) && (q.mid - DD(high)).hi > 0) clipped.mid = high;
  const double beyond = std::abs((q.mid - clipped.mid).hi);
  clipped.radius = std::max(0.0, q.radius - beyond * (1 - 16 * kU64));
  if (std::isfinite(high) && std::isfinite(low.hi))
    clipped.radius = std::min(clipped.radius, (DD(high) - low).hi * kSlack);
  clipped.radius += low_error;
  return ranged(clipped, c);
}

}  // namespace

Correction correction(const Statistics& batch, const Ball& running_mean, const Ball& running_var,
                      const Renorm& bounds, double eps, const Contract& c) {
  const Ball sigma = deviation(running_var, eps, c);
  const DD low = std::isinf(bounds.r_max) ? DD(0) : DD(1) / DD(bounds.r_max);
  const double low_error = low.lo == 0 ? 0 : c.renorm_unit * low.hi + c.underflow();
  const Ball ratio = quotient(deviation(batch.var, eps, c), sigma, c),
             distance = quotient(difference(batch.mean, running_mean, c), sigma, c);
  return {clip(ratio, low, low_error, bounds.r_max, c),
          clip(distance, -bounds.d_max, 0, bounds.d_max, c)};
}

Ball scaled(double weight, const Ball& r, const Contract& c) {
  const bool nan = std::isnan(weight) || r.kind == Kind::nan;
  if (nan || r.kind == Kind::any) return nan_or_any(nan);
  if (r.kind != Kind::finite || !std::isfinite(weight))
    return open(r) ? nan_or_any(false) : exactly(weight * ieee(r));
  const double w = std::abs(weight), roundings = gamma(1, c.renorm_unit) + kReference;
  return ranged(
      {r.mid * DD(weight), (w * r.radius + roundings * w * r.upper()) * kSlack + c.underflow()}, c);
}

// Either b + w*d is computed, or d joins the product before w does: two roundings on the way of each.
Ball shifted(double bias, double weight, const Ball& d, const Contract& c) {
  if (d.kind == Kind::finite && d.mid.hi == 0 && d.radius == 0) return exactly(bias);
  const bool nan = std::isnan(bias) || std::isnan(weight) || d.kind == Kind::nan;
  if (nan || d.kind == Kind::any || std::isinf(weight)) return nan_or_any(nan);
  if (d.kind != Kind::finite || std::isinf(bias)) return exactly(bias + weight * ieee(d));
  const double w = std::abs(weight), size = std::abs(bias) + w * d.upper();
  const double roundings = gamma(2, c.renorm_unit) + kReference;
  return ranged({DD(bias) + d.mid * DD(weight),
                 (w * d.radius + roundings * size) * kSlack + (1 + w) * c.underflow()},
                c);
}

}  // namespace truenorm::oracle::exact
