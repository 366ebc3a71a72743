// What is asked for, and the rows that follow from it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "contestant.h"
#include "suites.h"

namespace truenorm::bench {

/// Where a list is empty, and for `isa` best, what a case line says counts, or where that says
/// nothing, everything there is; of threads, one a core.
struct Asked {
  std::vector<std::string> peers;  // "subject", "libtorch", "onednn"
  std::string subject;             // the plugin of that name
  std::vector<oracle::Dtype> dtypes;
  std::vector<oracle::Layout> layouts;
  std::vector<Op> ops;
  std::vector<int> threads;
  oracle::Isa isa = oracle::Isa::best;
  std::vector<std::int64_t> caches;  // as make_truenorm() takes them
  int rounds = 12;
  std::uint64_t seed = 1;            // of the order within the rounds
  bool fresh = false, cold = false;  // columns beside the plain one

  std::vector<std::string> others() const;  // their names
};

/// One row to be measured.
struct Item {
  Entry entry;
  oracle::Case value;
  Op op = Op::training;
};

/// The rows of entries, those of one tensor's data next to each other.
std::vector<Item> items(const std::vector<Entry>&, const Asked&);

/// Both orders of memory are the same one, which is called that of channels innermost.
bool one_layout(const oracle::Shape&);

}  // namespace truenorm::bench
