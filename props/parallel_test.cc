// How work is shared among threads: all of it, once, evenly, and by the calling thread alone where one is
// enough.
#include "../impl/src/parallel.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>

namespace truenorm::detail {
namespace {

TEST(Parallel, SharesAreNeighboursAndEven) {
  for (const std::int64_t grain : {1, 3, 16}) {
    for (int size = 1; size <= 9; ++size) {
      for (std::int64_t count = 0; count <= 150; ++count) {
        std::int64_t at = 0, least = count, most = 0;
        for (int rank = 0; rank < size; ++rank) {
          const auto [begin, end] = Member{rank, size, false}.share(count, grain);
          ASSERT_EQ(begin, at) << count << " by " << grain << ", " << rank << " of " << size;
          ASSERT_TRUE(end % grain == 0 || end == count) << end;
          const std::int64_t grains = (end - begin + grain - 1) / grain;
          least = std::min(least, grains);
          most = std::max(most, grains);
          at = end;
        }
        ASSERT_EQ(at, count);
        ASSERT_LE(most - std::min(least, most), 1) << count << " by " << grain << " to " << size;
        const auto [begin, end] = Member{size, size, false}.share(count, grain);
        ASSERT_EQ(begin, end) << "a thread without a share";
      }
    }
  }
}

TEST(Parallel, OneIsTheCallingThreadAlone) {
  for (const int active : {0, 1}) {
    int calls = 0;
    parallel(4, active, [&](const Member& me) {
      ++calls;
      EXPECT_TRUE(me.alone);
      EXPECT_EQ(me.rank, 0);
      EXPECT_EQ(me.size, 1);
      EXPECT_FALSE(me.idle());
      EXPECT_EQ(omp_in_parallel(), 0);
    });
    EXPECT_EQ(calls, 1);
  }
}

TEST(Parallel, EveryRankIsThereOnce) {
  constexpr int kThreads = 4, kActive = 3;
  std::array<std::atomic<int>, kThreads> met{};
  std::atomic<int> idle{0}, before{0};
  parallel(kThreads, kActive, [&](const Member& me) {
    ++met[static_cast<std::size_t>(me.rank)];
    idle += me.idle();
    ++before;
    me.barrier();
    EXPECT_EQ(before, omp_get_num_threads()) << "what was done before a barrier is seen after it";
    EXPECT_FALSE(me.alone);
    EXPECT_EQ(me.size, std::min(kActive, omp_get_num_threads()));
  });
  EXPECT_EQ(met[0], 1);
  for (const auto& count : met) EXPECT_LE(count, 1);
  EXPECT_EQ(idle, std::max(0, before - kActive));
}

}  // namespace
}  // namespace truenorm::detail
