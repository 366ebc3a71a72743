// Who answers: an implementation under judgement, behind one interface.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "case.h"
#include "contract.h"
#include "data.h"

namespace truenorm::oracle {

/// Why a call was refused, by class. Part of the semantics that are compared.
enum class Refusal : std::uint8_t {
  none,
  one_value_per_channel,  // training with prod(all sizes but C) == 1
  missing_statistics,     // evaluation, or reset_running_stats, without running statistics
  no_forward,             // a backward before any accepted forward
  shape_mismatch,         // a backward whose dy or x is not of the last forward's sizes
  stale_forward,          // LibTorch: a tensor saved for the backward was modified in place since
  other,
};
std::string_view name(Refusal);

/// What one step answered. Tensors in logical order (N, C, spatial); an empty vector is a tensor
/// that was not produced.
struct StepTrace {
  Refusal refused = Refusal::none;
  std::string message;                            // the refusal in the player's own words
  std::vector<double> y, save_mean, save_invstd;  // forward; save_* in training only
  std::vector<double> dx, dweight, dbias;         // backward
  std::vector<double> running_mean, running_var;  // state after the step; empty: the layer has none
  double num_batches_tracked = -1;                // state after the step; -1: the layer has none
};

enum class Outcome : std::uint8_t {
  played,
  unsupported,
  failed,
  crashed,
  timed_out,
  out_of_bounds,      // a write before, behind or into a gap of a tensor
  changed_input,      // an input does not come back bit for bit
  not_written,        // an element of an output is as it was
  refused_but_wrote,  // a refused call changed something
};
std::string_view name(Outcome);

/// The whole answer to a case.
struct Trace {
  Outcome outcome = Outcome::played;
  std::string detail;  // unsupported: the reason; crashed: the signal; of harm to memory: which
                       // tensor, and how
  std::vector<StepTrace> steps;  // of `played`: one for each step of the program
};

/// "" if the player takes this case, else the reason that the summary counts.
using Unsupported = std::string;

class Player {
 public:
  virtual ~Player() = default;
  virtual std::string name() const = 0;
  virtual std::string version() const { return {}; }
  virtual Unsupported unsupported(const Problem&, const Exec&) const = 0;
  virtual Contract contract(const Problem&, const Exec&) const = 0;
  /// Plays the whole program. The case has an Exec and is supported. Never throws.
  virtual Trace play(const Case&, const Inputs&) = 0;
};

}  // namespace truenorm::oracle
