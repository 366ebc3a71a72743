// The kernels that read channels' statistics rather than elements: each channel is computed as if it
// were alone, to the same bits on every instruction set; and it is called doubtful or careful exactly
// where its lanes cannot hold what they would have to.
#include <gtest/gtest.h>
#include <truenorm/functional.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "../impl/src/kernels.h"
#include "../impl/src/scalar.h"
#include "numbers.h"

namespace truenorm::detail {
namespace {

constexpr std::array<std::int64_t, 10> kCounts{1, 2, 3, 4, 5, 7, 8, 9, 63, channel_block};
constexpr std::array<Dtype, 2> kLanes{Dtype::f32, Dtype::f64};
constexpr std::array<double, 4> kValues{2, 3, 64, 1e6};  // of a channel

const Kernels& kernels_of(Isa isa, Dtype lane) {
  return (*find_kernels(isa))[static_cast<std::size_t>(lane)];
}

/// A number of either sign, most often at the edge of what a lane holds or of what counts as large or
/// tiny in it; now and then 0. Wild: up to what the lane does not hold.
double any_number(Dtype lane, bool wild, std::uint64_t seed) {
  constexpr std::array<int, 12> kExponents{-127, -126, -125, -101, -100, -50,
                                           0,    1,    50,   99,   100,  127};
  const std::uint64_t hash = oracle::mix(seed);
  if (hash % 23 == 0) return 0;
  if (wild && hash % 97 == 0) return std::numeric_limits<double>::infinity();
  const int exponent = kExponents[hash / 8 % (kExponents.size() - (wild ? 0 : 1))];
  const int wider = lane == Dtype::f32 ? 0 : exponent < -102 ? -896 : exponent > 99 ? 896 : 0;
  const double size = std::ldexp(hash % 3 == 0 ? 1.5 : 1, exponent + wider);
  return hash / 1024 % 2 == 0 ? size : -size;
}

/// A block is nothing but columns.
template <class Block>
using Columns = std::array<std::array<double, channel_block>, sizeof(Block) / sizeof(Column)>;

template <class Block>
Block any_block(Dtype lane, std::uint64_t seed, bool wild = true) {
  Columns<Block> columns;
  for (auto& column : columns)
    for (double& value : column) value = any_number(lane, wild, ++seed * 7919);
  return std::bit_cast<Block>(columns);
}

bool same(double a, double b) {
  return std::isnan(a) ? std::isnan(b)
                       : std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

/// Holds a block of channels to each channel alone, on the same instruction set and, while lanes hold
/// everything, on the portable one.
template <class Block, class Call>
void expect_each_alone(const Call& call) {
  for (const Dtype lane : kLanes)
    for (const Isa isa : available_isas())
      for (const std::int64_t count : kCounts)
        for (std::uint64_t seed = 0; seed < 10; ++seed) {
          const bool wild = seed % 2 == 0;
          auto together = any_block<Block>(lane, seed << 16, wild);
          const auto given = std::bit_cast<Columns<Block>>(together);
          call(kernels_of(isa, lane), together, lane, count);
          const auto got = std::bit_cast<Columns<Block>>(together);
          for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
            auto columns = given;
            for (std::size_t k = 0; k < columns.size(); ++k) columns[k][0] = given[k][i];
            auto alone = std::bit_cast<Block>(columns);
            call(kernels_of(wild ? isa : Isa::scalar, lane), alone, lane, 1);
            columns = std::bit_cast<Columns<Block>>(alone);
            for (std::size_t k = 0; k < columns.size(); ++k)
              ASSERT_TRUE(same(got[k][i], columns[k][0]))
                  << name(isa) << " " << name(lane) << ", channel " << i << " of " << count
                  << ", column " << k << ": " << got[k][i] << " for " << columns[k][0];
          }
        }
}

TEST(Coefficients, EachChannelIsAsIfAlone) {
  expect_each_alone<ForwardBlock>([](const Kernels& k, ForwardBlock& b, Dtype, std::int64_t count) {
    (void)k.forward_statistics(b, count, 7);
  });
  for (const bool batch : {false, true})
    for (const double eps : {0.0, 1e-5})
      expect_each_alone<ForwardBlock>(
          [&](const Kernels& k, ForwardBlock& b, Dtype, std::int64_t count) {
            (void)k.forward_coefficients(b, count, eps, batch);
          });
  expect_each_alone<BackwardBlock>([](const Kernels& k, BackwardBlock& b, Dtype,
                                      std::int64_t count) { (void)k.backward_sums(b, count); });
  expect_each_alone<BackwardBlock>(
      [](const Kernels& k, BackwardBlock& b, Dtype, std::int64_t count) {
        (void)k.backward_coefficients(b, count, 7);
      });
}

// These are given no more memory than there are channels.
TEST(Coefficients, EachChannelIsMergedAndPivotedAsIfAlone) {
  expect_each_alone<ForwardBlock>([](const Kernels& k, ForwardBlock& b, Dtype, std::int64_t count) {
    k.merge_moments(b, 12, b.mean, b.rest, b.var, 5, count);
  });
  expect_each_alone<ForwardBlock>([](const Kernels& k, ForwardBlock& b, Dtype, std::int64_t count) {
    (void)k.moments_about(7, b.base, b.offset, b.m2, count);
  });
  for (const bool from : {false, true})
    expect_each_alone<ForwardBlock>(
        [&](const Kernels& k, ForwardBlock& b, Dtype lane, std::int64_t count) {
          Column pivot;
          k.set_pivots(from ? b.base : nullptr, b.offset, 7, count, b.base, pivot);
          for (std::int64_t i = 0; i < count; ++i) b.a[i] = load_element(lane, pivot, i);
        });
}

/// Zero, or a normal number of at most `most`.
bool held(double v, const Range& lane, double most) {
  return v == 0 || (std::abs(v) >= lane.least && std::abs(v) <= most);
}

/// Holds a column of flags, and what the kernel said of all of them, to what is expected of each
/// channel. Both kinds must be met often, or it says nothing.
class Flags {
 public:
  template <class Expected>
  void expect(const Column& flags, std::int64_t count, bool any, const Expected& expected) {
    bool expect_any = false;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      const bool flag = expected(i);
      EXPECT_EQ(flags[i], flag ? 1 : 0) << "channel " << i << " of " << count;
      ++count_[flag ? 1 : 0];
      expect_any |= flag;
    }
    // Lanes without a channel may be special, too.
    EXPECT_TRUE(count == channel_block ? any == expect_any : any || !expect_any);
  }
  ~Flags() { EXPECT_GT(std::min(count_[0], count_[1]), 50); }

 private:
  std::array<int, 2> count_{};
};

TEST(Coefficients, SumsAreDoubtfulWhereLanesMayHaveLostThem) {
  for (const Dtype lane : kLanes) {
    const Kernels& kernels = kernels_of(available_isas().items[0], lane);
    const double tiny = range_of(lane).tiny;
    Flags forward, backward;
    for (std::uint64_t seed = 0; seed < 200 && !HasFailure(); ++seed) {
      const double n = kValues[seed % kValues.size()];
      const std::int64_t count = kCounts[seed % kCounts.size()];
      auto f = any_block<ForwardBlock>(lane, seed << 16);
      for (double& m2 : f.m2) m2 = std::abs(m2);
      bool any = kernels.forward_statistics(f, count, n);
      forward.expect(f.doubtful, count, any, [&](std::size_t i) {
        return !(std::isfinite(f.mean[i]) && std::isfinite(f.m2[i]) && f.m2[i] >= n * tiny);
      });
      auto b = any_block<BackwardBlock>(lane, seed << 16);
      any = kernels.backward_sums(b, count);
      backward.expect(b.doubtful, count, any, [&](std::size_t i) {
        const bool lost = tiny > 0 && std::abs(b.dot[i]) <= tiny;
        return !(std::isfinite(b.sum[i]) && std::isfinite(b.dot[i])) || lost;
      });
    }
  }
}

TEST(Coefficients, AreCarefulWhereLanesCannotHoldThem) {
  for (const Dtype lane : kLanes) {
    const Kernels& kernels = kernels_of(available_isas().items[0], lane);
    const Range range = range_of(lane);
    Flags forward, backward;
    for (std::uint64_t seed = 0; seed < 200 && !HasFailure(); ++seed) {
      const double n = kValues[seed % kValues.size()], eps = seed % 2 == 0 ? 0 : range.tiny;
      const std::int64_t count = kCounts[seed % kCounts.size()];
      auto f = any_block<ForwardBlock>(lane, seed << 16);
      for (double& var : f.var) var = std::abs(var);
      bool any = kernels.forward_coefficients(f, count, eps, true);
      forward.expect(f.careful, count, any, [&](std::size_t i) {
        const bool lost = f.var[i] + eps < range.tiny && f.invstd[i] != 0;
        return lost || !(held(f.mean[i], range, range.large) && held(f.b[i], range, range.large) &&
                         held(f.a[i], range, range.most));
      });
      auto b = any_block<BackwardBlock>(lane, seed << 16);
      for (double& invstd : b.invstd) invstd = std::abs(invstd);
      any = kernels.backward_coefficients(b, count, n);
      backward.expect(b.careful, count, any, [&](std::size_t i) {
        // |x - mean| is at most sqrt(n)/invstd.
        const bool reached = lane == Dtype::f64 || b.b[i] == 0 ||
                             std::abs(b.b[i]) * std::sqrt(n) < range.large * b.invstd[i];
        return !(reached && held(b.mean[i], range, range.large) &&
                 held(b.c[i], range, range.large) && held(b.a[i], range, range.most) &&
                 held(b.b[i], range, range.most));
      });
    }
  }
}

// Nothing but its own values decides how a channel is computed.
TEST(Coefficients, AChannelOfACallHasTheBitsThatItHasAlone) {
  constexpr std::int64_t kChannels = 5;
  Context context(1);
  for (const std::int64_t length : {16, 40, 1000, 1024, 5000}) {
    const auto size = static_cast<std::size_t>(length * kChannels);
    std::vector<float> x(size), dy(size), y(size), dx(size), y_alone(size), dx_alone(size);
    std::array<double, kChannels> mean{}, invstd{};
    for (std::size_t i = 0; i < size; ++i) {
      x[i] = static_cast<float>(oracle::unit_interval(oracle::mix(i)));
      dy[i] = static_cast<float>(oracle::unit_interval(oracle::mix(i + size)));
    }
    const auto call = [&](std::int64_t c, std::int64_t channels, float* to_y, float* to_dx) {
      const auto at = [&](float* p) {
        return contiguous(p + c * length, Dtype::f32, {1, channels, length});
      };
      const Vector of_mean{&mean[static_cast<std::size_t>(c)], Dtype::f64, channels, 1},
          of_invstd{&invstd[static_cast<std::size_t>(c)], Dtype::f64, channels, 1};
      ForwardTraining forward;
      forward.x = at(x.data()), forward.y = at(to_y);
      forward.save_mean = of_mean, forward.save_invstd = of_invstd;
      ASSERT_TRUE(forward_training(context, forward).ok());
      BackwardTraining backward;
      backward.x = at(x.data()), backward.dy = at(dy.data()), backward.dx = at(to_dx);
      backward.save_mean = of_mean, backward.save_invstd = of_invstd;
      ASSERT_TRUE(backward_training(context, backward).ok());
    };
    call(0, kChannels, y.data(), dx.data());
    for (std::int64_t c = 0; c < kChannels; ++c) call(c, 1, y_alone.data(), dx_alone.data());
    EXPECT_EQ(y, y_alone) << length;
    EXPECT_EQ(dx, dx_alone) << length;
  }
}

}  // namespace
}  // namespace truenorm::detail
