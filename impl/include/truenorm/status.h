// What every call returns: accepted, or which argument was refused and why.
#ifndef TRUENORM_STATUS_H_
#define TRUENORM_STATUS_H_

#include <cstdint>

#include "truenorm/export.h"

namespace truenorm {

/// Why a call was refused. A refused call has written nothing and changed no state.
enum class Code : std::uint8_t {
  ok,
  null_data,              ///< a required tensor has elements but no data
  misaligned,             ///< data is not aligned to its element
  bad_rank,               ///< rank outside 2..5
  bad_size,               ///< a negative size, or a size that is not the number of channels
  bad_stride,             ///< a negative stride
  bad_value,              ///< a negative count, no such enumerator, a bound or groups out of range
  shape_mismatch,         ///< sizes differ from those of x (fold: weight; layer: the last forward)
  dtype_mismatch,         ///< a data type that does not go with that of x or of the other vectors
  overlap,                ///< an output shares memory with itself or with another argument
  overflow,               ///< a count or an address exceeds what can be represented
  missing_statistics,     ///< statistics are needed and absent
  missing_state,          ///< a state to be loaded lacks an entry that the layer has
  one_value_per_channel,  ///< batch statistics of a single value per channel
  no_forward,             ///< backward of a layer that has accepted no forward
  bad_threads,            ///< thread count outside 1..max_threads
  unsupported_isa,        ///< instruction set not built in, or not supported by this machine
  out_of_memory,          ///< scratch or state could not be allocated
};
inline constexpr int code_count = static_cast<int>(Code::out_of_memory) + 1;

/// Which argument a Code is about.
enum class Argument : std::uint8_t {
  none,
  x,
  y,
  dy,
  dx,
  weight,
  bias,
  running_mean,
  running_var,
  save_mean,
  save_invstd,
  renorm,
  save_r,
  save_d,
  dweight,
  dbias,
  num_batches_tracked,
  num_features,
  groups,
  folded_weight,
  folded_bias,
  layer,
  context,
};
inline constexpr int argument_count = static_cast<int>(Argument::context) + 1;

/// "shape_mismatch", "running_mean": the enumerators' own names.
[[nodiscard]] TRUENORM_API const char* name(Code code) noexcept;
[[nodiscard]] TRUENORM_API const char* name(Argument argument) noexcept;

/// The outcome of a call: two bytes, freely copied.
struct [[nodiscard]] Status {
  Code code = Code::ok;
  Argument argument = Argument::none;

  [[nodiscard]] constexpr bool ok() const noexcept { return code == Code::ok; }
  /// One sentence, for example "running_mean: data type does not go with the other arguments".
  /// Static storage; never null; no allocation.
  [[nodiscard]] TRUENORM_API const char* message() const noexcept;

  friend constexpr bool operator==(Status, Status) noexcept = default;
};

}  // namespace truenorm

#endif  // TRUENORM_STATUS_H_
