// The mutator makes valid cases within the target's bounds, and changes every word of a line.
#include "mutate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "bytes.h"
#include "sample.h"
#include "text.h"

namespace truenorm::fuzz {
namespace {

using namespace oracle;

constexpr Bounds kBounds{.elements = 500, .work = 2000, .steps = 12, .threads = 3};
constexpr std::uint64_t kTries = 20000;

Case start(std::uint64_t seed) { return decode(encode(sample(seed, 0)), kBounds); }

/// Why the case is not one that the target's bytes stand for; empty if it is.
std::string trouble(const Case& c) {
  if (!defect(c).empty()) return "not valid: " + std::string(defect(c));
  if (!c.exec) return "no Exec";
  if (c.exec->threads > kBounds.threads) return "too many threads";
  if (c.problem.shape.numel() > kBounds.elements) return "too many elements";
  if (c.problem.run.size() > kBounds.steps) return "too many steps";
  if (c.problem.run.size() > 1 && work_of(c.problem) > kBounds.work) return "too much work";
  return decode(encode(c), kBounds) == c ? "" : "its bytes stand for another case";
}

/// The keys of the words in which two lines differ.
std::set<std::string> differences(const Case& a, const Case& b) {
  std::map<std::string, std::string> before;
  for (const Word& w : words(a)) before[w.key] = w.value;
  std::set<std::string> keys;
  for (const Word& w : words(b))
    if (before[w.key] != w.value) keys.insert(w.key);
  return keys;
}

std::set<std::string> every_key() {
  std::set<std::string> keys;
  for (const Word& w : words(start(0))) keys.insert(w.key);
  return keys;
}

TEST(Mutate, MakesValidCasesWithinBoundsAndChangesEveryWord) {
  std::set<std::string> changed;
  std::uint64_t same = 0;
  for (std::uint64_t seed = 0; seed < kTries; ++seed) {
    Dice dice(1, seed);
    const Case before = start(seed), after = mutate(before, dice, kBounds);
    ASSERT_EQ(trouble(after), "") << print(before) << " became " << print(after);
    same += after == before;
    changed.merge(differences(before, after));
  }
  EXPECT_EQ(changed, every_key());
  EXPECT_LT(same, kTries / 2);  // most mutations are one
}

TEST(Mutate, CrossesToValidCasesOfBothParents) {
  std::set<std::string> from_first, from_second;
  for (std::uint64_t seed = 0; seed < kTries; ++seed) {
    Dice dice(2, seed);
    const Case a = start(seed), b = start(seed + kTries), c = cross(a, b, dice, kBounds);
    ASSERT_EQ(trouble(c), "") << print(a) << " and " << print(b) << " gave " << print(c);
    const std::set<std::string> not_a = differences(a, c), not_b = differences(b, c);
    for (const std::string& key : differences(a, b)) {
      if (!not_a.contains(key)) from_first.insert(key);
      if (!not_b.contains(key)) from_second.insert(key);
    }
  }
  EXPECT_EQ(from_first, every_key());
  EXPECT_EQ(from_second, every_key());
}

TEST(Mutate, BytesKeepToTheirCapacityAndAreDrawnFromTheSeedAlone) {
  for (std::uint64_t seed = 0; seed < kTries / 10; ++seed) {
    const std::vector<std::uint8_t> bytes = encode(start(seed));
    for (const std::size_t room : {bytes.size(), bytes.size() + 7, std::size_t{4096}}) {
      std::vector<std::uint8_t> once(bytes), again(bytes);
      once.resize(room + 1, 0xa5);
      again.resize(room + 1, 0xa5);
      const auto number = static_cast<unsigned>(seed);
      const std::size_t size = mutate_bytes(once.data(), bytes.size(), room, number, kBounds);
      ASSERT_LE(size, room);
      ASSERT_EQ(once[room], 0xa5);
      ASSERT_EQ(mutate_bytes(again.data(), bytes.size(), room, number, kBounds), size);
      ASSERT_EQ(once, again);
    }
    std::vector<std::uint8_t> small(40, 0xa5);
    EXPECT_EQ(cross_bytes(bytes, bytes, small.data(), 39, 1, kBounds), 0u);  // does not fit
    EXPECT_EQ(small, std::vector<std::uint8_t>(40, 0xa5));
  }
}

}  // namespace
}  // namespace truenorm::fuzz
