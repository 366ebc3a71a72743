// The parts of the night that need no process: what a job does next, what an engine's words mean, and
// that a corpus which is exchanged loses nothing.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <thread>

#include "corpus.h"
#include "engine.h"
#include "fuzz/finding.h"
#include "intake.h"
#include "oracle/bytes.h"
#include "oracle/text.h"
#include "process.h"
#include "schedule.h"
#include "store.h"
#include "triage.h"

namespace truenorm::night {
namespace {

namespace fs = std::filesystem;

class Night : public testing::Test {
 protected:
  Night() {
    std::string name = (fs::temp_directory_path() / "night-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error(name);
    folder_.root = name;
  }
  ~Night() override { fs::remove_all(folder_.root); }
  static void write(const fs::path& path, const std::string& bytes) {
    fs::create_directories(path.parent_path());
    fuzz::write_whole(path.string(), bytes);
  }
  static std::set<std::string> names(const fs::path& folder) {
    std::set<std::string> all;
    for (const fs::path& file : files_of(folder)) all.insert(file.filename().string());
    return all;
  }
  Folder folder_;
};

// ---- The schedule.

Situation situation(std::size_t targets, unsigned jobs, double seconds) {
  Situation now;
  now.targets.resize(targets);
  now.jobs = jobs;
  now.left = now.whole = seconds;
  return now;
}

/// Plays an hour of one job: how long each target was explored, and how long the rest took.
std::map<Task::Kind, double> play_hour(Situation now, std::vector<double>& explored) {
  std::map<Task::Kind, double> times;
  explored.assign(now.targets.size(), 0);
  for (double clock = 0; clock < 3600;) {
    const auto task = choose(now);
    if (!task) break;
    TargetState& target = now.targets[task->target];
    const double took = task->kind == Task::Kind::explore ? task->seconds : 5;
    clock += took;
    now.left -= took;
    now.spent += took;
    times[task->kind] += took;
    if (task->kind == Task::Kind::explore) {
      target.explored += took;
      explored[task->target] += took;
      ++target.turns;
    } else {
      now.kept += took;
      if (task->kind == Task::Kind::replay) target.replays[task->replay].waited = 0;
    }
    for (TargetState& each : now.targets)  // there is always something new
      for (ReplayState& replay : each.replays) {
        replay.fresh = 100;
        replay.waited += took;
      }
  }
  return times;
}

TEST(Schedule, TimeFollowsTheWeights) {
  Situation now = situation(3, 1, 3600);
  now.targets[0].weight = 4;
  now.targets[1].weight = 2;
  now.targets[2].weight = 1;
  std::vector<double> explored;
  play_hour(now, explored);
  const double all = explored[0] + explored[1] + explored[2];
  // A slice of a minute is what a share may be off by.
  EXPECT_LT(std::abs(explored[0] - all * 4 / 7), 60);
  EXPECT_LT(std::abs(explored[1] - all * 2 / 7), 60);
  EXPECT_LT(std::abs(explored[2] - all * 1 / 7), 60);
}

TEST(Schedule, ReplaysHaveAFourthAndAllHaveTheirTurn) {
  Situation now = situation(2, 1, 3600);
  for (TargetState& target : now.targets) target.replays.resize(3);
  std::vector<double> explored;
  auto times = play_hour(now, explored);
  EXPECT_LE(times[Task::Kind::replay], 3600 / 4.0 + 10);
  EXPECT_GE(times[Task::Kind::replay], 3600 / 5.0);
}

TEST(Schedule, SlicesAreAMinuteAtMostAndEndWithTheRun) {
  Situation now = situation(2, 2, std::numeric_limits<double>::infinity());
  for (unsigned turns = 0; turns < 40; ++turns) {
    for (TargetState& target : now.targets) target.turns = turns;
    EXPECT_LE(choose(now)->seconds, 60);
    EXPECT_GE(choose(now)->seconds, 10);
  }
  now.left = 7;
  EXPECT_LE(choose(now)->seconds, 7);
  now.left = 0.5;
  EXPECT_FALSE(choose(now));
}

TEST(Schedule, AShortRunReachesEveryTarget) {
  Situation now = situation(6, 1, 60);
  std::vector<double> explored;
  play_hour(now, explored);
  for (const double time : explored) EXPECT_GE(time, 5);
}

TEST(Schedule, AFewNewInputsWaitForMore) {
  Situation now = situation(1, 2, 3600);
  now.spent = 100;
  now.targets[0].replays = {{1, 1, false}};
  EXPECT_EQ(choose(now)->kind, Task::Kind::explore);
  now.targets[0].replays = {{1, 30, false}};
  EXPECT_EQ(choose(now)->kind, Task::Kind::replay);
  now.targets[0].replays = {{200, 1, false}};
  EXPECT_EQ(choose(now)->kind, Task::Kind::replay);
  now.targets[0].replays = {{200, 1, true}};
  EXPECT_EQ(choose(now)->kind, Task::Kind::explore);
}

TEST(Schedule, ACorpusIsMergedWhenItHasDoubled) {
  Situation now = situation(1, 2, 3600);
  now.targets[0].corpus = 900;
  now.targets[0].merged = 500;
  EXPECT_EQ(choose(now)->kind, Task::Kind::explore);
  now.targets[0].corpus = 1000;
  EXPECT_EQ(choose(now)->kind, Task::Kind::merge);
  now.targets[0].merging = true;
  EXPECT_EQ(choose(now)->kind, Task::Kind::explore);
}

// ---- The engine's words.

TEST(Engine, DeathsHaveNamesThatLinesAndAddressesDoNotChange) {
  const auto reason = [](const char* log) { return read_death(log, "crash-1f").reason; };
  EXPECT_EQ(
      reason("==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x6\n"
             "    #0 0x5 in __asan_memcpy (/tmp/g+0xd)\n"
             "    #1 0x6 in void n::over<char>(char const*, unsigned long) /a/g.cc:5:3\n"
             "SUMMARY: AddressSanitizer: heap-buffer-overflow (/tmp/g+0xd) in __asan_memcpy\n"),
      "heap-buffer-overflow in over");
  EXPECT_EQ(
      reason("g.cc:6:55: runtime error: shift exponent 61 is too large for 32-bit type 'int'\n"
             "    #0 0x6 in n::shift(int, int) /a/g.cc:6:55\n"
             "SUMMARY: UndefinedBehaviorSanitizer: undefined-behavior g.cc:6:55 in \n"),
      "shift exponent # is too large for #-bit type 'int' in shift");
  EXPECT_EQ(reason("==9== ERROR: libFuzzer: deadly signal\n"
                   "    #1 0x6 in fuzzer::Fuzzer::CrashCallback() (/tmp/f+0x2)\n"
                   "    #5 0x7 in raise signal/../sysdeps/posix/raise.c:26:13\n"
                   "    #6 0x7 in abort stdlib/./stdlib/abort.c:79:7\n"
                   "    #7 0x5 in kernel(float*) /tmp/f.cc:5:133\n"
                   "SUMMARY: libFuzzer: deadly signal\n"),
            "deadly signal in kernel");
}

TEST(Engine, ArtifactsSayWhatTheyAre) {
  EXPECT_EQ(read_death("SUMMARY: libFuzzer: timeout\n", "timeout-1").verdict, "timeout");
  EXPECT_EQ(read_death("SUMMARY: libFuzzer: timeout\n", "").verdict, "timeout");
  EXPECT_EQ(read_death("SUMMARY: libFuzzer: out-of-memory (used: 9Mb)\n", "oom-1").reason,
            "out of memory");
  EXPECT_EQ(read_death("", "crash-1").verdict, "crash");
  EXPECT_EQ(read_death("#5 pulse cov: 1 ft: 2\nDone 5 runs in 1 second(s)\n", "").verdict, "");
}

TEST_F(Night, ALogIsReadAsItGrows) {
  const fs::path path = folder_.root / "log";
  Log log(path);
  log.read();
  std::ofstream file(path);
  file << "#16\tNEW    cov: 12 ft: 34 corp: 5/9b lim: 4 exec/s: 7 rss: 1Mb\n#32\tpulse  cov: 1"
       << std::flush;
  log.read();
  EXPECT_EQ(log.counts().executions, 16u);
  EXPECT_EQ(log.counts().coverage, 12u);
  file << "3 ft: 35 corp: 5/9b exec/s: 8 rss: 1Mb\nRunning: a/b\n" << std::flush;
  log.read();
  EXPECT_EQ(log.counts().executions, 32u);
  EXPECT_EQ(log.counts().coverage, 13u);
  EXPECT_EQ(log.running(), "a/b");
}

// ---- The corpus.

TEST_F(Night, TimeWithoutAProcessorIsTold) {
  if (!fs::exists("/proc/self/schedstat")) GTEST_SKIP() << "this system does not tell";
  Minder minder;
  const auto on_one = [&](const char* what) {
    return Command{{"sh", "-c", std::string("taskset -cp 0 $$; ") + what}, folder_.root / "log"};
  };
  const Child one(minder, on_one("while :; do :; done")),
      two(minder, on_one("while :; do :; done"));
  const Child asleep(minder, on_one("exec sleep 100"));
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::min(one.starved(), two.starved()) < 0.5 && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_GE(std::min(one.starved(), two.starved()), 0.5);
  EXPECT_LT(asleep.starved(), 0.5);
}

TEST_F(Night, AMergeTakesThePlaceAndCarriesOverWhatCameMeanwhile) {
  const fs::path corpus = folder_.corpus("case_fuzz");
  for (const char* name : {"a", "b", "c"}) write(corpus / name, name);
  Merge merge(folder_, "case_fuzz");
  merge.begin();
  write(corpus / "late", "late");
  write(merge.out() / "a", "a");
  merge.finish();
  EXPECT_EQ(names(corpus), (std::set<std::string>{"a", "late"}));
  EXPECT_FALSE(fs::exists(folder_.merge("case_fuzz")));
}

TEST_F(Night, AMergeThatMadeNothingChangesNothing) {
  const fs::path corpus = folder_.corpus("case_fuzz");
  write(corpus / "a", "a");
  Merge merge(folder_, "case_fuzz");
  merge.begin();
  merge.finish();
  EXPECT_EQ(names(corpus), (std::set<std::string>{"a"}));
}

/// The runner is killed before the exchange, and right after it.
TEST_F(Night, AMergeThatIsKilledLosesNothing) {
  const fs::path corpus = folder_.corpus("case_fuzz");
  for (const char* name : {"a", "b"}) write(corpus / name, name);
  Merge merge(folder_, "case_fuzz");
  merge.begin();
  write(corpus / "late", "late");
  write(merge.out() / "a", "a");
  Merge(folder_, "case_fuzz").recover();
  EXPECT_EQ(names(corpus), (std::set<std::string>{"a", "b", "late"}));

  merge.begin();
  write(corpus / "later", "later");
  write(merge.out() / "a", "a");
  write(folder_.merge("case_fuzz") / "ready", "");
  const fs::path aside = folder_.root / "aside";
  fs::rename(corpus, aside);
  fs::rename(merge.out(), corpus);
  fs::rename(aside, merge.out());
  EXPECT_EQ(names(corpus), (std::set<std::string>{"a"}));
  Merge(folder_, "case_fuzz").recover();
  EXPECT_EQ(names(corpus), (std::set<std::string>{"a", "b", "late", "later"}));
}

TEST_F(Night, AnInputThatEndsAProcessLeavesTheCorpus) {
  const fs::path corpus = folder_.corpus("case_fuzz");
  for (const char* name : {"a", "b", "c"})
    write(corpus / name, name == std::string("b") ? "x" : "y");
  EXPECT_EQ(banish(folder_, "case_fuzz", "y"), 2u);
  EXPECT_EQ(names(corpus), (std::set<std::string>{"b"}));
  EXPECT_EQ(names(folder_.banished()).size(), 2u);
}

TEST_F(Night, SeedsAreInputsThatMeanTheirCases) {
  const fs::path cases = folder_.root / "cases";
  write(cases / "a.cases", "tn1 n2c1 f32 run=T | nhwc\n# words\ntn1 n3c1 f32 run=TB\n");
  write(cases / "found.cases", "tn1 n4c1 f32 run=E | nchw\n");
  write(cases / "seeds" / "api_fuzz" / "one", "1");
  const auto lines_read = seed_cases(cases, cases / "none");
  const Target& target = *target_named("case_fuzz");
  const auto seeds = seeds_of(target, lines_read, cases);
  ASSERT_EQ(seeds.size(), 3u);
  EXPECT_EQ(seeds_of(*target_named("api_fuzz"), lines_read, cases),
            (std::vector<std::string>{"1"}));
  EXPECT_EQ(seeds_of(*target_named("text_fuzz"), lines_read, cases).front(),
            print(lines_read.front()));
  EXPECT_EQ(write_seeds(target, folder_, seeds), 3u);
  std::multiset<std::string> lines, wanted;
  for (const fs::path& file : files_of(folder_.corpus(target.name))) {
    const std::string bytes = read_bytes(file);
    lines.insert(print(oracle::decode(std::vector<std::uint8_t>(bytes.begin(), bytes.end()))));
  }
  for (const oracle::Case& c : lines_read) wanted.insert(print(c));
  EXPECT_EQ(lines, wanted);

  // One that a merge has left out stays away, as long as there is another.
  fs::remove(files_of(folder_.corpus(target.name)).front());
  EXPECT_EQ(write_seeds(target, folder_, seeds), 0u);
  for (const fs::path& file : files_of(folder_.corpus(target.name))) fs::remove(file);
  EXPECT_EQ(write_seeds(target, folder_, seeds), 3u);
}

// ---- Findings.

Finding some_finding() {
  Finding f;
  f.target = "case_fuzz";
  f.subject = "truenorm";
  f.verdict = "fail";
  f.reason = "dx";
  f.kernel = "f32 nchw";
  f.line = "tn1 n2c1 f32 run=T | nchw";
  f.input = std::string("\0\xff\x10", 3);
  f.build = "fast avx2";
  return f;
}

TEST_F(Night, AFindingIsAFileAndBack) {
  const Finding f = some_finding();
  write(folder_.root / "f.json", to_json(f));
  const auto again = read_finding(folder_.root / "f.json");
  ASSERT_TRUE(again);
  EXPECT_EQ(to_json(*again), to_json(f));
  EXPECT_EQ(again->input, f.input);
  for (const char* text : {"", "{", "[]", "{}", "{\"target\":1}"}) {
    write(folder_.root / "bad.json", text);
    EXPECT_FALSE(read_finding(folder_.root / "bad.json")) << text;
  }
}

TEST_F(Night, AFindingIsKeptOnceAndCounted) {
  Store store(folder_.root);
  Finding f = some_finding();
  EXPECT_TRUE(store.add(f));
  EXPECT_FALSE(store.add(f));
  f.kernel = "f32 nhwc";
  EXPECT_TRUE(store.add(f));
  ASSERT_EQ(store.findings().size(), 2u);
  EXPECT_EQ(store.findings().front().count, 2u);
  EXPECT_EQ(kind_of(store.findings().front()), kind_of(store.findings().back()));
}

TEST_F(Night, ADamagedStoreIsMovedAside) {
  { Store(folder_.root).add(some_finding()); }
  std::ofstream(folder_.root / "fuzz.db", std::ios::trunc) << "this is no database, and never was";
  EXPECT_THROW(Store::look(folder_.root), StoreError);
  Store store(folder_.root);
  EXPECT_TRUE(store.findings().empty());
  EXPECT_TRUE(fs::exists(store.moved_aside()));
}

}  // namespace
}  // namespace truenorm::night
