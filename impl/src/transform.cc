#include "transform.h"

#include <algorithm>

#include "careful.h"
#include "parallel.h"

namespace truenorm::detail {

namespace {

/// Runs shorter than this are packed together: a kernel call costs more than copying them.
constexpr std::int64_t shortest_direct_run = 32;

/// y = f(x), on dense elements of one channel, or on rows of several.
struct AffineOp {
  static constexpr std::size_t inputs = 1;
  Dtype dtype;
  const Kernels& kernels;
  const Coefficients& k;

  void dense(std::int64_t c, const std::array<const void*, 2>& in, void* out,
             std::int64_t count) const noexcept {
    const Dtype lane = lane_of(dtype);
    if (k.careful[c]) {
      careful_affine(dtype, in[0], out, count, k.mean[c], k.invstd[c], load(k.weight, c, 1),
                     load(k.bias, c, 0));
    } else {
      kernels.affine(in[0], out, count, at(lane, k.m, c), at(lane, k.a, c), at(lane, k.b, c));
    }
  }
  void rows(std::int64_t c, std::int64_t width, const std::array<const void*, 2>& in, void* out,
            const Axis& step, std::int64_t count) const noexcept {
    const Dtype lane = lane_of(dtype);
    kernels.row_affine(in[0], step.stride[0], out, step.stride[1], count, width, at(lane, k.m, c),
                       at(lane, k.a, c), at(lane, k.b, c));
  }
};

/// dx = f(x, g).
struct GradientOp {
  static constexpr std::size_t inputs = 2;
  Dtype dtype;
  const Kernels& kernels;
  const Coefficients& k;

  void dense(std::int64_t c, const std::array<const void*, 2>& in, void* out,
             std::int64_t count) const noexcept {
    const Dtype lane = lane_of(dtype);
    if (k.careful[c]) {
      careful_gradient(dtype, in[0], in[1], out, count, k.mean[c], k.offset[c], k.slope[c],
                       k.invstd[c], load(k.weight, c, 1));
    } else {
      kernels.gradient(in[0], in[1], out, count, at(lane, k.m, c), at(lane, k.a, c),
                       at(lane, k.b, c), at(lane, k.c, c));
    }
  }
  void rows(std::int64_t c, std::int64_t width, const std::array<const void*, 2>& in, void* out,
            const Axis& step, std::int64_t count) const noexcept {
    const Dtype lane = lane_of(dtype);
    kernels.row_gradient(in[0], step.stride[0], in[1], step.stride[1], out, step.stride[2], count,
                         width, at(lane, k.m, c), at(lane, k.a, c), at(lane, k.b, c),
                         at(lane, k.c, c));
  }
};

/// The loops around an operation. The output is the view after the inputs.
template <class Op>
class Sweep {
 public:
  Sweep(const Op& op, const Walk& walk, const std::array<const void*, 2>& in, void* out) noexcept
      : op_(op), walk_(walk), in_(in), out_(out) {}

  /// Values [begin, end) of one channel.
  void channel(std::int64_t c, std::int64_t begin, std::int64_t end,
               ThreadRoom& room) const noexcept {
    if (walk_.regime == Regime::runs && walk_.inner().size >= shortest_direct_run) {
      for (Cursor cursor(walk_, begin); begin < end;) {
        const std::int64_t count = std::min(end - begin, cursor.left_in_run());
        std::array<const void*, 2> block{};
        for (std::size_t v = 0; v < Op::inputs; ++v) {
          block[v] = at(op_.dtype, in_[v], place(v, c, cursor));
        }
        op_.dense(c, block, at(op_.dtype, out_, place(Op::inputs, c, cursor)), count);
        cursor.advance(count);
        begin += count;
      }
      return;
    }
    while (begin < end) {
      const std::int64_t count = std::min(end - begin, max_block(op_.dtype));
      for (std::size_t v = 0; v < Op::inputs; ++v) {
        gather(walk_, v, op_.dtype, in_[v], c, begin, count, room.block[v]);
      }
      op_.dense(c, {room.block[0], room.block[1]}, room.block[2], count);
      scatter(walk_, Op::inputs, op_.dtype, out_, c, begin, count, room.block[2]);
      begin += count;
    }
  }

  /// Rows [begin, end) of all channels: ordinary neighbours together, careful channels one by one.
  void rows(std::int64_t begin, std::int64_t end, ThreadRoom& room) const noexcept {
    for (std::int64_t c = 0; c < walk_.channels;) {
      if (op_.k.careful[c]) {
        channel(c, begin, end, room);
        ++c;
        continue;
      }
      std::int64_t stop = c + 1;
      while (stop < walk_.channels && !op_.k.careful[stop]) ++stop;
      Cursor cursor(walk_, begin);
      for (std::int64_t left = end - begin; left > 0;) {
        const std::int64_t count = std::min(left, cursor.left_in_run());
        std::array<const void*, 2> first{};
        for (std::size_t v = 0; v < Op::inputs; ++v) {
          first[v] = at(op_.dtype, in_[v], place(v, c, cursor));
        }
        op_.rows(c, stop - c, first, at(op_.dtype, out_, place(Op::inputs, c, cursor)),
                 walk_.inner(), count);
        cursor.advance(count);
        left -= count;
      }
      c = stop;
    }
  }

  void all(const Run& run) const noexcept {
    const Tasks tasks = transform_tasks(walk_);
    parallel_for(run.threads, tasks.count(), [&](std::int64_t i, int thread) {
      const std::int64_t begin = i % tasks.segments * tasks.length;
      const std::int64_t end = std::min(begin + tasks.length, walk_.count);
      if (walk_.regime == Regime::rows) {
        rows(begin, end, run.rooms[thread]);
      } else {
        channel(i / tasks.segments, begin, end, run.rooms[thread]);
      }
    });
  }

 private:
  [[nodiscard]] std::int64_t place(std::size_t v, std::int64_t c,
                                   const Cursor& cursor) const noexcept {
    return c * walk_.channel_stride[v] + cursor.offsets()[v];
  }

  const Op& op_;
  const Walk& walk_;
  std::array<const void*, 2> in_;
  void* out_;
};

}  // namespace

void apply_affine(const Run& run, Dtype dtype, const Walk& walk, const void* x, void* y,
                  const Coefficients& coefficients) noexcept {
  const AffineOp op{dtype, run.kernels, coefficients};
  Sweep<AffineOp>(op, walk, {x, nullptr}, y).all(run);
}

void apply_gradient(const Run& run, Dtype dtype, const Walk& walk, const void* x, const void* g,
                    void* dx, const Coefficients& coefficients) noexcept {
  const GradientOp op{dtype, run.kernels, coefficients};
  Sweep<GradientOp>(op, walk, {x, g}, dx).all(run);
}

}  // namespace truenorm::detail
