// vectors: published numbers against a player. worker: a player behind a pipe.
#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <csignal>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../conform.h"
#include "../players/players.h"
#include "../remote.h"
#include "../vectors.h"
#include "../words.h"
#include "support.h"
#include "verbs.h"

namespace truenorm::oracle::cli {
namespace {

struct Options {
  std::vector<std::string> files;
  std::string subject = "truenorm";
};

int run_vectors(const Options& o) {
  std::vector<VectorCase> cases;
  for (const std::string& file : o.files)
    for (VectorCase& c : read_vectors(read_input(file), file)) cases.push_back(std::move(c));
  require_player(o.subject);
  const auto seat = seat_for(o.subject);
  std::size_t met = 0, short_of = 0, hollow = 0;
  std::map<std::string, std::size_t> skipped;
  for (const VectorCase& c : cases) {
    const Verdict v = judge_reply({c.value, &c}, c.inputs, seat->ask(c.value, &c.inputs));
    if (v.result == Result::skipped) ++skipped[v.reason];
    met += v.result == Result::pass;
    hollow += v.result == Result::hollow;
    if (!against(v)) continue;
    ++short_of;
    fmt::print("{}  {} \"{}\": {}\n", name(v.result), c.file, c.name, describe(c.value, v));
  }
  std::string sum = fmt::format("{}: {} published cases in {} file{}: {} met, {} short, {} hollow",
                                o.subject, cases.size(), o.files.size(),
                                o.files.size() == 1 ? "" : "s", met, short_of, hollow);
  for (const auto& [reason, count] : skipped)
    sum += fmt::format(", {} skipped ({})", count, reason);
  fmt::print("{}\n", sum);
  if (met + short_of == 0)
    fmt::print(
        stderr, "truenorm: nothing was judged: {}\n",
        cases.empty() ? "there is no case in the files" : "every case was skipped or hollow");
  return short_of > 0 || met == 0 ? kAgainst : kGood;
}

int run_worker(const std::string& spec) {
  // Ctrl-C is for the parent, which ends this process when it is done.
  std::signal(SIGINT, SIG_IGN);
  std::unique_ptr<Player> player;
  try {
    player = make_player(spec);
  } catch (const std::invalid_argument& e) {
    throw UsageError(fmt::format("player '{}': {}", spec, e.what()));
  }
  return serve(*player, STDIN_FILENO, STDOUT_FILENO) == 0 ? kGood : kInternal;
}

}  // namespace

void add_vectors(CLI::App& app, int& status) {
  CLI::App* verb =
      app.add_subcommand("vectors", "Play published test vectors (truenorm-vectors/1)");
  const auto o = std::make_shared<Options>();
  verb->add_option("files", o->files, "The files")->required();
  verb->add_option("--subject", o->subject,
                   "truenorm (default), onednn, libtorch, naive, faulty:ID or PATH.so");
  verb->footer(
      "Each number is compared twice: within the source's tolerance, and within published accuracy "
      "+ radius.\n\n"
      "Example: truenorm vectors corpus/vectors/onnx_node.json --subject naive");
  verb->callback([o, &status] { status = run_vectors(*o); });
}

void add_worker(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand(
      "worker", "Answer cases on standard input and output, for another truenorm");
  verb->group("");  // not for people
  const auto spec = std::make_shared<std::string>();
  verb->add_option("player,--subject", *spec, "The player")->required();
  verb->footer("Example: truenorm worker --subject naive");
  verb->callback([spec, &status] { status = run_worker(*spec); });
}

}  // namespace truenorm::oracle::cli
