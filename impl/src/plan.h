// How a call walks over its tensors: a pure function of sizes, strides, element type, threads and
// cache sizes. Every summation order follows from sizes, strides and element type alone.
#ifndef TRUENORM_SRC_PLAN_H_
#define TRUENORM_SRC_PLAN_H_

#include <array>
#include <cstdint>
#include <span>

#include "kernels.h"
#include "truenorm/tensor.h"

namespace truenorm::detail {

inline constexpr int max_views = 3;

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) noexcept {
  return a / b + (a % b != 0);
}

enum class Regime : std::uint8_t {
  planes,   ///< a channel is long runs of neighbours in every view: NCHW and its kin
  groups,   ///< a channel is short runs of neighbours in every view: NCHW of small images
  grains,   ///< the same, dense and too short for a vector: an image is one row
  rows,     ///< the channels are neighbours in every view: NHWC and its kin, N x C
  strided,  ///< anything else: a channel is packed into scratch, a block at a time
};

/// One loop, with its step in each view.
struct Axis {
  std::int64_t size = 1;
  std::array<std::int64_t, max_views> stride{};
};

/// The values of a channel as nested loops over several views of equal sizes, outermost first.
/// Value i of a channel is the i-th in this order.
struct Walk {
  Regime regime = Regime::strided;
  int views = 0;
  int rank = 0;  ///< loops; the last one is the inner loop
  std::array<Axis, max_rank - 1> axes{};
  std::int64_t channels = 0;
  std::int64_t count = 0;  ///< values per channel
  std::array<std::int64_t, max_views> channel_stride{};
  /// Values of a channel in a virtual row. Rows: how many of them make one that fills whole vectors;
  /// virtual channel v is channel v mod `channels`. Grains: values in a run; it is v/fold.
  std::int64_t fold = 1;

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

/// Parts of a call: [0, segments) of `length` values (or rows) each, the last one shorter, times
/// [0, slabs) of `width` channels each, the last one narrower. Numbered segment by segment.
struct Parts {
  std::int64_t length = 1;
  std::int64_t segments = 0;
  std::int64_t width = 1;
  std::int64_t slabs = 0;

  [[nodiscard]] std::int64_t count() const noexcept { return segments * slabs; }
};

/// One of them.
struct Part {
  std::int64_t begin = 0, end = 0;  ///< values of each channel
  std::int64_t c = 0, width = 0;    ///< channels
};
[[nodiscard]] Part part_of(const Walk& walk, const Parts& parts, std::int64_t i) noexcept;

/// Most channels of a part of the sums: what a thread's room holds.
inline constexpr std::int64_t max_slab_rows = 2048, max_slab_groups = 256;
/// Values of a channel that one part of the sums covers (all but rows).
inline constexpr std::int64_t sum_segment = std::int64_t{1} << 17;
/// First block of the sums of a channel of planes; its mean is the pivot of what follows. A channel
/// of no more values than this (rows: max_block_rows) is summed about its own mean.
inline constexpr std::int64_t first_block = 256;
/// A run from which blocks are read in place, ending with it; shorter runs are groups.
inline constexpr std::int64_t direct_run = 1024;
/// Shorter runs than this are grains, or packed together.
inline constexpr std::int64_t shortest_run = 16;
/// Widest virtual row.
inline constexpr std::int64_t max_folded = 1024;
/// Values of a part of the second pass, about.
inline constexpr std::int64_t tile_values = 65536;

/// Values that are worth a thread of their own: where threads meet once, and where they wait for each
/// other between phases.
inline constexpr std::int64_t values_a_thread_fused = 20480, values_a_thread = 32768;

/// Caches of the machine, in bytes.
struct Machine {
  std::int64_t own = 0;     ///< of one core: the second level
  std::int64_t shared = 0;  ///< of all cores together, as far as it is faster than memory
};

/// The loop nest of a call.
struct Plan {
  Walk sums;        ///< over the views that are summed; no views if there is nothing to sum
  Walk sweep;       ///< over the views of the second pass, the output last
  int threads = 1;  ///< worth starting
  /// The partition of the sums. Its lengths are part of the result's bits and follow from `sums`
  /// alone; its widths are not.
  Parts parts;
  /// One thread takes a slab of channels through sums, coefficients and second pass while its data
  /// is in its cache. Otherwise all threads do one after the other.
  bool fused = false;
  Parts tiles;  ///< the second pass, where it is not fused
  Store store = Store::cached;
  bool ahead = false;  ///< the second pass fetches the next slab
};

/// Views have equal sizes, none of them 0; `sums` or `sweep` may be empty, not both. `threads` are
/// those there are.
[[nodiscard]] Plan make_plan(std::span<const ConstTensor> sums, std::span<const ConstTensor> sweep,
                             int threads, const Machine& machine) noexcept;

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_PLAN_H_
