// Every instruction set of this machine, every dtype, at every size where a vector loop begins,
// ends or changes its kind.
#include <truenorm/context.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <tuple>

#include "../impl/src/plan.h"  // which loop nest a case takes is the plan's word
#include "arena.h"
#include "isas.h"
#include "played.h"
#include "players/players.h"

namespace truenorm::oracle {
namespace {

std::string_view name(detail::Regime regime) {
  constexpr std::array<std::string_view, 5> kNames{"planes", "groups", "grains", "rows", "strided"};
  return kNames[static_cast<std::size_t>(regime)];
}

/// Around the multiples at which the kernels change step: native vectors, virtual lanes, blocks.
std::vector<std::int64_t> edges(std::int64_t largest) {
  std::vector<std::int64_t> sizes{1, 2};
  for (const std::int64_t multiple :
       {std::int64_t{4}, std::int64_t{8}, std::int64_t{16}, std::int64_t{24}, std::int64_t{32},
        std::int64_t{64}, std::int64_t{128}, std::int64_t{256}, std::int64_t{1024},
        std::int64_t{2048}, std::int64_t{4096}})
    for (std::int64_t size = multiple - 1; size <= multiple + 1; ++size)
      if (size <= largest + 1) sizes.push_back(size);
  return sizes;
}

/// How the implementation walks over the x of a case.
detail::Walk walk_of(const Case& c) {
  const Shape& s = c.problem.shape;
  ConstTensor x;
  if (c.problem.dtype == Dtype::f64) x.dtype = truenorm::Dtype::f64;
  x.rank = s.rank();
  x.size = {s.n, s.c, s.s[0], s.s[1], s.s[2]};
  const auto stride = strides_of(c.exec->x, s);
  std::copy(stride.begin(), stride.end(), x.stride.begin());
  return detail::make_walk(std::array<ConstTensor, 1>{x});
}

Case edge(const Shape& shape, Layout layout, std::uint64_t seed) {
  Case c = parse("tn1 n2c2 f32 x=normal(3,2) rm=normal(2,1) rv=uniform(1,3) run=TBEB");
  c.problem.shape = shape;
  c.problem.seed = seed;
  Exec exec;
  exec.x = exec.y = exec.dy = exec.dx = layout;
  exec.skew = static_cast<int>(seed % 3);
  exec.threads = 1 + static_cast<int>(seed % 2);
  c.exec = exec;
  return c;
}

using Counts = std::map<std::tuple<Isa, Dtype, detail::Regime>, std::uint64_t>;

/// Plays a case in every instruction set and dtype.
void play_everywhere(Player& player, Case c, Counts& counts) {
  for (const auto& [dtype, param_dtype] : kDtypePairs) {
    c.problem.dtype = dtype;
    c.problem.param_dtype = param_dtype;
    const detail::Regime regime = walk_of(c).regime;
    const Inputs inputs = make_inputs(c);
    const Answer balls = answer(c.problem, inputs, player.contract(c.problem, *c.exec));
    for (const Isa isa : isas()) {
      c.exec->isa = isa;
      ASSERT_EQ(player.unsupported(c.problem, *c.exec), "");
      const Verdict v = judge(player.play(c, inputs), balls);
      ASSERT_TRUE(v.result == Result::pass) << report(c, v);
      ++counts[{isa, dtype, regime}];
    }
  }
}

Counts play_sizes(Layout layout, bool channels, std::int64_t largest) {
  const auto player = make_truenorm();
  Counts counts;
  std::uint64_t seed = 1;
  for (const std::int64_t size : edges(largest)) {
    const Shape shape = channels ? Shape{3, size, 1, {2, 0, 0}} : Shape{2, 2, 1, {size, 0, 0}};
    play_everywhere(*player, edge(shape, layout, ++seed), counts);
    if (testing::Test::HasFatalFailure()) break;
  }
  return counts;
}

/// Nothing untested: every set, dtype and the regime that the test is about.
void expect_complete(const Counts& counts, detail::Regime regime) {
  if (testing::Test::HasFatalFailure()) return;
  ASSERT_GE(isas().size(), 1u);
  ASSERT_EQ(isas().size(), available_isas().count) << "a set that no case can name";
  for (const Isa isa : isas()) {
    std::uint64_t cases = 0;
    for (int d = 0; d < kDtypes; ++d) {
      // Runs too short for a vector are grains, in f64 strided.
      if (regime == detail::Regime::grains && static_cast<Dtype>(d) == Dtype::f64) continue;
      const auto found = counts.find({isa, static_cast<Dtype>(d), regime});
      EXPECT_NE(found, counts.end()) << name(isa) << " " << name(static_cast<Dtype>(d));
      if (found != counts.end()) cases += found->second;
    }
    std::printf("%-8s %-8s %5llu cases\n", std::string(name(isa)).c_str(),
                std::string(name(regime)).c_str(), static_cast<unsigned long long>(cases));
    EXPECT_GT(cases, 0u) << name(isa) << " " << name(regime);
  }
}

TEST(Kernels, RunsOfEveryLength) {
  const Counts counts = play_sizes(Layout::nchw, false, 4096);
  expect_complete(counts, detail::Regime::planes);
  expect_complete(counts, detail::Regime::groups);
  expect_complete(counts, detail::Regime::grains);
}
TEST(Kernels, RowsOfEveryWidth) {
  expect_complete(play_sizes(Layout::nhwc, true, 256), detail::Regime::rows);
}
TEST(Kernels, RowsOfEveryCount) {
  expect_complete(play_sizes(Layout::nhwc, false, 256), detail::Regime::rows);
}
TEST(Kernels, StridedOfEveryLength) {
  expect_complete(play_sizes(Layout::sliced, false, 256), detail::Regime::strided);
}
TEST(Kernels, ShortRunsOfManyChannels) {
  expect_complete(play_sizes(Layout::nchw, true, 256), detail::Regime::grains);
}
TEST(Kernels, RunsWithGaps) {
  const Counts counts = play_sizes(Layout::padded, false, 1024);
  expect_complete(counts, detail::Regime::planes);
  expect_complete(counts, detail::Regime::groups);
}

// Runs of several images: whole turns of four vectors, vectors after them, what fills none, and
// sums that are emptied on the way.
TEST(Kernels, GroupsOfEveryLength) {
  const auto player = make_truenorm();
  Counts counts;
  std::uint64_t seed = 100;
  for (const std::int64_t length :
       {15, 16, 17, 31, 32, 33, 48, 49, 63, 64, 65, 127, 128, 129, 196, 1023, 1024}) {
    play_everywhere(*player, edge({3, 37, 1, {length, 0, 0}}, Layout::nchw, ++seed), counts);
    if (HasFatalFailure()) return;
  }
  play_everywhere(*player, edge({70, 3, 1, {17, 0, 0}}, Layout::nchw, ++seed), counts);
  play_everywhere(*player, edge({70, 3, 1, {65, 0, 0}}, Layout::padded, ++seed), counts);
  play_everywhere(*player, edge({2, 259, 1, {16, 0, 0}}, Layout::nchw, ++seed), counts);
  expect_complete(counts, detail::Regime::groups);
  expect_complete(counts, detail::Regime::grains);
  expect_complete(counts, detail::Regime::planes);
}
TEST(Kernels, GrainsOfEveryLength) {
  const auto player = make_truenorm();
  Counts counts;
  for (std::int64_t length = 1; length < 16; ++length) {
    for (const std::int64_t images : {1, 2, 9, 67}) {
      const Shape shape{images, 21, 1, {length, 0, 0}};
      if (shape.per_channel() < 2) continue;
      play_everywhere(*player, edge(shape, Layout::nchw, static_cast<std::uint64_t>(length + 7)),
                      counts);
      if (HasFatalFailure()) return;
    }
  }
  // More channels than a virtual row has room for.
  play_everywhere(*player, edge({5, 150, 1, {15, 0, 0}}, Layout::nchw, 30), counts);
  expect_complete(counts, detail::Regime::grains);
}
// Around the least number of rows that are folded, and one more and one less than blocks of them.
TEST(Kernels, FoldedRowsOfEveryWidth) {
  const auto player = make_truenorm();
  Counts counts;
  bool folded = false;
  for (std::int64_t channels = 1; channels <= 33; ++channels) {
    for (std::int64_t fold = 2; fold <= 32; fold *= 2) {
      if (fold * channels % 16 != 0 || fold * channels < 64 || fold * channels >= 128) continue;
      for (const std::int64_t n : {8 * fold - 1, 8 * fold, 9 * fold - 1}) {
        const Case c =
            edge({n, channels, 0, {}}, Layout::nhwc, static_cast<std::uint64_t>(channels));
        folded |= walk_of(c).fold > 1;
        play_everywhere(*player, c, counts);
        if (HasFatalFailure()) return;
      }
    }
    play_everywhere(*player, edge({3, channels, 1, {5, 0, 0}}, Layout::nhwc, 40), counts);
  }
  play_everywhere(*player, edge({64 * 32 + 33, 3, 0, {}}, Layout::nhwc, 41), counts);
  EXPECT_TRUE(folded);
  expect_complete(counts, detail::Regime::rows);
}

// Sums of several blocks and several tasks, whose moments are merged.
TEST(KernelsOfLongSums, MergesOfBlocksAndTasks) {
  const auto player = make_truenorm();
  Counts counts;
  play_everywhere(*player, edge({2, 1, 1, {4096 + 31, 0, 0}}, Layout::nchw, 3), counts);
  play_everywhere(*player, edge({3, 2, 2, {33, 500, 0}}, Layout::padded, 4), counts);
  play_everywhere(*player, edge({2, 1, 1, {70001, 0, 0}}, Layout::nchw, 5), counts);
  play_everywhere(*player, edge({9000, 2, 0, {}}, Layout::nchw, 6), counts);
  play_everywhere(*player, edge({3, 4097, 0, {}}, Layout::nchw, 7), counts);
  expect_complete(counts, detail::Regime::planes);
  expect_complete(counts, detail::Regime::rows);
}

}  // namespace
}  // namespace truenorm::oracle
