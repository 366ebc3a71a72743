// Where cases come from: sampled, enumerated and walked, all valid, and no class left out.
#include "sample.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "generators.h"

namespace truenorm::props {
namespace {

using namespace oracle;

constexpr std::uint64_t kCases = 20000;

TEST(Sample, EveryCaseIsValidAndHasAnExec) {
  for (std::uint64_t i = 0; i < kCases; ++i) {
    const Case c = sample(7, i);
    ASSERT_EQ(defect(c), "") << print(c);
    ASSERT_TRUE(c.exec);
    ASSERT_LE(c.problem.run.size(), 12u);
  }
}

TEST(Sample, NoClassIsEmpty) {
  Census census;
  for (std::uint64_t i = 0; i < kCases; ++i) census.add(sample(0, i));
  EXPECT_EQ(census.total(), kCases);
  const auto counts = census.counts();
  EXPECT_EQ(counts.size(), classes().size());
  for (const auto& [key, count] : counts) EXPECT_GT(count, 0u) << key.first << ": " << key.second;
}

/// The share of a class in per cent, counted over kCases.
double share(const std::string& area, const std::string& name) {
  static const auto counts = [] {
    Census census;
    for (std::uint64_t i = 0; i < kCases; ++i) census.add(sample(1, i));
    return census.counts();
  }();
  return 100 * static_cast<double>(counts.at({area, name})) / static_cast<double>(kCases);
}

TEST(Sample, ExtremesAreFewAndPresent) {
  const std::vector<std::pair<std::string, std::string>> rare{
      {"distribution of x", "huge"},
      {"distribution of x", "special"},
      {"distribution of x", "tiny"},
      {"distribution of x", "bits"},
      {"momentum", "nan"},
      {"eps", "negative"},
      {"program", "backward first"},
      {"shape", "one value a channel"},
      {"shape", "a size 0"},
      {"program", "backward of another size"},
      {"renorm", "3,5"},
      {"renorm", "unbounded"}};
  for (const auto& [area, name] : rare) {
    EXPECT_GT(share(area, name), 0.1) << area << ": " << name;
    EXPECT_LT(share(area, name), 4) << area << ": " << name;
  }
  EXPECT_GT(share("dtype", "f32"), 40);
  EXPECT_GT(share("momentum", "0.1"), 40);
}

TEST(Sample, MostCasesAreSmallAndSomeLarge) {
  std::vector<std::int64_t> elements;
  for (std::uint64_t i = 0; i < kCases; ++i) elements.push_back(sample(1, i).problem.shape.numel());
  std::sort(elements.begin(), elements.end());
  EXPECT_GE(elements[kCases / 2], 100);
  EXPECT_LE(elements[kCases / 2], 300);
  EXPECT_GE(elements[kCases * 99 / 100], 10000);
  EXPECT_LE(elements.back(), 100000);
}

TEST(Sample, StreamsDifferAndCasesAreDistinct) {
  std::set<std::string> lines;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    lines.insert(print(sample(0, i)));
    lines.insert(print(sample(1, i)));
  }
  EXPECT_EQ(lines.size(), 4000u);
  EXPECT_EQ(sample(3, 4), sample(3, 4));
}

TEST(Sample, LinesAreTheSameOnEveryMachine) {
  std::uint64_t hash = 0;
  for (std::uint64_t i = 0; i < 5000; ++i)
    for (const char letter : print(sample(0, i)))
      hash = mix(hash ^ static_cast<std::uint8_t>(letter));
  EXPECT_EQ(hash, 0x4df3e8947496111fu);
}

TEST(Census, AddsUp) {
  Census one, two, both;
  for (std::uint64_t i = 0; i < 200; ++i) {
    (i % 2 == 0 ? one : two).add(sample(0, i));
    both.add(sample(0, i));
  }
  one.add(two);
  EXPECT_EQ(one.counts(), both.counts());
  EXPECT_EQ(one.total(), 200u);
  EXPECT_EQ(Census().counts().size(), classes().size());
}

TEST(SmallWorlds, AreValidAndThinnedEvenly) {
  const auto cases = small_worlds(4000);
  ASSERT_EQ(cases.size(), 4000u);
  std::set<std::tuple<std::int64_t, std::int64_t, int, std::int64_t>> shapes;
  std::set<std::pair<Dtype, Dtype>> dtypes;
  std::set<std::string> programs;
  for (const Case& c : cases) {
    ASSERT_EQ(defect(c), "");
    const Shape& shape = c.problem.shape;
    shapes.insert({shape.n, shape.c, shape.spatial_rank, shape.s[0]});
    dtypes.insert({c.problem.dtype, c.problem.param_dtype});
    std::string program;
    for (const Step& step : c.problem.run) program += letter(step.op);
    programs.insert(program);
  }
  EXPECT_EQ(shapes.size(), 150u);
  EXPECT_EQ(dtypes.size(), kDtypePairs.size());
  EXPECT_EQ(programs.size(), 8u + 64 + 512);
}

TEST(SmallWorlds, AreEachADifferentProblem) {
  std::set<std::string> problems;
  const std::uint64_t stride = 421;  // prime, and no factor of the whole
  std::uint64_t visited = 0;
  for (std::uint64_t i = 0; i < small_world_count(); i += stride, ++visited) {
    Case c = small_world(i);
    ASSERT_EQ(defect(c), "");
    c.exec.reset();
    problems.insert(print(c));
  }
  EXPECT_EQ(problems.size(), visited);
}

TEST(SimdEdges, WalkEverySizeInEveryLayoutAndDtype) {
  const auto cases = simd_edges();
  EXPECT_GE(cases.size(), 2000u);
  EXPECT_LE(cases.size(), 4000u);
  std::set<std::tuple<Layout, Dtype, Dtype>> kinds;
  std::set<std::int64_t> channels, planes;
  for (const Case& c : cases) {
    ASSERT_EQ(defect(c), "");
    kinds.insert({c.exec->x, c.problem.dtype, c.problem.param_dtype});
    channels.insert(c.problem.shape.c);
    planes.insert(c.problem.shape.plane());
  }
  EXPECT_EQ(kinds.size(), kLayouts * kDtypePairs.size());
  EXPECT_EQ(channels.size(), 48u);
  EXPECT_EQ(planes.size(), 49u);  // the 48 sizes and 1
}

}  // namespace
}  // namespace truenorm::props
