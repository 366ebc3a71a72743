// What is made of rows: means with their weights, layouts, levels, differences, warnings, both forms.
#include "report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace truenorm::bench {
namespace {

using oracle::Layout;

/// A row against LibTorch, of 100 ns.
Row row(const std::string& shape, Layout layout, double ratio, int times = 1) {
  Row r;
  r.line = "tn1 " + shape + " f32 run=T | " + std::string(oracle::name(layout));
  r.suite = "net";
  r.shape = shape;
  r.layout = layout;
  r.channels = 64;
  r.bytes = 1000;
  r.times = times;
  r.verdict = "pass";
  r.measured = true;
  r.ns = 100;
  r.aa = 1.01;
  r.copy_ns = 40;
  r.roofline_pct = 40;
  Against& libtorch = r.peers["libtorch"];
  libtorch.ns = 100 * ratio;
  libtorch.ratio = ratio;
  libtorch.interval = Interval{ratio * 0.999, ratio * 1.001};
  libtorch.verdict = "pass";
  r.samples["truenorm"] = {99.96, 100.04};
  return r;
}

Report report(std::vector<Row> rows) {
  Report r;
  r.peers = {"libtorch"};
  r.rounds = 11;
  r.seed = 5;
  r.rows = std::move(rows);
  return r;
}

/// The sum over everything.
Sum last(const Report& r) { return r.sums().back(); }

TEST(Report, MeansOfOneSuiteAreWeightedByItsNetwork) {
  Report r = report({row("n8c64s1x1", Layout::nchw, 1, 1), row("n8c64s2x2", Layout::nchw, 16, 3)});
  EXPECT_TRUE(last(r).weighted);
  EXPECT_DOUBLE_EQ(last(r).geomean.at("libtorch"), 8);  // (1 * 16^3)^(1/4)
  EXPECT_DOUBLE_EQ(*last(r).geomean_best, 8);
  r.rows[0].suite = "another";
  EXPECT_FALSE(last(r).weighted);
  EXPECT_DOUBLE_EQ(last(r).geomean.at("libtorch"), 4);
  r = report({row("n8c64s1x1", Layout::nchw, 4, 1)});
  EXPECT_FALSE(last(r).weighted);
}

TEST(Report, APeersFasterLayoutStandsBesideTheAskedOne) {
  const Report r = report({row("n8c64s2x2", Layout::nchw, 3), row("n8c64s2x2", Layout::nhwc, 2)});
  const auto fastest = r.fastest_layout(r.rows[0], "libtorch");
  ASSERT_TRUE(fastest);
  EXPECT_EQ(fastest->layout, Layout::nhwc);
  EXPECT_DOUBLE_EQ(fastest->ratio, 2);
  EXPECT_DOUBLE_EQ(*last(r).geomean_layout, 2);
  // Not where the other layout, another shape or other threads were measured.
  const Report one = report({row("n8c64s2x2", Layout::nchw, 3)});
  EXPECT_FALSE(one.fastest_layout(one.rows[0], "libtorch"));
  EXPECT_FALSE(last(one).geomean_layout);
  Report other = report({row("n8c64s2x2", Layout::nchw, 3), row("n8c64s3x2", Layout::nhwc, 2),
                         row("n8c64s2x2", Layout::nhwc, 1)});
  other.rows[2].threads = 2;
  EXPECT_FALSE(other.fastest_layout(other.rows[0], "libtorch"));
  // N x C has one order of memory.
  Report nxc = report({row("n8c64", Layout::nhwc, 3)});
  nxc.rows[0].one_layout = true;
  EXPECT_DOUBLE_EQ(nxc.fastest_layout(nxc.rows[0], "libtorch")->ratio, 3);
}

TEST(Report, LevelsAreTheRowsOfTheRun) {
  Report r = report({row("n8c64s1x1", Layout::nchw, 1), row("n8c64s2x2", Layout::nchw, 1),
                     row("n8c64s3x3", Layout::nchw, 1)});
  r.rows[0].level = Level::l2;
  r.rows[1].copy_ns = 20;
  r.rows[1].roofline_pct = 10;
  const auto levels = r.levels();
  ASSERT_EQ(levels.size(), 2u);
  EXPECT_EQ(levels[0].level, Level::l2);
  EXPECT_DOUBLE_EQ(levels[0].copy_gbps, 50);  // 2 tensors of 1000 bytes in 40 ns
  EXPECT_EQ(levels[1].rows, 2u);
  EXPECT_DOUBLE_EQ(levels[1].copy_gbps, 75);
  EXPECT_DOUBLE_EQ(levels[1].roofline_pct, 20);
}

TEST(Report, WhatIsWithinTheFloorIsNoDifference) {
  const Report r = report({row("n8c64s1x1", Layout::nchw, 1.005), row("n8c64s2x2", Layout::nchw, 2),
                           row("n8c64s3x3", Layout::nchw, 0.5)});
  EXPECT_EQ(r.difference_of(r.rows[0].peers.at("libtorch")), Difference::none);
  const std::string text = to_text(r);
  EXPECT_NE(text.find("libtorch: truenorm faster in 1 rows, slower in 1, no difference in 1, "
                      "unclear in 0"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("  no difference: n8c64s1x1"), std::string::npos) << text;
  EXPECT_NE(text.find("  slower:        n8c64s3x3"), std::string::npos) << text;
}

TEST(Report, IntervalsAreTold) {
  Report r = report({row("n8c64s1x1", Layout::nchw, 2), row("n8c64s2x2", Layout::nchw, 2)});
  r.rows[0].peers["libtorch"].interval = Interval{1.875, 2.0625};
  r.rows[1].peers["libtorch"].interval = std::nullopt;
  EXPECT_DOUBLE_EQ(*r.interval_pct(0.5), 6.25);
  EXPECT_NE(Table(r, 10, false).line(r.rows[0]).find(" 2.00 ±6.2% "), std::string::npos);
  EXPECT_NE(Table(r, 10, false).line(r.rows[1]).find(" 2.00 "), std::string::npos);
  r.rows[0].peers["libtorch"].interval = Interval{1, 9};
  EXPECT_NE(Table(r, 10, false).line(r.rows[0]).find(" 2.00 ±100+% "), std::string::npos);
  r.rows.pop_back();
  r.rows[0].measured = false;
  EXPECT_FALSE(r.interval_pct(0.5));
}

TEST(Report, ANoisyMachineIsCalledOne) {
  Report r = report({row("n8c64s1x1", Layout::nchw, 2)});
  EXPECT_TRUE(r.warnings().empty());
  r.machine.load = 3;
  r.machine.logical_cpus = 2;
  r.machine.governor = "powersave";
  EXPECT_TRUE(r.warnings().empty()) << "a quiet run is not blamed for a busy minute before it";
  r.rows[0].aa = 1.2;
  const auto all = r.warnings();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0],
            "truenorm differs from itself by 20.0 %: only far larger differences mean anything");
  EXPECT_NE(all[1].find("load 3.0 on 2 logical CPUs"), std::string::npos);
  EXPECT_NE(all[2].find("powersave"), std::string::npos);
  EXPECT_NE(all[3].find("--rounds"), std::string::npos);
  EXPECT_NE(to_text(r).find("CAUTION: truenorm differs"), std::string::npos);
  r.rows[0].aa = 1;
  r.rows[0].measurements = 100;
  r.rows[0].disturbed = 10;
  EXPECT_EQ(r.warnings().front(), "10 % of the measurements were disturbed by other processes");
  r.rows[0].disturbed = 9;
  EXPECT_TRUE(r.warnings().empty());
  r.rounds = 5;
  EXPECT_EQ(r.warnings(),
            std::vector<std::string>{"5 rounds give no confidence interval: --rounds 6 or more"});
}

TEST(Report, AsJson) {
  Report r = report({row("n8c64s1x1", Layout::nchw, 2, 3)});
  r.others = {"cold"};
  r.rows[0].others["cold"] = 300;
  r.rows[0].peers["libtorch"].others["cold"] = {450, 1.5, 0.1, std::nullopt};
  const auto json = nlohmann::json::parse(to_json(r));
  EXPECT_EQ(json["schema"], "truenorm-bench/1");
  EXPECT_EQ(json["seed"], 5);
  const auto& one = json["rows"][0];
  EXPECT_EQ(one["samples"]["truenorm"], (std::vector<double>{100, 100}));  // tenths
  EXPECT_EQ(one["times"], 3);
  EXPECT_EQ(one["level"], "memory");
  EXPECT_EQ(one["libtorch_ratio_low"], 1.998);
  EXPECT_EQ(one["libtorch_ratio_high"], 2.002);
  EXPECT_EQ(one["libtorch_difference"], "faster");
  EXPECT_TRUE(one["libtorch_best_layout"].is_null());
  EXPECT_EQ(one["truenorm_cold_ns"], 300);
  EXPECT_EQ(one["libtorch_cold_ns"], 450);
  EXPECT_EQ(one["libtorch_cold_ratio"], 1.5);
  EXPECT_TRUE(one["libtorch_cold_ratio_low"].is_null());
  EXPECT_TRUE(json["machine"]["governor"].is_null());
  EXPECT_EQ(json["copy_by_level"][0]["copy_gbps"], 50);
  EXPECT_TRUE(json["summary"][0]["weighted"].is_boolean());
}

TEST(Report, ARowWithoutFiguresHasItsVerdict) {
  Report r = report({row("n8c64s1x1", Layout::nchw, 2)});
  r.rows[0].measured = false;
  r.rows[0].verdict = "fail: y[0]";
  EXPECT_TRUE(r.sums().empty());
  EXPECT_TRUE(r.levels().empty());
  const auto json = nlohmann::json::parse(to_json(r));
  EXPECT_TRUE(json["rows"][0]["truenorm_ns"].is_null());
  EXPECT_TRUE(json["rows"][0]["libtorch_difference"].is_null());
  EXPECT_NE(Table(r, 10, false).line(r.rows[0]).find("fail: y[0]"), std::string::npos);
}

}  // namespace
}  // namespace truenorm::bench
