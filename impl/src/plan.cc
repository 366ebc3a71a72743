#include "plan.h"

#include <algorithm>

namespace truenorm::detail {

namespace {

std::int64_t divide_up(std::int64_t a, std::int64_t b) noexcept { return a / b + (a % b != 0); }

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

  const bool neighbours = all_one(walk.inner().stride, walk.views);
  if (walk.channels > 1 && all_one(walk.channel_stride, walk.views) &&
      (walk.count == 1 || !neighbours)) {
    walk.regime = Regime::rows;
  } else {
    walk.regime = neighbours ? Regime::runs : Regime::gathered;
  }
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

Tasks sum_tasks(const Walk& walk) noexcept {
  Tasks tasks;
  if (walk.regime == Regime::rows) {
    // At least 256 rows, so that the pivot's second read stays a small part; at most 32 segments,
    // so that their partial sums stay small beside the data; whole blocks of 64 rows.
    tasks.length = std::max<std::int64_t>(256, divide_up(divide_up(walk.count, 32), 64) * 64);
    tasks.width = max_slab;
  } else {
    tasks.length = sum_segment;
    tasks.width = 1;
  }
  tasks.segments = divide_up(walk.count, tasks.length);
  tasks.slabs = divide_up(walk.channels, tasks.width);
  return tasks;
}

Tasks transform_tasks(const Walk& walk) noexcept {
  Tasks tasks;
  if (walk.regime == Regime::rows) {
    tasks.length = std::max<std::int64_t>(1, 65536 / walk.channels);
    tasks.width = walk.channels;
  } else {
    tasks.length = 65536;
    tasks.width = 1;
  }
  tasks.segments = divide_up(walk.count, tasks.length);
  tasks.slabs = divide_up(walk.channels, tasks.width);
  return tasks;
}

}  // namespace truenorm::detail
