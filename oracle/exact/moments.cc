#include "moments.h"

#include <algorithm>

namespace truenorm::oracle::exact {

namespace {

constexpr double kSafeSquare = 0x1p480;  // squares of smaller doubles stay in range

/// Radii of the mean and of the biased variance.
struct MomentRadii {
  double mean = 0, var = 0;
};

// Sums about the mean itself: the two-pass algorithm. Chan, Golub, LeVeque 1983, §2; Higham 2002,
// §1.9 and problem 1.10: |m^ - m| <= gamma_k(u) mean|x|, and sum (x - m^)^2 = M2 + n (m^ - m)^2.
MomentRadii two_pass(const Moments& m, const Contract& c) {
  MomentRadii r;
  r.mean = (gamma(c.mean.chain, c.mean.add) + c.mean.term) * m.mean_abs;
  r.mean += c.mean_unit * (std::abs(m.mean.hi) + r.mean) + c.mean_floor;
  const double squares = m.var.hi + r.mean * r.mean;
  r.var =
      r.mean * r.mean + (gamma(c.square.chain, c.square.add) + gamma(3, c.square.term)) * squares;
  return r;
}

// Sums about a pivot near the mean, blocks merged. With Q the mean square about the pivots, Q <=
// inflation*var + pivot_roundings*(pivot_unit*max|x|)^2, and P = Q - var the mean square of the
// pivots' distances: sum d errs by gamma_k sum|d| <= gamma_k sqrt(Q) n (Cauchy-Schwarz), sum d^2 by
// gamma_k Q n, and S^2/k and Chan's between-block term, both products of a mean distance (<= sqrt
// P) with such an error, by 2 sqrt(P) of it each. Chan, Golub, LeVeque 1983, eq. 1.5 and 2.1;
// Higham 2002, Lemma 3.1 and eq. 4.4.
MomentRadii about_pivots(const Moments& m, const Contract& c) {
  MomentRadii r;
  const double pivot = c.pivot_unit * m.max_abs;
  const double offset = (c.inflation - 1) * m.var.hi + c.pivot_roundings * pivot * pivot;
  const double root = std::sqrt(m.var.hi + offset);
  r.mean =
      (gamma(c.mean.chain, c.mean.add) + gamma(1, c.mean.term)) * root + c.mean_unit * m.max_abs;
  r.var = (gamma(c.square.chain, c.square.add) + gamma(2, c.square.term)) * (m.var.hi + offset) +
          4 * std::sqrt(offset) * r.mean + r.mean * r.mean;
  return r;
}

}  // namespace

Kind kind_of(double value) {
  if (std::isnan(value)) return Kind::nan;
  if (std::isinf(value)) return value > 0 ? Kind::pos_inf : Kind::neg_inf;
  return Kind::finite;
}

double value_of(Kind kind) {
  switch (kind) {
    case Kind::nan:
      return kNaN;
    case Kind::pos_inf:
      return kInf;
    case Kind::neg_inf:
      return -kInf;
    case Kind::finite:
    case Kind::any:
      break;
  }
  return 0;
}

Moments moments(const Channel& channel) {
  Moments m;
  m.count = channel.batch * channel.plane;
  const double n = static_cast<double>(m.count);
  DD sum;
  double abs_sum = 0, low = kInf, high = -kInf;
  channel.each([&](double v) {
    if (!std::isfinite(v)) {
      m.finite = false;
      m.ieee_sum += v;
      return;
    }
    low = std::min(low, v);
    high = std::max(high, v);
    abs_sum += std::abs(v) / n;
    sum = sum + v;
  });
  m.mean_abs = abs_sum;
  if (!m.finite) return m;
  m.max_abs = std::max(std::abs(low), std::abs(high));
  m.constant = low == high;
  m.wide = m.max_abs >= kSafeSquare;
  if (m.wide) return m;
  m.mean = m.constant ? DD(low) : sum / DD(n);
  if (m.constant) return m;
  DD squares;
  channel.each([&](double v) {
    const DD d = DD(v) - m.mean;
    squares = squares + d * d;
  });
  m.var = squares / DD(n);
  return m;
}

Ball inverse_std(const Ball& var, double eps, double eps_unit, double unit, bool training) {
  Ball s;
  if (var.kind == Kind::any) return {0, 0, Kind::any};
  if (var.kind != Kind::finite || !std::isfinite(eps)) {
    const double value = 1 / std::sqrt(var.mid.hi + value_of(var.kind) + eps);
    s.mid = value;
    s.kind = kind_of(value);
    if (s.kind != Kind::finite) s.mid = 0;
    return s;
  }
  const DD sum = var.mid + DD(eps);
  const double radius = var.radius + eps_unit * std::abs(eps);
  // A batch without variance and without eps: 0. Running statistics: IEEE's 1/sqrt(+-0).
  if (radius == 0 && sum.hi == 0)
    return training ? s : Ball{0, 0, kind_of(1 / std::sqrt(var.mid.hi + eps))};
  if (sum.hi + radius < 0) return {0, 0, Kind::nan};
  if (!(sum.hi - radius > 0)) return {0, 0, Kind::any};
  s.mid = DD(1) / sqrt(sum);
  // The reciprocal square root is monotone: its range over the interval is that of the interval's
  // ends.
  const double high = 1 / std::sqrt(sum.hi - radius), low = 1 / std::sqrt(sum.hi + radius);
  const double spread = radius == 0 ? 0
                                    : std::max(high - s.mid.hi, s.mid.hi - low) * (1 + 8 * kU64) +
                                          4 * kU64 * s.mid.hi * (radius / sum.hi);
  s.radius = spread + unit * (s.mid.hi + spread);
  return s;
}

Statistics batch_statistics(const Moments& m, const Contract& c, double eps) {
  Statistics s;
  if (!m.finite) {
    s.mean.kind = kind_of(m.ieee_sum);
    // An Inf meets partial sums that may have overflowed the other way.
    const bool open = c.f32_sums && static_cast<double>(m.count) * m.mean_abs >
                                        std::min(kMaxF32, c.overflow()) / 2;
    if (open && s.mean.kind != Kind::nan) s.mean.kind = Kind::any;
    s.var.kind = s.invstd.kind = Kind::nan;
    return s;
  }
  const double n = static_cast<double>(m.count);
  if (m.wide) {
    s.mean.kind = s.var.kind = s.invstd.kind = Kind::any;
    return s;
  }
  s.mean.mid = m.mean;
  s.mean.scale = std::sqrt(m.var.hi);
  s.var.scale = std::max(eps, 0.0);  // what the variance is added to
  s.var.mid = m.var;
  const MomentRadii r = m.constant && c.constant_exact ? MomentRadii{}
                        : c.pivoted                    ? about_pivots(m, c)
                                                       : two_pass(m, c);
  s.mean.radius = r.mean + (m.constant ? 0 : n * kDoubleDouble * m.mean_abs);
  s.var.radius = r.var + (c.var_unit + n * kDoubleDouble) * (m.var.hi + r.var);
  if (!(m.constant && c.constant_exact)) {
    s.mean.radius += multiple(c.mean_roundings, c.underflow());
    s.var.radius += c.var_floor;
  }
  if (m.max_abs < 1 / kSafeSquare && !m.constant)
    s.var.radius += m.max_abs * m.max_abs + 0x1p-960;  // f64: squares underflow, here too
  if (c.f32_sums) {
    const double limit = std::min(kMaxF32, c.overflow()) / 2;
    s.var.radius += std::max(kMinF32, c.underflow());  // each square may underflow
    if (n * m.mean_abs > limit) s.mean.kind = Kind::any;
    if (n * (m.var.hi + s.var.radius) > limit) s.var.kind = Kind::any;
  }
  if (!std::isfinite(s.mean.radius)) s.mean.kind = Kind::any;
  if (!std::isfinite(s.var.radius) || s.mean.kind == Kind::any) s.var.kind = Kind::any;
  s.invstd = inverse_std(s.var, eps, c.eps_unit, c.invstd_unit, true);
  if (s.invstd.kind == Kind::finite && s.invstd.upper() > c.overflow()) s.invstd.kind = Kind::any;
  return s;
}

namespace {

/// Plain sums over the pairs of a channel.
struct PairSums {
  DD dy, dot;
  double abs_dy = 0, abs_dot = 0, ieee_dy = 0, ieee_dot = 0;
  double count = 0;
  bool ambiguous = false;  // Inf times a distance that rounding may turn to 0
};

PairSums sum_pairs(const Channel& x, const Channel& dy, const Ball& mean) {
  PairSums s;
  for (std::int64_t n = 0; n < dy.batch; ++n) {
    const double* px = x.first + n * x.step;
    const double* pg = dy.first + n * dy.step;
    for (std::int64_t i = 0; i < dy.plane; ++i) {
      const double v = px[i], g = pg[i];
      s.count += 1;
      s.ambiguous |= std::isinf(g);
      s.ieee_dy += std::isfinite(g) ? 0 : g;
      if (!std::isfinite(v) || std::isnan(g)) s.ieee_dot += v * g;
      if (std::isfinite(g)) {
        s.dy = s.dy + g;
        s.abs_dy += std::abs(g);
      }
      if (mean.kind != Kind::finite || !std::isfinite(v) || !std::isfinite(g)) continue;
      const DD term = (DD(v) - mean.mid) * DD(g);
      s.dot = s.dot + term;
      s.abs_dot += std::abs(term.hi);
    }
  }
  return s;
}

}  // namespace

// Dot products: Higham 2002, eq. 3.5. A mean that is off by e moves sum((x - mean)*dy) by
// e*sum(dy).
Products products(const Channel& x, const Channel& dy, const Ball& mean, const Contract& c) {
  const PairSums s = sum_pairs(x, dy, mean);
  Products p;
  p.dy_sum.mid = s.dy;
  p.dot.mid = s.dot;
  const double slack = 1 + s.count * 2 * kU64;  // the absolute sums are themselves rounded
  const double shift = mean.radius + c.pivot_unit * std::abs(mean.mid.hi);
  const double abs_dy = s.abs_dy * slack, abs_dot = s.abs_dot * slack + shift * abs_dy;
  p.dy_scale = abs_dy;
  p.dot_scale = abs_dot;
  p.count = s.count;
  p.dy_sum.radius = (gamma(c.dy_sum.chain, c.dy_sum.add) + s.count * kDoubleDouble) * abs_dy;
  p.dy_sum.radius += c.dy_sum_store * (std::abs(s.dy.hi) + p.dy_sum.radius);
  p.dot.radius =
      (gamma(c.dot.chain, c.dot.add) + gamma(2, c.dot.term) + s.count * kDoubleDouble) * abs_dot;
  p.dot.radius += mean.radius * std::abs(s.dy.hi) + shift * p.dy_sum.radius;
  p.dot.radius += c.dot_store * (std::abs(s.dot.hi) + p.dot.radius);
  p.dot.radius += multiple(s.count, c.f32_sums ? std::max(kMinF32, c.underflow()) : c.underflow());
  const double limit = c.f32_sums ? std::min(kMaxF32, c.overflow()) / 2 : 0x1p1000;
  p.dy_sum.kind = kind_of(s.ieee_dy);
  if (p.dy_sum.kind != Kind::nan && !(abs_dy < limit && std::isfinite(p.dy_sum.radius)))
    p.dy_sum.kind = Kind::any;
  p.dot.kind = mean.kind == Kind::nan ? Kind::nan : kind_of(s.ieee_dot);
  if (p.dot.kind == Kind::nan) return p;
  const bool known = mean.kind == Kind::finite && !s.ambiguous;
  if (!known || !(abs_dot < limit && std::isfinite(p.dot.radius))) p.dot.kind = Kind::any;
  return p;
}

}  // namespace truenorm::oracle::exact
