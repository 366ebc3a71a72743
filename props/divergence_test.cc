// The known divergences of LibTorch: that the file is true of this LibTorch, and that its
// conditions recognise their own cause and nothing else.
#include "divergence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "played.h"
#include "remote.h"

namespace truenorm::oracle {
namespace {

const std::string kFile = std::string(TRUENORM_CORPUS_DIR) + "/libtorch-divergences.cases";

RemotePlayer& libtorch() {
  static RemotePlayer player({TRUENORM_LIBTORCH_WORKER}, std::chrono::seconds(60));
  return player;
}

const Divergences& known() {
  static const Divergences all = Divergences::load(kFile);
  return all;
}

Verdict verdict(const Case& c) {
  libtorch().send(c);
  const Inputs inputs = make_inputs(c);
  const RemotePlayer::Reply reply = libtorch().receive();
  return judge(reply.trace, answer(c.problem, inputs, reply.contract));
}

std::string id_of(const Case& c) {
  const Divergence* d = known().classify(c, verdict(c), libtorch().version());
  return d ? d->id : std::string();
}

TEST(Divergence, EveryLineDivergesAsItSays) {
  std::size_t shown = 0, elsewhere = 0;
  for (const Divergence& d : known().entries()) {
    EXPECT_FALSE(d.lines.empty()) << d.id;
    for (const Case& c : d.lines) {
      ASSERT_TRUE(c.exec) << d.id << ": " << print(c) << ": a line names its right side";
      if (!d.covers(libtorch().version())) {
        ++elsewhere;
        continue;
      }
      ++shown;
      const Verdict v = verdict(c);
      EXPECT_EQ(v.result, Result::fail) << d.id << ": " << print(c);
      EXPECT_EQ(id_of(c), d.id) << print(c) << ": " << v.reason << ", " << v.detail;
    }
  }
  std::printf("LibTorch %s: %zu lines diverge as listed, %zu are of other versions\n",
              libtorch().version().c_str(), shown, elsewhere);
  EXPECT_GT(shown, 0u);
}

TEST(Divergence, EveryConditionHasAnEntryAndEveryEntryIsOneOf) {
  std::set<std::string> used;
  for (const Divergence& d : known().entries()) used.insert(d.when);
  for (const Condition& c : conditions()) {
    EXPECT_TRUE(used.contains(std::string(c.name))) << c.name;
    EXPECT_FALSE(c.what.empty());
  }
}

// The near side of each condition: the same call without what the cause needs. LibTorch is right.
TEST(Divergence, NeighboursOfEachLinePass) {
  for (const char* line : {
           "tn1 n2c3 f32 run=T | nchw",                              // two values: nothing refused
           "tn1 n1c3 f32 stats=off run=T | nchw",                    // refused, but nothing counted
           "tn1 n1c3 f32 run=ETE | nchw",                            // see below
           "tn1 n4c3 f32 run=-+T | nchw",                            // tracking is on again
           "tn1 n4c3 f32 stats=off run=-TE | nchw",                  // nothing to be updated
           "tn1 n4c3 f32 run=TBR | nchw",                            // the backward came first
           "tn1 n4c3 f32 run=TRTB | nchw",                           // a fresh forward
           "tn1 n4c3 f32 run=T-RB | nchw",                           // a reset that does nothing
           "tn1 n4c3 f32 affine=none stats=off run=TPSB | nchw",     // nothing to be written
           "tn1 n2c3s4 f32 run=TB@5 | nchw",                         // refused by both
           "tn1 n4c0 f32 affine=none run=TEB | nchw",                // no parameters
           "tn1 n0c3 f32 run=TEB | nchw",                            // empty, but with channels
           "tn1 n4c3s2x2 f32 run=TBEB | nchw params=strided",        // the contiguous kernel
           "tn1 n4c3s2x2 f32 run=TBEB | padded params=strided",      // the strided kernel
           "tn1 n4c3 bf16 run=TBEB | nchw params=strided",           // the 16-bit kernel
           "tn1 n4c1 f32 run=TBEB | nchw params=strided",            // one channel has no stride
           "tn1 n4c3 f32 affine=none run=TB | nchw params=strided",  // no weight, no statistics
           "tn1 n2c17s1x2 f32 run=TB | nchw dy=transposed",          // formats are told apart
           "tn1 n1c17s1x2 f32 run=TB | nchw dy=nhwc",
           "tn1 n4c3 f32 affine=b stats=off run=TBS | nchw",   // the backward came first
           "tn1 n4c3 f32 affine=b stats=off run=TCSB | nchw",  // the graph is the original's
           "tn1 n4c3 f32 run=TCRBPBSB | nchw",                 // as here
           "tn1 n4c3 f32 run=-+CTB | nchw",                    // tracking is on again
           "tn1 n4c3 f32 stats=off run=+-CTB | nchw",
       }) {
    const Case c = parse(line);
    const Verdict v = verdict(c);
    if (std::string_view(line).find("run=ETE") != std::string_view::npos) {
      EXPECT_EQ(id_of(c), "counted-before-refusal");
      continue;
    }
    EXPECT_EQ(v.result, Result::pass) << line << ": " << v.reason << ", " << v.detail;
    EXPECT_EQ(id_of(c), "") << line;
  }
}

Verdict failed(std::size_t step, const char* reason, const std::string& detail) {
  Verdict v;
  v.result = Result::fail;
  v.reason = reason;
  v.detail = detail;
  v.worst.step = step;
  return v;
}

// The far side: other failures of the very cases that the lines show are new.
TEST(Divergence, OtherFailuresOfTheSameCasesAreNew) {
  const std::string version = "1.13.1";
  const auto fresh = [&](const char* line, const Verdict& v) {
    const Divergence* d = known().classify(parse(line), v, version);
    EXPECT_EQ(d, nullptr) << line << ": " << v.reason << " is explained by " << d->id;
  };
  for (const Divergence& d : known().entries()) {
    for (const Case& c : d.lines) {
      const std::string line = print(c);
      fresh(line.c_str(), failed(0, "y", "step 0: y[0]"));
      fresh(line.c_str(), failed(0, "save_mean", "step 0: save_mean[0]"));
      fresh(line.c_str(), failed(99, "refusal", "step 99: refused: other, not accepted"));
      fresh(line.c_str(), failed(0, "refusal", "step 0: accepted, not refused: no forward"));
      Verdict crash;
      crash.result = Result::crash;
      crash.reason = "crashed";
      fresh(line.c_str(), crash);
    }
  }
  const char* refused = "tn1 n1c3 f32 run=T | nchw";
  fresh(refused, failed(0, "num_batches_tracked", "step 0: counter 2.000000, not 0.000000"));
  fresh(refused,
        failed(0, "refusal", "step 0: refused: other, not refused: one value per channel"));
  fresh("tn1 n4c3 f32 run=T | nchw",
        failed(0, "num_batches_tracked", "step 0: counter 2.000000, not 1.000000"));
  fresh("tn1 n4c3 f32 run=T | nchw", failed(0, "running_mean", "step 0: running_mean[0]"));
  fresh("tn1 n4c3 f32 run=TRB | nchw", failed(2, "dx", "step 2: dx[0]"));
  fresh("tn1 n4c3 f32 run=TB | nchw",
        failed(1, "refusal", "step 1: refused: stale forward, not accepted"));
  fresh("tn1 n4c3 f32 run=TB | nchw params=strided", failed(1, "dbias", "step 1: dbias[0]"));
  fresh("tn1 n4c3 f32 run=TB | nchw params=strided", failed(1, "dweight", "step 1: dweight[0]"));
  fresh("tn1 n4c3 f32 run=TB | nchw", failed(1, "dx", "step 1: dx[0]"));
  fresh("tn1 n4c3 f32 affine=b stats=off run=TB | nchw",
        failed(1, "missing", "dbias has 0 elements, not 3"));
  fresh("tn1 n4c3 f32 run=TCRB | nchw",
        failed(3, "refusal", "step 3: refused: stale forward, not accepted"));
  fresh("tn1 n4c3 f32 run=C | nchw", failed(0, "refusal", "step 0: refused: other, not accepted"));
  fresh("tn1 n4c3 f32 stats=off run=C | nchw",
        failed(0, "num_batches_tracked", "step 0: counter 0.000000, not -1.000000"));
}

TEST(Divergence, VersionsAreTold) {
  Divergence d;
  d.versions = {"1.13", "2.6.0"};
  EXPECT_TRUE(d.covers("1.13.1"));
  EXPECT_TRUE(d.covers("2.6.0"));
  EXPECT_FALSE(d.covers("1.130"));
  EXPECT_FALSE(d.covers("2.6.1"));
  const Divergence* none =
      known().classify(parse("tn1 n4c0 f32 run=T | nchw"),
                       failed(0, "refusal", "step 0: refused: other, not accepted"), "9.9");
  EXPECT_EQ(none, nullptr);
}

TEST(Divergence, BadFilesAreRefused) {
  const std::string entry =
      "# id: a\n# versions: 1.13\n# when: stale-forward\n# cause: c\n# right: r\n";
  const std::string line = "tn1 n2c3 f32 | nchw\n";
  EXPECT_EQ(Divergences::parse(entry + line + line, "f").entries().at(0).lines.size(), 2u);
  EXPECT_THROW(Divergences::parse(line, "f"), std::invalid_argument);
  EXPECT_THROW(Divergences::parse(entry + line + entry + line, "f"), std::invalid_argument);
  EXPECT_THROW(Divergences::parse("# id: a\n" + line, "f"), std::invalid_argument);
  EXPECT_THROW(Divergences::parse(entry + "tn1 nonsense\n", "f"), ParseError);
  std::string unknown = entry + line;
  unknown.replace(unknown.find("stale-forward"), 5, "stole");
  EXPECT_THROW(Divergences::parse(unknown, "f"), std::invalid_argument);
  EXPECT_THROW(Divergences::load("/nonexistent"), std::runtime_error);
}

// Sampled cases: LibTorch is within its contract, or what is wrong has an entry.
TEST(Divergence, NothingNewInSampledCases) {
  std::size_t passed = 0, listed = 0;
  for (std::uint64_t i = 0; i < 600; ++i) {
    Case c = sample(20, i);
    if (!c.exec) c.exec = Exec{};
    c.exec->threads = std::min(c.exec->threads, 2);  // the machine is small
    const Verdict v = verdict(c);
    if (v.result == Result::skipped) continue;
    if (v.result == Result::pass || v.result == Result::hollow) {
      ++passed;
      continue;
    }
    ++listed;
    const Divergence* d = known().classify(c, v, libtorch().version());
    EXPECT_NE(d, nullptr) << print(c) << ": " << v.reason << ", " << v.detail;
  }
  std::printf("%zu cases within LibTorch's contract, %zu listed divergences\n", passed, listed);
  EXPECT_GT(passed, listed);
  EXPECT_GT(listed, 0u);
}

}  // namespace
}  // namespace truenorm::oracle
