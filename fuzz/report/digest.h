// What a night's folder holds, read once for a report: the store, what is replayed, and the coverage
// of impl/ where it has been measured. Changes nothing in the folder, and may be read while a night
// is at work.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "../night/store.h"
#include "reach.h"

namespace truenorm::night {

/// A target as it stands.
struct Standing {
  Sample last;  // nothing but its name before the first sample
  struct Replay {
    std::string build;       // "asan", "fast avx2"
    std::size_t behind = 0;  // inputs that have come since
  };
  std::vector<Replay> replays;

  /// Of any output; none before there was one.
  std::optional<double> worst() const;
};

struct Digest {
  std::filesystem::path folder;
  std::string subject;
  double seconds = 0;  // fuzzed, over all runs
  std::vector<Run> runs;
  bool running = false;
  std::vector<Standing> targets;  // by name; all that a run was asked for
  std::vector<Sample> samples;
  std::vector<Finding> findings;
  std::vector<Worst> worst;  // of each output the highest, by output; scores are numbers
  std::optional<Reach> reach;
  std::string reach_problem;  // why there is none; empty: it was not measured

  std::uint64_t executions() const;
  /// Seconds until the run that is at work ends; none where it has no end, or there is none.
  std::optional<double> left() const;
};

/// Throws StoreError.
Digest read_digest(const std::filesystem::path& folder);

/// The command that runs a finding again; empty where nothing is kept of its input.
std::string rerun(const Finding&, const std::filesystem::path& folder);

/// "case_fuzz: fail: dx, f32 rows".
std::string title(const Finding&);

// Numbers for people.
std::string clock_text(double seconds);         // "8:00:00"
std::string grouped(std::uint64_t);             // "1,234,567"
std::string rate_text(double per_second);       // "25,300"
std::string score_text(std::optional<double>);  // "0.987"; "-" for none
std::string plural(std::uint64_t, const std::string& one, const std::string& many);  // "2 inputs"

}  // namespace truenorm::night
