// The BatchNorm layer: options and state over the functions of functional.h.
#ifndef TRUENORM_BATCH_NORM_H_
#define TRUENORM_BATCH_NORM_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "truenorm/functional.h"

namespace truenorm {

/// Which learnable vectors a layer has.
enum class Affine : std::uint8_t { none, weight, bias, both };

/// What a layer is made of; names and defaults as LibTorch's torch::nn::BatchNormOptions.
struct BatchNormOptions {
  std::int64_t num_features = 0;
  double eps = 1e-5;
  /// nullopt: cumulative average, factor 1/num_batches_tracked
  std::optional<double> momentum = 0.1;
  Affine affine = Affine::both;
  bool track_running_stats = true;
  Dtype dtype = Dtype::f32;  ///< of the parameters and running statistics
  /// Batch renormalization, see functional.h, of forwards that update running statistics; others are
  /// ordinary.
  std::optional<Renorm> renorm{};
};

/// A layer's state as views, one for each name; absent if the layer has no such vector. state()
/// gives views of the layer's own memory, load() copies from any memory.
struct State {
  ConstVector weight{};
  ConstVector bias{};
  ConstVector running_mean{};
  ConstVector running_var{};
  std::optional<std::int64_t> num_batches_tracked{};
};

namespace detail {
struct LayerState;
struct LayerAccess;
}  // namespace detail

/// Batch normalization with parameters, running statistics and the memory of its last forward.
///
///   training or not tracking:  y from the statistics of x; if training, tracking and there are
///                              running statistics, these are updated and num_batches_tracked is
///                              incremented; with renorm they correct y before that
///   otherwise:                 y from the running statistics
///
/// A refused call changes nothing, not even num_batches_tracked. A copy owns all its memory. One
/// layer serves one call at a time. A layer that could not be made (see status()) refuses every
/// call.
class TRUENORM_API BatchNorm {
 public:
  /// weight 1, bias 0, running_mean 0, running_var 1, num_batches_tracked 0, training mode.
  explicit BatchNorm(const BatchNormOptions& options) noexcept;
  ~BatchNorm();
  BatchNorm(const BatchNorm& other) noexcept;
  BatchNorm& operator=(const BatchNorm& other) noexcept;
  BatchNorm(BatchNorm&& other) noexcept;
  BatchNorm& operator=(BatchNorm&& other) noexcept;

  /// ok; bad_size or overflow (num_features), dtype_mismatch or bad_value (an enumerator that there
  /// is not, a bound of renorm) or out_of_memory. Moved-from: out_of_memory.
  Status status() const noexcept;
  /// The options as they stand, setters included.
  [[nodiscard]] const BatchNormOptions& options() const noexcept;

  /// Views of the layer's own values, to be read or assigned to. Absent where the layer has none;
  /// valid until the layer is assigned to, moved from or destroyed. The const ones are read-only.
  [[nodiscard]] Vector weight() noexcept;
  [[nodiscard]] Vector bias() noexcept;
  [[nodiscard]] Vector running_mean() noexcept;
  [[nodiscard]] Vector running_var() noexcept;
  [[nodiscard]] ConstVector weight() const noexcept;
  [[nodiscard]] ConstVector bias() const noexcept;
  [[nodiscard]] ConstVector running_mean() const noexcept;
  [[nodiscard]] ConstVector running_var() const noexcept;
  /// nullopt if the layer was made without running statistics.
  [[nodiscard]] std::optional<std::int64_t> num_batches_tracked() const noexcept;

  /// Effective at the next forward.
  void train(bool on = true) noexcept;
  void eval() noexcept { train(false); }
  [[nodiscard]] bool is_training() const noexcept;
  void set_eps(double eps) noexcept;
  void set_momentum(std::optional<double> momentum) noexcept;
  /// May be toggled at any time; neither creates nor drops running statistics. Off: batch
  /// statistics in both modes, nothing updated. On in a layer made without running statistics:
  /// training tracks nothing, evaluation and reset_running_stats are refused (missing_statistics).
  void set_track_running_stats(bool on) noexcept;
  /// Refused, and nothing changed: bad_value (r_max < 1, d_max < 0, NaN), out_of_memory.
  [[nodiscard]] Status set_renorm(const std::optional<Renorm>& renorm) noexcept;

  /// If tracking: running_mean 0, running_var 1, num_batches_tracked 0. If not: nothing.
  [[nodiscard]] Status reset_running_stats() noexcept;
  /// reset_running_stats; then weight 1, bias 0.
  [[nodiscard]] Status reset_parameters() noexcept;

  [[nodiscard]] State state() const noexcept;
  /// Copies every entry that the layer has, from any memory, its own included; ignores entries that
  /// the layer has not. Refused: missing_state if the source lacks an entry, bad_size and
  /// dtype_mismatch if it differs, bad_value if num_batches_tracked is negative, out_of_memory, and
  /// vectors that are ill-formed. All or nothing. The memory of the last forward, options and mode
  /// stay.
  [[nodiscard]] Status load(const State& source) noexcept;

  /// y = normalized x, see functional.h. x has num_features channels, and the layer's dtype, or
  /// bf16 or f16 if the layer's dtype is f32. y may be x with the same strides; a backward then
  /// needs another copy of x. With no elements: accepted in every mode if sizes and types fit,
  /// running statistics stay; the batch is counted (overflow if num_batches_tracked cannot be).
  [[nodiscard]] Status forward(Context& context, const ConstTensor& x, const Tensor& y) noexcept;

  /// Gradient of the last accepted forward, which saw x, through the statistics and the weight that
  /// it used, whatever has been set, loaded or reset since. Any of dx, dweight, dbias may be
  /// absent; those present are overwritten. May be repeated. Refused: no_forward, also after a
  /// sync_forward; shape_mismatch if the sizes of x are not those of that forward.
  [[nodiscard]] Status backward(Context& context, const ConstTensor& dy, const ConstTensor& x,
                                const Tensor& dx, const Vector& dweight,
                                const Vector& dbias) const noexcept;

  /// Statistics (f64) that the last accepted forward used: mean, and 1/sqrt(var + eps). Absent
  /// before the first.
  [[nodiscard]] ConstVector saved_mean() const noexcept;
  [[nodiscard]] ConstVector saved_invstd() const noexcept;
  /// r and d (f64) of the last accepted forward. Absent if it was without renormalization.
  [[nodiscard]] ConstVector saved_r() const noexcept;
  [[nodiscard]] ConstVector saved_d() const noexcept;

 private:
  friend struct detail::LayerAccess;
  std::unique_ptr<detail::LayerState> state_;
  Status status_;
  BatchNormOptions options_;
};

}  // namespace truenorm

#endif  // TRUENORM_BATCH_NORM_H_
