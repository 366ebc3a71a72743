// truenorm-bench: how fast is this BatchNorm, beside others and beside the machine?
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "history/store.h"
#include "memory.h"
#include "options.h"
#include "oracle/cli/options.h"
#include "oracle/cli/support.h"
#include "oracle/page/plot.h"
#include "oracle/place.h"
#include "oracle/text.h"
#include "oracle/words.h"
#include "page/page.h"
#include "session.h"
#include "sittings.h"
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

Report report_of(const Asked& a, const Session& session) {
  Report report;
  report.machine = this_machine();
  report.machine.isa = name(Context(1, static_cast<Isa>(a.isa)).isa());
  report.peers = a.peers;
  report.versions = session.versions();
  report.rounds = a.rounds;
  report.seed = a.seed;
  report.others = a.others();
  return report;
}

std::string command_of(int argc, char** argv) {
  std::string command = oracle::as_typed("./run bench");
  for (int i = 1; i < argc; ++i) command += " " + oracle::shell_word(argv[i]);
  return command;
}

/// A sitting that shows nothing: its report as JSON.
std::string sit(const Asked& a, const std::vector<Item>& all) {
  Session session(a, cli::Interruptible::interrupted);
  Report report = report_of(a, session);
  for (const Item& item : all) {
    report.rows.push_back(session.play(item));
    if (cli::Interruptible::interrupted()) return {};
  }
  return to_json(report);
}

/// All sittings but the last, each in an order of its own. Stops at an interrupt.
std::vector<KeptRun> earlier_sittings(int count, const Asked& a, const std::vector<Item>& all) {
  std::vector<KeptRun> earlier;
  for (int i = 1; i < count; ++i) {
    progress(static_cast<std::size_t>(i), static_cast<std::size_t>(count), "sittings");
    Asked again = a;
    again.seed += static_cast<std::uint64_t>(i);
    const std::string text =
        in_own_process([&] { return sit(again, all); }, cli::Interruptible::interrupted);
    if (cli::Interruptible::interrupted()) break;
    earlier.push_back(read_report(text, fmt::format("sitting {}", i)));
  }
  progress(0, 0, "");
  return earlier;
}

/// The last sitting, row by row as they come, with the samples of the earlier ones.
int last_sitting(const std::vector<Item>& all, const std::vector<KeptRun>& earlier,
                 Session& session, Report& report, bool text) {
  std::size_t width = 5;
  for (const Item& item : all) width = std::max(width, shape_name(item.value.problem.shape).size());
  const Table table(report, width, cli::colour());
  if (text) fmt::print("{}", table.head());
  int status = cli::kGood;
  for (const Item& item : all) {
    progress(report.rows.size() + 1, all.size(), oracle::print(item.value));
    Row row = session.play(item);
    add_sittings(row, earlier, report.others);
    progress(0, 0, "");
    report.complete = !cli::Interruptible::interrupted();
    if (!report.complete) break;
    if (!row.measured) status = cli::kAgainst;
    if (text) fmt::print("{}", table.line(row));
    std::fflush(stdout);
    report.rows.push_back(std::move(row));
  }
  return status;
}

/// Opened before the work, so that a wrong path shows then.
std::optional<History> history_of(const Options& o) {
  if (!o.keep && !o.db.empty()) throw cli::UsageError("--db: only with --keep");
  if (o.keep && !o.subject.empty())
    throw cli::UsageError("--keep: the history is truenorm's own; without --subject");
  if (!o.keep) return std::nullopt;
  return open_history(history_file(o.db));
}

void keep(History& history, const std::string& json, const Options& o) {
  const KeptRun run = read_report(json, "this run");
  if (run.rows.empty()) {
    fmt::print(stderr, "truenorm-bench: no row has a figure: nothing is kept\n");
    return;
  }
  std::fflush(stdout);
  const std::int64_t id = history.keep(run);
  fmt::print(stderr, "truenorm-bench: kept as #{} in {}\n", id, history_file(o.db).string());
}

/// Where the report goes, beside the terminal. Made before the work, so that a wrong path or a missing
/// program shows then.
class Files {
 public:
  explicit Files(const Options& o) : json_(o.json), html_(o.html), plots_(o.plots) {
    if (o.json == "-" && o.html == "-")
      throw cli::UsageError("--json, --html: one of them can be standard output");
    if (plots_.empty()) return;
    std::error_code error;
    std::filesystem::create_directories(plots_, error);
    if (error) throw cli::UsageError(fmt::format("--plots {}: {}", plots_, error.message()));
    oracle::page::Plot probe;
    probe.series = {{"probe", {{0, 1}}}};
    const auto drawn = oracle::page::picture(probe, oracle::page::Picture::svg, "probe");
    if (!drawn.problem.empty()) throw cli::UsageError("--plots: " + drawn.problem);
  }
  void write(const Report& report) {
    if (json_.wanted()) json_.write(to_json(report));
    if (html_.wanted()) html_.write(to_html(report));
    if (!plots_.empty())
      fmt::print(stderr, "truenorm-bench: {} figures in {}\n", write_plots(report, plots_), plots_);
  }

 private:
  cli::OutputFile json_, html_;
  std::string plots_;
};

/// Why the subject has no figure in any row that has one; empty if it has, or is not asked for.
std::string never_timed(const Report& report) {
  std::string why;
  for (const Row& row : report.rows) {
    const auto subject = row.peers.find(std::string(kSubject));
    if (!row.measured || subject == row.peers.end()) continue;
    if (subject->second.absent.empty()) return {};
    why = subject->second.absent;
  }
  return why;
}

int run(const Options& o, const std::string& command) {
  const Asked a = asked(o);
  const std::vector<Item> all = items_of(o, a);
  const int sittings = o.sittings > 0 ? o.sittings : o.keep ? kSittings : 1;
  Files files(o);
  std::optional<History> history = history_of(o);
  const cli::Interruptible guard;
  // Forks before this process has threads of its own.
  const std::vector<KeptRun> earlier = earlier_sittings(sittings, a, all);
  Session session(a, cli::Interruptible::interrupted);
  Report report = report_of(a, session);
  report.sittings = sittings;
  report.command = command;
  report.complete = !cli::Interruptible::interrupted();
  const bool text = o.json != "-" && o.html != "-";
  int status =
      report.complete ? last_sitting(all, earlier, session, report, text) : cli::kInterrupted;
  if (text) fmt::print("{}", to_text(report));
  std::fflush(stdout);
  files.write(report);
  if (report.complete) {
    if (const std::string why = never_timed(report); !why.empty()) {
      fmt::print(stderr, "truenorm-bench: the subject was never timed: {}\n", why);
      status = cli::kAgainst;
    }
    if (history) keep(*history, to_json(report), o);
    return status;
  }
  fmt::print(stderr, "truenorm-bench: interrupted after {} of {} rows{}\n", report.rows.size(),
             all.size(), o.keep ? ": not kept" : "");
  return cli::kInterrupted;
}

void add_options(CLI::App& app, Options& o) {
  add_row_options(app, o);
  add_round_options(app, o);
  add_sitting_options(app, o);
  app.add_option("--json", o.json, "Write the figures as JSON; - for standard output");
  app.add_option("--html", o.html, "Write figures and tables as one page; - for standard output");
  app.add_option("--plots", o.plots, "Write each figure as SVG and PNG into this folder");
  app.footer(
      "A case is judged before it is timed: one that fails has no figure, and the status is 1.\n"
      "Exit status: 0 all good, 1 a verdict against truenorm or the subject, 2 wrong usage,\n"
      "3 a fault of this program, 130 interrupted.\n\n"
      "Example: ./run bench --suite resnet50 --mb 8 --against libtorch,onednn --json bench.json");
}

int complain(int status, const std::string& what) {
  fmt::print(stderr, "truenorm-bench: {}\n", oracle::as_typed(what));
  return status;
}

}  // namespace
}  // namespace truenorm::bench

int main(int argc, char** argv) {
  using namespace truenorm::bench;
  keep_freed_memory();
  CLI::App app("How fast is this BatchNorm? Interleaved rounds beside LibTorch and oneDNN.",
               "truenorm-bench");
  app.formatter(cli::help_formatter());
  Options options;
  add_options(app, options);
  app.footer(truenorm::oracle::as_typed(app.get_footer()));
  try {
    app.parse(argc, argv);
    const int status = run(options, command_of(argc, argv));
    if (std::fflush(stdout) != 0) return complain(cli::kUsage, "standard output cannot be written");
    return status;
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help
    return complain(cli::kUsage, fmt::format("{}\n'./run bench --help' tells more", e.what()));
  } catch (const cli::UsageError& e) {
    return complain(cli::kUsage, e.what());
  } catch (const HistoryError& e) {
    return complain(cli::kUsage, e.what());
  } catch (const std::exception& e) {
    return complain(cli::kInternal, fmt::format("internal fault, not yours: {}", e.what()));
  }
}
