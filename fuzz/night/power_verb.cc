// power: how soon fuzzing from nothing kills what is known to be wrong.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <thread>

#include "engine.h"
#include "folder.h"
#include "oracle/cli/options.h"
#include "oracle/cli/support.h"
#include "oracle/players/players.h"
#include "oracle/power.h"
#include "oracle/text.h"
#include "oracle/threads.h"
#include "process.h"
#include "verbs.h"

namespace truenorm::night {
namespace {

namespace cli = oracle::cli;
namespace fs = std::filesystem;
using oracle::Kill;
using oracle::Life;
using oracle::cli::UsageError;

constexpr double kHonestSeconds = 10;

struct Options {
  std::vector<std::string> ids;
  double seconds = 120;
  unsigned seed = 1, threads = 1, timeout = 10;
  std::string json, builds;
  bool lines = false, coverage_alone = false;
};

/// Of processor time, which other work on the machine does not eat; `before` where the process is
/// no more.
double seconds_of(pid_t pid, double before) {
  clockid_t clock = 0;
  timespec now{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &now) != 0) return before;
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// What the judge said in the process: one line of its log.
std::optional<Kill> told(const std::string& log) {
  constexpr std::string_view kMark = "truenorm: finding: ";
  const std::size_t at = log.find(kMark);
  if (at == log.npos) return std::nullopt;
  const std::size_t begin = at + kMark.size();
  const auto json =
      nlohmann::json::parse(log.substr(begin, log.find('\n', begin) - begin), nullptr, false);
  if (json.is_discarded()) return std::nullopt;
  Kill kill;
  kill.check = json.value("reason", "");
  kill.detail = json.value("detail", "");
  kill.line = json.value("case", "");
  return kill;
}

class Measure {
 public:
  Measure(const Options& options, const Builds& builds, Minder& minder, const fs::path& scratch)
      : o_(options), builds_(builds), minder_(minder), scratch_(scratch) {}

  /// Fuzzes each from nothing, by each target in turn, for at most so long each.
  std::vector<Life> lives(std::vector<Life>, const std::string& prefix, double seconds);

 private:
  void live(Life&, const std::string& subject, double seconds);
  bool fuzz(const Target&, Life&, const std::string& subject, double seconds);
  std::optional<Kill> killed(const fs::path& folder, const Target&, const std::string& subject,
                             const std::string& log) const;

  const Options& o_;
  const Builds& builds_;
  Minder& minder_;
  const fs::path& scratch_;
  std::atomic<bool> stop_{false};
};

std::optional<Kill> Measure::killed(const fs::path& folder, const Target& target,
                                    const std::string& subject, const std::string& log) const {
  if (auto kill = told(log)) return kill;
  for (const fs::path& file : files_of(folder / "artifacts")) {
    const Death death = read_death(log, file.filename().string());
    if (death.verdict.empty()) continue;
    const std::string input = read_bytes(file);
    Kill kill;
    kill.result = death.verdict == "timeout" ? oracle::Result::timeout : oracle::Result::crash;
    kill.check = death.reason;
    kill.detail = death.detail;
    kill.line =
        print(fuzz::decode({reinterpret_cast<const std::uint8_t*>(input.data()), input.size()},
                           fuzz::bounds_for(target.bounds, subject)));
    return kill;
  }
  return std::nullopt;
}

/// Adds to the life what one target made of it; false where the run was stopped.
bool Measure::fuzz(const Target& target, Life& life, const std::string& subject, double seconds) {
  const fs::path folder = scratch_ / fmt::format("{}-{}", life.id, target.name);
  fs::create_directories(folder / "artifacts");
  Command command{command_of(target, {"fast", ""}, builds_, subject, {o_.timeout}), folder / "log"};
  for (const std::string& word :
       {fmt::format("-seed={}", o_.seed), std::string("-print_final_stats=1"),
        "-artifact_prefix=" + (folder / "artifacts" / "").string(),
        "--status=" + (folder / "status").string(),
        fmt::format("--feedback={}", o_.coverage_alone ? 0 : 1)})
    command.argv.push_back(word);
  Child child(minder_, command);
  double spent = 0, asked = 0;  // asked: to end, at this processor time
  std::optional<Ended> ended;
  while (!ended) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    spent = seconds_of(child.pid(), spent);
    ended = child.ended();
    if (ended || (spent < seconds && !stop_)) continue;
    if (asked == 0) child.signal(SIGINT), asked = spent;
    if (spent > asked + 2 * o_.timeout) child.signal(SIGKILL);
  }
  Log log(folder / "log");
  log.read();
  life.cases += log.counts().executions;
  life.seconds += spent;
  const auto status = nlohmann::json::parse(read_bytes(folder / "status"), nullptr, false);
  if (!status.is_discarded()) life.passed += status.value("passed", std::uint64_t{0});
  life.kill = killed(folder, target, subject, log.tail());
  if (life.kill) {
    life.kill->area = target.name;
    life.kill->number = log.counts().executions;
  } else if (asked == 0) {
    throw std::runtime_error(
        fmt::format("{}: {} without a finding: {}", target.name, ended->words(), log.tail()));
  }
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return !stop_;
}

void Measure::live(Life& life, const std::string& subject, double seconds) {
  bool whole = true;
  for (const char* name : {"case_fuzz", "sequence_fuzz"})
    if (whole && !life.kill) whole = fuzz(*target_named(name), life, subject, seconds);
  life.whole = whole || life.kill;
}

std::vector<Life> Measure::lives(std::vector<Life> lives, const std::string& prefix,
                                 double seconds) {
  std::atomic<std::size_t> turn{0}, done{0}, kills{0};
  cli::ProgressLine progress;
  const auto work = [&](unsigned) {
    for (std::size_t i; !stop_ && (i = turn++) < lives.size(); ++done) {
      live(lives[i], prefix + lives[i].id, seconds);
      kills += lives[i].kill.has_value();
    }
  };
  const auto tick = [&] {
    if (cli::Interruptible::interrupted()) stop_ = true;
    progress.show(fmt::format("{}/{} players, {} killed", done.load(), lives.size(), kills.load()));
  };
  oracle::on_threads(o_.threads, work, tick, stop_);
  return lives;
}

Life player(std::string_view id, std::string_view what) {
  Life life;
  life.id = id;
  life.what = what;
  return life;
}

int run_power(const Options& o) {
  if (!(o.seconds > 0 && std::isfinite(o.seconds)))
    throw UsageError("--seconds: a time above 0 was expected");
  for (const std::string& id : o.ids) cli::require_player("faulty:" + id);
  std::vector<Life> defects, honest;
  for (const oracle::Fault& f : oracle::faults())
    if (o.ids.empty() || std::find(o.ids.begin(), o.ids.end(), f.id) != o.ids.end())
      defects.push_back(player(f.id, f.what));
  for (const char* spec : {"naive", "naive:layer", "blocked"})
    honest.push_back(player(spec, "right: " + oracle::make_player(spec)->version()));
  const Builds builds(o.builds);
  for (const char* name : {"case_fuzz", "sequence_fuzz"})
    if (!builds.has("fast", *target_named(name)))
      throw UsageError(fmt::format("there is no program {}",
                                   builds.program("fast", *target_named(name)).string()));
  cli::OutputFile json(o.json);

  Minder minder;
  const Scratch scratch;
  const cli::Interruptible guard;
  const auto start = std::chrono::steady_clock::now();
  Measure measure(o, builds, minder, scratch.path());
  oracle::PowerReport report{"", o.seed, o.threads, 0, false, {}, {}};
  report.defects = measure.lives(std::move(defects), "faulty:", o.seconds);
  double longest = kHonestSeconds;
  for (const Life& l : report.defects)
    if (l.kill) longest = std::max(longest, l.seconds);
  report.honest = measure.lives(std::move(honest), "", std::min(longest, o.seconds));
  report.interrupted = cli::Interruptible::interrupted();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (json.wanted()) json.write(to_json(report));
  if (o.json != "-") fmt::print("{}", to_text(report, o.lines, cli::colour()));
  if (report.interrupted && report.survivors().empty()) return cli::kInterrupted;
  return report.all_good() ? cli::kGood : cli::kAgainst;
}

}  // namespace

void add_power(CLI::App& app, int& status) {
  CLI::App* verb =
      app.add_subcommand("power", "Measure fuzzing from nothing by defects that it is to kill");
  const auto o = std::make_shared<Options>();
  verb->add_option("id", o->ids, "Defects (default: all of 'truenorm list faults')");
  verb->add_option("--seconds", o->seconds,
                   "Processor time for a defect and a target (default 120)");
  verb->add_option("--seed", o->seed, "Seed of the engine (default 1)")
      ->check(cli::whole_number(1, 1u << 31));
  verb->add_option("--threads", o->threads, "Defects side by side (default 1)")
      ->check(cli::whole_number(1, 64));
  verb->add_option("--json", o->json, "Write the report as JSON; - for standard output");
  verb->add_option("--builds", o->builds, "fast=DIR: the programs")
      ->envname("TRUENORM_FUZZ_BUILDS");
  verb->add_flag("--lines", o->lines, "Show each killing case as its line");
  verb->add_flag("--coverage-alone", o->coverage_alone, "Scores do not guide");
  verb->footer(
      "Each defect is fuzzed by case_fuzz, then by sequence_fuzz, from an empty corpus.\n"
      "Exit status: 0 every defect killed and what is right spared, 1 not so.\n\n"
      "Example: truenorm power --by fuzz B102 long-lanes");
  verb->callback([o, &status] { status = run_power(*o); });
}

}  // namespace truenorm::night
