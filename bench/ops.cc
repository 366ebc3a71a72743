// bench_ops: the same rows and contestants under Google Benchmark, for its flags and its compare.py.
// A row that the judge does not pass, and a contestant that cannot do it, is an error there, without
// a figure. For ratios that hold on a restless machine take truenorm-bench: here each contestant has
// its time by itself.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "memory.h"
#include "options.h"
#include "oracle/cli/options.h"
#include "oracle/cli/support.h"
#include "roofline.h"
#include "session.h"

namespace truenorm::bench {
namespace {

namespace cli = oracle::cli;

/// The item whose data are in memory; the benchmarks of one item follow each other.
class Stage {
 public:
  explicit Stage(const Asked& asked) : session_(asked, [] { return false; }) {}

  const Session& session() const { return session_; }
  bool failed() const { return failed_; }

  void play(benchmark::State& state, const Item& item, const std::string& who) {
    if (item_ != &item) {
      row_ = session_.prepare(item, ready_);
      item_ = &item;
      failed_ = failed_ || !ready_;
    }
    const std::string why = !ready_             ? row_.verdict
                            : who == "truenorm" ? ""
                                                : row_.peers.at(who).absent;
    if (!why.empty()) return state.SkipWithError(why.c_str());
    Contestant& contestant = session_.contestant(who);
    for ([[maybe_unused]] const auto _ : state) contestant.run();
    const oracle::Problem& p = item.value.problem;
    const int must = must_move(p.shape, row_.layout, p.dtype, row_.op, own_cache(caches_here()));
    state.SetBytesProcessed(static_cast<std::int64_t>(row_.bytes) * must * state.iterations());
    state.SetLabel(row_.line);
  }

 private:
  Session session_;
  const Item* item_ = nullptr;
  Row row_;
  bool ready_ = false, failed_ = false;
};

/// "training/nchw/f32/n8c64s56x56/2/truenorm": so that `compare.py filters` can tell contestants.
std::string name_of(const Item& item, const std::string& who) {
  return fmt::format("{}/{}/{}/{}/{}/{}", name(item.op), oracle::name(item.value.exec->x),
                     oracle::name(item.value.problem.dtype), shape_name(item.value.problem.shape),
                     item.value.exec->threads, who);
}

void add_context(const Session& session) {
  const Machine machine = this_machine();
  for (const auto& [who, version] : session.versions()) benchmark::AddCustomContext(who, version);
  benchmark::AddCustomContext("compiler", machine.compiler);
  benchmark::AddCustomContext("flags", machine.flags);
  benchmark::AddCustomContext("commit", machine.commit.value_or("unknown"));
  benchmark::AddCustomContext("dirty", machine.dirty.value_or(true) ? "yes" : "no");
}

int run(const Options& options) {
  const Asked a = asked(options);
  const std::vector<Item> all = items_of(options, a);
  Stage stage(a);
  std::vector<std::string> who{"truenorm"};
  who.insert(who.end(), a.peers.begin(), a.peers.end());
  for (const Item& item : all)
    for (const std::string& one : who)
      benchmark::RegisterBenchmark(
          name_of(item, one).c_str(),
          [&stage, &item, one](benchmark::State& state) { stage.play(state, item, one); })
          ->UseRealTime()
          ->Unit(benchmark::kMicrosecond);
  add_context(stage.session());
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return stage.failed() ? cli::kAgainst : cli::kGood;
}

}  // namespace
}  // namespace truenorm::bench

int main(int argc, char** argv) {
  using namespace truenorm::bench;
  keep_freed_memory();
  CLI::App app("The rows and contestants of truenorm-bench under Google Benchmark.", "bench_ops");
  app.formatter(cli::help_formatter());
  Options options;
  add_row_options(app, options);
  app.footer(
      "All flags of Google Benchmark work too: --benchmark_filter=REGEX, --benchmark_format=json,\n"
      "--benchmark_out=FILE, --benchmark_repetitions=N, --benchmark_list_tests, ...\n"
      "Its compare.py reads the JSON. Exit status as truenorm-bench.\n\n"
      "Example: bench_ops --suite resnet50 --mb 8 --benchmark_filter=training/nchw");
  const auto complain = [](int status, const std::string& what) {
    fmt::print(stderr, "bench_ops: {}\n", what);
    return status;
  };
  try {
    bool help = false;  // ours, which names Google Benchmark's
    for (int i = 1; i < argc; ++i)
      help = help || std::strcmp(argv[i], "--help") == 0 || std::strcmp(argv[i], "-h") == 0;
    if (!help) benchmark::Initialize(&argc, argv);  // takes its own flags out
    app.parse(argc, argv);
    return run(options);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help
    return complain(truenorm::oracle::cli::kUsage,
                    fmt::format("{}\n'bench_ops --help' tells more", e.what()));
  } catch (const truenorm::oracle::cli::UsageError& e) {
    return complain(truenorm::oracle::cli::kUsage, e.what());
  } catch (const std::exception& e) {
    return complain(truenorm::oracle::cli::kInternal,
                    fmt::format("internal fault, not yours: {}", e.what()));
  }
}
