#include "refine.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "engine.h"
#include "folder.h"
#include "fuzz/finding.h"
#include "intake.h"
#include "oracle/bytes.h"
#include "oracle/cli/support.h"
#include "oracle/conform.h"
#include "oracle/shrink.h"
#include "oracle/text.h"
#include "oracle/words.h"

namespace truenorm::night {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using oracle::Case;
using oracle::Verdict;

constexpr auto kTick = std::chrono::milliseconds(2);
constexpr double kStart = 20;  // seconds for a process to start and to end

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Runs a command to its end, or to that of its time.
void complete(const Bench& bench, const std::vector<std::string>& argv, double seconds) {
  const auto start = Clock::now();
  Child child(bench.minder, {argv, bench.scratch / "log"});
  while (!child.ended() && since(start) < seconds && !bench.stop())
    std::this_thread::sleep_for(kTick);
}

std::string bytes_of(const Case& c) {
  const std::vector<std::uint8_t> bytes = oracle::encode(c);
  return {bytes.begin(), bytes.end()};
}

/// The same goes wrong with the same one.
bool alike(const Finding& a, const Finding& b) {
  return a.verdict == b.verdict && a.reason == b.reason && a.subject == b.subject;
}

std::optional<Finding> same(const Bench& bench, const Target& target, const Finding& seen,
                            const std::string& input) {
  for (Finding& f : play(bench, target, way_named(seen.build), input))
    if (alike(f, seen)) return std::move(f);
  return std::nullopt;
}

/// A smaller input that is no case, by the engine's own means.
std::string engine_minimized(const Bench& bench, const Target& target, const Finding& f,
                             double seconds) {
  const fs::path from = bench.scratch / "large", to = bench.scratch / "small";
  std::error_code ignored;
  fs::remove(to, ignored);
  fuzz::write_whole(from.string(), f.input);
  std::vector<std::string> words =
      command_of(target, way_named(f.build), bench.builds, bench.subject, bench.limits);
  words.insert(words.end(), {"-minimize_crash=1", "-exact_artifact_path=" + to.string(),
                             fmt::format("-max_total_time={:.0f}", seconds), from.string()});
  complete(bench, words, seconds + kStart);
  const std::string smaller = read_bytes(to);
  if (smaller.size() < f.input.size() && fs::exists(to) && same(bench, target, f, smaller))
    return smaller;
  return f.input;
}

void refine_case(const Bench& bench, Witnesses& witnesses, const Target& target, Finding& f,
                 const Budget& budget, Finding last) {
  const auto start = Clock::now();
  const auto fails = [&](const Case& c) {
    if (bench.stop() || since(start) > budget.seconds) return false;
    const Case whole = c.exec ? c : Case{c.problem, oracle::Exec{}};
    auto again = same(bench, target, f, bytes_of(whole));
    if (again) last = std::move(*again);
    return again.has_value();
  };
  oracle::shrink(oracle::parse(f.line), fails, budget.plays);
  if (bench.stop()) return;
  f.state = Finding::State::minimal;
  f.minimal = last.line;
  f.detail = last.detail;
  f.input = last.input;
  const Witnesses::Statement said = witnesses.ask(f.minimal, f);
  f.opinion = said.opinion;
  if (said.against)
    f.detail = said.detail;  // with the numbers
  else
    f.opinion += fmt::format("; {} saw it, the judge's own process says {}", f.build, said.verdict);
}

}  // namespace

std::vector<Finding> play(const Bench& bench, const Target& target, const Way& way,
                          const std::string& input) {
  const fs::path findings = bench.scratch / "findings", file = bench.scratch / "input";
  fs::remove_all(findings);
  fs::create_directories(findings);
  fuzz::write_whole(file.string(), input);
  std::vector<std::string> words =
      command_of(target, way, bench.builds, bench.subject, bench.limits);
  words.insert(words.end(), {"--findings=" + findings.string(), file.string()});
  complete(bench, words, bench.limits.seconds_a_case + kStart);
  std::vector<Finding> found;
  for (Left& left : left_in(bench.scratch, target, bench.subject, {}))
    found.push_back(std::move(left.finding));
  Log log(bench.scratch / "log");
  log.read();
  if (const Death death = read_death(log.tail(), {}); !death.verdict.empty())
    found.push_back(finding_of(death, target, bench.subject, input));
  for (Finding& f : found) f.build = way.name();
  return found;
}

struct Witnesses::Impl {
  std::string subject;
  std::unique_ptr<oracle::Seat> mine, libtorch;
  oracle::Divergences known;
  bool tried = false;

  /// LibTorch, if its worker is there; who is right is told without it, too.
  void sit_down() {
    if (tried) return;
    tried = true;
    mine = oracle::cli::seat_for(subject);
    try {
      oracle::cli::require_player("libtorch");
      known = oracle::cli::known_divergences("");
      libtorch = oracle::cli::seat_for("libtorch");
    } catch (const oracle::cli::UsageError&) {
      libtorch.reset();
    }
  }
  Verdict verdict(oracle::Seat& seat, const Case& c) const {
    return judge_reply({c, nullptr}, make_inputs(c), seat.ask(c));
  }
};

Witnesses::Witnesses(std::string subject) : impl_(std::make_unique<Impl>()) {
  impl_->subject = std::move(subject);
}
Witnesses::~Witnesses() = default;

Witnesses::Statement Witnesses::ask(const std::string& line, const Finding& seen) {
  impl_->sit_down();
  const Case c = oracle::parse(line);
  const Verdict mine = impl_->verdict(*impl_->mine, c);
  std::optional<Verdict> theirs;
  std::string id;
  if (impl_->libtorch) {
    theirs = impl_->verdict(*impl_->libtorch, c);
    id = oracle::cli::known_id(impl_->known, c, *theirs, impl_->libtorch->version());
  }
  const Verdict& accused = seen.subject == "libtorch" && theirs ? *theirs : mine;
  Statement said;
  said.against = against(accused);
  said.verdict = std::string(name(accused.result));
  if (!accused.reason.empty()) said.verdict += ": " + accused.reason;
  said.detail = describe(c, accused);
  said.opinion = opinion(impl_->subject, mine, theirs ? &*theirs : nullptr, id);
  return said;
}

Finding refine(const Bench& bench, Witnesses& witnesses, Finding f, const Budget& budget) {
  const Target* target = target_named(f.target);
  if (target == nullptr) return f;
  fs::create_directories(bench.scratch);
  auto again = same(bench, *target, f, f.input);
  if (bench.stop()) return f;
  if (!again) {
    f.state = Finding::State::unreproduced;
    f.opinion = "played again, it did not happen";
    return f;
  }
  if (target->cases()) {
    // Every death costs the writing of a report, and a hang its whole time.
    Budget plays = budget;
    if (f.verdict != "fail") plays.plays /= 8;
    refine_case(bench, witnesses, *target, f, plays, std::move(*again));
    return f;
  }
  f.input = engine_minimized(bench, *target, f, budget.engine);
  if (bench.stop()) return f;
  f.state = Finding::State::minimal;
  f.opinion = f.subject.empty() ? std::string() : fmt::format("{} is wrong", f.subject);
  return f;
}

}  // namespace truenorm::night
