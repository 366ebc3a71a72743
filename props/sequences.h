// Sequences of calls on one layer, generated with RapidCheck's stateful testing. The model is the
// exact reference: after each command it says what was accepted. A player plays whole programs, so
// a sequence is carried out by playing the case that its commands add up to.
#pragma once

#include <rapidcheck/state.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "answer.h"
#include "generators.h"

namespace truenorm::props {

/// The layer as the exact reference has it.
class LayerModel {
 public:
  explicit LayerModel(oracle::Case start) : case_(std::move(start)) {
    case_.problem.run.clear();
    tracking_ = case_.problem.track;
  }

  void take(const oracle::Step& step) {
    oracle::Problem& p = case_.problem;
    p.run.push_back(step);
    if (oracle::semantics(p).back().refused != oracle::Refusal::none) return;
    if (oracle::is_forward(step.op)) forward_ = oracle::batch_of(p, p.run.size() - 1);
    if (step.op == oracle::Op::track_off) tracking_ = false;
    if (step.op == oracle::Op::track_on) tracking_ = true;
  }

  const oracle::Case& line() const { return case_; }
  const oracle::Problem& problem() const { return case_.problem; }
  bool tracking() const { return tracking_; }
  std::optional<std::int64_t> forward() const { return forward_; }  // N of the last accepted one
  std::uint32_t next_id() const { return problem().run.empty() ? 0 : problem().run.back().id + 1; }
  /// The N of the dy that this backward would offer.
  std::int64_t offered(const oracle::Step& backward) const {
    oracle::Problem p = problem();
    p.run.push_back(backward);
    return oracle::batch_of(p, p.run.size() - 1);
  }

 private:
  oracle::Case case_;
  bool tracking_ = true;
  std::optional<std::int64_t> forward_;
};

struct NoSystem {};  // see the top of this file
using SequenceCommand = rc::state::Command<LayerModel, NoSystem>;

/// One call. Its id, and with it its data, stays when commands before it are dropped.
class Call : public SequenceCommand {
 public:
  Call(oracle::Op op, const LayerModel& model) {
    step_.op = op;
    step_.id = model.next_id();
  }
  void apply(LayerModel& model) const override { model.take(step_); }
  void show(std::ostream& out) const override { out << oracle::letter(step_.op); }

 protected:
  oracle::Step step_;
};

template <oracle::Op kOp>
struct Plain : Call {
  explicit Plain(const LayerModel& model) : Call(kOp, model) {}
};

/// A forward of another batch: of none, of one, where a channel may then have one value, or more.
template <oracle::Op kOp>
struct OtherBatch : Call {
  explicit OtherBatch(const LayerModel& model) : Call(kOp, model) {
    step_.batch = *rc::gen::weightedElement<std::int64_t>({{2, 0}, {3, 1}, {1, 2}, {1, 3}, {1, 7}});
  }
};

struct Backward : Call {
  explicit Backward(const LayerModel& model) : Call(oracle::Op::backward, model) {
    RC_PRE(model.forward().has_value());
    if (model.offered(step_) != *model.forward()) step_.batch = *model.forward();
  }
  void checkPreconditions(const LayerModel& model) const override {
    RC_PRE(model.forward() == model.offered(step_));
  }
};

/// A backward to be refused: before any forward, or of another size.
struct BadBackward : Call {
  explicit BadBackward(const LayerModel& model) : Call(oracle::Op::backward, model) {
    if (model.forward()) step_.batch = *model.forward() + *rc::gen::inRange(1, 3);
  }
  void checkPreconditions(const LayerModel& model) const override {
    RC_PRE(model.forward() != model.offered(step_));
  }
};

struct TrackOff : Plain<oracle::Op::track_off> {
  using Plain::Plain;
  void checkPreconditions(const LayerModel& model) const override { RC_PRE(model.tracking()); }
};

struct TrackOn : Plain<oracle::Op::track_on> {
  using Plain::Plain;
  void checkPreconditions(const LayerModel& model) const override { RC_PRE(!model.tracking()); }
};

struct SetEps : Call {
  explicit SetEps(const LayerModel& model) : Call(oracle::Op::set_eps, model) {
    step_.eps = *rc::gen::element(1e-5, 0.0, 1e-12, 1e-3, 0.5, 1.0, 100.0, -1e-5);
  }
};

struct SetMomentum : Call {
  explicit SetMomentum(const LayerModel& model) : Call(oracle::Op::set_momentum, model) {
    step_.momentum = *rc::gen::element(
        oracle::Momentum{false, 0.1}, oracle::Momentum{true, 0}, oracle::Momentum{false, 0},
        oracle::Momentum{false, 1}, oracle::Momentum{false, 0.75}, oracle::Momentum{false, -0.25});
  }
};

/// What a sequence begins with: any sampled case, its tensors made small, its program left out.
inline oracle::Case beginning(oracle::Case sampled) {
  oracle::Shape& shape = sampled.problem.shape;
  shape.n = std::min<std::int64_t>(shape.n, 5);
  shape.c = std::min<std::int64_t>(shape.c, 4);
  for (std::int64_t& size : shape.s) size = std::min<std::int64_t>(size, 3);
  sampled.problem.run = {oracle::Step{}};
  return sampled;
}

/// Cases whose programs are sequences of 1 to 30 commands. They shrink by dropping commands, and as
/// every case does.
inline rc::Gen<oracle::Case> sequence() {
  using enum oracle::Op;
  const auto of = [](const oracle::Case& start) {
    constexpr int kLongest = 30;
    const auto commands = rc::state::gen::commands(
        LayerModel(start),
        rc::state::gen::execOneOfWithArgs<
            Plain<train>, Plain<train>, Plain<train>, Plain<train>, Plain<eval>, Plain<eval>,
            OtherBatch<train>, OtherBatch<eval>, Backward, Backward, Backward, Backward, Backward,
            BadBackward, Plain<reset_stats>, Plain<reset_params>, Plain<save_load>, TrackOff,
            TrackOn, TrackOn, SetEps, SetEps, SetMomentum, SetMomentum, Plain<copy>, Plain<copy>,
            Plain<move>, Plain<move>>());
    return rc::gen::map(rc::gen::resize(kLongest - 1, commands), [start](const auto& sequence) {
      LayerModel model(start);
      rc::state::applyAll(sequence, model);
      return model.line();
    });
  };
  return rc::gen::mapcat(rc::gen::map(sampled_case(), beginning), of);
}

}  // namespace truenorm::props
