// Each check of a property's health can fail; and a failing case is kept, replayed first and counted.
#include "health.h"

#include <gtest/gtest-spi.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "found.h"
#include "generators.h"

namespace truenorm::props {
namespace {

using namespace oracle;

/// Runs a property under a health of its own; what is wrong with it, one complaint after the other.
template <typename Property>
std::string complaints(const Property& property, const Limits& limits = {}, int count = 400) {
  Health health;
  const auto testable = rc::detail::toProperty([&] {
    const Case c = *sampled_case();
    health.given(c);
    property(c);
  });
  EXPECT_TRUE(holds(testable, count, health));
  std::string all;
  for (const std::string& complaint : health.complaints(limits)) all += complaint + "\n";
  return all;
}

/// 0..99, all alike whatever RapidCheck's size is.
int any_percent() {
  return *rc::Gen<int>([](const rc::Random& random, int) {
    return rc::shrinkable::just(static_cast<int>(rc::Random(random).next() % 100));
  });
}

TEST(Health, ASoundPropertyHasNoComplaint) {
  EXPECT_EQ(complaints([](const Case&) {}, {.covers = {"dtype", "layout"}}), "");
}

TEST(Health, DiscardingIsAComplaint) {
  EXPECT_EQ(complaints([](const Case&) { RC_PRE(any_percent() >= 1); }), "");
  EXPECT_TRUE(complaints([](const Case&) {
                RC_PRE(any_percent() >= 80);
              }).starts_with("discards too much: "));
}

TEST(Health, DiscardingUntilRapidCheckGivesUpIsAComplaint) {
  const std::string all = complaints([](const Case&) { RC_PRE(false); });
  EXPECT_TRUE(all.starts_with("no case was tried\ndiscards too much: ")) << all;
  EXPECT_NE(all.find("(100.0 %)"), std::string::npos) << all;
}

TEST(Health, HollowCasesAreAComplaint) {
  const auto hollow = [](int percent) {
    return complaints([percent](const Case&) {
      if (any_percent() < percent) proves_nothing();
    });
  };
  EXPECT_EQ(hollow(2), "");
  EXPECT_TRUE(hollow(20).starts_with("hollow: "));
  EXPECT_EQ(hollow(100), "hollow: 400 of 400 (100.0 %) prove nothing\n");
}

TEST(Health, HeavinessIsAComplaint) {
  EXPECT_TRUE(complaints([](const Case&) {}, {.work = 10}).starts_with("too heavy: "));
  EXPECT_EQ(complaints([](const Case&) {}, {.work = 0}), "");
}

TEST(Health, AnEmptyClassIsAComplaint) {
  const auto property = [](const Case& c) {
    if (c.problem.dtype == Dtype::f64) proves_nothing();
  };
  EXPECT_EQ(complaints(property, {.hollow = 1, .covers = {"dtype"}}),
            "no case proves anything for dtype: f64\n");
  EXPECT_EQ(complaints(property, {.hollow = 1, .covers = {"color"}}),
            "there is no area of classes 'color'\n");
}

TEST(Health, CountsAreOfGeneratedCases) {
  Health health;
  const auto property = rc::detail::toProperty([] { RC_PRE(any_percent() >= 50); });
  EXPECT_TRUE(holds(property, 200, health));
  EXPECT_EQ(health.generated(), 200 + health.discarded());
  EXPECT_GT(health.discarded(), 100u);
}

/// Files of its own, named by the environment as `run` does.
class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    setenv("TRUENORM_FOUND", found().c_str(), 1);
    setenv("TRUENORM_TALLY", tally().c_str(), 1);
  }
  void TearDown() override {
    for (const auto& [name, before] : before_)
      before ? setenv(name, before->c_str(), 1) : unsetenv(name);
    std::filesystem::remove_all(folder_);
  }
  std::string found() const { return folder_ + "/found.cases"; }
  std::string tally() const { return folder_ + "/tally"; }
  static std::string text_of(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  static void write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }

 private:
  static std::optional<std::string> now(const char* name) {
    const char* const value = std::getenv(name);
    return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
  }
  const std::string folder_ = ::testing::TempDir() + "health_test." + std::to_string(getpid());
  const std::pair<const char*, std::optional<std::string>> before_[2] = {
      {"TRUENORM_FOUND", now("TRUENORM_FOUND")}, {"TRUENORM_TALLY", now("TRUENORM_TALLY")}};
};

using Found = Files;
using Tally = Files;

/// A planted failure: any case in f64 with three channels or more.
void fails_in_f64(const Case& c) {
  RC_ASSERT(c.problem.dtype != Dtype::f64 || c.problem.shape.c < 3);
}

constexpr const char* kMinimal =
    "tn1 n1c3 f64 eps=1e-05 mom=0.1 affine=gb stats=on x=normal(0,1) dy=uniform(-1,1) run=T seed=0 "
    "| nchw";

TEST_F(Found, AFailingCaseIsKeptOnceAndReplayedFirst) {
  EXPECT_NONFATAL_FAILURE(check(200, sampled_case(), fails_in_f64), kMinimal);
  const std::string text = text_of(found());
  EXPECT_NE(text.find("# Found.AFailingCaseIsKeptOnceAndReplayedFirst: fail: "), std::string::npos);
  EXPECT_NE(text.find(std::string("\n") + kMinimal + "\n"), std::string::npos) << text;
  ASSERT_EQ(read_found(found()).size(), 1u);

  // A second run plays it before any other case, and does not keep it twice.
  const rc::Gen<Case> passing([](const rc::Random&, int) {
    return rc::shrinkable::just(parse("tn1 n2c2 f32 run=T | nchw"));
  });
  std::vector<Case> played;
  EXPECT_NONFATAL_FAILURE(check(20, passing,
                                [&](const Case& c) {
                                  played.push_back(c);
                                  fails_in_f64(c);
                                }),
                          kMinimal);
  ASSERT_FALSE(played.empty());
  EXPECT_EQ(print(played.front()), kMinimal);
  EXPECT_EQ(text_of(found()), text);
}

TEST_F(Found, ALineThatPassesNowStays) {
  write(found(), std::string(kMinimal) + "\n");
  std::size_t played = 0;
  check(50, sampled_case(), [&](const Case& c) { played += print(c) == kMinimal; });
  EXPECT_GT(played, 0u);
  EXPECT_EQ(text_of(found()), std::string(kMinimal) + "\n");
}

TEST_F(Found, ACorruptFileIsToldAndNotTouched) {
  write(found(), "tn1 n1c3\ntn1 n1c3 x=nonsense\n");
  const std::string before = text_of(found());
  EXPECT_THROW(read_found(found()), ParseError);
  EXPECT_THROW(append_found(found(), {{parse("tn1 n2c2"), "s", "fail", "y"}}), ParseError);
  EXPECT_EQ(text_of(found()), before);
  EXPECT_THROW(read_found(::testing::TempDir()), FoundError);
  EXPECT_THROW(require_appendable(::testing::TempDir() + "none/found.cases"), FoundError);
}

TEST_F(Found, LinesAreAppendedWhole) {
  write(found(), "# mine\ntn1 n1c3");  // no end of line
  const std::vector<FoundCase> cases{{parse("tn1 n2c2"), "faulty:B004", "fail", "two\nlines"},
                                     {parse("tn1 n2c2"), "other", "fail", "the same case"},
                                     {parse("tn1 n1c3"), "other", "fail", "is there"}};
  EXPECT_EQ(append_found(found(), cases), 1u);
  EXPECT_EQ(append_found(found(), cases), 0u);
  const std::string text = text_of(found());
  EXPECT_TRUE(text.starts_with("# mine\ntn1 n1c3\n# faulty:B004: fail: two lines, 2")) << text;
  EXPECT_TRUE(text.ends_with("\n" + print(parse("tn1 n2c2")) + "\n")) << text;
  EXPECT_EQ(append_found(found(), {}), 0u);
}

TEST_F(Tally, EachPropertyAddsALine) {
  check(30, sampled_case(), [](const Case&) {});
  check(20, [](std::uint64_t) {});
  EXPECT_EQ(text_of(tally()), "30 Tally.EachPropertyAddsALine\n20 Tally.EachPropertyAddsALine\n");
}

}  // namespace
}  // namespace truenorm::props
