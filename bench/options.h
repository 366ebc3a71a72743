// What the command line asks for, and the rows that follow from it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "items.h"

namespace CLI {
class App;
}

namespace truenorm::bench {

/// Empty lists: what each line says, or all; see add_row_options().
struct Options {
  std::vector<std::string> suites, against{"libtorch", "onednn"}, dtypes, layouts, ops;
  std::string cases;    // a line or a file of lines
  std::string subject;  // a plugin; empty: none
  std::vector<std::int64_t> batches;
  std::vector<int> threads;
  std::string isa = "best", json, html, plots, filter;
  std::vector<std::int64_t> caches;
  int rounds = 12, sittings = 0;  // 0: 1, or of a run that is kept kSittings
  std::uint64_t seed = 1;
  bool fresh = false, cold = false;
  bool keep = false;
  std::string db;  // of --keep; empty: as history_file() has it
};

/// The options that choose rows and contestants.
void add_row_options(CLI::App&, Options&);

/// The options that say how they are measured.
void add_round_options(CLI::App&, Options&);

/// Sittings of a run that is kept: enough for `compare` to tell of 922 rows.
inline constexpr int kSittings = 10;

/// The options of who measures all of it more than once, and of what becomes of it.
void add_sitting_options(CLI::App&, Options&);

/// What is measured and how. Throws a UsageError of oracle/cli for what this machine or build has not.
Asked asked(const Options&);

/// The rows in the order in which they are measured. Throws UsageError, also where there are none.
std::vector<Item> items_of(const Options&, const Asked&);

}  // namespace truenorm::bench
