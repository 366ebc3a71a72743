// What a layer owns, and how its calls become jobs.
#ifndef TRUENORM_SRC_LAYER_STATE_H_
#define TRUENORM_SRC_LAYER_STATE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "jobs.h"
#include "scalar.h"
#include "truenorm/batch_norm.h"

namespace truenorm::detail {

/// Owned memory of one vector; no bytes and absent, or num_features values (at least one byte, so
/// that a present vector of no features has an address).
struct Values {
  bool present = false;
  std::vector<std::byte> bytes;
};

struct LayerState {
  std::int64_t features = 0;
  Dtype dtype = Dtype::f32;
  bool training = true;
  Values weight, bias, running_mean, running_var;
  std::optional<std::int64_t> batches;

  // The last accepted forward: its x, whether its statistics came from x and were renormalized, the
  // images of a block if they came from the batch of all ranks (sync_forward), and what it used.
  bool has_forward = false;
  bool batch = true;
  bool renormed = false;
  std::optional<std::int64_t> block;
  Dtype x_dtype = Dtype::f32;
  int rank = 0;
  std::array<std::int64_t, max_rank> size{};
  Values saved_mean, saved_invstd, saved_r, saved_d, used_weight;

  void make(Values& values, Dtype type) const {
    values.present = true;
    values.bytes.resize(static_cast<std::size_t>(features * size_of(type)) + 1);
  }
  Vector view(Values& values, Dtype type) const noexcept {
    return {values.present ? values.bytes.data() : nullptr, type, values.present ? features : 0, 1};
  }
  ConstVector view(const Values& values, Dtype type) const noexcept {
    return {values.present ? values.bytes.data() : nullptr, type, values.present ? features : 0, 1};
  }
  void fill(Values& values, double value) const noexcept {
    if (!values.present) return;
    for (std::int64_t c = 0; c < features; ++c) store_element(dtype, values.bytes.data(), c, value);
  }
};

/// What sync_forward and sync_backward see of a layer.
struct LayerAccess {
  /// Null if the layer could not be made, or was moved from.
  static LayerState* state(BatchNorm& layer) noexcept { return layer.state_.get(); }
  static const LayerState* state(const BatchNorm& layer) noexcept { return layer.state_.get(); }
};

/// A forward of the layer as a job, to be checked; ok if x is for the layer. `part`: x may have one
/// value per channel.
[[nodiscard]] Status prepare(LayerState& layer, const BatchNormOptions& options,
                             const ConstTensor& x, const Tensor& y, bool part,
                             ForwardJob& job) noexcept;
/// Remembers a forward that was run.
void remember(LayerState& layer, const ForwardJob& job, std::optional<std::int64_t> block) noexcept;

/// Completes a gradient's views to the job of the last forward, to be checked; ok if there was one,
/// of an x like this.
[[nodiscard]] Status prepare(const LayerState& layer, BackwardJob& job) noexcept;

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_LAYER_STATE_H_
