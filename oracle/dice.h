// Random choices by a counter: what a case is drawn with.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <utility>

#include "case.h"
#include "numbers.h"

namespace truenorm::oracle {

/// Random choices of one case.
class Dice {
 public:
  Dice(std::uint64_t seed, std::uint64_t index) : key_(mix(mix(seed) + index)) {}

  std::uint64_t next() { return mix(key_ + count_++); }
  std::int64_t below(std::int64_t count) {
    return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(count));
  }
  std::int64_t between(std::int64_t low, std::int64_t high) { return low + below(high - low + 1); }
  bool per_mille(int chance) { return below(1000) < chance; }

  /// One of the values, each with a weight.
  template <typename T>
  T pick(std::initializer_list<std::pair<int, T>> weighted) {
    int sum = 0;
    for (const auto& entry : weighted) sum += entry.first;
    std::int64_t at = below(sum);
    for (const auto& [weight, value] : weighted)
      if ((at -= weight) < 0) return value;
    return weighted.begin()->second;
  }

 private:
  std::uint64_t key_, count_ = 0;
};

/// A shape of the distribution that sample() documents.
Shape draw_shape(Dice&);

}  // namespace truenorm::oracle
