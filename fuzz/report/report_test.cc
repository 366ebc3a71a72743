// The reports of nights that never were: what they say, and that nothing in a store can break them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "made_up.h"
#include "oracle/page/page.h"
#include "report.h"

namespace truenorm::night {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// The night is made up once, since every sample of it goes to the disk; each test has a copy.
class Reports : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    // In memory where that can be: a store waits for the disk at every step.
    const fs::path memory = "/dev/shm";
    std::string name =
        ((fs::is_directory(memory) ? memory : fs::temp_directory_path()) / "truenorm-report-XXXXXX")
            .string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error(name);
    root_ = name;
    make_up_night(root_ / "made up");
  }
  static void TearDownTestSuite() { fs::remove_all(root_); }
  ~Reports() override { fs::remove_all(root_ / "night"); }

  static fs::path a_night() {
    fs::copy(root_ / "made up", root_ / "night", fs::copy_options::recursive);
    return root_ / "night";
  }
  static Digest night() { return read_digest(a_night()); }
  static Digest nothing() {
    make_up_nothing(root_ / "nothing");
    return read_digest(root_ / "nothing");
  }

  static inline fs::path root_;
};

std::string said(const fs::path& folder) {
  try {
    read_digest(folder);
  } catch (const StoreError& e) {
    return e.what();
  }
  return "nothing";
}

TEST_F(Reports, AStoreThatIsNotThereOrDamagedIsToldByName) {
  EXPECT_NE(said(root_ / "none").find("none/fuzz.db"), std::string::npos);
  fs::create_directories(root_ / "damaged");
  std::ofstream(root_ / "damaged" / "fuzz.db") << std::string(9000, 'x');
  EXPECT_NE(said(root_ / "damaged").find("damaged/fuzz.db"), std::string::npos);
  const fs::path torn = a_night();
  {
    std::fstream file(torn / "fuzz.db", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(16 * 4096, '\xaa');
  }
  EXPECT_NE(said(torn).find("night/fuzz.db"), std::string::npos);
}

TEST_F(Reports, JsonHasTheKeysThatWerePromised) {
  const Json json = Json::parse(to_json(night()));
  EXPECT_EQ(json.at("schema"), "truenorm-fuzz/1");
  EXPECT_EQ(json.at("seconds"), 28800.0);
  ASSERT_EQ(json.at("targets").size(), 8u);
  const Json& target = json.at("targets").at("case_fuzz");
  for (const char* key : {"executions", "exec_per_second", "coverage", "corpus", "worst_score"})
    EXPECT_TRUE(target.at(key).is_number()) << key;
  EXPECT_GT(target.at("executions"), 200'000'000);
  ASSERT_EQ(json.at("findings").size(), 3u);
  for (const Json& finding : json.at("findings"))
    for (const char* key : {"case", "verdict", "reason"}) EXPECT_TRUE(finding.at(key).is_string());
  EXPECT_EQ(json.at("findings")[0].at("verdict"), "fail");
  EXPECT_EQ(json.at("findings")[0].at("reason"), "running_var");
}

TEST_F(Reports, ScoresThatThereAreNoneOfAreNull) {
  const Json json = Json::parse(to_json(night()));
  EXPECT_TRUE(json.at("targets").at("text_fuzz").at("worst_score").is_null());
  EXPECT_TRUE(json.at("targets").at("never_fuzz").at("worst_score").is_null());
  EXPECT_EQ(json.at("targets").at("never_fuzz").at("executions"), 0);
  // Neither an infinite score nor none at all is a worst one.
  EXPECT_FALSE(json.at("worst").contains("endless"));
  EXPECT_FALSE(json.at("worst").contains("none"));
  EXPECT_EQ(json.at("worst").at("y").at("score"), 0.99 * 0.93);
  Digest d = nothing();
  d.seconds = std::numeric_limits<double>::quiet_NaN();
  d.targets.emplace_back();
  d.targets.back().last.exec_per_second = d.targets.back().last.worst_score = d.seconds;
  const Json none = Json::parse(to_json(d));
  EXPECT_TRUE(none.at("seconds").is_null());
  EXPECT_TRUE(none.at("targets").at("").at("worst_score").is_null());
  EXPECT_NE(to_text(d, {}), "");
  EXPECT_NE(to_html(d), "");
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(word, at)) != text.npos; at += word.size()) ++n;
  return n;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(Reports, TextSaysWhatThereIsToKnow) {
  const std::string text = to_text(night(), {});
  for (const char* part :
       {"faulty:B004 fuzzed for 8:00:00 in 1 run", "ended by: time", "case_fuzz", "242,880,000",
        "asan (1 behind)", "fast avx2", "3 findings", "running_var[0]: got 0.905085027",
        "faulty:B004 is wrong", "./run check 'tn1 n2c1 f32", "./run fuzz reproduce ",
        "impl/ reached by 3,456 inputs: 96.2 % of the lines", "never impl/src/fold.cc:40",
        "lines 12, 40-128", "3 findings in 3,"})
    EXPECT_TRUE(has(text, part)) << part << "\n" << text;
  EXPECT_FALSE(has(text, "fast avx2 (")) << text;
  EXPECT_FALSE(has(text, "plan.cc")) << "all of its lines were reached";
}

TEST_F(Reports, TextIsOf80ColumnsButForWhatIsToBeCopiedAndHasNoControlCharacters) {
  const Digest d = night();
  for (const std::string& line : lines_of(to_text(d, {.brief = true}))) {
    EXPECT_TRUE(line.size() <= 80 || has(line, "tn1 ") || has(line, "script") ||
                has(line, d.folder.string()))
        << line;
    EXPECT_TRUE(std::none_of(line.begin(), line.end(), [](unsigned char c) {
      return c < 0x20 || c == 0x7f;
    })) << line;
  }
  EXPECT_FALSE(has(to_text(d, {}), "\x1b"));
  EXPECT_TRUE(has(to_text(d, {.colour = true}), "\x1b[31;1m"));
}

TEST_F(Reports, NothingAtAllIsAReport) {
  const Digest d = nothing();
  EXPECT_TRUE(has(to_text(d, {}), "0 findings in 0 executions"));
  const Json json = Json::parse(to_json(d));
  EXPECT_EQ(json.at("targets"), Json::object());
  EXPECT_EQ(json.at("findings"), Json::array());
  const std::string html = to_html(d);
  EXPECT_TRUE(has(html, "Nothing has been executed yet."));
  EXPECT_TRUE(has(html, "there is nothing to draw yet"));
  EXPECT_TRUE(has(html, "./run fuzz coverage "));
}

TEST_F(Reports, ThePageSaysWhatThereIsToKnowAndEscapesAllOfIt) {
  const std::string html = to_html(night());
  EXPECT_FALSE(has(html, "<script"));
  EXPECT_FALSE(has(html, "\x1b"));
  EXPECT_TRUE(has(html, oracle::page::escape(kHostile)));
  for (const char* part : {"3 findings to look at.", "faulty:B004 is wrong", "242,880,000",
                           "asan (1 behind)", "impl/src/fold.cc:40", "8:00:00"})
    EXPECT_TRUE(has(html, part)) << part;
  EXPECT_TRUE(has(html, "truenorm::fold(const &lt;unnamed&gt;&amp;)"));
  EXPECT_EQ(count(html, "<figure>"), 3u);
  EXPECT_EQ(count(html, "<article"), 3u);
}

TEST_F(Reports, ACaseRunsAgainByItsLineAndWhatOnlyABuildSeesByThatBuild) {
  const Digest d = night();
  EXPECT_EQ(rerun(d.findings[0], d.folder),
            "./run check '" + d.findings[0].minimal + "' --subject faulty:B004");
  EXPECT_EQ(rerun(d.findings[1], d.folder), "./run fuzz reproduce " +
                                                (d.folder / d.findings[1].file).string() +
                                                " --subject faulty:B004");
  // A line that is none stays one word of the shell.
  EXPECT_TRUE(rerun(d.findings[2], d.folder).starts_with("./run check '\"'\\''><script>"));
  Finding unknown;
  EXPECT_EQ(rerun(unknown, d.folder), "");
}

TEST_F(Reports, ARunIsAtWorkWhileItHoldsItsLock) {
  const fs::path folder = a_night();
  {
    Store store(folder);
    night::Run run;
    run.planned = 600;
    store.live(store.begin_run(run), 150);
  }
  EXPECT_TRUE(has(to_text(read_digest(folder), {}), "ended by: being killed"));
  const int fd = open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  ASSERT_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);
  const Digest d = read_digest(folder);
  EXPECT_TRUE(has(to_text(d, {}), "0:07:30 left"));
  EXPECT_TRUE(has(to_html(d), "0:07:30"));
  close(fd);
}

TEST_F(Reports, TimeZonesDoNotMatter) {
  const Digest d = night();
  const std::string text = to_text(d, {}), json = to_json(d), html = to_html(d);
  for (const char* zone : {"Pacific/Kiritimati", "America/St_Johns"}) {
    setenv("TZ", zone, 1);
    tzset();
    EXPECT_EQ(to_text(d, {}), text);
    EXPECT_EQ(to_json(d), json);
    EXPECT_EQ(to_html(d), html);
  }
  unsetenv("TZ");
  tzset();
}

TEST_F(Reports, ACoverageSummaryThatIsNoneIsTold) {
  const fs::path folder = a_night();
  std::ofstream(reach_file(folder)) << R"({"schema": "another"})";
  Digest d = read_digest(folder);
  EXPECT_FALSE(d.reach);
  EXPECT_TRUE(has(to_text(d, {}), "summary.json: "));
  std::ofstream(reach_file(folder)) << "no JSON";
  d = read_digest(folder);
  EXPECT_TRUE(has(to_html(d), "summary.json: "));
}

TEST(Numbers, ForPeople) {
  EXPECT_EQ(clock_text(0), "0:00:00");
  EXPECT_EQ(clock_text(-1), "0:00:00");
  EXPECT_EQ(clock_text(36 * 3600 + 61.4), "36:01:01");
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1'234'567), "1,234,567");
  EXPECT_EQ(rate_text(2.25), "2.2");
  EXPECT_EQ(rate_text(25300.4), "25,300");
  EXPECT_EQ(rate_text(0), "-");
  EXPECT_EQ(score_text(std::nullopt), "-");
  EXPECT_EQ(score_text(0.98765), "0.988");
}

}  // namespace
}  // namespace truenorm::night
