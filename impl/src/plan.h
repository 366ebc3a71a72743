// How a call walks over its tensors: a pure function of sizes, strides and element type, never of
// the thread count or the instruction set. So is every summation order.
#ifndef TRUENORM_SRC_PLAN_H_
#define TRUENORM_SRC_PLAN_H_

#include <array>
#include <cstdint>
#include <span>

#include "truenorm/tensor.h"

namespace truenorm::detail {

inline constexpr int max_views = 3;

enum class Regime : std::uint8_t {
  runs,      ///< a channel is runs of neighbours in every view: NCHW and its kin
  rows,      ///< the channels are neighbours in every view: NHWC and its kin, N x C
  gathered,  ///< anything else: a channel is packed into scratch, a block at a time
};

/// One loop, with its step in each view.
struct Axis {
  std::int64_t size = 1;
  std::array<std::int64_t, max_views> stride{};
};

/// The values of a channel as nested loops over several views of equal sizes, outermost first.
/// Value i of a channel is the i-th in this order.
struct Walk {
  Regime regime = Regime::gathered;
  int views = 0;
  int rank = 0;  ///< loops; the last one is the inner loop
  std::array<Axis, max_rank - 1> axes{};
  std::int64_t channels = 0;
  std::int64_t count = 0;  ///< values per channel
  std::array<std::int64_t, max_views> channel_stride{};

  [[nodiscard]] const Axis& inner() const noexcept {
    return axes[static_cast<std::size_t>(rank - 1)];
  }
};

/// Loops of size 1 are dropped, the others ordered by their stride in the first view, descending,
/// and neighbours joined where all views allow it. The views have equal sizes, none of them 0.
[[nodiscard]] Walk make_walk(std::span<const ConstTensor> views) noexcept;

/// Element offsets of one value of channel 0 in each view.
using Offsets = std::array<std::int64_t, max_views>;

/// A place in a walk. Starting one costs a few divisions, stepping over a run none.
class Cursor {
 public:
  Cursor(const Walk& walk, std::int64_t index) noexcept;

  /// Values from here to the end of the inner loop.
  [[nodiscard]] std::int64_t left_in_run() const noexcept;
  [[nodiscard]] const Offsets& offsets() const noexcept { return offsets_; }
  /// Steps over `count` values, at most left_in_run().
  void advance(std::int64_t count) noexcept;

 private:
  const Walk& walk_;
  std::array<std::int64_t, max_rank - 1> digit_{};
  Offsets offsets_{};
};

/// Tasks of a call: [0, segments) of `length` values (or rows) each, the last one shorter, times
/// [0, slabs) of `width` channels each, the last one narrower.
struct Tasks {
  std::int64_t length = 1;
  std::int64_t segments = 0;
  std::int64_t width = 1;
  std::int64_t slabs = 0;

  [[nodiscard]] std::int64_t count() const noexcept { return segments * slabs; }
};

/// Most channels of a slab of rows.
inline constexpr std::int64_t max_slab = 256;
/// Values of a channel that one summation task covers (runs and gathered).
inline constexpr std::int64_t sum_segment = std::int64_t{1} << 17;
/// First block of a summation task; its mean is the pivot of what follows.
inline constexpr std::int64_t first_block = 256;
/// A run from which blocks are read in place, ending with it; shorter runs are packed together.
inline constexpr std::int64_t direct_run = 1024;

/// The partition of the sums, which is part of the result's bits.
[[nodiscard]] Tasks sum_tasks(const Walk& walk) noexcept;
/// The partition of the transform, which is not.
[[nodiscard]] Tasks transform_tasks(const Walk& walk) noexcept;

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_PLAN_H_
