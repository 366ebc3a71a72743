// truenorm-bench: how fast is this BatchNorm, beside others and beside the machine?
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "memory.h"
#include "options.h"
#include "oracle/cli/support.h"
#include "oracle/text.h"
#include "session.h"
#include "truenorm/context.h"

namespace truenorm::bench {
namespace {

namespace cli = oracle::cli;

/// One line on standard error that is written over; nothing where that is not a terminal.
void progress(std::size_t done, std::size_t all, const std::string& what) {
  if (isatty(STDERR_FILENO) == 0) return;
  fmt::print(stderr, "\r{}\x1b[K", what.empty() ? "" : fmt::format("{}/{} {}", done, all, what));
  std::fflush(stderr);
}

int run(const Options& o) {
  const Asked a = asked(o);
  const std::vector<Item> all = items_of(o, a);
  cli::OutputFile json(o.json);
  const cli::Interruptible guard;
  Session session(a, cli::Interruptible::interrupted);
  Report report;
  report.machine = this_machine();
  report.machine.isa = name(Context(1, static_cast<Isa>(a.isa)).isa());
  report.peers = a.peers;
  report.versions = session.versions();
  report.rounds = a.rounds;
  report.seed = a.seed;
  report.others = a.others();

  std::size_t width = 5;
  for (const Item& item : all) width = std::max(width, shape_name(item.value.problem.shape).size());
  const Table table(report, width, cli::colour());
  const bool text = o.json != "-";
  if (text) fmt::print("{}", table.head());
  int status = cli::kGood;
  for (const Item& item : all) {
    progress(report.rows.size() + 1, all.size(), oracle::print(item.value));
    Row row = session.play(item);
    progress(0, 0, "");
    report.complete = !cli::Interruptible::interrupted();
    if (!report.complete) break;
    if (!row.measured) status = cli::kAgainst;
    if (text) fmt::print("{}", table.line(row));
    std::fflush(stdout);
    report.rows.push_back(std::move(row));
  }
  if (text) fmt::print("{}", to_text(report));
  if (json.wanted()) json.write(to_json(report));
  if (report.complete) return status;
  fmt::print(stderr, "truenorm-bench: interrupted after {} of {} rows\n", report.rows.size(),
             all.size());
  return cli::kInterrupted;
}

void add_options(CLI::App& app, Options& o) {
  add_row_options(app, o);
  add_round_options(app, o);
  app.add_option("--json", o.json, "Write the figures as JSON; - for standard output");
  app.footer(
      "A case is judged before it is timed: one that fails has no figure, and the status is 1.\n"
      "Exit status: 0 all good, 1 a verdict against truenorm, 2 wrong usage, 3 a fault of this\n"
      "program, 130 interrupted.\n\n"
      "Example: ./run bench --suite resnet50 --mb 8 --against libtorch,onednn --json bench.json");
}

int complain(int status, const std::string& what) {
  fmt::print(stderr, "truenorm-bench: {}\n", what);
  return status;
}

}  // namespace
}  // namespace truenorm::bench

int main(int argc, char** argv) {
  using namespace truenorm::bench;
  keep_freed_memory();
  CLI::App app("How fast is this BatchNorm? Interleaved rounds beside LibTorch and oneDNN.",
               "truenorm-bench");
  Options options;
  add_options(app, options);
  try {
    app.parse(argc, argv);
    const int status = run(options);
    if (std::fflush(stdout) != 0) return complain(cli::kUsage, "standard output cannot be written");
    return status;
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help
    return complain(cli::kUsage, fmt::format("{}\n'./run bench --help' tells more", e.what()));
  } catch (const cli::UsageError& e) {
    return complain(cli::kUsage, e.what());
  } catch (const std::exception& e) {
    return complain(cli::kInternal, fmt::format("internal fault, not yours: {}", e.what()));
  }
}
