// What the command line asks for, and the rows that follow from it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "session.h"

namespace truenorm::bench {

struct Options {
  std::vector<std::string> suites{"resnet50"}, against{"libtorch", "onednn"}, dtypes{"f32"},
      layouts{"nchw", "nhwc"}, ops{"training", "evaluation", "backward"};
  std::vector<std::int64_t> batches;
  std::vector<int> threads;
  std::string isa = "best", json, filter;
  std::vector<std::int64_t> caches;
  int rounds = 11;
};

/// What is measured and how. Throws a UsageError of oracle/cli for what this machine or build has not.
Asked asked(const Options&);

/// The rows in the order in which they are measured. Throws UsageError, also where there are none.
std::vector<Item> items_of(const Options&, const Asked&);

/// The options that choose rows and contestants.
void add_row_options(CLI::App&, Options&);

}  // namespace truenorm::bench
