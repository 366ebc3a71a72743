// Which figures there are for which report, what is in them, and that no text becomes markup.
#include "page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "figures.h"
#include "made_up.h"

namespace truenorm::bench {
namespace {

const Chapter& chapter(const std::vector<Chapter>& all, const std::string& heading) {
  const auto it =
      std::find_if(all.begin(), all.end(), [&](const Chapter& c) { return c.heading == heading; });
  if (it == all.end()) throw std::runtime_error(heading);
  return *it;
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(word, at)) != text.npos; at += word.size()) ++n;
  return n;
}

TEST(Page, AFullReportHasAllFigures) {
  const auto all = chapters(full_report());
  std::set<std::string> names;
  std::size_t figures = 0;
  for (const Chapter& c : all) {
    EXPECT_FALSE(c.graphs.empty()) << c.heading;
    EXPECT_EQ(c.absent, "") << c.heading;
    for (const Graph& g : c.graphs) {
      ++figures;
      names.insert(g.name);
      EXPECT_TRUE(g.figure.plot.marks()) << g.name;
      EXPECT_FALSE(g.figure.table.rows.empty()) << g.name;
      EXPECT_TRUE(g.again.starts_with("./run bench --cases 'tn1 ")) << g.again;
      for (const auto& row : g.figure.table.rows)
        EXPECT_EQ(row.size(), g.figure.table.columns.size()) << g.name;
    }
  }
  EXPECT_EQ(names.size(), figures) << "two figures would be one file";
  // 2 layouts of 3 operations, 3 thread counts of training; errors by operation alone.
  EXPECT_EQ(chapter(all, "Roofline").graphs.size(), 10u);
  EXPECT_EQ(chapter(all, "Over threads").graphs.size(), 1u);
  EXPECT_EQ(chapter(all, "Error against speed").graphs.size(), 3u);
}

TEST(Page, WhatAReportHasNoDataForSaysWhichOptionGivesIt) {
  const auto all = chapters(plain_report());
  for (const auto& [heading, option] : {std::pair{"Beside others", "--against"},
                                        {"Over the size of the tensor", "--mb"},
                                        {"Over threads", "--threads"},
                                        {"Error against speed", "--against"}}) {
    EXPECT_TRUE(chapter(all, heading).graphs.empty()) << heading;
    EXPECT_NE(chapter(all, heading).absent.find(option), std::string::npos) << heading;
    EXPECT_NE(to_html(plain_report()).find(chapter(all, heading).absent), std::string::npos);
  }
  EXPECT_EQ(chapter(all, "Roofline").graphs.size(), 1u);
  for (const Chapter& c : chapters(Report{})) EXPECT_NE(c.absent, "") << c.heading;
}

TEST(Page, RatiosBeginWithTheLowestAndHaveTheirIntervals) {
  const Report report = full_report();
  const auto all = chapters(report);
  for (const Graph& g : chapter(all, "Beside others").graphs) {
    ASSERT_EQ(g.figure.plot.series.size(), 2u);
    double before = 0;
    for (std::size_t i = 0; i < g.figure.plot.rows.size(); ++i) {
      double lowest = 1e9;
      for (const auto& series : g.figure.plot.series) {
        ASSERT_EQ(series.intervals.size(), series.points.size());
        for (std::size_t k = 0; k < series.points.size(); ++k) {
          if (series.points[k].second != static_cast<double>(i)) continue;
          lowest = std::min(lowest, series.points[k].first);
          EXPECT_LE(series.intervals[k].first, series.points[k].first);
          EXPECT_GE(series.intervals[k].second, series.points[k].first);
        }
      }
      EXPECT_GE(lowest, before);
      before = lowest;
    }
  }
}

TEST(Page, RowsThatLackAThreadCountAreNotInTheScaling) {
  Report report = plain_report();
  report.rows[0].threads = 1;
  report.rows[0].ns = 300;
  report.rows.push_back(report.rows[0]);
  report.rows[1].threads = 2;
  report.rows[1].ns = 200;
  report.rows.push_back(report.rows[0]);
  report.rows[2].line = "tn1 n9 f32 run=T | nchw thr=1";  // is there with 1 thread alone
  report.rows[2].ns = 7;
  const auto all = chapters(report);
  const auto& graphs = chapter(all, "Over threads").graphs;
  ASSERT_EQ(graphs.size(), 1u);
  EXPECT_NE(graphs[0].figure.caption.find("mean of 1 rows"), std::string::npos);
  const auto& points = graphs[0].figure.plot.series[0].points;
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[1].first, 2);
  EXPECT_DOUBLE_EQ(points[1].second, 1.5);
}

TEST(Page, ErrorsOfZeroAndInfinityAreInTheTable) {
  const auto all = chapters(full_report());
  const Graph& training = chapter(all, "Error against speed").graphs[0];
  const auto cell = [&](std::size_t row, std::size_t column) {
    return training.figure.table.rows.at(row).at(column);
  };
  EXPECT_EQ(cell(5, 6), "inf");
  EXPECT_EQ(cell(6, 4), "0");
  EXPECT_EQ(cell(3, 8), "-");  // a peer without a figure
}

TEST(Page, NoTextBecomesMarkup) {
  const std::string html = to_html(full_report());
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("<b>&"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;alert(1)"), std::string::npos);
  EXPECT_EQ(html.find('\x1b'), std::string::npos);
}

TEST(Page, HasWhatTheTextHas) {
  const Report report = full_report();
  const std::string html = to_html(report);
  for (const std::string& warning : report.warnings())
    EXPECT_NE(html.find(oracle::page::escape(warning)), std::string::npos) << warning;
  for (const std::string& text : {report.machine.cpu, *report.machine.commit, report.command,
                                  std::string("1.13.1"), std::string("noise floor")})
    EXPECT_NE(html.find(text), std::string::npos) << text;
  std::size_t figures = 0;
  for (const Chapter& c : chapters(report)) figures += c.graphs.size();
  EXPECT_EQ(count(html, "<figure>"), figures);
}

}  // namespace
}  // namespace truenorm::bench
