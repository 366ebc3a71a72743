// Sequences of calls on one layer: Truenorm's, and LibTorch's module beside it.
#include "sequences.h"

#include <cstdio>
#include <map>

#include "divergence.h"
#include "model.h"
#include "played.h"
#include "players/players.h"
#include "remote.h"

namespace truenorm::props {
namespace {

using namespace oracle;

bool holds(const Verdict& v) { return v.result == Result::pass || v.result == Result::hollow; }

std::string forward_class(const Problem& p, std::size_t i, Refusal refused) {
  const std::string mode = p.run[i].op == Op::train ? "training" : "evaluation";
  if (refused != Refusal::none) return mode + " refused: " + std::string(name(refused));
  const Shape shape = p.shape.with_batch(batch_of(p, i));
  if (shape.numel() == 0) return mode + " of an empty batch";
  return mode + (shape.n == p.shape.n ? "" : " of another batch");
}

std::string backward_class(const Problem& p, std::size_t i, Refusal refused) {
  if (refused != Refusal::none) return "backward refused: " + std::string(name(refused));
  const Op before = p.run[i - 1].op;
  if (is_forward(before)) return "backward";
  return before == Op::backward ? "backward, again"
                                : std::string("backward after ") + letter(before);
}

/// The class of each step, as the exact reference answers it.
std::vector<std::string> classes_of(const Problem& p) {
  const std::vector<StepAnswer> answers = semantics(p);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < p.run.size(); ++i) {
    const Step& step = p.run[i];
    const Refusal refused = answers[i].refused;
    if (is_forward(step.op))
      names.push_back(forward_class(p, i, refused));
    else if (step.op == Op::backward)
      names.push_back(backward_class(p, i, refused));
    else
      names.push_back(std::string(1, letter(step.op)) + (step.momentum.cumulative ? "(cum)" : "") +
                      (refused == Refusal::none ? "" : " refused: " + std::string(name(refused))));
  }
  return names;
}

/// What must have been met.
std::vector<std::string> wanted() {
  std::vector<std::string> all{"backward",
                               "backward, again",
                               "backward refused: no forward",
                               "backward refused: shape mismatch",
                               "m(cum)",
                               "R refused: missing statistics",
                               "P refused: missing statistics",
                               "evaluation refused: missing statistics"};
  for (const char* mode : {"training", "evaluation"})
    for (const char* what :
         {"", " of an empty batch", " of another batch", " refused: one value per channel"})
      all.push_back(std::string(mode) + what);
  for (int i = 0; i < kOps; ++i) {
    const auto op = static_cast<Op>(i);
    if (has_data(op)) continue;
    all.emplace_back(1, letter(op));
    all.push_back(std::string("backward after ") + letter(op));
  }
  return all;
}

struct Tally {
  std::map<std::string, std::uint64_t> steps;
  std::uint64_t sequences = 0, hollow = 0;

  void add(const Case& c, const Verdict& v) {
    ++sequences;
    hollow += v.result == Result::hollow;
    for (const std::string& one : classes_of(c.problem)) ++steps[one];
  }

  /// Prints the census; fails where a class of commands was not met, or too much proves nothing.
  void expect_complete() const {
    std::uint64_t total = 0, refused = 0;
    for (const auto& [name, count] : steps) {
      total += count;
      if (name.find("refused") != std::string::npos) refused += count;
    }
    std::printf("%llu sequences, %llu hollow; %llu steps, %llu refused\n",
                static_cast<unsigned long long>(sequences), static_cast<unsigned long long>(hollow),
                static_cast<unsigned long long>(total), static_cast<unsigned long long>(refused));
    for (const auto& [name, count] : steps)
      std::printf("  %-42s %8llu\n", name.c_str(), static_cast<unsigned long long>(count));
    for (const std::string& name : wanted())
      EXPECT_TRUE(steps.contains(name)) << "no sequence has: " << name;
    EXPECT_LE(hollow * 20, sequences) << "more than 5 % prove nothing";
  }
};

TEST(Sequence, TruenormHolds) {
  const auto player = make_truenorm();
  Tally tally;
  check(20000, sequence(), [&](const Case& c) {
    const Verdict v = verdict_of(*player, c);
    tally.add(c, v);
    if (!holds(v)) RC_FAIL(report(c, v));
  });
  tally.expect_complete();
}

TEST(Sequence, TextAndBytesKeepThem) {
  check(2000, [] {
    const Case c = *sequence();
    RC_ASSERT(defect(c) == "");
    RC_ASSERT(c.problem.run.size() <= 30u);
    RC_ASSERT(parse(print(c)) == c);
    RC_ASSERT(decode(encode(c)) == c);
  });
}

/// The program of the last failing case that RapidCheck tries, its least one; empty if none fails.
std::string least_program(Defect defect) {
  Model<double> player(defect);
  std::string least;
  rc::detail::TestParams params;
  params.seed = 1;
  params.maxSuccess = 1000;
  const auto result = rc::detail::checkTestable(
      [&] {
        Case c = *sequence();
        const Verdict v = verdict_of(player, c);
        if (holds(v)) return;
        least.clear();
        for (const Step& step : c.problem.run) least += letter(step.op);
        RC_FAIL(report(c, v));
      },
      rc::detail::TestMetadata{}, params);
  EXPECT_EQ(result.is<rc::detail::FailureResult>(), !least.empty());
  return least;
}

TEST(Sequence, PlantedDefectsShrinkToTheirCommands) {
  EXPECT_EQ(least_program(Defect::none), "");
  EXPECT_EQ(least_program(Defect::eps_of_now), "TeB");
  EXPECT_EQ(least_program(Defect::counter_left_behind), "TM");
  EXPECT_EQ(least_program(Defect::shared_copy), "C");
}

/// LibTorch's module beside Truenorm's layer.
class SequenceBesideLibTorch : public ::testing::Test {
 protected:
  /// Where LibTorch diverges as listed, the step that shows it is counted and left out, and the
  /// rest is played again.
  void play_libtorch(Case c) {
    const std::size_t written = c.problem.run.size();
    while (!c.problem.run.empty()) {
      libtorch_.send(c);
      const Inputs inputs = make_inputs(c);
      const RemotePlayer::Reply reply = libtorch_.receive();
      const Verdict v = judge(reply.trace, answer(c.problem, inputs, reply.contract));
      if (v.result == Result::skipped) {
        ++skipped_;
        return;
      }
      if (holds(v)) break;
      const Divergence* known = known_.classify(c, v, libtorch_.version());
      if (known == nullptr) RC_FAIL("LibTorch: " + report(c, v));
      ++listed_[known->id];
      c.problem.run.erase(c.problem.run.begin() + static_cast<std::ptrdiff_t>(v.worst.step));
    }
    ++played_;
    written_ += written;
    judged_ += c.problem.run.size();
  }

  void expect_most_was_judged() const {
    std::printf("LibTorch %s: %llu sequences, %llu skipped; %llu of %llu steps judged. Left out:\n",
                libtorch_.version().c_str(), static_cast<unsigned long long>(played_),
                static_cast<unsigned long long>(skipped_), static_cast<unsigned long long>(judged_),
                static_cast<unsigned long long>(written_));
    for (const auto& [id, count] : listed_)
      std::printf("  %-42s %8llu\n", id.c_str(), static_cast<unsigned long long>(count));
    EXPECT_GT(played_, 4 * skipped_) << "LibTorch has hardly played";
    EXPECT_GT(2 * judged_, written_) << "most steps are left out as known divergences";
  }

 private:
  RemotePlayer libtorch_{{TRUENORM_LIBTORCH_WORKER}, std::chrono::seconds(60)};
  const Divergences known_ =
      Divergences::load(std::string(TRUENORM_CORPUS_DIR) + "/libtorch-divergences.cases");
  std::map<std::string, std::uint64_t> listed_;
  std::uint64_t played_ = 0, skipped_ = 0, judged_ = 0, written_ = 0;
};

TEST_F(SequenceBesideLibTorch, BothHold) {
  const auto player = make_truenorm();
  Tally tally;
  check(3000, [&] {
    Case c = *sequence();
    c.exec->threads = std::min(c.exec->threads, 2);  // the machine is small
    const Verdict v = verdict_of(*player, c);
    tally.add(c, v);
    if (!holds(v)) RC_FAIL(report(c, v));
    play_libtorch(c);
  });
  tally.expect_complete();
  expect_most_was_judged();
}

}  // namespace
}  // namespace truenorm::props
