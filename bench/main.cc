// truenorm-bench: how fast is this BatchNorm, beside others and beside the machine?
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "oracle/cli/support.h"
#include "oracle/text.h"
#include "session.h"
#include "truenorm/context.h"

namespace truenorm::bench {
namespace {

namespace cli = oracle::cli;

struct Options {
  std::vector<std::string> suites{"resnet50"}, against{"libtorch", "onednn"}, dtypes{"f32"},
      layouts{"nchw", "nhwc"}, ops{"training", "evaluation", "backward"};
  std::vector<std::int64_t> batches;
  std::vector<int> threads;
  std::string isa = "best", json, filter;
  std::vector<std::int64_t> caches;
  int rounds = 11;
};

/// The enumerator of a name that has been checked.
template <class E>
std::vector<E> enumerators(const std::vector<std::string>& names, int count) {
  std::vector<E> all;
  for (int i = 0; i < count; ++i)
    if (std::find(names.begin(), names.end(), name(static_cast<E>(i))) != names.end())
      all.push_back(static_cast<E>(i));
  return all;
}

oracle::Isa isa_named(const std::string& text) {
  std::string here = "best";
  for (const Isa isa : available_isas()) here += std::string(", ") + name(isa);
  for (int i = 0; i < oracle::kIsas; ++i) {
    const auto isa = static_cast<oracle::Isa>(i);
    if (name(isa) == text && Context(1, static_cast<Isa>(isa)).status().ok()) return isa;
  }
  throw cli::UsageError(fmt::format("--isa '{}': this machine and build have {}", text, here));
}

std::vector<std::string> peers_of(const Options& o) {
  std::vector<std::string> peers;
  for (const std::string& peer : o.against) {
    if (peer == "none" && o.against.size() > 1)
      throw cli::UsageError("--against: 'none' stands alone");
#ifndef TRUENORM_HAVE_ONEDNN
    if (peer == "onednn")
      throw cli::UsageError("--against: this build has no onednn (libdnnl-dev); libtorch or none");
#endif
    if (peer != "none" && std::find(peers.begin(), peers.end(), peer) == peers.end())
      peers.push_back(peer);
  }
  return peers;
}

Asked asked(const Options& o) {
  Asked a;
  a.peers = peers_of(o);
  a.dtypes = enumerators<oracle::Dtype>(o.dtypes, oracle::kDtypes);
  a.layouts = enumerators<oracle::Layout>(o.layouts, oracle::kLayouts);
  a.ops = enumerators<Op>(o.ops, 3);
  a.threads = o.threads;
  if (a.threads.empty())
    a.threads = {
        std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, oracle::kMaxThreads)};
  a.isa = isa_named(o.isa);
  a.caches = o.caches;
  a.rounds = o.rounds;
  return a;
}

std::vector<Item> items_of(const Options& o, const Asked& a) {
  std::vector<Entry> shapes;
  try {
    shapes = entries(o.suites, o.batches);
  } catch (const std::invalid_argument& e) {
    throw cli::UsageError(fmt::format("--suite: {}", e.what()));
  }
  std::vector<Item> all = items(shapes, a);
  std::erase_if(all, [&](const Item& item) {
    return oracle::print(item.value).find(o.filter) == std::string::npos;
  });
  if (all.empty())
    throw cli::UsageError(
        "nothing to measure: no case line of these suites and layouts has the text of --filter");
  for (const Item& item : all)
    if (const auto why = oracle::defect(item.value); !why.empty())
      throw cli::UsageError(fmt::format("{}: {}", shape_name(item.entry.shape), why));
  return all;
}

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

  std::size_t width = 5;
  for (const Item& item : all) width = std::max(width, shape_name(item.entry.shape).size());
  const Table table(a.peers, width, cli::colour());
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
  const auto list = [&](const char* flag, std::vector<std::string>& to, const char* what,
                        std::vector<std::string> allowed) {
    app.add_option(flag, to, what)->delimiter(',')->check(CLI::IsMember(std::move(allowed)));
  };
  app.add_option("--suite", o.suites, suite_names() + " (default resnet50)")->delimiter(',');
  list("--against", o.against, "Peers (default libtorch,onednn)", {"libtorch", "onednn", "none"});
  list("--dtype", o.dtypes, "Of the data (default f32); parameters are f32, or f64",
       {"f32", "f64", "bf16", "f16"});
  list("--layout", o.layouts, "Memory order (default both)", {"nchw", "nhwc"});
  list("--op", o.ops, "Calls (default all)", {"training", "evaluation", "backward"});
  app.add_option("--mb", o.batches, "Batch sizes of the networks instead of their own")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096));
  app.add_option("--threads", o.threads, "Thread counts (default: one a core)")
      ->delimiter(',')
      ->check(CLI::Range(1, oracle::kMaxThreads));
  app.add_option("--isa", o.isa, "Truenorm's instruction set (default best)");
  app.add_option(
         "--caches", o.caches,
         "Bytes of a core's and of the shared cache that Truenorm's loop nests are made for, "
         "to see what they owe to the machine's own")
      ->delimiter(',')
      ->expected(2)
      ->check(CLI::NonNegativeNumber);
  app.add_option("--rounds", o.rounds, "Measurements of each (default 11)")
      ->check(CLI::Range(1, 10000));
  app.add_option("--filter", o.filter, "Only case lines with this text, such as c64s56");
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
