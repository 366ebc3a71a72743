// The life of a layer: defaults, setters, modes, counters, copies, states, and gradients that
// belong to the forward that was.
#include <gtest/gtest.h>

#include <cstring>
#include <utility>

#include "played.h"
#include "players/players.h"
#include "scene.h"

namespace truenorm::props {
namespace {

using oracle::Result;

constexpr std::int64_t kN = 3, kC = 5, kS = 7;

/// Numbers of no special kind, different for every `seed`.
std::vector<float> numbers(std::size_t count, std::uint32_t seed) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<float>((i * 2654435761u + std::size_t{seed} * 40503u) % 1013) / 256 - 1;
  return values;
}

std::vector<float> values_of(const ConstVector& v) {
  std::vector<float> values(v.present() ? static_cast<std::size_t>(v.size) : 0);
  if (!values.empty()) std::memcpy(values.data(), v.data, values.size() * sizeof(float));
  return values;
}

void assign(const Vector& v, const std::vector<float>& values) {
  ASSERT_EQ(static_cast<std::size_t>(v.size), values.size());
  std::memcpy(v.data, values.data(), values.size() * sizeof(float));
}

/// A batch of data and what the layer makes of it.
struct Batch {
  explicit Batch(std::uint32_t seed, std::int64_t n = kN)
      : batch(n),
        x(numbers(size(), seed)),
        y(size()),
        dy(numbers(size(), seed + 99)),
        dx(size()),
        dweight(kC),
        dbias(kC) {}

  std::size_t size() const { return static_cast<std::size_t>(batch * kC * kS); }
  Tensor view(std::vector<float>& v) const {
    return contiguous(v.data(), Dtype::f32, {batch, kC, kS});
  }
  static Vector vector(std::vector<float>& v) { return {v.data(), Dtype::f32, kC, 1}; }

  Status forward(BatchNorm& layer) { return layer.forward(context, view(x), view(y)); }
  Status backward(const BatchNorm& layer) {
    return layer.backward(context, view(dy), view(x), view(dx), vector(dweight), vector(dbias));
  }
  /// All three gradients, one after another.
  std::vector<float> gradients(const BatchNorm& layer) {
    EXPECT_TRUE(backward(layer).ok());
    std::vector<float> all = dx;
    all.insert(all.end(), dweight.begin(), dweight.end());
    all.insert(all.end(), dbias.begin(), dbias.end());
    return all;
  }

  Context context{1};
  std::int64_t batch;
  std::vector<float> x, y, dy, dx, dweight, dbias;
};

BatchNorm make_layer(BatchNormOptions options = {.num_features = kC}) {
  BatchNorm layer(options);
  if (layer.weight().present()) assign(layer.weight(), {2, -1, 0.5f, 3, 1});
  if (layer.bias().present()) assign(layer.bias(), {1, 0, -2, 0.25f, 4});
  return layer;
}

// ---- what a new layer is ----

TEST(Layer, HasTheDefaultsThatLibTorchUsersKnow) {
  const BatchNorm layer({.num_features = kC});
  EXPECT_TRUE(layer.status().ok());
  EXPECT_EQ(layer.options().eps, 1e-5);
  EXPECT_EQ(layer.options().momentum, 0.1);
  EXPECT_TRUE(layer.options().affine == Affine::both);
  EXPECT_TRUE(layer.options().track_running_stats);
  EXPECT_TRUE(layer.options().dtype == Dtype::f32);
  EXPECT_TRUE(layer.is_training());
  const std::vector<float> zeros(kC, 0), ones(kC, 1);
  EXPECT_EQ(values_of(layer.weight()), ones);
  EXPECT_EQ(values_of(layer.bias()), zeros);
  EXPECT_EQ(values_of(layer.running_mean()), zeros);
  EXPECT_EQ(values_of(layer.running_var()), ones);
  EXPECT_EQ(layer.num_batches_tracked(), 0);
  EXPECT_FALSE(layer.saved_mean().present());
  EXPECT_FALSE(layer.saved_invstd().present());
}

TEST(Layer, HasTheVectorsOfItsOptions) {
  for (const Affine affine : {Affine::none, Affine::weight, Affine::bias, Affine::both})
    for (const bool track : {false, true})
      for (const Dtype dtype : {Dtype::f32, Dtype::f64, Dtype::bf16, Dtype::f16}) {
        const BatchNorm layer(
            {.num_features = kC, .affine = affine, .track_running_stats = track, .dtype = dtype});
        EXPECT_EQ(layer.weight().present(), affine == Affine::weight || affine == Affine::both);
        EXPECT_EQ(layer.bias().present(), affine == Affine::bias || affine == Affine::both);
        EXPECT_EQ(layer.running_mean().present(), track);
        EXPECT_EQ(layer.running_var().present(), track);
        EXPECT_EQ(layer.num_batches_tracked().has_value(), track);
        for (const ConstVector& v :
             {layer.weight(), layer.bias(), layer.running_mean(), layer.running_var()})
          EXPECT_TRUE(!v.present() || (v.dtype == dtype && v.size == kC));
      }
}

// What a newcomer writes.
TEST(Layer, TakesTenLinesToUse) {
  std::vector<float> x(96), y(x.size()), dy(x.size(), 1), dx(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7);
  Context context(2);
  BatchNorm layer({.num_features = 3});
  const auto view = [](std::vector<float>& v) {
    return contiguous(v.data(), Dtype::f32, {2, 3, 4, 4});
  };
  ASSERT_TRUE(layer.forward(context, view(x), view(y)).ok());
  ASSERT_TRUE(layer.backward(context, view(dy), view(x), view(dx), {}, {}).ok());
  layer.eval();
  ASSERT_TRUE(layer.forward(context, view(x), view(x)).ok());
  EXPECT_NE(x, y);
}

TEST(Layer, OfNoFeaturesIsALayer) {
  BatchNorm layer({.num_features = 0});
  ASSERT_TRUE(layer.status().ok());
  EXPECT_TRUE(layer.running_mean().present());
  Context context;
  const Tensor none = contiguous(static_cast<void*>(nullptr), Dtype::f32, {4, 0, 3});
  EXPECT_TRUE(layer.forward(context, none, none).ok());
  EXPECT_EQ(layer.num_batches_tracked(), 1);
  EXPECT_TRUE(layer.load(layer.state()).ok());
}

TEST(Layer, SettersTakeEffectAtTheNextForward) {
  // Set before or made so: the same bits.
  BatchNorm made = make_layer({.num_features = kC, .eps = 0.5, .momentum = std::nullopt});
  BatchNorm set = make_layer();
  set.set_eps(0.5);
  set.set_momentum(std::nullopt);
  EXPECT_EQ(set.options().eps, 0.5);
  EXPECT_FALSE(set.options().momentum);
  Batch a(1), b(1);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(a.forward(made).ok());
    ASSERT_TRUE(b.forward(set).ok());
  }
  EXPECT_EQ(a.y, b.y);
  EXPECT_TRUE(bytes_of(made) == bytes_of(set));
}

TEST(Layer, EvaluationReadsTheRunningStatisticsAndWritesNothing) {
  BatchNorm layer = make_layer();
  Batch batch(1), other(2);
  ASSERT_TRUE(batch.forward(layer).ok());
  layer.eval();
  EXPECT_FALSE(layer.is_training());
  const auto mean = values_of(layer.running_mean()), var = values_of(layer.running_var());
  ASSERT_TRUE(other.forward(layer).ok());
  EXPECT_EQ(values_of(layer.running_mean()), mean);
  EXPECT_EQ(values_of(layer.running_var()), var);
  EXPECT_EQ(layer.num_batches_tracked(), 1);
  std::vector<float> y(other.y.size());
  Context context;
  ASSERT_TRUE(
      forward_inference(context, {other.view(other.x), layer.weight(), layer.bias(),
                                  layer.running_mean(), layer.running_var(), 1e-5, other.view(y)})
          .ok());
  EXPECT_EQ(other.y, y);
  layer.train();
  EXPECT_TRUE(layer.is_training());
}

// A value read by train() alone is not enough: LibTorch's factor is 1/n of the n-th batch.
TEST(Layer, CumulativeMomentumAveragesTheBatches) {
  BatchNorm layer = make_layer({.num_features = kC, .momentum = std::nullopt});
  std::vector<float> mean(kC, 0), var(kC, 1);
  Context context;
  for (std::uint32_t i = 1; i <= 4; ++i) {
    Batch batch(i);
    ASSERT_TRUE(batch.forward(layer).ok());
    EXPECT_EQ(layer.num_batches_tracked(), i);
    ASSERT_TRUE(forward_training(context, {batch.view(batch.x),
                                           {},
                                           {},
                                           Batch::vector(mean),
                                           Batch::vector(var),
                                           1.0 / i,
                                           1e-5,
                                           batch.view(batch.y),
                                           {},
                                           {}})
                    .ok());
    EXPECT_EQ(values_of(layer.running_mean()), mean) << i;
    EXPECT_EQ(values_of(layer.running_var()), var) << i;
  }
}

TEST(Layer, TogglingTheTrackingKeepsTheStatistics) {
  BatchNorm layer = make_layer();
  Batch batch(1), other(2);
  ASSERT_TRUE(batch.forward(layer).ok());
  const auto mean = values_of(layer.running_mean());
  layer.set_track_running_stats(false);
  ASSERT_TRUE(other.forward(layer).ok());
  const std::vector<float> trained = other.y;
  layer.eval();
  ASSERT_TRUE(other.forward(layer).ok());
  EXPECT_EQ(other.y, trained) << "without tracking both modes use the batch";
  EXPECT_TRUE(layer.reset_running_stats().ok());
  EXPECT_EQ(values_of(layer.running_mean()), mean) << "without tracking nothing is reset";
  EXPECT_EQ(layer.num_batches_tracked(), 1);
  layer.set_track_running_stats(true);
  ASSERT_TRUE(other.forward(layer).ok());
  EXPECT_NE(other.y, trained) << "with tracking evaluation uses the running statistics";
}

TEST(Layer, ResetsGiveBackTheBeginning) {
  BatchNorm layer = make_layer();
  Batch batch(1);
  ASSERT_TRUE(batch.forward(layer).ok());
  const auto weight = values_of(layer.weight());
  ASSERT_TRUE(layer.reset_running_stats().ok());
  EXPECT_EQ(values_of(layer.running_mean()), std::vector<float>(kC, 0));
  EXPECT_EQ(values_of(layer.running_var()), std::vector<float>(kC, 1));
  EXPECT_EQ(layer.num_batches_tracked(), 0);
  EXPECT_EQ(values_of(layer.weight()), weight);
  ASSERT_TRUE(layer.reset_parameters().ok());
  EXPECT_EQ(values_of(layer.weight()), std::vector<float>(kC, 1));
  EXPECT_EQ(values_of(layer.bias()), std::vector<float>(kC, 0));
}

TEST(Layer, AnEmptyBatchIsCountedAndChangesNothingElse) {
  BatchNorm layer = make_layer();
  Batch batch(1), empty(2, 0);
  ASSERT_TRUE(batch.forward(layer).ok());
  const auto mean = values_of(layer.running_mean()), var = values_of(layer.running_var());
  ASSERT_TRUE(empty.forward(layer).ok());
  EXPECT_EQ(layer.num_batches_tracked(), 2);
  EXPECT_EQ(values_of(layer.running_mean()), mean);
  EXPECT_EQ(values_of(layer.running_var()), var);
  empty.dweight = empty.dbias = std::vector<float>(kC, 7);
  ASSERT_TRUE(empty.backward(layer).ok()) << "the last forward is the empty one";
  EXPECT_EQ(empty.dweight, std::vector<float>(kC, 0));
  EXPECT_EQ(empty.dbias, std::vector<float>(kC, 0));
  EXPECT_EQ(batch.backward(layer), (Status{Code::shape_mismatch, Argument::x}));
}

// ---- copies ----

TEST(Layer, CopiesAreIndependent) {
  BatchNorm layer = make_layer();
  Batch batch(1), other(2);
  ASSERT_TRUE(batch.forward(layer).ok());
  BatchNorm copy = layer;
  EXPECT_TRUE(bytes_of(copy) == bytes_of(layer));
  EXPECT_EQ(batch.gradients(copy), batch.gradients(layer)) << "a copy knows the last forward";
  const auto before = bytes_of(layer);
  assign(copy.weight(), std::vector<float>(kC, 9));
  copy.set_momentum(0.5);
  copy.eval();
  ASSERT_TRUE(other.forward(copy).ok());
  ASSERT_TRUE(copy.reset_running_stats().ok());
  EXPECT_TRUE(bytes_of(layer) == before);
  BatchNorm assigned({.num_features = 2, .dtype = Dtype::f64});
  assigned = layer;
  EXPECT_TRUE(bytes_of(assigned) == before);
  const BatchNorm& same = assigned;
  assigned = same;
  EXPECT_TRUE(bytes_of(assigned) == before) << "assigned to itself";
}

TEST(Layer, MovesTakeEverything) {
  BatchNorm layer = make_layer();
  Batch batch(1);
  ASSERT_TRUE(batch.forward(layer).ok());
  const auto before = bytes_of(layer);
  const auto gradients = batch.gradients(layer);
  BatchNorm moved = std::move(layer);
  EXPECT_TRUE(bytes_of(moved) == before);
  BatchNorm again({.num_features = 1});
  again = std::move(moved);
  EXPECT_TRUE(bytes_of(again) == before);
  EXPECT_EQ(batch.gradients(again), gradients);
  moved = make_layer();
  EXPECT_TRUE(batch.forward(moved).ok()) << "a layer that was moved from may be assigned to";
}

// ---- states ----

TEST(Layer, AStateGoesIntoAnotherLayer) {
  BatchNorm layer = make_layer(), other({.num_features = kC, .eps = 0.25});
  Batch batch(1);
  ASSERT_TRUE(batch.forward(layer).ok());
  ASSERT_TRUE(other.load(layer.state()).ok());
  EXPECT_EQ(values_of(other.weight()), values_of(layer.weight()));
  EXPECT_EQ(values_of(other.bias()), values_of(layer.bias()));
  EXPECT_EQ(values_of(other.running_mean()), values_of(layer.running_mean()));
  EXPECT_EQ(values_of(other.running_var()), values_of(layer.running_var()));
  EXPECT_EQ(other.num_batches_tracked(), 1);
  EXPECT_EQ(other.options().eps, 0.25) << "options are no part of a state";
  const auto before = bytes_of(layer);
  ASSERT_TRUE(layer.load(layer.state()).ok());
  EXPECT_TRUE(bytes_of(layer) == before) << "its own state";
}

TEST(Layer, LoadsItsOwnValuesInAnotherOrder) {
  BatchNorm layer = make_layer();
  const auto weight = values_of(layer.weight()), bias = values_of(layer.bias());
  const void* const place = layer.weight().data;
  State state = layer.state();
  std::swap(state.weight, state.bias);
  ASSERT_TRUE(layer.load(state).ok());
  EXPECT_EQ(values_of(layer.weight()), bias);
  EXPECT_EQ(values_of(layer.bias()), weight);
  EXPECT_EQ(layer.weight().data, place) << "views stay valid";
  std::swap(state.weight, state.bias);
  state.weight.stride = 0;
  ASSERT_TRUE(layer.load(state).ok());
  EXPECT_EQ(values_of(layer.weight()), std::vector<float>(kC, bias[0]));
}

TEST(Layer, LoadingTakesWhatTheLayerHasFromAnyStride) {
  BatchNorm layer({.num_features = kC, .affine = Affine::weight, .track_running_stats = false});
  std::vector<float> spread(3 * kC, -1);
  for (std::size_t c = 0; c < kC; ++c) spread[3 * c] = static_cast<float>(c) + 0.5f;
  State state;
  state.weight = {spread.data(), Dtype::f32, kC, 3};
  state.bias = {spread.data(), Dtype::f64, 77, -1};  // not the layer's business
  state.num_batches_tracked = 5;
  ASSERT_TRUE(layer.load(state).ok());
  EXPECT_EQ(values_of(layer.weight()), (std::vector<float>{0.5f, 1.5f, 2.5f, 3.5f, 4.5f}));
  EXPECT_FALSE(layer.num_batches_tracked());
}

// ---- gradients ----

using Disturb = void (*)(BatchNorm&);

// Whatever happens to the layer since: the gradient is that of the forward that was.
TEST(Layer, GradientsBelongToTheForwardThatWas) {
  const std::vector<Disturb> disturbances{
      [](BatchNorm& l) { EXPECT_TRUE(l.reset_running_stats().ok()); },
      [](BatchNorm& l) { EXPECT_TRUE(l.reset_parameters().ok()); },
      [](BatchNorm& l) { assign(l.weight(), std::vector<float>(kC, 100)); },
      [](BatchNorm& l) { assign(l.running_var(), std::vector<float>(kC, 100)); },
      [](BatchNorm& l) { EXPECT_TRUE(l.load(BatchNorm({.num_features = kC}).state()).ok()); },
      [](BatchNorm& l) { l.set_eps(3); },
      [](BatchNorm& l) { l.set_track_running_stats(false); },
      [](BatchNorm& l) { l.train(!l.is_training()); },
      [](BatchNorm& l) {  // a refused forward is none
        Batch other(7);
        EXPECT_FALSE(l.forward(other.context, other.view(other.x), {}).ok());
      }};
  for (const bool training : {true, false})
    for (std::size_t i = 0; i < disturbances.size(); ++i) {
      BatchNorm layer = make_layer();
      Batch first(1), batch(2);
      ASSERT_TRUE(first.forward(layer).ok());
      layer.train(training);
      ASSERT_TRUE(batch.forward(layer).ok());
      const auto want = batch.gradients(layer);
      EXPECT_EQ(batch.gradients(layer), want) << "asked again";
      disturbances[i](layer);
      EXPECT_EQ(batch.gradients(layer), want) << "disturbance " << i << ", training " << training;
    }
}

TEST(Layer, ModesOfTheForwardDecideTheGradient) {
  BatchNorm layer = make_layer();
  Batch first(1), batch(2);
  ASSERT_TRUE(first.forward(layer).ok());
  ASSERT_TRUE(batch.forward(layer).ok());
  const auto trained = batch.gradients(layer);
  layer.eval();
  EXPECT_EQ(batch.gradients(layer), trained) << "the mode alone changes nothing";
  ASSERT_TRUE(batch.forward(layer).ok());
  EXPECT_NE(batch.gradients(layer), trained);
}

TEST(Layer, AnySubsetOfGradientsIsTheSameBits) {
  for (const bool training : {true, false}) {
    BatchNorm layer = make_layer();
    Batch all(1);
    ASSERT_TRUE(all.forward(layer).ok());
    layer.train(training);
    ASSERT_TRUE(all.forward(layer).ok());
    ASSERT_TRUE(all.backward(layer).ok());
    for (int subset = 0; subset < 8; ++subset) {
      Batch some(1);
      const Tensor dx = subset & 1 ? some.view(some.dx) : Tensor{};
      const Vector dweight = subset & 2 ? Batch::vector(some.dweight) : Vector{};
      const Vector dbias = subset & 4 ? Batch::vector(some.dbias) : Vector{};
      ASSERT_TRUE(
          layer.backward(some.context, some.view(some.dy), some.view(some.x), dx, dweight, dbias)
              .ok());
      EXPECT_EQ(some.dx, subset & 1 ? all.dx : std::vector<float>(all.dx.size())) << subset;
      EXPECT_EQ(some.dweight, subset & 2 ? all.dweight : std::vector<float>(kC)) << subset;
      EXPECT_EQ(some.dbias, subset & 4 ? all.dbias : std::vector<float>(kC)) << subset;
    }
  }
}

// ---- numbers, by the judge ----

TEST(Layer, LivesAreJudged) {
  const auto player = oracle::make_truenorm();
  for (const std::string_view line : {
           "tn1 n4c3s5 f32 mom=cum x=normal(3,2) run=TT@6T@2TE seed=1",
           "tn1 n4c3s5 f32 x=normal(3,2) run=T-TBE+TE seed=2",
           "tn1 n4c3s5 f64 x=normal(3,2) run=TRBTE seed=3",
           "tn1 n4c3s5 bf16/f32 x=normal(3,2) run=TPBTB seed=4",
           "tn1 n4c3s5 f32 x=normal(3,2) run=TSBET@0BTE seed=5",
           "tn1 n4c3s5 f16 stats=off x=normal(3,2) run=TBEB+TB seed=6",
           "tn1 n4c3s5 f32 affine=none x=normal(3,2) run=TEBB seed=7",
           "tn1 n4c3s5 f32 affine=b mom=1 x=normal(3,2) run=TEBB seed=8",
           "tn1 n4c3s5 f32 mom=-0.5 x=normal(3,2) run=TTEB seed=9",
       })
    for (const oracle::Exec& exec : oracle::standard_execs(oracle::parse(line).problem)) {
      const oracle::Case c{oracle::parse(line).problem, exec};
      const oracle::Verdict v = oracle::verdict_of(*player, c);
      EXPECT_TRUE(v.result == Result::pass) << oracle::report(c, v);
    }
}

}  // namespace
}  // namespace truenorm::props
