#include "digest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>
#include <system_error>

#include "oracle/words.h"

namespace truenorm::night {
namespace {

namespace fs = std::filesystem;

/// A runner holds the folder's lock for as long as it lives.
bool at_work(const fs::path& folder) {
  const int fd = ::open((folder / "lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool held = ::flock(fd, LOCK_SH | LOCK_NB) != 0;
  ::close(fd);
  return held;
}

/// Files that were modified after a time, in ns.
std::size_t files_after(const fs::path& folder, std::int64_t than) {
  std::size_t count = 0;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    struct stat about {};
    if (::stat(at->path().c_str(), &about) == 0 && S_ISREG(about.st_mode) &&
        about.st_mtim.tv_sec * std::int64_t{1'000'000'000} + about.st_mtim.tv_nsec > than)
      ++count;
  }
  return count;
}

std::vector<Standing> standings(const Store& store, const std::vector<Run>& runs,
                                const fs::path& folder) {
  std::map<std::string, Standing> by_name;
  for (const Run& run : runs) {
    std::istringstream names(run.targets);
    for (std::string name; names >> name;) by_name[name].last.target = name;
  }
  for (Sample& sample : store.latest()) {
    Standing& standing = by_name[sample.target];
    standing.last = std::move(sample);
  }
  for (const Replayed& r : store.replayed())
    if (const auto at = by_name.find(r.target); at != by_name.end())
      at->second.replays.push_back({r.build, files_after(folder / "corpus" / r.target, r.until)});
  std::vector<Standing> all;
  for (auto& [name, standing] : by_name) all.push_back(std::move(standing));
  return all;
}

std::vector<Worst> highest(std::vector<Worst> all) {
  std::map<std::string, Worst> by_output;
  for (Worst& w : all) {
    if (!std::isfinite(w.score) || w.score < 0) continue;
    const auto [at, first] = by_output.try_emplace(w.output, w);
    if (!first && w.score > at->second.score) at->second = std::move(w);
  }
  std::vector<Worst> chosen;
  for (auto& [output, w] : by_output) chosen.push_back(std::move(w));
  return chosen;
}

}  // namespace

std::optional<double> Standing::worst() const {
  return std::isfinite(last.worst_score) && last.worst_score >= 0 ? std::optional(last.worst_score)
                                                                  : std::nullopt;
}

std::uint64_t Digest::executions() const {
  std::uint64_t sum = 0;
  for (const Standing& s : targets) sum += s.last.executions;
  return sum;
}

std::optional<double> Digest::left() const {
  if (!running || runs.empty() || !(runs.back().planned > 0)) return std::nullopt;
  return std::max(0.0, runs.back().planned - runs.back().seconds);
}

Digest read_digest(const fs::path& folder) {
  const Store store = Store::look(folder);
  Digest d;
  d.folder = folder;
  d.subject = store.subject();
  d.seconds = store.seconds();
  d.runs = store.runs();
  d.running = at_work(folder);
  d.targets = standings(store, d.runs, folder);
  d.samples = store.samples();
  d.findings = store.findings();
  d.worst = highest(store.worst());
  std::error_code ignored;
  if (const fs::path file = reach_file(folder); fs::exists(file, ignored)) try {
      d.reach = read_reach(file);
    } catch (const ReachError& e) {
      d.reach_problem = e.what();
    }
  return d;
}

std::string rerun(const Finding& f, const fs::path& folder) {
  // What only a sanitizer sees is to be run in its build.
  if (!f.shown().empty() && f.build.starts_with("fast"))
    return oracle::rerun_command(f.shown(), f.subject);
  if (f.file.empty()) return f.shown().empty() ? "" : oracle::rerun_command(f.shown(), f.subject);
  std::string command =
      "./run fuzz reproduce " + oracle::shell_word(fs::absolute(folder / f.file).string());
  if (f.subject != "truenorm" && f.subject != "libtorch" && !f.subject.empty())
    command += " --subject " + oracle::shell_word(f.subject);
  return command;
}

std::string title(const Finding& f) {
  return fmt::format("{}: {}: {}{}{}", f.target, f.verdict, f.reason, f.kernel.empty() ? "" : ", ",
                     f.kernel);
}

std::string clock_text(double seconds) {
  const auto all = static_cast<std::int64_t>(std::llround(std::max(seconds, 0.0)));
  return fmt::format("{}:{:02}:{:02}", all / 3600, all / 60 % 60, all % 60);
}

std::string grouped(std::uint64_t n) {
  std::string digits = std::to_string(n);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string rate_text(double per_second) {
  if (!std::isfinite(per_second) || per_second <= 0) return "-";
  if (per_second < 10) return fmt::format("{:.1f}", per_second);
  return grouped(static_cast<std::uint64_t>(std::llround(per_second)));
}

std::string score_text(std::optional<double> score) {
  return score && std::isfinite(*score) && *score >= 0 ? fmt::format("{:.3f}", *score) : "-";
}

std::string plural(std::uint64_t n, const std::string& one, const std::string& many) {
  return grouped(n) + " " + (n == 1 ? one : many);
}

}  // namespace truenorm::night
