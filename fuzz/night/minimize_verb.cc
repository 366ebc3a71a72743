// minimize: a smaller input that goes wrong in the same way.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

#include "folder.h"
#include "oracle/cli/support.h"
#include "oracle/words.h"
#include "refine.h"
#include "verbs.h"

namespace truenorm::night {
namespace {

using oracle::cli::Interruptible;

constexpr Budget kPatient{4000, 600, 120};

struct Options {
  AskedOptions asked;
  std::string output;
};

int run_minimize(const Options& o) {
  const Asked asked = read_asked(o.asked.what, o.asked.target);
  oracle::cli::require_player(o.asked.subject);
  const Builds builds(o.asked.builds);
  oracle::cli::OutputFile output(o.output);
  Minder minder;
  const Scratch scratch;
  const Interruptible guard;
  const Bench bench{minder,          builds,
                    o.asked.subject, {o.asked.timeout},
                    scratch.path(),  Interruptible::interrupted};
  std::vector<Finding> found;
  for (const Build& build : builds.all())
    if (found.empty() && builds.has(build.name, *asked.target))
      found = play(bench, *asked.target, {build.name, ""}, asked.input);
  if (found.empty()) {
    if (Interruptible::interrupted()) return oracle::cli::kInterrupted;
    fmt::print(stderr, "{}: nothing against {}: nothing to make smaller\n", asked.target->name,
               o.asked.subject);
    return oracle::cli::kGood;
  }
  Witnesses witnesses(o.asked.subject);
  const Finding f = refine(bench, witnesses, found.front(), kPatient);
  if (Interruptible::interrupted()) return oracle::cli::kInterrupted;
  if (!f.minimal.empty()) fmt::print("{}\n", f.minimal);
  std::fflush(stdout);
  if (output.wanted()) output.write(f.input);
  fmt::print(stderr, "{}: {}: {}, {} bytes (from {})\n{}\n{}\n", f.subject, f.verdict, f.reason,
             f.input.size(), asked.input.size(), f.detail, f.opinion);
  if (!f.minimal.empty())
    fmt::print(stderr, "{}\n", oracle::rerun_command(f.minimal, o.asked.subject));
  return oracle::cli::kAgainst;
}

}  // namespace

void add_minimize(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("minimize", "Make an input smaller that goes wrong");
  const auto o = std::make_shared<Options>();
  add_asked_options(*verb, o->asked);
  verb->add_option("-o,--output", o->output, "Write the smaller input's bytes to this file");
  verb->footer(
      "The smallest line goes to standard output, what is wrong with it to standard error.\n\n"
      "Example: truenorm fuzz minimize fuzz-out/findings/case_fuzz-1f3a5b7c9d0e2f46");
  verb->callback([o, &status] { status = run_minimize(*o); });
}

}  // namespace truenorm::night
