// The text form: parse(print(c)) == c, and complaints that name column, token and what was
// expected.
#include "text.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "generators.h"

namespace truenorm::props {
namespace {

using namespace oracle;

TEST(Text, SampledCasesComeBack) {
  check(
      100000, sampled_case(), [](const Case& c) { RC_ASSERT(parse(print(c)) == c); },
      no_tensors_in_every_class());
}

TEST(Text, AnyCasesComeBack) {
  check(
      100000, decoded_case(), [](const Case& c) { RC_ASSERT(parse(print(c)) == c); }, no_tensors());
}

TEST(Text, TheCanonicalLine) {
  const std::string line =
      "tn1 n4c16s7x7 f32 eps=1e-05 mom=0.1 affine=gb stats=on x=normal(10000,1) dy=uniform(-1,1) "
      "run=TBTB@2ERT seed=42 | nhwc thr=2 isa=avx2 skew=4 inplace";
  EXPECT_EQ(print(parse(line)), line);
}

/// What a line says in full.
std::string canonical(const std::string& line) { return print(parse(line)); }

TEST(Text, KeysComeInAnyOrderAndDefaultsMayBeLeftOut) {
  EXPECT_EQ(canonical("tn1"), print(Case{}));
  EXPECT_EQ(canonical("  tn1 seed=7   run=TE\tbf16/f32 n2c3s5 "),
            "tn1 n2c3s5 bf16/f32 eps=1e-05 mom=0.1 affine=gb stats=on x=normal(0,1) "
            "dy=uniform(-1,1) run=TE seed=7");
  EXPECT_EQ(parse("tn1 mom=cum").problem.momentum, (Momentum{true, 0}));
  EXPECT_EQ(parse("tn1 x=normal(1e4,1)"), parse("tn1 x=normal(10000,1e0)"));
  EXPECT_EQ(parse("tn1 x=bits(00ABcd)").problem.x.bits, (std::vector<std::uint8_t>{0, 0xab, 0xcd}));
}

TEST(Text, OnlyUnusualParameterDataArePrinted) {
  EXPECT_EQ(canonical("tn1 w=uniform(0.5,1.5) b=zero rm=zero rv=const(2)"),
            "tn1 n2c3 f32 eps=1e-05 mom=0.1 affine=gb stats=on x=normal(0,1) dy=uniform(-1,1) "
            "b=zero rv=const(2) run=T seed=0");
}

TEST(Text, RenormalizationIsPrintedWhereThereIsSome) {
  EXPECT_EQ(parse("tn1").problem.renorm, std::nullopt);
  EXPECT_EQ(parse("tn1 renorm=3,5").problem.renorm, (Renorm{3, 5}));
  for (const char* const renorm : {"renorm=3,5", "renorm=1,0", "renorm=inf,inf", "renorm=1.5,-0"})
    EXPECT_NE(
        canonical(std::string("tn1 ") + renorm).find(std::string(" stats=on ") + renorm + " x="),
        std::string::npos)
        << renorm;
}

TEST(Text, OverridesArePrintedWhereTheyDiffer) {
  const std::string head = print(Case{});
  for (const char* const exec :
       {"nchw", "nhwc", "expanded", "expanded y=nhwc dy=nchw dx=padded", "sliced dy=expanded",
        "transposed y=nchw dx=sliced thr=64 skew=63 params=strided", "padded isa=scalar inplace"})
    EXPECT_EQ(canonical(head + " | " + exec), head + " | " + exec);
  EXPECT_EQ(canonical("tn1 | nhwc y=nhwc thr=1 params=dense isa=best"), head + " | nhwc");
  EXPECT_EQ(parse("tn1 | expanded").exec->y, Layout::nchw);
}

std::vector<std::uint32_t> ids(const std::string& run) {
  std::vector<std::uint32_t> found;
  for (const Step& step : parse("tn1 run=" + run).problem.run) found.push_back(step.id);
  return found;
}

/// The run= of the canonical line.
std::string run_of(const std::string& run) {
  const std::string line = canonical("tn1 run=" + run);
  return line.substr(line.find("run=") + 4, line.find(" seed=") - line.find("run=") - 4);
}

TEST(Text, StepsCarryIdsBatchesAndRepeats) {
  EXPECT_EQ(ids("TE#2B"), (std::vector<std::uint32_t>{0, 2, 3}));
  EXPECT_EQ(ids("T*3B"), (std::vector<std::uint32_t>{0, 1, 2, 3}));
  EXPECT_EQ(ids("T#7@4*2E"), (std::vector<std::uint32_t>{7, 8, 9}));
  EXPECT_EQ(run_of("TTTBTT"), "T*3BTT");
  EXPECT_EQ(run_of("T@2T@2T@2*2"), "T@2*4");
  EXPECT_EQ(run_of("T@4#9"), "T#9@4");
  EXPECT_EQ(run_of("TT#5TTT-+SRP"), "TT#5*4-+SRP");
  EXPECT_EQ(run_of("T*64"), "T*64");
  EXPECT_EQ(run_of("Te(0.50)TBm(cum)m(1e-1)CM"), "Te(0.5)TBm(cum)m(0.1)CM");
  EXPECT_EQ(run_of("e(1)e(1)e(1)e(2)#9m(cum)*2"), "e(1)*3e(2)#9m(cum)m(cum)");
  EXPECT_EQ(run_of("e(-0)m(nan)m(-inf)"), "e(-0)m(nan)m(-inf)");
}

TEST(Text, OddNumbersComeBack) {
  for (const char* const eps : {"nan", "inf", "-inf", "-0", "0", "5e-324", "-1",
                                "1.7976931348623157e+308", "0.30000000000000004"})
    EXPECT_NE(canonical(std::string("tn1 eps=") + eps).find(std::string("eps=") + eps + " "),
              std::string::npos)
        << eps;
  EXPECT_EQ(parse("tn1 eps=-nan"), parse("tn1 eps=nan"));
}

struct Complaint {
  const char* line;
  std::size_t column;
  const char* token;
  const char* expected;  // a part of it
};

TEST(Text, ComplaintsNameColumnTokenAndExpectation) {
  const Complaint complaints[] = {
      {"", 1, "", "tn1"},
      {"tn2 n1c1", 1, "tn2", "tn1"},
      {"tn1 n2", 7, "", "n4c16s7x7"},
      {"tn1 n2c", 8, "", "a size"},
      {"tn1 n2c3s1x2x3x4", 15, "x4", "three"},
      {"tn1 n67108865c1", 5, "n67108865c1", "sizes from 0"},
      {"tn1 n60000c60000", 5, "n60000c60000", "at most"},
      {"tn1 n2c3 f31", 10, "f31", "f32 f64 bf16 f16 bf16/f32 f16/f32"},
      {"tn1 f64/f32", 5, "f64/f32", "bf16/f32"},
      {"tn1 eps=", 9, "", "a number"},
      {"tn1 eps=1x", 9, "1x", "a number"},
      {"tn1 mom=1e999", 9, "1e999", "range"},
      {"tn1 affine=gw", 12, "gw", "none g b gb"},
      {"tn1 stats=yes", 11, "yes", "on off"},
      {"tn1 renorm=3", 12, "3", "r_max,d_max"},
      {"tn1 renorm=,5", 12, "", "a number"},
      {"tn1 renorm=3,5,1", 14, "5,1", "a number"},
      {"tn1 renorm=0.5,5", 5, "renorm=0.5,5", "r_max >= 1"},
      {"tn1 renorm=nan,5", 5, "renorm=nan,5", "r_max >= 1"},
      {"tn1 renorm=3,-1", 5, "renorm=3,-1", "d_max >= 0"},
      {"tn1 x=gauss(0,1)", 7, "gauss", "zero const ramp uniform normal"},
      {"tn1 x=normal", 7, "normal", "normal(a,b)"},
      {"tn1 x=normal(1)", 14, "1", "two numbers"},
      {"tn1 x=const(1,2)", 13, "1,2", "one number"},
      {"tn1 x=ramp(1)", 11, "(1)", "no brackets"},
      {"tn1 x=normal(1,2", 13, "(1,2", "closing"},
      {"tn1 x=const(inf)", 5, "x=const(inf)", "finite"},
      {"tn1 dy=uniform(2,1)", 5, "dy=uniform(2,1)", "a <= b"},
      {"tn1 w=normal(0,-1)", 5, "w=normal(0,-1)", ">= 0"},
      {"tn1 b=spike(1.5)", 5, "b=spike(1.5)", "whole"},
      {"tn1 rm=special(2)", 5, "rm=special(2)", "0 to 1"},
      {"tn1 rv=bits(0g)", 13, "0g", "hex"},
      {"tn1 rv=bits(012)", 13, "012", "hex"},
      {"tn1 run=TXB", 10, "X", "TEBRPS-+"},
      {"tn1 run=T@B", 11, "B", "a size"},
      {"tn1 run=T*0", 9, "T*0", "1 to 64"},
      {"tn1 run=TT*64", 10, "T*64", "1 to 64"},
      {"tn1 run=T#3E#3", 5, "run=T#3E#3", "increase"},
      {"tn1 run=R@2", 5, "run=R@2", "T, E and B"},
      {"tn1 run=T#1#2", 12, "#", "once"},
      {"tn1 run=Te", 10, "e", "e(number)"},
      {"tn1 run=Te0.5B", 10, "e0.5B", "e(number)"},
      {"tn1 run=Tm(1", 10, "m(1", "m(number) or m(cum)"},
      {"tn1 run=e(cum)T", 11, "cum", "a number"},
      {"tn1 run=m(none)T", 11, "none", "a number"},
      {"tn1 run=TB(2)", 11, "(", "TEBRPS-+emCM"},
      {"tn1 run=e(1)@2", 5, "run=e(1)@2", "T, E and B"},
      {"tn1 run=", 5, "run=", "1 to 64"},
      {"tn1 n1000000c1s64 run=T*5", 19, "run=T*5", "over all steps"},
      {"tn1 seed=-1", 10, "-1", "whole number"},
      {"tn1 eps=1 eps=1", 11, "eps=1", "once"},
      {"tn1 momentum=1", 5, "momentum=1", "mom="},
      {"tn1 what", 5, "what", "eps="},
      {"tn1 |", 6, "", "nchw nhwc sliced"},
      {"tn1 | chwn", 7, "chwn", "nchw nhwc sliced"},
      {"tn1 | nchw y=expanded", 12, "y=expanded", "any layout but expanded"},
      {"tn1 | nchw dx=what", 15, "what", "nchw nhwc"},
      {"tn1 | nchw thr=65", 12, "thr=65", "1 to 64"},
      {"tn1 | nchw thr=999", 16, "999", "1 to 64"},
      {"tn1 | nchw isa=avx3", 16, "avx3", "best scalar"},
      {"tn1 | nchw skew=64", 12, "skew=64", "0 to 63"},
      {"tn1 | expanded inplace", 16, "inplace", "same layout"},
      {"tn1 | nchw y=nhwc inplace", 19, "inplace", "same layout"},
      {"tn1 | nchw params=wide", 19, "wide", "dense strided"},
      {"tn1 | nchw eps=1", 12, "eps=1", "thr="},
  };
  for (const Complaint& complaint : complaints) {
    SCOPED_TRACE(complaint.line);
    try {
      parse(complaint.line);
      ADD_FAILURE() << "was accepted";
    } catch (const ParseError& error) {
      EXPECT_EQ(error.column, complaint.column);
      EXPECT_EQ(error.token, complaint.token);
      EXPECT_NE(error.expected.find(complaint.expected), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("column " + std::to_string(complaint.column)),
                std::string::npos);
    }
  }
}

TEST(Text, FilesHaveCommentsAndNumberedLines) {
  const auto lines = parse_file(
      "# a head\n\n# why\n#  and more\ntn1 run=T#2 # beside\n\ttn1 seed=3\r\n\n", "a.cases");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].number, 5);
  EXPECT_EQ(lines[0].comment, "why\nand more");
  EXPECT_EQ(lines[0].value.problem.run[0].id, 2u);
  EXPECT_EQ(lines[1].number, 6);
  EXPECT_EQ(lines[1].comment, "");
  try {
    parse_file("tn1\n tn1 eps=x", "a.cases");
    FAIL();
  } catch (const ParseError& error) {
    EXPECT_EQ(std::string(error.what()), "a.cases:2:10: 'x': expected a number");
  }
}

std::vector<Line> corpus(const std::filesystem::path& path) {
  std::ifstream file(path);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  return parse_file(text, path.filename().string());
}

TEST(Text, EveryLineOfTheCorpusIsACase) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(TRUENORM_CORPUS_DIR)) {
    if (entry.path().extension() != ".cases") continue;
    ++files;
    for (const Line& line : corpus(entry.path())) EXPECT_EQ(parse(print(line.value)), line.value);
  }
  EXPECT_GE(files, 3);
}

TEST(Text, HandWrittenCasesSayWhatTheyGuard) {
  for (const char* const name : {"smoke.cases", "edges.cases", "networks.cases"})
    for (const Line& line : corpus(std::filesystem::path(TRUENORM_CORPUS_DIR) / name))
      EXPECT_FALSE(line.comment.empty()) << name << ":" << line.number;
}

}  // namespace
}  // namespace truenorm::props
