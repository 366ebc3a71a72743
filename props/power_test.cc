// The harness's power: every planted defect is killed, what is right is spared, and the measure
// itself can say otherwise.
#include "power.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "players/players.h"
#include "text.h"

namespace truenorm::oracle {
namespace {

using Json = nlohmann::json;

Suspect local(const std::string& spec) {
  return {spec, "", [spec] { return local_seat(make_player(spec)); }};
}
Suspect remote(const std::string& spec, const Setting& setting = {}) {
  return {spec, "", [spec, setting] { return remote_seat(spec, setting); }};
}

Plan small_plan(std::uint64_t random_cases = 60) {
  Plan plan;
  plan.add_lines("corpus", "tn1 n4c3s5 f32 run=TBE seed=1\n", "small.cases");
  plan.add_random("random", 7, random_cases);
  return plan;
}

PowerReport measure(const Plan& plan, const std::vector<Suspect>& defects,
                    const std::vector<Suspect>& honest, unsigned threads = 1) {
  return power(plan, defects, honest, {"", 7, threads}, {});
}

TEST(Planted, AreManyAndDistinct) {
  std::size_t numbered = 0;
  std::set<std::string_view> ids;
  for (const Fault& fault : faults()) {
    EXPECT_TRUE(ids.insert(fault.id).second) << fault.id;
    numbered += fault.id.starts_with('B');
  }
  EXPECT_GE(numbered, 40u);
  EXPECT_GE(ids.size() - numbered, 15u);
}

// In worker processes, for some of them crash.
TEST(Planted, EachFailsACaseOfTheCorpus) {
  Plan plan;
  const std::string file = std::string(TRUENORM_CORPUS_DIR) + "/faults.cases";
  plan.add_lines("faults", read_text(file), file);
  std::vector<Suspect> defects;
  for (const Fault& fault : faults()) defects.push_back(remote("faulty:" + std::string(fault.id)));
  const PowerReport report =
      measure(plan, defects, {local("naive"), local("naive:layer"), local("blocked")}, 2);
  EXPECT_EQ(report.survivors(), std::vector<std::string>{});
  EXPECT_EQ(report.killed(), faults().size());
  EXPECT_TRUE(report.honest_clean());
}

TEST(Power, TellsKilledFromSpared) {
  const Plan plan = small_plan();
  const PowerReport report =
      measure(plan, {local("faulty:B004"), local("blocked")}, {local("naive")});
  ASSERT_EQ(report.defects.size(), 2u);
  const Life &dead = report.defects[0], &spared = report.defects[1];
  ASSERT_TRUE(dead.kill);
  EXPECT_EQ(dead.kill->check, "running_var");
  EXPECT_EQ(dead.kill->area, "random") << "the random cases come first";
  EXPECT_EQ(dead.kill->number, dead.cases);
  EXPECT_EQ(dead.kill->line, print(plan.item(plan.size() - 60 + dead.cases - 1).value));
  EXPECT_EQ(report.survivors(), std::vector<std::string>{"blocked"});
  EXPECT_EQ(spared.cases, plan.size()) << "all there are";
  EXPECT_EQ(report.honest[0].cases, plan.size());
  EXPECT_TRUE(report.honest_clean());
  EXPECT_FALSE(report.all_good());
  EXPECT_NE(to_text(report, false, false).find("FAIL: survivors: blocked"), std::string::npos);
  EXPECT_NE(to_text(report, true, false).find(dead.kill->line), std::string::npos);
  EXPECT_TRUE(measure(plan, {local("faulty:B004")}, {local("naive")}).all_good());
}

TEST(Power, PlaysTheFixedCasesAfterTheRandomOnes) {
  const PowerReport report = measure(small_plan(0), {local("faulty:B004")}, {});
  ASSERT_TRUE(report.defects[0].kill);
  EXPECT_EQ(report.defects[0].kill->area, "corpus");
  EXPECT_EQ(report.defects[0].kill->number, 1u);
}

TEST(Power, SaysFirstThatTheHonestAreNot) {
  const PowerReport report = measure(small_plan(), {local("faulty:B012")}, {local("faulty:B004")});
  EXPECT_EQ(report.killed(), 1u);
  EXPECT_FALSE(report.honest_clean());
  EXPECT_FALSE(report.all_good());
  EXPECT_EQ(to_text(report, false, false).rfind("faulty:B004 is meant to be right, and is not", 0),
            0u);
  // Nor is one about which nothing is shown.
  Plan none;
  none.add_lines("corpus", "tn1 n4c0 f32 run=T seed=1 | nchw\n", "none.cases");
  EXPECT_FALSE(measure(none, {}, {local("naive")}).honest_clean());
}

TEST(Power, ACrashIsAKill) {
  Plan plan;
  plan.add_lines("corpus", "tn1 n2c3s4 f32 run=E | nchw\ntn1 n0c3s4 f32 run=E | nchw\n", "crash");
  const PowerReport report = measure(plan, {remote("faulty:B142"), remote("blocked")}, {});
  ASSERT_TRUE(report.defects[0].kill);
  EXPECT_EQ(report.defects[0].kill->result, Result::crash);
  EXPECT_EQ(report.defects[0].cases, 2u);
  EXPECT_TRUE(report.defects[1].survived());
}

TEST(Power, TheSameKillsWhateverTheThreads) {
  const std::vector<Suspect> defects{local("faulty:B004"), local("faulty:B019"), local("blocked")};
  const auto timeless = [&](unsigned threads) {
    Json json = Json::parse(to_json(measure(small_plan(), defects, {local("naive")}, threads)));
    for (const char* key : {"seconds", "threads"}) json.erase(key);
    for (const char* list : {"each", "honest"})
      for (Json& life : json[list]) life.erase("milliseconds");
    return json;
  };
  EXPECT_EQ(timeless(1), timeless(3));
}

TEST(Power, TheJsonSaysWhatTheReportSays) {
  const Json json = Json::parse(
      to_json(measure(small_plan(), {local("faulty:B004"), local("blocked")}, {local("naive")})));
  EXPECT_EQ(json.at("schema"), "truenorm-power/1");
  EXPECT_EQ(json.at("defects"), 2);
  EXPECT_EQ(json.at("killed"), 1);
  EXPECT_EQ(json.at("survivors"), Json({"blocked"}));
  EXPECT_TRUE(json.at("seconds").is_number());
  EXPECT_TRUE(json.at("subject").is_null());
  EXPECT_EQ(json.at("each").size(), 2u);
  const Json& dead = json.at("each")[0];
  EXPECT_EQ(dead.at("fate"), "killed");
  EXPECT_EQ(dead.at("check"), "running_var");
  EXPECT_EQ(parse(dead.at("case").get<std::string>()).problem.run.empty(), false);
  EXPECT_EQ(json.at("honest")[0].at("fate"), "survived");
}

TEST(Power, AnInterruptEndsItWithWhatWasFound) {
  const PowerReport report = power(small_plan(), {local("faulty:B004"), local("blocked")},
                                   {local("naive")}, {}, {{}, [] { return true; }});
  EXPECT_TRUE(report.interrupted);
  EXPECT_EQ(report.killed(), 0u);
  EXPECT_EQ(report.survivors(), std::vector<std::string>{}) << "cut short is not survived";
  EXPECT_NE(to_text(report, false, false).find("interrupted"), std::string::npos);
}

TEST(Power, TheMedianCountsWhatASurvivorMet) {
  PowerReport report;
  EXPECT_EQ(report.median_cases(), 0u);
  for (const std::uint64_t cases : {7u, 1u, 900u}) {
    report.defects.emplace_back();
    report.defects.back().cases = cases;
  }
  EXPECT_EQ(report.median_cases(), 7u);
}

TEST(Untaught, LacksWhatGrewFromFailures) {
  const auto lines = [](const Plan& plan) {
    std::set<std::string> all;
    for (std::uint64_t i = 0; i < plan.size(); ++i)
      if (plan.item(i).vector == nullptr) all.insert(print(plan.item(i).value));
    return all;
  };
  const std::set<std::string> taught = lines(standard_plan(TRUENORM_CORPUS_DIR, 1, 0)),
                              untaught = lines(untaught_plan(TRUENORM_CORPUS_DIR, 1, 0));
  const std::string line =
      "tn1 n4c3s6 f32 mom=0.25 x=normal(3,4) rm=uniform(-1,1) rv=uniform(2,3) "
      "run=TEB seed=17 | nchw";
  EXPECT_TRUE(taught.count(print(parse(line))));
  EXPECT_FALSE(untaught.count(print(parse(line))));
  EXPECT_GT(untaught.size(), 5000u);
}

// ---- a plugin with defects of its own, switched by its environment

Suspect switched(const char* defect) {
  return remote(TRUENORM_DEFECTIVE_KERNEL,
                {"EXAMPLE_DEFECT", defect ? std::optional<std::string>(defect) : std::nullopt});
}

TEST(Plugin, ItsEnvironmentTellsItsDefect) {
  const Plan plan = small_plan(200);
  const PowerReport report = measure(
      plan, {switched("no-eps"), switched("no-bias"), switched("dense-weight"), switched("none")},
      {switched(nullptr)});
  EXPECT_EQ(report.killed(), 3u);
  EXPECT_TRUE(report.defects[3].survived()) << "a name that it does not know";
  EXPECT_TRUE(report.honest_clean());
}

TEST(Plugin, TheCleanBuildLosesTheVariable) {
  ASSERT_EQ(setenv("EXAMPLE_DEFECT", "no-eps", 1), 0);
  const PowerReport report =
      measure(small_plan(), {remote(TRUENORM_DEFECTIVE_KERNEL)}, {switched(nullptr)});
  unsetenv("EXAMPLE_DEFECT");
  EXPECT_EQ(report.killed(), 1u) << "the environment as it is";
  EXPECT_TRUE(report.honest_clean());
}

}  // namespace
}  // namespace truenorm::oracle
