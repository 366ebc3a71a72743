// Mutation and cross-over of typed cases, for engines that ask for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "case.h"
#include "dice.h"
#include "feedback.h"
#include "finding.h"

namespace truenorm::fuzz {

/// What the inputs of a target may be. Every case that leaves this folder's functions keeps to it.
struct Bounds {
  std::int64_t elements = 4096;  // of a tensor
  std::int64_t work = 4 * 4096;  // elements over all steps
  std::size_t steps = oracle::kMaxSteps;
  int threads = 1;  // 1: coverage depends on the input alone
};

/// Those of a target for one subject. Truenorm's own threads race for coverage, and its answers do
/// not depend on them; what others do on several threads is to be seen.
inline Bounds bounds_for(Bounds bounds, std::string_view subject) {
  if (subject != "truenorm") bounds.threads = 4;
  return bounds;
}

/// Those of sequence_fuzz; the other targets over cases have the default ones.
inline constexpr Bounds kSequenceBounds{.elements = 64, .work = 30 * 64, .steps = 30, .threads = 1};

/// The valid case nearest to the bytes; it has an Exec.
oracle::Case decode(Bytes, const Bounds&);

/// One change: a nudge to sizes, data, program or numbers, or a field from a freshly sampled case;
/// the latter seldom when climbing, and then the case may stay as large as it is. Else nine in ten
/// are cut to small ones.
oracle::Case mutate(oracle::Case, oracle::Dice&, const Bounds&, bool climbing = false);

/// Each field from either parent; the program is the beginning of one and the end of the other.
oracle::Case cross(const oracle::Case&, const oracle::Case&, oracle::Dice&, const Bounds&);

/// libFuzzer's custom mutator and cross-over over bytes. One mutation in three is of a peak, where
/// there are some; of the others one in four is libFuzzer's own.
std::size_t mutate_bytes(std::uint8_t* data, std::size_t size, std::size_t capacity, unsigned seed,
                         const Bounds&, const Peaks* = nullptr);
std::size_t cross_bytes(Bytes a, Bytes b, std::uint8_t* out, std::size_t capacity, unsigned seed,
                        const Bounds&);

}  // namespace truenorm::fuzz
