// A pivot that was sampled far from the mean: such a channel is read again.
#include <truenorm/context.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "../impl/src/readers.h"
#include "../impl/src/sums.h"
#include "arena.h"
#include "numbers.h"
#include "played.h"
#include "players/players.h"

namespace truenorm::oracle {
namespace {

using detail::Regime;

/// What the implementation does with one case, step by step.
class Inside {
 public:
  explicit Inside(const Case& c) : shape_(c.problem.shape) {
    ConstTensor x;
    x.dtype = c.problem.dtype == Dtype::f64 ? truenorm::Dtype::f64 : truenorm::Dtype::f32;
    x.rank = shape_.rank();
    x.size = {shape_.n, shape_.c, shape_.s[0], shape_.s[1], shape_.s[2]};
    x.stride = strides_of(c.exec->x, shape_);
    dtype_ = x.dtype;
    stride_ = x.stride;
    const std::array<ConstTensor, 1> views{x};
    plan_ = detail::make_plan(views, {}, 1, {std::int64_t{1} << 20, 0});
    kernels_ =
        &(*detail::find_kernels(*available_isas().begin()))[static_cast<std::size_t>(x.dtype)];
  }

  [[nodiscard]] const detail::Walk& walk() const { return plan_.sums; }

  /// The values of a channel, by their places in the walk, that the pivot of their part is taken
  /// from: those that show in the sums of the sample.
  std::vector<bool> sampled() {
    std::vector<bool> found(static_cast<std::size_t>(walk().count));
    place(std::vector<double>(found.size() * static_cast<std::size_t>(walk().channels)));
    for (std::int64_t i = 0; i < plan_.parts.segments; ++i) {
      const detail::Part part = segment(i);
      mark(part, part.begin, part.end, found);
    }
    return found;
  }

  /// The moments of every channel by one sampled pivot for each part.
  std::vector<detail::Moments> by_sampled_pivots(const std::vector<double>& x) {
    place(x);
    std::vector<detail::Moments> all(static_cast<std::size_t>(walk().channels));
    for (std::int64_t i = 0; i < plan_.parts.segments; ++i) {
      const detail::Part part = segment(i);
      with_sums(part, [&](const auto& sums) { add_moments(sums, all); });
    }
    return all;
  }

  /// Holds the sample of every part to its own values: ones among NaN.
  void expect_samples_of_their_parts() {
    const std::int64_t channels = walk().channels, half = channels / 2;
    for (std::int64_t i = 0; i < plan_.parts.segments; ++i) {
      const detail::Part part = segment(i);
      for (const bool upper : {false, true}) {
        const std::int64_t c = upper ? half : 0, end = upper ? channels : half;
        place(std::vector<double>(static_cast<std::size_t>(walk().count * channels),
                                  std::numeric_limits<double>::quiet_NaN()));
        for (std::int64_t k = c; k < end; ++k) set(k, part.begin, part.end, 1);
        std::vector<double> first(static_cast<std::size_t>(end - c));
        double size = 0;
        with_sums(part, [&](const auto& sums) { size = sample(sums, c, first); });
        EXPECT_GT(size, 0);
        EXPECT_LE(size, static_cast<double>(part.end - part.begin));
        EXPECT_EQ(first, std::vector<double>(first.size(), size)) << i << ", " << c;
      }
    }
  }

  /// The moments of the first part.
  std::vector<detail::Moments> moments(const std::vector<double>& x) {
    place(x);
    const detail::Part part = segment(0);
    const auto channels = static_cast<std::size_t>(walk().channels);
    std::vector<double> first(channels), second(channels), base(channels);
    moment_sums(*kernels_, dtype_, walk(), part, memory_.data(), *room_,
                {first.data(), second.data(), base.data()});
    std::vector<detail::Moments> all;
    for (std::size_t c = 0; c < channels; ++c)
      all.push_back({static_cast<double>(part.end - part.begin), base[c], first[c], second[c]});
    return all;
  }

  /// Logical index of value `place` of a channel.
  [[nodiscard]] std::size_t logical(std::int64_t channel, std::int64_t place) const {
    const std::int64_t plane = shape_.plane();
    // Both orders of a dense walk: image by image.
    return static_cast<std::size_t>(place / plane * shape_.c * plane + channel * plane +
                                    place % plane);
  }

 private:
  [[nodiscard]] detail::Part segment(std::int64_t i) const {
    detail::Part part = part_of(walk(), plan_.parts, i * plan_.parts.slabs);
    part.c = 0;
    part.width = walk().channels;
    return part;
  }

  template <class Body>
  void with_sums(const detail::Part& part, const Body& body) {
    if (walk().regime == Regime::rows) {
      body(detail::RowSums{*kernels_, dtype_, walk(), part, *room_});
    } else if (walk().regime == Regime::groups) {
      body(detail::GroupSums{*kernels_, dtype_, walk(), part, *room_});
    } else {
      body(detail::GrainSums{*kernels_, dtype_, walk(), part, *room_});
    }
  }

  /// Puts values in logical order where the layout has them.
  void place(const std::vector<double>& x) {
    const auto size = static_cast<std::size_t>(size_of(dtype_));
    memory_.assign(x.size() * size, std::byte{});
    for (std::int64_t c = 0; c < walk().channels; ++c) {
      detail::Cursor cursor(walk(), 0);
      for (std::int64_t i = 0; i < walk().count; ++i, cursor.advance(1)) {
        detail::store_element(dtype_, memory_.data(),
                              c * walk().channel_stride[0] + cursor.offsets()[0], x[logical(c, i)]);
      }
    }
  }

  /// Sums of the samples of channels from c on, as a pivot is made of them, and their size.
  template <class Sums>
  double sample(const Sums& sums, std::int64_t c, std::vector<double>& first) {
    std::vector<double> second(first.size());
    // Pivots of all virtual channels.
    std::vector<double> zero(first.size() * static_cast<std::size_t>(sums.fold()));
    return sums.sample(memory_.data(), c, static_cast<std::int64_t>(first.size()), zero.data(),
                       first.data(), second.data());
  }

  /// Sets values [begin, end) of a channel.
  void set(std::int64_t c, std::int64_t begin, std::int64_t end, double value) {
    detail::Cursor cursor(walk(), begin);
    for (; begin < end; ++begin, cursor.advance(1))
      detail::store_element(dtype_, memory_.data(),
                            c * walk().channel_stride[0] + cursor.offsets()[0], value);
  }

  /// Halves [begin, end) of channel 0, where all else is 0, down to the values that a sample has.
  void mark(const detail::Part& part, std::int64_t begin, std::int64_t end,
            std::vector<bool>& found) {
    set(0, begin, end, 1);
    std::vector<double> first(static_cast<std::size_t>(walk().channels));
    with_sums(part, [&](const auto& sums) { (void)sample(sums, 0, first); });
    set(0, begin, end, 0);
    if (first[0] == 0) return;
    if (end - begin == 1) {
      found[static_cast<std::size_t>(begin)] = true;
      return;
    }
    const std::int64_t middle = begin + (end - begin) / 2;
    mark(part, begin, middle, found);
    mark(part, middle, end, found);
  }

  template <class Sums>
  void add_moments(const Sums& sums, std::vector<detail::Moments>& all) {
    const std::int64_t width = walk().channels, fold = sums.fold();
    const auto virtual_width = static_cast<std::size_t>(width * fold);
    std::vector<double> first(virtual_width), second(virtual_width);
    const double size = sample(sums, 0, first);
    std::vector<double> base(static_cast<std::size_t>(width));
    std::vector<double> pivots(virtual_width);  // lanes of either type
    const truenorm::Dtype lane = detail::lane_of(dtype_);
    for (std::size_t c = 0; c < base.size(); ++c) {
      base[c] = detail::to_lane(lane, first[c] / size);
      detail::store_element(lane, pivots.data(), static_cast<std::int64_t>(c), base[c]);
    }
    if (fold > 1) {
      if (lane == truenorm::Dtype::f64) {
        sums.spread(pivots.data(), width);
      } else {
        sums.spread(reinterpret_cast<float*>(pivots.data()), width);
      }
    }
    sums.moments(memory_.data(), 0, width * fold, pivots.data(), first.data(), second.data());
    std::vector<double> sum(first), square(second);
    if (fold > 1) {
      sums.join(width, first.data(), sum.data());
      sums.join(width, second.data(), square.data());
    }
    const double n = static_cast<double>(sums.part.end - sums.part.begin);
    for (std::size_t c = 0; c < base.size(); ++c)
      all[c].merge({n, base[c], sum[c] / n, square[c] - sum[c] * (sum[c] / n)});
  }

  Shape shape_;
  truenorm::Dtype dtype_{};
  std::array<std::int64_t, 5> stride_{};
  detail::Plan plan_;
  const detail::Kernels* kernels_ = nullptr;
  std::unique_ptr<detail::ThreadRoom> room_ = std::make_unique<detail::ThreadRoom>();
  std::vector<std::byte> memory_;
};

/// How many channels of a case leave their balls if nothing is read again. What the implementation
/// answers must lie in all of them.
int misses(std::string_view line, Regime regime, bool folded) {
  Case c = with_exec(line);
  Inside inside(c);
  EXPECT_EQ(inside.walk().regime, regime) << line;
  EXPECT_EQ(regime == Regime::rows && inside.walk().fold > 1, folded) << line;

  // The sampled values lie far off; the others are one number, whose roundings add up.
  const std::vector<bool> sampled = inside.sampled();
  Inputs inputs = make_inputs(c);
  std::vector<double>& x = inputs.step[0];
  const auto far = std::count(sampled.begin(), sampled.end(), true);
  EXPECT_GT(far, 0) << line;
  for (std::int64_t channel = 0; channel < inside.walk().channels; ++channel) {
    const double near = x[inside.logical(channel, 0)];
    for (std::int64_t i = 0; i < inside.walk().count; ++i)
      x[inside.logical(channel, i)] = sampled[static_cast<std::size_t>(i)] ? 1e4 : near;
  }

  const auto player = make_truenorm();
  const Answer balls = answer(c.problem, inputs, player->contract(c.problem, *c.exec));
  const Verdict v = judge(player->play(c, inputs), balls);
  EXPECT_EQ(v.result, Result::pass) << report(c, v);

  int missed = 0;
  const Balls& mean = balls.steps[0].save_mean;
  const Balls& invstd = balls.steps[0].save_invstd;
  const std::vector<detail::Moments> moments = inside.by_sampled_pivots(x);
  for (std::size_t k = 0; k < moments.size(); ++k) {
    const double got = 1 / std::sqrt(moments[k].m2 / moments[k].count + c.problem.eps);
    const bool out = !(std::abs(got - invstd.mid[k]) <= invstd.radius[k]) ||
                     !(std::abs(moments[k].mean() - mean.mid[k]) <= mean.radius[k]);
    missed += out;
  }
  std::printf("%-60s %5lld sampled, score %.3f, %d of %zu channels would miss\n",
              std::string(line).c_str(), static_cast<long long>(far), v.score, missed,
              moments.size());
  return missed;
}

TEST(Pivots, GroupsAreReadAgain) {
  EXPECT_GT(misses("tn1 n1300c6s7x7 f32 run=TE | nchw", Regime::groups, false), 0);
  EXPECT_GT(misses("tn1 n1300c6s7x7 f64 run=TE | nchw", Regime::groups, false), 0);
  EXPECT_GT(misses("tn1 n250c3s16x16 f32 run=TE | nchw", Regime::groups, false), 0);
}
TEST(Pivots, GrainsAreReadAgain) {
  EXPECT_GT(misses("tn1 n16000c6s2x2 f32 run=TE | nchw", Regime::grains, false), 0);
  EXPECT_GT(misses("tn1 n7000c5s3x3 f32 run=TE | nchw", Regime::grains, false), 0);
}
// A part of rows is too short for its pivot to lead f64 out of a ball that has room for all
// additions of blocks.
TEST(Pivots, RowsAreReadAgain) {
  EXPECT_GT(misses("tn1 n64c16s32x32 f32 run=TE | nhwc", Regime::rows, false), 0);
  (void)misses("tn1 n64c16s32x32 f64 run=TE | nhwc", Regime::rows, false);
}
TEST(Pivots, FoldedRowsAreReadAgain) {
  EXPECT_GT(misses("tn1 n64c3s32x32 f32 run=TE | nhwc", Regime::rows, true), 0);
  (void)misses("tn1 n64c3s32x32 f64 run=TE | nhwc", Regime::rows, true);
}

TEST(Pivots, SamplesAreOfTheirPartAlone) {
  for (const char* line : {"tn1 n40c6s7x7 f32 run=T | nchw", "tn1 n3000c3s7x7 f32 run=T | nchw",
                           "tn1 n3c5s16 f32 run=T | nchw", "tn1 n70c4s5x5 f64 run=T | nchw",
                           "tn1 n40000c2s2x2 f32 run=T | nchw", "tn1 n3c5s3x5 f32 run=T | nchw",
                           "tn1 n1000c20 f32 run=T | nhwc", "tn1 n1000c20 f64 run=T | nhwc",
                           "tn1 n5c20s3x3 f32 run=T | nhwc", "tn1 n1000c3 f32 run=T | nhwc"}) {
    SCOPED_TRACE(line);
    Inside(with_exec(line)).expect_samples_of_their_parts();
  }
}

// Whole numbers, whose sums are exact, and a mean that lanes hold.
TEST(Pivots, ChannelsOfFewValuesAreSummedAboutTheirOwnMean) {
  for (const char* line : {"tn1 n1c5s16x16 f32 run=T | nchw", "tn1 n4c5s8x8 f32 run=T | nchw",
                           "tn1 n4c5s8x8 f64 run=T | nchw", "tn1 n64c5s2x2 f32 run=T | nchw",
                           "tn1 n64c17 f32 run=T | nhwc", "tn1 n64c17 f64 run=T | nhwc",
                           "tn1 n4c64s4x4 f32 run=T | nhwc"}) {
    SCOPED_TRACE(line);
    const Case c = with_exec(line);
    Inside inside(c);
    std::vector<double> x(static_cast<std::size_t>(c.problem.shape.numel()));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = 100 + static_cast<double>(mix(i) % 17);
    const std::vector<detail::Moments> moments = inside.moments(x);
    for (std::size_t k = 0; k < moments.size(); ++k) {
      double sum = 0;
      for (std::int64_t i = 0; i < inside.walk().count; ++i)
        sum += x[inside.logical(static_cast<std::int64_t>(k), i)];
      EXPECT_EQ(moments[k].base, sum / moments[k].count) << k;
      EXPECT_EQ(moments[k].offset, 0) << k;
    }
  }
}

}  // namespace
}  // namespace truenorm::oracle
