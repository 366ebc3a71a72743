// The rank test by hand and by table, Holm's correction, and the whole comparison by simulation: runs
// that drift give no regression, a planted one is found.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "compare.h"
#include "oracle/numbers.h"
#include "store.h"
#include "trend.h"

namespace truenorm::bench {
namespace {

using oracle::mix;

/// Numbers by a counter.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : key_(mix(seed)) {}
  double uniform() {  // above 0, at most 1
    return (static_cast<double>(mix(key_ + count_++) >> 11) + 1) * 0x1p-53;
  }
  double normal() {
    return std::sqrt(-2 * std::log(uniform())) * std::cos(6.283185307179586 * uniform());
  }

 private:
  std::uint64_t key_, count_ = 0;
};

TEST(MannWhitney, TheDistributionIsThatOfEnumeration) {
  // All C(5, 2) = 10 orders of 2 and 3 values: U is 0, 1, 2, 2, 3, 3, 4, 4, 5, 6.
  const double want[] = {0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0};
  for (std::size_t u = 0; u < 7; ++u) EXPECT_DOUBLE_EQ(mann_whitney_cdf(2, 3, u), want[u]) << u;
}

TEST(MannWhitney, CriticalValuesAreThoseOfTheTable) {
  // Two-sided 5 % and 1 %: the largest U with 2 P(U <= u) at most that. (Mann and Whitney 1947; Siegel
  // and Castellan 1988, table K; Milton 1964.)
  struct Line {
    std::size_t n, m, five, one;
  };
  for (const Line& t : {Line{5, 5, 2, 0}, Line{6, 6, 5, 2}, Line{8, 8, 13, 7}, Line{10, 10, 23, 16},
                        Line{9, 12, 26, 18}, Line{11, 11, 30, 21}, Line{20, 20, 127, 105}}) {
    EXPECT_LE(2 * mann_whitney_cdf(t.n, t.m, t.five), 0.05) << t.n << ' ' << t.m;
    EXPECT_GT(2 * mann_whitney_cdf(t.n, t.m, t.five + 1), 0.05) << t.n << ' ' << t.m;
    EXPECT_LE(2 * mann_whitney_cdf(t.n, t.m, t.one), 0.01) << t.n << ' ' << t.m;
    EXPECT_GT(2 * mann_whitney_cdf(t.n, t.m, t.one + 1), 0.01) << t.n << ' ' << t.m;
  }
}

TEST(MannWhitney, TestsByHand) {
  const RankTest apart = mann_whitney({1, 2, 3}, {4, 5, 6});
  EXPECT_TRUE(apart.exact);
  EXPECT_EQ(apart.u, 9);
  EXPECT_DOUBLE_EQ(apart.p, 0.1);  // 2/C(6, 3)
  EXPECT_EQ(apart.superior, 1);
  EXPECT_DOUBLE_EQ(mann_whitney({4, 5, 6}, {1, 2, 3}).p, 0.1);
  EXPECT_EQ(mann_whitney({1, 4}, {2, 3}).p, 1);
  // With ties: U is 4 + 2 3.5 + 2.5, its variance 16/12 (9 - 30/56), and half a step.
  const RankTest tied = mann_whitney({1, 2, 2, 3}, {2, 3, 4, 5});
  EXPECT_FALSE(tied.exact);
  EXPECT_EQ(tied.u, 13.5);
  const double variance = 16.0 / 12 * (9 - (24.0 + 6) / 56);
  EXPECT_DOUBLE_EQ(tied.p, std::erfc(5 / std::sqrt(2 * variance)));
  EXPECT_EQ(mann_whitney({7, 7}, {7, 7}).p, 1);
  EXPECT_EQ(mann_whitney({}, {1}).p, 1);
}

TEST(MannWhitney, TheNormalDistributionContinuesTheExactOne) {
  Draw draw(1);
  std::vector<double> a(50), b(50), more;
  for (double& x : a) x = draw.normal();
  for (double& x : b) x = draw.normal() + 0.5;
  const RankTest exact = mann_whitney(a, b);
  ASSERT_TRUE(exact.exact);
  a.push_back(0.1);  // one more than is counted exactly
  const RankTest normal = mann_whitney(a, b);
  ASSERT_FALSE(normal.exact);
  const double z = (std::abs(exact.u - 1250) - 0.5) / std::sqrt(2500.0 * 101 / 12);
  EXPECT_LT(std::abs(std::log(exact.p / std::erfc(z / std::sqrt(2.0)))), 0.2);
}

TEST(Shift, IsTheMedianOfDifferencesBetweenTheRanksOfTheTest) {
  const Shift s = shift({1, 2, 3, 4, 5}, {11, 12, 13, 14, 15});
  EXPECT_EQ(s.value, 10);
  // The 3rd smallest and the 3rd largest of 25: 2 P(U <= 2) <= 0.05.
  ASSERT_TRUE(s.interval);
  EXPECT_EQ(*s.interval, (Interval{7, 13}));
  EXPECT_FALSE(shift({1, 2}, {3, 4}).interval);
}

TEST(Shift, ItsIntervalHoldsAsOftenAsItPromises) {
  Draw draw(2);
  int held = 0;
  constexpr int kTries = 2000;
  for (int i = 0; i < kTries; ++i) {
    std::vector<double> a(10), b(10);
    for (double& x : a) x = -std::log(draw.uniform());
    for (double& x : b) x = 3 - std::log(draw.uniform());
    const Interval interval = *shift(a, b).interval;
    held += interval.low <= 3 && 3 <= interval.high;
  }
  // 1 - 2 P(U <= 23) = 0.9567; five standard deviations of 2000 draws.
  EXPECT_LT(std::abs(held / static_cast<double>(kTries) - 0.9567), 0.023);
}

TEST(Holm, RaisesInSteps) {
  EXPECT_EQ(holm({0.04, 0.01, 0.03}), (std::vector<double>{0.06, 0.03, 0.06}));
  EXPECT_EQ(holm({0.5, 0.9}), (std::vector<double>{1, 1}));
  EXPECT_TRUE(holm({}).empty());
}

/// How a made-up machine behaves, in logarithms.
struct World {
  double round = 0.04;    // from round to round
  double sitting = 0.06;  // of a row, from process to process
  double clock = 0.15;    // drift of everything, copies included, from run to run and within one
  double slower = 0;      // planted
  std::size_t rows = 12, sittings = 10, rounds = 3;
};

KeptRun simulate(const World& w, Draw& draw) {
  KeptRun run;
  run.rounds = static_cast<int>(w.rounds);
  run.sittings = w.sittings;
  double clock = w.clock * draw.normal();
  for (std::size_t r = 0; r < w.rows; ++r) {
    KeptRow row;
    row.line = "tn1 n" + std::to_string(r + 1) + "c8 f32 run=T | nhwc thr=1";
    row.op = "training";
    run.rows.push_back(row);
  }
  for (std::size_t s = 0; s < w.sittings; ++s)
    for (KeptRow& row : run.rows) {
      clock += w.clock / 20 * draw.normal();
      const double place = w.sitting * draw.normal();
      for (std::size_t i = 0; i < w.rounds; ++i) {
        // Now and then something else runs: times have a tail on one side.
        const auto noise = [&] {
          return w.round * draw.normal() + (draw.uniform() < 0.05 ? draw.uniform() : 0);
        };
        row.samples["copy"].push_back(1e5 * std::exp(clock + noise()));
        for (const char* slot : {"truenorm", "truenorm_again"})
          row.samples[slot].push_back(1.2e5 *
                                      std::exp(clock + place + noise() + std::log1p(w.slower)));
      }
    }
  return run;
}

/// Of 20 comparisons, those that tell of a regression.
int told(std::uint64_t seed, double slower) {
  Draw draw(seed);
  World before, after;
  after.slower = slower;
  int count = 0;
  for (int i = 0; i < 20; ++i) {
    const KeptRun a = simulate(before, draw), b = simulate(after, draw);
    count += compare(a, b, {}).regressed();
  }
  return count;
}

TEST(Compare, RunsThatDriftGiveNoMoreRegressionsThanHolmPromises) {
  constexpr int kSeeds = 50;
  int all = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) all += told(seed, 0);
  // Differences are told in 1 % at most, and this is the half of them that is slower. Four standard
  // deviations of the count above that.
  const double promised = 20 * kSeeds * kSignificance / 2;
  EXPECT_LE(all, promised + 4 * std::sqrt(promised));
  RecordProperty("told", all);
}

TEST(Compare, PlantedTenPerCentIsFound) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) EXPECT_GE(told(seed, 0.10), 19) << seed;
}

TEST(Compare, WhatIsTestedIsTheSittingsBesideTheCopy) {
  // The same runs by raw times, which is what times beside a copy that never changes are: the clock's
  // drift is told as a regression.
  Draw draw(3);
  int raw = 0;
  for (int i = 0; i < 20; ++i) {
    KeptRun a = simulate({}, draw), b = simulate({}, draw);
    for (KeptRun* run : {&a, &b})
      for (KeptRow& row : run->rows)
        for (double& ns : row.samples["copy"]) ns = 1e5;
    raw += compare(a, b, {}).regressed();
  }
  EXPECT_GE(raw, 5);
}

TEST(Compare, OneSlowRowIsNamed) {
  Draw draw(4);
  KeptRun a = simulate({}, draw), b = simulate({}, draw);
  for (const char* slot : {"truenorm", "truenorm_again"})
    for (double& ns : b.rows[7].samples[slot]) ns *= 1.5;
  const Comparison c = compare(a, b, {});
  EXPECT_TRUE(c.regressed());
  for (const RowChange& row : c.rows)
    EXPECT_EQ(row.change == Change::slower, row.line == a.rows[7].line) << row.line;
  // The other way round it has become faster, and that is no regression.
  const Comparison back = compare(b, a, {});
  EXPECT_FALSE(back.regressed());
  EXPECT_EQ(back.rows[7].change, Change::faster);
  // Less than is stated is no regression.
  EXPECT_FALSE(compare(a, b, {.pct = 80}).regressed());
}

TEST(Compare, NoiseBeyondTheChangeIsNoRegression) {
  Draw draw(5);
  KeptRun a = simulate({}, draw), b = simulate({.slower = 0.2}, draw);
  ASSERT_TRUE(compare(a, b, {}).regressed());
  // Both slots of the second run differ by a third: it is not itself.
  for (KeptRow& row : b.rows)
    for (double& ns : row.samples["truenorm_again"]) ns *= 1.33;
  const Comparison c = compare(a, b, {});
  EXPECT_GT(c.noise, 0.3);
  for (const RowChange& row : c.rows) EXPECT_TRUE(row.change != Change::slower || row.ratio > 1.3);
}

TEST(Compare, TooFewSittingsCannotTell) {
  Draw draw(6);
  const KeptRun a = simulate({.sittings = 3}, draw);
  const KeptRun b = simulate({.slower = 9.0, .sittings = 3}, draw);
  const Comparison c = compare(a, b, {});
  EXPECT_FALSE(c.can_tell());
  EXPECT_FALSE(c.regressed());
  EXPECT_EQ(c.enough, 7u);  // 13 * 2/C(14, 7) = 0.0076, 13 * 2/C(12, 6) = 0.028
  EXPECT_TRUE(compare(a, KeptRun{}, {}).rows.empty());
}

TEST(Compare, SameIsAStatementWithEvidence) {
  Draw draw(7);
  const World quiet{.round = 0.002, .sitting = 0.002};
  for (const RowChange& row : compare(simulate(quiet, draw), simulate(quiet, draw), {}).rows)
    EXPECT_NE(row.change, Change::slower);
  KeptRun a = simulate(quiet, draw);
  const Comparison itself = compare(a, a, {});
  EXPECT_EQ(itself.all.change, Change::same);
  EXPECT_EQ(itself.all.ratio, 1);
}

TEST(Unlike, NamesWhatDiffers) {
  KeptRun a, b;
  a.machine = {{"cpu", "A"}, {"threads", "2"}, {"libtorch", "1.13.1"}};
  b.machine = {{"cpu", "B"}, {"threads", "2"}};
  EXPECT_EQ(unlike(a, b), std::vector<std::string>{"cpu: A, and B"});
}

TEST(Kept, ReportsAreReadOrRefused) {
  const char* report = R"({"schema": "truenorm-bench/1", "machine": {"cpu": "A", "threads": 2,
    "libtorch": null, "commit": "0123456789ab", "dirty": true}, "rounds": 2, "rows": [
    {"case": "tn1 n1 f32", "op": "training", "samples": {"copy": [1.5, 2]}}, {"case": "x", "op": "y"}]})";
  const KeptRun run = read_report(report, "r.json");
  EXPECT_EQ(run.machine, (std::map<std::string, std::string>{{"cpu", "A"}, {"threads", "2"}}));
  EXPECT_EQ(run.name(), "r.json (0123456789ab, changed)");
  ASSERT_EQ(run.rows.size(), 1u);
  EXPECT_EQ(run.rows[0].samples.at("copy"), (std::vector<double>{1.5, 2}));
  KeptRun twice = run;
  append(twice, run);
  EXPECT_EQ(twice.sittings, 2u);
  EXPECT_EQ(twice.rows[0].samples.at("copy"), (std::vector<double>{1.5, 2, 1.5, 2}));
  for (const char* wrong :
       {"", "[]", "{}", R"({"schema": "truenorm-bench/1"})", R"({"schema": 1})"})
    EXPECT_THROW(read_report(wrong, "r.json"), ReportError) << wrong;
  std::string zero = report;
  zero.replace(zero.find("[1.5"), 4, "[0.0");
  EXPECT_THROW(read_report(zero, "r.json"), ReportError);
}

TEST(Store, WhatIsKeptComesBack) {
  const std::string path = testing::TempDir() + "/truenorm-history-" + std::to_string(getpid());
  Draw draw(8);
  KeptRun run = simulate({.rows = 2, .sittings = 2}, draw);
  run.commit = "0123456789ab";
  run.machine = {{"cpu", "A"}};
  {
    History history{std::filesystem::path(path)};
    EXPECT_EQ(history.keep(run), 1);
    run.dirty = true;
    EXPECT_EQ(history.keep(run), 2);
    EXPECT_EQ(history.runs().size(), 2u);
    EXPECT_EQ(history.of_commit("0123")->id, 1);
    EXPECT_EQ(history.of_commit("0123456789abcdef")->id, 1);
    EXPECT_FALSE(history.of_commit("012345678a"));
    EXPECT_EQ(history.last(0)->id, 2);
    EXPECT_EQ(history.last(1)->id, 1);
    EXPECT_FALSE(history.last(2));
    const KeptRun back = *history.run(1);
    ASSERT_EQ(back.rows.size(), 2u);
    EXPECT_EQ(back.rows[1].key(), run.rows[1].key());
    EXPECT_EQ(back.rows[1].samples, run.rows[1].samples);
    EXPECT_EQ(back.machine, run.machine);
    EXPECT_EQ(back.sittings, 2u);
    EXPECT_EQ(history.runs(0, "n2c8").front().rows.size(), 1u);
  }
  std::filesystem::remove(path);
}

/// Two rows of two operations, of which the second takes `times` as long beside the copy.
KeptRun trend_run(std::int64_t id, double times) {
  KeptRun run;
  run.id = id;
  run.commit = "<b>abc";
  run.machine = {{"cpu", "A"}};
  for (const char* op : {"training", "backward"}) {
    KeptRow row;
    row.line = "tn1 n1c8 f32 run=T | nhwc";
    row.op = op;
    const double ns = row.op == "backward" ? 200 * times : 200;
    row.samples = {{"copy", {100}}, {"truenorm", {ns}}, {"truenorm_again", {ns}}};
    run.rows.push_back(std::move(row));
  }
  return run;
}

TEST(Trend, IsOverTheFirstRunByOperation) {
  const std::string html = to_html({trend_run(3, 1), trend_run(4, 1.21)});
  for (const char* text : {"2 runs, 2 rows that all of them have",
                           "./run compare &#39;#3&#39; &#39;#4&#39;", "<td class=number>1.100</td>",
                           "<td class=number>1.210</td>", "+21.0", "+0.0", "&lt;b&gt;abc"})
    EXPECT_NE(html.find(text), std::string::npos) << text;
  EXPECT_EQ(html.find("<b>abc"), std::string::npos);
  EXPECT_LT(html.find("+21.0"), html.find("+0.0")) << "the slowest first";
}

TEST(Trend, OfMachinesAlikeAndRowsInCommon) {
  KeptRun other = trend_run(1, 9);
  other.machine["cpu"] = "B";
  KeptRun fewer = trend_run(2, 1);
  fewer.rows.pop_back();
  const std::string html = to_html({other, fewer, trend_run(3, 1.5)});
  EXPECT_NE(html.find("2 runs, 1 rows"), std::string::npos);
  EXPECT_NE(html.find("last run: one run."), std::string::npos);
  EXPECT_EQ(html.find("+50.0"), std::string::npos);
  const KeptRun one = trend_run(1, 1);
  for (const auto& runs : {std::vector<KeptRun>{}, {one}, {other, fewer}})
    EXPECT_NE(to_html(runs).find("There is no trend yet"), std::string::npos);
}

}  // namespace
}  // namespace truenorm::bench
