// Players in processes of their own: what crashes, hangs or babbles costs one case, and no more.
#include "remote.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "text.h"
#include "wire.h"

namespace truenorm::oracle {
namespace {

using namespace std::chrono_literals;

Case case_of(int seed, const std::string& shape = "n2c3") {
  return parse("tn1 " + shape + " f32 run=TBE seed=" + std::to_string(seed) + " | nchw thr=3");
}

RemotePlayer worker(std::chrono::milliseconds timeout = 10s, const char* mode = "") {
  return RemotePlayer({TRUENORM_REMOTE_WORKER, mode}, timeout);
}

Trace play(RemotePlayer& player, int seed) {
  const Case c = case_of(seed);
  return player.play(c, make_inputs(c));
}

void expect_played(const Trace& trace, const Case& c) {
  ASSERT_EQ(trace.outcome, Outcome::played) << trace.detail;
  ASSERT_EQ(trace.steps.size(), 3u);
  const Inputs inputs = make_inputs(c);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(trace.steps[i].y, inputs.step[i]);
    EXPECT_EQ(trace.steps[i].num_batches_tracked, static_cast<double>(i));
    EXPECT_EQ(trace.steps[i].message, "step");
    EXPECT_TRUE(trace.steps[i].dx.empty());
  }
  EXPECT_EQ(trace.steps[1].refused, Refusal::no_forward);
}

TEST(Remote, PlaysAndKeepsOneProcess) {
  RemotePlayer player = worker();
  EXPECT_EQ(player.pid(), 0);
  EXPECT_EQ(player.name(), "on demand");
  EXPECT_EQ(player.version(), "1.2.3");
  const int pid = player.pid();
  EXPECT_GT(pid, 0);
  for (int i = 0; i < 100; ++i) expect_played(play(player, 1), case_of(1));
  EXPECT_EQ(player.pid(), pid);
  EXPECT_EQ(player.restarts(), 0);
}

TEST(Remote, AsksTheWorkerForSupportAndContract) {
  RemotePlayer player = worker();
  const Case yes = case_of(1, "n5c3"), no = case_of(2);
  EXPECT_EQ(player.unsupported(yes.problem, *yes.exec), "");
  EXPECT_EQ(player.contract(yes.problem, *yes.exec).unit, 5);
  EXPECT_EQ(player.contract(yes.problem, *yes.exec).forward_roundings, 3);
  EXPECT_TRUE(player.contract(yes.problem, *yes.exec).f32_range);
  EXPECT_EQ(player.unsupported(no.problem, *no.exec), "seed 2 is not for me");
  EXPECT_EQ(play(player, 2).outcome, Outcome::unsupported);
  player.send(yes);
  const RemotePlayer::Reply reply = player.receive();
  EXPECT_EQ(reply.contract.unit, 5);
  EXPECT_EQ(reply.trace.steps.size(), 3u);
}

TEST(Remote, ACrashIsNamedAndTheNextCaseIsAnswered) {
  RemotePlayer player = worker();
  int deaths = 0;
  for (const auto& [seed, what] : {std::pair{3, "SIGSEGV"}, {8, "SIGABRT"}, {5, "exit status 7"}}) {
    const Trace trace = play(player, seed);
    EXPECT_EQ(trace.outcome, Outcome::crashed);
    EXPECT_EQ(trace.detail, what);
    EXPECT_EQ(player.restarts(), ++deaths);
    EXPECT_EQ(player.pid(), 0);
    expect_played(play(player, 1), case_of(1));
  }
}

TEST(Remote, AHangIsKilled) {
  RemotePlayer player = worker(200ms);
  const auto start = std::chrono::steady_clock::now();
  const Trace trace = play(player, 4);
  EXPECT_EQ(trace.outcome, Outcome::timed_out) << trace.detail;
  EXPECT_GE(std::chrono::steady_clock::now() - start, 200ms);
  EXPECT_EQ(player.restarts(), 1);
  expect_played(play(player, 1), case_of(1));
}

TEST(Remote, AKillFromOutsideCostsAtMostTheCaseUnderWay) {
  RemotePlayer player = worker();
  play(player, 1);
  ::kill(player.pid(), SIGKILL);
  std::this_thread::sleep_for(100ms);
  expect_played(play(player, 1), case_of(1));  // died between two cases: nobody's fault
  EXPECT_EQ(player.restarts(), 1);
  player.send(case_of(4));
  ::kill(player.pid(), SIGKILL);
  const Trace trace = player.receive().trace;
  EXPECT_EQ(trace.outcome, Outcome::crashed);
  EXPECT_EQ(trace.detail, "SIGKILL");
  expect_played(play(player, 1), case_of(1));
}

TEST(Remote, AKillBeforeTheFirstWordCostsNothing) {
  const std::string folder = testing::TempDir() + "killed." + std::to_string(::getpid());
  RemotePlayer player({TRUENORM_REMOTE_WORKER, "--killed", folder});
  expect_played(play(player, 1), case_of(1));
  EXPECT_EQ(player.restarts(), 1);
  EXPECT_EQ(::rmdir(folder.c_str()), 0);
}

TEST(Remote, StandardOutputIsNotPartOfTheConversation) {
  RemotePlayer player = worker();
  expect_played(play(player, 6), case_of(6));
  expect_played(play(player, 9), case_of(9));
  EXPECT_EQ(player.restarts(), 0);
}

TEST(Remote, AnExceptionFailsTheCaseOnly) {
  RemotePlayer player = worker();
  const Trace trace = play(player, 7);
  EXPECT_EQ(trace.outcome, Outcome::failed);
  EXPECT_EQ(trace.detail, "play() threw");
  EXPECT_EQ(player.restarts(), 0);
}

TEST(Remote, ACaseWithoutItsRightSideIsRefused) {
  RemotePlayer player = worker();
  player.send(parse("tn1 n2c3 f32"));
  EXPECT_EQ(player.receive().trace.outcome, Outcome::failed);
  expect_played(play(player, 1), case_of(1));
}

TEST(Remote, WhatIsNoWorkerFailsInsteadOfHanging) {
  for (const char* mode : {"--gibberish", "--quiet-exit", "--killed"}) {
    RemotePlayer player = worker(300ms, mode);
    const Trace trace = play(player, 1);
    EXPECT_EQ(trace.outcome, Outcome::failed) << mode;
    EXPECT_TRUE(trace.detail.starts_with("the worker did not start")) << trace.detail;
  }
  RemotePlayer missing({"/nonexistent/worker"});
  const Trace trace = play(missing, 1);
  EXPECT_EQ(trace.outcome, Outcome::failed);
  EXPECT_NE(trace.detail.find("can '/nonexistent/worker' be run?"), std::string::npos)
      << trace.detail;
  EXPECT_EQ(missing.unsupported(case_of(1).problem, *case_of(1).exec), "");
  EXPECT_THROW(RemotePlayer({}), std::invalid_argument);
}

TEST(Remote, SendAndReceiveMayBeMisused) {
  RemotePlayer player = worker();
  EXPECT_EQ(player.receive().trace.outcome, Outcome::failed);
  player.send(case_of(1));
  player.send(case_of(1, "n4c2"));  // the first answer is given up, and its process with it
  EXPECT_EQ(player.receive().contract.unit, 4);
  EXPECT_EQ(player.restarts(), 1);
}

bool open_descriptors_are_marked() {
  for (int fd = 3; fd < 64; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) return false;
  }
  return true;
}

TEST(Remote, LeavesNoProcessAndNoDescriptorBehind) {
  const bool clean_before = open_descriptors_are_marked();
  int pid = 0;
  {
    RemotePlayer player = worker();
    play(player, 1);
    pid = player.pid();
    EXPECT_EQ(open_descriptors_are_marked(), clean_before);
    player.send(case_of(4));  // hangs; the destructor does not wait for it
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

// A process of ours starts a worker that hangs, and is then killed: the worker goes with it.
TEST(Remote, AHangingWorkerDiesWithItsParent) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    RemotePlayer player = worker(60s);
    player.send(case_of(4));
    const int pid = player.pid();
    if (::write(ends[1], &pid, sizeof pid) != sizeof pid) ::_exit(1);
    for (;;) ::pause();
  }
  int pid = 0;
  ASSERT_EQ(::read(ends[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  ASSERT_EQ(::kill(pid, 0), 0);
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  // The orphan is reaped by init, or stays a zombie where there is none: gone or dead both do.
  const auto dead = [&] {
    if (::kill(pid, 0) != 0) return true;
    char path[64], state = 0;
    std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (FILE* f = std::fopen(path, "r")) {
      if (std::fscanf(f, "%*d (%*[^)]) %c", &state) != 1) state = 'Z';
      std::fclose(f);
    }
    return state == 'Z' || state == 0;
  };
  for (int i = 0; i < 500 && !dead(); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_TRUE(dead());
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(Remote, ARoundTripIsShort) {
  RemotePlayer player = worker();
  const Case c = case_of(1);
  const Inputs inputs = make_inputs(c);
  player.play(c, inputs);
  auto best = std::chrono::nanoseconds::max();
  for (int i = 0; i < 2000; ++i) {
    const auto start = std::chrono::steady_clock::now();
    player.play(c, inputs);
    best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - start);
  }
  RecordProperty("best_ns", static_cast<int>(best.count()));
  EXPECT_LT(best, 1ms);  // 60 us in a release build on a quiet machine; sanitizers and neighbours
}

// ---- the messages ----

wire::Message sample_message() {
  wire::Message m;
  m.kind = wire::Kind::answer;
  m.contract.unit = kU32;
  m.trace.outcome = Outcome::refused_but_wrote;
  m.trace.detail = "y: written behind its end";
  StepTrace step;
  step.refused = Refusal::stale_forward;
  step.y = {1, -0.0, std::numeric_limits<double>::infinity()};
  step.running_var = {std::numeric_limits<double>::quiet_NaN()};
  m.trace.steps = {step, StepTrace{}};
  return m;
}

TEST(Wire, RoundTrip) {
  const std::string bytes = wire::encode(sample_message());
  EXPECT_EQ(wire::length(bytes.data()), bytes.size() - wire::kPrefix);
  const wire::Message m = wire::decode(std::string_view(bytes).substr(wire::kPrefix));
  EXPECT_EQ(m.contract.unit, kU32);
  EXPECT_EQ(m.trace.outcome, Outcome::refused_but_wrote);
  EXPECT_EQ(m.trace.detail, "y: written behind its end");
  ASSERT_EQ(m.trace.steps.size(), 2u);
  EXPECT_EQ(m.trace.steps[0].refused, Refusal::stale_forward);
  EXPECT_EQ(m.trace.steps[0].y, sample_message().trace.steps[0].y);
  EXPECT_TRUE(std::signbit(m.trace.steps[0].y[1]));
  EXPECT_TRUE(std::isnan(m.trace.steps[0].running_var[0]));
}

TEST(Wire, EveryTruncationIsRefused) {
  const std::string bytes = wire::encode(sample_message());
  const std::string_view body = std::string_view(bytes).substr(wire::kPrefix);
  for (std::size_t n = 0; n < body.size(); ++n)
    EXPECT_THROW(wire::decode(body.substr(0, n)), wire::Error) << n;
  EXPECT_THROW(wire::decode(std::string(body) + "x"), wire::Error);
}

TEST(Wire, EveryFlippedByteIsRefusedOrRead) {
  const std::string bytes = wire::encode(sample_message());
  for (std::size_t i = wire::kPrefix; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = bytes;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      try {
        wire::decode(std::string_view(flipped).substr(wire::kPrefix));
      } catch (const wire::Error&) {
      }
    }
  }
  std::string other = bytes.substr(wire::kPrefix);
  other[0] = static_cast<char>(wire::kVersion + 1);
  EXPECT_THROW(wire::decode(other), wire::Error);
  const std::string absurd(8, '\x7f');
  EXPECT_THROW(wire::length(absurd.data()), wire::Error);
}

}  // namespace
}  // namespace truenorm::oracle
