// What libFuzzer says on standard error and leaves in files, read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace truenorm::night {

/// The engine's own counts, as of its last line.
struct Counts {
  std::uint64_t executions = 0, coverage = 0, features = 0, corpus = 0;
  double rate = 0;  // executions a second
};

/// A log that grows, read as it does.
class Log {
 public:
  explicit Log(std::filesystem::path path) : path_(std::move(path)) {}
  void read();  // what came since the last time
  const Counts& counts() const { return counts_; }
  /// The file that a process which is given files runs: the last one of which it said so.
  const std::string& running() const { return running_; }
  std::uint64_t ran() const { return ran_; }  // how many it said
  const std::string& tail() const { return tail_; }

 private:
  void take(std::string_view line);

  std::filesystem::path path_;
  std::uint64_t at_ = 0;
  std::string partial_, tail_, running_;
  Counts counts_;
  std::uint64_t ran_ = 0;
};

/// Why a process died of its input.
struct Death {
  std::string verdict, reason;  // "crash", "heap-buffer-overflow in sum_rows"; "timeout", "hang"
  std::string detail;           // the engine's or the sanitizer's own line
};

/// By the end of its log, and by the file that it left: "crash-...", "timeout-...", "oom-...",
/// "leak-..."; empty where it left none. No verdict: the log tells of no death.
Death read_death(std::string_view log, std::string_view artifact);

}  // namespace truenorm::night
