#include "judge.h"

#include <cmath>
#include <limits>

namespace truenorm::oracle {

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

/// Distance over radius: at most 1 inside the ball, Inf where no radius could help.
double score_of(const Balls& balls, std::size_t i, double got) {
  switch (balls.kind[i]) {
    case Kind::any:
      return 0;
    case Kind::nan:
      return std::isnan(got) ? 0 : kInf;
    case Kind::pos_inf:
      return got == kInf ? 0 : kInf;
    case Kind::neg_inf:
      return got == -kInf ? 0 : kInf;
    case Kind::finite:
      break;
  }
  const double mid = balls.mid[i], radius = balls.radius[i];
  if (std::isinf(got)) {
    const double end =
        got > 0 ? mid + radius : radius - mid;  // of the ball, on the side of the Inf
    return end >= balls.max_finite ? 0 : kInf;
  }
  const double distance = std::abs((got - mid) - (balls.low.empty() ? 0 : balls.low[i]));
  const bool inside = distance <= radius;
  if (std::isnan(distance)) return kInf;
  if (radius > 0) return distance / radius;
  return inside ? 0 : kInf;
}

std::string sentence(const Verdict& v, std::size_t step) {
  return "step " + std::to_string(step) + ": " + v.reason;
}

/// What the elements of one output kind add up to over the program.
struct Tally {
  std::uint64_t elements = 0, vacuous = 0;
};

class Judging {
 public:
  Judging(Verdict& verdict, bool save_expected) : v_(verdict), save_expected_(save_expected) {
    v_.scores.fill(-1);
  }

  void fail(std::size_t step, std::string reason, std::string detail) {
    if (v_.result == Result::fail) return;
    v_.result = Result::fail;
    v_.reason = std::move(reason);
    v_.detail = std::move(detail);
    v_.worst.step = step;
    v_.score = kInf;
  }

  void compare(std::size_t step, Output output, const std::vector<double>& got,
               const Balls& balls) {
    const bool optional =
        !save_expected_ && (output == Output::save_mean || output == Output::save_invstd);
    if (got.empty() && (optional || balls.size() == 0)) return;
    if (got.size() != balls.size()) {
      fail(step, "missing",
           std::string(name(output)) + " has " + std::to_string(got.size()) + " elements, not " +
               std::to_string(balls.size()));
      return;
    }
    double best = 0;
    std::uint64_t vacuous = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double score = score_of(balls, i, got[i]);
      vacuous += balls.vacuous(i);
      best = std::max(best, score);
      if (score > v_.score || (v_.elements == 0 && i == 0)) {
        v_.score = score;
        v_.worst = {step, output, i, got[i], balls.mid[i], balls.radius[i], balls.kind[i]};
      }
    }
    const auto o = static_cast<std::size_t>(output);
    tallies_[o].elements += got.size();
    tallies_[o].vacuous += vacuous;
    v_.elements += got.size();
    v_.vacuous += vacuous;
    v_.scores[o] = std::max(v_.scores[o], best);
    if (!(best <= 1)) fail_number(step, output);
  }

  /// Something other than a number was right: a refusal, or the counter.
  void proved() { proved_ = true; }

  void finish() {
    if (v_.result != Result::pass) return;
    if (v_.elements == 0 && !proved_) {
      v_.result = Result::hollow;
      v_.reason = "empty";
      v_.detail = "there is nothing to compare";
      return;
    }
    for (std::size_t o = 0; o < kOutputs; ++o) {
      if (tallies_[o].elements == 0 || tallies_[o].vacuous < tallies_[o].elements) continue;
      v_.result = Result::hollow;
      v_.reason = name(static_cast<Output>(o));
      v_.detail = "all " + std::to_string(tallies_[o].elements) + " balls of " + v_.reason +
                  " are so wide that they prove nothing";
      return;
    }
  }

 private:
  void fail_number(std::size_t step, Output output) {
    if (v_.result == Result::fail) return;
    v_.result = Result::fail;
    v_.reason = name(output);
    v_.detail = sentence(v_, step) + "[" + std::to_string(v_.worst.element) + "]";
  }

  Verdict& v_;
  bool save_expected_, proved_ = false;
  std::array<Tally, kOutputs> tallies_{};
};

std::string refusal_text(Refusal refusal) {
  return refusal == Refusal::none ? "accepted" : "refused: " + std::string(name(refusal));
}

}  // namespace

std::string_view name(Result result) {
  constexpr std::string_view kNames[kResults] = {"pass",    "fail",  "hollow",
                                                 "skipped", "crash", "timeout"};
  return kNames[static_cast<std::size_t>(result)];
}

const std::vector<double>& tensor(const StepTrace& step, Output output) {
  const std::vector<double>* all[kOutputs] = {
      &step.y,       &step.save_mean, &step.save_invstd,  &step.dx,
      &step.dweight, &step.dbias,     &step.running_mean, &step.running_var};
  return *all[static_cast<std::size_t>(output)];
}

const Balls& tensor(const StepAnswer& step, Output output) {
  const Balls* all[kOutputs] = {
      &step.y,       &step.save_mean, &step.save_invstd,  &step.dx,
      &step.dweight, &step.dbias,     &step.running_mean, &step.running_var};
  return *all[static_cast<std::size_t>(output)];
}

Verdict judge(const Trace& got, const Answer& balls) {
  Verdict v;
  Judging judging(v, balls.save_expected);
  switch (got.outcome) {
    case Outcome::played:
      break;
    case Outcome::unsupported:
      v.result = Result::skipped;
      break;
    case Outcome::crashed:
      v.result = Result::crash;
      break;
    case Outcome::timed_out:
      v.result = Result::timeout;
      break;
    case Outcome::failed:
    case Outcome::out_of_bounds:
    case Outcome::changed_input:
    case Outcome::not_written:
    case Outcome::refused_but_wrote:
      v.result = Result::fail;
      break;
  }
  if (got.outcome != Outcome::played) {
    v.reason = got.outcome == Outcome::unsupported ? got.detail : std::string(name(got.outcome));
    v.detail = got.detail;
    return v;
  }
  for (std::size_t i = 0; i < balls.steps.size() && v.result == Result::pass; ++i) {
    if (i >= got.steps.size()) {
      judging.fail(i, "missing", "the trace ends before step " + std::to_string(i));
      break;
    }
    const StepTrace& step = got.steps[i];
    const StepAnswer& want = balls.steps[i];
    if (step.refused != want.refused)
      judging.fail(i, "refusal",
                   "step " + std::to_string(i) + ": " + refusal_text(step.refused) + ", not " +
                       refusal_text(want.refused));
    if (!(step.num_batches_tracked == want.num_batches_tracked))
      judging.fail(i, "num_batches_tracked",
                   "step " + std::to_string(i) + ": counter " +
                       std::to_string(step.num_batches_tracked) + ", not " +
                       std::to_string(want.num_batches_tracked));
    if (want.refused != Refusal::none || want.num_batches_tracked >= 0) judging.proved();
    for (std::size_t o = 0; o < kOutputs && v.result == Result::pass; ++o)
      judging.compare(i, static_cast<Output>(o), tensor(step, static_cast<Output>(o)),
                      tensor(want, static_cast<Output>(o)));
  }
  judging.finish();
  return v;
}

}  // namespace truenorm::oracle
