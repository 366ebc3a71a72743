// Truenorm's BatchNorm on generated and remembered cases, and how near it comes to its bounds.
#include <array>
#include <cstdio>
#include <map>
#include <optional>

#include "generators.h"
#include "played.h"
#include "players/players.h"

namespace truenorm::oracle {
namespace {

/// Passed, or proves nothing: no verdict against the player, and nothing left out.
bool holds(const Verdict& v) { return v.result == Result::pass || v.result == Result::hollow; }

/// What was generated: the classes of each area with their cases, one area a line.
std::string in_words(const Census& census) {
  std::ostringstream out;
  std::string area;
  for (const auto& [key, count] : census.counts()) {
    if (key.first != area) out << (area.empty() ? "" : "\n") << "  " << key.first << ":";
    area = key.first;
    out << " " << key.second << " " << count;
  }
  return out.str();
}

struct Summary {
  Census census;
  std::uint64_t vacuous = 0, elements = 0;
  void add(const Case& c, const Verdict& v) {
    census.add(c);
    vacuous += v.vacuous;
    elements += v.elements;
  }
};

// Shrinks to one line, which is shown with the command that plays it.
TEST(Conformance, RandomCasesHold) {
  const auto player = make_truenorm();
  Summary summary;
  props::Limits limits;
  limits.covers = {"dtype", "layout", "regime", "rank", "step", "affine"};
  props::check(
      6000, props::sampled_case(),
      [&](const Case& c) {
        const Verdict v = verdict_of(*player, c);
        summary.add(c, v);
        if (!holds(v)) RC_FAIL(report(c, v));
        if (v.result == Result::hollow) props::proves_nothing();
      },
      limits);
  std::printf("%llu elements, %llu prove nothing. Cases by class:\n%s\n",
              static_cast<unsigned long long>(summary.elements),
              static_cast<unsigned long long>(summary.vacuous), in_words(summary.census).c_str());
}

// Sampled cases that are renormalized, each with the bounds of one that was sampled so.
TEST(Conformance, RenormalizedCasesHold) {
  const auto player = make_truenorm();
  std::map<Result, std::uint64_t> results;
  std::optional<Renorm> bounds;
  for (std::uint64_t i = 0; i < 2500; ++i) {
    Case c = sample(11, i);
    if (c.problem.renorm) bounds = c.problem.renorm;
    if (!bounds || !c.problem.track) continue;
    c.problem.renorm = bounds;
    const Verdict v = verdict_of(*player, c);
    ++results[v.result];
    EXPECT_TRUE(holds(v)) << report(c, v);
  }
  EXPECT_GT(results[Result::pass], 1800U);
  EXPECT_LE(results[Result::hollow] * 20, results[Result::pass]) << "more than 5 % prove nothing";
}

void expect_corpus_holds(const std::string& file) {
  const auto player = make_truenorm();
  const std::vector<Case> cases = corpus(file);
  EXPECT_FALSE(cases.empty());
  std::uint64_t passed = 0;
  for (const Case& c : cases) {
    const Verdict v = verdict_of(*player, c);
    passed += v.result == Result::pass;
    if (v.result == Result::skipped && c.exec->isa != Isa::best) continue;  // another machine's set
    EXPECT_TRUE(holds(v)) << report(c, v);
  }
  EXPECT_GT(passed * 2, cases.size()) << "most lines of " << file << " prove something";
}

TEST(Conformance, SmokeCasesHold) { expect_corpus_holds("smoke.cases"); }
TEST(Conformance, EdgeCasesHold) { expect_corpus_holds("edges.cases"); }

TEST(Conformance, SmallWorldsHold) {
  const auto player = make_truenorm();
  for (const Case& c : small_worlds(3000)) {
    const Verdict v = verdict_of(*player, c);
    EXPECT_TRUE(holds(v)) << report(c, v);
  }
}

/// A case without extremes: what a network would ask. Its bounds must be near.
bool ordinary(const Case& c) {
  const Problem& p = c.problem;
  const bool data =
      p.x.kind == DistKind::normal || p.x.kind == DistKind::uniform || p.x.kind == DistKind::cancel;
  return data && p.dy.kind == DistKind::uniform && p.eps > 0 && p.eps < 1 &&
         (p.momentum.cumulative || (p.momentum.value > 0 && p.momentum.value < 1)) &&
         p.shape.per_channel() > 1;
}

/// The largest score by output kind over `count` ordinary cases of a dtype.
std::array<double, kOutputs> largest_scores(Dtype dtype, std::size_t count) {
  const auto player = make_truenorm();
  std::array<double, kOutputs> best{};
  for (std::uint64_t i = 0; count > 0; ++i) {
    const Case c = sample(5, i);
    if (c.problem.dtype != dtype || !ordinary(c) || c.problem.shape.numel() > 5000) continue;
    --count;
    const Verdict v = verdict_of(*player, c);
    EXPECT_TRUE(holds(v)) << report(c, v);
    for (std::size_t o = 0; o < kOutputs; ++o) best[o] = std::max(best[o], v.scores[o]);
  }
  return best;
}

// A bound that nothing comes near convicts nobody: each must be approached to a fiftieth.
TEST(Conformance, BoundsAreTight) {
  constexpr std::array<Dtype, 3> kDtypesShown{Dtype::f32, Dtype::f64, Dtype::bf16};
  std::array<std::array<double, kOutputs>, kDtypesShown.size()> scores{};
  for (std::size_t d = 0; d < kDtypesShown.size(); ++d)
    scores[d] = largest_scores(kDtypesShown[d], 500);
  std::printf("largest score     f32     f64    bf16\n");
  for (std::size_t o = 0; o < kOutputs; ++o) {
    const std::string output(name(static_cast<Output>(o)));
    std::printf("%-13s %7.3f %7.3f %7.3f\n", output.c_str(), scores[0][o], scores[1][o],
                scores[2][o]);
    for (std::size_t d = 0; d < kDtypesShown.size(); ++d)
      EXPECT_GE(scores[d][o], 0.02) << output << " of " << name(kDtypesShown[d]);
  }
}

}  // namespace
}  // namespace truenorm::oracle
