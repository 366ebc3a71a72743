// Chan's merge of blocks, scalar and of every instruction set, against moments in double-double.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "../impl/src/sums.h"
#include "byte_target.h"

namespace truenorm::fuzz {

/// Values in blocks, each summed about a base near its mean, and how they are put together.
struct Partition {
  std::vector<std::vector<double>> blocks;
  std::vector<double> base;  // one for each block
  bool in_pairs = false;     // neighbours, then neighbours of these; else one after the other
  std::size_t channels = 1;  // of the vector that the channel is one of
};

/// Total and bounded: every byte string is a partition of at most 512 values.
Partition read_partition(Bytes);

/// What takes part in a merge; a test may plant a mistake.
using Merge = void (*)(detail::Moments&, const detail::Moments&);
inline void honest_merge(detail::Moments& a, const detail::Moments& b) { a.merge(b); }

/// What is wrong with a merge of these blocks: moments outside their balls; something that is not
/// finite lost; an empty block that changes a bit.
std::optional<Finding> look_at_merges(const Partition&, Merge = honest_merge);

/// A kernel that merges to other bits than Moments::merge().
std::optional<Finding> look_at_kernels(const Partition&);

}  // namespace truenorm::fuzz
