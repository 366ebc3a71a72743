// Shapes of sampled cases; their distribution is documented in sample.cc.
#include <algorithm>
#include <array>
#include <bit>

#include "dice.h"

namespace truenorm::oracle {
namespace {

int octave(std::int64_t value) {
  return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(value))) - 1;
}

/// A size in 1..limit, log-uniform with fewer ones; with `large` from the upper half of the range.
std::int64_t size_up_to(Dice& dice, std::int64_t limit, bool large) {
  limit = std::max<std::int64_t>(limit, 1);
  const int top = octave(limit);
  const int low = top > 0 && !dice.per_mille(250) ? 1 : 0;
  const std::int64_t base = std::int64_t{1}
                            << (large ? top : static_cast<int>(dice.between(low, top)));
  std::int64_t size = std::min(base + dice.below(base), limit);
  switch (dice.below(3)) {
    case 0:
      while (size > 2 && !is_prime(size)) --size;
      break;
    case 1:
      size = std::clamp<std::int64_t>((std::int64_t{1} << octave(size)) + dice.between(-1, 1), 1,
                                      limit);
      break;
    default:
      break;
  }
  return size;
}

/// About the k-th root, rounded up to a power of two less one.
std::int64_t root(std::int64_t value, int k) {
  return k == 1 ? value : (std::int64_t{2} << (octave(std::max<std::int64_t>(value, 1)) / k)) - 1;
}

Shape network_shape(Dice& dice) {
  // ResNet-50 with an eighth of the channels and a quarter of the sides; then a 1d, a 2d and an N x
  // C network's.
  static constexpr std::array<Shape, 12> kShapes{{{2, 8, 2, {28, 28, 0}},
                                                  {2, 8, 2, {14, 14, 0}},
                                                  {2, 32, 2, {14, 14, 0}},
                                                  {2, 16, 2, {7, 7, 0}},
                                                  {2, 64, 2, {7, 7, 0}},
                                                  {2, 32, 2, {4, 4, 0}},
                                                  {2, 128, 2, {4, 4, 0}},
                                                  {4, 64, 2, {2, 2, 0}},
                                                  {4, 256, 2, {2, 2, 0}},
                                                  {3, 16, 1, {100, 0, 0}},
                                                  {2, 8, 3, {4, 7, 7}},
                                                  {32, 64, 0, {}}}};
  return kShapes[static_cast<std::size_t>(dice.below(kShapes.size()))];
}

/// A few channels of large planes, which go another way through an implementation than small ones.
Shape tall_shape(Dice& dice) {
  Shape shape{
      dice.between(1, 3), dice.between(1, 5), 2, {dice.between(32, 64), dice.between(32, 64), 0}};
  if (dice.per_mille(300)) shape.spatial_rank = 1, shape.s = {dice.between(1024, 4200), 0, 0};
  return shape;
}

/// One channel whose batch or plane is past the counts of 16 bits.
Shape long_shape(Dice& dice) {
  const std::int64_t size = (std::int64_t{1} << 16) + dice.between(1, 4095);
  if (dice.per_mille(300)) return {1, 1, 1, {size, 0, 0}};
  return {size, 1, 0, {}};
}

Shape free_shape(Dice& dice) {
  const int elements_octave =
      static_cast<int>(dice.pick<std::int64_t>({{8, dice.between(3, 5)},
                                                {55, dice.between(6, 8)},
                                                {25, dice.between(8, 10)},
                                                {9, dice.between(10, 12)},
                                                {3, dice.between(13, 16)}}));
  std::int64_t room = std::min<std::int64_t>(
      (std::int64_t{1} << elements_octave) + dice.below(std::int64_t{1} << elements_octave),
      100000);
  Shape shape;
  shape.spatial_rank = dice.pick<int>({{25, 0}, {20, 1}, {40, 2}, {15, 3}});
  shape.c = size_up_to(dice, room / 4, false);
  room /= shape.c;
  if (shape.spatial_rank > 0) {
    shape.n = size_up_to(dice, root(room, 2), false);
    room /= shape.n;
  }
  for (int d = 0; d < shape.spatial_rank; ++d) {
    std::int64_t& size = shape.s[static_cast<std::size_t>(d)];
    const int left = shape.spatial_rank - d;
    size = size_up_to(dice, root(room, left), left == 1 || dice.per_mille(500));
    room = std::max<std::int64_t>(room / size, 1);
  }
  if (shape.spatial_rank == 0) shape.n = size_up_to(dice, room, true);
  return shape;
}

}  // namespace

Shape draw_shape(Dice& dice) {
  if (dice.per_mille(60)) return network_shape(dice);
  if (dice.per_mille(20)) return tall_shape(dice);
  if (dice.per_mille(3)) return long_shape(dice);
  Shape shape = free_shape(dice);
  std::array<std::int64_t*, 5> sizes{&shape.n, &shape.c, &shape.s[0], &shape.s[1], &shape.s[2]};
  std::int64_t& victim = *sizes[static_cast<std::size_t>(dice.below(2 + shape.spatial_rank))];
  if (dice.per_mille(80)) victim = 1;
  if (shape.per_channel() == 1)
    shape.n = 2;  // else training would be refused: that has its own share, next
  if (dice.per_mille(10)) shape.n = 1, std::fill_n(shape.s.begin(), shape.spatial_rank, 1);
  if (dice.per_mille(30)) victim = 0;
  return shape;
}

}  // namespace truenorm::oracle
