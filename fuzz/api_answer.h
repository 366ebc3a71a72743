// Whether an accepted call of the public interface gave right numbers: the case that its arguments
// are, by the exact reference.
#pragma once

#include <string>
#include <vector>

#include "../impl/testing/scene.h"
#include "answer.h"
#include "exact/elements.h"
#include "judge.h"

namespace truenorm::fuzz {

/// The elements of a view in logical order.
std::vector<double> read(const ConstTensor&);
std::vector<double> read(const ConstVector&);  // none where it is absent

/// One more element of a tensor of balls.
void push(oracle::Balls&, const oracle::exact::Element&, const oracle::exact::Format&);

/// What a scene asks, read before the call.
class Question {
 public:
  explicit Question(calls::Scene&);

  /// What the scene holds after the call, judged: a verdict that is no fail, or the one of the order
  /// of summation that comes nearest.
  oracle::Verdict judge(calls::Scene&) const;

 private:
  oracle::Answer answer(calls::Scene&, const oracle::Contract&) const;
  oracle::StepTrace trace(calls::Scene&) const;
  oracle::Verdict corrections(calls::Scene&, const oracle::Contract&) const;

  oracle::Problem problem_;
  oracle::Inputs inputs_;
  oracle::Given given_;
  bool empty_ = false;     // there are no elements
  bool by_given_ = false;  // a backward by statistics that are given
};

}  // namespace truenorm::fuzz
