// One process of a target at work for the night: its folder, its log, and what it leaves.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "corpus.h"
#include "engine.h"
#include "intake.h"
#include "process.h"
#include "schedule.h"

namespace truenorm::night {

/// What a job is for.
struct Assignment {
  Task task;
  const Target* target = nullptr;
  Way way;
  std::vector<Input> inputs;  // of a replay
};

/// What a target's status file says.
struct Status {
  std::uint64_t executions = 0;
  std::vector<Worst> worst;  // without run and time
};
Status read_status(const std::filesystem::path&);

class Job {
 public:
  /// Takes over the folder of a job slot, which is to be emptied before: leftovers() of it.
  Job(Minder&, const Builds&, const Folder&, unsigned number, const std::string& subject,
      const Limits&, Assignment);

  const Assignment& assignment() const { return assignment_; }
  double seconds() const;
  void read();
  const Counts& counts() const { return log_.counts(); }
  std::uint64_t executions() const;  // by its status, or else by its log
  Status status() const { return read_status(folder_ / "status"); }

  std::optional<Ended> ended() { return child_->ended(); }
  /// It should have ended by itself long ago, and says nothing any more, though it has a processor. On a
  /// busy machine a large corpus takes longer than the time of a job to load.
  bool overdue() const;
  void signal(int number);
  bool told_to_end() const { return told_; }

  /// What has been found so far, and, once it has ended, what it died of.
  std::vector<Left> left();
  /// What a replay has not played yet, after the input that it died of; empty: all is done.
  std::vector<Input> rest() const;
  const std::string& log() const { return log_.tail(); }

 private:
  Assignment assignment_;
  std::filesystem::path folder_;
  std::string subject_;
  Limits limits_;
  std::chrono::steady_clock::time_point start_;
  Log log_;
  std::unique_ptr<Child> child_;
  bool told_ = false;
  std::pair<std::uint64_t, std::string> said_;  // executions, and the end of the log
  double heard_ = 0;                            // when they changed last
  double starved_ = 0;                          // what it had been kept waiting for by then
};

/// What lies in the folder of a job whose runner was killed.
std::vector<Left> leftovers(const std::filesystem::path& job, const std::string& subject);

}  // namespace truenorm::night
