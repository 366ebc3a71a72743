// Where cases come from: small worlds in full, walks along SIMD edges, and seeded random sampling.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "case.h"

namespace truenorm::oracle {

/// Every n, c, s <= 4 x dtype x affine x programs of up to three of the steps T to +, thinned to `budget` cases
/// by a fixed stride (0: all of them).
std::vector<Case> small_worlds(std::size_t budget);

/// The same one by one, for walks over all of them (some four million): index in
/// 0..small_world_count()-1.
std::uint64_t small_world_count();
Case small_world(std::uint64_t index);

/// Shapes along SIMD edges: channels and planes at multiples of 4..64 and one off, every layout and
/// dtype.
std::vector<Case> simd_edges();

/// Case number `index` of the stream `seed`: independent of every other, the same on every machine.
/// The distribution is documented at its definition.
Case sample(std::uint64_t seed, std::uint64_t index);

/// Classes that a generator must reach, each with the test of membership; the statistics count
/// them.
struct Class {
  std::string area;  // "layout", "dtype", "regime", "distribution", "program", "momentum", ...
  std::string name;
  std::function<bool(const Case&)> holds;
};
const std::vector<Class>& classes();

/// Counts by class of what was generated.
class Census {
 public:
  void add(const Case&);
  void add(const Census&);
  std::uint64_t total() const { return total_; }
  /// Every class by (area, name), empty ones too.
  std::map<std::pair<std::string, std::string>, std::uint64_t> counts() const;

 private:
  std::uint64_t total_ = 0;
  std::vector<std::uint64_t> counts_;  // in the order of classes()
};

}  // namespace truenorm::oracle
