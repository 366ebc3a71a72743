#include "sums.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "readers.h"
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
    direct_ = whole_runs() && run >= count_;
    if (whole_runs() && !direct_ && may_be_short && walk_.inner().size >= direct_run) {
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
  [[nodiscard]] bool whole_runs() const noexcept { return walk_.regime == Regime::planes; }

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

/// The pivots of a virtual row from those of its channels.
template <class Sums>
void spread_lanes(const Sums& sums, void* pivot, std::int64_t width) noexcept {
  if (lane_of(sums.dtype) == Dtype::f64) {
    sums.spread(static_cast<double*>(pivot), width);
  } else {
    sums.spread(static_cast<float*>(pivot), width);
  }
}

/// Sums of virtual channels, which lie in the room, to those of channels.
template <class Sums>
void join_sums(const Sums& sums, std::int64_t width, const Partials& out) noexcept {
  const double* const first = reinterpret_cast<const double*>(sums.room.block[3]);
  sums.join(width, first, out.first);
  sums.join(width, first + sums.fold() * width, out.second);
}

/// Pivots, sums about them, and a second reading where that is due, of channels [c, c + width). A
/// virtual row has all channels.
template <class Sums>
class PivotedMoments {
 public:
  PivotedMoments(const Sums& sums, const void* x, std::int64_t c, std::int64_t width,
                 const Partials& out) noexcept
      : sums_(sums),
        x_(x),
        c_(c),
        width_(width),
        fold_(sums.fold()),
        lane_(lane_of(sums.dtype)),
        n_(static_cast<double>(sums.part.end - sums.part.begin)),
        out_(out) {}

  void operator()() const noexcept {
    const std::int64_t small = sums_.walk.regime == Regime::rows ? max_block_rows : first_block;
    std::memset(pivot(0), 0, static_cast<std::size_t>(fold_ * width_ * size_of(lane_)));
    const double size = sums_.sample(x_, c_, width_, pivot(0), out_.first, out_.second);
    set_pivots(nullptr, size);
    read();
    if (sums_.walk.count <= small) {
      set_pivots(out_.base, n_);
      read();
    }
    if (moments() || sums_.walk.count <= small) return;
    for (std::int64_t i = 0; i < width_; ++i) {
      if (!pivot_served(lane_, n_, out_.base[i], out_.first[i], out_.second[i])) read_again(i);
    }
  }

 private:
  /// The pivot of a virtual channel.
  [[nodiscard]] void* pivot(std::int64_t i) const noexcept {
    return at(lane_, static_cast<void*>(sums_.room.block[0]), i);
  }

  void set_pivots(const double* from, double n) const noexcept {
    sums_.kernels.set_pivots(from, out_.first, n, width_, out_.base, pivot(0));
    if (fold_ > 1) spread_lanes(sums_, pivot(0), width_);
  }

  void read() const noexcept {
    if (fold_ == 1) {
      sums_.moments(x_, c_, width_, pivot(0), out_.first, out_.second);
      return;
    }
    double* const first = reinterpret_cast<double*>(sums_.room.block[3]);
    double* const second = first + fold_ * width_;
    sums_.moments(x_, c_ * fold_, width_ * fold_, pivot(0), first, second);
    join_sums(sums_, width_, out_);
  }

  [[nodiscard]] bool moments() const noexcept {
    return sums_.kernels.moments_about(n_, out_.base, out_.first, out_.second, width_);
  }

  /// One channel about the mean found.
  void read_again(std::int64_t i) const noexcept {
    out_.base[i] = to_lane(lane_, out_.base[i] + out_.first[i]);
    double sum = 0, square = 0;
    for (std::int64_t j = 0; j < fold_; ++j) {
      const std::int64_t k = fold_ == 1 ? i : sums_.virtual_channel(i, j, width_);
      store_element(lane_, pivot(k), 0, out_.base[i]);
      double more = 0, more_square = 0;
      sums_.moments(x_, c_ * fold_ + k, 1, pivot(k), &more, &more_square);
      sum += more;
      square += more_square;
    }
    (void)sums_.kernels.moments_about(n_, out_.base + i, &sum, &square, 1);
    out_.first[i] = sum;
    out_.second[i] = square;
  }

  const Sums& sums_;
  const void* x_;
  std::int64_t c_, width_, fold_;
  Dtype lane_;
  double n_;
  Partials out_;
};

/// Partial products of channels [c, c + width), as pivoted_moments.
template <class Sums>
void pivoted_products(const Sums& sums, const void* x, const void* g, const void* m, std::int64_t c,
                      std::int64_t width, const Partials& out) noexcept {
  const std::int64_t fold = sums.fold();
  if (fold == 1) {
    sums.products(x, g, c, width, m, out.first, out.second);
    return;
  }
  const Dtype lane = lane_of(sums.dtype);
  std::memcpy(sums.room.block[0], m, static_cast<std::size_t>(width * size_of(lane)));
  spread_lanes(sums, sums.room.block[0], width);
  double* const first = reinterpret_cast<double*>(sums.room.block[3]);
  sums.products(x, g, c * fold, width * fold, sums.room.block[0], first, first + fold * width);
  join_sums(sums, width, out);
}

/// Calls body(c, width, out) for slabs that a room holds.
template <class Sums, class Body>
void slabs(const Sums& sums, const Partials& out, const Body& body) noexcept {
  const Part& part = sums.part;
  for (std::int64_t i = 0; i < part.width; i += sums.most()) {
    body(part.c + i, std::min(sums.most(), part.width - i),
         Partials{out.first + i, out.second + i, out.base == nullptr ? nullptr : out.base + i});
  }
}

}  // namespace

void Moments::merge(const Moments& other) noexcept {
  if (other.count == 0) return;  // its mean is nothing, which may be far from this one
  if (count == 0) {
    *this = other;
    return;
  }
  const double delta = (other.base - base) + (other.offset - offset);
  const double ratio = other.count / (count + other.count);
  offset += delta * ratio;
  m2 += other.m2 + delta * delta * (count * ratio);
  count += other.count;
}

void moment_sums(const Kernels& kernels, Dtype dtype, const Walk& walk, const Part& part,
                 const void* x, ThreadRoom& room, const Partials& out) noexcept {
  const auto pivoted = [&]<class Sums>(const Sums& sums) {
    slabs(sums, out, [&](std::int64_t c, std::int64_t width, const Partials& slots) {
      PivotedMoments<Sums>(sums, x, c, width, slots)();
    });
  };
  if (walk.regime == Regime::rows) return pivoted(RowSums{kernels, dtype, walk, part, room});
  if (walk.regime == Regime::groups) return pivoted(GroupSums{kernels, dtype, walk, part, room});
  if (walk.regime == Regime::grains) return pivoted(GrainSums{kernels, dtype, walk, part, room});
  for (std::int64_t i = 0; i < part.width; ++i) {
    const Moments m = channel_moments(
        kernels, dtype, Blocks(walk, dtype, part.c + i, part.begin, part.end, room), x);
    out.base[i] = m.base;
    out.first[i] = m.offset;
    out.second[i] = m.m2;
  }
}

void product_sums(const Kernels& kernels, Dtype dtype, const Walk& walk, const Part& part,
                  const void* x, const void* g, const void* m, ThreadRoom& room,
                  const Partials& out) noexcept {
  const Dtype lane = lane_of(dtype);
  const auto pivoted = [&]<class Sums>(const Sums& sums) {
    slabs(sums, out, [&](std::int64_t c, std::int64_t width, const Partials& slots) {
      pivoted_products(sums, x, g, at(lane, m, c), c, width, slots);
    });
  };
  if (walk.regime == Regime::rows) return pivoted(RowSums{kernels, dtype, walk, part, room});
  if (walk.regime == Regime::groups) return pivoted(GroupSums{kernels, dtype, walk, part, room});
  if (walk.regime == Regime::grains) return pivoted(GrainSums{kernels, dtype, walk, part, room});
  for (std::int64_t i = 0; i < part.width; ++i) {
    const double pivot = load_element(lane, m, part.c + i);
    double sum = 0, dot = 0;
    for (Blocks blocks(walk, dtype, part.c + i, part.begin, part.end, room); !blocks.done();) {
      const std::int64_t count = blocks.next(max_block(dtype), true);
      const void* x_block = blocks.view(0, x);
      const void* g_block = blocks.view(1, g);
      double block_sum = 0, block_dot = 0;
      kernels.products(x_block, g_block, count, pivot, &block_sum, &block_dot);
      sum += block_sum;
      dot += block_dot;
    }
    out.first[i] = sum;
    out.second[i] = dot;
  }
}

}  // namespace truenorm::detail
