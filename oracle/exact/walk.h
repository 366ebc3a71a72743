// The program, step by step: what is accepted, which statistics are used, and every number as a
// ball.
#pragma once

#include <optional>
#include <vector>

#include "../answer.h"
#include "elements.h"
#include "renorm.h"

namespace truenorm::oracle::exact {

/// One element to explain: its terms are copied out whenever it is computed, the last time stands.
struct Probe {
  Output output;
  std::size_t element;
  std::vector<Term> terms;
};

/// What a backward needs of the forward before it.
struct LastForward {
  std::size_t step = 0;
  std::int64_t batch = 0;
  bool training = false;
  double eps = 0;
  std::vector<Ball> mean, invstd;
  std::vector<Ball> weight, bias;      // as the transform takes them
  std::vector<Correction> correction;  // empty: not renormalized
};

class Walk {
 public:
  /// Without inputs and contract only the semantics are walked.
  Walk(const Problem&, const Inputs*, const Contract*, Probe* = nullptr);
  void step(std::size_t index, StepAnswer&);  // to be called for 0, 1, 2, ...; memory is used again
  /// Instead of step(0), a forward by the batch.
  void give(const Given&);

 private:
  Refusal refusal(std::size_t index) const;
  void remember(std::size_t index, std::int64_t batch, bool training);
  void forward(std::size_t index, StepAnswer&);
  void train(std::size_t index, const Shape&, double factor, StepAnswer&);
  void renormalize(std::size_t channel, const Statistics&);
  void evaluate(std::size_t index, const Shape&, StepAnswer&);
  void transform(std::size_t index, const Shape&, StepAnswer&);
  void backward(std::size_t index, StepAnswer&);
  Element weight_gradient(const Products&, std::size_t channel) const;
  void update_running(std::size_t channel, const Statistics&, double count, double factor);
  void reset_stats();
  void state(StepAnswer&) const;
  void note(Output, std::size_t element, const Element&,
            const std::array<std::string_view, 8>& names);
  void push(Balls&, Output, const Element&, const std::array<std::string_view, 8>& names);
  bool uses_batch(Op op) const { return op == Op::train || !track_; }

  const Problem& problem_;
  const Inputs* inputs_;
  const Contract* contract_;
  Probe* probe_;
  std::size_t index_ = 0;
  Format data_, param_, save_;
  double eps_;
  Momentum momentum_;
  bool track_, buffers_;
  double batches_ = 0;
  std::vector<double> weight_, bias_;
  std::vector<Ball> running_mean_, running_var_;
  std::optional<LastForward> last_;
  std::vector<Statistics> statistics_;  // of the forward at hand
  std::vector<double> sigma_;           // roots of its variances, 0 where there are none
};

}  // namespace truenorm::oracle::exact
