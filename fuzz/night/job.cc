#include "job.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "fuzz/finding.h"

namespace truenorm::night {
namespace {

namespace fs = std::filesystem;

/// Seconds beyond what it was given that a process may say nothing while it loads a corpus or ends.
constexpr double kGrace = 60;

/// "case_fuzz asan scalar": whose folder this is, for the runner after one that is killed.
void sign(const fs::path& folder, const Assignment& a) {
  fuzz::write_whole((folder / "task").string(), a.target->name + ' ' + a.way.name() + '\n');
}

std::vector<std::string> command(const Builds& builds, const Folder& folder, const fs::path& own,
                                 const std::string& subject, const Limits& limits,
                                 const Assignment& a) {
  std::vector<std::string> words = command_of(*a.target, a.way, builds, subject, limits);
  words.push_back("-artifact_prefix=" + (own / "artifacts").string() + '/');
  words.push_back("--findings=" + (own / "findings").string());
  const std::string seconds = fmt::format("-max_total_time={:.0f}", std::ceil(a.task.seconds));
  switch (a.task.kind) {
    case Task::Kind::explore:
      words.insert(words.end(), {"--status=" + (own / "status").string(), "-print_final_stats=1",
                                 seconds, folder.corpus(a.target->name).string()});
      break;
    case Task::Kind::replay:
      for (const Input& input : a.inputs) words.push_back(input.path.string());
      break;
    case Task::Kind::merge: {
      const Merge merge(folder, a.target->name);
      words.insert(words.end(), {"-merge=1", seconds, merge.out().string(), merge.in().string()});
      break;
    }
  }
  return words;
}

}  // namespace

Status read_status(const fs::path& path) {
  const auto json = nlohmann::json::parse(read_bytes(path), nullptr, false);
  Status status;
  if (!json.is_object()) return status;
  try {
    status.executions = json.at("executions");
    for (const auto& [output, peak] : json.at("worst").items()) {
      Worst worst;
      worst.target = json.at("target");
      worst.output = output;
      worst.score = peak.at("score");
      worst.line = peak.at("case");
      status.worst.push_back(std::move(worst));
    }
  } catch (const nlohmann::json::exception&) {
    // A target that says less has less to say.
  }
  return status;
}

Job::Job(Minder& minder, const Builds& builds, const Folder& folder, unsigned number,
         const std::string& subject, const Limits& limits, Assignment a)
    : assignment_(std::move(a)),
      folder_(fs::absolute(folder.job(number))),
      subject_(subject),
      limits_(limits),
      start_(std::chrono::steady_clock::now()),
      log_(folder_ / "log") {
  fs::remove_all(folder_);
  fs::create_directories(folder_ / "findings");
  fs::create_directories(folder_ / "artifacts");
  sign(folder_, assignment_);
  child_ = std::make_unique<Child>(
      minder,
      Command{command(builds, folder, folder_, subject_, limits_, assignment_), folder_ / "log"});
}

double Job::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

std::uint64_t Job::executions() const {
  if (assignment_.task.kind == Task::Kind::replay) return log_.ran();
  return std::max(counts().executions, status().executions);
}

void Job::read() {
  log_.read();
  std::pair<std::uint64_t, std::string> said{executions(), log_.tail()};
  if (said == said_) return;
  said_ = std::move(said);
  heard_ = seconds();
  starved_ = child_->starved();
}

bool Job::overdue() const {
  if (child_->ended()) return false;
  const double patience = limits_.seconds_a_case + kGrace;
  const double silent = seconds() - heard_ - (child_->starved() - starved_);
  return seconds() > assignment_.task.seconds + patience && silent > patience;
}

void Job::signal(int number) {
  told_ = true;
  child_->signal(number);
}

std::vector<Left> Job::left() {
  const bool over = child_->ended().has_value();
  std::vector<Left> all = left_in(folder_, *assignment_.target, subject_, log_.tail());
  // An artifact is whole only once its process has ended.
  if (!over)
    std::erase_if(all, [&](const Left& l) { return l.file.parent_path() != folder_ / "findings"; });
  if (over && !told_ && assignment_.task.kind == Task::Kind::replay && child_->ended()->code != 0) {
    const Death death = read_death(log_.tail(), {});
    if (!death.verdict.empty())
      all.push_back(
          {finding_of(death, *assignment_.target, subject_, read_bytes(log_.running())), {}});
  }
  for (Left& l : all) l.finding.build = assignment_.way.name();
  return all;
}

std::vector<Input> Job::rest() const {
  const auto& inputs = assignment_.inputs;
  const auto at = std::find_if(inputs.begin(), inputs.end(),
                               [&](const Input& i) { return i.path == log_.running(); });
  // Where it said nothing it died before its first input, and playing that again would not help.
  return at == inputs.end() ? std::vector<Input>() : std::vector<Input>(at + 1, inputs.end());
}

std::vector<Left> leftovers(const fs::path& job, const std::string& subject) {
  std::string task = read_bytes(job / "task");
  task.erase(std::min(task.find('\n'), task.size()));
  const std::size_t blank = std::min(task.find(' '), task.size());
  const Target* target = target_named(task.substr(0, blank));
  if (target == nullptr) return {};
  Log log(job / "log");
  log.read();
  std::vector<Left> all = left_in(job, *target, subject, log.tail());
  for (Left& l : all) l.finding.build = task.substr(std::min(blank + 1, task.size()));
  return all;
}

}  // namespace truenorm::night
