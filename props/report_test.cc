// The conformance engine and its reports, with players in this process: the same report whatever
// the threads, shards that add up, failures that are shrunk and re-run, deaths that are verdicts.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "conform.h"
#include "players/players.h"
#include "report.h"
#include "text.h"
#include "words.h"

namespace truenorm::oracle {
namespace {

using Json = nlohmann::json;

Seats seats_of(const std::string& spec) {
  return [spec] { return local_seat(make_player(spec)); };
}

Plan small_plan(std::uint64_t random_cases = 60) {
  Plan plan;
  plan.add_lines("corpus",
                 "# twice\n"
                 "tn1 n4c3s5 f32 run=TBE seed=1\n"
                 "tn1 n4c3 f64 x=cancel(1e3) run=TTE seed=2 | nhwc\n",
                 "small.cases");
  plan.add_cases("few", {parse("tn1 n3c2s4 bf16/f32 run=TB seed=3"), parse("tn1 n1c2 f32 run=T")});
  plan.add_random("random", 7, random_cases);
  return plan;
}

/// Nothing to do with a clock.
Json timeless(const Report& report) {
  Json json = Json::parse(to_json(report));
  for (const char* key : {"seconds", "cases_per_second", "threads", "shards"}) json.erase(key);
  return json;
}

Report play(const Plan& plan, ConformOptions options, Bench bench) {
  options.seed = 7;
  if (!bench.classify) bench.classify = [](const Case&, const Verdict&) { return std::string(); };
  return conform(plan, options, bench, {});
}

ConformOptions judged(const std::string& subject, unsigned threads = 1, Shard shard = {}) {
  ConformOptions options;
  options.subject = subject;
  options.threads = threads;
  options.shard = shard;
  return options;
}

TEST(Conform, TheSameReportWhateverTheThreads) {
  const Plan plan = small_plan();
  const Bench bench{seats_of("faulty:B004"), seats_of("naive"), {}};
  const Report one = play(plan, judged("faulty:B004", 1), bench);
  const Report three = play(plan, judged("faulty:B004", 3), bench);
  EXPECT_EQ(timeless(one), timeless(three));
  EXPECT_EQ(one.total().cases(), plan.size());
  EXPECT_GT(one.total()[Result::fail], 0u);
}

TEST(Conform, AnHonestPlayerPasses) {
  const Report report = play(small_plan(), judged("naive"), {seats_of("naive"), {}, {}});
  EXPECT_EQ(report.total().against(), 0u) << to_text(report, {});
  EXPECT_TRUE(report.all_good(false));
  EXPECT_EQ(report.libtorch, "");
  EXPECT_GT(report.outputs[static_cast<std::size_t>(Output::y)].score, 0);
}

TEST(Conform, FailuresAreShrunkAndTheirLinesFailAgain) {
  const Report report =
      play(small_plan(), judged("faulty:B004"), {seats_of("faulty:B004"), seats_of("naive"), {}});
  EXPECT_FALSE(report.all_good(true));
  const auto seat = seats_of("faulty:B004")();
  bool shrunk = false;
  for (const Failure& f : report.failures) {
    const Case c = parse(f.line);
    const Verdict verdict = judge_reply({c, nullptr}, make_inputs(c), seat->ask(c));
    EXPECT_EQ(verdict.result, f.result) << f.line;
    EXPECT_EQ(verdict.reason, f.reason) << f.line;
    EXPECT_NE(f.opinion.find("faulty:B004 is wrong"), std::string::npos) << f.opinion;
    EXPECT_EQ(f.command, "./run check '" + f.line + "' --subject faulty:B004");
    shrunk |= f.shrunk;
  }
  EXPECT_TRUE(shrunk);
  EXPECT_TRUE(std::is_sorted(report.failures.begin(), report.failures.end(),
                             [](const Failure& a, const Failure& b) { return a.index < b.index; }));
}

TEST(Conform, ARivalsDivergenceIsNewUnlessItIsListed) {
  Bench bench{seats_of("naive"), seats_of("faulty:B004"), {}};
  const Report fresh = play(small_plan(), judged("naive"), bench);
  EXPECT_EQ(fresh.total().against(), 0u);
  EXPECT_GT(fresh.rival.fresh, 0u);
  EXPECT_FALSE(fresh.all_good(false));
  EXPECT_TRUE(fresh.all_good(true));
  bench.classify = [](const Case&, const Verdict& v) {
    return v.reason == "running_var" ? std::string("biased") : std::string();
  };
  const Report listed = play(small_plan(), judged("naive"), bench);
  EXPECT_EQ(listed.rival.fresh, 0u);
  EXPECT_EQ(listed.rival.known.at("biased"), fresh.rival.fresh);
  EXPECT_TRUE(listed.all_good(false));
}

TEST(Conform, ShardsPartitionAndAddUp) {
  const Plan plan = small_plan();
  const Bench bench{seats_of("faulty:B004"), seats_of("naive"), {}};
  const Report whole = play(plan, judged("faulty:B004"), bench);
  std::vector<std::pair<std::string, Report>> parts;
  for (std::uint64_t i = 0; i < 3; ++i) {
    const Report part = play(plan, judged("faulty:B004", 2, {i, 3}), bench);
    // As a file would hold it.
    parts.emplace_back("part" + std::to_string(i), from_json(to_json(part), "part"));
  }
  const Report sum = merge(parts);
  Json a = timeless(whole), b = timeless(sum);
  // Each shard shrinks its own first failures, so which of them are minimal may differ; what was
  // found may not.
  for (Json* json : {&a, &b})
    for (Json& failure : (*json)["failures"])
      for (const char* key : {"case", "shrunk", "detail", "opinion", "command"}) failure.erase(key);
  EXPECT_EQ(a, b);
}

TEST(Merge, RefusesWhatIsNotOneRun) {
  Report a, b;
  a.subject = b.subject = "truenorm";
  a.shards = {{0, 2}};
  b.shards = {{1, 2}};
  EXPECT_NO_THROW(merge({{"a", a}, {"b", b}}));
  EXPECT_THROW(merge({{"a", a}, {"a again", a}}), ReportError);
  Report quarter = b;
  quarter.shards = {{2, 4}};  // a part of 0/2
  EXPECT_THROW(merge({{"a", a}, {"q", quarter}}), ReportError);
  EXPECT_NO_THROW(merge({{"b", b}, {"q", quarter}}));
  Report other = b;
  other.seed = 9;
  EXPECT_THROW(merge({{"a", a}, {"b", other}}), ReportError);
  other = b;
  other.subject = "naive";
  EXPECT_THROW(merge({{"a", a}, {"b", other}}), ReportError);
}

TEST(Report, JsonHasTheStableKeysAndComesBack) {
  Report report =
      play(small_plan(), judged("faulty:B004"), {seats_of("faulty:B004"), seats_of("naive"), {}});
  report.libtorch = "1.13.1";
  const std::string text = to_json(report);
  const Json json = Json::parse(text);
  EXPECT_EQ(json.at("schema"), "truenorm-conform/1");
  EXPECT_EQ(json.at("subject"), "faulty:B004");
  EXPECT_EQ(json.at("libtorch"), "1.13.1");
  EXPECT_EQ(json.at("seed"), 7);
  EXPECT_EQ(json.at("cases"), report.total().cases());
  std::uint64_t sum = 0;
  for (const char* key : {"pass", "fail", "hollow", "skipped", "crash", "timeout"})
    sum += json.at("verdicts").at(key).get<std::uint64_t>();
  EXPECT_EQ(sum, report.total().cases());
  EXPECT_TRUE(json.at("divergences").at("known").is_number_unsigned());
  EXPECT_TRUE(json.at("divergences").at("new").is_number_unsigned());
  EXPECT_EQ(json.at("failures").size(), report.total().against());
  EXPECT_TRUE(json.at("failures").at(0).at("case").is_string());
  EXPECT_TRUE(json.at("failures").at(0).at("reason").is_string());
  EXPECT_TRUE(json.at("seconds").is_number());
  EXPECT_TRUE(json.at("cases_per_second").is_number());
  EXPECT_EQ(to_json(from_json(text, "text")), text);
  EXPECT_THROW(from_json("{}", "f"), ReportError);
  EXPECT_THROW(from_json("{\"schema\":\"truenorm-conform/1\"}", "f"), ReportError);
  EXPECT_THROW(from_json("no json", "f"), ReportError);
}

/// Dies at every second case, as a worker would.
class Mortal final : public Seat {
 public:
  explicit Mortal(Outcome how) : how_(how), seat_(local_seat(make_naive())) {}
  void send(const Case& c, const Inputs* literal) override {
    dies_ = c.problem.seed % 2 == 0;
    seat_->send(c, literal);
  }
  RemotePlayer::Reply receive() override {
    RemotePlayer::Reply reply = seat_->receive();
    if (dies_) reply.trace = {how_, "SIGSEGV <&>\n\x01", {}};
    return reply;
  }
  std::string version() const override { return {}; }

 private:
  Outcome how_;
  std::unique_ptr<Seat> seat_;
  bool dies_ = false;
};

TEST(Conform, ADeathIsAVerdictAndTheRunGoesOn) {
  for (const auto& [outcome, result] :
       {std::pair(Outcome::crashed, Result::crash), std::pair(Outcome::timed_out, Result::timeout),
        std::pair(Outcome::out_of_bounds, Result::fail)}) {
    const Plan plan = small_plan();
    const Seats mortal = [how = outcome] { return std::make_unique<Mortal>(how); };
    const Report report = play(plan, judged("mortal"), {mortal, {}, {}});
    EXPECT_EQ(report.total().cases(), plan.size());
    EXPECT_GT(report.total()[result], 0u);
    EXPECT_GT(report.total()[Result::pass], 0u);
    EXPECT_FALSE(report.all_good(true));
    const std::string xml = to_junit(report, {});
    EXPECT_EQ(xml.find("<&>"), std::string::npos);
    EXPECT_EQ(xml.find('\x01'), std::string::npos);
    EXPECT_NE(xml.find("SIGSEGV &lt;&amp;&gt;"), std::string::npos);
  }
}

/// A process that plays every case with the eps of the first one, or, `flaky`, the second of all with
/// another.
class Keeping final : public Seat {
 public:
  explicit Keeping(int* flaky = nullptr) : flaky_(flaky), seat_(local_seat(make_naive())) {}
  void send(const Case& c, const Inputs*) override {
    Case played = c;
    const Inputs inputs = make_inputs(c);
    if (flaky_ != nullptr) {
      if (++*flaky_ == 2) played.problem.eps += 1;
    } else {
      if (!kept_) kept_ = c.problem.eps;
      played.problem.eps = *kept_;
    }
    seat_->send(played, &inputs);
  }
  RemotePlayer::Reply receive() override { return seat_->receive(); }
  std::string version() const override { return {}; }

 private:
  int* flaky_;
  std::optional<double> kept_;
  std::unique_ptr<Seat> seat_;
};

TEST(Conform, StateThatIsKeptFromCaseToCaseIsNamed) {
  const Case plain = parse("tn1 n4c3s5 f32 run=T seed=1 | nchw"),
             larger = parse("tn1 n4c3s5 f32 eps=1 run=T seed=1 | nchw");
  Plan plan;
  plan.add_cases("few", {plain, plain, larger});
  const Report report =
      play(plan, judged("keeping"), {[] { return std::make_unique<Keeping>(); }, {}, {}});
  ASSERT_EQ(report.failures.size(), 1u);
  const Failure& f = report.failures[0];
  EXPECT_EQ(f.reason, "state") << f.detail;
  EXPECT_EQ(f.line, print(larger)) << "alone it passes, so there is nothing to shrink";
  EXPECT_EQ(f.command.rfind("printf ", 0), 0u) << f.command;
  EXPECT_NE(f.command.find(" '" + print(larger) + "' | ./run check - --subject keeping"),
            std::string::npos)
      << f.command;
  // What is a fault by itself is not laid on state.
  Plan first;
  first.add_cases("few", {larger, plain});
  const Report other = play(first, judged("faulty:B004"), {seats_of("faulty:B004"), {}, {}});
  for (const Failure& failure : other.failures) EXPECT_EQ(failure.reason, "running_var");
}

TEST(Conform, WhatDoesNotHappenAgainIsNotCalledState) {
  const Case plain = parse("tn1 n4c3s5 f32 run=T seed=1 | nchw");
  Plan plan;
  plan.add_cases("few", {plain, plain, plain});
  int plays = 0;
  const Report report =
      play(plan, judged("flaky"), {[&] { return std::make_unique<Keeping>(&plays); }, {}, {}});
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_EQ(report.failures[0].reason, "y") << report.failures[0].detail;
  EXPECT_NE(report.failures[0].opinion.find("played again, it did not happen"), std::string::npos);
}

TEST(Conform, WhatAPlayersStartThrowsIsThrown) {
  const Seats broken = []() -> std::unique_ptr<Seat> {
    throw std::runtime_error("no such library");
  };
  EXPECT_THROW(play(small_plan(), judged("broken", 3), {broken, {}, {}}), std::runtime_error);
}

TEST(Conform, AnInterruptEndsTheRunWithWhatThereIs) {
  ConformOptions options = judged("naive");
  const Report report = conform(small_plan(Plan::kEndless), options, {seats_of("naive"), {}, {}},
                                {{}, [] { return true; }});
  EXPECT_TRUE(report.interrupted);
}

TEST(Conform, TimeEndsTheRandomCasesOnly) {
  ConformOptions options = judged("naive");
  options.seconds = 1e-9;
  const Report report = play(small_plan(Plan::kEndless), options, {seats_of("naive"), {}, {}});
  EXPECT_TRUE(report.out_of_time);
  EXPECT_GT(report.areas.at(0).second.cases(), 0u);
  EXPECT_GT(report.areas.at(1).second.cases(), 0u);
  EXPECT_EQ(report.areas.at(2).second.cases(), 0u);
}

TEST(Report, ARunThatTakesNoCaseIsNotGood) {
  Report report;
  report.area("a").results[static_cast<std::size_t>(Result::skipped)] = 3;
  EXPECT_FALSE(report.all_good(true));
  report.area("a").results[static_cast<std::size_t>(Result::hollow)] = 2;
  EXPECT_FALSE(report.all_good(true));
  EXPECT_EQ(to_text(report, {}).find("PASS"), std::string::npos);
  EXPECT_NE(to_text(report, {}).find("nothing is shown"), std::string::npos);
  report.area("a").results[static_cast<std::size_t>(Result::pass)] = 1;
  EXPECT_TRUE(report.all_good(false));
}

TEST(Report, WhatAFileGetsWrongIsNamedWithItsPlace) {
  Report whole;
  whole.area("a").results[static_cast<std::size_t>(Result::pass)] = 3;
  whole.area("a").results[static_cast<std::size_t>(Result::fail)] = 1;
  whole.failures.emplace_back();
  const Json good = Json::parse(to_json(whole));
  const auto complaint = [&](const char* pointer, const Json& value) -> std::string {
    Json bad = good;
    bad[Json::json_pointer(pointer)] = value;
    try {
      from_json(bad.dump(), "f.json");
    } catch (const ReportError& e) {
      return e.what();
    }
    return "none";
  };
  EXPECT_EQ(complaint("/cases", 4), "none");
  for (const auto& [pointer, value, words] :
       std::initializer_list<std::tuple<const char*, Json, const char*>>{
           {"/cases", -4, "a whole number from 0"},
           {"/cases", 5, "5, but /verdicts adds up to 4"},
           {"/verdicts/pass", 2, "2, but /areas adds up to 3"},
           {"/verdicts/pass", -3, "a whole number from 0"},
           {"/verdicts/passed", 3, "is no result; pass fail hollow"},
           {"/areas/0/verdicts/pass", "3", "a whole number from 0"},
           {"/areas/0/cases", 1, "1, but /verdicts beside it adds up to 4"},
           {"/verdicts/hollow", 1, "1, but /areas adds up to 0"},
           {"/failures/0/result", "failed", "'failed' is no result"},
           {"/failures/0/shrunk", 1, "true or false was expected"},
           {"/seed", 1.5, "a whole number from 0"},
           {"/threads", 1e300, "a whole number from 0"},
           {"/shards", Json::array(), "a shard was expected"},
           {"/subject", nullptr, "a string was expected, not null"}}) {
    const std::string got = complaint(pointer, value);
    EXPECT_TRUE(got.starts_with(std::string("f.json: ") + pointer + ": ")) << got;
    EXPECT_NE(got.find(words), std::string::npos) << got;
  }
}

TEST(Report, PassIsSaidOnlyWhereTheStatusIsGood) {
  Report report;
  report.subject = "naive";
  report.area("a").results[static_cast<std::size_t>(Result::pass)] = 1;
  EXPECT_NE(to_text(report, {}).find("PASS: no verdict against naive in 1 case"),
            std::string::npos);
  report.rival.fresh = 1;
  EXPECT_EQ(to_text(report, {}).find("PASS"), std::string::npos);
  EXPECT_NE(to_text(report, {}).find("\nno verdict against naive in 1 case"), std::string::npos);
  Look look;
  look.allow_new_divergences = true;
  EXPECT_NE(to_text(report, look).find("PASS"), std::string::npos);
  report.interrupted = true;
  EXPECT_EQ(to_text(report, look).find("PASS"), std::string::npos);
}

TEST(Report, NamesTheShardsThatAreMissing) {
  Report report;
  EXPECT_EQ(missing_shards(report), "");
  report.shards = {{0, 4}, {1, 2}};
  EXPECT_EQ(missing_shards(report), "2/4");
  EXPECT_NE(to_text(report, {}).find("shard 4/4 1/2"), std::string::npos);
  report.shards = {{0, 2}, {1, 2}};
  EXPECT_EQ(missing_shards(report), "");
}

TEST(Report, NamesLibTorchWhereItIsTheSubject) {
  Report report;
  report.subject = "libtorch";
  report.subject_version = "1.13.1";
  EXPECT_EQ(Json::parse(to_json(report)).at("libtorch"), "1.13.1");
  EXPECT_EQ(to_json(from_json(to_json(report), "r")), to_json(report));
}

TEST(Words, SayWhatKindOfValueWasWanted) {
  const Case c = parse("tn1 n4c3s5 f32 run=T seed=1 | nchw");
  Verdict v;
  v.result = Result::fail;
  v.reason = "y";
  v.worst = {0, Output::y, 0, 1.5, 0, 0.25, Kind::finite};
  EXPECT_EQ(describe(c, v), "step 0 (T): y[0,0,0]: got 1.5, want 0 ± 0.25");
  for (const auto& [kind, words] :
       {std::pair(Kind::nan, "want NaN"), std::pair(Kind::pos_inf, "want +Inf"),
        std::pair(Kind::neg_inf, "want -Inf")}) {
    v.worst.kind = kind;
    EXPECT_EQ(describe(c, v), std::string("step 0 (T): y[0,0,0]: got 1.5, ") + words);
  }
}

TEST(Words, TheCommandQuotesASubjectThatTheShellWouldSplit) {
  EXPECT_EQ(rerun_command("tn1 n2c1", "./a.so:layer"),
            "./run check 'tn1 n2c1' --subject ./a.so:layer");
  EXPECT_EQ(rerun_command("tn1 n2c1", "my dir/it's.so"),
            "./run check 'tn1 n2c1' --subject 'my dir/it'\\''s.so'");
}

TEST(Report, OneLineOfTextForEachArea) {
  const Report report = play(small_plan(), judged("naive"), {seats_of("naive"), {}, {}});
  const std::string text = to_text(report, {});
  for (const char* part :
       {"\n  corpus ", "\n  few ", "\n  random ", "\n  all ", "PASS: no verdict against naive"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 45);
}

}  // namespace
}  // namespace truenorm::oracle
