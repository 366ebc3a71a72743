// Instructions of a call, by row, with what they depend on besides the source.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace truenorm::bench {

/// What other counts come of: compiler, flags, library versions, instruction set.
using Identity = std::map<std::string, std::string>;

/// By row: "n4c16s7x7 f32 training nhwc".
using Counts = std::map<std::string, long long>;

/// The counts of one identity, as they were recorded.
struct Baseline {
  Identity of;
  Counts counts;
};

struct BaselineError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Of a file's text; empty text is none. Throws BaselineError.
std::vector<Baseline> read_baselines(std::string_view json, const std::string& what);
std::string to_json(const std::vector<Baseline>&);

struct CountChange {
  std::string row;
  long long before = 0, after = 0;
  double pct() const;
};

struct Counted {
  std::vector<CountChange> more, fewer;  // by more than the stated per cent
  std::size_t same = 0;
  std::vector<std::string> missing;  // rows that the baseline or this program has not
};
Counted compare(const Counts& baseline, const Counts& now, double pct);

/// The parts that callgrind has written beside this file, FILE.1 to FILE.n, in order: one total each.
/// Throws BaselineError where one is not as expected.
std::vector<long long> read_totals(const std::string& file, std::size_t parts);

}  // namespace truenorm::bench
