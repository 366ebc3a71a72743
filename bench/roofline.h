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

/// The smallest of a machine's caches that holds what one pass moves: the threads' shares in their
/// own caches, all of it in the shared one.
enum class Level { l1, l2, l3, memory };
const char* name(Level);

struct Caches {
  std::size_t l1 = 0, l2 = 0, l3 = 0;  // bytes; of a core, of a core, shared. 0: there is none
};
Caches caches_here();
/// A core's own; where that is not known, one of an ordinary size.
std::size_t own_cache(const Caches&);
Level level_of(const Caches&, std::size_t tensor_bytes, Op, int threads);

/// Tensors that one pass of move_memory() moves beside this operation: 3 for a backward, else 2.
int pass_moves(Op);

/// Tensors that the textbook's loops move, which effective bandwidths are counted by: 3 for
/// training (x twice), 2 for evaluation, 5 for a backward.
int textbook_moves(Op);

}  // namespace truenorm::bench
