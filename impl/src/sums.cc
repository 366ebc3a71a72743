#include "sums.h"

#include <algorithm>
#include <cstring>

#include "parallel.h"
#include "scalar.h"

namespace truenorm::detail {

namespace {

/// The largest square sum that rounding alone makes negative is 0; NaN stays.
double not_negative(double m2) noexcept { return m2 < 0 ? 0 : m2; }

Moments block_moments(const Kernels& kernels, const void* x, std::int64_t count,
                      double pivot) noexcept {
  double sum = 0, square = 0;
  kernels.moments(x, count, pivot, &sum, &square);
  const double n = static_cast<double>(count);
  const double mean = sum / n;
  return {n, pivot, mean, not_negative(square - sum * mean)};
}

/// Walks over [begin, end) of one channel in blocks that are dense in memory.
class Blocks {
 public:
  Blocks(const Walk& walk, Dtype dtype, std::int64_t c, std::int64_t begin, std::int64_t end,
         ThreadRoom& room) noexcept
      : walk_(walk), dtype_(dtype), c_(c), pos_(begin), end_(end), room_(room) {}

  [[nodiscard]] bool done() const noexcept { return pos_ >= end_; }

  /// Chooses the next block: at most `limit` values, less only at the end of a long run or of the
  /// range.
  std::int64_t next(std::int64_t limit, bool may_be_short) noexcept {
    count_ = std::min(limit, end_ - pos_);
    Cursor cursor(walk_, pos_);
    offsets_ = cursor.offsets();
    const std::int64_t run = cursor.left_in_run();
    direct_ = walk_.regime == Regime::runs && run >= count_;
    if (walk_.regime == Regime::runs && !direct_ && may_be_short &&
        walk_.inner().size >= direct_run) {
      count_ = run;
      direct_ = true;
    }
    begin_ = pos_;
    pos_ += count_;
    return count_;
  }

  /// The block in view v: in place, or packed.
  const void* view(std::size_t v, const void* base) noexcept {
    if (direct_) return at(dtype_, base, c_ * walk_.channel_stride[v] + offsets_[v]);
    gather(walk_, v, dtype_, base, c_, begin_, count_, room_.block[v]);
    return room_.block[v];
  }

 private:
  const Walk& walk_;
  Dtype dtype_;
  std::int64_t c_, pos_, end_;
  ThreadRoom& room_;
  std::int64_t begin_ = 0, count_ = 0;
  Offsets offsets_{};
  bool direct_ = false;
};

Moments channel_moments(const Kernels& kernels, Dtype dtype, Blocks blocks,
                        const void* x) noexcept {
  const Dtype lane = lane_of(dtype);
  Moments total;
  while (!blocks.done()) {
    const bool first = total.count == 0;
    const std::int64_t so_far = static_cast<std::int64_t>(total.count);
    const std::int64_t limit =
        first ? first_block : std::min(max_block(dtype), std::max(so_far, first_block));
    const std::int64_t count = blocks.next(limit, !first);
    const void* block = blocks.view(0, x);
    double pivot = to_lane(lane, total.mean());
    if (first) {
      // Its own mean, by way of its first value: exact if the values are equal.
      pivot =
          to_lane(lane, block_moments(kernels, block, count, load_element(dtype, block, 0)).mean());
    }
    total.merge(block_moments(kernels, block, count, pivot));
  }
  return total;
}

/// One task of rows: [begin, end) of a slab of channels.
struct RowTask {
  const Kernels& kernels;
  Dtype dtype;
  const Walk& walk;
  std::int64_t c;      ///< first channel
  std::int64_t width;  ///< channels
  std::int64_t begin, end;
  ThreadRoom& room;

  [[nodiscard]] std::size_t lane_bytes() const noexcept {
    return static_cast<std::size_t>(width * size_of(lane_of(dtype)));
  }
  void clear() const noexcept {
    std::memset(room.block[1], 0, lane_bytes());
    std::memset(room.block[2], 0, lane_bytes());
  }
  /// Calls add(offsets, rows) for stretches of equally spaced rows.
  template <class Add>
  void stretches(std::int64_t from, std::int64_t count, const Add& add) const noexcept {
    for (Cursor cursor(walk, from); count > 0;) {
      const std::int64_t rows = std::min(count, cursor.left_in_run());
      add(cursor.offsets(), rows);
      cursor.advance(rows);
      count -= rows;
    }
  }
};

/// Sums of rows [from, from + count) about the pivots in block[0], into block[1] and block[2].
void row_block(const RowTask& t, const void* x, std::int64_t from, std::int64_t count) noexcept {
  t.clear();
  t.stretches(from, count, [&](const Offsets& offsets, std::int64_t rows) {
    t.kernels.row_moments(at(t.dtype, x, offsets[0] + t.c), t.walk.inner().stride[0], rows, t.width,
                          t.room.block[0], t.room.block[1], t.room.block[2]);
  });
}

/// Pivots of the first block, its own means: by way of its first row, exact where values are equal.
void first_pivots(const RowTask& t, const void* x, std::int64_t count, double* base) noexcept {
  const Dtype lane = lane_of(t.dtype);
  const Cursor cursor(t.walk, t.begin);
  const void* row = at(t.dtype, x, cursor.offsets()[0] + t.c);
  for (std::int64_t i = 0; i < t.width; ++i) {
    store_element(lane, t.room.block[0], i, load_element(t.dtype, row, i));
  }
  row_block(t, x, t.begin, count);
  for (std::int64_t i = 0; i < t.width; ++i) {
    const double shift = load_element(lane, t.room.block[1], i) / static_cast<double>(count);
    base[i] = to_lane(lane, load_element(lane, t.room.block[0], i) + shift);
    store_element(lane, t.room.block[0], i, base[i]);
  }
}

/// Merges a block of k rows into the moments of the n before it.
template <class L>
void merge_rows(const RowTask& t, double n, double k, const double* base, double* offset,
                double* m2) noexcept {
  const L* pivot = reinterpret_cast<const L*>(t.room.block[0]);
  const L* sum = reinterpret_cast<const L*>(t.room.block[1]);
  const L* square = reinterpret_cast<const L*>(t.room.block[2]);
  const Merge merge(n, k);
  for (std::int64_t i = 0; i < t.width; ++i) {
    const double s = static_cast<double>(sum[i]);
    const double mean = s / k;
    const double more_m2 = not_negative(static_cast<double>(square[i]) - s * mean);
    merge((static_cast<double>(pivot[i]) - base[i]) + (mean - offset[i]), more_m2, offset[i],
          m2[i]);
  }
}

void row_moments(const RowTask& t, const void* x, double* base, double* offset,
                 double* m2) noexcept {
  const Dtype lane = lane_of(t.dtype);
  std::fill_n(offset, t.width, 0.0);
  std::fill_n(m2, t.width, 0.0);
  for (std::int64_t pos = t.begin; pos < t.end;) {
    const std::int64_t count = std::min(max_block_rows, t.end - pos);
    if (pos == t.begin) {
      first_pivots(t, x, count, base);
    } else {
      for (std::int64_t i = 0; i < t.width; ++i) {
        store_element(lane, t.room.block[0], i, base[i] + offset[i]);
      }
    }
    row_block(t, x, pos, count);
    const double n = static_cast<double>(pos - t.begin), k = static_cast<double>(count);
    if (lane == Dtype::f64) {
      merge_rows<double>(t, n, k, base, offset, m2);
    } else {
      merge_rows<float>(t, n, k, base, offset, m2);
    }
    pos += count;
  }
}

void row_products(const RowTask& t, const void* x, const void* g, const std::byte* m, double* sum,
                  double* dot) noexcept {
  const Dtype lane = lane_of(t.dtype);
  for (std::int64_t i = 0; i < t.width; ++i) sum[i] = dot[i] = 0;
  for (std::int64_t pos = t.begin; pos < t.end;) {
    const std::int64_t count = std::min(max_block_rows, t.end - pos);
    t.clear();
    t.stretches(pos, count, [&](const Offsets& offsets, std::int64_t rows) {
      const Axis& inner = t.walk.inner();
      t.kernels.row_products(at(t.dtype, x, offsets[0] + t.c), inner.stride[0],
                             at(t.dtype, g, offsets[1] + t.c), inner.stride[1], rows, t.width, m,
                             t.room.block[1], t.room.block[2]);
    });
    for (std::int64_t i = 0; i < t.width; ++i) {
      sum[i] += load_element(lane, t.room.block[1], i);
      dot[i] += load_element(lane, t.room.block[2], i);
    }
    pos += count;
  }
}

/// Task i as segment, slab and their extents.
struct Place {
  std::int64_t begin, end, c, width, slot;
};
Place place(const Walk& walk, const Tasks& tasks, std::int64_t i) noexcept {
  const std::int64_t segment = i % tasks.segments, slab = i / tasks.segments;
  const std::int64_t begin = segment * tasks.length, c = slab * tasks.width;
  return {begin, std::min(begin + tasks.length, walk.count), c,
          std::min(tasks.width, walk.channels - c), segment * walk.channels + c};
}

}  // namespace

void Moments::merge(const Moments& other) noexcept {
  if (count == 0) {
    *this = other;
    return;
  }
  const double delta = (other.base - base) + (other.offset - offset);
  Merge(count, other.count)(delta, other.m2, offset, m2);
  count += other.count;
}

void moment_sums(const Run& run, Dtype dtype, const Walk& walk, const Tasks& tasks, const void* x,
                 const Partials& out) noexcept {
  parallel_for(run.threads, tasks.count(), [&](std::int64_t i, int thread) {
    const Place p = place(walk, tasks, i);
    ThreadRoom& room = run.rooms[thread];
    if (walk.regime == Regime::rows) {
      row_moments({run.kernels, dtype, walk, p.c, p.width, p.begin, p.end, room}, x,
                  out.base + p.slot, out.first + p.slot, out.second + p.slot);
      return;
    }
    const Moments m =
        channel_moments(run.kernels, dtype, Blocks(walk, dtype, p.c, p.begin, p.end, room), x);
    out.base[p.slot] = m.base;
    out.first[p.slot] = m.offset;
    out.second[p.slot] = m.m2;
  });
}

Moments merged_moments(const Walk& walk, const Tasks& tasks, const Partials& partials,
                       std::int64_t c) noexcept {
  Moments total;
  for (std::int64_t s = 0; s < tasks.segments; ++s) {
    const std::int64_t count = std::min(tasks.length, walk.count - s * tasks.length);
    const std::int64_t slot = s * walk.channels + c;
    total.merge({static_cast<double>(count), partials.base[slot], partials.first[slot],
                 partials.second[slot]});
  }
  return total;
}

void product_sums(const Run& run, Dtype dtype, const Walk& walk, const Tasks& tasks, const void* x,
                  const void* g, const void* m, const Partials& out) noexcept {
  const Dtype lane = lane_of(dtype);
  parallel_for(run.threads, tasks.count(), [&](std::int64_t i, int thread) {
    const Place p = place(walk, tasks, i);
    ThreadRoom& room = run.rooms[thread];
    if (walk.regime == Regime::rows) {
      row_products({run.kernels, dtype, walk, p.c, p.width, p.begin, p.end, room}, x, g,
                   static_cast<const std::byte*>(at(lane, m, p.c)), out.first + p.slot,
                   out.second + p.slot);
      return;
    }
    const double pivot = load_element(lane, m, p.c);
    double sum = 0, dot = 0;
    for (Blocks blocks(walk, dtype, p.c, p.begin, p.end, room); !blocks.done();) {
      const std::int64_t count = blocks.next(max_block(dtype), true);
      const void* x_block = blocks.view(0, x);
      const void* g_block = blocks.view(1, g);
      double block_sum = 0, block_dot = 0;
      run.kernels.products(x_block, g_block, count, pivot, &block_sum, &block_dot);
      sum += block_sum;
      dot += block_dot;
    }
    out.first[p.slot] = sum;
    out.second[p.slot] = dot;
  });
}

}  // namespace truenorm::detail
