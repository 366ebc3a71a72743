#include "sittings.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>

#include "oracle/cli/support.h"

namespace truenorm::bench {
namespace {

/// The fork's part. What it has to say stands on standard error, which it shares.
[[noreturn]] void work_and_leave(const std::function<std::string()>& work, int to) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  try {
    const std::string text = work();
    for (std::size_t done = 0; done < text.size();) {
      const ssize_t n = ::write(to, text.data() + done, text.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) ::_exit(oracle::cli::kInternal);
      done += static_cast<std::size_t>(n);
    }
  } catch (const std::exception& e) {
    fmt::print(stderr, "truenorm-bench: {}\n", e.what());
    ::_exit(oracle::cli::kInternal);
  }
  ::_exit(0);
}

/// Everything until the other end is closed; an interrupt is passed on.
std::string read_all(int from, pid_t child, const std::function<bool()>& interrupted) {
  std::string text;
  char buffer[1 << 16];
  bool told = false;
  for (;;) {
    if (interrupted() && !told) told = ::kill(child, SIGINT) == 0;
    // A signal may come between two calls: none is waited for long.
    pollfd ready{from, POLLIN, 0};
    if (::poll(&ready, 1, 200) <= 0) continue;
    const ssize_t n = ::read(from, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

/// A peer's part of a column, from the samples by round.
Compared compare(const std::vector<double>& peer, const std::vector<double>& own,
                 std::size_t sittings) {
  std::vector<double> r = ratios(peer, own);
  const double spread_seen = spread(r);
  if (sittings > 1) r = medians(r, sittings);
  return {median(peer), median(r), spread_seen, median_interval(r)};
}

}  // namespace

std::string in_own_process(const std::function<std::string()>& work,
                           const std::function<bool()>& interrupted) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error(fmt::format("pipe: {}", std::strerror(errno)));
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) {
    const std::string why = std::strerror(errno);
    ::close(ends[0]);
    ::close(ends[1]);
    throw std::runtime_error(fmt::format("fork: {}", why));
  }
  if (child == 0) {
    ::close(ends[0]);
    work_and_leave(work, ends[1]);
  }
  ::close(ends[1]);
  std::string text = read_all(ends[0], child, interrupted);
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (interrupted()) return {};
  if (WIFSIGNALED(status))
    throw std::runtime_error(fmt::format("a sitting was ended by signal {} ({})", WTERMSIG(status),
                                         ::strsignal(WTERMSIG(status))));
  if (status != 0)
    throw std::runtime_error(fmt::format("a sitting ended with status {}", WEXITSTATUS(status)));
  return text;
}

void conclude(Row& row, const std::vector<std::string>& columns, std::size_t sittings) {
  row.copy_ns = 0;
  for (const auto& [who, ns] : row.samples)
    if (who.starts_with("copy"))
      row.copy_ns = row.copy_ns > 0 ? std::min(row.copy_ns, median(ns)) : median(ns);
  const std::vector<double>& own = row.samples.at("truenorm");
  row.ns = median(own);
  row.spread = spread(own);
  const Compared again = compare(row.samples.at("truenorm_again"), own, sittings);
  row.aa = again.ratio;
  row.aa_interval = again.interval;
  for (auto& [name, peer] : row.peers)
    if (peer.absent.empty())
      static_cast<Compared&>(peer) = compare(row.samples.at(name), own, sittings);
  for (const std::string& column : columns) {
    const std::vector<double>& other = row.samples.at("truenorm_" + column);
    row.others[column] = median(other);
    for (auto& [name, peer] : row.peers)
      if (peer.absent.empty())
        peer.others[column] = compare(row.samples.at(name + "_" + column), other, sittings);
  }
  const auto bytes = static_cast<double>(row.bytes);
  row.gbps = bytes * textbook_moves(row.op) / row.ns;
  row.must_gbps = bytes * row.must / row.ns;
  row.roofline_pct = 100 * row.copy_ns * row.must / pass_moves(row.op) / row.ns;
  row.measured = true;
}

void add_sittings(Row& row, const std::vector<KeptRun>& earlier,
                  const std::vector<std::string>& columns) {
  if (!row.measured || earlier.empty()) return;
  std::map<std::string, std::vector<double>> all;
  const auto add = [&](const std::map<std::string, std::vector<double>>& samples) {
    for (const auto& [who, ns] : samples) all[who].insert(all[who].end(), ns.begin(), ns.end());
  };
  for (const KeptRun& run : earlier) {
    const auto it = std::find_if(run.rows.begin(), run.rows.end(), [&](const KeptRow& r) {
      return r.line == row.line && r.op == name(row.op);
    });
    if (it == run.rows.end()) {
      row.measured = false;
      row.verdict = "no figure in another sitting, as its report would say";
      return;
    }
    add(it->samples);
    row.measurements += it->measurements;
    row.disturbed += it->disturbed;
  }
  add(row.samples);
  row.samples = std::move(all);
  conclude(row, columns, earlier.size() + 1);
}

}  // namespace truenorm::bench
