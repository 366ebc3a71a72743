// Reports as JUnit XML, as GitLab, Jenkins and the actions of GitHub read it: they count the test
// cases that stand there, take the attributes of suites for sums of these, know a case by its class
// and name, and drop a second one of the same. So a suite has a case for each line that fails, and
// one for all that passed, that were hollow and that were skipped, each with its number.
#include <fmt/format.h>

#include <map>
#include <vector>

#include "page/page.h"
#include "report.h"

namespace truenorm::oracle {
namespace {

/// As of a page, without the two code points that HTML has and XML 1.0 has not.
std::string xml(std::string_view text) {
  std::string out = page::escape(text);
  for (const char* absent : {"\xef\xbf\xbe", "\xef\xbf\xbf"})
    for (std::size_t at = 0; (at = out.find(absent, at)) != out.npos;)
      out.replace(at, 3, "\xef\xbf\xbd");
  return out;
}

struct Suite {
  std::uint64_t tests = 0, failures = 0, errors = 0, skipped = 0;
  std::string cases;
  void add(const Suite& other) {
    tests += other.tests;
    failures += other.failures;
    errors += other.errors;
    skipped += other.skipped;
  }
};

std::string case_head(const std::string& who, const std::string& area, const std::string& what) {
  return fmt::format("    <testcase classname=\"{}.{}\" name=\"{}\"", xml(who), xml(area),
                     xml(what));
}

/// A test case with something in it.
void add_case(Suite& suite, const std::string& head, const char* tag, std::string_view type,
              const std::string& message, const std::string& text) {
  suite.cases += fmt::format("{}>\n      <{} type=\"{}\" message=\"{}\">{}</{}>\n    </testcase>\n",
                             head, tag, xml(type), xml(message), xml(text), tag);
}

/// One line, whichever cases came down to it.
void add_failure(Suite& suite, const std::string& who, const Failure& f, std::size_t times,
                 bool allowed) {
  std::string text;
  for (const std::string& part : {f.detail, f.opinion, f.command, f.where})
    if (!part.empty()) text += part + "\n";
  if (times > 1) text += fmt::format("{} cases come down to this line\n", times);
  const bool fail = f.result == Result::fail;
  ++suite.tests;
  ++(allowed ? suite.skipped : fail ? suite.failures : suite.errors);
  add_case(suite, case_head(who, f.area, f.line),
           allowed ? "skipped"
           : fail  ? "failure"
                   : "error",
           name(f.result), (allowed ? "allowed: " : "") + f.detail, text);
}

/// Of an area, or of all where it is empty.
void add_failures(Suite& suite, const Report& r, const std::string& who, const std::string& area,
                  bool divergences, bool allowed) {
  std::map<std::pair<std::string, std::string>, std::vector<const Failure*>> by_line;
  for (const Failure& f : r.failures)
    if (f.divergence == divergences && (area.empty() || f.area == area))
      by_line[{f.area, f.line}].push_back(&f);
  for (const auto& [line, all] : by_line)
    add_failure(suite, who, *all.front(), all.size(), allowed);
}

/// The cases of one verdict that is not against the subject.
void add_others(Suite& suite, const Report& r, const std::string& area, std::uint64_t count,
                Result result) {
  if (count == 0) return;
  ++suite.tests;
  suite.cases +=
      case_head(r.subject, area, plural(count, "case ", "cases ") + std::string(name(result)));
  if (result == Result::skipped) {
    ++suite.skipped;
    suite.cases += fmt::format(
        ">\n      <skipped message=\"{} does not take them\"/>\n    </testcase>\n", xml(r.subject));
  } else {
    suite.cases += "/>\n";
  }
}

/// What no case says: whether all were played, and whether they show anything.
Suite suite_of_run(const Report& r, const Look& look) {
  Suite suite;
  ++suite.tests;
  const std::string head = case_head(r.subject, "run", "whole and conclusive");
  const bool missing = look.whole && !missing_shards(r).empty();
  if (!r.interrupted && !missing && r.conclusive()) {
    suite.cases = head + "/>\n";
    return suite;
  }
  ++suite.errors;
  std::string text;
  for (const Conclusion& c : conclusions(r, look)) text += c.sentence() + "\n";
  add_case(suite, head, "error", "run", text.substr(0, text.find('\n')), text);
  return suite;
}

std::string suite_text(const std::string& name, const Suite& suite) {
  return fmt::format(
      "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">\n{}"
      "  </testsuite>\n",
      xml(name), suite.tests, suite.failures, suite.errors, suite.skipped, suite.cases);
}

}  // namespace

std::string to_junit(const Report& r, const Look& look) {
  std::vector<std::pair<std::string, Suite>> suites{{"run", suite_of_run(r, look)}};
  for (const auto& [area, tally] : r.areas) {
    Suite& suite = suites.emplace_back(area, Suite{}).second;
    add_failures(suite, r, r.subject, area, false, false);
    for (const Result result : {Result::pass, Result::hollow, Result::skipped})
      add_others(suite, r, area, tally[result], result);
  }
  if (!r.libtorch.empty())
    add_failures(suites.emplace_back("new divergences of LibTorch", Suite{}).second, r, "libtorch",
                 "", true, look.allow_new_divergences);
  Suite sum;
  std::string text;
  for (const auto& [name, suite] : suites) {
    sum.add(suite);
    text += suite_text(name, suite);
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<testsuites name=\"truenorm conform {}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" "
      "time=\"{:.3f}\">\n{}</testsuites>\n",
      xml(r.subject), sum.tests, sum.failures, sum.errors, r.seconds, text);
}

}  // namespace truenorm::oracle
