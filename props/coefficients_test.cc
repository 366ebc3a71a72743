// The kernels that read channels' statistics rather than elements: each channel is computed as if it
// were alone, the same bits on every instruction set, and sent to careful loops exactly where its lanes
// cannot hold what they would have to.
#include <gtest/gtest.h>
#include <truenorm/context.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "../impl/src/kernels.h"
#include "numbers.h"

namespace truenorm::detail {
namespace {

constexpr std::array<std::int64_t, 10> kCounts{1, 2, 3, 4, 5, 7, 8, 9, 63, channel_block};

const Kernels& kernels_of(Isa isa, Dtype lane) {
  return (*find_kernels(isa))[static_cast<std::size_t>(lane)];
}

/// A number of either sign, often at the edge of what a lane holds or of what is called large or tiny;
/// now and then 0, or not finite.
double any_number(std::uint64_t seed) {
  constexpr std::array<int, 16> kExponents{-1022, -150, -127, -126, -125, -100, -50, -1,
                                           0,     1,    50,   99,   100,  101,  127, 200};
  const std::uint64_t hash = oracle::mix(seed);
  if (hash % 16 == 0) return 0;
  if (hash % 97 == 0) return std::numeric_limits<double>::infinity();
  const double size = std::ldexp(hash % 3 == 0 ? 1.5 : 1, kExponents[hash / 16 % 16]);
  return hash / 256 % 2 == 0 ? size : -size;
}

/// One number for each channel: the blocks are nothing but columns.
template <class Block>
struct Columns {
  static constexpr std::size_t kCount = sizeof(Block) / sizeof(Column);
  Block block;

  explicit Columns(std::uint64_t seed) {
    for (std::size_t k = 0; k < kCount; ++k)
      for (std::size_t i = 0; i < channel_block; ++i)
        at(k, i) = any_number(seed + k * channel_block + i);
  }
  double& at(std::size_t column, std::size_t i) {
    return (&block.*first())[column * channel_block + i];
  }

 private:
  static constexpr auto first() {
    if constexpr (std::is_same_v<Block, ForwardBlock>) {
      return &ForwardBlock::base;
    } else {
      return &BackwardBlock::sum;
    }
  }
};

}  // namespace
}  // namespace truenorm::detail
