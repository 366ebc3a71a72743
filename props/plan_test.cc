// The plan of a call: which loop nest its tensors take, and that its parts are all of them, once.
#include "../impl/src/plan.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <vector>

#include "generators.h"
#include "plans.h"

namespace truenorm::detail {
namespace {

using oracle::Case;
using oracle::Layout;
using oracle::Shape;
using props::check;
using props::proves_nothing;
using props::sampled_case;

constexpr Machine kMachine{std::int64_t{1} << 20, std::int64_t{16} << 20};

/// The plan of a training forward.
Plan forward(const Shape& shape, Layout x, Layout y, Dtype dtype = Dtype::f32, int threads = 2) {
  const std::array<ConstTensor, 2> views{view(shape, x, dtype), view(shape, y, dtype)};
  return make_plan(std::span(views).first(1), views, threads, kMachine);
}

Shape image(std::int64_t n, std::int64_t c, std::int64_t height, std::int64_t width) {
  return {n, c, 2, {height, width, 0}};
}

TEST(Plan, TakesTheLoopNestThatFits) {
  using enum Regime;
  constexpr Layout nchw = Layout::nchw, nhwc = Layout::nhwc;
  struct Row {
    Shape shape;
    Layout x, y;
    Dtype dtype;
    Regime sums, sweep;
    std::int64_t fold = 1;
  };
  const Row table[] = {
      // ResNet-50
      {image(32, 64, 112, 112), nchw, nchw, Dtype::f32, planes, planes},
      {image(32, 256, 56, 56), nchw, nchw, Dtype::bf16, planes, planes},
      {image(32, 512, 28, 28), nchw, nchw, Dtype::f32, groups, groups},
      {image(32, 1024, 14, 14), nchw, nchw, Dtype::f64, groups, groups},
      {image(32, 2048, 7, 7), nchw, nchw, Dtype::f16, groups, groups},
      {image(32, 64, 112, 112), nhwc, nhwc, Dtype::f32, rows, rows},
      {image(32, 2048, 7, 7), nhwc, nhwc, Dtype::f16, rows, rows},
      // Where a run becomes another's.
      {image(8, 64, 1, 1024), nchw, nchw, Dtype::f32, planes, planes},
      {image(8, 64, 1, 1023), nchw, nchw, Dtype::f32, groups, groups},
      {image(8, 64, 4, 4), nchw, nchw, Dtype::f32, groups, groups},
      {image(8, 64, 3, 5), nchw, nchw, Dtype::f32, grains, grains, 15},
      {image(8, 64, 2, 2), nchw, nchw, Dtype::bf16, grains, grains, 4},
      {image(8, 64, 2, 2), nchw, nchw, Dtype::f64, strided, strided},
      {image(8, 1, 2, 2), nchw, nchw, Dtype::f32, groups, groups},
      {image(2, 1, 2, 2), nchw, nchw, Dtype::f32, strided, strided},
      {image(1, 64, 2, 2), nchw, nchw, Dtype::f32, grains, grains, 4},
      {image(8, 64, 1, 1), nchw, nchw, Dtype::f32, rows, rows},
      {{64, 1, 0, {}}, nchw, nchw, Dtype::f32, groups, groups},
      // Virtual rows: whole vectors, at least four, at most max_folded, enough of them.
      {image(8, 3, 32, 32), nhwc, nhwc, Dtype::f32, rows, rows, 32},
      {image(8, 24, 32, 32), nhwc, nhwc, Dtype::f64, rows, rows, 4},
      {image(8, 63, 32, 32), nhwc, nhwc, Dtype::f32, rows, rows, 16},
      {image(8, 65, 32, 32), nhwc, nhwc, Dtype::f32, rows, rows},
      {image(8, 16, 32, 32), nhwc, nhwc, Dtype::f32, rows, rows},
      {{256, 3, 0, {}}, nchw, nchw, Dtype::f32, rows, rows, 32},
      {{255, 3, 0, {}}, nchw, nchw, Dtype::f32, rows, rows},
      {{256, 3, 0, {}}, Layout::padded, Layout::padded, Dtype::f32, rows, rows},
      // Views that disagree.
      {image(8, 64, 56, 56), nchw, nhwc, Dtype::f32, planes, strided},
      {image(8, 64, 56, 56), nhwc, nchw, Dtype::f32, rows, strided},
      {image(8, 64, 2, 2), nchw, Layout::padded, Dtype::f32, grains, strided, 4},
      {{256, 3, 0, {}}, nchw, Layout::padded, Dtype::f32, rows, rows, 32},
      // Other strides.
      {image(8, 64, 56, 56), Layout::sliced, Layout::sliced, Dtype::f32, strided, strided},
      {image(8, 64, 28, 28), Layout::padded, Layout::padded, Dtype::f32, groups, groups},
      {image(8, 64, 2, 2), Layout::padded, Layout::padded, Dtype::f32, strided, strided},
      {image(8, 64, 28, 28), Layout::expanded, nchw, Dtype::f32, strided, strided},
      {{32, 5, 1, {7, 0, 0}}, Layout::transposed, Layout::transposed, Dtype::f32, groups, groups},
      {{1, 5, 1, {7, 0, 0}}, Layout::transposed, Layout::transposed, Dtype::f32, rows, rows},
  };
  for (const Row& row : table) {
    const Plan plan = forward(row.shape, row.x, row.y, row.dtype);
    const std::size_t i = static_cast<std::size_t>(&row - table);
    EXPECT_EQ(plan.sums.regime, row.sums) << i;
    EXPECT_EQ(plan.sweep.regime, row.sweep) << i;
    EXPECT_EQ(plan.sums.fold, row.fold) << i;
    EXPECT_EQ(plan.sums.count * plan.sums.channels, row.shape.numel()) << i;
  }
}

// Slabs of channels, where a channel is runs in all views and each thread gets as many.
TEST(Plan, RunsAreFusedWhereThreadsShareChannelsEvenly) {
  EXPECT_TRUE(forward(image(32, 512, 7, 7), Layout::nchw, Layout::nchw).fused);
  EXPECT_FALSE(forward(image(32, 512, 7, 7), Layout::nhwc, Layout::nhwc).fused);
  EXPECT_FALSE(forward(image(32, 64, 56, 56), Layout::nchw, Layout::nhwc).fused);
  EXPECT_FALSE(forward(image(32, 1, 56, 56), Layout::nchw, Layout::nchw).fused);
  EXPECT_TRUE(forward(image(1, 1, 16, 16), Layout::nchw, Layout::nchw).fused);
}

TEST(Plan, TinyTensorsTakeOneThread) {
  for (const Layout layout : {Layout::nchw, Layout::nhwc, Layout::sliced}) {
    EXPECT_EQ(forward(image(2, 8, 8, 8), layout, layout, Dtype::f32, 64).threads, 1);
    EXPECT_EQ(forward(image(32, 64, 56, 56), layout, layout, Dtype::f32, 64).threads, 64);
  }
}

// What the caches hold together is not streamed, one byte more is.
TEST(Plan, StoresAreStreamedBeyondTheCaches) {
  for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
    for (const int threads : {1, 2, 5}) {
      const ConstTensor x = view(image(32, 60, 56, 56), layout, Dtype::f32);
      const std::array<ConstTensor, 2> views{x, x};
      const std::int64_t bytes = std::int64_t{2} * 4 * 32 * 60 * 56 * 56, own = 1 << 20;
      const Machine fits{own, bytes - own * threads}, one_less{own, bytes - own * threads - 1};
      const Plan cached = make_plan(std::span(views).first(1), views, threads, fits);
      ASSERT_EQ(cached.threads, threads);
      EXPECT_EQ(cached.store, Store::cached);
      EXPECT_EQ(make_plan(std::span(views).first(1), views, threads, one_less).store,
                Store::streamed);
    }
  }
}

/// How often each value of each channel is met.
std::vector<int> met(const Walk& walk, const Parts& parts) {
  std::vector<int> times(static_cast<std::size_t>(walk.count * walk.channels));
  for (std::int64_t i = 0; i < parts.count(); ++i) {
    const Part part = part_of(walk, parts, i);
    for (std::int64_t c = part.c; c < part.c + part.width; ++c)
      for (std::int64_t j = part.begin; j < part.end; ++j)
        ++times[static_cast<std::size_t>(c * walk.count + j)];
  }
  return times;
}

bool all_once(const std::vector<int>& times) {
  return std::all_of(times.begin(), times.end(), [](int t) { return t == 1; });
}

TEST(Plan, PartsAndTilesAreAllOnce) {
  check(1500, sampled_case(), [](const Case& c) {
    const auto call = any_call(c);
    if (!call) return proves_nothing();
    const Plan plan = call->plan(any_threads(), any_machine());
    const Walk& walk = call->summed > 0 ? plan.sums : plan.sweep;
    RC_ASSERT(walk.count * walk.channels == c.problem.shape.numel());
    RC_ASSERT(all_once(met(walk, plan.parts)));
    if (plan.sweep.views > 0 && !plan.fused) {
      RC_ASSERT(all_once(met(plan.sweep, plan.tiles)));
    }
    // Virtual rows and runs are not cut.
    if (walk.regime == Regime::groups || walk.regime == Regime::grains) {
      RC_ASSERT(plan.parts.length % walk.inner().size == 0);
    }
    if (walk.regime == Regime::rows) {
      RC_ASSERT(plan.parts.length % walk.fold == 0);
    }
  });
}

// A walk meets each element of its tensor once: the offsets of a cursor are those of the indices.
TEST(Plan, CursorsMeetEveryElementOnce) {
  check(500, sampled_case(), [](const Case& c) {
    const auto call = any_call(c);
    if (!call) return proves_nothing();
    const ConstTensor& x = call->views[0];
    std::vector<std::int64_t> wanted{0}, found;
    for (std::size_t axis = 0; axis < static_cast<std::size_t>(x.rank); ++axis) {
      std::vector<std::int64_t> more;
      for (const std::int64_t offset : wanted)
        for (std::int64_t i = 0; i < x.size[axis]; ++i) more.push_back(offset + i * x.stride[axis]);
      wanted = std::move(more);
    }
    const Walk walk = make_walk(std::span(call->views).first(1));
    for (std::int64_t channel = 0; channel < walk.channels; ++channel) {
      Cursor cursor(walk, 0);
      for (std::int64_t i = 0; i < walk.count; ++i, cursor.advance(1))
        found.push_back(channel * walk.channel_stride[0] + cursor.offsets()[0]);
    }
    std::sort(wanted.begin(), wanted.end());
    std::sort(found.begin(), found.end());
    RC_ASSERT(wanted == found);
  });
}

// The lengths are part of the bits.
TEST(Plan, SegmentsDependOnSizesAndStridesAlone) {
  check(2000, sampled_case(), [](const Case& c) {
    const auto call = any_call(c);
    if (!call) return proves_nothing();
    const Plan one = call->plan(any_threads(), any_machine());
    const Plan other = call->plan(any_threads(), any_machine());
    RC_ASSERT(one.parts.length == other.parts.length);
    RC_ASSERT(one.parts.segments == other.parts.segments);
    RC_ASSERT(one.sums.regime == other.sums.regime);
    RC_ASSERT(one.sums.fold == other.sums.fold);
  });
}

// What the sums of a part cost beside its data: few partial sums of rows, and pivots that are sampled
// from a small part of them; slabs as wide as a thread's room.
TEST(Plan, PartsOfTheSumsAreAsDocumented) {
  for (const std::int64_t channels : {3, 16, 300, 5000}) {
    for (const std::int64_t images : {2, 60, 255, 256, 257, 3000, 20000, 500000}) {
      const Plan rows = forward({images, channels, 0, {}}, Layout::nhwc, Layout::nhwc);
      ASSERT_EQ(rows.sums.regime, Regime::rows);
      const std::int64_t block = max_block_rows * rows.sums.fold;
      EXPECT_LE(rows.parts.segments, 32);
      EXPECT_GE(rows.parts.length, std::min<std::int64_t>(256, images));
      EXPECT_TRUE(rows.parts.length == 256 || rows.parts.length % block == 0);
      EXPECT_LE(rows.parts.length, std::max<std::int64_t>(256, images / 32 + block));
      EXPECT_EQ(rows.parts.width, max_slab_rows);
    }
    for (const std::int64_t plane : {20, 500, 1500}) {
      const Plan runs = forward(image(40, channels, 1, plane), Layout::nchw, Layout::nhwc);
      ASSERT_FALSE(runs.fused);
      EXPECT_EQ(runs.parts.width, runs.sums.regime == Regime::groups ? max_slab_groups : 1);
      EXPECT_LE(runs.parts.length, sum_segment);
      EXPECT_GT(runs.parts.length + runs.sums.inner().size, sum_segment);
    }
  }
}

// A part of the second pass is about `tile_values`, if there are as many.
TEST(Plan, TilesAreNeitherSmallNorLarge) {
  check(1500, sampled_case(), [](const Case& c) {
    auto call = any_call(c);
    if (!call) return proves_nothing();
    const std::int64_t images = *rc::gen::element<std::int64_t>(1, 1, 100, 5000),
                       channels = *rc::gen::element<std::int64_t>(1, 1, 100);
    for (ConstTensor& t : call->views) t.size[0] *= images, t.size[1] *= channels;
    const Plan plan = call->plan(any_threads(), any_machine());
    const Walk& walk = plan.sweep;
    if (walk.views == 0 || plan.fused) return;
    const std::int64_t whole = walk.count * walk.channels;
    const Part first = part_of(walk, plan.tiles, 0);
    const std::int64_t values = (first.end - first.begin) * first.width;
    // Strided channels are packed one by one: blocks of few values are as good.
    RC_ASSERT(walk.regime == Regime::strided || 2 * values > std::min(whole, tile_values));
    const std::int64_t row = walk.regime == Regime::rows ? walk.fold * walk.channels : 0;
    RC_ASSERT(values <= tile_values + row);
  });
}

TEST(Plan, ThreadsAndStoresFollowFromTheirLimits) {
  check(2000, sampled_case(), [](const Case& c) {
    const auto call = any_call(c);
    if (!call) return proves_nothing();
    const int threads = any_threads();
    const Machine machine = any_machine();
    const Plan plan = call->plan(threads, machine);
    const std::int64_t values = c.problem.shape.numel();
    RC_ASSERT(plan.threads >= 1);
    RC_ASSERT(plan.threads <= threads);
    if (values < 2 * values_a_thread_fused) {
      RC_ASSERT(plan.threads == 1);
    }
    const std::size_t views =
        call->from < call->views.size() ? call->views.size() - call->from : call->summed;
    const std::int64_t bytes =
        values * size_of(call->views[0].dtype) * static_cast<std::int64_t>(views);
    if (plan.store == Store::streamed) {
      RC_ASSERT(bytes > machine.own * plan.threads + machine.shared);
    }
    if (plan.ahead) {
      RC_ASSERT(plan.fused);
    }
  });
}

// Three plans in four are not fused, and are for the tests above.
TEST(Plan, FusedSlabsAreAllChannels) {
  check(6000, sampled_case(),
        [](const Case& c) {
          const auto call = any_call(c);
          if (!call) return proves_nothing();
          const Plan plan = call->plan(any_threads(), any_machine());
          if (!plan.fused) return proves_nothing();
          const Walk& walk = call->summed > 0 ? plan.sums : plan.sweep;
          if (plan.sweep.views > 0 && call->summed > 0) {
            RC_ASSERT(plan.sums.regime == plan.sweep.regime);
          }
          std::vector<int> times(static_cast<std::size_t>(walk.channels));
          for (std::int64_t slab = 0; slab < plan.parts.slabs; ++slab) {
            const Part part = part_of(walk, plan.parts, slab);
            RC_ASSERT(part.begin == 0);
            for (std::int64_t i = part.c; i < part.c + part.width; ++i)
              ++times[static_cast<std::size_t>(i)];
          }
          RC_ASSERT(all_once(times));
        },
        {.hollow = 0.8});
}

}  // namespace
}  // namespace truenorm::detail
