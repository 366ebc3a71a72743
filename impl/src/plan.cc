#include "plan.h"

#include <algorithm>
#include <numeric>

namespace truenorm::detail {

namespace {

/// True if going once around `inner` is one step of `outer`, in every view.
bool joins(const Axis& outer, const Axis& inner, int views) noexcept {
  for (std::size_t v = 0; v < static_cast<std::size_t>(views); ++v) {
    if (outer.stride[v] != inner.stride[v] * inner.size) return false;
  }
  return true;
}

bool all_one(const std::array<std::int64_t, max_views>& stride, int views) noexcept {
  return std::all_of(stride.begin(), stride.begin() + views, [](auto s) { return s == 1; });
}

/// Rows that make a virtual row of whole virtual lanes, and of at least four vectors.
std::int64_t fold_of(const Walk& walk) noexcept {
  constexpr std::int64_t lanes = 16;
  const std::int64_t channels = walk.channels;
  if (walk.rank != 1 || channels % lanes == 0) return 1;
  for (std::size_t v = 0; v < static_cast<std::size_t>(walk.views); ++v) {
    if (walk.inner().stride[v] != channels) return 1;
  }
  std::int64_t fold = lanes / std::gcd(channels, lanes);
  while (fold * channels < 4 * lanes) fold *= 2;
  return fold * channels <= max_folded && walk.count >= 8 * fold ? fold : 1;
}

/// True if the runs of an image follow each other, channel by channel, in every view.
bool dense_images(const Walk& walk) noexcept {
  const auto end = walk.channel_stride.begin() + walk.views;
  return walk.rank <= 2 && std::all_of(walk.channel_stride.begin(), end,
                                       [&](std::int64_t s) { return s == walk.inner().size; });
}

void set_regime(Walk& walk, Dtype dtype) noexcept {
  const bool neighbours = all_one(walk.inner().stride, walk.views);
  if (walk.channels > 1 && all_one(walk.channel_stride, walk.views) &&
      (walk.count == 1 || !neighbours)) {
    walk.regime = Regime::rows;
    walk.fold = fold_of(walk);
  } else if (!neighbours) {
    walk.regime = Regime::strided;
  } else if (walk.inner().size < shortest_run) {
    // In f64 the sums of a virtual row's parts would count among the roundings.
    const bool grains = dtype != Dtype::f64 && walk.channels > 1 && dense_images(walk);
    walk.regime = grains ? Regime::grains : Regime::strided;
    if (grains) walk.fold = walk.inner().size;
  } else {
    walk.regime = walk.inner().size < direct_run ? Regime::groups : Regime::planes;
  }
}

}  // namespace

Walk make_walk(std::span<const ConstTensor> views) noexcept {
  Walk walk;
  walk.views = static_cast<int>(views.size());
  walk.channels = views[0].size[1];
  walk.count = 1;
  std::array<Axis, max_rank - 1> axes{};
  std::size_t used = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(views[0].rank); ++i) {
    if (i == 1) continue;
    const std::int64_t size = views[0].size[i];
    walk.count *= size;
    if (size == 1) continue;
    axes[used].size = size;
    for (std::size_t v = 0; v < views.size(); ++v) axes[used].stride[v] = views[v].stride[i];
    ++used;
  }
  for (std::size_t v = 0; v < views.size(); ++v) walk.channel_stride[v] = views[v].stride[1];

  // Insertion sort: stable, four items at most, and std::stable_sort may allocate.
  for (std::size_t i = 1; i < used; ++i) {
    for (std::size_t j = i; j > 0 && axes[j - 1].stride[0] < axes[j].stride[0]; --j) {
      std::swap(axes[j - 1], axes[j]);
    }
  }
  std::size_t rank = 0;
  for (std::size_t i = 0; i < used; ++i) {
    if (rank > 0 && joins(walk.axes[rank - 1], axes[i], walk.views)) {
      axes[i].size *= walk.axes[rank - 1].size;
      --rank;
    }
    walk.axes[rank++] = axes[i];
  }
  if (rank == 0) {  // one value per channel: a run of one
    walk.axes[0].stride.fill(1);
    rank = 1;
  }
  walk.rank = static_cast<int>(rank);

  set_regime(walk, views[0].dtype);
  return walk;
}

Cursor::Cursor(const Walk& walk, std::int64_t index) noexcept : walk_(walk) {
  for (std::size_t i = static_cast<std::size_t>(walk.rank); i-- > 0;) {
    digit_[i] = index % walk.axes[i].size;
    index /= walk.axes[i].size;
    for (std::size_t v = 0; v < max_views; ++v) offsets_[v] += digit_[i] * walk.axes[i].stride[v];
  }
}

std::int64_t Cursor::left_in_run() const noexcept {
  return walk_.inner().size - digit_[static_cast<std::size_t>(walk_.rank - 1)];
}

void Cursor::advance(std::int64_t count) noexcept {
  std::size_t i = static_cast<std::size_t>(walk_.rank - 1);
  digit_[i] += count;
  for (std::size_t v = 0; v < max_views; ++v) offsets_[v] += count * walk_.axes[i].stride[v];
  while (i > 0 && digit_[i] == walk_.axes[i].size) {
    for (std::size_t v = 0; v < max_views; ++v) {
      offsets_[v] += walk_.axes[i - 1].stride[v] - walk_.axes[i].size * walk_.axes[i].stride[v];
    }
    digit_[i] = 0;
    ++digit_[--i];
  }
}

Part part_of(const Walk& walk, const Parts& parts, std::int64_t i) noexcept {
  const std::int64_t segment = i / parts.slabs, slab = i % parts.slabs;
  const std::int64_t begin = segment * parts.length, c = slab * parts.width;
  return {begin, std::min(begin + parts.length, walk.count), c,
          std::min(parts.width, walk.channels - c)};
}

namespace {

Parts make_parts(const Walk& walk, std::int64_t length, std::int64_t width) noexcept {
  return {length, divide_up(walk.count, length), width, divide_up(walk.channels, width)};
}

/// Values of a channel that one part of the sums covers.
std::int64_t segment_of(const Walk& walk) noexcept {
  switch (walk.regime) {
    case Regime::rows: {
      // At least 256 rows, so that the pivot's sample stays a small part; at most 32 segments, so
      // that their partial sums stay small beside the data; whole blocks.
      const std::int64_t block = max_block_rows * walk.fold;
      return std::max<std::int64_t>(256, divide_up(divide_up(walk.count, 32), block) * block);
    }
    case Regime::groups:
    case Regime::grains:
      return sum_segment / walk.inner().size * walk.inner().size;
    default:
      return sum_segment;
  }
}

/// Channels of a slab: as many as stay in a core's cache from the sums to the second pass, the same
/// for each thread as nearly as can be. Where nothing is summed, a thread's share.
std::int64_t fused_width(const Walk& walk, bool summed, std::int64_t element, int threads,
                         const Machine& machine) noexcept {
  const std::int64_t bytes = walk.count * walk.views * element;
  // Room is left for the next slab, which is being fetched, and for what is written.
  const std::int64_t room = machine.own / (4 + 2 * walk.views);
  const std::int64_t fitting = summed ? std::max<std::int64_t>(1, room / bytes) : walk.channels;
  const std::int64_t rounds = divide_up(walk.channels, fitting * threads);
  return divide_up(walk.channels, rounds * threads);
}

Parts make_tiles(const Walk& walk) noexcept {
  const std::int64_t run = walk.inner().size;
  switch (walk.regime) {
    case Regime::rows:
      return make_parts(
          walk,
          divide_up(std::max<std::int64_t>(1, tile_values / walk.channels), walk.fold) * walk.fold,
          walk.channels);
    case Regime::strided:
      return make_parts(walk, 1024, tile_values / 1024);
    default:
      break;
  }
  if (run >= tile_values) return make_parts(walk, tile_values, 1);
  const std::int64_t width = std::min(walk.channels, tile_values / run);
  return make_parts(walk, run * std::max<std::int64_t>(1, tile_values / (run * width)), width);
}

}  // namespace

Plan make_plan(std::span<const ConstTensor> sums, std::span<const ConstTensor> sweep, int threads,
               const Machine& machine) noexcept {
  Plan plan;
  if (!sums.empty()) plan.sums = make_walk(sums);
  if (!sweep.empty()) plan.sweep = make_walk(sweep);
  const Walk& in = sums.empty() ? plan.sweep : plan.sums;
  const Walk& out = sweep.empty() ? plan.sums : plan.sweep;
  const std::int64_t values = in.count * in.channels;
  const std::int64_t element = size_of(sweep.empty() ? sums[0].dtype : sweep[0].dtype);
  const auto worth = [&](std::int64_t each) {
    return static_cast<int>(std::clamp<std::int64_t>(values / each, 1, threads));
  };
  std::int64_t width = in.regime == Regime::rows     ? max_slab_rows
                       : in.regime == Regime::groups ? max_slab_groups
                       : in.regime == Regime::grains ? in.channels
                                                     : 1;
  plan.threads = worth(values_a_thread_fused);
  const bool runs = in.regime != Regime::rows && in.regime != Regime::strided;
  if (runs && in.regime == out.regime && in.channels >= plan.threads) {
    const std::int64_t fitting = fused_width(in, !sums.empty(), element, plan.threads, machine);
    const std::int64_t share = divide_up(divide_up(in.channels, fitting), plan.threads) * fitting;
    // An eighth off an even share at most.
    plan.fused = (share * plan.threads - in.channels) * 8 <= in.channels;
    if (plan.fused) width = fitting;
  }
  if (!plan.fused) plan.threads = worth(values_a_thread);
  if (values * element * out.views > machine.own * plan.threads + machine.shared) {
    plan.store = Store::streamed;
    plan.ahead = plan.fused;
  }
  if (!sweep.empty() && !plan.fused) plan.tiles = make_tiles(plan.sweep);
  plan.parts = make_parts(in, segment_of(in), width);
  return plan;
}

}  // namespace truenorm::detail
