// conform and merge.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "../conform.h"
#include "../found.h"
#include "../plan.h"
#include "../report.h"
#include "../text.h"
#include "support.h"
#include "verbs.h"

namespace truenorm::oracle::cli {
namespace {

constexpr std::uint64_t kRandomCases = 20000;

struct Options {
  std::string subject, players, shard, json, junit, corpus, found;
  std::uint64_t cases = kRandomCases, seed = 1;
  double seconds = 0;
  unsigned threads = 0;
  bool cases_given = false, seconds_given = false, allow_new = false, census = false,
       explain = false;
  Isolation isolation;
};

/// "i/n". The i of 0..n-1 and the i of 1..n name the same parts, for n stands for 0: both ways of
/// counting are in use.
Shard parse_shard(const std::string& text) {
  Shard shard;
  const char *begin = text.data(), *end = begin + text.size();
  const auto first = std::from_chars(begin, end, shard.index);
  const bool slash = first.ec == std::errc() && first.ptr != end && *first.ptr == '/';
  const auto second = slash ? std::from_chars(first.ptr + 1, end, shard.count) : first;
  if (!slash || second.ec != std::errc() || second.ptr != end || shard.count == 0 ||
      shard.index > shard.count || shard.count > Plan::kEndless)
    throw UsageError(
        fmt::format("--shard '{}': i/n with i in 1..n was expected, such as 1/4", text));
  shard.index %= shard.count;
  return shard;
}

/// One subject, and LibTorch beside it or not.
Table who_conforms(const Options& o) {
  Table table = who_plays(o.players, o.subject);
  for (const std::string& player : table.players)
    if (player != table.subject && player != "libtorch")
      throw UsageError(fmt::format(
          "--players '{}': one subject ({}) is judged, and libtorch may stand beside it", o.players,
          table.subject));
  return table;
}

void require_two_files(const std::string& json, const std::string& junit) {
  namespace fs = std::filesystem;
  if (json.empty() || junit.empty()) return;
  std::error_code ignored;
  const auto place = [&](const std::string& path) {
    return path == "-" ? fs::path(path) : fs::weakly_canonical(fs::absolute(path), ignored);
  };
  if (place(json) == place(junit))
    throw UsageError(
        fmt::format("--json and --junit both name '{}'; two files were expected", json));
}

void check_numbers(const Options& o) {
  if (o.seconds_given && !(o.seconds > 0 && std::isfinite(o.seconds)))
    throw UsageError(fmt::format("--seconds {}: a time above 0 was expected", o.seconds));
}

int conform_status(const Report& report, bool allow_new) {
  if (report.all_good(allow_new)) return report.interrupted ? kInterrupted : kGood;
  return report.interrupted && !report.conclusive() ? kInterrupted : kAgainst;
}

/// Adds the failures that stand for all to the database of found cases.
void keep(const std::string& path, const Report& report, std::size_t most) {
  std::vector<FoundCase> found;
  for (const bool divergences : {false, true})
    for (const Failure* f : chosen_failures(report, divergences, most))
      if (!f->published)
        found.push_back({parse(f->line), divergences ? "libtorch" : report.subject,
                         std::string(name(f->result)), f->reason});
  if (const std::size_t count = append_found(path, found); count > 0)
    fmt::print(stderr, "truenorm: {} kept in {}: the next run plays them first\n",
               count == 1 ? "1 new failure is" : fmt::format("{} new failures are", count), path);
}

int run_conform(const Options& o) {
  check_numbers(o);
  ConformOptions engine;
  if (!o.shard.empty()) engine.shard = parse_shard(o.shard);
  require_two_files(o.json, o.junit);
  const Table who = who_conforms(o);
  const bool rival = who.players.size() > 1;  // LibTorch
  engine.subject = who.subject;
  engine.seed = o.seed;
  engine.explain = o.explain;
  if (o.seconds_given) engine.seconds = o.seconds;
  engine.threads = judges(o.threads);
  const bool endless = o.seconds_given && !o.cases_given;
  std::vector<Case> found;
  if (!o.found.empty()) {
    require_appendable(o.found);
    found = read_found(o.found);
    // All shards of a run have one plan, and what was found meanwhile would move it.
    if (engine.shard.count > 1) found.clear();
  }
  const Plan plan =
      standard_plan(corpus_directory(o.corpus), o.seed, endless ? Plan::kEndless : o.cases, found);
  OutputFile json(o.json), junit(o.junit);

  Bench bench;
  bench.subject = [spec = who.subject, how = o.isolation] { return subject_seat(spec, how); };
  if (rival) bench.libtorch = [] { return seat_for("libtorch"); };
  // One start here, for what the players say of themselves and so that one that does not start is
  // told before the run.
  const std::string version = bench.subject()->version();
  const std::string libtorch = rival                       ? seat_for("libtorch")->version()
                               : who.subject == "libtorch" ? version
                                                           : std::string();
  if (!libtorch.empty())
    bench.classify = [libtorch, list = known_divergences(o.corpus)](const Case& c,
                                                                    const Verdict& v) {
      return known_id(list, c, v, libtorch);
    };

  const Interruptible guard;
  ProgressLine line;
  Report report = conform(plan, engine, bench,
                          {[&](const Progress& p) { line.show(p); }, Interruptible::interrupted});
  line.clear();
  report.subject_version = version;
  report.libtorch = rival ? libtorch : std::string();
  report.random_cases = endless ? 0 : o.cases;
  if (json.wanted()) json.write(to_json(report));
  if (junit.wanted()) junit.write(to_junit(report));
  if (o.json != "-")
    fmt::print("{}", to_text(report, {colour(), o.census, engine.shrunk, o.allow_new}));
  if (!o.found.empty()) keep(o.found, report, engine.shrunk);
  return conform_status(report, o.allow_new);
}

struct MergeOptions {
  std::vector<std::string> files;
  std::string json, junit;
  bool allow_new = false, census = false;
};

int run_merge(const MergeOptions& o) {
  require_two_files(o.json, o.junit);
  std::vector<std::pair<std::string, Report>> reports;
  for (const std::string& file : o.files)
    reports.emplace_back(file, from_json(read_input(file), file));
  const Report sum = merge(reports);
  OutputFile json(o.json), junit(o.junit);
  if (json.wanted()) json.write(to_json(sum));
  if (junit.wanted()) junit.write(to_junit(sum));
  if (o.json != "-") {
    Look look;
    look.colour = colour();
    look.census = o.census;
    look.allow_new_divergences = o.allow_new;
    fmt::print("{}", to_text(sum, look));
  }
  if (const std::string missing = missing_shards(sum); !missing.empty())
    fmt::print(stderr, "truenorm: not the whole run, shards are missing: {}\n", missing);
  return conform_status(sum, o.allow_new);
}

}  // namespace

void add_conform(CLI::App& app, int& status) {
  CLI::App* verb =
      app.add_subcommand("conform", "Judge a BatchNorm on thousands of cases, LibTorch beside it");
  const auto o = std::make_shared<Options>();
  verb->add_option("--subject", o->subject,
                   "truenorm (default), onednn, libtorch, naive, faulty:ID or PATH.so");
  verb->add_option("--players", o->players,
                   "Who plays: subject,libtorch (default), or the subject alone");
  const auto cases =
      verb->add_option("--cases", o->cases, "Random cases besides the fixed ones (default 20000)")
          ->check(whole_number(0, Plan::kEndless - 1));
  const auto seconds =
      verb->add_option("--seconds", o->seconds, "End the random cases after this time");
  verb->add_option("--seed", o->seed, "Seed of the random cases (default 1)")
      ->check(whole_number(0, std::numeric_limits<std::uint64_t>::max()));
  verb->add_option("--shard", o->shard, "i/n: every n-th case only, part i of 1..n");
  verb->add_option("--threads", o->threads, "Judges side by side (default: one a core)")
      ->check(whole_number(1, kMaxThreads));
  verb->add_option("--json", o->json, "Write the report as JSON; - for standard output");
  verb->add_option("--junit", o->junit, "Write the report as JUnit XML");
  verb->add_option("--corpus", o->corpus, "Directory of the corpus (also TRUENORM_CORPUS)");
  verb->add_option("--found", o->found,
                   "Keep failures in this file of lines, and play its lines first")
      ->envname("TRUENORM_FOUND");
  verb->add_flag("--allow-new-divergences", o->allow_new,
                 "A new divergence of LibTorch does not set status 1");
  verb->add_flag("--census", o->census, "Show how many cases of each class were played");
  add_isolation(*verb, o->isolation);
  verb->add_flag("--explain", o->explain,
                 "Vary each field of every failure that is shown: which ones matter");
  verb->footer("Example: truenorm conform --subject ./libmine.so --cases 5000 --json report.json");
  verb->callback([o, cases, seconds, &status] {
    o->cases_given = cases->count() > 0;
    o->seconds_given = seconds->count() > 0;
    status = run_conform(*o);
  });
}

void add_merge(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("merge", "Add up the reports of shards");
  const auto o = std::make_shared<MergeOptions>();
  verb->add_option("files", o->files, "Reports that conform --json wrote")->required();
  verb->add_option("--json", o->json, "Write the sum as JSON; - for standard output");
  verb->add_option("--junit", o->junit, "Write the sum as JUnit XML");
  verb->add_flag("--allow-new-divergences", o->allow_new,
                 "A new divergence of LibTorch does not set status 1");
  verb->add_flag("--census", o->census, "Show how many cases of each class were played");
  verb->footer("Example: truenorm merge part1.json part2.json --json all.json");
  verb->callback([o, &status] { status = run_merge(*o); });
}

}  // namespace truenorm::oracle::cli
