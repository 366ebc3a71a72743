#include "answer.h"

#include "exact/walk.h"

namespace truenorm::oracle {

std::string_view name(Output output) {
  constexpr std::string_view kNames[kOutputs] = {
      "y", "save_mean", "save_invstd", "dx", "dweight", "dbias", "running_mean", "running_var"};
  return kNames[static_cast<std::size_t>(output)];
}

std::vector<StepAnswer> semantics(const Problem& problem) {
  exact::Walk walk(problem, nullptr, nullptr);
  std::vector<StepAnswer> steps(problem.run.size());
  for (std::size_t i = 0; i < steps.size(); ++i) walk.step(i, steps[i]);
  return steps;
}

Answer answer(const Problem& problem, const Inputs& inputs, const Contract& contract) {
  Answer made;
  answer(problem, inputs, contract, made);
  return made;
}

void answer(const Problem& problem, const Inputs& inputs, const Contract& contract, Answer& into) {
  exact::Walk walk(problem, &inputs, &contract);
  into.save_expected = contract.hands_out_statistics;
  into.steps.resize(problem.run.size());
  for (std::size_t i = 0; i < into.steps.size(); ++i) walk.step(i, into.steps[i]);
}

StepAnswer gradients(const Problem& problem, const Inputs& inputs, const Contract& contract,
                     const Given& given) {
  exact::Walk walk(problem, &inputs, &contract);
  walk.give(given);
  StepAnswer answer;
  walk.step(1, answer);
  return answer;
}

std::vector<Term> explain(const Problem& problem, const Inputs& inputs, const Contract& contract,
                          std::size_t step, Output output, std::size_t element) {
  exact::Probe probe{output, element, {}};
  exact::Walk walk(problem, &inputs, &contract, &probe);
  StepAnswer answer;
  for (std::size_t i = 0; i <= step && i < problem.run.size(); ++i) walk.step(i, answer);
  return probe.terms;
}

}  // namespace truenorm::oracle
