// What is timed: the suites of corpus/networks.cases, and a user's own lines.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "oracle/case.h"

namespace truenorm::bench {

struct Entry {
  std::string suite;
  oracle::Case value;    // with an Exec where the line has one
  int times = 1;         // BatchNorms of the network that look like this
  bool network = false;  // its batch size may be another
  bool inner = false;    // channels innermost only
  std::string where{};   // "own.cases:12"; of a suite nothing
};

/// The suites of one file, to be read once.
class Suites {
 public:
  /// Of the comments `#suite NAME [network] [nhwc]`, `#case TIMES CASE` and `#suite NAME = OTHER...`;
  /// everything else is passed over. Throws oracle::ParseError with `what`, line and column.
  Suites(std::string_view text, std::string_view what);

  /// "resnet50, inception, ...", in the file's order, for messages.
  std::string names() const;

  /// The entries of suites, each case once, in order. `batches` replaces the batch sizes of the
  /// networks; empty: their own. Throws std::invalid_argument for a name that there is not.
  std::vector<Entry> entries(const std::vector<std::string>& suites,
                             const std::vector<std::int64_t>& batches) const;

 private:
  struct Suite {
    std::string name;
    bool network = false, inner = false;
    std::vector<std::string> of;  // other suites, all before this one
    std::vector<Entry> entries;
  };
  class Reader;

  const Suite* find(std::string_view name) const;
  void collect(const Suite&, const std::vector<std::int64_t>& batches, std::vector<Entry>&) const;

  std::vector<Suite> suites_;
};

/// Adds an entry unless its case is there already; in both orders of memory if either asks for them.
void add_once(std::vector<Entry>&, Entry);

/// Why a line cannot be timed: beginning with the text form's name for the field, and what would be
/// right. Empty if it can be.
std::string untimed(const oracle::Case&);

/// "n8c64s56x56": as the case line says it.
std::string shape_name(const oracle::Shape&);

}  // namespace truenorm::bench
