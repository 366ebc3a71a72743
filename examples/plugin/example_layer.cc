// A whole BatchNorm layer in C++ for Truenorm to judge: float data, dense or strided, its
// own state.
//
//   truenorm conform --subject build/libexample_layer.so
#include <truenorm_plugin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <new>
#include <string>
#include <vector>

namespace {

using Values = std::vector<float>;

/// Offsets of the values of channel 0 of a tensor, batch first.
std::vector<std::int64_t> places(const truenorm_tensor& t) {
  std::vector<std::int64_t> offsets{0};
  for (int axis = 0; axis < t.rank; ++axis) {
    if (axis == 1) continue;
    std::vector<std::int64_t> next;
    for (const std::int64_t offset : offsets)
      for (std::int64_t i = 0; i < t.size[axis]; ++i) next.push_back(offset + i * t.stride[axis]);
    offsets.swap(next);
  }
  return offsets;
}

/// One channel of a strided tensor.
struct Channel {
  float* first;
  const std::vector<std::int64_t>& offsets;
  Channel(const truenorm_tensor& t, const std::vector<std::int64_t>& o, std::int64_t c)
      : first(static_cast<float*>(t.data) + c * t.stride[1]), offsets(o) {}
  float& operator[](std::size_t i) const { return first[offsets[i]]; }
};

void put(const truenorm_vector* v, std::size_t c, double value) {
  if (v && v->data)
    static_cast<float*>(v->data)[static_cast<std::int64_t>(c) * v->stride] =
        static_cast<float>(value);
}

class Layer {
 public:
  explicit Layer(const truenorm_layer_options& o)
      : options_(o), channels_(static_cast<std::size_t>(o.num_features)) {
    if (o.has_weight) state_["weight"].assign(channels_, 1);
    if (o.has_bias) state_["bias"].assign(channels_, 0);
    if (!o.track_running_stats) return;
    state_["running_mean"].assign(channels_, 0);
    state_["running_var"].assign(channels_, 1);
  }

  void set_training(bool on) { training_ = on; }

  void reset_running_stats() {
    if (!options_.track_running_stats) return;
    state_["running_mean"].assign(channels_, 0);
    state_["running_var"].assign(channels_, 1);
    batches_ = 0;
  }

  truenorm_result set_state(const std::string& name, const truenorm_vector& from) {
    if (name == "num_batches_tracked" && options_.track_running_stats) {
      if (from.dtype != TRUENORM_F64 || from.size != 1) return TRUENORM_REFUSED;
      batches_ = *static_cast<const double*>(from.data);
      return TRUENORM_OK;
    }
    const auto found = state_.find(name);
    if (found == state_.end() || !fits(from)) return TRUENORM_REFUSED;
    for (std::size_t c = 0; c < channels_; ++c)
      found->second[c] =
          static_cast<const float*>(from.data)[static_cast<std::int64_t>(c) * from.stride];
    return TRUENORM_OK;
  }

  truenorm_result get_state(const std::string& name, truenorm_vector& to) const {
    if (name == "num_batches_tracked" && options_.track_running_stats) {
      if (to.dtype != TRUENORM_F64 || to.size != 1) return TRUENORM_REFUSED;
      *static_cast<double*>(to.data) = batches_;
      return TRUENORM_OK;
    }
    const auto found = state_.find(name);
    if (found == state_.end() || !fits(to)) return TRUENORM_REFUSED;
    for (std::size_t c = 0; c < channels_; ++c) put(&to, c, static_cast<double>(found->second[c]));
    return TRUENORM_OK;
  }

  truenorm_result forward(const truenorm_tensor& x, const truenorm_tensor& y,
                          truenorm_vector* save_mean, truenorm_vector* save_invstd) {
    const bool batch = training_ || !options_.track_running_stats;
    if (x.rank < 2 || x.rank > 5 || x.size[1] != options_.num_features) return TRUENORM_REFUSED;
    if (x.dtype != TRUENORM_F32) return TRUENORM_UNSUPPORTED;
    const std::vector<std::int64_t> from = places(x), to = places(y);
    if (batch && from.size() == 1) return TRUENORM_REFUSED;
    Used used{batch, std::vector<double>(channels_), std::vector<double>(channels_),
              values("weight", 1)};
    const bool update = training_ && options_.track_running_stats;
    if (update) batches_ += 1;
    const double factor = options_.cumulative ? 1 / batches_ : options_.momentum;
    const Values bias = values("bias", 0);
    for (std::size_t c = 0; c < channels_ && !from.empty(); ++c) {
      const Channel in(x, from, static_cast<std::int64_t>(c)),
          out(y, to, static_cast<std::int64_t>(c));
      if (batch)
        batch_statistics(in, c, update ? &factor : nullptr, used);
      else
        running_statistics(c, used);
      for (std::size_t i = 0; i < from.size(); ++i)
        out[i] = static_cast<float>((static_cast<double>(in[i]) - used.mean[c]) * used.invstd[c] *
                                        static_cast<double>(used.weight[c]) +
                                    static_cast<double>(bias[c]));
      put(save_mean, c, used.mean[c]);
      put(save_invstd, c, used.invstd[c]);
    }
    used_ = used;
    return TRUENORM_OK;
  }

  truenorm_result backward(const truenorm_tensor& dy, const truenorm_tensor& x,
                           const truenorm_tensor& dx, truenorm_vector* dweight,
                           truenorm_vector* dbias) const {
    const std::vector<std::int64_t> at_x = places(x), at_dy = places(dy), at_dx = places(dx);
    const auto n = static_cast<double>(at_x.size());
    for (std::size_t c = 0; c < channels_; ++c) {
      const auto channel = static_cast<std::int64_t>(c);
      const Channel in(x, at_x, channel), grad(dy, at_dy, channel);
      const double mean = used_.mean[c], invstd = used_.invstd[c];
      double sum = 0, dot = 0;
      for (std::size_t i = 0; i < at_x.size(); ++i) {
        const auto g = static_cast<double>(grad[i]);
        sum += g;
        dot += (static_cast<double>(in[i]) - mean) * g;
      }
      put(dweight, c, dot * invstd);
      put(dbias, c, sum);
      if (!dx.data) continue;
      const Channel out(dx, at_dx, channel);
      for (std::size_t i = 0; i < at_x.size(); ++i) {
        const double centred = static_cast<double>(in[i]) - mean;
        const double through_statistics =
            used_.batch ? sum / n + centred * invstd * invstd * dot / n : 0;
        out[i] = static_cast<float>((static_cast<double>(grad[i]) - through_statistics) * invstd *
                                    static_cast<double>(used_.weight[c]));
      }
    }
    return TRUENORM_OK;
  }

 private:
  /// What the last forward used: the backward goes by it, whatever is set in between.
  struct Used {
    bool batch = false;
    std::vector<double> mean, invstd;
    Values weight;
  };

  void batch_statistics(const Channel& x, std::size_t c, const double* factor, Used& used) {
    const std::size_t count = x.offsets.size();
    const auto n = static_cast<double>(count);
    double sum = 0, squares = 0;
    for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]);
    const double mean = sum / n;
    for (std::size_t i = 0; i < count; ++i)
      squares += (static_cast<double>(x[i]) - mean) * (static_cast<double>(x[i]) - mean);
    const double var = squares / n;
    used.mean[c] = mean;
    used.invstd[c] = var == 0 && options_.eps == 0 ? 0 : 1 / std::sqrt(var + options_.eps);
    if (!factor) return;
    const auto average = [&](float& running, double now) {
      running = static_cast<float>(*factor * now + (1 - *factor) * static_cast<double>(running));
    };
    average(state_["running_mean"][c], mean);
    average(state_["running_var"][c], squares / (n - 1));
  }

  void running_statistics(std::size_t c, Used& used) const {
    used.mean[c] = static_cast<double>(state_.at("running_mean")[c]);
    used.invstd[c] = 1 / std::sqrt(static_cast<double>(state_.at("running_var")[c]) + options_.eps);
  }

  Values values(const std::string& name, float otherwise) const {
    const auto found = state_.find(name);
    return found == state_.end() ? Values(channels_, otherwise) : found->second;
  }
  bool fits(const truenorm_vector& v) const {
    return v.dtype == TRUENORM_F32 && v.size == options_.num_features;
  }

  truenorm_layer_options options_;
  std::size_t channels_;
  std::map<std::string, Values> state_;
  double batches_ = 0;
  bool training_ = true;
  Used used_;
};

Layer& self(void* layer) { return *static_cast<Layer*>(layer); }

/// No exception leaves the library.
template <class F>
truenorm_result guarded(F&& f) {
  try {
    return f();
  } catch (...) {
    return TRUENORM_FAILED;
  }
}

truenorm_result create(const truenorm_layer_options* options, void** layer) {
  if (options->param_dtype != TRUENORM_F32) return TRUENORM_UNSUPPORTED;
  return guarded([&] { return *layer = new Layer(*options), TRUENORM_OK; });
}
void destroy(void* layer) { delete static_cast<Layer*>(layer); }
truenorm_result set_training(void* layer, std::int32_t training) {
  return self(layer).set_training(training != 0), TRUENORM_OK;
}
truenorm_result reset_running_stats(void* layer) {
  return guarded([&] { return self(layer).reset_running_stats(), TRUENORM_OK; });
}
truenorm_result set_state(void* layer, const char* name, const truenorm_vector* from) {
  return guarded([&] { return self(layer).set_state(name, *from); });
}
truenorm_result get_state(void* layer, const char* name, truenorm_vector* to) {
  return guarded([&] { return self(layer).get_state(name, *to); });
}
truenorm_result forward(void* layer, const truenorm_tensor* x, truenorm_tensor* y,
                        truenorm_vector* mean, truenorm_vector* invstd) {
  return guarded([&] { return self(layer).forward(*x, *y, mean, invstd); });
}
truenorm_result backward(void* layer, const truenorm_tensor* dy, const truenorm_tensor* x,
                         truenorm_tensor* dx, truenorm_vector* dweight, truenorm_vector* dbias) {
  return guarded([&] { return self(layer).backward(*dy, *x, *dx, dweight, dbias); });
}

}  // namespace

extern "C" const truenorm_layer_v1* truenorm_layer(void) {
  static const truenorm_layer_v1 kLayer{TRUENORM_PLUGIN_ABI,
                                        sizeof(truenorm_layer_v1),
                                        "example layer",
                                        {TRUENORM_F64, 0, 0},
                                        create,
                                        destroy,
                                        set_training,
                                        reset_running_stats,
                                        set_state,
                                        get_state,
                                        forward,
                                        backward};
  return &kLayer;
}
