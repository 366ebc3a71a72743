// How fast this machine moves memory: the bound that no BatchNorm passes.
#pragma once

#include <cstddef>

#include "contestant.h"

namespace truenorm::bench {

/// One pass by `threads` threads over whole cache lines: out = a + k, or out = a + b where there is
/// a b. Integers, so that no bit pattern is slow. `stream`: by stores that go past the caches.
void move_memory(const void* a, const void* b, void* out, std::size_t bytes, int threads,
                 bool stream);

/// Tensors that an operation cannot avoid to move, in the unit of one tensor's bytes.
///
///   evaluation   x, y
///   training     x, y      if what must be known before the first y can be written stays in a
///                          core's own cache: a channel, or with channels innermost a cache line
///                          of channels, over the whole batch; else x is read a second time
///   backward     x, dy, dx and in the same way x and dy a second time
int must_move(const oracle::Shape&, oracle::Layout, oracle::Dtype, Op, std::size_t cache_bytes);

/// Tensors that one pass of move_memory() moves beside this operation: 3 for a backward, else 2.
int pass_moves(Op);

/// Tensors that the textbook's loops move, which effective bandwidths are counted by: 3 for
/// training (x twice), 2 for evaluation, 5 for a backward.
int textbook_moves(Op);

}  // namespace truenorm::bench
