// Enumerations: small worlds in full, and walks along SIMD edges.
#include <array>
#include <numeric>
#include <tuple>

#include "numbers.h"
#include "sample.h"

namespace truenorm::oracle {
namespace {

constexpr std::uint64_t kSizes = 5;   // 0..4, for n and c
constexpr std::uint64_t kPlanes = 6;  // none, 0..4
constexpr std::uint64_t kAffine = 4, kTrack = 2;
/// The steps T to +. Of the others, setters take numbers, and copies want longer programs.
constexpr std::uint64_t kSteps = static_cast<std::uint64_t>(Op::track_on) + 1;
constexpr std::uint64_t kPrograms =
    kSteps + kSteps * kSteps + kSteps * kSteps * kSteps;  // of one, two and three steps
constexpr std::uint64_t kWorlds =
    kSizes * kSizes * kPlanes * kDtypePairs.size() * kAffine * kTrack * kPrograms;

/// Takes the lowest digit of a number in mixed radix.
std::uint64_t digit(std::uint64_t& index, std::uint64_t radix) {
  const std::uint64_t value = index % radix;
  index /= radix;
  return value;
}

std::vector<Step> program(std::uint64_t index) {
  std::size_t length = 1;
  for (std::uint64_t count = kSteps; index >= count; count *= kSteps) {
    index -= count;
    ++length;
  }
  std::vector<Step> run(length);
  for (std::size_t i = 0; i < length; ++i) {
    run[i].op = static_cast<Op>(digit(index, kSteps));
    run[i].id = static_cast<std::uint32_t>(i);
  }
  return run;
}

Exec uniform_exec(Layout layout) {
  Exec exec;
  exec.x = exec.dy = layout;
  exec.y = exec.dx = output_layout(layout);
  return exec;
}

/// What the enumeration does not run over is drawn from the index: data that are easy to reason
/// about, and every way to hold them.
void dress(Case& c, std::uint64_t index) {
  const std::uint64_t h = mix(index);
  const std::array<Dist, 4> data{{{DistKind::normal, 3, 1, {}},
                                  {DistKind::exact, 0, 0, {}},
                                  {DistKind::ramp, 0, 0, {}},
                                  {DistKind::constant, 2, 0, {}}}};
  c.problem.x = data[h % 4];
  c.problem.rm = {DistKind::uniform, -1, 1, {}};
  c.problem.rv = {DistKind::uniform, 0.5, 2, {}};
  c.problem.seed = index;
  Exec exec = uniform_exec(static_cast<Layout>(h / 4 % kLayouts));
  exec.threads = 1 + static_cast<int>(h / 64 % 3);
  exec.skew = h / 256 % 4 == 0 ? 1 : 0;
  exec.inplace = h / 1024 % 8 == 0 && exec.x == exec.y;
  exec.strided_params = h / 8192 % 8 == 0;
  c.exec = exec;
}

Case edge(const Shape& shape, std::size_t pair, Layout layout, std::uint64_t index) {
  Case c;
  c.problem.shape = shape;
  std::tie(c.problem.dtype, c.problem.param_dtype) = kDtypePairs[pair];
  c.problem.x = {DistKind::normal, 1, 1, {}};
  c.problem.run = program(kSteps + kSteps * kSteps + static_cast<std::uint64_t>(Op::train) +
                          kSteps * static_cast<std::uint64_t>(Op::backward) +
                          kSteps * kSteps * static_cast<std::uint64_t>(Op::eval));
  c.problem.seed = index;
  Exec exec = uniform_exec(layout);
  exec.threads = 1 + static_cast<int>(index % 3);
  exec.skew = static_cast<int>(index % 5);
  c.exec = exec;
  return c;
}

}  // namespace

std::uint64_t small_world_count() { return kWorlds; }

Case small_world(std::uint64_t index) {
  Case c;
  std::uint64_t rest = index;
  Problem& p = c.problem;
  p.shape.n = static_cast<std::int64_t>(digit(rest, kSizes));
  p.shape.c = static_cast<std::int64_t>(digit(rest, kSizes));
  const auto plane = static_cast<std::int64_t>(digit(rest, kPlanes)) - 1;
  p.shape.spatial_rank = plane < 0 ? 0 : 1;
  p.shape.s[0] = plane < 0 ? 0 : plane;
  std::tie(p.dtype, p.param_dtype) = kDtypePairs[digit(rest, kDtypePairs.size())];
  const std::uint64_t affine = digit(rest, kAffine);
  p.weight = (affine & 1) == 0;
  p.bias = (affine & 2) == 0;
  p.track = digit(rest, kTrack) == 0;
  p.run = program(rest % kPrograms);
  dress(c, index);
  return c;
}

std::vector<Case> small_worlds(std::size_t budget) {
  // A stride near the golden section of the whole and without a common factor: any number of steps
  // spreads evenly over every digit of the index.
  constexpr std::uint64_t kStride = 2598709;
  static_assert(std::gcd(kStride, kWorlds) == 1);
  const bool all = budget == 0 || budget >= kWorlds;
  std::vector<Case> cases;
  cases.reserve(all ? kWorlds : budget);
  for (std::uint64_t k = 0; k < (all ? kWorlds : budget); ++k)
    cases.push_back(small_world(all ? k : k * kStride % kWorlds));
  return cases;
}

std::vector<Case> simd_edges() {
  std::vector<Case> cases;
  std::uint64_t index = 0;
  for (std::int64_t multiple = 4; multiple <= 64; multiple += 4)
    for (std::int64_t size = multiple - 1; size <= multiple + 1; ++size)
      for (const Shape& shape :
           {Shape{2, 3, 1, {size, 0, 0}}, Shape{3, size, 0, {}}, Shape{2, size, 1, {3, 0, 0}}})
        for (int layout = 0; layout < kLayouts; ++layout)
          // Three of the six dtype pairs with each layout; the next size takes the others.
          for (std::size_t k = 0; k < 3; ++k, ++index)
            cases.push_back(edge(
                shape, (2 * k + static_cast<std::size_t>(size + layout) % 2) % kDtypePairs.size(),
                static_cast<Layout>(layout), index));
  return cases;
}

}  // namespace truenorm::oracle
