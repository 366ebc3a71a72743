// Mutation and cross-over of typed cases, for engines that ask for them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "case.h"
#include "dice.h"
#include "finding.h"

namespace truenorm::fuzz {

/// What the inputs of a target may be. Every case that leaves this folder's functions keeps to it.
struct Bounds {
  std::int64_t elements = 4096;  // of a tensor
  std::int64_t work = 4 * 4096;  // elements over all steps
  std::size_t steps = oracle::kMaxSteps;
  int threads = 1;  // 1: coverage depends on the input alone
};

/// Those of sequence_fuzz; the other targets over cases have the default ones.
inline constexpr Bounds kSequenceBounds{.elements = 64, .work = 30 * 64, .steps = 30, .threads = 1};

/// The valid case nearest to the bytes; it has an Exec.
oracle::Case decode(Bytes, const Bounds&);

/// One change: a field from a freshly sampled case, or a nudge to sizes, data, program or Exec.
oracle::Case mutate(oracle::Case, oracle::Dice&, const Bounds&);

/// Each field from either parent; the program is the beginning of one and the end of the other.
oracle::Case cross(const oracle::Case&, const oracle::Case&, oracle::Dice&, const Bounds&);

/// libFuzzer's custom mutator and cross-over over bytes: one mutation in four is its own.
std::size_t mutate_bytes(std::uint8_t* data, std::size_t size, std::size_t capacity, unsigned seed,
                         const Bounds&);
std::size_t cross_bytes(Bytes a, Bytes b, std::uint8_t* out, std::size_t capacity, unsigned seed,
                        const Bounds&);

}  // namespace truenorm::fuzz
