// How the sums of a part read their data, by regime. Each reader has
//   fold()                     virtual channels of a channel in a virtual row, 1 if there are none
//   moments(), products()      sums of (virtual) channels about given pivots
//   sample()                   sums of a few values about 0, for a first pivot
//   spread(), join()           pivots to virtual channels, their sums to channels
//   most()                     channels that a thread's room holds
#ifndef TRUENORM_SRC_READERS_H_
#define TRUENORM_SRC_READERS_H_

#include <algorithm>
#include <cstring>

#include "context_state.h"
#include "plan.h"
#include "scalar.h"

namespace truenorm::detail {

/// Short runs of neighbouring channels, each to sums of its own.
struct GroupSums {
  const Kernels& kernels;
  Dtype dtype;
  const Walk& walk;
  const Part& part;
  ThreadRoom& room;

  [[nodiscard]] static std::int64_t most() noexcept { return max_slab_groups; }
  [[nodiscard]] static std::int64_t fold() noexcept { return 1; }
  static std::int64_t virtual_channel(std::int64_t i, std::int64_t, std::int64_t) noexcept {
    return i;
  }
  template <class L>
  static void spread(L*, std::int64_t) noexcept {}
  static void join(std::int64_t, const double*, double*) noexcept {}

  [[nodiscard]] std::int64_t length() const noexcept { return walk.inner().size; }
  /// Runs between two flushes, so that no chain is longer than that of a contiguous block.
  [[nodiscard]] std::int64_t flush_after() const noexcept {
    const std::int64_t lanes = 4 * virtual_lanes(dtype), in_run = divide_up(length(), lanes);
    return std::clamp<std::int64_t>(divide_up(walk.count, lanes) + 1 - in_run, 1, 65 - in_run);
  }
  void clear(std::int64_t width) const noexcept {
    std::memset(
        room.block[1], 0,
        static_cast<std::size_t>(width * 2 * virtual_lanes(dtype) * size_of(lane_of(dtype))));
  }
  template <class Add>
  void runs(std::int64_t width, double* first, double* second, const Add& add) const noexcept {
    std::fill_n(first, width, 0.0);
    std::fill_n(second, width, 0.0);
    clear(width);
    const std::int64_t limit = flush_after();
    std::int64_t pending = 0;
    Cursor cursor(walk, part.begin);
    for (std::int64_t pos = part.begin; pos < part.end; pos += length()) {
      add(cursor.offsets());
      cursor.advance(length());
      if (++pending == limit || pos + length() >= part.end) {
        kernels.group_flush(room.block[1], width, first, second);
        pending = 0;
      }
    }
  }
  void moments(const void* x, std::int64_t c, std::int64_t width, const void* pivot, double* sum,
               double* square) const noexcept {
    const std::int64_t step = walk.channel_stride[0];
    runs(width, sum, square, [&](const Offsets& offsets) {
      kernels.group_moments(at(dtype, x, offsets[0] + c * step), step, length(), width, pivot,
                            room.block[1]);
    });
  }
  void products(const void* x, const void* g, std::int64_t c, std::int64_t width, const void* pivot,
                double* sum, double* dot) const noexcept {
    const std::int64_t xs = walk.channel_stride[0], gs = walk.channel_stride[1];
    runs(width, sum, dot, [&](const Offsets& offsets) {
      kernels.group_products(at(dtype, x, offsets[0] + c * xs), xs,
                             at(dtype, g, offsets[1] + c * gs), gs, length(), width, pivot,
                             room.block[1]);
    });
  }
  /// Sums of a sample about 0: a vector from the middle of a few runs. Returns its size.
  double sample(const void* x, std::int64_t c, std::int64_t width, const void* zero, double* sum,
                double* square) const noexcept {
    const std::int64_t runs = (part.end - part.begin) / length(), lanes = virtual_lanes(dtype);
    const std::int64_t count = runs >= 64 ? 4 : runs >= 2 ? 2 : 1;
    std::fill_n(sum, width, 0.0);
    std::fill_n(square, width, 0.0);
    clear(width);
    for (std::int64_t i = 0; i < count; ++i) {
      const Cursor cursor(walk, part.begin + runs * i / count * length() + (length() - lanes) / 2);
      kernels.group_moments(at(dtype, x, cursor.offsets()[0] + c * walk.channel_stride[0]),
                            walk.channel_stride[0], lanes, width, zero, room.block[1]);
    }
    kernels.group_flush(room.block[1], width, sum, square);
    return static_cast<double>(count * lanes);
  }
};

/// Rows, or virtual rows of several.
struct RowSums {
  const Kernels& kernels;
  Dtype dtype;
  const Walk& walk;
  const Part& part;
  ThreadRoom& room;

  [[nodiscard]] static std::int64_t most() noexcept { return max_slab_rows; }
  [[nodiscard]] std::int64_t fold() const noexcept { return walk.fold; }
  /// Where value j of channel i is in a virtual row of `width` channels.
  static std::int64_t virtual_channel(std::int64_t i, std::int64_t j, std::int64_t width) noexcept {
    return j * width + i;
  }
  template <class L>
  void spread(L* pivot, std::int64_t width) const noexcept {
    for (std::int64_t j = 1; j < fold(); ++j) std::copy_n(pivot, width, pivot + j * width);
  }
  /// to[c] = the sum over the virtual channels of c.
  void join(std::int64_t width, const double* from, double* to) const noexcept {
    std::copy_n(from, width, to);
    for (std::int64_t j = 1; j < fold(); ++j) {
      for (std::int64_t c = 0; c < width; ++c) to[c] += from[j * width + c];
    }
  }

  /// add(offsets, rows) for blocks of equally spaced rows; then the rows that fill no virtual row.
  template <class Add>
  void blocks(const Add& add) const noexcept {
    const std::int64_t fold = walk.fold;
    const std::int64_t end = part.end - (part.end - part.begin) % fold;
    Cursor cursor(walk, part.begin);
    for (std::int64_t pos = part.begin; pos < end;) {
      const std::int64_t rows = std::min({max_block_rows * fold, end - pos, cursor.left_in_run()});
      add(cursor.offsets(), rows / fold);
      cursor.advance(rows);
      pos += rows;
    }
  }
  [[nodiscard]] std::int64_t rest() const noexcept { return (part.end - part.begin) % walk.fold; }
  [[nodiscard]] Offsets rest_at() const noexcept {
    return Cursor(walk, part.end - rest()).offsets();
  }
  /// Sums of virtual channels.
  void moments(const void* x, std::int64_t c, std::int64_t width, const void* pivot, double* sum,
               double* square) const noexcept {
    const std::int64_t xs = walk.inner().stride[0] * walk.fold;
    std::fill_n(sum, width, 0.0);
    std::fill_n(square, width, 0.0);
    blocks([&](const Offsets& offsets, std::int64_t rows) {
      kernels.row_moments(at(dtype, x, offsets[0] + c), xs, rows, width, pivot, room.block[1], sum,
                          square);
    });
    const std::int64_t left = std::min(rest() * walk.channels - c, width);
    if (left > 0) {
      kernels.row_moments(at(dtype, x, rest_at()[0] + c), xs, 1, left, pivot, room.block[1], sum,
                          square);
    }
  }
  void products(const void* x, const void* g, std::int64_t c, std::int64_t width, const void* pivot,
                double* sum, double* dot) const noexcept {
    const std::int64_t xs = walk.inner().stride[0] * walk.fold,
                       gs = walk.inner().stride[1] * walk.fold;
    std::fill_n(sum, width, 0.0);
    std::fill_n(dot, width, 0.0);
    blocks([&](const Offsets& offsets, std::int64_t rows) {
      kernels.row_products(at(dtype, x, offsets[0] + c), xs, at(dtype, g, offsets[1] + c), gs, rows,
                           width, pivot, room.block[1], sum, dot);
    });
    const std::int64_t left = std::min(rest() * walk.channels - c, width);
    if (left > 0) {
      const Offsets offsets = rest_at();
      kernels.row_products(at(dtype, x, offsets[0] + c), xs, at(dtype, g, offsets[1] + c), gs, 1,
                           left, pivot, room.block[1], sum, dot);
    }
  }
  /// Sums of a sample of true rows about 0, from one inner loop. Returns its size.
  double sample(const void* x, std::int64_t c, std::int64_t width, const void* zero, double* sum,
                double* square) const noexcept {
    const Cursor cursor(walk, part.begin);
    const std::int64_t rows = std::min(part.end - part.begin, cursor.left_in_run());
    std::int64_t count = 1;
    while (count < 8 && 2 * count <= rows) count *= 2;
    std::fill_n(sum, width, 0.0);
    std::fill_n(square, width, 0.0);
    kernels.row_moments(at(dtype, x, cursor.offsets()[0] + c),
                        walk.inner().stride[0] * (rows / count), count, width, zero, room.block[1],
                        sum, square);
    return static_cast<double>(count);
  }
};

/// An image is one row, its runs its virtual channels.
struct GrainSums {
  const Kernels& kernels;
  Dtype dtype;
  const Walk& walk;
  const Part& part;
  ThreadRoom& room;

  [[nodiscard]] std::int64_t fold() const noexcept { return walk.inner().size; }
  [[nodiscard]] std::int64_t most() const noexcept { return max_folded / fold(); }
  [[nodiscard]] std::int64_t virtual_channel(std::int64_t i, std::int64_t j,
                                             std::int64_t) const noexcept {
    return i * fold() + j;
  }
  template <class L>
  void spread(L* pivot, std::int64_t width) const noexcept {
    detail::spread(pivot, width, fold());
  }
  void join(std::int64_t width, const double* from, double* to) const noexcept {
    for (std::int64_t c = 0; c < width; ++c, from += fold()) {
      double even = 0, odd = 0;
      std::int64_t j = 0;
      for (; j + 2 <= fold(); j += 2) even += from[j], odd += from[j + 1];
      to[c] = even + odd + (j < fold() ? from[j] : 0);
    }
  }
  /// add(offsets, rows) for blocks of images, so that no chain is longer than that of a contiguous
  /// block.
  template <class Add>
  void blocks(const Add& add) const noexcept {
    const std::int64_t lanes = 4 * virtual_lanes(dtype);
    const std::int64_t most_rows = std::min(divide_up(walk.count, lanes) + 5, max_block_rows);
    for (std::int64_t pos = part.begin; pos < part.end;) {
      const std::int64_t rows = std::min(most_rows, (part.end - pos) / fold());
      add(Cursor(walk, pos).offsets(), rows);
      pos += rows * fold();
    }
  }
  [[nodiscard]] std::int64_t step(std::size_t v) const noexcept {
    return walk.rank == 1 ? 0 : walk.axes[0].stride[v];
  }
  void moments(const void* x, std::int64_t c, std::int64_t width, const void* pivot, double* sum,
               double* square) const noexcept {
    std::fill_n(sum, width, 0.0);
    std::fill_n(square, width, 0.0);
    blocks([&](const Offsets& offsets, std::int64_t rows) {
      kernels.row_moments(at(dtype, x, offsets[0] + c), step(0), rows, width, pivot, room.block[1],
                          sum, square);
    });
  }
  void products(const void* x, const void* g, std::int64_t c, std::int64_t width, const void* pivot,
                double* sum, double* dot) const noexcept {
    std::fill_n(sum, width, 0.0);
    std::fill_n(dot, width, 0.0);
    blocks([&](const Offsets& offsets, std::int64_t rows) {
      kernels.row_products(at(dtype, x, offsets[0] + c), step(0), at(dtype, g, offsets[1] + c),
                           step(1), rows, width, pivot, room.block[1], sum, dot);
    });
  }
  /// Sums of a sample about 0: a power of two of images, and of values of each. Returns its size.
  double sample(const void* x, std::int64_t c, std::int64_t width, const void* zero, double* sum,
                double* square) const noexcept {
    const std::int64_t images = (part.end - part.begin) / fold();
    std::int64_t count = 1, values = 1;
    while (count < 8 && 2 * count <= images) count *= 2;
    while (2 * values <= fold()) values *= 2;
    double* const all = reinterpret_cast<double*>(room.block[3]);
    std::fill_n(all, 2 * width * fold(), 0.0);
    kernels.row_moments(at(dtype, x, Cursor(walk, part.begin).offsets()[0] + c * fold()),
                        step(0) * (images / count), count, width * fold(), zero, room.block[1], all,
                        all + width * fold());
    for (std::int64_t i = 0; i < width; ++i) {
      double* const one = all + i * fold();
      for (std::int64_t half = values / 2; half > 0; half /= 2) {
        for (std::int64_t j = 0; j < half; ++j) one[j] += one[j + half];
      }
      sum[i] = one[0];
      square[i] = 0;
    }
    return static_cast<double>(count * values);
  }
};

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_READERS_H_
