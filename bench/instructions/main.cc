// truenorm-instructions: how many instructions a call takes, and whether they have become more. Counts
// are the same on a noisy machine, which times are not; they say nothing of caches.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gnu/libc-version.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>

#include "calls.h"
#include "counts.h"
#include "oracle/cli/options.h"
#include "oracle/cli/support.h"

namespace truenorm::bench {
namespace {

namespace cli = oracle::cli;
namespace fs = std::filesystem;

struct Options {
  std::string baseline = TRUENORM_INSTRUCTIONS, json;
  double pct = 2;
  bool record = false, all = false, inside = false;
};

Identity identity() {
#ifdef __clang__
  const std::string compiler = "clang " __clang_version__;
#else
  const std::string compiler = "GCC " __VERSION__;
#endif
  return {{"compiler", compiler},
          {"flags", TRUENORM_FLAGS},
          {"highway", highway_version()},
          {"libc", gnu_get_libc_version()},
          {"isa", "avx2"}};
}

std::string words(const Identity& of) {
  return fmt::format("{}, {}, Highway {}, glibc {}, {}", of.at("compiler"), of.at("flags"),
                     of.at("highway"), of.at("libc"), of.at("isa"));
}

/// This program once more, under callgrind. Its name and environment are always of one length: where
/// the stack begins decides how memset() and its like begin, and that is a few instructions.
void run_inside(const cli::ScratchFolder& scratch, const std::string& out) {
  const std::string self = scratch / "program";
  fs::create_symlink(fs::read_symlink("/proc/self/exe"), self);
  std::vector<std::string> all{"valgrind",
                               "-q",
                               "--tool=callgrind",
                               "--callgrind-out-file=" + out,
                               fmt::format("--toggle-collect={}", kCounted),
                               fmt::format("--dump-after={}", kCounted),
                               self,
                               "--inside"};
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  char* environment[] = {nullptr};
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::execvpe(argv[0], argv.data(), environment);
    ::_exit(127);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) < 0) throw cli::UsageError("valgrind: no process");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
    throw cli::UsageError("valgrind was not found. On Debian: apt-get install valgrind");
  if (status != 0) throw cli::UsageError("the calls did not end well under callgrind");
}

Counts count() {
  const cli::ScratchFolder scratch("instructions");
  const std::string out = scratch / "callgrind";
  run_inside(scratch, out);
  const std::vector<std::string> names = call_names();
  const std::vector<long long> totals = read_totals(out, names.size());
  Counts counts;
  for (std::size_t i = 0; i < names.size(); ++i) counts[names[i]] = totals[i];
  return counts;
}

std::vector<Baseline> baselines(const Options& o) {
  std::error_code ignored;
  if (!fs::exists(o.baseline, ignored)) return {};
  try {
    return read_baselines(cli::read_input(o.baseline), o.baseline);
  } catch (const BaselineError& e) {
    throw cli::UsageError(e.what());
  }
}

void show(const char* what, const std::vector<CountChange>& changes) {
  for (const CountChange& c : changes)
    fmt::print("{:<40} {:>9} -> {:>9}  {:+.1f} %  {}\n", c.row, c.before, c.after, c.pct(), what);
}

int judge(const Options& o, const Baseline& baseline, const Counts& now) {
  const Counted c = compare(baseline.counts, now, o.pct);
  show("MORE", c.more);
  show("fewer", c.fewer);
  for (const std::string& row : c.missing) fmt::print("{:<40} in one of both only\n", row);
  fmt::print("{} rows: {} more, {} fewer, {} same, by {:g} % ({})\n", now.size(), c.more.size(),
             c.fewer.size(), c.same, o.pct, words(baseline.of));
  if (!c.missing.empty())
    throw cli::UsageError(fmt::format(
        "{} is about other rows than these: './run instructions --record' writes it anew",
        o.baseline));
  if (!c.fewer.empty() && c.more.empty())
    fmt::print("'./run instructions --record' keeps what was gained\n");
  return c.more.empty() ? cli::kGood : cli::kAgainst;
}

int run(const Options& o) {
  if (o.inside) {
    make_calls();
    return cli::kGood;
  }
  std::vector<Baseline> all = baselines(o);
  cli::OutputFile json(o.json), record(o.record ? o.baseline : "");
  const Baseline now{identity(), count()};
  if (o.all)
    for (const auto& [row, instructions] : now.counts)
      fmt::print("{:<40} {:>9}\n", row, instructions);
  if (json.wanted()) json.write(to_json({now}));
  const auto known =
      std::find_if(all.begin(), all.end(), [&](const Baseline& b) { return b.of == now.of; });
  if (o.record) {
    if (known != all.end())
      *known = now;
    else
      all.push_back(now);
    record.write(to_json(all));
    fmt::print("{} rows recorded in {} ({})\n", now.counts.size(), o.baseline, words(now.of));
    return cli::kGood;
  }
  if (known != all.end()) return judge(o, *known, now.counts);
  fmt::print("NO BASELINE for {}: {} rows counted, none compared\n", words(now.of),
             now.counts.size());
  return cli::kGood;
}

int complain(int status, const std::string& what) {
  fmt::print(stderr, "truenorm-instructions: {}\n", what);
  return status;
}

}  // namespace
}  // namespace truenorm::bench

int main(int argc, char** argv) {
  using namespace truenorm::bench;
  CLI::App app("How many instructions do calls take? Counted by callgrind, against a baseline.",
               "truenorm-instructions");
  app.formatter(cli::help_formatter());
  Options o;
  app.add_option("--pct", o.pct, "More of them than this is a regression (default 2)")
      ->check(CLI::Range(0.0, 1000.0));
  app.add_option("--baseline", o.baseline,
                 "Counts to compare with (default bench/instructions.json)");
  app.add_flag("--record", o.record,
               "Write the counts there, for this compiler and these libraries");
  app.add_flag("--all", o.all, "Show every count");
  app.add_option("--json", o.json, "Write the counts as JSON; - for standard output");
  app.add_flag("--inside", o.inside)->group("");  // what callgrind runs
  app.footer(
      "Exit status: 0 no more than the baseline has, or none for this compiler, which is said; 1 "
      "more;\n"
      "2 wrong usage, or no valgrind; 3 a fault of this program.\n\n"
      "Example: ./run instructions");
  try {
    app.parse(argc, argv);
    const int status = run(o);
    if (std::fflush(stdout) != 0) return complain(cli::kUsage, "standard output cannot be written");
    return status;
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    return complain(cli::kUsage,
                    fmt::format("{}\n'./run instructions --help' tells more", e.what()));
  } catch (const cli::UsageError& e) {
    return complain(cli::kUsage, e.what());
  } catch (const std::exception& e) {
    return complain(cli::kInternal, fmt::format("internal fault, not yours: {}", e.what()));
  }
}
