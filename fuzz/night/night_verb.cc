// truenorm fuzz, without a verb: a night.
#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <memory>

#include "fuzz/report/verbs.h"
#include "oracle/cli/options.h"
#include "oracle/cli/support.h"
#include "runner.h"
#include "verbs.h"

namespace truenorm::night {
namespace {

namespace cli = oracle::cli;

struct Options {
  std::optional<double> hours, seconds;
  unsigned jobs = 0, timeout = 10;
  std::string targets, subject = "truenorm", folder = kFolder, builds, corpus, json, html;
};

/// What a process may have: its share of the memory that is free, and half a gigabyte at least.
unsigned memory_for_each(unsigned jobs) {
  constexpr unsigned kLeast = 512, kMost = 2048;
  std::ifstream file("/proc/meminfo");
  for (std::string word; file >> word;)
    if (std::uint64_t kilobytes = 0; word == "MemAvailable:" && file >> kilobytes)
      return static_cast<unsigned>(
          std::clamp<std::uint64_t>(kilobytes / 1024 / (jobs + 1), kLeast, kMost));
  return kMost;
}

NightOptions night_of(const Options& o, const Builds& builds) {
  NightOptions night;
  if (o.hours) night.seconds = *o.hours * 3600;
  if (o.seconds) night.seconds = *o.seconds;
  if (night.seconds && !(*night.seconds > 0 && std::isfinite(*night.seconds)))
    throw cli::UsageError("--hours, --seconds: a time above 0 was expected");
  night.jobs = cli::judges(o.jobs);
  if (o.subject != "libtorch")
    cli::require_player(o.subject);
  else
    throw cli::UsageError(
        "--subject libtorch: it is judged beside truenorm, by --targets torch_fuzz");
  night.subject = o.subject;
  if (o.subject.find(".so") != o.subject.npos && !o.subject.starts_with('/'))
    night.subject = std::filesystem::absolute(o.subject).lexically_normal().string();
  night.targets = chosen_targets(o.targets, night.subject, builds);
  night.folder = o.folder;
  night.cases = cli::corpus_directory(o.corpus);
  night.limits = {o.timeout, memory_for_each(night.jobs)};
  return night;
}

int run_night(const Options& o) {
  Handout handout(o.json, o.html);
  const Builds builds(o.builds);
  const NightResult result = Runner(night_of(o, builds), builds).run();
  if (!result.trouble.empty()) {
    fmt::print(
        stderr,
        "truenorm fuzz: {}\n  what was found until then is kept in {}; the same command goes on "
        "from there\n",
        result.trouble, o.folder);
    return cli::kUsage;
  }
  handout.write(o.folder, result.fresh);
  if (result.end == "interrupted") return cli::kInterrupted;
  return result.fresh > 0 ? cli::kAgainst : cli::kGood;
}

}  // namespace

void add_night(CLI::App& app, int& status) {
  const auto o = std::make_shared<Options>();
  auto* hours = app.add_option("--hours", o->hours, "Run for this long (default: until Ctrl-C)");
  app.add_option("--seconds", o->seconds, "The same in seconds")->excludes(hours);
  app.add_option("--jobs", o->jobs, "Processes side by side (default: one a core)")
      ->check(cli::whole_number(1, oracle::kMaxThreads));
  app.add_option("--targets", o->targets,
                 "Such as case_fuzz,text_fuzz (default: all that judge the subject)");
  app.add_option("--subject", o->subject,
                 "truenorm (default), onednn, naive, faulty:ID or PATH.so");
  app.add_option("--dir", o->folder,
                 fmt::format("The folder to keep everything in (default {})", kFolder));
  app.add_option("--timeout", o->timeout,
                 "Seconds after which a case counts as a hang (default 10)")
      ->check(cli::whole_number(1, 3600));
  app.add_option(
         "--builds", o->builds,
         "Where the targets are: fast=DIR,asan=DIR (default: build/fuzz-* beside this build)")
      ->envname("TRUENORM_FUZZ_BUILDS");
  app.add_option("--corpus", o->corpus,
                 "The folder of *.cases to begin with (default: the committed ones)");
  app.add_option("--json", o->json, "Write the report as JSON to this file, too (- for stdout)");
  app.add_option("--html", o->html, "Write its page to this file, beside DIR/report.html");
  app.callback([&app, o, &status] {
    if (app.get_subcommands().empty()) status = run_night(*o);
  });
}

}  // namespace truenorm::night
