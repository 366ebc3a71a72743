// The textbook's layer with one decision changed.
#include "layer.h"

#include <utility>

#include "plant.h"

namespace truenorm::oracle::planted {
namespace {

using namespace layered;

struct FineTunes : Honest {  // an option that has nothing to do with it decides
  using Honest::Honest;
  bool by_batch() const override { return Honest::by_batch() || options_.cumulative; }
};
struct CountsRefused : Honest {
  using Honest::Honest;
  truenorm_result forward(const truenorm_tensor& x, truenorm_tensor& y, truenorm_vector* save_mean,
                          truenorm_vector* save_invstd) override {
    const truenorm_result result = Honest::forward(x, y, save_mean, save_invstd);
    if (result == TRUENORM_REFUSED && updates()) batches_[0] += 1;
    return result;
  }
};
struct MovesOnNothing : Honest {  // as if the mean and the variance of no values were 0
  using Honest::Honest;
  truenorm_result forward(const truenorm_tensor& x, truenorm_tensor& y, truenorm_vector* save_mean,
                          truenorm_vector* save_invstd) override {
    const truenorm_result result = Honest::forward(x, y, save_mean, save_invstd);
    if (result != TRUENORM_OK || !updates() || textbook::Tensor(x).per_channel() != 0)
      return result;
    for (State* state : {&running_mean_, &running_var_})
      for (double& value : *state)
        value = round_to(running_dtype({}), value * (1 - factor(batches_[0])));
    return result;
  }
};
struct EvaluatesWithout : Honest {  // statistics that it lacks are 0 and 1
  using Honest::Honest;
  bool by_batch() const override { return training_; }
};
struct InvstdOfTraining : Honest {
  using Honest::Honest;
  void remember(const Used& used) override {
    State second = used.batch || trained_.empty() ? used.second : trained_;
    if (used.batch) trained_ = used.second;
    Honest::remember({used.batch, used.mean, std::move(second), used.weight});
  }

 private:
  State trained_;
};
struct SwapsBuffers : Honest {
  using Honest::Honest;
  truenorm_result set_state(std::string_view name, const truenorm_vector& from) override {
    return Honest::set_state(name == "running_mean"  ? "running_var"
                             : name == "running_var" ? "running_mean"
                                                     : name,
                             from);
  }
};
struct SwapsOptions : Honest {  // the counter is what a whole state ends with
  using Honest::Honest;
  truenorm_result set_state(std::string_view name, const truenorm_vector& from) override {
    const truenorm_result result = Honest::set_state(name, from);
    if (result == TRUENORM_OK && name == "num_batches_tracked" && !swapped_) {
      std::swap(options_.eps, options_.momentum);
      swapped_ = true;
    }
    return result;
  }

 private:
  bool swapped_ = false;
};
struct CountsLate : Honest {
  using Honest::Honest;
  double factor(double counted) const override {
    return options_.cumulative ? 1 / std::max(counted - 1, 1.0) : options_.momentum;
  }
};
struct KeepsCounter : Honest {
  using Honest::Honest;
  void reset_running_stats() override {
    const State counter = batches_;
    Honest::reset_running_stats();
    batches_ = counter;
  }
};
struct WeightOfNow : Honest {
  using Honest::Honest;
  const State& weight_of_backward() const override { return weight_; }
};
struct NarrowBuffers : Honest {
  using Honest::Honest;
  Dtype running_dtype(Dtype data) const override { return data; }
};
struct LatchedMode : Honest {  // set_training(false) is lost on a layer that has seen no batch
  using Honest::Honest;
  void set_training(bool on) override {
    Honest::set_training(on || (!batches_.empty() && batches_[0] == 0));
  }
};

template <class Layer>
Plant layer(std::string_view id, std::string_view what) {
  return {{id, what}, {}, &kLayer<Layer>, textbook::contract};
}

}  // namespace

Plants layers() {
  return {
      layer<FineTunes>("B017", "evaluation takes the batch's statistics where momentum is None"),
      layer<CountsRefused>("B024", "a refused batch is counted"),
      layer<EvaluatesWithout>("B029", "evaluation without statistics takes 0 and 1"),
      layer<InvstdOfTraining>(
          "B067", "a backward takes invstd of the last training, not of the last forward"),
      layer<SwapsBuffers>("B137", "running_mean and running_var are swapped on loading"),
      layer<SwapsOptions>("B139", "eps and momentum are swapped on loading a state"),
      layer<MovesOnNothing>("empty-update", "an empty batch moves the running statistics"),
      layer<CountsLate>("late-count", "momentum None divides by the batches before this one"),
      layer<KeepsCounter>("kept-counter", "reset_running_stats leaves the counter"),
      layer<WeightOfNow>("weight-of-now",
                         "a backward takes the weight as it is now, not as the forward had it"),
      layer<NarrowBuffers>("narrow-buffers", "running statistics are kept in the data's dtype"),
      layer<LatchedMode>("latched-mode", "set_training(false) is lost before the first batch"),
  };
}

}  // namespace truenorm::oracle::planted
