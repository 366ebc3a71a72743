// The same bits on generated cases: played again, and on another thread count, instruction set of
// the same class and alignment, all drawn together.
#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include "dice.h"
#include "generators.h"
#include "isas.h"
#include "played.h"
#include "players/players.h"

namespace truenorm::oracle {
namespace {

constexpr int kThreads = 9, kSkews = 17;

/// What was compared with a plain run.
struct Met {
  std::map<int, int> threads, skews;
  std::map<Isa, int> isas;
};

Exec drawn(Exec exec, const std::vector<Isa>& isa_class, Dice& dice) {
  exec.threads = static_cast<int>(dice.between(1, kThreads));
  exec.skew = static_cast<int>(dice.below(kSkews));
  exec.isa =
      isa_class[static_cast<std::size_t>(dice.below(static_cast<std::int64_t>(isa_class.size())))];
  return exec;
}

/// "" or how the answers of one case differ from each other.
std::string differing(Player& player, const Case& given, int variants, Met& met) {
  const auto classes = isa_classes();
  Dice dice(given.problem.seed, 9);
  const auto& isa_class =
      classes[static_cast<std::size_t>(dice.below(static_cast<std::int64_t>(classes.size())))];
  Case plain = given;
  plain.exec = drawn(*given.exec, isa_class, dice);
  const Inputs in = make_inputs(plain);
  const Trace want = player.play(plain, in);
  for (int i = 0; i <= variants; ++i) {
    Case other = plain;
    if (i > 0) other.exec = drawn(*plain.exec, isa_class, dice);
    const std::string d = difference(want, player.play(other, in));
    if (!d.empty()) return d + "\n  " + print(plain) + "\n  " + print(other);
    ++met.threads[other.exec->threads];
    ++met.skews[other.exec->skew];
    ++met.isas[other.exec->isa];
  }
  return {};
}

/// Nothing is left untested.
void expect_complete(const Met& met) {
  for (int threads = 1; threads <= kThreads; ++threads)
    EXPECT_GT(met.threads.count(threads), 0u) << threads << " threads";
  for (int skew = 0; skew < kSkews; ++skew) EXPECT_GT(met.skews.count(skew), 0u) << "skew " << skew;
  for (const Isa isa : isas()) EXPECT_GT(met.isas.count(isa), 0u) << name(isa);
  EXPECT_EQ(isas().size(), static_cast<std::size_t>(available_isas().count))
      << "a set that no case can name";
  std::printf("comparisons:");
  for (const auto& [isa, count] : met.isas)
    std::printf(" %s %d", std::string(name(isa)).c_str(), count);
  for (const auto& [threads, count] : met.threads) std::printf(", %d threads %d", threads, count);
  std::printf("\n");
}

TEST(Determinism, OfGeneratedCases) {
  const auto player = make_truenorm();
  Met met;
  props::check(2000, props::sampled_case(), [&](const Case& c) {
    if (const std::string d = differing(*player, c, 3, met); !d.empty()) RC_FAIL(d);
  });
  expect_complete(met);
}

/// The same case with so many images that nine threads have work each (plan.h).
Case grown(Case c) {
  constexpr std::int64_t kElements = 9 * 32768;
  Problem& p = c.problem;
  p.run.resize(std::min<std::size_t>(p.run.size(), 2));
  for (Step& step : p.run) step.batch = Step::kSameBatch;
  Shape& s = p.shape;
  s.c = std::max<std::int64_t>(s.c, 1);
  for (std::size_t d = 0; d < static_cast<std::size_t>(s.spatial_rank); ++d)
    s.s[d] = std::max<std::int64_t>(s.s[d], 1);
  const std::int64_t image = s.c * s.plane();
  s.n = std::max(s.n, (kElements + image - 1) / image);
  return c;
}

TEST(Determinism, OfGeneratedCasesThatThreadsShare) {
  const auto player = make_truenorm();
  Met met;
  const auto large = rc::gen::map(props::sampled_case(), grown);
  props::check(48, large,
               [&](const Case& c) {
                 if (const std::string d = differing(*player, c, 5, met); !d.empty()) RC_FAIL(d);
               },
               {.work = std::int64_t{1} << 20});
  expect_complete(met);
}

// ---- it can fail -------------------------------------------------------------------------------

/// A player whose answers depend on how it is run.
class Swayed final : public Player {
 public:
  explicit Swayed(int (*by)(const Exec&)) : by_(by) {}
  std::string name() const override { return "swayed"; }
  Unsupported unsupported(const Problem&, const Exec&) const override { return {}; }
  Contract contract(const Problem& p, const Exec& e) const override {
    return honest_->contract(p, e);
  }
  Trace play(const Case& c, const Inputs& in) override {
    Trace trace = honest_->play(c, in);
    for (StepTrace& step : trace.steps)
      if (!step.y.empty() && by_(*c.exec) != 0) step.y.back() = std::nextafter(step.y.back(), 9e99);
    return trace;
  }

 private:
  std::unique_ptr<Player> honest_ = make_truenorm();
  int (*by_)(const Exec&);
};

TEST(Determinism, AnswersThatAreSwayedAreFoundOut) {
  const auto found_out = [](int (*by)(const Exec&)) {
    Swayed player(by);
    Met met;
    for (std::uint64_t i = 0; i < 400; ++i)
      if (!differing(player, sample(10, i), 3, met).empty()) return true;
    return false;
  };
  EXPECT_FALSE(found_out([](const Exec&) { return 0; }));
  EXPECT_TRUE(found_out([](const Exec& e) { return e.threads == 9 ? 1 : 0; }));
  EXPECT_TRUE(found_out([](const Exec& e) { return e.skew == 16 ? 1 : 0; }));
  EXPECT_TRUE(found_out([](const Exec&) {
    thread_local int calls = 0;
    return ++calls % 16 == 0 ? 1 : 0;
  }));
  if (isa_classes()[0].size() < 2) return;  // this machine has no two sets of one class
  EXPECT_TRUE(found_out([](const Exec& e) { return e.isa == isa_classes()[0][1] ? 1 : 0; }));
}

}  // namespace
}  // namespace truenorm::oracle
