// Arrays under judgement: what is right passes and what is off does not, whatever the form of the file;
// each known mistake is named, and no other.
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "dice.h"
#include "npz/verdicts.h"
#include "npz_files.h"
#include "players/players.h"
#include "sample.h"
#include "text.h"

namespace truenorm::props {
namespace {

using namespace oracle;
using Words = std::vector<std::string>;

Answer balls_of(const Question& q, const Arithmetic& arithmetic = {}) {
  return answer(q.problem, q.inputs, contract_of(q, arithmetic));
}

/// One letter a claim: r(ight), w(rong), h(ollow).
std::string verdicts(const Question& q, const Arithmetic& arithmetic = {}) {
  Answer balls = balls_of(q, arithmetic);
  std::string all;
  for (const Claim& claim : q.claims) {
    const Result result = judge_claim(claim, balls).result;
    all += result == Result::pass ? 'r' : result == Result::hollow ? 'h' : 'w';
  }
  return all;
}

Question in_corpus(const std::string& name) {
  return read_question(Archive(TRUENORM_CORPUS_DIR "/npz/" + name));
}

TEST(Arrays, WhatNumpyComputesIsRight) {
  EXPECT_EQ(verdicts(in_corpus("right.npz")), "rrrrrr");
  EXPECT_EQ(verdicts(in_corpus("eval.npz")), "r");
  EXPECT_EQ(verdicts(in_corpus("channels_last.npz")), "rrr");
  EXPECT_EQ(verdicts(in_corpus("half.npz")), "rrr");
  EXPECT_EQ(verdicts(in_corpus("bfloat16.npz")), "rrr");
  EXPECT_EQ(verdicts(in_corpus("versions.npz")), "r");
  EXPECT_EQ(verdicts(in_corpus("biased.npz")), "rrw");
}

TEST(Arrays, EveryElementOfEveryOutputIsJudged) {
  Question q = in_corpus("right.npz");
  Answer balls = balls_of(q);
  for (Claim& claim : q.claims) {
    const Balls& all = tensor(balls.steps[claim.step], claim.output);
    ASSERT_EQ(all.size(), claim.values.size());
    const std::vector<double> mid = all.mid, radius = all.radius, right = claim.values;
    for (std::size_t i = 0; i < right.size(); ++i) {
      claim.values[i] = mid[i] + 2 * radius[i];
      const Verdict v = judge_claim(claim, balls);
      ASSERT_EQ(v.result, Result::fail) << claim.name << i;
      ASSERT_EQ(v.worst.element, i) << claim.name;
      claim.values[i] = std::nan("");
      ASSERT_EQ(judge_claim(claim, balls).result, Result::fail) << claim.name << i;
      claim.values[i] = mid[i];
      ASSERT_EQ(judge_claim(claim, balls).result, Result::pass) << claim.name << i;
      claim.values[i] = right[i];
    }
  }
}

TEST(Arrays, SumsInDoubleHaveNarrowerRadii) {
  const Question q = in_corpus("right.npz");
  const Answer wide = balls_of(q, {true}), narrow = balls_of(q);
  for (std::size_t i = 0; i < wide.steps[0].y.size(); ++i)
    ASSERT_LT(wide.steps[0].y.radius[i], narrow.steps[0].y.radius[i]);
}

/// A case as a file in some form: what is read is what was written, and what an honest player answers
/// is right.
void play_as_file(const Case& c, std::uint64_t seed, const std::string& path) {
  Dice dice(seed, 1);
  const Problem& p = c.problem;
  const Inputs in = make_inputs(c);
  const Trace trace = make_naive()->play(c, in);
  ASSERT_EQ(trace.outcome, Outcome::played) << print(c);
  const bool trains = p.run[0].op == Op::train;
  std::vector<std::int64_t> sizes{p.shape.n, p.shape.c};
  for (int i = 0; i < p.shape.spatial_rank; ++i)
    sizes.push_back(p.shape.s[static_cast<std::size_t>(i)]);
  Entries entries{{"mode.npy", npy_of(trains ? "train" : "eval")},
                  {"eps.npy", npy_of(p.eps)},
                  {"momentum.npy", npy_of(p.momentum.value)}};
  if (p.dtype == Dtype::bf16) entries.emplace_back("dtype.npy", npy_of("bfloat16"));
  const auto add = [&](const char* name, Dtype dtype, const std::vector<double>& values) {
    if (values.empty()) return;
    const std::string_view what(name);
    const bool whole = what == "x.npy" || what == "y.npy" || what == "dy.npy" || what == "dx.npy";
    const Form form{dice.below(2) == 1, dice.below(2) == 1, false,
                    static_cast<int>(1 + dice.below(3))};
    entries.emplace_back(
        name, npy_of(dtype, whole ? sizes : std::vector<std::int64_t>{p.shape.c}, values, form));
  };
  add("x.npy", p.dtype, in.step[0]);
  add("weight.npy", p.param_dtype, in.weight);
  add("bias.npy", p.param_dtype, in.bias);
  add("running_mean.npy", p.param_dtype, in.running_mean);
  add("running_var.npy", p.param_dtype, in.running_var);
  add("y.npy", p.dtype, trace.steps[0].y);
  add("running_mean_after.npy", p.param_dtype, trace.steps[0].running_mean);
  add("running_var_after.npy", p.param_dtype, trace.steps[0].running_var);
  if (trains)
    add("save_mean.npy", p.dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32, trace.steps[0].save_mean);
  if (trains)
    add("save_invstd.npy", p.dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32,
        trace.steps[0].save_invstd);
  if (p.run.size() == 2) {
    add("dy.npy", p.dtype, in.step[1]);
    add("dx.npy", p.dtype, trace.steps[1].dx);
    add("dweight.npy", p.param_dtype, trace.steps[1].dweight);
    add("dbias.npy", p.param_dtype, trace.steps[1].dbias);
  }
  write_zip(path, entries, dice.below(2) == 1);
  const Question q = read_question(Archive(path));
  ASSERT_EQ(q.problem.shape, p.shape);
  ASSERT_EQ(q.problem.dtype, p.dtype);
  const auto same = [](const std::vector<double>& a, const std::vector<double>& b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](double s, double t) {
             return s == t || (std::isnan(s) && std::isnan(t));
           });
  };
  for (std::size_t i = 0; i < p.run.size(); ++i)
    ASSERT_TRUE(same(q.inputs.step[i], in.step[i])) << print(c);
  ASSERT_TRUE(same(q.inputs.weight, in.weight) && same(q.inputs.running_var, in.running_var));
  ASSERT_EQ(verdicts(q).find('w'), std::string::npos) << print(c) << " " << verdicts(q);
}

TEST(Arrays, ACaseIsAFileToo) {
  const std::string path = scratch_file();
  std::size_t played = 0;
  for (std::uint64_t i = 0; played < 300; ++i) {
    Case c = sample(5, i);
    Problem& p = c.problem;
    const Op first = i % 3 == 0 && p.track ? Op::eval : Op::train;
    p.run = {Step{first}};
    if (i % 2 == 0) p.run.push_back(Step{Op::backward, Step::kSameBatch, 1});
    p.renorm.reset();
    c.exec = Exec{};
    if (p.momentum.cumulative || !std::isfinite(p.momentum.value) || !std::isfinite(p.eps) ||
        p.eps < 0 || p.shape.numel() == 0 || p.shape.numel() > 500 || p.shape.per_channel() == 1)
      continue;
    ++played;
    play_as_file(c, i, path);
    if (HasFatalFailure()) break;
  }
  std::filesystem::remove(path);
}

// ---- Mistakes. The data are such that each shows.

Question question(const std::string& line) {
  const Case c = parse(line);
  Question q{c.problem, make_inputs(c), {}, {c.problem.shape.n, c.problem.shape.c}, 1};
  for (int i = 0; i < c.problem.shape.spatial_rank; ++i)
    q.sizes.push_back(c.problem.shape.s[static_cast<std::size_t>(i)]);
  return q;
}

const char* const kTraining =
    "tn1 n6c3s4x3 f32 eps=0.1 mom=0.3 x=normal(3,2) rm=uniform(-1,1) rv=uniform(0.5,1.5) run=TB "
    "seed=1 | nchw";
const char* const kEvaluation =
    "tn1 n6c3s4x3 f32 eps=0.1 mom=0.3 x=normal(3,2) rm=uniform(-1,1) rv=uniform(0.5,1.5) run=E "
    "seed=1 | nchw";

/// A textbook's statistics and y, in double, with what may be mistaken about them.
struct Textbook {
  double eps = 0.1, ddof = 0, momentum = 0.3, remembered_ddof = 1;
  bool batch = true, outside = false, by_variance = false, weight = true, bias = true;
  bool last = false;  // the last axis has the channels

  std::size_t channel(const Question& q, std::size_t i) const {
    const auto c = static_cast<std::size_t>(q.problem.shape.c);
    return last ? i % c : i / static_cast<std::size_t>(q.problem.shape.plane()) % c;
  }
  void moments(const Question& q, std::vector<double>& mean, std::vector<double>& squares) const {
    const std::vector<double>& x = q.inputs.step[0];
    const double n = static_cast<double>(q.problem.shape.per_channel());
    mean.assign(q.inputs.weight.size(), 0);
    squares.assign(q.inputs.weight.size(), 0);
    for (std::size_t i = 0; i < x.size(); ++i) mean[channel(q, i)] += x[i] / n;
    for (std::size_t i = 0; i < x.size(); ++i)
      squares[channel(q, i)] += std::pow(x[i] - mean[channel(q, i)], 2);
  }
  std::vector<double> y(const Question& q) const {
    const double n = static_cast<double>(q.problem.shape.per_channel());
    std::vector<double> mean = q.inputs.running_mean, var = q.inputs.running_var, all;
    if (batch) {
      moments(q, mean, var);
      for (double& v : var) v /= n - ddof;
    }
    for (std::size_t i = 0; i < q.inputs.step[0].size(); ++i) {
      const std::size_t c = channel(q, i);
      const double divisor = by_variance ? var[c] + eps
                             : outside   ? std::sqrt(var[c]) + eps
                                         : std::sqrt(var[c] + eps);
      all.push_back((q.inputs.step[0][i] - mean[c]) / divisor * (weight ? q.inputs.weight[c] : 1) +
                    (bias ? q.inputs.bias[c] : 0));
    }
    return all;
  }
  std::vector<double> remembered(const Question& q, bool of_var) const {
    const double n = static_cast<double>(q.problem.shape.per_channel());
    std::vector<double> mean, var, all = of_var ? q.inputs.running_var : q.inputs.running_mean;
    moments(q, mean, var);
    for (std::size_t c = 0; c < all.size(); ++c)
      all[c] =
          (1 - momentum) * all[c] + momentum * (of_var ? var[c] / (n - remembered_ddof) : mean[c]);
    return all;
  }
};

/// What is said of values that somebody takes for this output.
Words said(Question q, Output output, std::vector<double> values) {
  for (double& value : values) value = round_to(q.problem.dtype, value);
  const bool gradient =
      output == Output::dx || output == Output::dweight || output == Output::dbias;
  q.claims = {{std::string(name(output)), output, std::size_t{gradient}, std::move(values)}};
  if (verdicts(q) != "w") return {"no mistake: " + verdicts(q)};
  return right_for(q, {true}, {}).front();
}

std::string first_words(const Words& words) {
  return words.size() == 1 ? words.front().substr(0, 20)
                           : std::to_string(words.size()) + " of them";
}

TEST(Mistakes, OfYAreNamed) {
  const Question train = question(kTraining), eval = question(kEvaluation);
  const auto of_y = [&](const Textbook& book) {
    return first_words(said(train, Output::y, book.y(train)));
  };
  EXPECT_EQ(of_y({}), "no mistake: r");
  EXPECT_EQ(said(train, Output::y, Textbook{.eps = 0}.y(train)),
            Words{"eps = 0 or 1e-05 or 1e-06 or 1e-08"});
  EXPECT_EQ(of_y({.eps = 1e-3}), "eps = 0.001");
  EXPECT_EQ(of_y({.ddof = 1}), "the unbiased varianc");
  EXPECT_EQ(of_y({.outside = true}), "eps added to the sta");
  EXPECT_EQ(of_y({.by_variance = true}), "division by the vari");
  EXPECT_EQ(of_y({.weight = false}), "no weight");
  EXPECT_EQ(of_y({.bias = false}), "no bias");
  EXPECT_EQ(of_y({.weight = false, .bias = false}), "no weight and no bia");
  EXPECT_EQ(of_y({.batch = false}), "mode 'eval': normali");
  EXPECT_EQ(of_y({.last = true}), "channels in the last");
  EXPECT_EQ(of_y({.eps = 0.05}), "0 of them");
  EXPECT_EQ(said(eval, Output::y, Textbook{.batch = false}.y(eval)), Words{"no mistake: r"});
  EXPECT_EQ(first_words(said(eval, Output::y, Textbook{}.y(eval))), "mode 'train': normal");
  EXPECT_EQ(first_words(said(eval, Output::y, Textbook{.batch = false, .outside = true}.y(eval))),
            "eps added to the sta");
}

TEST(Mistakes, OfRunningStatisticsAreNamed) {
  const Question q = question(kTraining);
  const auto of = [&](const Textbook& book, bool var) {
    return first_words(
        said(q, var ? Output::running_var : Output::running_mean, book.remembered(q, var)));
  };
  EXPECT_EQ(of({}, true), "no mistake: r");
  EXPECT_EQ(of({}, false), "no mistake: r");
  EXPECT_EQ(of({.remembered_ddof = 0}, true), "the biased variance ");
  EXPECT_EQ(of({.momentum = 0.7}, true), "momentum as the weig");
  EXPECT_EQ(
      said(q, Output::running_var,
           Textbook{.momentum = 0.7, .remembered_ddof = 0}.remembered(q, true)),
      Words{
          "the biased variance (divided by n, not by n - 1), and momentum as the weight of the old "
          "value, as in TensorFlow; here that is momentum = 0.7"});
  EXPECT_EQ(of({.momentum = 0}, true), "mode 'eval': normali");
  EXPECT_EQ(of({.momentum = 0.7}, false), "momentum as the weig");
}

TEST(Mistakes, OfGradientsAreNamed) {
  const Question q = question(kTraining);
  std::vector<double> mean, squares, dx;
  Textbook().moments(q, mean, squares);
  const double n = static_cast<double>(q.problem.shape.per_channel());
  for (std::size_t i = 0; i < q.inputs.step[1].size(); ++i) {
    const std::size_t c = Textbook().channel(q, i);
    dx.push_back(q.inputs.step[1][i] * q.inputs.weight[c] /
                 std::sqrt(squares[c] / n + q.problem.eps));
  }
  EXPECT_EQ(first_words(said(q, Output::dx, dx)), "mean and variance as");
}

TEST(Mistakes, OfPrecisionAreNamed) {
  Question q = in_corpus("eval.npz");
  for (double& value : q.claims[0].values) value = round_to(Dtype::f32, value);
  ASSERT_EQ(verdicts(q), "w");
  EXPECT_EQ(right_for(q, {true}, {}).front(), Words{"the precision of float32, not of float64"});
}

TEST(Mistakes, BiasedVarianceInAFileOfNumpys) {
  EXPECT_EQ(right_for(in_corpus("biased.npz"), {false, false, true}, {}),
            (std::vector<Words>{{}, {}, {"the biased variance (divided by n, not by n - 1)"}}));
}

}  // namespace
}  // namespace truenorm::props
