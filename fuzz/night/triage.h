// Findings are refined beside the jobs, one after the other, in a thread of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "refine.h"

namespace truenorm::night {

/// Findings that are alike but for the kernel: one tells of all.
std::string kind_of(const Finding&);

class Triage {
 public:
  /// `bench.stop` is this class's own.
  explicit Triage(Bench);
  ~Triage();  // stops
  Triage(const Triage&) = delete;
  Triage& operator=(const Triage&) = delete;

  void add(Finding);
  /// What has been refined since the last call. Throws what the thread ended by.
  std::vector<Finding> done();
  /// The first finding of some kind is not refined yet.
  bool owes();
  void stop();  // soon; what is not done stays as it was

 private:
  void work();
  std::size_t next() const;  // of the queue: the first of a new kind, else the first

  Bench bench_;
  std::atomic<bool> stop_{false};
  std::mutex guard_;
  std::condition_variable more_;
  std::deque<Finding> queue_;
  std::set<std::string> kinds_;  // that have been taken up
  bool first_of_kind_ = false;   // is being refined
  std::vector<Finding> done_;
  std::exception_ptr failure_;
  std::thread thread_;  // last: it uses the others
};

}  // namespace truenorm::night
