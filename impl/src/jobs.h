// A call in the form that the functions and the layer share: checked once, then run.
#ifndef TRUENORM_SRC_JOBS_H_
#define TRUENORM_SRC_JOBS_H_

#include "context_state.h"
#include "truenorm/fold.h"
#include "truenorm/functional.h"
#include "truenorm/status.h"
#include "truenorm/tensor.h"

namespace truenorm::detail {

/// Moments of channels of `count` values each: the mean of one is base + offset.
struct BatchMoments {
  double count = 0;
  double* base = nullptr;  ///< [C], as the next two
  double* offset = nullptr;
  double* m2 = nullptr;  ///< sum of squared deviations
};

/// sum(g) and sum((x - mean)*g) of channels of `count` values each.
struct BatchSums {
  double count = 0;
  double* sum = nullptr;  ///< [C], as the next
  double* dot = nullptr;
};

struct ForwardJob {
  ConstTensor x;
  Tensor y;
  ConstVector weight, bias;
  bool batch = true;  ///< statistics of x; else given_*
  ConstVector given_mean, given_var;
  Vector running_mean, running_var;  ///< updated; only if batch
  double factor = 0, eps = 0;
  bool tracks = false;            ///< a layer's, that counts its batches
  Vector save_mean, save_invstd;  ///< what was used
  std::optional<Renorm> renorm;   ///< by running_*, before they are updated
  Vector save_r, save_d;
  /// Of the batch that x is a part of, perhaps an empty one; null: x is the batch.
  const BatchMoments* known = nullptr;
  const BatchMoments* found = nullptr;  ///< receives those of x, and nothing else is written
};

struct BackwardJob {
  ConstTensor dy, x;
  ConstVector weight;
  bool batch = true;           ///< the statistics depend on x
  ConstVector mean;            ///< save_mean or running_mean
  ConstVector spread;          ///< save_invstd or running_var
  bool spread_is_var = false;  ///< running_var, to be completed by eps
  double eps = 0;
  ConstVector r, d;  ///< of the renormalization; absent: there was none
  Tensor dx;
  Vector dweight, dbias;
  /// Of the batch that x is a part of: for dx. Then dweight and dbias are those of `part`.
  const BatchSums* known = nullptr;
  const BatchSums* part = nullptr;
  const BatchSums* found = nullptr;  ///< receives those of x, and nothing else is written
};

struct FoldJob {
  const Fold& args;
  State layer;
  std::int64_t num_features = 0;
  double eps = 0;
};

/// ok if x is well-formed and, for batch statistics, has more than one value per channel.
[[nodiscard]] Status check_x(const ConstTensor& x, bool batch) noexcept;

/// ok if `v`, which is present, is well-formed and has `size` elements.
[[nodiscard]] Status check_vector(Argument argument, const ConstVector& v,
                                  std::int64_t size) noexcept;

/// ok, or bad_value: bounds that no r = 1 and d = 0 lie within.
[[nodiscard]] Status check_renorm(const std::optional<Renorm>& renorm) noexcept;

/// ok if the job can be run. Writes nothing.
[[nodiscard]] Status check(const ForwardJob& job) noexcept;
[[nodiscard]] Status check(const BackwardJob& job) noexcept;
[[nodiscard]] Status check(const FoldJob& job) noexcept;

/// Runs a checked job. Fails with out_of_memory before anything is written, or succeeds.
[[nodiscard]] Status run(ContextState& context, const ForwardJob& job) noexcept;
[[nodiscard]] Status run(ContextState& context, const BackwardJob& job) noexcept;

/// Reserves what run() of such a job needs: it will not fail unless the context's scratch is moved.
[[nodiscard]] Status reserve(ContextState& context, const ForwardJob& job) noexcept;
[[nodiscard]] Status reserve(ContextState& context, const BackwardJob& job) noexcept;

/// Elements of a checked tensor.
[[nodiscard]] inline std::int64_t element_count(const ConstTensor& t) noexcept {
  std::int64_t count = 1;
  for (std::size_t i = 0; i < static_cast<std::size_t>(t.rank); ++i) {
    if (t.size[i] == 0) return 0;
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(t.rank); ++i) count *= t.size[i];
  return count;
}

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_JOBS_H_
