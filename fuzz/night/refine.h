// A finding made smaller and told who is right: its input is played again and again in processes of
// the target that met it, and its smallest line by the judge's own workers.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "process.h"
#include "store.h"
#include "targets.h"

namespace truenorm::night {

/// What the work needs. What it refers to lives as long.
struct Bench {
  Minder& minder;
  const Builds& builds;
  std::string subject;
  Limits limits;
  std::filesystem::path scratch;  // a folder of its own
  std::function<bool()> stop;     // true: end soon, with what there is
};

/// Plays an input in the target's process, and returns what it finds; empty: nothing.
std::vector<Finding> play(const Bench&, const Target&, const Way&, const std::string& input);

/// Who is right about a case, by the verdicts of the judge on the subject and on LibTorch. Starts
/// their workers at the first question; the thread that asks is to live as long.
class Witnesses {
 public:
  explicit Witnesses(std::string subject);
  ~Witnesses();
  /// What was seen in a target's process, where it was against `accused`.
  struct Statement {
    bool against = false;  // the judge, too, has a verdict against the accused
    std::string verdict;   // "fail: dx", of the accused
    std::string detail;    // one sentence about it
    std::string opinion;
  };
  Statement ask(const std::string& line, const Finding& seen);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What minimising may cost.
struct Budget {
  int plays = 400;      // of a case
  double seconds = 60;  // of a case
  double engine = 15;   // seconds of the engine, which takes all it gets, over what is no case
};

/// The finding with its smallest line or input, that line's detail, and who is right; or, where it
/// does not happen again, as unreproduced. As it was where it was told to stop.
Finding refine(const Bench&, Witnesses&, Finding, const Budget& = {});

}  // namespace truenorm::night
