// compare: is the second of two runs slower than the first?
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "bisect.h"
#include "oracle/cli/support.h"
#include "resolve.h"
#include "store.h"
#include "verbs.h"

namespace truenorm::bench {
namespace {

namespace cli = oracle::cli;

struct Options {
  std::vector<std::string> runs;
  std::string db, json, beside = "copy", bisect, text, op;
  double pct = Rule{}.pct;
  bool unlike = false, all = false;
};

void keep_chosen(KeptRun& run, const Options& o) {
  std::erase_if(run.rows, [&](const KeptRow& row) {
    return row.line.find(o.text) == std::string::npos || (!o.op.empty() && row.op != o.op);
  });
}

/// A file's name, from wherever it is read.
std::string good_name(const KeptRun& run) {
  if (run.id != 0) return fmt::format("#{}", run.id);
  std::vector<std::string> files;
  for (std::size_t begin = 0; begin <= run.file.size();) {
    const std::size_t end = std::min(run.file.find(',', begin), run.file.size());
    files.push_back(std::filesystem::absolute(run.file.substr(begin, end - begin)).string());
    begin = end + 1;
  }
  return fmt::format("{}", fmt::join(files, ","));
}

int compare_runs(const Options& o, const Rule& rule) {
  const auto history = history_file(o.db);
  KeptRun before = resolve(o.runs[0], history), after = resolve(o.runs[1], history);
  cli::OutputFile json(o.json);
  keep_chosen(before, o);
  keep_chosen(after, o);
  const auto differ = unlike(before, after);
  if (!differ.empty() && !o.unlike)
    throw cli::UsageError(
        fmt::format("{} and {} are of unlike machines; --unlike compares them all the same\n  {}",
                    before.name(), after.name(), fmt::join(differ, "\n  ")));
  const Comparison c = compare(before, after, rule);
  if (c.rows.empty())
    throw cli::UsageError(
        fmt::format("{} and {} have no row in common that has samples of truenorm and of what it "
                    "is beside ({})",
                    before.name(), after.name(), o.beside));
  std::string bisect, why;
  if (c.regressed())
    bisect = bisect_line(c, before, after, {good_name(before), history, o.text, o.op, rule}, why);
  if (o.json != "-") {
    for (const std::string& fact : differ) fmt::print("UNLIKE: {}\n", fact);
    for (const KeptRun* run : {&before, &after})
      if (!run->complete)
        fmt::print("INTERRUPTED: {} has not all of its rows; those it lacks are not compared\n",
                   run->name());
    fmt::print("{}", to_text(c, before, after, rule, {o.all, cli::colour()}));
    if (!bisect.empty()) fmt::print("REGRESSION. Its commit is found by:\n  {}\n", bisect);
    if (!why.empty()) fmt::print("REGRESSION. {}\n", why);
  }
  if (json.wanted()) json.write(to_json(c, before, after, rule, differ, bisect));
  if (!c.can_tell()) return cli::kUsage;
  return c.regressed() ? cli::kAgainst : cli::kGood;
}

int run(const Options& o) {
  const Rule rule{o.pct, o.beside == "peers" ? Beside::peers : Beside::copy};
  if (o.bisect.empty() != (o.runs.size() == 2))
    throw cli::UsageError(
        "two runs were expected, each #3, last, last~1, a commit or a report; or --bisect GOOD "
        "alone");
  if (o.bisect.empty()) return compare_runs(o, rule);
  return bisect_step({o.bisect, history_file(o.db), o.text, o.op, rule});
}

}  // namespace

void add_compare(CLI::App& app, int& status) {
  const auto o = std::make_shared<Options>();
  CLI::App* verb =
      app.add_subcommand("compare", "Is the second of two runs slower than the first?");
  verb->add_option("runs", o->runs,
                   "BEFORE AFTER: each #3, last, last~1, a commit, or report.json; "
                   "a.json,b.json are sittings of one run")
      ->expected(0, 2);
  verb->add_option("--pct", o->pct, "Changes of less are none (default 5)")
      ->check(CLI::Range(0.0, 1000.0));
  verb->add_option("--beside", o->beside,
                   "What times are relative to, within a round (default copy)")
      ->check(CLI::IsMember({"copy", "peers"}));
  verb->add_option("--case", o->text, "Only rows whose case line has this text");
  verb->add_option("--op", o->op, "Only these calls")
      ->check(CLI::IsMember({"training", "evaluation", "backward"}));
  verb->add_flag("--all", o->all, "Show rows without a change, too");
  verb->add_flag("--unlike", o->unlike, "Compare unlike machines all the same");
  verb->add_option("--json", o->json, "Write it as JSON; - for standard output");
  verb->add_option(
      "--bisect", o->bisect,
      "A step of 'git bisect run': measures the tree in this folder and compares it with "
      "this run; 0 good, 1 slower, 125 it cannot be told, 255 stops the search");
  add_db_option(*verb, o->db);
  verb->footer(
      "A row is slower where the ranks of its sittings say so (Mann-Whitney, corrected over the "
      "rows\n"
      "by Holm, p < 0.01), by more than --pct and than the runs' noise floor.\n"
      "Exit status: 0 none is slower, 1 a regression, 2 wrong usage, unlike machines or too few\n"
      "sittings to tell, 3 a fault of this program.\n\n"
      "Example: ./run compare last~1 last");
  verb->callback([o, &status] { status = run(*o); });
}

}  // namespace truenorm::bench
