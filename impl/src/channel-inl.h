// From sums to coefficients, for each instruction set (included by kernels.cc only). All in double
// and without fused operations: every set gives the same bits.
#if defined(TRUENORM_SRC_CHANNEL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TRUENORM_SRC_CHANNEL_INL_H_
#undef TRUENORM_SRC_CHANNEL_INL_H_
#else
#define TRUENORM_SRC_CHANNEL_INL_H_
#endif

#include "channel.h"
#include "lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace truenorm::detail {
namespace HWY_NAMESPACE {
namespace {

using Doubles = Wide<double>;
using DoubleVec = hn::Vec<Doubles>;
using DoubleMask = hn::Mask<Doubles>;

/// Rounded to the lane.
template <class L>
HWY_INLINE DoubleVec ToLane(DoubleVec v) {
  if constexpr (sizeof(L) == 8) {
    return v;
  } else {
    const hn::Rebind<float, Doubles> narrow;
    return hn::PromoteTo(Doubles(), hn::DemoteTo(narrow, v));
  }
}

HWY_INLINE DoubleMask Finite(DoubleVec v) {
  const Doubles d;
  return hn::Le(hn::Abs(v), hn::Set(d, 0x1.fffffffffffffp1023));
}

/// a/b by IEEE's rules. Highway's portable target has 0 for the quotients of a zero.
HWY_INLINE DoubleVec Divide(DoubleVec a, DoubleVec b) {
#if HWY_TARGET == HWY_EMU128
  const Doubles d;
  double x[kNative<double>], y[kNative<double>];
  hn::StoreU(a, d, x);
  hn::StoreU(b, d, y);
  for (std::size_t i = 0; i < kNative<double>; ++i) x[i] /= y[i];
  return hn::LoadU(d, x);
#else
  return hn::Div(a, b);
#endif
}

/// Zero, or a normal number of at most `most`.
HWY_INLINE DoubleMask Representable(DoubleVec v, double least, double most) {
  const Doubles d;
  const auto size = hn::Abs(v);
  const auto within = hn::And(hn::Ge(size, hn::Set(d, least)), hn::Le(size, hn::Set(d, most)));
  return hn::Or(hn::Eq(v, hn::Zero(d)), within);
}

/// Stores 1 where the mask is not set, and remembers in `any` that there was one.
HWY_INLINE void StoreFlag(DoubleMask fine, double* to, DoubleMask& any) {
  const Doubles d;
  any = hn::Or(any, hn::Not(fine));
  hn::StoreU(hn::IfThenZeroElse(fine, hn::Set(d, 1.0)), d, to);
}

HWY_INLINE DoubleMask Nowhere() {
  const Doubles d;
  return hn::Ne(hn::Zero(d), hn::Zero(d));
}

/// Computes: base = the mean of n values about `from` (null: 0) rounded to the lane, also as lanes.
/// Shapes:   from, sum, base [count] doubles, pivot [count] lanes; base == from allowed.
template <class L>
void SetPivots(const double* from, const double* sum, double n, std::int64_t count, double* base,
               void* pivot) {
  L* lanes = static_cast<L*>(pivot);
  const auto set = [&](auto d, std::int64_t i) HWY_ATTR {
    auto mean = hn::Div(hn::LoadU(d, sum + i), hn::Set(d, n));
    if (from != nullptr) mean = hn::Add(hn::LoadU(d, from + i), mean);
    if constexpr (sizeof(L) == 8) {
      hn::StoreU(mean, d, lanes + i);
      hn::StoreU(mean, d, base + i);
    } else {
      const hn::Rebind<float, decltype(d)> narrow;
      const auto rounded = hn::DemoteTo(narrow, mean);
      hn::StoreU(rounded, narrow, lanes + i);
      hn::StoreU(hn::PromoteTo(d, rounded), d, base + i);
    }
  };
  constexpr std::int64_t N = kNative<double>;
  std::int64_t i = 0;
  for (; i + N <= count; i += N) set(Doubles(), i);
  for (; i < count; ++i) set(One<double>(), i);
}

/// Computes: sums about pivots to moments: sum becomes offset = sum/n, square becomes
///           m2 = square - sum*offset, not negative. Returns false if some pivot did not serve,
///           as pivot_served() has it.
/// Shapes:   base, sum, square [count].
template <class L>
bool MomentsAbout(double n, const double* base, double* sum, double* square, std::int64_t count) {
  constexpr double kReach = sizeof(L) == 8 ? 0x1p-52 : 0x1p-23;
  bool served = true;
  const auto finish = [&](auto d, std::int64_t i) HWY_ATTR {
    const auto s = hn::LoadU(d, sum + i), offset = hn::Div(s, hn::Set(d, n));
    const auto raw = hn::Sub(hn::LoadU(d, square + i), hn::Mul(s, offset));
    const auto m2 = hn::IfThenElse(hn::Lt(raw, hn::Zero(d)), hn::Zero(d), raw);  // NaN stays
    hn::StoreU(offset, d, sum + i);
    hn::StoreU(m2, d, square + i);
    const auto reach = hn::Mul(hn::Set(d, kReach), hn::Abs(hn::LoadU(d, base + i)));
    const auto far =
        hn::Gt(hn::Mul(hn::Mul(offset, offset), hn::Set(d, n)), hn::Mul(hn::Set(d, 1.2), m2));
    served &= hn::AllFalse(d, hn::And(far, hn::Gt(hn::Abs(offset), reach)));
  };
  constexpr std::int64_t N = kNative<double>;
  std::int64_t i = 0;
  for (; i + N <= count; i += N) finish(Doubles(), i);
  for (; i < count; ++i) finish(One<double>(), i);
  return served;
}

/// Computes: the moments of a and b together into a, for `count` channels: offset += delta*k/(n + k),
///           m2 += m2_b + delta^2*n*k/(n + k), delta the distance of the means.
/// Error:    offset and m2 each a few roundings of double; a constant's moments stay exact.
/// Special:  NaN and Inf stay non-finite.
/// Source:   Chan, Golub, LeVeque 1983, (2.1).
template <class L>
void MergeMoments(ForwardBlock& a, double n, const double* base, const double* offset,
                  const double* m2, double k, std::int64_t count) {
  const double ratio = k / (n + k), weight = n * ratio;
  const auto merge = [&](auto tag, std::int64_t i) HWY_ATTR {
    const auto mean = hn::LoadU(tag, a.offset + i);
    const auto delta = hn::Add(hn::Sub(hn::LoadU(tag, base + i), hn::LoadU(tag, a.base + i)),
                               hn::Sub(hn::LoadU(tag, offset + i), mean));
    hn::StoreU(hn::Add(mean, hn::Mul(delta, hn::Set(tag, ratio))), tag, a.offset + i);
    const auto more =
        hn::Add(hn::LoadU(tag, m2 + i), hn::Mul(hn::Mul(delta, delta), hn::Set(tag, weight)));
    hn::StoreU(hn::Add(hn::LoadU(tag, a.m2 + i), more), tag, a.m2 + i);
  };
  constexpr std::int64_t N = kNative<double>;
  std::int64_t i = 0;
  for (; i + N <= count; i += N) merge(Doubles(), i);
  for (; i < count; ++i) merge(One<double>(), i);
}

/// Computes: mean, rest, var = m2/n, unbiased = m2/(n - 1); doubtful (returns whether any): a mean or m2 that is not
///           finite, or m2 < n*tiny.
template <class L>
bool ForwardStatistics(ForwardBlock& k, std::int64_t count, double n) {
  const Doubles d;
  const auto tiny = hn::Set(d, n * range_of(sizeof(L) == 8 ? Dtype::f64 : Dtype::f32).tiny);
  auto any = Nowhere();
  for (std::int64_t i = 0; i < count; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    const auto base = hn::LoadU(d, k.base + i), offset = hn::LoadU(d, k.offset + i);
    const auto m2 = hn::LoadU(d, k.m2 + i), mean = hn::Add(base, offset);
    hn::StoreU(mean, d, k.mean + i);
    hn::StoreU(hn::Add(hn::Sub(base, mean), offset), d, k.rest + i);
    hn::StoreU(hn::Div(m2, hn::Set(d, n)), d, k.var + i);
    hn::StoreU(hn::Div(m2, hn::Set(d, n - 1)), d, k.unbiased + i);
    const auto sound = hn::And(hn::And(Finite(mean), Finite(m2)), hn::Ge(m2, tiny));
    StoreFlag(sound, k.doubtful + i, any);
  }
  return !hn::AllFalse(d, any);
}

/// Computes: invstd = 1/sqrt(var + eps), for var = eps = 0 of a batch 0; y = (x - m)*a + b with m the
///           mean rounded to the lane, a = invstd*weight, b = bias - (mean - m)*a: so its rounding
///           does not shift the result. careful (returns whether any): a lane may not subtract m, hold a or add b.
template <class L>
bool ForwardCoefficients(ForwardBlock& k, std::int64_t count, double eps, bool batch) {
  const Doubles d;
  constexpr Range range = range_of(sizeof(L) == 8 ? Dtype::f64 : Dtype::f32);
  const auto zero = hn::Zero(d);
  auto any = Nowhere();
  for (std::int64_t i = 0; i < count; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    const auto mean = hn::LoadU(d, k.mean + i);
    const auto sum = hn::Add(hn::LoadU(d, k.var + i), hn::Set(d, eps));
    auto invstd = Divide(hn::Set(d, 1.0), hn::Sqrt(sum));
    if (batch && eps == 0) invstd = hn::IfThenElse(hn::Eq(sum, zero), zero, invstd);
    const auto m = ToLane<L>(mean), a = hn::Mul(invstd, hn::LoadU(d, k.weight + i));
    const auto shift = hn::Add(hn::Sub(mean, m), hn::LoadU(d, k.rest + i));
    const auto b = hn::Sub(hn::LoadU(d, k.bias + i), hn::Mul(shift, a));
    hn::StoreU(invstd, d, k.invstd + i);
    hn::StoreU(m, d, k.m + i);
    hn::StoreU(a, d, k.a + i);
    hn::StoreU(b, d, k.b + i);
    auto fine = hn::Or(hn::Ge(sum, hn::Set(d, range.tiny)), hn::Eq(invstd, zero));
    fine = hn::And(fine, Representable(mean, range.least, range.large));
    fine = hn::And(fine, Representable(b, range.least, range.large));
    fine = hn::And(fine, Representable(a, range.least, range.most));
    StoreFlag(fine, k.careful + i, any);
  }
  return !hn::AllFalse(d, any);
}

/// Computes: dot -= (mean - m)*sum, which makes good that the kernels subtracted m, the mean rounded
///           to the lane; doubtful: a sum that is not finite, or a dot of at most tiny.
template <class L>
bool BackwardSums(BackwardBlock& k, std::int64_t count) {
  const Doubles d;
  constexpr Range range = range_of(sizeof(L) == 8 ? Dtype::f64 : Dtype::f32);
  auto any = Nowhere();
  for (std::int64_t i = 0; i < count; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    const auto sum = hn::LoadU(d, k.sum + i), dot = hn::LoadU(d, k.dot + i);
    const auto mean = hn::LoadU(d, k.mean + i);
    const auto shift = hn::Sub(mean, ToLane<L>(mean));
    const auto exact = hn::Eq(shift, hn::Zero(d));
    const auto mended = hn::IfThenElse(exact, dot, hn::Sub(dot, hn::Mul(shift, sum)));
    hn::StoreU(mended, d, k.dot + i);
    auto sound = hn::And(Finite(sum), Finite(mended));
    if (range.tiny > 0) sound = hn::And(sound, hn::Gt(hn::Abs(mended), hn::Set(d, range.tiny)));
    StoreFlag(sound, k.doubtful + i, any);
  }
  return !hn::AllFalse(d, any);
}

/// Computes: dx = g*a + ((x - m)*b + c), from dx = ((g - sum/n) - (x - mean)*slope)*invstd*weight
///           with slope = dot*invstd^2/n. careful: a lane may not subtract m, hold a or b, add c, or
///           form (x - m)*b, where |x - mean| is at most sqrt(n)/invstd.
template <class L>
bool BackwardCoefficients(BackwardBlock& k, std::int64_t count, double n) {
  const Doubles d;
  constexpr Range range = range_of(sizeof(L) == 8 ? Dtype::f64 : Dtype::f32);
  const auto zero = hn::Zero(d), values = hn::Set(d, n), root = hn::Sqrt(values);
  auto any = Nowhere();
  for (std::int64_t i = 0; i < count; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    const auto mean = hn::LoadU(d, k.mean + i), invstd = hn::LoadU(d, k.invstd + i);
    const auto m = ToLane<L>(mean), a = hn::Mul(hn::LoadU(d, k.weight + i), invstd);
    const auto offset = hn::Div(hn::LoadU(d, k.sum + i), values);
    const auto squared = hn::Mul(hn::Mul(hn::LoadU(d, k.dot + i), invstd), invstd);
    const auto slope = hn::Div(squared, values);
    const auto b = hn::Neg(hn::Mul(a, slope));
    auto c = hn::Neg(hn::Mul(a, offset));
    c = hn::IfThenElse(hn::Eq(mean, m), c, hn::Add(c, hn::Mul(b, hn::Sub(m, mean))));
    hn::StoreU(offset, d, k.offset + i);
    hn::StoreU(slope, d, k.slope + i);
    hn::StoreU(m, d, k.m + i);
    hn::StoreU(a, d, k.a + i);
    hn::StoreU(b, d, k.b + i);
    hn::StoreU(c, d, k.c + i);
    auto fine = hn::And(Representable(a, range.least, range.most),
                        Representable(b, range.least, range.most));
    fine = hn::And(fine, Representable(mean, range.least, range.large));
    fine = hn::And(fine, Representable(c, range.least, range.large));
    if (sizeof(L) == 4) {
      const auto reach = hn::Mul(hn::Abs(b), root);
      const auto limit = hn::Mul(hn::Set(d, range.large), invstd);
      fine = hn::And(fine, hn::Or(hn::Eq(b, zero), hn::Lt(reach, limit)));
    }
    StoreFlag(fine, k.careful + i, any);
  }
  return !hn::AllFalse(d, any);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace truenorm::detail
HWY_AFTER_NAMESPACE();

#endif  // TRUENORM_SRC_CHANNEL_INL_H_
