#include "answer.h"

#include <algorithm>

#include "exact/walk.h"

namespace truenorm::oracle {

std::string_view name(Output output) {
  constexpr std::string_view kNames[kOutputs] = {
      "y", "save_mean", "save_invstd", "dx", "dweight", "dbias", "running_mean", "running_var"};
  return kNames[static_cast<std::size_t>(output)];
}

// A value that is wrong by a quarter of its natural size would still lie in the ball, which is also
// wider than the spacing of subnormals.
bool Balls::vacuous(std::size_t i) const {
  if (kind[i] == Kind::any) return true;
  return kind[i] == Kind::finite && radius[i] > 0 &&
         !(radius[i] <= std::max(scale[i] / 4, 4 * min_positive));
}

std::vector<StepAnswer> semantics(const Problem& problem) {
  exact::Walk walk(problem, nullptr, nullptr);
  std::vector<StepAnswer> steps;
  for (std::size_t i = 0; i < problem.run.size(); ++i) steps.push_back(walk.step(i));
  return steps;
}

Answer answer(const Problem& problem, const Inputs& inputs, const Contract& contract) {
  exact::Walk walk(problem, &inputs, &contract);
  Answer answer;
  answer.save_expected = contract.hands_out_statistics;
  for (std::size_t i = 0; i < problem.run.size(); ++i) answer.steps.push_back(walk.step(i));
  return answer;
}

StepAnswer gradients(const Problem& problem, const Inputs& inputs, const Contract& contract,
                     const Given& given) {
  exact::Walk walk(problem, &inputs, &contract);
  walk.give(given);
  return walk.step(1);
}

std::vector<Term> explain(const Problem& problem, const Inputs& inputs, const Contract& contract,
                          std::size_t step, Output output, std::size_t element) {
  exact::Probe probe{output, element, {}};
  exact::Walk walk(problem, &inputs, &contract, &probe);
  for (std::size_t i = 0; i <= step && i < problem.run.size(); ++i) walk.step(i);
  return probe.terms;
}

}  // namespace truenorm::oracle
