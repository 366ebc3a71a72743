#include "health.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <sstream>
#include <system_error>

#include "found.h"
#include "shipped.h"
#include "text.h"

namespace truenorm::props {
namespace {

using namespace oracle;

constexpr const char* kHollow = "hollow";  // the tag

std::string test_name() {
  const auto* const info = ::testing::UnitTest::GetInstance()->current_test_info();
  return std::string(info->test_suite_name()) + "." + info->name();
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
  char text[64];
  std::snprintf(text, sizeof text, "%" PRIu64 " of %" PRIu64 " (%.1f %%)", part, whole,
                100 * static_cast<double>(part) / static_cast<double>(whole));
  return text;
}

/// Keeps the case that a property fails on, where it is about one.
void keep(const rc::detail::FailureResult& failure) {
  if (found_file().empty()) return;
  for (const auto& [type, value] : failure.counterExample) {
    if (!value.starts_with("tn1 ")) continue;
    const std::string reason = failure.description.substr(0, failure.description.find('\n'));
    try {
      append_found(found_file(), {{parse(value), test_name(), "fail", reason}});
    } catch (const std::exception& e) {
      ADD_FAILURE() << e.what();
    }
    return;
  }
}

/// One write at the end: tests that run side by side do not mix.
void tally(std::uint64_t generated) {
  const char* const path = std::getenv("TRUENORM_TALLY");
  if (path == nullptr || *path == '\0') return;
  const std::string line = std::to_string(generated) + " " + test_name() + "\n";
  const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  const bool written =
      fd >= 0 && write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (fd >= 0) close(fd);
  EXPECT_TRUE(written) << path << " cannot be written";
}

}  // namespace

void proves_nothing() {
  constexpr bool hollow = true;
  RC_CLASSIFY(hollow);
}

void Health::onTestCaseFinished(const rc::detail::CaseDescription& finished) {
  ++generated_;
  using Type = rc::detail::CaseResult::Type;
  if (finished.result.type == Type::Discard) ++discarded_;
  if (finished.result.type != Type::Success) return;
  ++weighed_;
  moved_ += static_cast<double>(work_of(given_.problem));
  const bool hollow =
      std::find(finished.tags.begin(), finished.tags.end(), kHollow) != finished.tags.end();
  hollow_ += hollow ? 1 : 0;
  if (!hollow) proved_.add(given_);
}

double Health::work() const { return weighed_ > 0 ? moved_ / static_cast<double>(weighed_) : 0; }

std::vector<std::string> Health::complaints(const Limits& limits) const {
  std::vector<std::string> list;
  const auto above = [](std::uint64_t part, double share, std::uint64_t whole) {
    return static_cast<double>(part) > share * static_cast<double>(whole);
  };
  if (generated_ == discarded_) list.push_back("no case was tried");
  if (above(discarded_, limits.discarded, generated_))
    list.push_back("discards too much: " + percent(discarded_, generated_));
  if (above(hollow_, limits.hollow, weighed_))
    list.push_back("hollow: " + percent(hollow_, weighed_) + " prove nothing");
  if (limits.work > 0 && work() > static_cast<double>(limits.work))
    list.push_back("too heavy: " + std::to_string(static_cast<std::int64_t>(work())) +
                   " elements a case, more than " + std::to_string(limits.work));
  for (const std::string& area : limits.covers) {
    bool known = false;
    for (const auto& [key, count] : proved_.counts()) {
      if (key.first != area) continue;
      known = true;
      if (count == 0) list.push_back("no case proves anything for " + area + ": " + key.second);
    }
    if (!known) list.push_back("there is no area of classes '" + area + "'");
  }
  return list;
}

std::string found_file() {
  const char* const named = std::getenv("TRUENORM_FOUND");
  if (named != nullptr) return named;
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path self = fs::read_symlink("/proc/self/exe", ignored);
  for (fs::path folder = self.parent_path(); folder.has_relative_path();
       folder = folder.parent_path())
    if (fs::exists(folder / "CMakeCache.txt", ignored)) return folder / "found.cases";
  return self.empty() ? std::string() : (self.parent_path() / "found.cases").string();
}

std::vector<Case> found_cases() {
  std::vector<Case> cases = found_in(kShippedCases, "corpus/found.cases");
  if (found_file().empty()) return cases;
  for (const Case& c : read_found(found_file()))
    if (std::find(cases.begin(), cases.end(), c) == cases.end()) cases.push_back(c);
  return cases;
}

bool holds(const rc::detail::Property& property, int count, Health& health) {
  rc::detail::TestMetadata metadata;
  metadata.id = metadata.description = test_name();
  rc::detail::TestParams params;
  params.seed = 1;
  params.maxSuccess = count;
  const auto result = rc::detail::checkProperty(property, metadata, params, health);
  rc::detail::FailureResult failure;
  if (result.match(failure)) keep(failure);
  // Too many discards are a matter of health.
  if (!result.is<rc::detail::FailureResult>() && !result.is<rc::detail::Error>()) return true;
  std::ostringstream message;
  rc::detail::printResultMessage(result, message);
  ADD_FAILURE() << message.str();
  return false;
}

void report(const Health& health, const Limits& limits, std::uint64_t replayed,
            std::uint64_t still_fail) {
  for (const std::string& complaint : health.complaints(limits))
    ADD_FAILURE() << test_name() << " is not healthy: " << complaint;
  ::testing::Test::RecordProperty("generated", std::to_string(health.generated()));
  tally(health.generated());
  std::printf("%s: %" PRIu64 " cases, %" PRIu64 " discarded, %" PRIu64 " hollow",
              test_name().c_str(), health.generated(), health.discarded(), health.hollow());
  if (limits.work > 0) std::printf("; %.0f elements a case", health.work());
  if (replayed > 0)
    std::printf("; %" PRIu64 " found cases replayed, %" PRIu64 " still fail", replayed, still_fail);
  std::printf("\n");
}

}  // namespace truenorm::props
