// explain: the worst element of a case, term by term, and what each player says there.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../conform.h"
#include "../divergence.h"
#include "../text.h"
#include "../words.h"
#include "support.h"
#include "verbs.h"

namespace truenorm::oracle::cli {
namespace {

struct Options {
  std::string line, subject, players;
};

/// What one player answered, and what would have been right for it.
struct Played {
  std::string spec, version;
  RemotePlayer::Reply reply;
  Answer balls;
  Verdict verdict;
};

/// A verdict against somebody is worse than any score.
double badness(const Verdict& v) {
  return against(v) ? 1e300 : v.result == Result::skipped ? -1 : v.score;
}

bool semantic(const Verdict& v) {
  for (std::size_t i = 0; i < kOutputs; ++i)
    if (v.reason == name(static_cast<Output>(i))) return false;
  return against(v);
}

std::string ball_text(const Balls& balls, std::size_t i, Dtype dtype) {
  switch (balls.kind[i]) {
    case Kind::finite:
      return fmt::format("{} ± {:.6g}", number(balls.mid[i], dtype), balls.radius[i]);
    case Kind::nan:
      return "NaN";
    case Kind::pos_inf:
      return "+Inf";
    case Kind::neg_inf:
      return "-Inf";
    case Kind::any:
      return "anything: the ball straddles an overflow or 0/0";
  }
  return {};
}

/// Refusals and counters of every step, beside what they should be.
void explain_semantics(const Case& c, const Played& p) {
  fmt::print("  {:<10} {}: {}\n", p.spec, name(p.verdict.result), describe(c, p.verdict));
  const std::vector<StepAnswer> want = semantics(c.problem);
  for (std::size_t i = 0; i < want.size() && i < p.reply.trace.steps.size(); ++i) {
    const StepTrace& got = p.reply.trace.steps[i];
    auto said = [](Refusal refusal) {
      return refusal == Refusal::none ? std::string("accepted")
                                      : fmt::format("refused ({})", name(refusal));
    };
    fmt::print(
        "      step {} ({}): {}, counter {}; right: {}, counter {}{}\n", i,
        letter(c.problem.run[i].op), said(got.refused), got.num_batches_tracked,
        said(want[i].refused), want[i].num_batches_tracked,
        got.message.empty() ? "" : "; its words: " + got.message.substr(0, got.message.find('\n')));
  }
}

void explain_element(const Case& c, const Inputs& inputs, const Played& p, const Where& where) {
  if (p.reply.trace.outcome != Outcome::played) {
    fmt::print("  {:<10} {}: {}\n", p.spec, name(p.verdict.result), describe(c, p.verdict));
    return;
  }
  const Balls& balls = tensor(p.balls.steps[where.step], where.output);
  const bool there = where.step < p.reply.trace.steps.size() &&
                     where.element < tensor(p.reply.trace.steps[where.step], where.output).size();
  if (!there || where.element >= balls.size()) {
    fmt::print("  {:<10} gives no such element\n", p.spec);
    return;
  }
  const Dtype dtype = c.problem.dtype;
  const double got = tensor(p.reply.trace.steps[where.step], where.output)[where.element];
  const double low = balls.low.empty() ? 0 : balls.low[where.element];
  const double off = (got - balls.mid[where.element]) - low, radius = balls.radius[where.element];
  const bool inside = std::fabs(off) <= radius;
  fmt::print("  {:<10} got {}, right is {}", p.spec, number(got, dtype),
             ball_text(balls, where.element, dtype));
  if (balls.kind[where.element] == Kind::finite)
    fmt::print(": {}{}", std::isnan(off) ? "" : fmt::format("off by {:.3g}, ", off),
               inside
                   ? fmt::format("inside (score {:.3g})", radius > 0 ? std::fabs(off) / radius : 0)
                   : "OUTSIDE");
  fmt::print("\n");
  double sum = 0;
  const std::vector<Term> terms =
      explain(c.problem, inputs, p.reply.contract, where.step, where.output, where.element);
  for (const Term& term : terms) {
    fmt::print("      {:>12.4g}  {}\n", term.value, term.name);
    sum += term.value;
  }
  if (!terms.empty()) fmt::print("      {:>12.4g}  sum of the terms\n", sum);
}

void explain_divergence(const Case& c, const Played& p, const Divergences& known) {
  if (p.spec != "libtorch" || !against(p.verdict)) return;
  const Divergence* entry = known.classify(c, p.verdict, p.version);
  if (entry == nullptr) {
    fmt::print("\nNo listed divergence of LibTorch {} explains this.\n", p.version);
    return;
  }
  fmt::print("\nA known divergence of LibTorch {}: {}\n  cause: {}\n  right: {}\n", p.version,
             entry->id, entry->cause, entry->right);
}

int run_explain(const Options& o) {
  const Case asked = parse_line(o.line);
  const Table table = who_plays(o.players, o.subject);
  std::vector<std::pair<std::string, std::unique_ptr<Seat>>> seats;
  for (const std::string& spec : table.players) seats.emplace_back(spec, seat_for(spec));

  // Of all the ways to run the case, the one in which somebody is worst.
  Case shown;
  std::vector<Played> played;
  double worst = -2;
  for (const Case& c : expand(asked)) {
    const Inputs inputs = make_inputs(c);
    std::vector<Played> now;
    double here = -1;
    for (auto& [spec, seat] : seats) {
      Played p{spec, seat->version(), seat->ask(c), {}, {}};
      if (p.reply.trace.outcome == Outcome::played)
        p.balls = answer(c.problem, inputs, p.reply.contract);
      p.verdict = judge(p.reply.trace, p.balls);
      here = std::max(here, badness(p.verdict));
      now.push_back(std::move(p));
    }
    if (here <= worst) continue;
    worst = here;
    shown = c;
    played = std::move(now);
  }
  fmt::print("{}\n", print(shown));
  const auto accused = std::max_element(
      played.begin(), played.end(),
      [](const Played& a, const Played& b) { return badness(a.verdict) < badness(b.verdict); });
  const bool numbers = accused->verdict.elements > 0 && !semantic(accused->verdict);
  if (!numbers) {
    for (const Played& p : played) explain_semantics(shown, p);
  } else {
    const Where& where = accused->verdict.worst;
    fmt::print("worst element: {} of step {} ({}), by {} ({})\n",
               element_name(shown.problem, where), where.step,
               letter(shown.problem.run[where.step].op), accused->spec,
               name(accused->verdict.result));
    const Inputs inputs = make_inputs(shown);
    for (const Played& p : played) explain_element(shown, inputs, p, where);
  }
  const bool libtorch = std::any_of(played.begin(), played.end(),
                                    [](const Played& p) { return p.spec == "libtorch"; });
  const Divergences known = libtorch ? known_divergences("") : Divergences();
  int status = kGood;
  for (const Played& p : played) {
    explain_divergence(shown, p, known);
    const bool excused = p.spec == "libtorch" && table.subject != "libtorch" &&
                         !known_id(known, shown, p.verdict, p.version).empty();
    if (against(p.verdict) && !excused) status = kAgainst;
  }
  return status;
}

}  // namespace

void add_explain(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand(
      "explain", "The worst element of a case: its ball term by term, and each player's value");
  const auto o = std::make_shared<Options>();
  verb->add_option("LINE", o->line, "The case")->required();
  verb->add_option("--subject", o->subject,
                   "truenorm (default), onednn, libtorch, naive, faulty:ID or PATH.so");
  verb->add_option("--players", o->players, "Whose values are shown (default subject,libtorch)");
  verb->footer("Example: truenorm explain 'tn1 n4c2s8x8 f32 x=cancel(1e6) run=T | nchw'");
  verb->callback([o, &status] { status = run_explain(*o); });
}

}  // namespace truenorm::oracle::cli
