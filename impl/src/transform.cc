#include "transform.h"

#include <algorithm>

#include "careful.h"

namespace truenorm::detail {

namespace {

/// Where the elements of a kernel call lie: the inputs, then the output.
struct Place {
  std::array<const void*, 2> in{};
  void* out = nullptr;
};

/// y = f(x).
struct AffineOp {
  static constexpr std::size_t inputs = 1;
  Dtype dtype;
  const Kernels& kernels;
  const Coefficients& k;

  /// Dense elements of one channel, with care.
  void careful(std::int64_t c, const Place& p, std::int64_t count) const noexcept {
    careful_affine(dtype, p.in[0], p.out, count, k.mean[c], k.invstd[c], load(k.weight, c, 1),
                   load(k.bias, c, 0));
  }
  /// Dense runs of neighbouring channels.
  void group(std::int64_t c, std::int64_t channels, const Place& p, std::int64_t length,
             Touch touch) const noexcept {
    const Dtype lane = lane_of(dtype);
    kernels.group_affine(p.in[0], p.out, length, channels, at(lane, k.m, c), at(lane, k.a, c),
                         at(lane, k.b, c), touch);
  }
  void rows(std::int64_t c, std::int64_t channels, const Place& p, const Axis& step,
            std::int64_t fold, std::int64_t count, Touch touch) const noexcept {
    const Dtype lane = lane_of(dtype);
    kernels.row_affine(p.in[0], step.stride[0] * fold, p.out, step.stride[1] * fold, count,
                       channels, at(lane, k.m, c), at(lane, k.a, c), at(lane, k.b, c), touch);
  }
};

/// dx = f(x, g).
struct GradientOp {
  static constexpr std::size_t inputs = 2;
  Dtype dtype;
  const Kernels& kernels;
  const Coefficients& k;

  void careful(std::int64_t c, const Place& p, std::int64_t count) const noexcept {
    careful_gradient(dtype, p.in[0], p.in[1], p.out, count, k.mean[c], k.offset[c], k.slope[c],
                     k.invstd[c], load(k.weight, c, 1));
  }
  void group(std::int64_t c, std::int64_t channels, const Place& p, std::int64_t length,
             Touch touch) const noexcept {
    const Dtype lane = lane_of(dtype);
    kernels.group_gradient(p.in[0], p.in[1], p.out, length, channels, at(lane, k.m, c),
                           at(lane, k.a, c), at(lane, k.b, c), at(lane, k.c, c), touch);
  }
  void rows(std::int64_t c, std::int64_t channels, const Place& p, const Axis& step,
            std::int64_t fold, std::int64_t count, Touch touch) const noexcept {
    const Dtype lane = lane_of(dtype);
    kernels.row_gradient(p.in[0], step.stride[0] * fold, p.in[1], step.stride[1] * fold, p.out,
                         step.stride[2] * fold, count, channels, at(lane, k.m, c), at(lane, k.a, c),
                         at(lane, k.b, c), at(lane, k.c, c), touch);
  }
};

/// The loops around an operation over one part.
template <class Op>
class Sweep {
 public:
  Sweep(const Op& op, const Walk& walk, const Part& part, const std::array<const void*, 2>& in,
        void* out, const Order& order, ThreadRoom& room) noexcept
      : op_(op), walk_(walk), part_(part), in_(in), out_(out), order_(order), room_(room) {}

  /// Ordinary neighbours together, careful channels one by one.
  void operator()() const noexcept {
    const std::int64_t end = part_.c + part_.width;
    for (std::int64_t c = part_.c; c < end;) {
      std::int64_t stop = c;
      while (stop < end && !op_.k.careful[stop]) ++stop;
      if (stop > c) {
        ordinary(c, stop);
        c = stop;
      } else {
        packed(c, part_.begin, part_.end,
               [&](const Place& p, std::int64_t count) { op_.careful(c, p, count); });
        ++c;
      }
    }
  }

 private:
  [[nodiscard]] Place place(std::int64_t c, const Offsets& offsets) const noexcept {
    Place p;
    for (std::size_t v = 0; v < Op::inputs; ++v) {
      p.in[v] = at(op_.dtype, in_[v], c * walk_.channel_stride[v] + offsets[v]);
    }
    p.out = at(op_.dtype, out_, c * walk_.channel_stride[Op::inputs] + offsets[Op::inputs]);
    return p;
  }

  void ordinary(std::int64_t c, std::int64_t stop) const noexcept {
    if (walk_.regime == Regime::rows) return rows(c, stop);
    if (walk_.regime == Regime::grains) return grains(c, stop);
    if (walk_.regime == Regime::strided) return strided(c, stop);
    runs(c, stop);
  }

  /// Values of one channel, by way of dense blocks.
  template <class Body>
  void packed(std::int64_t c, std::int64_t begin, std::int64_t end,
              const Body& body) const noexcept {
    while (begin < end) {
      const std::int64_t count = std::min(end - begin, max_block(op_.dtype));
      for (std::size_t v = 0; v < Op::inputs; ++v) {
        gather(walk_, v, op_.dtype, in_[v], c, begin, count, room_.block[v]);
      }
      body(Place{{room_.block[0], room_.block[1]}, room_.block[2]}, count);
      scatter(walk_, Op::inputs, op_.dtype, out_, c, begin, count, room_.block[2]);
      begin += count;
    }
  }

  void strided(std::int64_t c, std::int64_t stop) const noexcept {
    for (; c < stop; ++c) {
      packed(c, part_.begin, part_.end,
             [&](const Place& p, std::int64_t count) { op_.group(c, 1, p, count, {}); });
    }
  }

  /// True if the run of a channel is followed by that of the next one.
  [[nodiscard]] bool dense() const noexcept {
    return std::all_of(walk_.channel_stride.begin(), walk_.channel_stride.begin() + walk_.views,
                       [&](std::int64_t s) { return s == walk_.inner().size; });
  }

  /// Elements from a channel to the one that is summed next; 0 if the inputs disagree.
  [[nodiscard]] std::int64_t ahead() const noexcept {
    const std::int64_t step = walk_.channel_stride[0];
    const bool same = Op::inputs == 1 || walk_.channel_stride[1] == step;
    return same ? order_.ahead * step : 0;
  }

  void runs(std::int64_t c, std::int64_t stop) const noexcept {
    const std::int64_t length = walk_.inner().size;
    const std::int64_t first = part_.begin / length, last = (part_.end - 1) / length;
    const Touch touch{order_.store, ahead()};
    const std::int64_t together = dense() ? stop - c : 1;
    for (std::int64_t i = first; i <= last; ++i) {
      const std::int64_t run = order_.reversed ? last - (i - first) : i;
      const std::int64_t begin = std::max(part_.begin, run * length);
      const std::int64_t count = std::min(part_.end, (run + 1) * length) - begin;
      const Cursor cursor(walk_, begin);
      const std::int64_t step = count == length ? together : 1;
      for (std::int64_t k = c; k < stop; k += step) {
        op_.group(k, step, place(k, cursor.offsets()), count, touch);
      }
    }
  }

  /// An image is a row of virtual channels.
  void grains(std::int64_t c, std::int64_t stop) const noexcept {
    const std::int64_t fold = walk_.fold, images = (part_.end - part_.begin) / fold;
    const Axis step = walk_.rank == 1 ? Axis{} : walk_.axes[0];
    op_.rows(c * fold, (stop - c) * fold, place(c, Cursor(walk_, part_.begin).offsets()), step, 1,
             images, {order_.store, ahead()});
  }

  void rows(std::int64_t c, std::int64_t stop) const noexcept {
    // Virtual rows are whole: all channels, or none folded.
    const std::int64_t fold = stop - c == walk_.channels ? walk_.fold : 1;
    const std::int64_t rest = (part_.end - part_.begin) % fold;
    Cursor cursor(walk_, part_.begin);
    for (std::int64_t left = part_.end - part_.begin - rest; left > 0;) {
      const std::int64_t count = std::min(left, cursor.left_in_run());
      op_.rows(c, (stop - c) * fold, place(c, cursor.offsets()), walk_.inner(), fold, count / fold,
               {order_.store, ahead()});
      cursor.advance(count);
      left -= count;
    }
    if (rest > 0) {
      op_.rows(c, (stop - c) * rest, place(c, Cursor(walk_, part_.end - rest).offsets()),
               walk_.inner(), fold, 1, {});
    }
  }

  const Op& op_;
  const Walk& walk_;
  const Part& part_;
  std::array<const void*, 2> in_;
  void* out_;
  const Order& order_;
  ThreadRoom& room_;
};

}  // namespace

void store_coefficients(Dtype lane, const Walk& walk, std::int64_t c, std::int64_t count,
                        const double* from, void* to) noexcept {
  if (walk.regime != Regime::grains) {
    for (std::int64_t j = 0; j < walk.fold; ++j) {
      store_lanes(lane, to, j * walk.channels + c, count, from);
    }
    return;
  }
  store_lanes(lane, to, c * walk.fold, count, from);
  spread(static_cast<float*>(to) + c * walk.fold, count, walk.fold);  // f64 has no grains
}

void apply_affine(const Kernels& kernels, Dtype dtype, const Walk& walk, const Part& part,
                  const void* x, void* y, const Coefficients& coefficients, const Order& order,
                  ThreadRoom& room) noexcept {
  const AffineOp op{dtype, kernels, coefficients};
  Sweep<AffineOp>(op, walk, part, {x, nullptr}, y, order, room)();
}

void apply_gradient(const Kernels& kernels, Dtype dtype, const Walk& walk, const Part& part,
                    const void* x, const void* g, void* dx, const Coefficients& coefficients,
                    const Order& order, ThreadRoom& room) noexcept {
  const GradientOp op{dtype, kernels, coefficients};
  Sweep<GradientOp>(op, walk, part, {x, g}, dx, order, room)();
}

}  // namespace truenorm::detail
