// Shrinking: valid, strictly simpler, ending, and true to the data of the steps that remain.
#include "shrink.h"

#include <algorithm>

#include "data.h"
#include "generators.h"

namespace truenorm::props {
namespace {

using namespace oracle;

TEST(Shrink, SimplerCasesAreValidDifferentAndDoNotComeBack) {
  check(
      1000, any_case(),
      [](const Case& c) {
        const auto candidates = simpler(c);
        for (const Case& candidate : candidates) {
          RC_ASSERT(defect(candidate) == "");
          RC_ASSERT(candidate != c);
        }
        if (candidates.empty()) return;
        const auto back = simpler(*rc::gen::elementOf(candidates));
        RC_ASSERT(std::find(back.begin(), back.end(), c) == back.end());
      },
      no_tensors());
}

TEST(Shrink, EndsAtOneStepOfOneElementWhenAllFails) {
  check(
      300, any_case(),
      [](const Case& c) {
        const Case least = shrink(c, [](const Case&) { return true; });
        RC_ASSERT(simpler(least).empty());
        RC_ASSERT(least.problem.run.size() == 1u);
        RC_ASSERT(least.problem.shape.numel() <= 1);
        RC_ASSERT(print(least).find("x=normal(0,1) dy=uniform(-1,1) run=T seed=0") !=
                  std::string::npos);
      },
      no_tensors());
}

TEST(Shrink, KeepsFailingAndStaysWithinTheBudget) {
  check(
      200, sampled_case(),
      [](const Case& c) {
        int calls = 0;
        const auto fails = [&](const Case& other) {
          ++calls;
          return other.problem.shape.c % 2 == c.problem.shape.c % 2;
        };
        const Case least = shrink(c, fails, 100);
        RC_ASSERT(calls <= 100);
        RC_ASSERT(fails(least));
      },
      no_tensors());
}

TEST(Shrink, FindsTheShortLineOfAPlantedFault) {
  // In evaluation after two trainings, with many channels, in NHWC.
  const auto fails = [](const Case& c) {
    int trainings = 0;
    for (const Step& step : c.problem.run) {
      trainings += step.op == Op::train;
      if (step.op == Op::eval && trainings >= 2 && c.problem.shape.c >= 17 && c.exec &&
          c.exec->x == Layout::nhwc)
        return true;
    }
    return false;
  };
  const Case c = parse(
      "tn1 n9c37s5x7 bf16/f32 eps=0.001 mom=0.95 affine=g stats=on x=cancel(12345.5) dy=exact "
      "w=normal(0,3) rm=ramp run=TBRTBST@4BEBT#30*4E@3 seed=5831 | nhwc dy=nchw thr=4 skew=7 "
      "params=strided");
  ASSERT_TRUE(fails(c));
  EXPECT_EQ(print(shrink(c, fails)),
            "tn1 n1c17 f32 eps=1e-05 mom=0.1 affine=gb stats=on x=normal(0,1) dy=uniform(-1,1) "
            "run=TTE seed=0 | nhwc");
}

TEST(Shrink, FindsTheLeastRatioOfAPlantedCancellation) {
  const auto fails = [](const Case& c) {
    return c.problem.x.kind == DistKind::cancel && c.problem.x.a >= 3000;
  };
  const Case least = shrink(parse("tn1 n8c8s4x4 x=cancel(100000000) run=TBTBE"), fails);
  EXPECT_TRUE(fails(least));
  EXPECT_LE(least.problem.x.a, 1e5);
}

TEST(Shrink, LeavesTheDataOfOtherStepsAlone) {
  const Case c = parse("tn1 n3c4s5 run=TBTBETB@3 seed=9 | nchw");
  const Inputs whole = make_inputs(c);
  int shorter = 0;
  for (const Case& candidate : simpler(c)) {
    const auto& run = candidate.problem.run;
    if (run.size() == c.problem.run.size() || candidate.problem.shape != c.problem.shape) continue;
    ++shorter;
    const Inputs part = make_inputs(candidate);
    for (std::size_t i = 0; i < run.size(); ++i) {
      ASSERT_EQ(run[i].op, c.problem.run[run[i].id].op);  // ids of the origin count from 0
      EXPECT_EQ(part.step[i], whole.step[run[i].id]);
    }
    EXPECT_EQ(part.weight, whole.weight);
  }
  EXPECT_GE(shorter, 10);
}

}  // namespace
}  // namespace truenorm::props
