// Batch renormalization as the layer and the functions have it: the numbers of Ioffe's Algorithm 1 by
// hand, bounds at both ends, and what a layer remembers. props.conformance judges it at large.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "played.h"
#include "players/players.h"
#include "scene.h"

namespace truenorm::props {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// One channel of two values, mean 2 and variance 4, in numbers that nothing rounds.
struct Pair {
  std::array<double, 2> x{0, 4}, y{}, dy{1, 3}, dx{};
  double weight = 3, bias = 1, mean = 0, var = 1, save_mean = 0, save_invstd = 0;
  double r = kNaN, d = kNaN, dweight = 0, dbias = 0;
  double eps = 0;
  Context context{1};

  static Vector vector(double& v) { return {&v, Dtype::f64, 1, 1}; }
  static Tensor tensor(std::array<double, 2>& v) {
    return contiguous(v.data(), Dtype::f64, {2, 1});
  }
  Status forward(const std::optional<Renorm>& renorm) {
    return forward_training(context, {.x = tensor(x),
                                      .weight = vector(weight),
                                      .bias = vector(bias),
                                      .running_mean = vector(mean),
                                      .running_var = vector(var),
                                      .factor = 0.5,
                                      .eps = eps,
                                      .y = tensor(y),
                                      .save_mean = vector(save_mean),
                                      .save_invstd = vector(save_invstd),
                                      .renorm = renorm,
                                      .save_r = vector(r),
                                      .save_d = vector(d)});
  }
  Status backward() {
    return backward_training(context, {.dy = tensor(dy),
                                       .x = tensor(x),
                                       .weight = vector(weight),
                                       .save_mean = vector(save_mean),
                                       .save_invstd = vector(save_invstd),
                                       .dx = tensor(dx),
                                       .dweight = vector(dweight),
                                       .dbias = vector(dbias),
                                       .save_r = vector(r),
                                       .save_d = vector(d)});
  }
};

// Unclipped, training normalizes by the running statistics: y = (x - 0)/1*3 + 1.
TEST(Renorm, IsTheRunningStatisticsNormalizationWhereNothingIsClipped) {
  Pair p;
  ASSERT_TRUE(p.forward(Renorm{kInf, kInf}).ok());
  EXPECT_EQ(p.r, 2);
  EXPECT_EQ(p.d, 2);
  EXPECT_EQ(p.y, (std::array<double, 2>{1, 13}));
  EXPECT_EQ(p.mean, 1) << "updated as ever";
  EXPECT_EQ(p.var, 4.5) << "by the unbiased variance 8";
}

// r and d at either end, by the statistics that were there before.
TEST(Renorm, ClipsAtBothEnds) {
  struct Row {
    double running_mean, running_var;
    Renorm bounds;
    double r, d;
  };
  for (const Row& row :
       {Row{0, 1, {3, 5}, 2, 2}, Row{0, 1, {1.5, 5}, 1.5, 2}, Row{0, 1, {3, 0.5}, 2, 0.5},
        Row{10, 1, {3, 0.5}, 2, -0.5}, Row{10, 1, {3, 5}, 2, -5}, Row{0, 64, {2, 5}, 0.5, 0.25},
        Row{0, 64, {8, 0}, 0.25, 0}, Row{2, 4, {3, 5}, 1, 0}, Row{kInf, 1, {3, 5}, 2, -5},
        Row{0, kInf, {4, 5}, 0.25, 0}, Row{0, 0, {3, 5}, 3, 5}, Row{0, kInf, {kInf, 5}, 0, 0}}) {
    Pair p;
    p.mean = row.running_mean;
    p.var = row.running_var;
    ASSERT_TRUE(p.forward(row.bounds).ok());
    EXPECT_EQ(p.r, row.r) << row.running_mean << " " << row.running_var;
    EXPECT_EQ(p.d, row.d) << row.running_mean << " " << row.running_var;
    for (std::size_t i = 0; i < 2; ++i)
      EXPECT_EQ(p.y[i], ((p.x[i] - 2) / 2 * row.r + row.d) * 3 + 1);
  }
}

// NaN is not clipped to a bound that would hide it.
TEST(Renorm, NaNStays) {
  for (const auto& [mean, var] : {std::pair{kNaN, 1.0}, {0.0, kNaN}, {0.0, -1.0}, {2.0, 0.0}}) {
    Pair p;
    p.mean = mean;
    p.var = var;
    ASSERT_TRUE(p.forward(Renorm{}).ok());
    EXPECT_TRUE(std::isnan(p.r) || std::isnan(p.d));
    EXPECT_TRUE(std::isnan(p.y[0]) && std::isnan(p.y[1])) << mean << " " << var;
    ASSERT_TRUE(p.backward().ok());
    EXPECT_EQ(p.dbias, 4);
  }
}

// A batch without variance, and no eps: invstd is 0, and y = d*weight + bias.
TEST(Renorm, OfAConstantIsItsDistance) {
  Pair p;
  p.x = {2, 2};
  ASSERT_TRUE(p.forward(Renorm{4, 5}).ok());
  EXPECT_EQ(p.r, 0.25);
  EXPECT_EQ(p.y, (std::array<double, 2>{7, 7}));
  ASSERT_TRUE(p.backward().ok());
  EXPECT_EQ(p.dx, (std::array<double, 2>{0, 0}));
  EXPECT_EQ(p.dweight, 8) << "d*sum(dy)";
}

// r and d are constants: dx is the ordinary one times r, dweight takes d*sum(dy), dbias is as ever.
// With three values, for of two dx is always 0.
TEST(Renorm, GradientsTakeRAndDAsConstants) {
  std::array<double, 3> x{-2, 0, 2}, dy{3, 6, 6}, plain{}, dx{};
  double weight = 2, mean = 0, invstd = 0.5, r = 4, d = -3, dweight = 0, dbias = 0;
  const auto tensor = [](std::array<double, 3>& v) {
    return contiguous(v.data(), Dtype::f64, {3, 1});
  };
  const auto vector = Pair::vector;
  Context context(1);
  BackwardTraining args{tensor(dy),     tensor(x),     vector(weight),  vector(mean),
                        vector(invstd), tensor(plain), vector(dweight), vector(dbias)};
  ASSERT_TRUE(backward_training(context, args).ok());
  EXPECT_EQ(dweight, 3);
  EXPECT_EQ(dbias, 15);
  args.dx = tensor(dx);
  args.save_r = vector(r);
  args.save_d = vector(d);
  ASSERT_TRUE(backward_training(context, args).ok());
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(dx[i], 4 * plain[i]) << i;
  EXPECT_NE(dx[0], 0);
  EXPECT_EQ(dweight, 3 * 4 - 3 * 15);
  EXPECT_EQ(dbias, 15);
}

TEST(Renorm, WithoutItRIsOneAndDIsZero) {
  Pair p, same;
  ASSERT_TRUE(p.forward(std::nullopt).ok());
  EXPECT_EQ(p.r, 1);
  EXPECT_EQ(p.d, 0);
  ASSERT_TRUE(same.forward(Renorm{1, 0}).ok());
  EXPECT_EQ(p.y, same.y);
}

// Where r and d are not NaN, which these running statistics see to.
TEST(Renorm, BoundsOfOneAndZeroGiveTheOrdinaryBits) {
  const auto player = oracle::make_truenorm();
  std::size_t differ = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    oracle::Case c = oracle::sample(13, i);
    oracle::Problem& p = c.problem;
    p.run = oracle::parse("tn1 run=TB").problem.run;
    p.rm = {oracle::DistKind::normal, 0, 1, {}};
    p.rv = {oracle::DistKind::uniform, 0.5, 2, {}};
    p.eps = std::abs(p.eps);
    const oracle::Inputs inputs = oracle::make_inputs(c);
    const auto trace = [&](std::optional<oracle::Renorm> renorm) {
      p.renorm = renorm;
      return player->play(c, inputs);
    };
    const oracle::Trace plain = trace(std::nullopt);
    EXPECT_EQ(oracle::difference(trace(oracle::Renorm{1, 0}), plain), "") << oracle::print(c);
    differ += oracle::difference(trace(oracle::Renorm{1.5, 0.5}), plain).empty() ? 0 : 1;
  }
  EXPECT_GT(differ, 1000U) << "other bounds show";
}

// ---- the layer ----

constexpr std::int64_t kN = 4, kC = 3;

struct Batch {
  std::array<float, kN * kC> x{}, y{}, dy{}, dx{};
  std::array<float, kC> dweight{}, dbias{};
  Context context{1};

  explicit Batch(float scale) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = scale * static_cast<float>(i * 7 % 12) + 1;
      dy[i] = static_cast<float>(i * 5 % 12) - 4;
    }
  }
  static Tensor view(std::array<float, kN * kC>& v) {
    return contiguous(v.data(), Dtype::f32, {kN, kC});
  }
  static Vector view(std::array<float, kC>& v) { return {v.data(), Dtype::f32, kC, 1}; }
  bool forward(BatchNorm& layer) { return layer.forward(context, view(x), view(y)).ok(); }
  /// dx, dweight and dbias, one after another.
  std::vector<float> gradient(const BatchNorm& layer) {
    EXPECT_TRUE(
        layer.backward(context, view(dy), view(x), view(dx), view(dweight), view(dbias)).ok());
    std::vector<float> all(dx.begin(), dx.end());
    all.insert(all.end(), dweight.begin(), dweight.end());
    all.insert(all.end(), dbias.begin(), dbias.end());
    return all;
  }
};

BatchNormOptions options(std::optional<Renorm> renorm) {
  return {.num_features = kC, .renorm = renorm};
}

TEST(RenormLayer, IsOffUnlessAskedFor) {
  EXPECT_FALSE(BatchNormOptions{}.renorm);
  BatchNorm layer({.num_features = kC});
  Batch batch(2);
  ASSERT_TRUE(batch.forward(layer));
  EXPECT_FALSE(layer.saved_r().present());
  EXPECT_FALSE(layer.saved_d().present());
  EXPECT_EQ(Renorm{}.r_max, 3);
  EXPECT_EQ(Renorm{}.d_max, 5);
}

TEST(RenormLayer, OptionAndSetterAreOne) {
  BatchNorm made(options(Renorm{2, 1})), set(options(std::nullopt)), plain(options(std::nullopt));
  ASSERT_TRUE(set.set_renorm(Renorm{2, 1}).ok());
  Batch one(5), other(5), ordinary(5);
  ASSERT_TRUE(one.forward(made) && other.forward(set) && ordinary.forward(plain));
  EXPECT_TRUE(bytes_of(made) == bytes_of(set));
  EXPECT_EQ(one.y, other.y);
  EXPECT_NE(one.y, ordinary.y);
  EXPECT_EQ(one.gradient(made), other.gradient(set));
  ASSERT_TRUE(set.set_renorm(std::nullopt).ok());
  EXPECT_EQ(other.gradient(set), one.gradient(made)) << "the forward that was had it";
  ASSERT_TRUE(other.forward(set));
  EXPECT_FALSE(set.saved_r().present());
}

TEST(RenormLayer, TheSetterTakesNoBadBounds) {
  BatchNorm layer({.num_features = 4, .renorm = Renorm{2, 1}});
  const auto before = bytes_of(layer);
  for (const auto& [what, bounds] : kBadBounds) {
    EXPECT_EQ(layer.set_renorm(bounds), (Status{Code::bad_value, Argument::renorm})) << what;
    EXPECT_TRUE(bytes_of(layer) == before) << what;
  }
  BatchNorm broken({.num_features = -1});
  EXPECT_EQ(broken.set_renorm(Renorm{}), broken.status());
  EXPECT_FALSE(broken.options().renorm);
}

// Without running statistics in use there is nothing to renormalize by.
TEST(RenormLayer, WithoutTrackingItIsOrdinary) {
  BatchNorm never({.num_features = kC, .track_running_stats = false, .renorm = Renorm{}});
  BatchNorm later(options(Renorm{})), plain(options(std::nullopt));
  later.set_track_running_stats(false);
  Batch expected(5);
  ASSERT_TRUE(expected.forward(plain));
  for (BatchNorm* layer : {&never, &later}) {
    Batch batch(5);
    ASSERT_TRUE(batch.forward(*layer));
    EXPECT_EQ(batch.y, expected.y);
    EXPECT_FALSE(layer->saved_r().present());
    EXPECT_EQ(batch.gradient(*layer), expected.gradient(plain));
  }
}

TEST(RenormLayer, EvaluationIsAsEver) {
  BatchNorm layer(options(Renorm{})), plain(options(std::nullopt));
  Batch first(5), same(5);
  ASSERT_TRUE(first.forward(layer) && same.forward(plain));
  layer.eval();
  plain.eval();
  ASSERT_TRUE(first.forward(layer) && same.forward(plain));
  EXPECT_EQ(first.y, same.y) << "and so the running statistics were updated alike";
  EXPECT_EQ(first.gradient(layer), same.gradient(plain));
  EXPECT_FALSE(layer.saved_r().present());
}

TEST(RenormLayer, CopiesAndMovesCarryRAndD) {
  BatchNorm layer(options(Renorm{2, 1}));
  Batch batch(5);
  ASSERT_TRUE(batch.forward(layer));
  const auto gradient = batch.gradient(layer);
  BatchNorm copy = layer;
  Batch other(-3);
  ASSERT_TRUE(other.forward(layer));
  EXPECT_EQ(batch.gradient(copy), gradient);
  BatchNorm assigned({.num_features = 1});
  assigned = copy;
  EXPECT_EQ(batch.gradient(assigned), gradient);
  BatchNorm moved = std::move(copy);
  EXPECT_EQ(batch.gradient(moved), gradient);
  EXPECT_TRUE(bytes_of(moved) == bytes_of(assigned));
}

}  // namespace
}  // namespace truenorm::props
