// reproduce: what every build of the target says to an input, and who is right.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

#include "folder.h"
#include "oracle/cli/support.h"
#include "oracle/text.h"
#include "refine.h"
#include "verbs.h"

namespace truenorm::night {
namespace {

using oracle::cli::Interruptible;

fuzz::Bytes as_bytes(const std::string& input) {
  return {reinterpret_cast<const std::uint8_t*>(input.data()), input.size()};
}

int run_reproduce(const AskedOptions& o) {
  const Asked asked = read_asked(o.what, o.target);
  oracle::cli::require_player(o.subject);
  const Builds builds(o.builds);
  Minder minder;
  const Scratch scratch;
  const Interruptible guard;
  const Bench bench{minder,      builds,         o.subject,
                    {o.timeout}, scratch.path(), Interruptible::interrupted};
  fmt::print("{}\n", asked.target->name);
  std::string line;
  if (asked.target->cases()) {
    line = print(
        fuzz::decode(as_bytes(asked.input), fuzz::bounds_for(asked.target->bounds, o.subject)));
    fmt::print("{}\n", line);
  }
  bool played = false, against = false;
  Finding worst;
  for (const Build& build : builds.all()) {
    if (!builds.has(build.name, *asked.target)) continue;
    const std::vector<Finding> found = play(bench, *asked.target, {build.name, ""}, asked.input);
    if (Interruptible::interrupted()) return oracle::cli::kInterrupted;
    played = true;
    if (found.empty()) fmt::print("{:<10} nothing against it\n", build.name);
    for (const Finding& f : found) {
      fmt::print("{:<10} {}: {}: {}\n", build.name, f.subject, f.verdict, f.reason);
      if (!f.detail.empty()) fmt::print("{:<10} {}\n", "", f.detail);
      if (!against) worst = f;
      against = true;
    }
  }
  if (!played)
    throw oracle::cli::UsageError(
        fmt::format("{}: there is no such program; --builds names the folder of the targets",
                    builds.program("fast", *asked.target).string()));
  if (!line.empty()) {
    const Witnesses::Statement said = Witnesses(o.subject).ask(line, worst);
    fmt::print("{:<10} {}\n{:<10} {}\n", "the judge", said.verdict, "", said.opinion);
    against = against || said.against;
  }
  return against ? oracle::cli::kAgainst : oracle::cli::kGood;
}

}  // namespace

void add_reproduce(CLI::App& app, int& status) {
  CLI::App* verb =
      app.add_subcommand("reproduce", "Play an input again in every build: who is right");
  const auto o = std::make_shared<AskedOptions>();
  add_asked_options(*verb, *o);
  verb->footer(
      "Exit status: 1 if there is a verdict against the subject, 0 if not.\n\n"
      "Example: truenorm fuzz reproduce fuzz-out/findings/case_fuzz-1f3a5b7c9d0e2f46");
  verb->callback([o, &status] { status = run_reproduce(*o); });
}

}  // namespace truenorm::night
