// The suites of the corpus, what a file of them may say, and what becomes of a user's own lines.
#include "suites.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>

#include "items.h"
#include "oracle/text.h"

namespace truenorm::bench {
namespace {

using oracle::Layout;
using oracle::parse;

Suites corpus() {
  std::ifstream in(TRUENORM_CORPUS_DIR "/networks.cases");
  return {std::string{std::istreambuf_iterator<char>(in), {}}, "networks.cases"};
}

/// What the file says is wrong.
std::string error_of(const std::string& text) {
  try {
    const Suites suites(text, "a.cases");
    return {};
  } catch (const oracle::ParseError& e) {
    return e.what();
  }
}

TEST(Suites, OfTheCorpus) {
  const Suites all = corpus();
  EXPECT_EQ(all.names(),
            "resnet50, inception, unet3d, 1d, nxc, ncl, 3d, odd, tiny, few, smoke, "
            "table (resnet50 inception nxc ncl 3d odd), all (table unet3d 1d few tiny)");
  const std::map<std::string, std::size_t> sizes{
      {"resnet50", 18}, {"inception", 23}, {"unet3d", 8}, {"nxc", 3}, {"ncl", 2},
      {"3d", 2},        {"odd", 3},        {"tiny", 8},   {"few", 9}, {"smoke", 3}};
  for (const auto& [name, size] : sizes) EXPECT_EQ(all.entries({name}, {}).size(), size) << name;
}

TEST(Suites, ResNet50Has53BatchNormsOfEachBatch) {
  std::map<std::int64_t, int> times;
  for (const Entry& e : corpus().entries({"resnet50"}, {}))
    times[e.value.problem.shape.n] += e.times;
  EXPECT_EQ(times, (std::map<std::int64_t, int>{{8, 53}, {32, 53}}));
  int unet = 0;
  for (const Entry& e : corpus().entries({"unet3d"}, {})) unet += e.times;
  EXPECT_EQ(unet, 14);
}

TEST(Suites, AnotherBatchIsThatOfNetworksOnly) {
  const auto entries = corpus().entries({"resnet50", "nxc"}, {4});
  ASSERT_EQ(entries.size(), 12u);
  for (const Entry& e : entries)
    EXPECT_EQ(e.network, e.value.problem.shape.n == 4) << shape_name(e.value.problem.shape);
  EXPECT_EQ(corpus().entries({"resnet50"}, {4, 5}).size(), 18u);
}

TEST(Suites, ACaseOfSeveralIsTimedOnce) {
  const Suites all = corpus();
  EXPECT_EQ(all.entries({"smoke", "smoke"}, {}).size(), 3u);
  EXPECT_EQ(all.entries({"resnet50", "inception"}, {8}).size(), 9u + 23 - 4);
  EXPECT_LT(all.entries({"table"}, {}).size(), all.entries({"all"}, {}).size());
  EXPECT_THROW((void)all.entries({"resnet"}, {}), std::invalid_argument);
}

TEST(Suites, EverythingElseIsAComment) {
  const Suites s(
      "# cases of #suite and #case\n\ntn1 n2c3 f32 | nchw\n#suites\n#suite a\n"
      "#case 3 tn1 n2c3 f32 run=T\n# about it\n#case 1 tn1 n2c4 f32\n",
      "a.cases");
  ASSERT_EQ(s.names(), "a");
  const auto entries = s.entries({"a"}, {});
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].times, 3);
  EXPECT_EQ(entries[0].value, parse("tn1 n2c3 f32 run=T"));
}

TEST(Suites, ErrorsSayWhere) {
  const auto expect = [](const std::string& text, const std::string& what) {
    const std::string got = error_of(text);
    EXPECT_EQ(got.substr(0, what.size()), what) << text;
  };
  expect("#case 1 tn1 n2c3 f32\n", "a.cases:1:1: '#case': expected a #suite above");
  expect("#suite a\n\n#case 1 tn1 n2c3 f32\n", "a.cases:3:1: '#case'");
  expect("#suite\n", "a.cases:1:7: '': expected the name of a new suite");
  expect("#suite a\n#suite a\n", "a.cases:2:8: 'a': expected the name of a new suite");
  expect("#suite a nchw\n", "a.cases:1:10: 'nchw': expected network, nhwc or =");
  expect("#suite a = b\n", "a.cases:1:12: 'b': expected a suite that stands above");
  expect("#suite a =\n", "a.cases:1:11: '': expected suites that stand above");
  expect("#suite a\n#suite b = a\n#case 1 tn1 n2c3 f32\n", "a.cases:3:1: '#case'");
  for (const char* times : {"0", "x", "1x", "-1", "99999999999"})
    expect(std::string("#suite a\n#case ") + times + " tn1 n2c3 f32\n",
           std::string("a.cases:2:7: '") + times + "': expected how many BatchNorms");
  expect("#suite a\n#case 2 tn1 n2c3 f99\n", "a.cases:2:18: 'f99'");
  expect("#suite a\n#case 2 tn1 n2c3 f32 affine=g\n", "a.cases:2:8: ' tn1 n2c3 f32 affine=g'");
}

TEST(Lines, OnesThatCannotBeTimedSayWhy) {
  const auto field = [](const char* line) {
    const std::string why = untimed(parse(line));
    return why.substr(0, why.find(':'));
  };
  EXPECT_EQ(field("tn1 n4c16s7x7 f32 run=TBE"), "");
  EXPECT_EQ(field("tn1 n4c16s7x7 bf16 eps=0.1 mom=0.5 x=ramp run=TETB seed=3 | nhwc thr=3"), "");
  EXPECT_EQ(field("tn1 n4c16 f32 affine=none"), "affine");
  EXPECT_EQ(field("tn1 n4c16 f32 stats=off"), "stats, mom");
  EXPECT_EQ(field("tn1 n4c16 f32 mom=cum"), "stats, mom");
  EXPECT_EQ(field("tn1 n4c16 f32 renorm=3,5"), "renorm");
  EXPECT_EQ(field("tn1 n4c16 f32 run=TR"), "run");
  EXPECT_EQ(field("tn1 n4c16 f32 run=T@2"), "run");
  EXPECT_EQ(field("tn1 n0c16 f32"), "n, c, s");
  EXPECT_EQ(field("tn1 n4c16s7x7 f32 | sliced"), "layout");
  EXPECT_EQ(field("tn1 n4c16s7x7 f32 | nchw dx=nhwc"), "y, dy, dx");
  EXPECT_EQ(field("tn1 n4c16s7x7 f32 | nchw skew=1"), "inplace, params, skew");
  EXPECT_EQ(field("tn1 n4c16s7x7 f32 | nchw inplace"), "inplace, params, skew");
  EXPECT_EQ(field("tn1 n4c16s7x7 f32 | nchw params=strided"), "inplace, params, skew");
}

/// The rows of one line.
std::vector<std::string> rows(const char* line, const Asked& asked, bool inner = false) {
  Entry entry;
  entry.value = parse(line);
  entry.inner = inner;
  std::vector<std::string> all;
  for (const Item& item : items({entry}, asked)) {
    const oracle::Exec& e = *item.value.exec;
    std::string row{"TEB"[static_cast<int>(item.op)]};
    row += std::string(" ") + std::string(oracle::name(item.value.problem.dtype)) + " " +
           std::string(oracle::name(e.x)) + " " + std::to_string(e.threads);
    all.push_back(row);
  }
  return all;
}

TEST(Items, WhatALineSaysIsTakenUnlessSomethingElseIsAsked) {
  using Rows = std::vector<std::string>;
  Asked asked;
  EXPECT_EQ(rows("tn1 n4c16s7x7 f64 run=TE | nhwc thr=3", asked),
            (Rows{"T f64 nhwc 3", "E f64 nhwc 3"}));
  asked.threads = {2};
  EXPECT_EQ(rows("tn1 n4c16s7x7 f32 run=T", asked), (Rows{"T f32 nchw 2", "T f32 nhwc 2"}));
  EXPECT_EQ(rows("tn1 n4c16s7x7 f32 run=T", asked, true), (Rows{"T f32 nhwc 2"}));
  EXPECT_EQ(rows("tn1 n4c16 f32 run=T | nchw thr=3", asked), (Rows{"T f32 nhwc 2"}));
  asked.layouts = {Layout::nchw};
  EXPECT_EQ(rows("tn1 n4c16s7x7 f32 run=T | nhwc", asked), (Rows{"T f32 nchw 2"}));
  EXPECT_EQ(rows("tn1 n4c16 f32 run=T", asked), Rows{});  // it has no such layout
  asked.layouts = {};
  asked.dtypes = {oracle::Dtype::bf16};
  asked.ops = {Op::backward, Op::evaluation};
  asked.threads = {1, 2};
  EXPECT_EQ(rows("tn1 n4c16 f32 run=TBT", asked), (Rows{"B bf16 nhwc 1", "B bf16 nhwc 2"}));
}

TEST(Items, KeepTheLinesData) {
  Entry entry;
  entry.value = parse("tn1 n4c16s7x7 bf16 eps=0.5 x=ramp run=TBE seed=9 | nhwc");
  const auto all = items({entry}, {});
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(oracle::print(all[2].value),
            oracle::print(parse("tn1 n4c16s7x7 bf16 eps=0.5 x=ramp run=TB seed=9 | nhwc")));
}

}  // namespace
}  // namespace truenorm::bench
