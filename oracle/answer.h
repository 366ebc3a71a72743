// The exact answer to a case: every tensor of the program as balls (value, radius) for one player's
// contract.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "case.h"
#include "contract.h"
#include "data.h"
#include "player.h"

namespace truenorm::oracle {

/// The tensors that are compared, in the order in which they are looked at.
enum class Output : std::uint8_t {
  y,
  save_mean,
  save_invstd,
  dx,
  dweight,
  dbias,
  running_mean,
  running_var
};
inline constexpr std::size_t kOutputs = 8;
std::string_view name(Output);

/// What may stand in an element.
enum class Kind : std::uint8_t {
  finite,  // within radius of mid; the Inf of either side too where the ball passes the largest
           // finite value on that side
  nan,
  pos_inf,
  neg_inf,
  any,  // the ball straddles an overflow, 0/0 or the like: anything is right, and the element
        // proves nothing
};

/// A tensor of balls, in logical order.
struct Balls {
  std::vector<double> mid, radius;
  std::vector<double>
      low;  // what mid's rounding left over, so that mid + low is exact to 106 bits; empty: zeros
  std::vector<Kind> kind;
  std::vector<double> scale;  // natural size of the element: the largest of the terms it is made of
  double max_finite = 0, min_positive = 0;  // of the dtype in which the tensor is stored

  std::size_t size() const { return mid.size(); }
  /// The ball is so wide that it proves nothing: a value that is wrong by a quarter of its natural
  /// size would still lie in it, and it is wider than the spacing of subnormals.
  bool vacuous(std::size_t i) const {
    if (kind[i] != Kind::finite) return kind[i] == Kind::any;
    if (!(radius[i] > 0) || radius[i] <= scale[i] / 4) return false;
    return !(radius[i] <= std::max(scale[i] / 4, 4 * min_positive));
  }
};

struct StepAnswer {
  Refusal refused = Refusal::none;
  Balls y, save_mean, save_invstd, dx, dweight, dbias, running_mean, running_var;
  double num_batches_tracked = -1;
};

struct Answer {
  bool save_expected = false;  // the contract hands out save_mean and save_invstd
  std::vector<StepAnswer> steps;
};

/// Semantics first, then balls. Pure. The reference for f32, bf16 and f16 data sums in
/// double-double and finishes elements in double; for f64 everything is double-double (106 bits).
/// Source: the formulas in docs/accuracy.md; Chan, Golub, LeVeque 1983; Higham 2002.
Answer answer(const Problem&, const Inputs&, const Contract&);
/// The same into an answer whose memory is used again.
void answer(const Problem&, const Inputs&, const Contract&, Answer& into);

/// Batch statistics from elsewhere than a forward of the case; r and d are empty without
/// renormalization.
struct Given {
  std::vector<double> mean, invstd, r, d;
};
/// The answer to a backward by given statistics: the program is TB, inputs.step are x and dy.
StepAnswer gradients(const Problem&, const Inputs&, const Contract&, const Given&);

/// The refusals and counters alone, without a number computed.
std::vector<StepAnswer> semantics(const Problem&);

/// Where the ball of one element comes from: the terms of its radius, in the order in which they
/// are added.
struct Term {
  std::string name;  // "rounding of the transform", "error of the mean", ...
  double value;
};

/// The terms of one element's radius; empty where the element has no finite ball.
std::vector<Term> explain(const Problem&, const Inputs&, const Contract&, std::size_t step, Output,
                          std::size_t element);

}  // namespace truenorm::oracle
