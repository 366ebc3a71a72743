// The night: targets at work on all jobs until the time is over, and everything that they find kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "job.h"
#include "oracle/cli/support.h"
#include "store.h"
#include "triage.h"

namespace truenorm::night {

struct NightOptions {
  std::optional<double> seconds;  // none: until Ctrl-C
  unsigned jobs = 1;
  std::vector<const Target*> targets;
  std::string subject = "truenorm";
  std::filesystem::path folder;
  std::filesystem::path cases;  // the committed ones, for seeds
  Limits limits;
};

/// What came of it.
struct NightResult {
  std::string end;      // as in Run
  std::string trouble;  // why it ended early; empty: it did not
  std::int64_t run = 0;
  unsigned fresh = 0;  // findings that this folder did not know
};

class Runner {
 public:
  /// Opens the folder, and takes in what a killed runner left in it. Throws UsageError, StoreError.
  Runner(NightOptions, const Builds&);
  ~Runner();
  NightResult run();
  const Store& store() const { return store_; }

 private:
  /// A target in the course of the run.
  struct Life {
    const Target* target = nullptr;
    std::vector<Way> ways;            // of replay
    TargetState state;                // for the scheduler
    std::vector<double> replayed_at;  // by way: seconds of the run
    std::uint64_t before = 0;         // executions, in the runs before this one
    std::uint64_t executions = 0;     // of the jobs that have ended
    std::uint64_t explored = 0;       // of these, by exploring
    double explored_seconds = 0;
    std::uint64_t coverage = 0, features = 0;
    std::map<std::string, double> worst;  // by output
    unsigned stillborn = 0;               // processes in a row that died at once, of no input
  };
  using Slot = std::optional<Job>;

  double seconds() const;
  double left() const;
  void open_targets();
  void recover();
  void seed();

  void turn();  // one round of looking after everything
  void fill_slots();
  Situation situation() const;
  void start(unsigned slot, const Task&);
  void look_at(Job&);
  void finish(Slot&, unsigned number, const Ended&);
  void finish_replay(Slot&, unsigned number, const Ended&);
  void judge_end(const Job&, const Ended&);
  bool take(Left&);
  void take_refined();
  void scan_corpora();
  void sample();
  void require_room() const;
  Sample sample_of(const Life&) const;
  std::string status_line() const;
  void tell_finding(const Finding&, const char* what);

  void wind_down(bool now);
  Life& life_of(const Job& job) { return lives_[job.assignment().task.target]; }

  Minder minder_;  // first: it forks
  NightOptions options_;
  const Builds& builds_;
  Folder folder_;
  Lock lock_;
  Store store_;
  std::int64_t run_ = 0;
  double before_ = 0;  // seconds of the runs before
  std::chrono::steady_clock::time_point start_;
  std::vector<Life> lives_;
  std::vector<Slot> slots_;
  std::set<std::string> told_;   // kinds of findings: one of each is told
  unsigned fresh_ = 0;           // findings of this run, and of killed ones that nobody was told of
  double kept_ = 0, spent_ = 0;  // seconds of jobs that have ended
  double scanned_ = -1e9, sampled_ = -1e9;
  std::optional<Triage> triage_;
  oracle::cli::ProgressLine line_;
};

}  // namespace truenorm::night
