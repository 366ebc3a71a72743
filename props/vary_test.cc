// Varying one field of a case: one word of its line at a time, every field, and the fields that a
// planted fault depends on.
#include "vary.h"

#include <algorithm>
#include <map>
#include <set>

#include "generators.h"
#include "played.h"
#include "players/players.h"

namespace truenorm::props {
namespace {

using namespace oracle;

TEST(Vary, ChangesOneWordToAValidCase) {
  check(
      400, any_case(),
      [](const Case& c) {
        const std::vector<Word> before = words(c);
        std::set<std::string> lines{print(c)};
        for (const Variation& v : variations(c)) {
          RC_ASSERT(defect(v.varied) == "");
          RC_ASSERT(lines.insert(print(v.varied)).second);
          const std::vector<Word> after = words(v.varied);
          RC_ASSERT(after.size() == before.size());
          for (std::size_t i = 0; i < after.size(); ++i)
            RC_ASSERT((after[i].value != before[i].value) == (after[i].key == v.field));
        }
      },
      no_tensors());
}

// A new word of the line needs a line in vary.cc, and so does a new enumerator.
TEST(Vary, EveryFieldVariesOverEveryEnumerator) {
  std::map<std::string, std::set<std::string>> fields, tried;
  for (std::uint64_t i = 0; i < 500; ++i) {
    const Case c = sample(9, i);
    for (const Word& word : words(c)) fields[word.key].insert(word.value);
    for (const Variation& v : variations(c)) tried[v.field].insert(v.value);
  }
  EXPECT_GE(fields.size(), 25u);
  for (const auto& [field, values] : fields)
    EXPECT_GE(tried[field].size(), std::min<std::size_t>(values.size(), 2)) << field;
  EXPECT_EQ(tried["dtype"].size(), kDtypePairs.size());
  EXPECT_EQ(tried["isa"].size(), static_cast<std::size_t>(kIsas));
  EXPECT_EQ(tried["layout"].size(), static_cast<std::size_t>(kLayouts));
  std::set<std::string> kinds;
  for (const std::string& value : tried["x"]) kinds.insert(value.substr(0, value.find('(')));
  EXPECT_EQ(kinds.size(), static_cast<std::size_t>(kDistKinds));
}

/// The fields that a failure of a faulty player depends on.
std::set<std::string> that_matter(const std::string& fault, const std::string& line) {
  const auto player = make_faulty(fault);
  const auto play = [&](const Case& c) {
    const Verdict v = verdict_of(*player, c);
    return v.result == Result::fail   ? Sign::fails
           : v.result == Result::pass ? Sign::passes
                                      : Sign::nothing;
  };
  const Case c = with_exec(line);
  EXPECT_EQ(play(c), Sign::fails) << line;
  std::set<std::string> fields;
  for (const FieldEffect& e : field_effects(c, play))
    if (e.matters()) fields.insert(e.field);
  return fields;
}

using Fields = std::set<std::string>;

// The running variance takes the biased variance: no matter with running statistics off, with
// momentum 0, in an evaluation, with nothing to normalise (n, s), or where the variance is 0 (x) or
// lost in what is remembered (rv).
TEST(Vary, BiasedVarianceDependsOnWhatFeedsTheRunningVariance) {
  EXPECT_EQ(that_matter("B004", "tn1 n5c3s4 f32 x=normal(0,1) run=T seed=1 | nhwc thr=3 skew=2"),
            (Fields{"mom", "n", "run", "rv", "s", "stats", "x"}));
}

// dx is written in the order of x's memory: only layouts, and shapes in which they differ, matter.
TEST(Vary, MisplacedGradientDependsOnTheLayoutsOfXAndDx) {
  const Fields fields = that_matter("B072", "tn1 n2c3s4x5 f32 run=TB seed=32 | nhwc dx=nchw");
  for (const char* const field : {"c", "s", "run", "layout", "layout dx"})
    EXPECT_TRUE(fields.contains(field)) << field;
  for (const char* const field : {"eps", "mom", "stats", "seed", "layout y", "layout dy", "thr",
                                  "isa", "skew", "inplace", "params", "b", "rm", "rv"})
    EXPECT_FALSE(fields.contains(field)) << field;
}

TEST(Vary, TextNamesEveryFieldOnce) {
  const Case c = with_exec("tn1 n2c3 f32 run=T seed=1 | nchw");
  const auto effects = field_effects(c, [](const Case& other) {
    return other.problem.shape.n % 2 == 0 ? Sign::fails : Sign::passes;
  });
  const std::string text = effects_text(effects, "  ");
  EXPECT_NE(text.find("\n  n          2                 passes  1 3 17\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("\n  matters: n\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\n  does not matter: c, s, dtype, eps"), std::string::npos) << text;
}

}  // namespace
}  // namespace truenorm::props
