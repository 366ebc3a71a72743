// Compares an answer with published numbers.
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <optional>

#include "vectors.h"
#include "words.h"

namespace truenorm::oracle {
namespace {

/// What a player answered for one published output, and how far it may rightly lie from the exact
/// result.
struct Answered {
  std::vector<double> got, radius;
  Dtype stored = Dtype::f64;
};

double radius_of(const Balls& balls, std::size_t i) {
  return balls.kind[i] == Kind::finite ? balls.radius[i] : std::numeric_limits<double>::infinity();
}

Answered plain(const std::vector<double>& got, const Balls& balls, Dtype stored) {
  Answered a{got, {}, stored};
  for (std::size_t i = 0; i < balls.size(); ++i) a.radius.push_back(radius_of(balls, i));
  return a;
}

/// max(y, 0) with NaN kept. It moves no two values further apart, so y's radius serves.
Answered relu(const std::vector<double>& y, const Balls& balls, Dtype stored) {
  Answered a = plain(y, balls, stored);
  for (double& value : a.got) value = value < 0 ? 0 : value;
  return a;
}

/// Players hand out invstd = 1/sqrt(var + eps), so var = 1/invstd^2 - eps. The image of the ball of
/// invstd bounds the error.
Answered variance(const std::vector<double>& invstd, const Balls& balls, double eps) {
  Answered a;
  auto var = [&](double s) { return 1 / (s * s) - eps; };
  for (const double s : invstd) a.got.push_back(var(s));
  for (std::size_t i = 0; i < balls.size(); ++i) {
    const double low = balls.mid[i] - radius_of(balls, i),
                 high = balls.mid[i] + radius_of(balls, i);
    a.radius.push_back(low > 0
                           ? std::fmax(var(low) - var(balls.mid[i]), var(balls.mid[i]) - var(high))
                           : std::numeric_limits<double>::infinity());
  }
  return a;
}

Answered answered(Published output, const VectorStep& step, const Problem& p, const Trace& trace,
                  const Answer& balls) {
  const StepTrace &f = trace.steps[step.forward], &b = trace.steps[step.backward];
  const StepAnswer &fa = balls.steps[step.forward], &ba = balls.steps[step.backward];
  // save_* are f32 for data of 16 bits, as every player hands them out.
  const Dtype save = p.dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32;
  switch (output) {
    case Published::y:
      return plain(f.y, fa.y, p.dtype);
    case Published::running_mean:
      return plain(f.running_mean, fa.running_mean, p.param_dtype);
    case Published::running_var:
      return plain(f.running_var, fa.running_var, p.param_dtype);
    case Published::save_mean:
      return plain(f.save_mean, fa.save_mean, save);
    case Published::save_var_biased:
      return variance(f.save_invstd, fa.save_invstd, p.eps);
    case Published::dx:
      return plain(b.dx, ba.dx, p.dtype);
    case Published::dweight:
      return plain(b.dweight, ba.dweight, p.param_dtype);
    case Published::dbias:
      return plain(b.dbias, ba.dbias, p.param_dtype);
    case Published::y_activated:
      return relu(f.y, fa.y, p.dtype);
  }
  return {};
}

/// The first number that is missed, in words; nothing if all are met.
std::optional<std::string> missed(const Expectation& e, const Answered& a, const VectorCase& v) {
  const std::string output{name(e.output)};
  if (a.got.size() != e.values.size()) return fmt::format("{}: not produced", output);
  const Dtype digits = v.value.problem.dtype;
  for (std::size_t i = 0; i < e.values.size(); ++i) {
    const double stored = round_to(a.stored, e.values[i]);
    const double allowed = v.abs + v.rel * std::fabs(stored);
    const bool tolerated = std::fabs(a.got[i] - stored) <= allowed;
    if (!tolerated)
      return fmt::format("{}[{}]: got {}, published {}, the source allows ± {:.3g}", output, i,
                         number(a.got[i], digits), number(stored, digits), allowed);
    // Unrounded: accuracy and radius are both distances from the exact result, and rounding would
    // add a third.
    const double radius = i < a.radius.size() ? a.radius[i] : 0;
    const bool sharp = std::fabs(a.got[i] - e.values[i]) <= e.accuracy + radius;
    if (!sharp)
      return fmt::format("{}[{}]: got {}, published {} ± {:.3g} (accuracy {:.3g} + radius {:.3g})",
                         output, i, number(a.got[i], digits), number(e.values[i], digits),
                         e.accuracy + radius, e.accuracy, radius);
  }
  return std::nullopt;
}

std::optional<std::string> missed(const std::vector<Expectation>& list, const VectorStep& step,
                                  const VectorCase& v, const Trace& trace, const Answer& balls) {
  for (const Expectation& e : list)
    if (auto what = missed(e, answered(e.output, step, v.value.problem, trace, balls), v))
      return what;
  return std::nullopt;
}

void fall_short(Verdict& verdict, std::string what) {
  verdict.result = Result::fail;
  verdict.reason = "published";
  verdict.detail = std::move(what);
}

}  // namespace

Verdict judge_vector(const VectorCase& v, const Trace& trace, const Contract& contract) {
  if (trace.outcome != Outcome::played) return judge(trace, Answer{});
  const Answer balls = answer(v.value.problem, v.inputs, contract);
  Verdict verdict = judge(trace, balls);
  if (against(verdict) || trace.steps.size() != balls.steps.size()) return verdict;
  bool published_missed = false;
  for (const VectorStep& step : v.steps) {
    const auto miss = missed(step.expect, step, v, trace, balls);
    published_missed |= miss.has_value();
    if (!v.known_wrong && miss) {
      fall_short(verdict, *miss);
      return verdict;
    }
    if (const auto short_of =
            v.known_wrong ? missed(step.correct, step, v, trace, balls) : std::nullopt) {
      fall_short(verdict, "the corrected value is missed: " + *short_of);
      return verdict;
    }
  }
  if (v.known_wrong && !published_missed)
    fall_short(verdict, "meets the published value, which is known to be wrong");
  return verdict;
}

}  // namespace truenorm::oracle
