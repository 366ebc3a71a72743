// Who guards the guard: honest arithmetic lies inside its balls, arithmetic that is off by one
// class of rounding does not.
#include "judge.h"

#include <gtest/gtest.h>

#include <map>

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

TEST(Bounds, HonestDoubleArithmeticPasses) {
  EXPECT_LT(expect_honest_passes<double>(100'000) * 20, 100'000U) << "more than 5 % prove nothing";
}
// Plain float sums are so poor on ill-conditioned data that many of their balls are wide: no limit
// on the hollow here.
TEST(Bounds, HonestFloatArithmeticPasses) { expect_honest_passes<float>(100'000); }

/// How many of 2,000 sampled cases convict a defect, judged by the contract of the honest model.
template <class Real>
std::size_t convictions(Defect defect) {
  Model<Real> honest, defective(defect);
  std::size_t failed = 0;
  for_sampled(2'000, [&](const Case& sampled) {
    const Case c = fitting<Real>(sampled);
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
