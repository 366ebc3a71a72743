// One call of the library laid out in memory that is watched: every argument well-formed, each in a
// place of its own, to be spoiled by a test before the call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "truenorm/batch_norm.h"

namespace truenorm::calls {

enum class Call {
  forward_training,
  forward_renorm,  // forward_training with renorm
  forward_inference,
  backward_training,
  backward_renorm,  // backward_training with save_r and save_d
  backward_inference,
  layer_training,
  layer_evaluation,
  layer_backward,
};
inline constexpr std::array<Call, 9> kCalls{
    Call::forward_training,  Call::forward_renorm,   Call::forward_inference,
    Call::backward_training, Call::backward_renorm,  Call::backward_inference,
    Call::layer_training,    Call::layer_evaluation, Call::layer_backward};

inline const char* name(Call call) {
  constexpr std::array<const char*, kCalls.size()> kNames{
      "forward_training",  "forward_renorm",    "forward_inference",
      "backward_training", "backward_renorm",   "backward_inference",
      "layer, training",   "layer, evaluation", "layer, backward"};
  return kNames[static_cast<std::size_t>(call)];
}

inline bool of_layer(Call call) { return call >= Call::layer_training; }
inline bool is_backward(Call call) {
  return call == Call::backward_training || call == Call::backward_renorm ||
         call == Call::backward_inference || call == Call::layer_backward;
}
/// Normalizes by the statistics of x.
inline bool by_batch(Call call) {
  return call == Call::forward_training || call == Call::forward_renorm ||
         call == Call::layer_training;
}

/// One argument of a call.
struct Slot {
  Argument argument;
  bool tensor = false;    // else a vector
  bool output = false;    // or updated
  bool required = false;  // statistics that may not be absent
};

inline std::vector<Slot> slots_of(Call call) {
  using A = Argument;
  switch (call) {
    case Call::forward_training:
      return {{A::x, true},
              {A::y, true, true},
              {A::weight},
              {A::bias},
              {A::running_mean, false, true},
              {A::running_var, false, true},
              {A::save_mean, false, true},
              {A::save_invstd, false, true}};
    case Call::forward_renorm:
      return {{A::x, true},
              {A::y, true, true},
              {A::weight},
              {A::bias},
              {A::running_mean, false, true, true},
              {A::running_var, false, true, true},
              {A::save_mean, false, true},
              {A::save_invstd, false, true},
              {A::save_r, false, true},
              {A::save_d, false, true}};
    case Call::forward_inference:
      return {{A::x, true},
              {A::y, true, true},
              {A::weight},
              {A::bias},
              {A::running_mean, false, false, true},
              {A::running_var, false, false, true}};
    case Call::backward_training:
      return {{A::dy, true},
              {A::x, true},
              {A::dx, true, true},
              {A::weight},
              {A::save_mean, false, false, true},
              {A::save_invstd, false, false, true},
              {A::dweight, false, true},
              {A::dbias, false, true}};
    case Call::backward_renorm:
      return {{A::dy, true},
              {A::x, true},
              {A::dx, true, true},
              {A::weight},
              {A::save_mean, false, false, true},
              {A::save_invstd, false, false, true},
              {A::save_r, false, false, true},
              {A::save_d, false, false, true},
              {A::dweight, false, true},
              {A::dbias, false, true}};
    case Call::backward_inference:
      return {{A::dy, true},
              {A::x, true},
              {A::dx, true, true},
              {A::weight},
              {A::running_mean, false, false, true},
              {A::running_var, false, false, true},
              {A::dweight, false, true},
              {A::dbias, false, true}};
    case Call::layer_training:
    case Call::layer_evaluation:
      return {{A::x, true}, {A::y, true, true}};
    case Call::layer_backward:
      break;
  }
  return {{A::dy, true},
          {A::x, true},
          {A::dx, true, true},
          {A::dweight, false, true},
          {A::dbias, false, true}};
}

/// A statistic handed from a forward to its backward.
inline bool is_saved(Argument a) {
  return a == Argument::save_mean || a == Argument::save_invstd || a == Argument::save_r ||
         a == Argument::save_d;
}

/// The bytes of everything that a layer remembers and shows.
inline std::vector<std::byte> bytes_of(const BatchNorm& layer) {
  std::vector<std::byte> bytes;
  const auto append = [&](const void* data, std::size_t size) {
    const auto* from = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), from, from + size);
  };
  for (const ConstVector& v :
       {layer.weight(), layer.bias(), layer.running_mean(), layer.running_var(), layer.saved_mean(),
        layer.saved_invstd(), layer.saved_r(), layer.saved_d()}) {
    const std::int64_t size = v.present() ? v.size * size_of(v.dtype) : -1;
    append(&size, sizeof size);
    if (v.present()) append(v.data, static_cast<std::size_t>(size));
  }
  const std::int64_t batches = layer.num_batches_tracked().value_or(-1);
  const BatchNormOptions& o = layer.options();
  const double momentum = o.momentum.value_or(-77);
  const std::array<int, 2> flags{layer.is_training(), o.track_running_stats};
  append(&batches, sizeof batches);
  append(&momentum, sizeof momentum);
  const Renorm renorm = o.renorm.value_or(Renorm{-77, -77});
  append(&renorm.r_max, sizeof renorm.r_max);
  append(&renorm.d_max, sizeof renorm.d_max);
  append(&o.eps, sizeof o.eps);
  append(flags.data(), sizeof flags);
  return bytes;
}

/// Bounds that r = 1 and d = 0 do not lie within.
inline constexpr std::array<std::pair<const char*, Renorm>, 6> kBadBounds{
    {{"r_max < 1", {0x1.fffffffffffffp-1, 5}},
     {"r_max = 0", {0, 5}},
     {"r_max negative", {-3, 5}},
     {"r_max NaN", {std::numeric_limits<double>::quiet_NaN(), 5}},
     {"d_max negative", {3, -0x1p-1074}},
     {"d_max NaN", {3, std::numeric_limits<double>::quiet_NaN()}}}};

/// Every argument has a place of this many bytes.
inline constexpr std::size_t kPlace = 4096;

/// Somebody's memory for the places, filled: the first, and how far it is from one to the next.
struct Places {
  std::byte* first = nullptr;
  std::size_t apart = 0;

  std::byte* of(Argument a) const { return first + apart * static_cast<std::size_t>(a); }
  bool owns(std::uintptr_t address) const {
    const std::uintptr_t offset = address - reinterpret_cast<std::uintptr_t>(first);
    return offset / apart < argument_count && offset % apart < kPlace;
  }
};

/// As f32 and as f64 alike positive numbers of moderate size; as bf16 and f16 finite ones.
inline void fill(std::span<std::uint64_t> words, std::size_t from = 0) {
  for (std::size_t i = 0; i < words.size(); ++i)
    words[i] = 0x3ff00000'3ff00000u + (from + i) * 2654435761u % 1009 * 0x100'00000100u;
}

/// A call with x of sizes 3, 4, 5.
class Scene {
 public:
  static constexpr std::int64_t kChannels = 4;

  /// In memory of its own, where no places are given.
  explicit Scene(Call called, Dtype data = Dtype::f32, Dtype parameters = Dtype::f32,
                 Places places = {})
      : call(called), places_(places) {
    if (places.first == nullptr) {
      words_.resize(kPlace / sizeof(std::uint64_t) * argument_count);
      fill(words_);
      places_ = {reinterpret_cast<std::byte*>(words_.data()), kPlace};
    }
    for (const Slot& slot : slots_of(call)) {
      if (slot.tensor)
        tensor(slot.argument) = contiguous(place(slot.argument), data, {3, kChannels, 5});
      else
        vector(slot.argument) = {place(slot.argument),
                                 is_saved(slot.argument) ? Dtype::f64 : parameters, kChannels, 1};
    }
    if (!of_layer(call)) return;
    layer.emplace(BatchNormOptions{.num_features = kChannels, .dtype = parameters});
    std::vector<std::byte> y(kPlace);
    if (layer
            ->forward(context, contiguous(place(Argument::x), data, {3, kChannels, 5}),
                      contiguous(y.data(), data, {3, kChannels, 5}))
            .ok())
      layer->train(call != Call::layer_evaluation);
  }

  Tensor& tensor(Argument a) { return tensors_[static_cast<std::size_t>(a)]; }
  Vector& vector(Argument a) { return vectors_[static_cast<std::size_t>(a)]; }
  void* data(const Slot& s) { return s.tensor ? tensor(s.argument).data : vector(s.argument).data; }
  std::size_t element_bytes(const Slot& s) {
    return static_cast<std::size_t>(
        size_of(s.tensor ? tensor(s.argument).dtype : vector(s.argument).dtype));
  }
  static std::size_t elements(const Slot& s) {
    return static_cast<std::size_t>(s.tensor ? 3 * kChannels * 5 : kChannels);
  }
  void set_data(const Slot& s, void* to) {
    (s.tensor ? tensor(s.argument).data : vector(s.argument).data) = to;
  }
  /// Where the argument's memory begins, whatever its view says.
  std::byte* place(Argument a) const { return places_.of(a); }
  /// Whether this is a byte of some place.
  bool owns(std::uintptr_t address) const { return places_.owns(address); }
  template <class F>
  void for_tensors(F&& f) {
    for (const Slot& slot : slots_of(call))
      if (slot.tensor) f(tensor(slot.argument));
  }

  Status run() {
    using A = Argument;
    const auto& t = [this](A a) -> Tensor& { return tensor(a); };
    const auto& v = [this](A a) -> Vector& { return vector(a); };
    switch (call) {
      case Call::forward_training:
        return forward_training(
            context, {t(A::x), v(A::weight), v(A::bias), v(A::running_mean), v(A::running_var),
                      factor, eps, t(A::y), v(A::save_mean), v(A::save_invstd)});
      case Call::forward_renorm:
        return forward_training(context, {t(A::x), v(A::weight), v(A::bias), v(A::running_mean),
                                          v(A::running_var), factor, eps, t(A::y), v(A::save_mean),
                                          v(A::save_invstd), renorm, v(A::save_r), v(A::save_d)});
      case Call::forward_inference:
        return forward_inference(context, {t(A::x), v(A::weight), v(A::bias), v(A::running_mean),
                                           v(A::running_var), eps, t(A::y)});
      case Call::backward_training:
        return backward_training(
            context, {t(A::dy), t(A::x), v(A::weight), v(A::save_mean), v(A::save_invstd), t(A::dx),
                      v(A::dweight), v(A::dbias)});
      case Call::backward_renorm:
        return backward_training(
            context, {t(A::dy), t(A::x), v(A::weight), v(A::save_mean), v(A::save_invstd), t(A::dx),
                      v(A::dweight), v(A::dbias), v(A::save_r), v(A::save_d)});
      case Call::backward_inference:
        return backward_inference(
            context, {t(A::dy), t(A::x), v(A::weight), v(A::running_mean), v(A::running_var), eps,
                      t(A::dx), v(A::dweight), v(A::dbias)});
      case Call::layer_training:
      case Call::layer_evaluation:
        return layer->forward(context, t(A::x), t(A::y));
      case Call::layer_backward:
        break;
    }
    return layer->backward(context, t(A::dy), t(A::x), t(A::dx), v(A::dweight), v(A::dbias));
  }

  /// All memory and the layer, bit by bit.
  std::pair<std::vector<std::uint64_t>, std::vector<std::byte>> snapshot() const {
    constexpr std::size_t kWords = kPlace / sizeof(std::uint64_t);
    std::vector<std::uint64_t> words(kWords * argument_count);
    for (std::size_t i = 0; i < argument_count; ++i)
      std::memcpy(words.data() + kWords * i, places_.first + places_.apart * i, kPlace);
    return {std::move(words), layer ? bytes_of(*layer) : std::vector<std::byte>{}};
  }

  Call call;
  Context context{2};
  std::optional<BatchNorm> layer;
  Renorm renorm;
  double factor = 0.1, eps = 1e-5;

 private:
  Places places_;
  std::vector<std::uint64_t> words_;
  std::array<Tensor, argument_count> tensors_{};
  std::array<Vector, argument_count> vectors_{};
};

}  // namespace truenorm::calls
