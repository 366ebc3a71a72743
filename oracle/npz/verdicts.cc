#include "verdicts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>
#include <utility>

#include "../exact/moments.h"
#include "../players/host.h"

namespace truenorm::oracle {
namespace {

/// Another question, near the one that was asked.
struct Variation {
  Question question;
  Contract contract;
  /// Of the running variance, where the one to be compared is no answer but a multiple of it.
  double running_var_scale = 1;
  bool (*about)(const Claim&) = [](const Claim&) { return true; };
};

/// How one is made, and what it is called.
struct Change {
  std::string words;
  std::function<void(Variation&)> apply;
};

double per_channel(const Problem& p) { return static_cast<double>(p.shape.per_channel()); }

/// The mean and the variance by which each channel is normalized.
struct Used {
  std::vector<double> mean, var;
};

Used used_statistics(const Question& q) {
  const Problem& p = q.problem;
  if (p.run[0].op == Op::eval) return {q.inputs.running_mean, q.inputs.running_var};
  Used used;
  const std::int64_t plane = p.shape.plane();
  for (std::int64_t c = 0; c < p.shape.c; ++c) {
    const exact::Moments m =
        exact::moments({q.inputs.step[0].data() + c * plane, p.shape.n, plane, p.shape.c * plane});
    used.mean.push_back(m.mean.hi);
    used.var.push_back(m.var.hi);
  }
  return used;
}

Change mode(Op op, const char* words) {
  return {words, [op](Variation& v) { v.question.problem.run[0].op = op; }};
}

constexpr std::string_view kEps = "eps = ";

Change eps(double value) {
  return {fmt::format("{}{}", kEps, value),
          [value](Variation& v) { v.question.problem.eps = value; }};
}

/// y for another divisor than sqrt(var + eps): the weight takes up the difference.
Change divisor(const char* words, const Used& used, std::function<double(double var)> other) {
  return {words, [&used, other = std::move(other)](Variation& v) {
            v.about = [](const Claim& claim) { return claim.output == Output::y; };
            v.question.problem.weight = true;
            std::vector<double>& weight = v.question.inputs.weight;
            weight.resize(used.var.size(), 1);
            for (std::size_t c = 0; c < weight.size(); ++c)
              weight[c] *= std::sqrt(used.var[c] + v.question.problem.eps) / other(used.var[c]);
          }};
}

Change without(bool weight, bool bias, const char* words) {
  return {words, [=](Variation& v) {
            v.question.problem.weight &= !weight;
            v.question.problem.bias &= !bias;
            if (weight) v.question.inputs.weight.clear();
            if (bias) v.question.inputs.bias.clear();
          }};
}

/// What is remembered. The biased variance is (n - 1)/n of the unbiased one, so what is kept of the old
/// running variance has to be n/(n - 1) of it before the whole is scaled.
Change update(bool biased, bool swapped, const std::string& words) {
  return {words, [=](Variation& v) {
            const double n = per_channel(v.question.problem);
            double& momentum = v.question.problem.momentum.value;
            v.about = [](const Claim& claim) {
              return claim.output == Output::running_mean || claim.output == Output::running_var;
            };
            if (swapped) momentum = 1 - momentum;
            if (!biased) return;
            v.about = [](const Claim& claim) { return claim.output == Output::running_var; };
            v.running_var_scale = (n - 1) / n;
            for (double& var : v.question.inputs.running_var) var *= n / (n - 1);
          }};
}

/// The backward of a forward that took its statistics for constants.
Change constants(const Used& used) {
  return {"mean and variance as constants; in mode 'train' they depend on x",
          [&used](Variation& v) {
            v.about = [](const Claim& claim) { return claim.step == 1; };
            v.question.problem.run[0].op = Op::eval;
            v.question.problem.track = true;
            v.question.inputs.running_mean = used.mean;
            v.question.inputs.running_var = used.var;
          }};
}

Change channels_last() {
  return {"channels in the last axis of x; channel_axis=-1 says so", [](Variation& v) {
            v.question = with_channel_axis(v.question, v.question.sizes.size() - 1);
          }};
}

Change narrow() {
  return {"the precision of float32, not of float64", [](Variation& v) {
            Question q{v.question.problem, {}, {}, {}};
            q.problem.dtype = q.problem.param_dtype = Dtype::f32;
            v.contract = contract_of(q, {});
          }};
}

/// As many values by channel in the last axis, if there are any.
bool may_be_last(const Question& q) {
  const bool any = q.problem.weight || q.problem.bias || q.problem.track;
  return q.channel_axis == 1 && q.sizes.size() > 2 && (!any || q.sizes.back() == q.problem.shape.c);
}

std::vector<Change> changes(const Question& q, const Used& used) {
  const Problem& p = q.problem;
  const bool trains = p.run[0].op == Op::train, remembers = trains && p.track;
  const double n = per_channel(p), old_eps = p.eps;
  std::vector<Change> all;
  if (remembers)
    all.push_back(
        mode(Op::eval, "mode 'eval': normalized by running_mean and running_var, which stay"));
  if (!trains && n > 1)
    all.push_back(mode(Op::train, "mode 'train': normalized by the batch's statistics"));
  for (const double value : {0.0, 1e-3, 1e-5, 1e-6, 1e-8})
    if (value != p.eps) all.push_back(eps(value));
  if (trains)
    all.push_back(
        divisor("the unbiased variance under the root (ddof=1, torch.var); the biased one "
                "belongs there",
                used, [=](double var) { return std::sqrt(var * (n / (n - 1)) + old_eps); }));
  all.push_back(divisor("eps added to the standard deviation; it belongs under the root", used,
                        [=](double var) { return std::sqrt(var) + old_eps; }));
  all.push_back(divisor("division by the variance; its root is what divides", used,
                        [=](double var) { return var + old_eps; }));
  if (p.weight) all.push_back(without(true, false, "no weight"));
  if (p.bias) all.push_back(without(false, true, "no bias"));
  if (p.weight && p.bias) all.push_back(without(true, true, "no weight and no bias"));
  if (remembers) {
    const std::string biased = "the biased variance (divided by n, not by n - 1)";
    const std::string old = fmt::format(
        "momentum as the weight of the old value, as in TensorFlow; "
        "here that is momentum = {:.15g}",
        1 - p.momentum.value);
    all.push_back(update(true, false, biased));
    all.push_back(update(false, true, old));
    all.push_back(update(true, true, biased + ", and " + old));
  }
  if (trains && p.run.size() == 2) all.push_back(constants(used));
  if (may_be_last(q)) all.push_back(channels_last());
  if (p.dtype == Dtype::f64) all.push_back(narrow());
  return all;
}

// Of objects that are not const.
Balls& balls_of(Answer& answer, const Claim& claim) {
  return const_cast<Balls&>(tensor(std::as_const(answer.steps[claim.step]), claim.output));
}
std::vector<double>& values_of(Trace& trace, const Claim& claim) {
  return const_cast<std::vector<double>&>(
      tensor(std::as_const(trace.steps[claim.step]), claim.output));
}

/// Scales balls, and adds what a variation's own numbers are rounded by: they are made in double, in
/// fewer than eight operations.
void vary(Balls& balls, double scale) {
  for (std::size_t i = 0; i < balls.size(); ++i) {
    balls.mid[i] *= scale;
    balls.radius[i] *= scale;
    balls.radius[i] += 8 * kU64 * std::max(balls.scale[i], std::abs(balls.mid[i]));
    if (!balls.low.empty()) balls.low[i] *= scale;
  }
}

}  // namespace

Contract contract_of(const Question& q, const Arithmetic& arithmetic) {
  const bool wide = arithmetic.wide_sums || q.problem.dtype == Dtype::f64;
  return contract_of(truenorm_contract{wide ? TRUENORM_F64 : TRUENORM_F32, 0, 0}, q.problem);
}

Verdict judge_claim(const Claim& claim, Answer& answer) {
  Answer one;
  one.save_expected = true;
  one.steps.resize(claim.step + 1);
  Trace trace;
  trace.steps.resize(claim.step + 1);
  values_of(trace, claim) = claim.values;
  std::swap(balls_of(one, claim), balls_of(answer, claim));
  Verdict verdict = judge(trace, one);
  std::swap(balls_of(one, claim), balls_of(answer, claim));
  return verdict;
}

std::vector<std::vector<std::string>> right_for(const Question& q, const std::vector<bool>& asked,
                                                const Arithmetic& arithmetic) {
  std::vector<std::vector<std::string>> right(q.claims.size());
  const Used used = used_statistics(q);
  for (const Change& change : changes(q, used)) {
    Variation v{q, {}};
    v.contract = contract_of(q, arithmetic);
    change.apply(v);
    Answer answered = answer(v.question.problem, v.question.inputs, v.contract);
    for (std::size_t i = 0; i < asked.size(); ++i) {
      const Claim& claim = v.question.claims[i];
      if (!asked[i] || !v.about(claim)) continue;
      vary(balls_of(answered, claim),
           claim.output == Output::running_var ? v.running_var_scale : 1);
      if (judge_claim(claim, answered).result != Result::pass) continue;
      // The radii may not tell one small eps from another.
      const bool another =
          change.words.starts_with(kEps) && !right[i].empty() && right[i].back().starts_with(kEps);
      if (another)
        right[i].back() += " or " + change.words.substr(kEps.size());
      else
        right[i].push_back(change.words);
    }
  }
  return right;
}

}  // namespace truenorm::oracle
