// The figures of a report: which there are, what is in them, and what would give those that are not.
#pragma once

#include <string>
#include <vector>

#include "bench/report.h"
#include "oracle/page/page.h"

namespace truenorm::bench {

struct Graph {
  std::string name;  // of its file: "roofline-training-nchw-f32-2"
  oracle::page::Figure figure;
  std::string again;  // the command that measures one of its rows
};

struct Chapter {
  std::string heading, text;
  std::vector<Graph> graphs;
  std::string absent;  // where there are none: why, and which option gives them
};

/// Roofline, ratios, tensor sizes, threads, errors.
std::vector<Chapter> chapters(const Report&);

/// The command that measures a row again.
std::string again(const Row&, const std::vector<std::string>& peers);

}  // namespace truenorm::bench
