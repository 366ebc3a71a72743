// Questions that people ask about BatchNorm, one test each. The numbers are those of
// docs/semantics.md, section by section: exact middles, inside whose balls Truenorm and LibTorch
// have to lie, each by its own contract.
#include <gtest/gtest.h>
#include <truenorm/training_mode.h>

#include <array>
#include <cmath>

#include "folding.h"
#include "forum.h"
#include "torch.h"

namespace truenorm::props {
namespace {

using oracle::Case;
using oracle::Result;
using oracle::StepAnswer;
using oracle::StepTrace;

/// n values 0, 1, 0, 1 ... of one channel in f32.
std::string zero_one(int n, const std::string& rest) {
  return "tn1 n" + std::to_string(n) + "c1 f32 affine=none x=bits(000000000000803f) " + rest;
}

// ---- 1 ----

TEST(Forum, Q1_TrainingAndEvaluationDiffer) {
  std::vector<std::string> rows;
  for (const int steps : {1, 10, 50, 51}) {
    const std::string line = zero_one(2, "run=T*" + std::to_string(steps) + "E");
    const auto right = exact(line);
    const StepAnswer &trained = right[right.size() - 2], &evaluated = right.back();
    rows.push_back(
        row({std::to_string(steps), list(trained.y.mid), fixed(trained.running_mean.mid[0]),
             fixed(trained.running_var.mid[0]), list(evaluated.y.mid), quoted(line)}));
  }
  for (const int n : {2, 8, 64, 4096}) {
    const std::string line = zero_one(n, "mom=1 run=TE");
    const auto right = exact(line);
    const double trained = right[0].y.mid[1], evaluated = right[1].y.mid[1];
    rows.push_back(row({std::to_string(n), fixed(trained), fixed(right[1].running_var.mid[0]),
                        fixed(evaluated), number("%.5f", trained * trained / evaluated / evaluated),
                        number("%.5f", n / (n - 1.0)), quoted(line)}));
  }
  expect_rows(1, rows);
}

// ---- 2 ----

TEST(Forum, Q2_AFreshLayerInEvaluationIsNotTheIdentity) {
  std::vector<std::string> rows;
  for (const char* bits : {"6c8fd33e", "0000803f", "00007a44"}) {
    const std::string line =
        std::string("tn1 n1c1 f32 w=const(1) b=const(0) x=bits(") + bits + ") run=E";
    const Case c = oracle::with_exec(line);
    const Answers a = play(line);
    const double y = a.right[0].y.mid[0];
    rows.push_back(row({number("%.10g", oracle::make_inputs(c).step[0][0]), number("%.10g", y),
                        number("%.10g", oracle::round_to(oracle::Dtype::f32, y)), quoted(line)}));
    for (const StepTrace& step : {a.truenorm.steps[0], a.libtorch.steps[0]}) {
      EXPECT_EQ(step.running_mean, std::vector<double>{0});
      EXPECT_EQ(step.running_var, std::vector<double>{1});
      EXPECT_EQ(step.num_batches_tracked, 0);
    }
  }
  expect_rows(2, rows);
}

// ---- 3 ----

TEST(Forum, Q3_TrackingTurnedOffAndOn) {
  struct Line {
    const char* what;
    const char* rest;
    const char* known;  // where LibTorch differs
  };
  std::vector<std::string> rows;
  for (const Line& l : {Line{"off from the start: training", "stats=off run=T", ""},
                        {"off from the start: evaluation", "stats=off run=TE", ""},
                        {"tracked", "run=T*50E", ""},
                        {"turned off later: evaluation", "run=T*50-E", "running_mean"},
                        {"turned off, then on again", "run=T*50-+E", ""},
                        {"turned on later: training", "stats=off run=+T", ""},
                        {"turned on later: evaluation", "stats=off run=+E", ""}}) {
    const std::string line = zero_one(2, l.rest);
    const Answers a = play(line, l.known);
    const StepAnswer& last = a.right.back();
    const bool refused = last.refused != oracle::Refusal::none;
    EXPECT_EQ(a.truenorm.steps.back().refused, last.refused);
    EXPECT_EQ(a.libtorch.steps.back().refused, last.refused);
    rows.push_back(row(
        {l.what, refused ? "refused: " + std::string(name(last.refused)) : list(last.y.mid),
         last.running_mean.size() == 0 ? "none" : fixed(last.running_mean.mid[0]),
         last.running_var.size() == 0 ? "none" : fixed(last.running_var.mid[0]), quoted(line)}));
  }
  expect_rows(3, rows);
}

// ---- 4 ----

constexpr std::size_t kLayers = 3, kFrozen = 1;
constexpr std::int64_t kFeatures = 2;

/// What Truenorm's user has in place of a parent module: layers that are set together.
class Model {
 public:
  Model() : layers_(kLayers, BatchNorm({.num_features = kFeatures})) {}
  void train(bool on) {
    training_ = on;
    for (BatchNorm& layer : layers_) layer.train(on);
  }
  bool is_training() const { return training_; }
  void train(std::size_t layer, bool on) { layers_[layer].train(on); }
  bool is_training(std::size_t layer) const { return layers_[layer].is_training(); }
  std::vector<double> forward(const std::vector<double>& x) {
    const auto batch = static_cast<std::int64_t>(x.size()) / kFeatures;
    Memory memory(x, oracle::Dtype::f32);
    const Tensor view = memory.tensor({batch, kFeatures});
    for (BatchNorm& layer : layers_) EXPECT_TRUE(layer.forward(context_, view, view).ok());
    return memory.values(x.size());
  }
  std::vector<double> running_statistics(std::size_t layer) const {
    std::vector<double> all;
    for (const ConstVector& v : {layers_[layer].running_mean(), layers_[layer].running_var()})
      for (std::size_t c = 0; c < kFeatures; ++c)
        all.push_back(oracle::load(oracle::Dtype::f32, static_cast<const float*>(v.data) + c));
    return all;
  }
  /// Evaluates inside a guard.
  void guarded_export(const std::vector<double>& x) {
    std::vector<BatchNorm*> all;
    for (BatchNorm& layer : layers_) all.push_back(&layer);
    const bool training = training_;
    {
      const TrainingModeGuard guard(all);
      train(false);
      forward(x);
    }
    training_ = training;
  }

 private:
  Context context_{1};
  std::vector<BatchNorm> layers_;
  bool training_ = true;
};

/// The same with LibTorch's Sequential, the guard written out.
struct LibTorchModel : libtorch::Sequential {
  LibTorchModel() : Sequential(kLayers, kFeatures) {}
  void guarded_export(const std::vector<double>& x) {
    const bool parent = is_training();
    std::array<bool, kLayers> modes{};
    for (std::size_t i = 0; i < kLayers; ++i) modes[i] = is_training(i);
    train(false);
    forward(x);
    train(parent);
    for (std::size_t i = 0; i < kLayers; ++i) train(i, modes[i]);
  }
};

template <class Parent>
void careless_export(Parent& model, const std::vector<double>& x) {
  const bool training = model.is_training();
  model.train(false);
  model.forward(x);
  model.train(training);
}

/// Each chapter: something is done to a model whose layer 1 is frozen, then it takes a training
/// step.
template <class Parent>
std::vector<std::string> story() {
  const auto x = numbers(8 * kFeatures, oracle::Dtype::f32, 1, 3, 4);
  struct Chapter {
    const char* what;
    void (*act)(Parent&, const std::vector<double>&);
  };
  std::vector<std::string> rows;
  for (const Chapter& chapter : {Chapter{"nothing else", [](Parent&, const auto&) {}},
                                 {"`parent.train()`", [](Parent&p, const auto&) { p.train(true); }},
                                 {"an export: `parent.eval()`, then the parent's flag restored",
                                  [](Parent&p, const auto&data) { careless_export(p, data); }},
                                 {"an export inside a `TrainingModeGuard`",
                                  [](Parent&p, const auto&data) { p.guarded_export(data); }}}) {
    Parent model;
    model.forward(x);
    model.train(kFrozen, false);
    const auto frozen = model.running_statistics(kFrozen), other = model.running_statistics(0);
    chapter.act(model, x);
    EXPECT_EQ(model.running_statistics(kFrozen), frozen) << "before the step: " << chapter.what;
    EXPECT_EQ(model.running_statistics(0), other) << "before the step: " << chapter.what;
    model.forward(x);
    EXPECT_NE(model.running_statistics(0), other) << "the step was no training step";
    const auto mode = [](bool training) { return training ? "training" : "evaluation"; };
    rows.push_back(row({chapter.what, mode(model.is_training()), mode(model.is_training(kFrozen)),
                        model.running_statistics(kFrozen) == frozen ? "as they were" : "moved"}));
  }
  return rows;
}

TEST(Forum, Q4_FreezingOneLayer) {
  const auto rows = story<Model>();
  EXPECT_EQ(story<LibTorchModel>(), rows);
  expect_rows(4, rows);
}

// ---- 5 ----

TEST(Forum, Q5_WhatIsTrainedInWhichMode) {
  std::vector<std::string> rows;
  for (const char* program : {"TB", "EB"}) {
    const std::string line =
        "tn1 n4c1 f32 w=const(2) b=const(0) x=bits(000000000000803f000000400000a040) "
        "dy=bits(0000803f000000000000000000000000) rm=const(1) rv=const(4) run=" +
        std::string(program);
    const Answers a = play(line);
    const StepAnswer& back = a.right[1];
    double sum = 0;
    for (const double dx : back.dx.mid) sum += dx;
    rows.push_back(row({program[0] == 'T' ? "training" : "evaluation", fixed(back.dweight.mid[0]),
                        fixed(back.dbias.mid[0]), list(back.dx.mid), fixed(sum), quoted(line)}));
    // A backward moves no statistics, in either mode.
    for (const oracle::Trace& trace : {a.truenorm, a.libtorch}) {
      EXPECT_EQ(trace.steps[0].running_mean, trace.steps[1].running_mean);
      EXPECT_EQ(trace.steps[0].running_var, trace.steps[1].running_var);
    }
  }
  expect_rows(5, rows);
  const libtorch::Sequential model(1, kFeatures);
  EXPECT_EQ(model.parameters(0), (std::vector<std::string>{"weight", "bias"}));
  EXPECT_EQ(model.buffers(0),
            (std::vector<std::string>{"running_mean", "running_var", "num_batches_tracked"}));
}

// ---- 6 ----

/// The values of x as rows of channels: x.permute(0, 2, ..., 1).reshape(-1, C).
std::vector<double> as_rows(const std::vector<double>& x, const oracle::Shape& s) {
  std::vector<double> rows(x.size());
  const auto plane = static_cast<std::size_t>(s.plane()), channels = static_cast<std::size_t>(s.c);
  for (std::size_t n = 0; n < static_cast<std::size_t>(s.n); ++n)
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t i = 0; i < plane; ++i)
        rows[(n * plane + i) * channels + c] = x[(n * channels + c) * plane + i];
  return rows;
}

/// Both players, given the rows, answer what is right of the tensor.
void expect_same_as_rows(const Case& c, const oracle::Inputs& inputs) {
  Case matrix = c;
  matrix.problem.shape = {c.problem.shape.per_channel(), c.problem.shape.c, 0, {}};
  oracle::Inputs of_rows = inputs;
  of_rows.step[0] = as_rows(inputs.step[0], c.problem.shape);
  for (oracle::Player* player : both()) {
    const oracle::Trace trace = player->play(matrix, of_rows);
    oracle::Answer right =
        oracle::answer(c.problem, inputs, player->contract(matrix.problem, *c.exec));
    oracle::Balls& y = right.steps[0].y;
    for (auto* values : {&y.mid, &y.low, &y.radius, &y.scale})
      if (!values->empty()) *values = as_rows(*values, c.problem.shape);
    const oracle::Verdict v = oracle::judge(trace, right);
    EXPECT_EQ(v.result, Result::pass) << player->name() << ": " << oracle::report(c, v);
  }
}

std::vector<std::string> permutations() {
  std::vector<std::string> rows;
  for (const auto& [module, permuted, sizes] :
       {std::array{"BatchNorm1d, (N, C)", "x", "n5c2"},
        {"BatchNorm1d, (N, C, L)", "x.permute(0, 2, 1).reshape(-1, C)", "n5c2s4"},
        {"BatchNorm2d", "x.permute(0, 2, 3, 1).reshape(-1, C)", "n5c2s4x3"},
        {"BatchNorm3d", "x.permute(0, 2, 3, 4, 1).reshape(-1, C)", "n5c2s4x3x2"}}) {
    const std::string line = std::string("tn1 ") + sizes + " f32 mom=1 seed=6 run=T";
    const Case c = oracle::with_exec(line);
    const auto inputs = oracle::make_inputs(c);
    const Answers a = play(c, inputs);
    expect_same_as_rows(c, inputs);
    const StepAnswer& right = a.right[0];
    const double invstd = right.save_invstd.mid[0];
    EXPECT_EQ(right.running_mean.size(), 2u) << "one value a channel";
    rows.push_back(row({module, std::string("`") + permuted + "`",
                        std::to_string(c.problem.shape.per_channel()),
                        fixed(1 / (invstd * invstd) - c.problem.eps),
                        fixed(right.running_var.mid[0]), quoted(line)}));
  }
  return rows;
}

std::vector<std::string> momenta() {
  std::vector<std::string> rows;
  for (const std::string momentum : {"0", "0.1", "1", "cum"}) {
    const std::string line = "tn1 n2c1 f32 mom=" + momentum +
                             " affine=none x=bits(00000000000000400000a04000001041) run=TT@4T";
    const auto right = exact(line);
    rows.push_back(row({momentum == "cum" ? "None" : momentum,
                        list({right[0].running_mean.mid[0], right[1].running_mean.mid[0],
                              right[2].running_mean.mid[0]}),
                        list({right[0].running_var.mid[0], right[1].running_var.mid[0],
                              right[2].running_var.mid[0]}),
                        quoted(line)}));
  }
  return rows;
}

/// The first step after which no more than `part` of the distance to the batch's mean is left.
int steps_until(double momentum, double part) {
  const int steps = static_cast<int>(std::ceil(std::log(part) / std::log1p(-momentum)));
  Case c = oracle::with_exec("tn1 n2c1 f64 affine=none x=bits(0000000000000000000000000000f03f)");
  c.problem.momentum.value = momentum;
  c.problem.run.assign(static_cast<std::size_t>(steps), {});
  for (std::size_t i = 0; i < c.problem.run.size(); ++i)
    c.problem.run[i].id = static_cast<std::uint32_t>(i);
  const Answers a = play(c, oracle::make_inputs(c));
  const auto left = [&](std::size_t after) {
    return (0.5 - a.right[after - 1].running_mean.mid[0]) / 0.5;
  };
  EXPECT_LE(left(c.problem.run.size()), part) << momentum;
  EXPECT_GT(left(c.problem.run.size() - 1), part) << momentum;
  return steps;
}

TEST(Forum, Q6_TheFormula) {
  auto rows = permutations();
  for (std::string& r : momenta()) rows.push_back(std::move(r));
  for (const double momentum : {0.5, 0.1, 0.01}) {
    std::vector<std::string> cells{number("%g", momentum)};
    for (const double part : {0.1, 0.01, 0.001})
      cells.push_back(std::to_string(steps_until(momentum, part)));
    rows.push_back(row(cells));
  }
  expect_rows(6, rows);
}

// ---- 7 ----

/// The layer with a folded BatchNorm, or before one, as LibTorch computes it with these parameters.
/// Each output lies in the ball of its sum of products, which `dot` names.
std::vector<double> judged_layer(const Folded& f, const FoldedAnswer& answer,
                                 const std::vector<double>& weight, const std::vector<double>& bias,
                                 oracle::exact::Dot FoldedOutput::*dot) {
  const auto got = libtorch::apply(f.layer, f.dtypes.layer, f.x, weight, bias);
  EXPECT_EQ(got.size(), answer.outputs.size()) << f.layer.name;
  for (std::size_t i = 0; i < answer.outputs.size(); ++i) {
    const oracle::exact::Dot& sum = answer.outputs[i].*dot;
    const double off = std::abs(static_cast<double>(sum.value + -got.at(i)));
    EXPECT_LE(off, sum.rounding(oracle::exact::format(f.dtypes.layer)) + sum.reference())
        << f.layer.name << ", output " << i;
  }
  return got;
}

/// LibTorch's BatchNorm in evaluation behind LibTorch's layer, whose outputs were z; and the radii
/// for that z. Truenorm's on the same z is judged, too.
std::pair<std::vector<double>, oracle::Balls> judged_norm(const Folded& f,
                                                          const std::vector<double>& z) {
  Case c = oracle::with_exec("tn1 n1c1 f32 run=E");
  const auto sizes = f.layer.y_sizes();
  c.problem.shape = {sizes[0], sizes[1], f.layer.spatial_rank, {}};
  std::copy(sizes.begin() + 2, sizes.end(), c.problem.shape.s.begin());
  c.problem.dtype = c.problem.param_dtype = f.dtypes.layer;
  const oracle::Inputs inputs{f.gain, f.shift, f.mean, f.var, {z}};
  const auto contract = libtorch_player().contract(c.problem, *c.exec);
  return {play(c, inputs).libtorch.steps.at(0).y,
          oracle::answer(c.problem, inputs, contract).steps.at(0).y};
}

/// LibTorch with the folded layer, and LibTorch with the two: both within their radii of what the
/// two are in exact arithmetic.
void expect_libtorch_agrees(const Folded& f, const FoldedAnswer& answer) {
  const auto format = oracle::exact::format(f.dtypes.layer);
  const auto folded =
      judged_layer(f, answer, f.folded_weight, f.folded_bias, &FoldedOutput::folded);
  const auto z = judged_layer(f, answer, f.weight, f.bias, &FoldedOutput::layer);
  const auto [y, balls] = judged_norm(f, z);
  ASSERT_EQ(y.size(), answer.outputs.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    const FoldedOutput& o = answer.outputs[i];
    const double of_folded = o.radius() + o.folded.rounding(format);
    // What z errs by, the BatchNorm multiplies.
    const double of_two = balls.radius[i] + std::abs(o.scale.hi) * (1 + 4 * oracle::kU64) *
                                                (o.layer.rounding(format) + o.layer.reference());
    EXPECT_LE(std::abs(static_cast<double>(o.want + -folded[i])), of_folded)
        << f.layer.name << ", output " << i;
    EXPECT_LE(std::abs(static_cast<double>(o.want + -y[i])), of_two)
        << f.layer.name << ", output " << i;
  }
}

TEST(Forum, Q7_FoldingIntoTheLayerBefore) {
  std::vector<std::string> rows;
  for (const Convolution& layer : layers_to_fold())
    for (const auto dtype : {oracle::Dtype::f64, oracle::Dtype::f32})
      for (const bool bias : {false, true}) {
        const Folded f(layer, {dtype, dtype, dtype}, bias, 7);
        ASSERT_TRUE(f.status.ok()) << f.status.message();
        const FoldedAnswer answer(f);
        EXPECT_LE(answer.worst_parameter(f), 1) << layer.name;
        const FoldedOutput &first = answer.outputs[0], &worst = answer.worst_output();
        EXPECT_LE(worst.distance(), worst.radius()) << layer.name;
        expect_libtorch_agrees(f, answer);
        if (!bias || dtype == oracle::Dtype::f64) continue;
        rows.push_back(
            row({layer.name, number("%.7f", first.want.hi), number("%.7f", first.folded.value.hi),
                 number("%.1e", worst.distance()), number("%.1e", worst.radius())}));
      }
  expect_rows(7, rows);
}

// ---- 8 ----

TEST(Forum, Q8_RunningStatisticsInTraining) {
  const std::string data =
      "w=const(2) b=const(0) x=bits(000000000000803f000000400000a040) "
      "dy=bits(0000803f000000000000000000000000) rm=const(1) rv=const(4) ";
  std::vector<std::string> rows;
  for (const auto& [name, renorm, run] : {std::array{"training, ordinary", "", "TB"},
                                          {"r_max 1, d_max 0", "renorm=1,0 ", "TB"},
                                          {"r_max 1.05, d_max 0.25", "renorm=1.05,0.25 ", "TB"},
                                          {"r_max 3, d_max 5", "renorm=3,5 ", "TB"},
                                          {"evaluation", "", "EB"}}) {
    const std::string line = std::string("tn1 n4c1 f32 ") + renorm + data + "run=" + run;
    const auto right = exact(line);
    const StepAnswer& gradient = right[1];
    rows.push_back(row({name, list(right[0].y.mid), fixed(gradient.dweight.mid[0]),
                        fixed(gradient.dbias.mid[0]), list(gradient.dx.mid), quoted(line)}));
  }
  expect_rows(8, rows);
}

}  // namespace
}  // namespace truenorm::props
