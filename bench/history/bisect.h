// A regression's commit: the command line that finds it, and the step that the line takes at each.
#pragma once

#include <filesystem>
#include <string>

#include "compare.h"

namespace truenorm::bench {

/// What a step compares with, and by which rule.
struct Bisection {
  std::string good;  // as resolve() takes it
  std::filesystem::path history;
  std::string text, op;  // of the rows to measure; empty: all
  Rule rule;
};

/// "git bisect start BAD GOOD && git bisect run ...", to be typed at the top of the tree. Where there
/// can be none, `why` says so.
std::string bisect_line(const Comparison&, const KeptRun& before, const KeptRun& after, Bisection,
                        std::string& why);

/// What `git bisect run` is told: 0 good, 1 bad, 125 it cannot be said of this commit; kAbort stops it.
inline constexpr int kSkip = 125, kAbort = 255;

/// Measures the tree in this folder by its own ./run, in a build folder of its own, as often as the good
/// run has sittings, and compares.
int bisect_step(const Bisection&);

}  // namespace truenorm::bench
