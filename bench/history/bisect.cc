#include "bisect.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>

#include "oracle/cli/support.h"
#include "resolve.h"

namespace truenorm::bench {
namespace {

namespace cli = oracle::cli;
namespace fs = std::filesystem;

/// For a shell.
std::string shell_word(const std::string& word) {
  if (!word.empty() && word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                              "0123456789_./,:=+-") == std::string::npos)
    return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? "'\\''" : std::string(1, c);
  return text + "'";
}

std::string self() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored).string();
}

int status_of(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

bool chosen(const KeptRow& row, const Bisection& b) {
  return row.line.find(b.text) != std::string::npos && (b.op.empty() || row.op == b.op);
}

/// The good run's chosen rows, measured on the tree that is checked out; no rows if that fails.
KeptRun measure(const KeptRun& good, const cli::ScratchFolder& scratch) {
  std::set<std::string> lines, ops;
  for (const KeptRow& row : good.rows) {
    lines.insert(row.line);
    ops.insert(row.op);
  }
  const std::string cases = scratch / "bisect.cases";
  std::ofstream(cases) << fmt::format("{}\n", fmt::join(lines, "\n"));
  KeptRun all;
  for (std::size_t i = 0; i < good.sittings; ++i) {
    const std::string report = scratch / fmt::format("{}.json", i);
    // Any commit since reports have samples understands these options.
    const std::string command = fmt::format(
        "./run bench --cases {} --ops {} --rounds {} --seed {} --against none --json {} >&2",
        shell_word(cases), fmt::join(ops, ","), good.rounds, i + 1, shell_word(report));
    if (status_of(command) != 0) return {};
    KeptRun one = read_report(cli::read_input(report), report);
    if (i == 0)
      all = std::move(one);
    else
      append(all, one);
  }
  all.file = "this tree";
  return all;
}

int judge(const Bisection& b, const KeptRun& good, const KeptRun& now) {
  if (now.rows.empty()) return kSkip;
  if (const auto differ = unlike(good, now); !differ.empty()) {
    fmt::print(stderr, "truenorm compare: unlike machines: {}\n", fmt::join(differ, "; "));
    return kSkip;
  }
  const Comparison c = compare(good, now, b.rule);
  if (c.rows.empty() || !c.can_tell()) return kSkip;
  fmt::print("{}", to_text(c, good, now, b.rule, {}));
  return c.regressed() ? cli::kAgainst : cli::kGood;
}

}  // namespace

std::string bisect_line(const Comparison& c, const KeptRun& before, const KeptRun& after,
                        Bisection b, std::string& why) {
  const auto named = [](const KeptRun& run) { return !run.commit.empty() && !run.dirty; };
  if (!named(before) || !named(after)) {
    why = "To find the commit by 'git bisect', keep runs of trees without changed files";
    return {};
  }
  if (before.commit == after.commit) {
    why = "Both runs are of one commit: the change is none of the source's";
    return {};
  }
  // The row that is surest to be slower; all of them where only all together are.
  const RowChange* worst = nullptr;
  for (const RowChange& row : c.rows)
    if (row.change == Change::slower &&
        (worst == nullptr || row.interval->low > worst->interval->low))
      worst = &row;
  std::string line =
      fmt::format("git bisect start {} {} && git bisect run {} compare --bisect {}", after.commit,
                  before.commit, shell_word(self()), shell_word(b.good));
  if (before.id != 0) line += fmt::format(" --db {}", shell_word(fs::absolute(b.history).string()));
  if (worst != nullptr)
    line += fmt::format(" --case {} --op {}", shell_word(worst->line), worst->op);
  line += fmt::format(" --pct {:g}", b.rule.pct);
  return line;
}

int bisect_step(const Bisection& b) {
  try {
    KeptRun good = resolve(b.good, b.history);
    std::erase_if(good.rows, [&](const KeptRow& row) { return !chosen(row, b); });
    if (good.rows.empty()) throw cli::UsageError("the good run has no such row");
    if (!fs::exists("run")) throw cli::UsageError("there is no ./run here: not the top of a tree");
    // The builds of these commits leave the ordinary one alone, and this program with it.
    ::setenv("TRUENORM_BUILD", (fs::current_path() / "build" / "bisect").c_str(), 0);
    const cli::ScratchFolder scratch("bisect");
    const int status = judge(b, good, measure(good, scratch));
    if (status == kSkip) fmt::print(stderr, "truenorm compare: this commit cannot be told\n");
    return status;
  } catch (const std::exception& e) {
    fmt::print(stderr, "truenorm compare: {}\n", e.what());
    return kAbort;
  }
}

}  // namespace truenorm::bench
