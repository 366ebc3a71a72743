// check of a file of arrays (docs/python.md).
#pragma once

#include <string>

namespace truenorm::oracle::cli {

struct NpzOptions {
  std::string file, subject, players, json;
  bool explain = false, wide_sums = false;
};

/// The argument of check is such a file, or meant to be one.
bool is_npz(const std::string& argument);

/// Throws UsageError for a file that cannot be read, and for options that make no sense with it.
int run_check_npz(const NpzOptions&);

}  // namespace truenorm::oracle::cli
