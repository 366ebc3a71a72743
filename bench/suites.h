// The shapes that are timed, by the name of their suite.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oracle/case.h"

namespace truenorm::bench {

struct Entry {
  std::string suite;
  oracle::Shape shape;
  bool nchw = true, nhwc = true;
};

/// "resnet50, inception, ...", for messages.
std::string suite_names();

/// The entries of suites, each shape once, in order. `batches` replaces the batch sizes of the
/// suites that are networks; empty: their own. Throws std::invalid_argument for a name that there is
/// not.
std::vector<Entry> entries(const std::vector<std::string>& suites,
                           const std::vector<std::int64_t>& batches);

/// "n8c64s56x56": as the case line says it.
std::string shape_name(const oracle::Shape&);

}  // namespace truenorm::bench
