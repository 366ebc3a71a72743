// Folding, without LibTorch: every folded parameter and every output in its ball, in all dtypes and
// layouts; wrong foldings are convicted; refusals.
#include <gtest/gtest.h>

#include "fold_rows.h"
#include "scene.h"

namespace truenorm::props {
namespace {

constexpr std::array<oracle::Dtype, 4> kDtypesOfAll{oracle::Dtype::f32, oracle::Dtype::f64,
                                                    oracle::Dtype::bf16, oracle::Dtype::f16};

TEST(Fold, LiesInItsBallsInEveryDtype) {
  std::size_t edges = 0;  // cases of which some parameter comes near the edge of its ball
  for (const Convolution& layer : layers_to_fold())
    for (const auto of_layer : kDtypesOfAll)
      for (const auto of_norm : kDtypesOfAll)
        for (const auto of_folded : kDtypesOfAll)
          for (const bool bias : {false, true}) {
            const Folded f(layer, {of_layer, of_norm, of_folded}, bias, edges + 7);
            ASSERT_TRUE(f.status.ok()) << layer.name << ": " << f.status.message();
            const FoldedAnswer answer(f);
            const std::string where =
                std::string(layer.name) + " " + std::string(oracle::name(of_layer)) + ", " +
                std::string(oracle::name(of_norm)) + " to " + std::string(oracle::name(of_folded));
            ASSERT_LE(answer.worst_parameter(f), 1) << where;
            edges += answer.worst_parameter(f) > 0.5;
            for (const FoldedOutput& o : answer.outputs)
              ASSERT_LE(o.distance(), o.radius()) << where << ", channel " << o.channel;
          }
  EXPECT_GT(edges, layers_to_fold().size() * 128 / 2) << "the balls are too wide";
}

/// A folding that is wrong: its weight and bias from (k, c, mean, var, gain, shift).
struct Wrong {
  const char* what;
  double (*weight)(double k, double var, double gain);
  double (*bias)(double c, double mean, double var, double gain, double shift);
};

double right_weight(double k, double var, double gain) { return k * gain / std::sqrt(var + 1e-5); }
double right_bias(double c, double mean, double var, double gain, double shift) {
  return right_weight(c - mean, var, gain) + shift;
}

TEST(Fold, IsConvictedWhenWrong) {
  const std::vector<Wrong> all{
      {"weight in float",
       [](double k, double var, double gain) {
         const float a = static_cast<float>(gain) / std::sqrt(static_cast<float>(var) + 1e-5f);
         return static_cast<double>(static_cast<float>(k) * a);
       },
       right_bias},
      {"weight without eps",
       [](double k, double var, double gain) { return k * gain / std::sqrt(var); }, right_bias},
      {"weight without gain", [](double k, double var, double) { return right_weight(k, var, 1); },
       right_bias},
      {"bias without mean", right_weight,
       [](double c, double, double var, double gain, double shift) {
         return right_bias(c, 0, var, gain, shift);
       }},
      {"bias of the layer not scaled", right_weight,
       [](double c, double mean, double var, double gain, double shift) {
         return c + right_bias(0, mean, var, gain, shift);
       }}};
  for (const Wrong& wrong : all) {
    Folded f(layers_to_fold()[2], {}, true, 3);
    const auto per_channel = f.weight.size() / f.mean.size();
    for (std::size_t i = 0; i < f.weight.size(); ++i)
      f.folded_weight[i] = oracle::round_to(
          f.dtypes.folded,
          wrong.weight(f.weight[i], f.var[i / per_channel], f.gain[i / per_channel]));
    for (std::size_t c = 0; c < f.mean.size(); ++c)
      f.folded_bias[c] = oracle::round_to(
          f.dtypes.folded, wrong.bias(f.bias[c], f.mean[c], f.var[c], f.gain[c], f.shift[c]));
    EXPECT_FALSE(FoldedAnswer(f).worst_parameter(f) <= 1) << wrong.what;
  }
  // Channels counted wrongly: the transposed convolution's as if it had one group.
  Folded f(layers_to_fold()[8], {}, true, 3);
  ASSERT_EQ(f.layer.groups, 2);
  std::swap_ranges(f.folded_weight.begin(),
                   f.folded_weight.begin() + static_cast<std::ptrdiff_t>(f.weight.size() / 2),
                   f.folded_weight.begin() + static_cast<std::ptrdiff_t>(f.weight.size() / 2));
  const FoldedAnswer answer(f);
  EXPECT_FALSE(answer.worst_parameter(f) <= 1);
  EXPECT_GT(answer.worst_output().distance(), answer.worst_output().radius());
}

TEST(Fold, StridesDoNotChangeABit) {
  for (const Convolution& layer : layers_to_fold()) {
    const Folded dense(layer, {}, true, 5), strided(layer, {}, true, 5, 3);
    ASSERT_TRUE(strided.status.ok());
    EXPECT_EQ(dense.folded_weight, strided.folded_weight) << layer.name;
    EXPECT_EQ(dense.folded_bias, strided.folded_bias) << layer.name;
  }
}

TEST(Fold, InPlaceIsTheSameAndNothingElseChanges) {
  FoldScene apart, in_place;
  const auto norm = bytes_of(apart.norm), weight = apart.weight.bytes, bias = apart.bias.bytes;
  ASSERT_TRUE(fold(apart.norm, apart.args).ok());
  EXPECT_TRUE(bytes_of(apart.norm) == norm);
  EXPECT_TRUE(apart.weight.bytes == weight);
  EXPECT_TRUE(apart.bias.bytes == bias);
  in_place.args.folded_weight.data = in_place.weight.bytes.data();
  in_place.args.folded_bias.data = in_place.bias.bytes.data();
  ASSERT_TRUE(fold(in_place.norm, in_place.args).ok());
  EXPECT_EQ(in_place.weight.values(60), apart.folded_weight.values(60));
  EXPECT_EQ(in_place.bias.values(6), apart.folded_bias.values(6));
  EXPECT_FALSE(in_place.weight.bytes == weight);
}

// One bias for all channels, which is a weight as well.
TEST(Fold, InputsMayShareMemory) {
  FoldScene shared, apart;
  shared.args.bias.data = shared.weight.bytes.data();
  shared.args.bias.stride = 0;
  const std::vector<double> first(6, apart.weight.values(1)[0]);
  Memory copies(first, oracle::Dtype::f32);
  apart.args.bias = copies.vector(6);
  const Status status = fold(shared.norm, shared.args);
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_TRUE(fold(apart.norm, apart.args).ok());
  EXPECT_EQ(shared.folded_bias.values(6), apart.folded_bias.values(6));
  EXPECT_EQ(shared.folded_weight.values(60), apart.folded_weight.values(60));
}

TEST(Fold, TakesALayerWithoutInputsOrOutputs) {
  FoldScene scene;
  scene.args.weight = scene.weight.tensor({0, 3, 5});
  scene.args.folded_weight = scene.folded_weight.tensor({0, 3, 5});
  ASSERT_TRUE(fold(scene.norm, scene.args).ok());
  EXPECT_NE(scene.folded_bias.values(6), std::vector<double>(6)) << "the bias is still there";
  // Nothing is done for each of the rows, which would take years.
  constexpr std::int64_t kMany = std::int64_t{1} << 60;
  for (const bool no_columns : {true, false}) {
    FoldScene many;
    if (no_columns) many.norm = BatchNorm({.num_features = 0});
    for (auto* size : {&many.args.weight.size, &many.args.folded_weight.size})
      *size = {kMany, no_columns ? 0 : 3, no_columns ? 5 : 0};
    if (no_columns) many.args.bias.size = many.args.folded_bias.size = 0;
    EXPECT_TRUE(fold(many.norm, many.args).ok());
  }
  scene.norm = BatchNorm({.num_features = 0});
  scene.args.weight = scene.weight.tensor({4, 0});
  scene.args.folded_weight = scene.folded_weight.tensor({4, 0});
  scene.args.bias.size = scene.args.folded_bias.size = 0;
  EXPECT_TRUE(fold(scene.norm, scene.args).ok());
}

TEST(Fold, IsRefusedWithItsReasonAndWritesNothing) {
  for (const FoldRow& row : fold_rows()) {
    FoldScene s;
    row.spoil(s);
    const auto norm = bytes_of(s.norm);
    const std::array before{s.weight.bytes, s.bias.bytes, s.folded_weight.bytes,
                            s.folded_bias.bytes};
    const Status got = fold(s.norm, s.args);
    EXPECT_EQ(got, row.expected) << row.what << ": " << got.message();
    EXPECT_TRUE(bytes_of(s.norm) == norm) << row.what;
    const std::array after{s.weight.bytes, s.bias.bytes, s.folded_weight.bytes,
                           s.folded_bias.bytes};
    EXPECT_TRUE(before == after) << row.what << ": something was written";
  }
}

}  // namespace
}  // namespace truenorm::props
