// Who guards the guard: honest arithmetic lies inside its balls, arithmetic that is off by one
// class of rounding does not.
#include "judge.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <optional>

#include "exact/dd.h"
#include "exact/lemmas.h"
#include "model.h"
#include "sample.h"
#include "text.h"

namespace truenorm::oracle {
namespace {

constexpr std::uint64_t kSeed = 20;

/// Cases small enough that 100,000 of them take seconds.
template <class Use>
void for_sampled(std::size_t count, Use&& use) {
  for (std::uint64_t i = 0; count > 0; ++i) {
    Case c = sample(kSeed, i);
    c.exec.reset();
    if (c.problem.shape.numel() > 500) continue;
    --count;
    use(c);
  }
}

template <class Real>
Case fitting(Case c) {
  // A model that works in float answers no f64 case.
  if (sizeof(Real) == 4 && c.problem.dtype == Dtype::f64)
    c.problem.dtype = c.problem.param_dtype = Dtype::f32;
  return c;
}

Verdict verdict_of(Player& player, const Contract& contract, const Case& c) {
  const Inputs in = make_inputs(c);
  return judge(player.play(c, in), answer(c.problem, in, contract));
}

template <class Real>
std::size_t expect_honest_passes(std::size_t count) {
  Model<Real> model;
  std::map<Result, std::size_t> results;
  for_sampled(count, [&](const Case& sampled) {
    const Case c = fitting<Real>(sampled);
    const Verdict v = verdict_of(model, model.contract(c.problem, {}), c);
    ++results[v.result];
    EXPECT_NE(v.result, Result::fail) << print(c) << "\n"
                                      << v.detail << " got " << v.worst.got << " mid "
                                      << v.worst.mid << " radius " << v.worst.radius;
  });
  EXPECT_EQ(results[Result::pass] + results[Result::hollow], count);
  return results[Result::hollow];
}

// A power of four passes through the root, so subnormals have the root of the normal number.
TEST(Bounds, SquareRootsOfSubnormalsAreWhole) {
  for (const double a : {0x1.3p-1030, 5.013172184167e-311, 0x1p-1074, 0x1.fp-901}) {
    const exact::DD whole = exact::sqrt(exact::DD(a * 0x1p1000)), small = exact::sqrt(exact::DD(a));
    EXPECT_EQ(small.hi * 0x1p500, whole.hi) << a;
    EXPECT_EQ(small.lo * 0x1p500, whole.lo) << a;
  }
}

TEST(Bounds, HonestDoubleArithmeticPasses) {
  EXPECT_LT(expect_honest_passes<double>(100'000) * 20, 100'000U) << "more than 5 % prove nothing";
}
// Plain float sums are so poor on ill-conditioned data that many of their balls are wide: no limit
// on the hollow here.
TEST(Bounds, HonestFloatArithmeticPasses) { expect_honest_passes<float>(100'000); }

/// Bounds that clip mostly, seldom and never.
constexpr std::array<Renorm, 4> kRenorms{
    {{}, {1.125, 0.25}, {1e4, 1e4}, {exact::kInf, exact::kInf}}};

// Some of the cases above are renormalized, too; all of these are.
TEST(Bounds, HonestRenormalizationPasses) {
  Model<float> narrow;
  Model<double> wide;
  std::size_t i = 0;
  for_sampled(10'000, [&](const Case& sampled) {
    const Renorm& bounds = kRenorms[i++ % kRenorms.size()];
    for (Player* const model : {static_cast<Player*>(&narrow), static_cast<Player*>(&wide)}) {
      Case c = model == &narrow ? fitting<float>(sampled) : sampled;
      c.problem.renorm = bounds;
      const Verdict v = verdict_of(*model, model->contract(c.problem, {}), c);
      EXPECT_NE(v.result, Result::fail) << print(c) << "\n" << v.detail;
    }
  });
}

/// How many of 2,000 sampled cases, renormalized by these bounds if any are given, convict a defect,
/// judged by the contract of the honest model.
template <class Real>
std::size_t convictions(Defect defect, std::optional<Renorm> renorm = {}) {
  Model<Real> honest, defective(defect);
  std::size_t failed = 0;
  for_sampled(2'000, [&](const Case& sampled) {
    Case c = fitting<Real>(sampled);
    if (renorm) c.problem.renorm = renorm;
    failed += verdict_of(defective, honest.contract(c.problem, {}), c).result == Result::fail;
  });
  return failed;
}

TEST(Bounds, FloatInsteadOfDoubleCarryFails) {
  EXPECT_GT(convictions<double>(Defect::float_carry), 0U);
}
TEST(Bounds, RawMomentsFailInDouble) { EXPECT_GT(convictions<double>(Defect::raw_moments), 0U); }
TEST(Bounds, RawMomentsFailInFloat) { EXPECT_GT(convictions<float>(Defect::raw_moments), 0U); }
TEST(Bounds, BiasedRunningVarianceFails) {
  EXPECT_GT(convictions<double>(Defect::biased_running), 0U);
  EXPECT_GT(convictions<float>(Defect::biased_running), 0U);
}
TEST(Bounds, EpsOutsideTheRootFails) {
  EXPECT_GT(convictions<double>(Defect::eps_outside_root), 0U);
  EXPECT_GT(convictions<float>(Defect::eps_outside_root), 0U);
}
TEST(Bounds, SwappedFactorFails) { EXPECT_GT(convictions<float>(Defect::factor_swapped), 0U); }
TEST(Bounds, DroppedProjectionFails) {
  EXPECT_GT(convictions<float>(Defect::dropped_projection), 0U);
}

TEST(Bounds, MistakenRenormalizationFails) {
  for (const Defect defect : {Defect::renorm_any_r, Defect::renorm_any_d, Defect::renorm_late,
                              Defect::renorm_through_r, Defect::renorm_no_d}) {
    EXPECT_GT(convictions<float>(defect, Renorm{}), 100U) << static_cast<int>(defect);
    EXPECT_GT(convictions<double>(defect, Renorm{}), 100U) << static_cast<int>(defect);
  }
}

// The largest score over ordinary cases: a bound that nothing comes near convicts nobody.
TEST(Bounds, AreTight) {
  Model<float> model;
  std::array<double, kOutputs> best{};
  for_sampled(5'000, [&](const Case& sampled) {
    const Case c = fitting<float>(sampled);
    const Verdict v = verdict_of(model, model.contract(c.problem, {}), c);
    for (std::size_t o = 0; o < kOutputs; ++o) best[o] = std::max(best[o], v.scores[o]);
  });
  for (std::size_t o = 0; o < kOutputs; ++o)
    EXPECT_GE(best[o], 0.02) << name(static_cast<Output>(o));
}

}  // namespace
}  // namespace truenorm::oracle
