// The LibTorch player: what LibTorch's module does, seen through the player and its process.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "played.h"
#include "players/libtorch_contract.h"
#include "remote.h"

namespace truenorm::oracle {
namespace {

RemotePlayer& libtorch() {
  static RemotePlayer player({TRUENORM_LIBTORCH_WORKER}, std::chrono::seconds(60));
  return player;
}

bool old() { return libtorch().version().starts_with("1.13"); }

Trace play(const std::string& line) {
  const Case c = parse(line);
  return libtorch().play(c, make_inputs(c));
}

std::vector<StepTrace> steps(const std::string& line) {
  const Trace trace = play(line);
  EXPECT_EQ(trace.outcome, Outcome::played) << line << ": " << trace.detail;
  return trace.steps;
}

TEST(LibTorch, SaysWhichItIs) {
  EXPECT_EQ(libtorch().name(), "libtorch");
  EXPECT_EQ(libtorch().version(), TRUENORM_LIBTORCH_VERSION);
  EXPECT_NE(libtorch().version(), "1.13.0") << "Debian's package is 1.13.1";
}

TEST(LibTorch, RefusesOneValuePerChannel) {
  for (const char* line : {"tn1 n1c3 f32 run=T | nchw", "tn1 n1c0 f32 run=T | nchw",
                           "tn1 n1c3s1x1 f64 run=T | nhwc", "tn1 n1c3s1x1x1 bf16 run=T | nchw",
                           "tn1 n1c3 f32 stats=off run=E | nchw", "tn1 n1c3 f32 run=-E | nchw"}) {
    const StepTrace last = steps(line).back();
    EXPECT_EQ(last.refused, Refusal::one_value_per_channel) << line << ": " << last.message;
    EXPECT_TRUE(last.y.empty());
  }
  EXPECT_EQ(steps("tn1 n1c3 f32 run=E | nchw")[0].refused, Refusal::none);
}

TEST(LibTorch, NamesItsRefusals) {
  EXPECT_EQ(steps("tn1 n4c3 f32 stats=off run=+E | nchw")[1].refused, Refusal::missing_statistics);
  EXPECT_EQ(steps("tn1 n4c3 f32 stats=off run=+R | nchw")[1].refused, Refusal::missing_statistics);
  EXPECT_EQ(steps("tn1 n4c3 f32 run=B | nchw")[0].refused, Refusal::no_forward);
  EXPECT_EQ(steps("tn1 n4c3 f32 run=TB@2 | nchw")[1].refused, Refusal::shape_mismatch);
  EXPECT_EQ(steps("tn1 n4c3 f32 run=TRB | nchw")[2].refused, Refusal::stale_forward);
  EXPECT_EQ(steps("tn1 n4c0 f32 run=T | nchw")[0].refused, Refusal::other);
  for (const char* line : {"tn1 n4c3 f32 run=TRB | nchw", "tn1 n4c3 f32 run=TB@2 | nchw"})
    EXPECT_EQ(steps(line).back().message.find("Exception raised from"), std::string::npos);
}

TEST(LibTorch, CountsBatches) {
  const auto s = steps("tn1 n4c3 f32 run=TETRTSP-T+T | nchw");
  const std::vector<double> counters{1, 1, 2, 0, 1, 1, 0, 0, 0, 0, 1};
  for (std::size_t i = 0; i < counters.size(); ++i)
    EXPECT_EQ(s[i].num_batches_tracked, counters[i]) << i;
  EXPECT_EQ(steps("tn1 n4c3 f32 stats=off run=T | nchw")[0].num_batches_tracked, -1);
  EXPECT_EQ(steps("tn1 n1c3 f32 run=T | nchw")[0].num_batches_tracked, 1);
  // 16-bit parameters do not make the counter a 16-bit number: 257 steps are counted.
  EXPECT_EQ(steps("tn1 n2c1 bf16 run=T*50 | nchw").back().num_batches_tracked, 50);
}

TEST(LibTorch, UsesTheStatisticsOfItsMode) {
  // Running mean 3, variance 4: x = 3 evaluates to 0; the batch is constant, so training gives 0,
  // too, but only evaluation knows the 4.
  const auto eval =
      steps("tn1 n4c2 f32 eps=0 affine=none x=const(5) rm=const(3) rv=const(4) run=E | nchw");
  for (double y : eval[0].y) EXPECT_EQ(y, 1);
  EXPECT_TRUE(eval[0].save_mean.empty());
  const auto train = steps(
      "tn1 n4c2 f32 eps=0 affine=none x=const(5) rm=const(3) rv=const(4) mom=0.5 run=T | nchw");
  for (double y : train[0].y) EXPECT_EQ(y, 0);
  EXPECT_EQ(train[0].running_mean, (std::vector<double>{4, 4}));
  EXPECT_EQ(train[0].running_var, (std::vector<double>{2, 2}));
  EXPECT_EQ(train[0].save_mean, (std::vector<double>{5, 5}));
  EXPECT_EQ(train[0].save_invstd, (std::vector<double>{0, 0}));  // var = eps = 0
}

TEST(LibTorch, GradientsAreOfOneBackwardEach) {
  const auto s = steps("tn1 n4c3 f32 dy=const(0.5) run=TBB | nchw");
  EXPECT_EQ(s[1].dbias, (std::vector<double>{2, 2, 2}));
  EXPECT_EQ(s[2].dbias, s[1].dbias);
  EXPECT_EQ(s[2].dx, s[1].dx);
}

TEST(LibTorch, AbsentParametersHaveTheKernelsGradients) {
  const auto with = steps("tn1 n4c3s5 f32 w=const(1) run=TB | nchw");
  for (const char* affine : {"none", "g", "b"}) {
    const auto s =
        steps("tn1 n4c3s5 f32 w=const(1) run=TB affine=" + std::string(affine) + " | nchw");
    EXPECT_EQ(s[1].dweight, with[1].dweight) << affine;
    EXPECT_EQ(s[1].dbias, with[1].dbias) << affine;
  }
  const auto empty = steps("tn1 n0c2 f32 affine=none run=TB | nchw");
  EXPECT_EQ(empty[1].dweight, (std::vector<double>{0, 0}));
}

// The same numbers in every layout and thread count, to within the contract: each against the
// reference.
TEST(LibTorch, PlaysEveryLayoutAndType) {
  for (const char* type : {"f32", "f64", "bf16", "bf16/f32", "f16", "f16/f32"}) {
    for (const char* shape : {"n4c5", "n4c5s6", "n4c5s3x2", "n2c5s3x2x2"}) {
      for (const char* exec :
           {"nchw", "nhwc", "sliced", "transposed", "expanded y=nchw dx=nchw", "padded",
            "nchw dy=expanded", "nhwc dy=nchw", "nchw thr=3 skew=5", "nchw inplace"}) {
        const Case c = parse(std::string("tn1 ") + shape + " " + type + " run=TBEB | " + exec);
        const Inputs inputs = make_inputs(c);
        libtorch().send(c);
        const RemotePlayer::Reply reply = libtorch().receive();
        const Verdict v = judge(reply.trace, answer(c.problem, inputs, reply.contract));
        const bool skip = old() && c.problem.dtype == Dtype::f16;
        if (skip)
          EXPECT_EQ(v.result, Result::skipped) << print(c);
        else
          EXPECT_TRUE(v.result == Result::pass || v.result == Result::hollow)
              << print(c) << ": " << v.reason << " " << v.detail;
      }
    }
  }
}

// Composed from its definition and differentiated by autograd.
TEST(LibTorch, PlaysBatchRenormalization) {
  for (const char* type : {"f32", "f64", "bf16", "bf16/f32"})
    for (const char* renorm : {"3,5", "1,0", "1.125,0.25", "inf,inf"})
      for (const char* run : {"TBTBEB", "-TB+TB", "TRBPBSB", "T@3BT@1E"}) {
        const Case c = parse(std::string("tn1 n2c5s3x2 ") + type + " renorm=" + renorm +
                             " rm=normal(0,1) rv=uniform(0.5,2) run=" + run + " | nhwc thr=2");
        const Inputs inputs = make_inputs(c);
        libtorch().send(c);
        const RemotePlayer::Reply reply = libtorch().receive();
        const Verdict v = judge(reply.trace, answer(c.problem, inputs, reply.contract));
        EXPECT_EQ(v.result, Result::pass) << print(c) << ": " << v.reason << " " << v.detail;
      }
}

TEST(LibTorch, KnowsThePathsOfItsKernels) {
  const LibTorchVersion first{1, 13}, second{2, 6};
  const auto path = [](const char* line, LibTorchVersion version) {
    const Case c = parse(line);
    return libtorch_backward_path(c.problem.shape, *c.exec, version);
  };
  using enum LibTorchPath;
  EXPECT_EQ(path("tn1 n2c3s4x4 f32 | nchw", first), contiguous);
  EXPECT_EQ(path("tn1 n2c3s4x4 f32 | nhwc", first), channels_last);
  EXPECT_EQ(path("tn1 n2c3 f32 | nchw", first), channels_last);
  EXPECT_EQ(path("tn1 n2c3s1x1 f32 | nchw", first), channels_last);
  EXPECT_EQ(path("tn1 n2c3s4x4 f32 | nchw dy=nhwc", first), strided);
  EXPECT_EQ(path("tn1 n2c3s4x4 f32 | nchw dy=expanded", first), strided);
  EXPECT_EQ(path("tn1 n2c3s4x4 f32 | sliced dy=nchw", first), strided);
  EXPECT_EQ(path("tn1 n2c3s4 f32 | nhwc", first), strided);      // 3-D is never channels last
  EXPECT_EQ(path("tn1 n2c3s4x4x4 f32 | nhwc", first), strided);  // 5-D is since 2.x
  EXPECT_EQ(path("tn1 n2c3s4x4x4 f32 | nhwc", second), channels_last);
}

TEST(LibTorch, AKillInMidRunCostsOneCase) {
  RemotePlayer player({TRUENORM_LIBTORCH_WORKER}, std::chrono::seconds(60));
  const Case c = parse("tn1 n4c3 f32 run=TB | nchw");
  const Inputs inputs = make_inputs(c);
  const Trace before = player.play(c, inputs);
  ::kill(player.pid(), SIGKILL);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const Trace after = player.play(c, inputs);
  EXPECT_EQ(after.outcome, Outcome::played) << after.detail;
  EXPECT_EQ(after.steps[1].dx, before.steps[1].dx);
  EXPECT_EQ(player.restarts(), 1);
  const Case large = parse("tn1 n64c64s64x64 f32 run=TB*8 | nchw");
  player.send(large);
  ::kill(player.pid(), SIGKILL);
  EXPECT_EQ(player.receive().trace.outcome, Outcome::crashed);
  EXPECT_EQ(player.play(c, inputs).steps[1].dx, before.steps[1].dx);
  EXPECT_EQ(player.restarts(), 2);
}

}  // namespace
}  // namespace truenorm::oracle
