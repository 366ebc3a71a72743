// What a night of fuzzing knows, in SQLite: runs, samples over time, findings and worst scores.
// Every function is one transaction; what it returned from is on the disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace truenorm::night {

/// The database cannot be opened, read or written; says which file, and why.
struct StoreError : std::runtime_error {
  explicit StoreError(const std::string& what, bool disk_full = false)
      : std::runtime_error(what), full(disk_full) {}
  bool full;  // for want of room; what was there before is as it was
};

/// One start of the runner.
struct Run {
  std::int64_t id = 0;
  std::int64_t started = 0;  // seconds since 1970
  double seconds = 0;        // that it has run, as of its last sign of life
  std::string subject;
  std::string targets;  // "case_fuzz sequence_fuzz"
  unsigned jobs = 0;
  double planned = 0;  // seconds that it is to run; 0: until it is stopped
  std::string end;     // "time", "interrupted", "disk full", "error"; empty: it runs, or was killed
};

/// A target at a moment. Coverage and features are the engine's words: edges, and edges with how
/// often they were passed.
struct Sample {
  std::int64_t run = 0;
  double seconds = 0;  // fuzzed in this folder by then, over all runs: the axis of a graph
  std::string target;
  std::uint64_t executions = 0;  // in this folder by then, over all runs
  double exec_per_second = 0;    // of one job, in the run so far
  std::uint64_t coverage = 0, features = 0;
  std::uint64_t corpus = 0;  // inputs in its folder
  double worst_score = -1;   // of any output by then; -1: none
};

/// A verdict against the subject, or a law that does not hold. One for each
/// (target, verdict, reason, kernel).
struct Finding {
  enum class State {
    fresh,         // as it was met
    minimal,       // made smaller as far as that went
    unreproduced,  // its input was played again, and it did not happen
  };

  std::int64_t id = 0;
  std::string target;           // "case_fuzz"
  std::string verdict, reason;  // "fail", "dx"; "crash", "AddressSanitizer: heap-buffer-overflow"
  std::string kernel;           // "f32 nhwc"; empty where there is no word for it
  std::string subject;          // who is wrong
  std::string build;            // "fast", "asan", "fast avx2": what met it first
  std::int64_t run = 0;         // the run that met it first
  std::int64_t first_seen = 0, last_seen = 0;  // seconds since 1970
  std::uint64_t count = 1;                     // processes that met it
  State state = State::fresh;
  std::string line;     // the case as it was met; empty where an input is none
  std::string minimal;  // the smallest line known; empty before, and where an input is no case
  std::string detail;   // one sentence about `minimal`, else about `line`
  std::string opinion;  // who is right, and who says so; empty before it was asked
  std::string input;    // the input's bytes: of `minimal`, else as it was met
  std::string file;     // the same bytes, below the folder: "findings/1f3a..."; empty: none

  /// The line to show, to run again and to commit.
  const std::string& shown() const { return minimal.empty() ? line : minimal; }
};
const char* name(Finding::State);  // "fresh", "minimal", "unreproduced"

/// The highest score of a pass: how near an output came to its bound.
struct Worst {
  std::string target, output;
  double score = -1;
  std::string line;
  std::int64_t run = 0;  // the run that met it
  double seconds = 0;    // as in Sample
};

/// What a replaying build has seen of a target's corpus.
struct Replayed {
  std::string target, build;  // "asan", "fast avx2"
  std::int64_t until = 0;     // modification time in ns of the newest input that was replayed
};

class Store {
 public:
  /// Opens `folder`/fuzz.db, and makes it where there is none. One that is damaged is moved aside
  /// to fuzz.db.damaged-N, and moved_aside() says so. Throws StoreError.
  explicit Store(const std::filesystem::path& folder);
  /// For a look from another process while a runner may be at work: nothing in it changes. Throws
  /// StoreError, also where there is no database, or where it is damaged.
  static Store look(const std::filesystem::path& folder);
  ~Store();
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;

  /// Where a damaged database was moved to; empty: it was sound.
  const std::string& moved_aside() const;

  /// The subject that this folder is about; empty before set_subject().
  std::string subject() const;
  void set_subject(const std::string&);

  std::int64_t begin_run(const Run&);  // id, seconds and end are the store's
  void live(std::int64_t run, double seconds);
  void end_run(std::int64_t run, double seconds, const std::string& how);
  std::vector<Run> runs() const;  // oldest first
  double seconds() const;         // over all runs

  void add(const Sample&);
  std::vector<Sample> samples() const;  // oldest first
  std::vector<Sample> latest() const;   // the last of each target, by name
  std::optional<Sample> latest(const std::string&) const;

  /// Keeps a finding, or counts it where its key is known. Returns whether it is new.
  bool add(const Finding&);
  void update(const Finding&);            // by id: state, minimal, detail, opinion, input, file
  std::vector<Finding> findings() const;  // in the order in which they were met
  std::optional<Finding> finding(std::int64_t id) const;

  /// Keeps it if it is higher than what is known of the target and output.
  void raise(const Worst&);
  std::vector<Worst> worst() const;  // by target and output

  std::int64_t replayed(const std::string& target, const std::string& build) const;  // until; 0
  std::vector<Replayed> replayed() const;  // by target and build
  void set_replayed(const Replayed&);

 private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl>);
  std::unique_ptr<Impl> impl_;
};

}  // namespace truenorm::night
