// The page that reports are made of: every text is escaped, every plot has its table, and without
// gnuplot the page says so.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <limits>
#include <string>

#include "page/page.h"

namespace truenorm::oracle::page {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(Escape, LeavesNoMarkup) {
  EXPECT_EQ(escape("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
  EXPECT_EQ(escape("one\ntwo"), "one\ntwo");
  EXPECT_EQ(escape(std::string("\0\x1b[31m\r\x7f", 8)), "␀␛[31m␍␡");
}

TEST(Escape, KeepsUtf8AndReplacesWhatIsNone) {
  EXPECT_EQ(escape("µ ± 𝛾"), "µ ± 𝛾");
  for (const char* bad : {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"})
    EXPECT_EQ(escape(bad).find_first_not_of("\xef\xbf\xbd"), std::string::npos) << bad;
  EXPECT_EQ(escape("\xe2<"), "\xef\xbf\xbd&lt;");
}

/// Every function that takes a text, with one that would be an element.
std::string hostile_page() {
  const std::string evil = "\"'><script>alert(1)</script>";
  Page page(evil, evil);
  page.section(evil);
  page.paragraph(evil);
  page.command(evil);
  page.facts({{evil, evil}});
  const Table table{{{evil}, {evil, Cell::number}, {evil, Cell::code}}, {{evil, evil, evil}, {}}};
  page.table(table);
  page.card({Tone::bad, evil, evil, {{evil, evil, true}, {evil, evil}}});
  Figure figure{evil, {}, table};
  figure.plot.x_label = figure.plot.y_label = evil;
  figure.plot.series = {{evil, {{0, 1}, {1, 2}}}, {evil, {{kNaN, 1}}}};
  page.figure(figure);
  figure.plot.bars = {{evil, 0.5}, {evil, kNaN}};
  page.figure(figure);
  return page.html();
}

TEST(Page, NoTextBecomesMarkup) {
  const std::string html = hostile_page();
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;alert(1)"), std::string::npos);
}

TEST(Page, NeedsNothingElse) {
  std::string html = hostile_page();
  // Names of XML, which nothing loads.
  for (const std::string name : {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"})
    for (std::size_t at; (at = html.find(name)) != html.npos;) html.erase(at, name.size());
  for (const char* loads : {"http:", "https:", "url(", "@import", "src="})
    EXPECT_EQ(html.find(loads), std::string::npos) << loads;
  EXPECT_NE(html.find("prefers-color-scheme: dark"), std::string::npos);
  EXPECT_NE(html.find("width=device-width"), std::string::npos);
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(word, at)) != text.npos; at += word.size()) ++n;
  return n;
}

TEST(Page, EveryFigureHasItsTable) {
  const std::string html = hostile_page();
  EXPECT_EQ(count(html, "<figure>"), 2u);
  EXPECT_EQ(count(html, "<table>"), 3u);
  EXPECT_EQ(count(html, "</section>"), 1u);
}

/// For the time of a test the programs are those of another PATH.
class Path {
 public:
  explicit Path(const std::string& folders) : before_(getenv("PATH")) {
    setenv("PATH", folders.c_str(), 1);
  }
  ~Path() { setenv("PATH", before_.c_str(), 1); }
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

 private:
  std::string before_;
};

TEST(Figure, WithoutGnuplotThePageSaysSoAndHasTheTable) {
  const Path none("/nowhere");
  const std::string html = hostile_page();
  EXPECT_EQ(html.find("<svg"), std::string::npos);
  EXPECT_EQ(count(html, "gnuplot is not installed"), 2u);
  EXPECT_EQ(count(html, "<table>"), 3u);
}

TEST(Plot, WhatHasNoFiniteValueHasNoMarks) {
  Plot plot;
  EXPECT_FALSE(plot.marks());
  plot.series = {{"a", {{0, kNaN}, {kNaN, 1}}}};
  EXPECT_FALSE(plot.marks());
  plot.series[0].points.emplace_back(1, 0);
  EXPECT_TRUE(plot.marks());
  plot.log_y = true;
  EXPECT_FALSE(plot.marks());
  plot.bars = {{"y", 0.5}};
  EXPECT_TRUE(plot.marks());
}

bool have_gnuplot() { return std::system("gnuplot -V >/dev/null 2>&1") == 0; }

TEST(Plot, IsDrawnInThePagesColours) {
  if (!have_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  Plot plot;
  for (int i = 0; i < 9; ++i)
    plot.series.push_back({"s" + std::to_string(i), {{0, i}, {1, 2 * i}}});
  Plot bars;
  bars.bars = {{"y", 0.25}, {"dx", kNaN}};
  bars.limit = 1;
  for (const Plot& each : {plot, bars}) {
    const Drawing drawing = draw(each, "one");
    ASSERT_EQ(drawing.problem, "");
    EXPECT_TRUE(drawing.svg.starts_with("<svg")) << drawing.svg.substr(0, 80);
    EXPECT_NE(drawing.svg.find("var(--s1)"), std::string::npos);
    EXPECT_NE(drawing.svg.find("var(--text)"), std::string::npos);
    for (const char* stray : {"rgb(", "black", "id='gp", "gnuplot_", "<title>"})
      EXPECT_EQ(drawing.svg.find(stray), std::string::npos) << stray;
  }
}

TEST(Plot, OnePointAndEqualValuesAreDrawn) {
  if (!have_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  for (const double value : {0.0, 7.0, 1e9}) {
    for (const bool log : {false, true}) {
      Plot plot;
      plot.log_y = log;
      plot.series = {{"a", {{0, value}}}};
      const std::string expected = plot.marks() ? "" : "there is nothing to draw yet";
      EXPECT_EQ(draw(plot, "one").problem, expected) << value << log;
    }
  }
}

}  // namespace
}  // namespace truenorm::oracle::page
