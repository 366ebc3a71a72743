// Folding: an evaluation BatchNorm as a part of the linear layer or convolution before it.
#ifndef TRUENORM_FOLD_H_
#define TRUENORM_FOLD_H_

#include <cstdint>

#include "truenorm/batch_norm.h"

namespace truenorm {

/// Arguments of fold. Each view has a dtype and strides of its own.
struct Fold {
  /// Linear layer (out, in); convolution (out, in/groups, kernel...); transposed convolution
  /// (in, out/groups, kernel...). The kernel has up to three sizes.
  ConstTensor weight;
  ConstVector bias{};  ///< (out); may be absent
  bool transposed = false;
  std::int64_t groups = 1;  ///< divides size[0] of weight
  Tensor folded_weight{};   ///< the sizes of weight; may be weight (same data and strides)
  Vector folded_bias{};     ///< (out); may be bias
};

/// The layer whose output is that of the given one, followed by `layer` as it evaluates.
///
///   for c in out:  a = layer.weight[c]/sqrt(layer.running_var[c] + eps)
///                  folded_weight[.. c ..] = weight[.. c ..]*a
///                  folded_bias[c] = (bias[c] - layer.running_mean[c])*a + layer.bias[c]
///
/// In double, each result rounded once where it is stored. How far the folded layer may lie from
/// the two is derived in docs/accuracy.md and held by props.fold, beside LibTorch by props.forum.
/// `layer` may be in either mode and is not changed; weight and bias are changed only where they
/// are the outputs.
///
/// Refused: missing_statistics (running_mean: there are none; layer: tracking is off, so that
/// evaluation uses the batch's); bad_size (weight: out is not num_features, or a vector has another
/// size); shape_mismatch (folded_weight); bad_value (groups); overlap of an output with itself, the
/// other, an input or the layer's own vectors; ill-formed views; the status of a layer that could
/// not be made. A refused call writes nothing. No allocation. Calls may run at the same time, also
/// with one layer, unless something writes to what another reads.
[[nodiscard]] TRUENORM_API Status fold(const BatchNorm& layer, const Fold& args) noexcept;

}  // namespace truenorm

#endif  // TRUENORM_FOLD_H_
