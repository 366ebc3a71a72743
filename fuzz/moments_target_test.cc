// Honest merges of any blocks lie in their balls; planted mistakes are found.
#include "moments_target.h"

#include <gtest/gtest.h>

#include <cmath>

#include "dice.h"

namespace truenorm::fuzz {
namespace {

std::vector<std::uint8_t> random_input(std::uint64_t seed) {
  oracle::Dice dice(seed, 0);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(dice.below(200)));
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(dice.next());
  if (bytes.size() > 10 && dice.per_mille(500)) {  // a middle of moderate size
    bytes[9] = static_cast<std::uint8_t>(64 - dice.below(2));
    bytes[8] = static_cast<std::uint8_t>(dice.next());
  }
  return bytes;
}

TEST(Moments, HonestMergesAreRight) {
  for (std::uint64_t seed = 0; seed < 5000; ++seed) {
    const auto found = look_at_merges(read_partition(random_input(seed)));
    ASSERT_FALSE(found) << seed << ": " << found->reason << ": " << found->detail;
    const auto kernels = look_at_kernels(read_partition(random_input(seed)));
    ASSERT_FALSE(kernels) << seed << ": " << kernels->reason << ": " << kernels->detail;
  }
}

int inputs_until_found(Merge merge, const std::string& reason) {
  for (std::uint64_t seed = 0; seed < 5000; ++seed)
    if (const auto found = look_at_merges(read_partition(random_input(seed)), merge);
        found && found->reason == reason)
      return static_cast<int>(seed);
  return -1;
}

/// An honest merge but for the weights that the two counts have.
template <class Weigh>
void weighed(detail::Moments& a, const detail::Moments& b, Weigh weigh) {
  const detail::Moments before = a;
  a.merge(b);
  if (before.count != 0 && b.count != 0) weigh(a, before, b);
}

TEST(Moments, PlantedMistakesAreFound) {
  using detail::Moments;
  EXPECT_GE(inputs_until_found([](Moments& a, const Moments& b) { a = b; }, "count"), 0);
  EXPECT_GE(inputs_until_found(
                [](Moments& a, const Moments& b) {
                  a.merge(b);
                  if (b.count == 0) a.m2 += 1;
                },
                "empty"),
            0);
  EXPECT_GE(inputs_until_found(
                [](Moments& a, const Moments& b) {
                  a.merge(b);
                  if (!std::isfinite(a.m2)) a.m2 = a.offset = 0;
                },
                "special"),
            0);
  // The weight of the square of the distance has one value more than there are.
  EXPECT_GE(inputs_until_found(
                [](Moments& a, const Moments& b) {
                  weighed(a, b, [](Moments& to, const Moments& x, const Moments& y) {
                    const double d = (y.base - x.base) + (y.offset - x.offset);
                    to.m2 = x.m2 + y.m2 + d * d * (x.count * (y.count / (x.count + y.count + 1)));
                  });
                },
                "m2"),
            0);
  // Means by way of what they are, not of what they are off the base.
  EXPECT_GE(inputs_until_found(
                [](Moments& a, const Moments& b) {
                  weighed(a, b, [](Moments& to, const Moments& x, const Moments& y) {
                    const double d = y.mean() - x.mean();
                    to.offset = x.offset + d * (y.count / (x.count + y.count));
                  });
                },
                "mean"),
            0);
}

TEST(Moments, AnEmptyBlockChangesNothing) {
  for (const double value : {1.0, 1e-300, 1e300, HUGE_VAL, std::nan("")}) {
    const Partition p{{{}, {value}, {}, {value, -value}, {}}, std::vector<double>(5), false, 1};
    const auto found = look_at_merges(p);
    EXPECT_FALSE(found) << value << ": " << found->detail;
  }
}

TEST(Moments, ABlockOfOneValueHasNoSpread) {
  const Partition p{{{3.5}, {}, {3.5}}, {3.5, 0, 3.5}, false, 1};
  EXPECT_FALSE(look_at_merges(p));
}

}  // namespace
}  // namespace truenorm::fuzz
