// Rounds: everyone once in each, in an order that is fair and is the seed's; columns that are asked
// for are called as they should be.
#include "measure.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "items.h"
#include "memory.h"
#include "roofline.h"

namespace truenorm::bench {
namespace {

TEST(Order, EveryPermutationIsAsLikelyAsAnyOther) {
  constexpr int kEach = 1000, kPermutations = 24;
  std::map<std::vector<std::size_t>, int> met;
  oracle::Dice dice(1, 0);
  for (int i = 0; i < kEach * kPermutations; ++i) ++met[random_order(4, dice)];
  ASSERT_EQ(met.size(), static_cast<std::size_t>(kPermutations));
  double chi = 0;
  for (const auto& [order, times] : met) chi += (times - kEach) * (times - kEach) / double{kEach};
  EXPECT_LT(chi, 49.73);  // the 99.9 % point of chi square with 23 degrees of freedom
}

TEST(Order, FollowsFromTheSeed) {
  const auto orders = [](std::uint64_t seed, std::uint64_t row) {
    oracle::Dice dice(seed, row);
    std::vector<std::vector<std::size_t>> all;
    for (int i = 0; i < 8; ++i) all.push_back(random_order(7, dice));
    return all;
  };
  EXPECT_EQ(orders(1, 2), orders(1, 2));
  EXPECT_NE(orders(1, 2), orders(1, 3));
  EXPECT_NE(orders(1, 2), orders(2, 2));
  oracle::Dice dice(1, 0);
  EXPECT_TRUE(random_order(0, dice).empty());
}

TEST(Rounds, EveryoneIsMeasuredOnceInEach) {
  std::vector<int> calls(3, 0), prepared(3, 0);
  std::vector<std::size_t> sequence;
  std::vector<Slot> slots;
  for (std::size_t i = 0; i < 3; ++i)
    slots.push_back({std::string(1, static_cast<char>('a' + i)), [&calls, &sequence, i] {
                       ++calls[i];
                       sequence.push_back(i);
                     }});
  slots[1].before = [&prepared] { ++prepared[1]; };
  slots[1].repetitions = 4;
  oracle::Dice dice(7, 0);
  ASSERT_TRUE(play_rounds(slots, 20, dice, [] { return false; }));
  for (const Slot& slot : slots) EXPECT_EQ(slot.ns.size(), 20u) << slot.name;
  // A call that is not timed and the timed ones; more where a measurement was disturbed.
  EXPECT_GE(calls[0], 40);
  EXPECT_GE(calls[1], 100);
  EXPECT_EQ(prepared[1], calls[1] - 20);  // before each timed call
  std::erase(sequence, 1u);
  EXPECT_TRUE(std::find(sequence.begin(), sequence.end(), 2u) != sequence.end());
}

TEST(Rounds, EndWhenInterrupted) {
  std::vector<Slot> slots{{"a", [] {}}};
  oracle::Dice dice(1, 0);
  int left = 3;
  EXPECT_FALSE(play_rounds(slots, 10, dice, [&left] { return left-- == 0; }));
  EXPECT_EQ(slots[0].ns.size(), 3u);
}

TEST(Memory, EvictionChangesNothing) {
  Buffer buffer;
  auto* const data = static_cast<unsigned char*>(buffer.reserve(1000));
  for (int i = 0; i < 1000; ++i) data[i] = static_cast<unsigned char>(i);
  evict(data, 1000, 2);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(data[i], static_cast<unsigned char>(i));
}

TEST(Memory, AnAllocationIsALineAndCanBeMadeAgain) {
  Allocation output;
  for (const std::size_t bytes : {1u, 64u, 100000u}) {
    output.free();
    auto* const data = static_cast<std::byte*>(output.allocate(bytes));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % kLine, 0u);
    data[0] = data[bytes - 1] = std::byte{1};
  }
}

TEST(Levels, AreTheSmallestThatHoldsAPass) {
  const Caches caches{32 << 10, 1 << 20, 32 << 20};
  const auto level = [&](std::size_t tensor, Op op, int threads) {
    return level_of(caches, tensor, op, threads);
  };
  EXPECT_EQ(level(16 << 10, Op::training, 1), Level::l1);
  EXPECT_EQ(level(16 << 10, Op::backward, 1), Level::l2);
  EXPECT_EQ(level(16 << 10, Op::backward, 2), Level::l1);  // each has half of it
  EXPECT_EQ(level(1 << 20, Op::evaluation, 1), Level::l3);
  EXPECT_EQ(level(1 << 20, Op::evaluation, 2), Level::l2);
  EXPECT_EQ(level(16 << 20, Op::training, 2), Level::l3);
  EXPECT_EQ(level(16 << 20, Op::backward, 2), Level::memory);
  EXPECT_EQ(level_of({}, 64, Op::training, 1), Level::memory);
}

}  // namespace
}  // namespace truenorm::bench
