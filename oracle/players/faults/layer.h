// A layer's bookkeeping as a textbook does it, over the textbook's kernel. Every decision is one
// function: a planted fault is this layer with one of them changed.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "../textbook.h"

namespace truenorm::oracle::layered {

using State = std::vector<double>;  // values of the parameters' dtype; empty: the layer has none

class Honest {
 public:
  explicit Honest(const truenorm_layer_options&);
  virtual ~Honest() = default;

  virtual void set_training(bool on) { training_ = on; }
  virtual void reset_running_stats();
  virtual truenorm_result set_state(std::string_view name, const truenorm_vector& from);
  virtual truenorm_result get_state(std::string_view name, const truenorm_vector& to);
  virtual truenorm_result forward(const truenorm_tensor& x, truenorm_tensor& y,
                                  truenorm_vector* save_mean, truenorm_vector* save_invstd);
  virtual truenorm_result backward(const truenorm_tensor& dy, const truenorm_tensor& x,
                                   truenorm_tensor& dx, truenorm_vector& dweight,
                                   truenorm_vector& dbias);

 protected:
  /// What the backward needs of the last forward.
  struct Used {
    bool batch = false;
    State mean, second, weight;  // second: invstd of batch statistics, variance of running ones
  };

  virtual bool by_batch() const { return training_ || !options_.track_running_stats; }
  virtual double factor(double counted) const {
    return options_.cumulative ? 1 / counted : options_.momentum;
  }
  virtual Dtype running_dtype(Dtype /*data*/) const;
  virtual void remember(const Used& used) { used_ = used; }
  virtual const State& weight_of_backward() const { return used_.weight; }

  bool updates() const { return training_ && options_.track_running_stats; }
  State* find(std::string_view name);
  truenorm_result train(const truenorm_tensor& x, truenorm_tensor& y, Used&);
  truenorm_result evaluate(const truenorm_tensor& x, truenorm_tensor& y, Used&);

  truenorm_layer_options options_;
  bool training_ = true;
  State weight_, bias_, running_mean_, running_var_, batches_;
  Used used_;
};

template <class Layer>
Layer& layer_of(void* layer) {
  return *static_cast<Layer*>(layer);
}

template <class Layer>
constexpr truenorm_layer_v1 kLayer{
    .abi = TRUENORM_PLUGIN_ABI,
    .size = sizeof(truenorm_layer_v1),
    .name = "textbook",
    .contract = {TRUENORM_F64, 0, 0},
    .create =
        [](const truenorm_layer_options* options, void** layer) {
          *layer = new Layer(*options);
          return TRUENORM_OK;
        },
    .destroy = [](void* layer) { delete static_cast<Layer*>(layer); },
    .set_training =
        [](void* layer, std::int32_t on) {
          layer_of<Layer>(layer).set_training(on != 0);
          return TRUENORM_OK;
        },
    .reset_running_stats =
        [](void* layer) {
          layer_of<Layer>(layer).reset_running_stats();
          return TRUENORM_OK;
        },
    .set_state =
        [](void* layer, const char* name, const truenorm_vector* from) {
          return layer_of<Layer>(layer).set_state(name, *from);
        },
    .get_state = [](void* layer, const char* name,
                    truenorm_vector* to) { return layer_of<Layer>(layer).get_state(name, *to); },
    .forward =
        [](void* layer, const truenorm_tensor* x, truenorm_tensor* y, truenorm_vector* mean,
           truenorm_vector* invstd) {
          return layer_of<Layer>(layer).forward(*x, *y, mean, invstd);
        },
    .backward =
        [](void* layer, const truenorm_tensor* dy, const truenorm_tensor* x, truenorm_tensor* dx,
           truenorm_vector* dweight, truenorm_vector* dbias) {
          return layer_of<Layer>(layer).backward(*dy, *x, *dx, *dweight, *dbias);
        },
};

}  // namespace truenorm::oracle::layered
