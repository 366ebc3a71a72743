// Double-double arithmetic: about 106 bits, for finite values whose products neither overflow nor
// underflow. Source: Dekker 1971; Hida, Li, Bailey 2001 ("Library for double-double and quad-double
// arithmetic"). Needs -ffp-contract=off.
#pragma once

#include <cmath>

namespace truenorm::oracle::exact {

struct DD {
  double hi = 0, lo = 0;
  constexpr DD() = default;
  constexpr DD(double value)
      : hi(value) {}  // NOLINT(google-explicit-constructor): a double is a DD
  constexpr DD(double high, double low) : hi(high), lo(low) {}
  explicit operator double() const { return hi; }
};

inline DD quick_two_sum(double a, double b) {  // |a| >= |b|
  const double s = a + b;
  return {s, b - (s - a)};
}
inline DD two_sum(double a, double b) {
  const double s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}
inline DD two_prod(double a, double b) {
  const double p = a * b;
  return {p, std::fma(a, b, -p)};
}
inline DD operator-(DD a) { return {-a.hi, -a.lo}; }
inline DD operator+(DD a, DD b) {
  DD s = two_sum(a.hi, b.hi);
  const DD t = two_sum(a.lo, b.lo);
  s = quick_two_sum(s.hi, s.lo + t.hi);
  return quick_two_sum(s.hi, s.lo + t.lo);
}
inline DD operator+(DD a, double b) {
  const DD s = two_sum(a.hi, b);
  return quick_two_sum(s.hi, s.lo + a.lo);
}
inline DD operator-(DD a, DD b) { return a + -b; }
inline DD operator*(DD a, DD b) {
  const DD p = two_prod(a.hi, b.hi);
  return quick_two_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}
inline DD operator/(DD a, DD b) {
  const double q1 = a.hi / b.hi;
  DD r = a - b * DD(q1);
  const double q2 = r.hi / b.hi;
  r = r - b * DD(q2);
  return quick_two_sum(q1, q2) + r.hi / b.hi;
}
inline DD sqrt(DD a) {  // Karp's method: one Newton step in double-double
  if (a.hi <= 0) return {std::sqrt(a.hi), 0};
  if (a.hi < 0x1p-900) {  // the square's low part would underflow
    const DD root = sqrt(DD(a.hi * 0x1p200, a.lo * 0x1p200));
    return {root.hi * 0x1p-100, root.lo * 0x1p-100};
  }
  const double x = 1 / std::sqrt(a.hi), ax = a.hi * x;
  return two_sum(ax, (a - two_prod(ax, ax)).hi * (x * 0.5));
}

}  // namespace truenorm::oracle::exact
