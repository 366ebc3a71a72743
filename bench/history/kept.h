// A run as it is kept and compared: what a report "truenorm-bench/1" says of where, of what and of
// every sample.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace truenorm::bench {

struct KeptRow {
  std::string line, op;  // the case, which says layout and threads; "training"
  std::map<std::string, std::vector<double>> samples;  // ns of a call by round, of everyone
  std::size_t measurements = 0, disturbed = 0;         // of a report; not kept

  /// Rows of two runs are compared where these are equal.
  std::string key() const { return op + ' ' + line; }
};

struct KeptRun {
  std::int64_t id = 0;       // in the history; 0: it is a file's
  std::int64_t kept = 0;     // seconds since 1970
  std::string commit;        // empty: not known
  bool dirty = false;        // files differ from that commit
  bool complete = true;      // false: a report of a run that was interrupted; none is kept
  int rounds = 0;            // of a sitting
  std::size_t sittings = 1;  // processes that the samples are of, in equal parts, in order
  std::map<std::string, std::string> machine;  // facts that figures depend on, by name: see kFacts
  std::vector<KeptRow> rows;                   // those that have samples

  /// "#3", of a file "bench.json", with the commit if one is known.
  std::string name() const;
  std::string file;  // that it was read from; empty: the history
};

/// The facts that make machines alike: keys of a report's "machine".
inline constexpr const char* kFacts[] = {"cpu",      "logical_cpus", "l1_bytes", "l2_bytes",
                                         "l3_bytes", "isa",          "compiler", "flags",
                                         "threads",  "libtorch",     "onednn"};

/// The text is no such report; says where and why.
struct ReportError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws ReportError. `what` is the file's name, for messages.
KeptRun read_report(std::string_view json, const std::string& what);

/// The same rows, measured again: its sittings come after those of `run`, row by row. A row that one
/// of the two has not is left out. Throws ReportError where no row is in both, or where the sittings
/// of the two have another number of rounds.
void append(KeptRun& run, const KeptRun& more);

}  // namespace truenorm::bench
