// The forms of a report that others read: the page, JUnit XML, GitHub's annotations and summary.
// What is in them, and that no player's words become markup.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "made_up_report.h"
#include "page/page.h"
#include "plan.h"

namespace truenorm::oracle {
namespace {

bool has(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(word, at)) != text.npos; at += word.size()) ++n;
  return n;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

TEST(Score, IsCountedInTheBinThatEndsAtOrAboveIt) {
  EXPECT_EQ(score_bin(0), 0u);
  EXPECT_EQ(score_bin(1e-300), 1u);
  EXPECT_EQ(score_bin(1), kScoreBins - 1);
  double edge = 1;
  for (std::size_t bin = kScoreBins - 1; bin > 0; --bin, edge /= 2) {
    EXPECT_EQ(score_bin(edge), bin);
    EXPECT_EQ(score_bin(edge * 0.75), bin);
    EXPECT_EQ(score_bin_name(bin), bin == kScoreBins - 1
                                       ? "to 1"
                                       : "to 1/" + std::to_string(static_cast<int>(1 / edge)));
  }
  EXPECT_EQ(score_bin_name(0), "0");
}

TEST(Conclusions, SayWhatStandsInTheWayOfAPass) {
  const auto said = [](const Report& r, const Look& look) {
    std::string text;
    for (const Conclusion& c : conclusions(r, look)) text += c.sentence() + "\n";
    return text;
  };
  Look whole;
  whole.whole = true;
  EXPECT_EQ(said(plain_report(), whole), "PASS: no verdict against truenorm in 25918 cases\n");
  Report part = plain_report();
  part.shards = {{1, 4}};
  EXPECT_EQ(said(part, {}), "PASS: no verdict against truenorm in 25918 cases\n");
  EXPECT_TRUE(said(part, whole).starts_with("INCOMPLETE: not the whole run, shards are missing: "));
  EXPECT_FALSE(has(said(part, whole), "PASS"));
  const std::string full = said(full_report(), {});
  EXPECT_TRUE(has(full, "NEW: 1 divergence of LibTorch, listed nowhere\n")) << full;
  EXPECT_TRUE(full.ends_with("FAIL: 4 verdicts against faulty:B004 in 26489 cases\n")) << full;
}

TEST(Page, ShowsWhatARunHasFound) {
  const Report report = full_report();
  const std::string html = to_html(report, {});
  for (const char* heading :
       {"Verdicts by area", "Verdicts against faulty:B004", "New divergences of LibTorch", "Scores",
        "Known divergences of LibTorch", "What was covered", "Again"})
    EXPECT_TRUE(has(html, "<h2>" + std::string(heading) + "</h2>")) << heading;
  // A line is shown once, whichever cases come down to it.
  EXPECT_EQ(count(html, "<article class=bad>"), 4u);
  EXPECT_TRUE(has(html, "./run check &#39;tn1 n2c1 f32"));
  EXPECT_TRUE(has(html, "LibTorch is wrong: faulty:B004 agrees with the reference"));
  EXPECT_TRUE(has(html, "walks them with stride 1"));
  EXPECT_TRUE(has(html, "./run explain &#39;tn1 n4c3 f32 run=TB seed=3 | nchw&#39;"));
  // The worst scores, a histogram for each kind of output, and seven figures of what was covered.
  EXPECT_EQ(count(html, "<figure>"), 1 + kOutputs + 7);
  EXPECT_TRUE(has(html, "Scores of running_var"));
  for (const auto& [key, cases] : report.census)
    EXPECT_TRUE(has(html, page::escape(key.second))) << key.second;
  EXPECT_TRUE(has(to_html(plain_report(), {}), "PASS: no verdict against truenorm"));
  EXPECT_FALSE(has(to_html(plain_report(), {}), "New divergences"));
}

TEST(Page, TakesNoWordsForMarkup) {
  const std::string html = to_html(full_report(), {});
  EXPECT_TRUE(has(html, page::escape(kHostile)));
  EXPECT_FALSE(has(html, "<script"));
  EXPECT_FALSE(has(html, "alert(1)</"));
  EXPECT_EQ(html.find('\x1b'), std::string::npos);
}

TEST(Page, OfAPartSaysHowToPlayThatPartAgain) {
  Report part = plain_report();
  part.shards = {{1, 4}};
  EXPECT_TRUE(
      has(to_html(part, {}), "./run conform --seed 1 --cases 20000 --players subject --shard 1/4"));
  // Time decided: without a shard, the cases that were played are the first of the seed.
  Report timed = plain_report();
  timed.out_of_time = true;
  timed.random_cases = 0;
  timed.area("random").results = {5};
  EXPECT_TRUE(has(to_html(timed, {}), "./run conform --seed 1 --cases 5 --players subject"));
}

TEST(JUnit, CountsWhatStandsInIt) {
  for (const Report& report : {full_report(), plain_report(), Report{}}) {
    const std::string xml = to_junit(report, {});
    const std::string head = xml.substr(xml.find("<testsuites"), xml.find(">\n  <testsuite") - 38);
    EXPECT_TRUE(has(head, "tests=\"" + std::to_string(count(xml, "<testcase ")) + "\"")) << head;
    EXPECT_TRUE(has(head, "failures=\"" + std::to_string(count(xml, "<failure ")) + "\"")) << head;
    EXPECT_TRUE(has(head, "errors=\"" + std::to_string(count(xml, "<error ")) + "\"")) << head;
  }
  const std::string xml = to_junit(full_report(), {});
  EXPECT_EQ(count(xml, "<failure "), 2u);  // one against the subject, one against LibTorch
  EXPECT_EQ(count(xml, "<error "), 2u);
  EXPECT_TRUE(has(xml, "2 cases come down to this line"));
  EXPECT_TRUE(has(xml, "/src/corpus/edges.cases:17"));
  EXPECT_TRUE(has(xml, "name=\"20000 cases pass\""));
  EXPECT_TRUE(has(xml, "name=\"547 cases hollow\""));
  EXPECT_FALSE(has(xml, "<script"));
  EXPECT_EQ(xml.find('\x1b'), std::string::npos);
  EXPECT_EQ(xml.find('\xff'), std::string::npos);
}

TEST(JUnit, IsNoSuccessWhereTheRunIsNone) {
  Look look;
  EXPECT_EQ(count(to_junit(plain_report(), look), "<error "), 0u);
  EXPECT_EQ(count(to_junit(Report{}, look), "<error "), 1u) << "nothing is shown";
  Report part = plain_report();
  part.shards = {{1, 4}};
  EXPECT_EQ(count(to_junit(part, look), "<error "), 0u);
  look.whole = true;
  EXPECT_TRUE(has(to_junit(part, look), "shards are missing: 2/4 3/4 4/4"));
  Report cut = plain_report();
  cut.interrupted = true;
  EXPECT_EQ(count(to_junit(cut, {}), "<error "), 1u);
}

TEST(JUnit, ANewDivergenceThatIsAllowedIsNoFailure) {
  Look look;
  look.allow_new_divergences = true;
  const std::string xml = to_junit(full_report(), look);
  EXPECT_EQ(count(xml, "<failure "), 1u);
  EXPECT_TRUE(has(xml, "message=\"allowed: "));
}

TEST(GitHub, AnnotationsAreOneLineEachAndEscaped) {
  const std::string text = to_annotations(full_report(), {}, "/src");
  const auto lines = lines_of(text);
  for (const std::string& line : lines)
    EXPECT_TRUE(line.starts_with("::error ") || line.starts_with("::notice ")) << line;
  EXPECT_EQ(lines.size(), 2u + 4u) << text;  // two conclusions, four lines that fail
  EXPECT_TRUE(has(text, "::error title=truenorm conform::FAIL: 4 verdicts against faulty:B004"));
  EXPECT_TRUE(has(text,
                  "::error file=corpus/edges.cases,line=17,title=fail of "
                  "faulty%3AB004%3A running_var::step 0 (T): running_var[13]"));
  EXPECT_TRUE(has(text, "title=timeout of faulty%3AB004%3A \"'><script>"));
  EXPECT_TRUE(has(text, "%3A%3Aerror%3A%3A%0A\xff%250A::"));  // in a title
  EXPECT_TRUE(has(text, "::error::%0A\xff%250A%0A"));         // behind it
  EXPECT_TRUE(has(text, "title=fail of LibTorch%3A dx::"));
  // Elsewhere the file keeps its name.
  EXPECT_TRUE(
      has(to_annotations(full_report(), {}, "/elsewhere"), "file=/src/corpus/edges.cases,"));
}

TEST(GitHub, NoMoreErrorsThanItKeeps) {
  Report report = full_report();
  for (int i = 0; i < 30; ++i) {
    report.failures.push_back(report.failures.front());
    report.failures.back().line += " seed=" + std::to_string(i);
  }
  const std::string text = to_annotations(report, {}, "/src");
  EXPECT_EQ(count(text, "::error ") - count(text, "::::error "), 10u) << text;
  EXPECT_TRUE(text.starts_with("::error title=truenorm conform::NEW"));
  Look allow;
  allow.allow_new_divergences = true;
  EXPECT_EQ(count(to_annotations(report, allow, "/src"), "::warning "), 1u);
}

TEST(GitHub, TheSummaryIsATableAndTheLinesThatFail) {
  const std::string text = to_summary(full_report(), {});
  EXPECT_TRUE(has(text,
                  "| area | cases | pass | fail | hollow | skipped | crash | timeout | worst |\n"
                  "|---|--:|--:|--:|--:|--:|--:|--:|--:|\n"
                  "| corpus | 302 | 300 | 2 | 0 | 0 | 0 | 0 | 0.900 |\n"))
      << text;
  EXPECT_TRUE(has(text, "**FAIL**: 4 verdicts against faulty\\:B004 in 26489 cases\n"));
  EXPECT_TRUE(has(text, "\n```\n./run check 'tn1 n2c1 f32 "));
  EXPECT_FALSE(has(text, "**: \"'><script>")) << "words of a player are markup";
  EXPECT_TRUE(has(text, "&lt;script\\>alert\\(1\\)&lt;/script\\>"));
  EXPECT_TRUE(has(text, "\n````\n\"'><script>")) << "a fence is longer than what it holds";
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\xff'), std::string::npos);
  EXPECT_TRUE(has(to_summary(plain_report(), {}), "**PASS**: no verdict against truenorm"));
}

TEST(GitHub, TheSummaryStaysBelowWhatItTakes) {
  Report report = full_report();
  for (int i = 0; i < 100; ++i) {
    report.failures.push_back(report.failures.front());
    Failure& f = report.failures.back();
    f.line += std::to_string(i);
    f.detail = f.opinion = f.command = std::string(1 << 20, '*');
  }
  EXPECT_LT(to_summary(report, {}).size(), std::size_t{1} << 20);
}

TEST(Plan, KnowsWhereACaseStands) {
  Plan plan;
  plan.add_lines("corpus", "# one\ntn1 n4c3 f32 run=T | nchw\n\ntn1 n4c3s5 f32 run=TB\n",
                 "a.cases");
  plan.add_random("random", 1, 2);
  EXPECT_EQ(plan.where(0), "a.cases:2");
  EXPECT_EQ(plan.where(1), "a.cases:4");
  EXPECT_EQ(plan.where(plan.size() - 3), "a.cases:4");  // its last Exec
  EXPECT_EQ(plan.where(plan.size() - 2), "");
}

}  // namespace
}  // namespace truenorm::oracle
