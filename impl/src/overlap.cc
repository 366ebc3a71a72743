#include "overlap.h"

#include <algorithm>
#include <cstddef>

namespace truenorm::detail {

namespace {

constexpr int max_terms = 2 * max_rank;

/// k*stride with k in [low, high], low <= 0 <= high.
struct Term {
  std::int64_t stride = 0;
  std::int64_t low = 0;
  std::int64_t high = 0;
};

std::int64_t floor_divide(std::int64_t a, std::int64_t b) noexcept {
  return a / b - (a % b != 0 && a < 0);
}

/// Looks for k[i] such that offset + sum k[i]*stride[i] lies in [least, most], by descending into
/// the terms from the largest stride on and trying only k for which the rest can still reach the
/// target.
class Search {
 public:
  Search(std::int64_t least, std::int64_t most, bool nonzero) noexcept
      : least_(least), most_(most), nonzero_(nonzero) {}

  void add(std::int64_t stride, std::int64_t low, std::int64_t high) noexcept {
    if (low == 0 && high == 0) return;
    for (int i = 0; !nonzero_ && i < count_; ++i) {  // equal strides act as one
      Term& term = terms_[static_cast<std::size_t>(i)];
      if (term.stride != stride) continue;
      term.low += low;
      term.high += high;
      return;
    }
    terms_[static_cast<std::size_t>(count_++)] = {stride, low, high};
  }

  [[nodiscard]] bool found(std::int64_t offset) noexcept {
    std::sort(terms_.begin(), terms_.begin() + count_,
              [](const Term& a, const Term& b) { return a.stride > b.stride; });
    for (std::size_t i = static_cast<std::size_t>(count_); i-- > 0;) {
      rest_low_[i] = rest_low_[i + 1] + terms_[i].low * terms_[i].stride;
      rest_high_[i] = rest_high_[i + 1] + terms_[i].high * terms_[i].stride;
    }
    return descend(0, offset, false);
  }

 private:
  bool descend(std::size_t i, std::int64_t offset, bool moved) noexcept {
    if (i == static_cast<std::size_t>(count_)) {
      return offset >= least_ && offset <= most_ && (moved || !nonzero_);
    }
    const Term& term = terms_[i];
    std::int64_t low = term.low, high = term.high;
    if (term.stride > 0) {
      low = std::max(low, -floor_divide(offset + rest_high_[i + 1] - least_, term.stride));
      high = std::min(high, floor_divide(most_ - offset - rest_low_[i + 1], term.stride));
    }
    for (std::int64_t k = low; k <= high; ++k) {
      if (--budget_ < 0) return true;  // undecided: assume the worst
      if (descend(i + 1, offset + k * term.stride, moved || k != 0)) return true;
    }
    return false;
  }

  std::int64_t least_, most_;
  bool nonzero_;
  int count_ = 0;
  int budget_ = 20000;
  std::array<Term, max_terms> terms_{};
  std::array<std::int64_t, max_terms + 1> rest_low_{}, rest_high_{};
};

/// True if each step, from the smallest on, leads beyond all that the smaller ones reach: what any
/// ordinary tensor is like.
bool nested(const Region& a) noexcept {
  std::array<std::int64_t, max_rank> stride{}, reach{};
  int count = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(a.rank); ++i) {
    if (a.size[i] == 1) continue;
    int at = count++;
    for (; at > 0 && stride[static_cast<std::size_t>(at - 1)] > a.stride[i]; --at) {
      stride[static_cast<std::size_t>(at)] = stride[static_cast<std::size_t>(at - 1)];
      reach[static_cast<std::size_t>(at)] = reach[static_cast<std::size_t>(at - 1)];
    }
    stride[static_cast<std::size_t>(at)] = a.stride[i];
    reach[static_cast<std::size_t>(at)] = a.stride[i] * (a.size[i] - 1);
  }
  std::int64_t end = a.element;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    if (stride[i] < end) return false;
    end += reach[i];
  }
  return true;
}

}  // namespace

bool share_memory(const Region& a, const Region& b) noexcept {
  if (a.extent == 0 || b.extent == 0) return false;
  if (a.begin + static_cast<std::uintptr_t>(a.extent) <= b.begin) return false;
  if (b.begin + static_cast<std::uintptr_t>(b.extent) <= a.begin) return false;
  Search search(-(b.element - 1), a.element - 1, false);
  for (std::size_t i = 0; i < static_cast<std::size_t>(a.rank); ++i) {
    search.add(a.stride[i], -(a.size[i] - 1), 0);
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(b.rank); ++i) {
    search.add(b.stride[i], 0, b.size[i] - 1);
  }
  return search.found(static_cast<std::int64_t>(b.begin - a.begin));
}

bool overlaps_itself(const Region& a) noexcept {
  if (a.extent == 0 || nested(a)) return false;
  Search search(-(a.element - 1), a.element - 1, true);
  for (std::size_t i = 0; i < static_cast<std::size_t>(a.rank); ++i) {
    search.add(a.stride[i], -(a.size[i] - 1), a.size[i] - 1);
  }
  return search.found(0);
}

bool same_view(const Region& a, const Region& b) noexcept {
  return a.begin == b.begin && a.element == b.element && a.rank == b.rank && a.size == b.size &&
         a.stride == b.stride;
}

}  // namespace truenorm::detail
