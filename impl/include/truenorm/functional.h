// Batch normalization as pure functions over views.
//
// Per channel c over its n = numel / C values:
//   mean = sum(x)/n      var = sum((x - mean)^2)/n (biased)      invstd = 1/sqrt(var + eps)
//   y = (x - mean)*invstd*weight + bias          absent weight counts as 1, absent bias as 0
//
// Common to all functions:
//  - Data x, y, dy, dx share dtype and sizes; each has strides of its own.
//  - Parameters (weight, bias, running_*, dweight, dbias) have size C and one dtype in a call: that
//    of the data, or f32 where the data is bf16 or f16. save_mean and save_invstd have one dtype:
//    f64, or also f32 unless the data is f64; save_r and save_d likewise.
//  - Outputs overlap neither themselves nor anything else, except that y may be x and dx may be dy
//    (same data and strides). Views that interleave without sharing an element do not overlap;
//    those that cannot be told apart within a search budget, which views of up to 100 elements
//    never exceed, count as overlapping.
//  - Sums are formed in f32 blocks merged in double (f64 data: in double), about a pivot near the
//    mean; what follows is computed in double and applied in f32 (f64); one more rounding where the
//    store is narrower. bf16 and f16 are widened to f32 first. Channels for which f32 would over-
//    or underflow are computed in double throughout. The result does not depend on the thread
//    count, and is the same on all instruction sets for which has_fma() holds.
//  - NaN or Inf in a channel stays in that channel.
//  - Nothing throws. A refused call writes nothing. An accepted call writes every element of each
//    output.
//  - A Context serves one call at a time; the functions keep nothing else.
#ifndef TRUENORM_FUNCTIONAL_H_
#define TRUENORM_FUNCTIONAL_H_

#include <optional>

#include "truenorm/context.h"
#include "truenorm/status.h"
#include "truenorm/tensor.h"

namespace truenorm {

/// Bounds of batch renormalization.
struct Renorm {
  double r_max = 3;  ///< at least 1; Inf: no bound
  double d_max = 5;  ///< at least 0; Inf: no bound
};

/// Arguments of forward_training.
struct ForwardTraining {
  ConstTensor x;
  ConstVector weight{};   ///< may be absent
  ConstVector bias{};     ///< may be absent
  Vector running_mean{};  ///< read and written; may be absent
  Vector running_var{};   ///< read and written; may be absent
  double factor = 0.1;    ///< weight of the new value in running_*; any number
  double eps = 1e-5;      ///< any number
  Tensor y{};
  Vector save_mean{};    ///< receives mean; may be absent
  Vector save_invstd{};  ///< receives invstd; may be absent
  std::optional<Renorm> renorm{};
  Vector save_r{};  ///< receives r, without renorm 1; may be absent
  Vector save_d{};  ///< receives d, without renorm 0; may be absent
};

/// Normalizes by the statistics of x.
///
///   for c: mean, var over x[:, c];  invstd = var == 0 && eps == 0 ? 0 : 1/sqrt(var + eps)
///          running_mean[c] = factor*mean           + (1 - factor)*running_mean[c]
///          running_var[c]  = factor*var*n/(n - 1)  + (1 - factor)*running_var[c]
///          y[:, c] = (x[:, c] - mean)*invstd*weight[c] + bias[c]
///
/// Refused if every size but C is 1 (one_value_per_channel). If there are no elements, running_*
/// stay as they are and save_* become NaN. var + eps < 0 gives NaN.
///
/// With renorm, sigma and running_mean being those before the update:
///
///   for c: sigma = sqrt(running_var[c] + eps)
///          r = clip(sqrt(var + eps)/sigma, 1/r_max, r_max)
///          d = clip((mean - running_mean[c])/sigma, -d_max, d_max)
///          y[:, c] = ((x[:, c] - mean)*invstd*r + d)*weight[c] + bias[c]
///
/// computed as the y above with weight*r and, unless d is 0, bias + weight*d. So r_max = 1 with
/// d_max = 0 gives the bits of the y above, but where r or d is NaN: a NaN among the running
/// statistics, or 0/0. Refused besides: bad_value (r_max < 1, d_max < 0, NaN); missing_statistics
/// (running_* absent though there are elements). Accuracy: props.renorm, props.conformance.
/// Source: Ioffe 2017, Algorithm 1.
[[nodiscard]] TRUENORM_API Status forward_training(Context& context,
                                                   const ForwardTraining& args) noexcept;

/// Arguments of forward_inference.
struct ForwardInference {
  ConstTensor x;
  ConstVector weight{};  ///< may be absent
  ConstVector bias{};    ///< may be absent
  ConstVector running_mean{};
  ConstVector running_var{};
  double eps = 1e-5;  ///< any number
  Tensor y{};
};

/// Normalizes by given statistics.
///
///   for c: invstd = 1/sqrt(running_var[c] + eps)
///          y[:, c] = (x[:, c] - running_mean[c])*invstd*weight[c] + bias[c]
///
/// running_var == 0 with eps == 0 is no special case: invstd is Inf. Absent statistics are refused
/// (missing_statistics) unless there are no elements.
[[nodiscard]] TRUENORM_API Status forward_inference(Context& context,
                                                    const ForwardInference& args) noexcept;

/// Arguments of backward_training. Any subset of dx, dweight, dbias may be asked for; an absent one
/// has no data.
struct BackwardTraining {
  ConstTensor dy;
  ConstTensor x;
  ConstVector weight{};       ///< may be absent, also when dweight is asked for
  ConstVector save_mean{};    ///< as forward_training gave it
  ConstVector save_invstd{};  ///< as forward_training gave it
  Tensor dx{};                ///< may be absent
  Vector dweight{};           ///< may be absent
  Vector dbias{};             ///< may be absent
  ConstVector save_r{};       ///< of a forward with renorm, as it gave it
  ConstVector save_d{};       ///< present if save_r is
};

/// Gradients of forward_training, overwriting dx, dweight and dbias.
///
///   for c: S = sum(dy), D = sum((x - mean)*dy);  dbias[c] = S;  dweight[c] = D*invstd
///          dx[:, c] = (dy - S/n - (x - mean)*invstd^2*D/n)*invstd*weight[c]
///
/// If there are no elements, dweight and dbias become 0. With save_r and save_d, which count as
/// constants, dx has weight*r in the place of weight, and dweight[c] = D*invstd*r + S*d. One without
/// the other is refused (missing_statistics).
[[nodiscard]] TRUENORM_API Status backward_training(Context& context,
                                                    const BackwardTraining& args) noexcept;

/// Arguments of backward_inference. Any subset of dx, dweight, dbias may be asked for.
struct BackwardInference {
  ConstTensor dy;
  ConstTensor x;
  ConstVector weight{};  ///< may be absent
  ConstVector running_mean{};
  ConstVector running_var{};
  double eps = 1e-5;
  Tensor dx{};       ///< may be absent
  Vector dweight{};  ///< may be absent
  Vector dbias{};    ///< may be absent
};

/// Gradients of forward_inference, its statistics being constants.
///
///   for c: S = sum(dy), D = sum((x - running_mean)*dy);  dbias[c] = S;  dweight[c] = D*invstd
///          dx[:, c] = dy*invstd*weight[c]
[[nodiscard]] TRUENORM_API Status backward_inference(Context& context,
                                                     const BackwardInference& args) noexcept;

}  // namespace truenorm

#endif  // TRUENORM_FUNCTIONAL_H_
