// The judge itself: the exact reference against arithmetic that needs no reference, semantics, and
// membership at its edges.
#include "judge.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>

#include "model.h"
#include "sample.h"
#include "text.h"

namespace truenorm::oracle {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity(),
                 kNaN = std::numeric_limits<double>::quiet_NaN();

// ---- the reference against arithmetic that needs no reference ----

TEST(Reference, ExactDataHaveExactStatistics) {
  // Pairs m +- d: the mean of an even channel is m, and sums of squares of small integers are exact
  // in double.
  const Case c = parse("tn1 n4c3s6 f32 x=exact run=T mom=1 affine=none");
  const Inputs in = make_inputs(c);
  const Answer a = answer(c.problem, in, Model<double>().contract(c.problem, {}));
  const double n = 24;
  for (std::size_t channel = 0; channel < 3; ++channel) {
    double sum = 0, squares = 0;
    for (std::size_t i = 0; i < in.step[0].size(); ++i)
      if (i / 6 % 3 == channel) {
        sum += in.step[0][i];
        squares += in.step[0][i] * in.step[0][i];
      }
    EXPECT_EQ(a.steps[0].running_mean.mid[channel], round_to(Dtype::f64, sum / n));
    const double centred =
        squares - sum * sum / n;  // small integers over 24: exact up to one rounding
    EXPECT_LE(std::abs(a.steps[0].running_var.mid[channel] - centred / (n - 1)),
              4 * kU64 * squares);
  }
}

TEST(Reference, AgreesWithAnIndependentEvaluation) {
  // The same formulas in long double, rounded at the store, lie in the balls of honest double
  // arithmetic.
  Model<double> contract_of;
  std::size_t played = 0;
  for (std::uint64_t i = 0; played < 300; ++i) {
    Case c = sample(21, i);
    c.exec.reset();
    if (c.problem.dtype != Dtype::f64 || c.problem.shape.numel() > 500) continue;
    ++played;
    Model<long double> wide;
    const Inputs in = make_inputs(c);
    const Verdict v =
        judge(wide.play(c, in), answer(c.problem, in, contract_of.contract(c.problem, {})));
    ASSERT_NE(v.result, Result::fail) << print(c) << "\n" << v.detail;
  }
}

TEST(Reference, ExplainsTheWholeRadius) {
  const Case c = parse("tn1 n4c3s7 bf16 x=normal(3,1) run=TB seed=5");
  const Inputs in = make_inputs(c);
  const Contract contract = Model<float>().contract(c.problem, {});
  const Answer a = answer(c.problem, in, contract);
  for (const auto& [step, output, element] :
       {std::tuple{0U, Output::y, 11U}, std::tuple{1U, Output::dx, 40U},
        std::tuple{1U, Output::dweight, 2U}, std::tuple{0U, Output::running_var, 1U},
        std::tuple{1U, Output::running_mean, 0U}}) {
    double sum = 0;
    for (const Term& term : explain(c.problem, in, contract, step, output, element))
      sum += term.value;
    EXPECT_EQ(sum, tensor(a.steps[step], output).radius[element]);
  }
}

// ---- semantics ----

std::vector<Refusal> refusals(const char* line) {
  std::vector<Refusal> r;
  for (const StepAnswer& step : semantics(parse(line).problem)) r.push_back(step.refused);
  return r;
}

TEST(Semantics, Refusals) {
  using enum Refusal;
  EXPECT_EQ(refusals("tn1 n1c3 f32 run=TE"), (std::vector{one_value_per_channel, none}));
  EXPECT_EQ(refusals("tn1 n1c3 f32 run=TE stats=off"),
            (std::vector{one_value_per_channel, one_value_per_channel}));
  EXPECT_EQ(refusals("tn1 n1c0 f32 run=T"), (std::vector{one_value_per_channel}));
  EXPECT_EQ(refusals("tn1 n2c3 f32 run=E+ER stats=off"),
            (std::vector{none, none, missing_statistics, missing_statistics}));
  EXPECT_EQ(refusals("tn1 n2c3 f32 run=BTBB@3B"),
            (std::vector{no_forward, none, none, shape_mismatch, none}));
  EXPECT_EQ(refusals("tn1 n0c3 f32 run=TEB"), (std::vector{none, none, none}));
}

TEST(Semantics, CounterCountsAcceptedTrackedBatches) {
  const auto steps = semantics(parse("tn1 n2c3 f32 run=TT@1T-T+TRE").problem);
  std::vector<double> counts;
  for (const StepAnswer& step : steps) counts.push_back(step.num_batches_tracked);
  EXPECT_EQ(counts, (std::vector<double>{1, 1, 2, 2, 2, 2, 3, 0, 0}));
}

TEST(Semantics, UntrackedBatchesLeaveRunningStatisticsAlone) {
  const Case c = parse("tn1 n4c2 f32 run=T-TE");
  const Inputs in = make_inputs(c);
  const Answer a = answer(c.problem, in, Model<double>().contract(c.problem, {}));
  EXPECT_EQ(a.steps[3].running_mean.mid, a.steps[0].running_mean.mid);
  EXPECT_NE(a.steps[0].running_mean.mid, in.running_mean);
}

// ---- membership ----

class Membership : public testing::Test {
 protected:
  const Case case_ = parse("tn1 n4c2 f32 run=TB seed=3");
  const Inputs in_ = make_inputs(case_);
  Model<double> model_;
  const Answer answer_ = answer(case_.problem, in_, model_.contract(case_.problem, {}));
  Trace trace_ = model_.play(case_, in_);
};

TEST_F(Membership, TheHonestTracePasses) { EXPECT_EQ(judge(trace_, answer_).result, Result::pass); }

TEST_F(Membership, NaNNeverPasses) {
  for (std::size_t o = 0; o < kOutputs; ++o) {
    for (std::size_t step = 0; step < 2; ++step) {
      Trace t = trace_;
      auto& values =
          const_cast<std::vector<double>&>(tensor(t.steps[step], static_cast<Output>(o)));
      if (values.empty()) continue;
      values.back() = kNaN;
      const Verdict v = judge(t, answer_);
      EXPECT_EQ(v.result, Result::fail);
      EXPECT_EQ(v.reason, name(static_cast<Output>(o)));
    }
  }
}

TEST_F(Membership, TheEdgeOfTheBallIsInside) {
  const Balls& y = answer_.steps[0].y;
  trace_.steps[0].y[1] = y.mid[1] + y.radius[1];
  const bool inside = trace_.steps[0].y[1] - y.mid[1] <= y.radius[1];
  EXPECT_EQ(judge(trace_, answer_).result, inside ? Result::pass : Result::fail);
  trace_.steps[0].y[1] = y.mid[1] + 1.01 * y.radius[1];
  EXPECT_EQ(judge(trace_, answer_).result, Result::fail);
}

TEST_F(Membership, StatisticsThatAreHandedOutMustBeThere) {
  trace_.steps[0].save_mean.clear();
  EXPECT_EQ(judge(trace_, answer_).result, Result::pass);
  Contract contract = model_.contract(case_.problem, {});
  contract.hands_out_statistics = true;
  EXPECT_EQ(judge(trace_, answer(case_.problem, in_, contract)).reason, "missing");
}

TEST_F(Membership, AMissingTensorFails) {
  trace_.steps[1].dweight.clear();
  EXPECT_EQ(judge(trace_, answer_).reason, "missing");
}

TEST_F(Membership, AnInfWhereAFiniteValueBelongsFails) {
  trace_.steps[0].y[0] = kInf;
  EXPECT_EQ(judge(trace_, answer_).result, Result::fail);
}

TEST_F(Membership, TheCounterAndTheRefusalAreJudgedBeforeNumbers) {
  Trace t = trace_;
  t.steps[0].num_batches_tracked = 0;
  t.steps[0].y[0] = kNaN;
  EXPECT_EQ(judge(t, answer_).reason, "num_batches_tracked");
  t.steps[0].refused = Refusal::other;
  EXPECT_EQ(judge(t, answer_).reason, "refusal");
}

TEST_F(Membership, OutcomesOfTheProcessAreVerdicts) {
  const std::pair<Outcome, Result> kExpected[] = {
      {Outcome::unsupported, Result::skipped}, {Outcome::crashed, Result::crash},
      {Outcome::timed_out, Result::timeout},   {Outcome::failed, Result::fail},
      {Outcome::out_of_bounds, Result::fail},  {Outcome::changed_input, Result::fail},
      {Outcome::not_written, Result::fail},    {Outcome::refused_but_wrote, Result::fail}};
  std::set<std::string> reasons;
  for (const auto& [outcome, result] : kExpected) {
    Trace t;
    t.outcome = outcome;
    t.detail = "its own words";
    const Verdict v = judge(t, answer_);
    EXPECT_EQ(v.result, result);
    EXPECT_TRUE(reasons.insert(v.reason).second) << v.reason << " is the name of two";
  }
}

TEST_F(Membership, APassThatProvesNothingIsHollow) {
  Contract sloppy = model_.contract(case_.problem, {});
  sloppy.unit = 0.2;
  EXPECT_EQ(judge(trace_, answer(case_.problem, in_, sloppy)).result, Result::hollow);
}

TEST(Hollow, APassWithNothingToCompareIsHollow) {
  Model<double> model;
  for (const auto& [line, result] : {std::pair{"tn1 n0c2 f32 stats=off run=T", Result::hollow},
                                     std::pair{"tn1 n0c2 f32 run=T", Result::pass},
                                     std::pair{"tn1 n1c2 f32 stats=off run=T", Result::pass}}) {
    const Case c = parse(line);
    const Inputs in = make_inputs(c);
    Trace t = model.play(c, in);
    for (StepTrace& step : t.steps) step.save_mean.clear(), step.save_invstd.clear();
    EXPECT_EQ(judge(t, answer(c.problem, in, model.contract(c.problem, {}))).result, result)
        << line;
  }
}

TEST(Overflow, AnInfIsRightWhereTheValueLeavesTheDtype) {
  const Case c = parse(
      "tn1 n4c2 f16 run=T mom=1 x=normal(0,30000) seed=1");  // variance about 9e8, far beyond f16
  const Inputs in = make_inputs(c);
  Model<double> model;
  const Answer a = answer(c.problem, in, model.contract(c.problem, {}));
  EXPECT_EQ(a.steps[0].running_var.kind[0], Kind::pos_inf);
  Trace t = model.play(c, in);
  EXPECT_EQ(t.steps[0].running_var[0], kInf);
  EXPECT_EQ(judge(t, a).result, Result::pass);
  t.steps[0].running_var[0] = 65504;
  EXPECT_EQ(judge(t, a).result, Result::fail);
}

TEST(Overflow, ABallThatPassesBothEndsTakesEitherInf) {
  const Case c = parse("tn1 n4c2 f16 run=T x=normal(0,1) seed=1");
  const Inputs in = make_inputs(c);
  Model<double> model;
  Answer a = answer(c.problem, in, model.contract(c.problem, {}));
  Trace t = model.play(c, in);
  for (const double inf : {kInf, -kInf}) {
    t.steps[0].y[0] = inf;
    EXPECT_EQ(judge(t, a).result, Result::fail);
    Answer wide = a;
    wide.steps[0].y.radius[0] = 1e6;
    EXPECT_EQ(judge(t, wide).result, Result::pass);
  }
}

}  // namespace
}  // namespace truenorm::oracle
