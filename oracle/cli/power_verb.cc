// power: how soon the cases kill what is known to be wrong.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "../plan.h"
#include "../players/players.h"
#include "../power.h"
#include "options.h"
#include "support.h"
#include "verbs.h"

namespace truenorm::oracle::cli {
namespace {

constexpr std::uint64_t kRandomCases = 5000;

struct Options {
  std::vector<std::string> ids;
  std::string subject, variable, json, corpus;
  std::uint64_t seed = 1, cases = kRandomCases;
  unsigned threads = 0;
  bool lines = false;
  std::string by = "cases", seconds;
};

bool is_variable(const std::string& name) {
  const auto letter = [](char c) {
    return c == '_' || (std::isalpha(static_cast<unsigned char>(c)));
  };
  return !name.empty() && letter(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return letter(c) || std::isdigit(static_cast<unsigned char>(c));
  });
}

void check_words(const Options& o) {
  if (o.subject.empty() != o.variable.empty())
    throw UsageError(
        "--subject and --defects-env belong together: a plugin, and the variable of its "
        "environment that names a defect");
  if (!o.variable.empty() && !is_variable(o.variable))
    throw UsageError(fmt::format(
        "--defects-env '{}': the name of a variable was expected, such as MY_DEFECT", o.variable));
  if (!o.subject.empty() && o.ids.empty())
    throw UsageError(
        fmt::format("no defect of {} is named; values of {} were expected, one for each", o.subject,
                    o.variable));
  std::set<std::string> seen;
  for (const std::string& id : o.ids) {
    if (id.empty()) throw UsageError("a defect without a name: ''");
    if (!seen.insert(id).second) throw UsageError(fmt::format("defect '{}' stands twice", id));
  }
}

/// Ours: those that are named, or all.
std::vector<Suspect> planted(const std::vector<std::string>& ids) {
  for (const std::string& id : ids) require_player("faulty:" + id);
  std::vector<Suspect> all;
  for (const Fault& f : faults())
    if (ids.empty() ? !f.corner : std::find(ids.begin(), ids.end(), f.id) != ids.end())
      all.push_back({std::string(f.id), std::string(f.what),
                     [spec = "faulty:" + std::string(f.id)] { return seat_for(spec); }});
  return all;
}

std::vector<Suspect> honest_players() {
  std::vector<Suspect> all;
  for (const char* spec : {"naive", "naive:layer", "blocked"})
    all.push_back(
        {spec, "right: " + make_player(spec)->version(), [spec] { return seat_for(spec); }});
  return all;
}

/// The words of `truenorm fuzz power`: those of this verb that it has, too, and its own.
std::vector<std::string> fuzz_words(const CLI::App& verb) {
  std::vector<std::string> words{"power"};
  for (const CLI::Option* option : verb.get_options()) {
    if (option->count() == 0 || option->check_lname("by")) continue;
    for (const std::string name : {"subject", "defects-env", "cases", "corpus"})
      if (option->check_lname(name))
        throw UsageError(fmt::format("--by fuzz goes without --{}", name));
    const bool positional = option->get_positional();
    for (const std::string& value : option->results())
      words.push_back(positional                              ? value
                      : option->get_items_expected_max() == 0 ? option->get_name()
                                                              : option->get_name() + '=' + value);
  }
  return words;
}

int run_power(const Options& o) {
  check_words(o);
  std::vector<Suspect> defects, honest;
  if (o.subject.empty()) {
    defects = planted(o.ids);
    honest = honest_players();
  } else {
    require_player(o.subject);
    for (const std::string& id : o.ids)
      defects.push_back({id, "", [&o, id] { return seat_for(o.subject, {o.variable, id}); }});
    honest.push_back({"clean", "right: " + o.variable + " is not set", [&o] {
                        return seat_for(o.subject, {o.variable, {}});
                      }});
    honest.front().seats();  // one that does not load is told before the run
  }
  const Plan plan = untaught_plan(corpus_directory(o.corpus), o.seed, o.cases);
  OutputFile json(o.json);

  const Interruptible guard;
  ProgressLine progress;
  const PowerReport report =
      power(plan, defects, honest, {o.subject, o.seed, judges(o.threads)},
            {[&](std::uint64_t done, std::uint64_t total, std::uint64_t killed) {
               progress.show(fmt::format("{}/{} players, {} killed", done, total, killed));
             },
             Interruptible::interrupted});
  progress.clear();
  if (json.wanted()) json.write(to_json(report));
  if (o.json != "-") fmt::print("{}", to_text(report, o.lines, colour()));
  if (report.interrupted && report.survivors().empty()) return kInterrupted;
  return report.all_good() ? kGood : kAgainst;
}

}  // namespace

void add_power(CLI::App& app, int& status) {
  CLI::App* verb =
      app.add_subcommand("power", "Measure the cases by defects that they are to kill");
  const auto o = std::make_shared<Options>();
  verb->add_option("id", o->ids,
                   "Defects (default: all of 'list faults'); with --subject its variable's values");
  verb->add_option("--by", o->by,
                   "cases (default), or fuzz: case_fuzz and sequence_fuzz from an empty corpus")
      ->check(CLI::IsMember({"cases", "fuzz"}));
  verb->add_option("--seconds", o->seconds,
                   "By fuzz: processor time for a defect and a target (default 120)");
  verb->add_option("--subject", o->subject, "PATH.so: a plugin with defects of its own");
  verb->add_option("--defects-env", o->variable,
                   "The variable that tells the plugin which defect to have; unset, it is right");
  verb->add_option("--seed", o->seed, "Seed of the random cases, which come first (default 1)")
      ->check(whole_number(0, std::numeric_limits<std::uint64_t>::max()));
  verb->add_option("--cases", o->cases, "Random cases before the fixed ones (default 5000)")
      ->check(whole_number(0, Plan::kEndless - 1));
  verb->add_option("--threads", o->threads, "Players side by side (default: one a core)")
      ->check(whole_number(1, kMaxThreads));
  verb->add_option("--json", o->json, "Write the report as JSON; - for standard output");
  verb->add_option("--corpus", o->corpus, "Directory of the corpus (also TRUENORM_CORPUS)");
  verb->add_flag("--lines", o->lines, "Show each killing case as its line");
  verb->footer(
      "The corpus's faults.cases and found.cases are not played: they were written for this.\n"
      "Exit status: 0 every defect killed and what is right spared, 1 not so.\n\n"
      "Example: truenorm power --subject ./libmine.so --defects-env MY_DEFECT tail pivot");
  verb->callback([verb, o, &status] {
    if (o->by == "fuzz") become_fuzz(fuzz_words(*verb));
    if (!o->seconds.empty()) throw UsageError("--seconds goes with --by fuzz");
    status = run_power(*o);
  });
}

}  // namespace truenorm::oracle::cli
