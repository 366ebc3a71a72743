// merge.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "handout.h"
#include "verbs.h"

namespace truenorm::oracle::cli {
namespace {

struct Options {
  std::vector<std::string> files;
  Forms forms;
  bool allow_missing = false;
};

int run_merge(const Options& o) {
  std::vector<std::pair<std::string, Report>> reports;
  for (const std::string& file : o.files)
    reports.emplace_back(file, from_json(read_input(file), file));
  const Report sum = merge(reports);
  Look look;
  look.colour = colour();
  look.census = o.forms.census;
  look.allow_new_divergences = o.forms.allow_new;
  look.whole = !o.allow_missing;
  Handout(o.forms).write(sum, look);
  return status_of(sum, look);
}

}  // namespace

void add_merge(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("merge", "Add up the reports of shards");
  const auto o = std::make_shared<Options>();
  verb->add_option("files", o->files, "Reports that conform --json wrote")->required();
  add_forms(*verb, o->forms);
  verb->add_flag("--allow-missing", o->allow_missing,
                 "Shards that are missing do not set status 1: there is more to merge");
  verb->footer("Example: truenorm merge part1.json part2.json --json all.json");
  verb->callback([o, &status] { status = run_merge(*o); });
}

}  // namespace truenorm::oracle::cli
