#include "text_target.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "bytes.h"
#include "found.h"
#include "text.h"

namespace truenorm::fuzz {
namespace {

using namespace oracle;

constexpr const char* kFile = "f";

Finding wrong(std::string reason, std::string detail) {
  return against_truenorm(std::move(reason), "text", std::move(detail));
}

/// A complaint must show what it is about.
std::optional<Finding> look_at_complaint(const ParseError& error, std::string_view line) {
  const auto report = [&](const char* what) {
    return wrong("complaint", std::string(what) + ": " + error.what());
  };
  if (error.column < 1 || error.column > line.size() + 1)
    return report("its column is not within the line");
  if (line.substr(error.column - 1, error.token.size()) != error.token)
    return report("its token does not stand at its column");
  if (error.expected.empty()) return report("it expects nothing");
  return {};
}

std::string_view line_of(std::string_view text, int number) {
  for (int i = 1; i < number; ++i) {
    const std::size_t end = text.find('\n');
    if (end == text.npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

/// As look_at_complaint(), in the line that the complaint names.
std::optional<Finding> look_at_file_complaint(const ParseError& error, std::string_view text) {
  const std::string what = error.what(), head = std::string(kFile) + ":";
  int number = 0;
  const char* const digits = what.data() + std::min(head.size(), what.size());
  const auto end = std::from_chars(digits, what.data() + what.size(), number);
  const auto lines = 1 + std::count(text.begin(), text.end(), '\n');
  if (!what.starts_with(head) || end.ec != std::errc{} || number < 1 || number > lines ||
      what.substr(static_cast<std::size_t>(end.ptr - what.data()))
              .rfind(":" + std::to_string(error.column) + ": ", 0) != 0)
    return wrong("complaint", "it names no line of the file: " + what);
  return look_at_complaint(error, line_of(text, number));
}

/// The database of found cases that the text is.
std::optional<Finding> look_at_found(std::string_view text, const std::vector<Line>& lines) {
  const std::vector<Case> before = found_in(text, kFile);
  Case fresh = lines.empty() ? Case{} : lines.back().value;
  if (!fresh.exec) fresh.exec = Exec{};
  fresh.problem.seed ^= 1;
  const std::string words(text.substr(0, 64));
  const Addition added = addition(text, kFile, {{fresh, words, "fail", words}}, "2000-01-01");
  const bool known = std::any_of(lines.begin(), lines.end(),
                                 [&](const Line& line) { return line.value == fresh; });
  if (added.cases != (known ? 0u : 1u))
    return wrong("found", "a case that is not there is not added, or one that is");
  const std::vector<Case> after = found_in(std::string(text) + added.text, kFile);
  if (after.size() != before.size() + added.cases ||
      !std::equal(before.begin(), before.end(), after.begin()))
    return wrong("found", "what stood in the database is no longer read");
  if (!known && !(after.back() == fresh))
    return wrong("found", "what was added to the database is not read: " + print(fresh));
  return {};
}

}  // namespace

std::optional<Finding> look_at_case(const Case& c) {
  const std::string line = print(c);
  try {
    if (!(parse(line) == c)) return wrong("parse(print)", "another case comes back: " + line);
  } catch (const ParseError& error) {
    return wrong("parse(print)", line + ": " + error.what());
  }
  if (!(decode(encode(c)) == c)) return wrong("decode(encode)", "another case comes back: " + line);
  return {};
}

std::optional<Finding> look_at_line(std::string_view line) {
  try {
    return look_at_case(parse(line));
  } catch (const ParseError& error) {
    return look_at_complaint(error, line);
  }
}

std::optional<Finding> look_at_file(std::string_view text) {
  std::vector<Line> lines;
  try {
    lines = parse_file(text, kFile);
  } catch (const ParseError& error) {
    return look_at_file_complaint(error, text);
  }
  int last = 0;
  for (const Line& line : lines) {
    if (line.number <= last ||
        !(parse_file(line_of(text, line.number), kFile).at(0).value == line.value))
      return wrong("file", "line " + std::to_string(line.number) + " is not what it is alone");
    last = line.number;
    if (auto found = look_at_case(line.value)) return found;
  }
  return look_at_found(text, lines);
}

std::optional<Finding> look_at_text(Bytes input) {
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  try {
    if (!input.empty() && input[0] > 0x7f) return look_at_case(decode(input.subspan(1)));
    return text.find('\n') == text.npos ? look_at_line(text) : look_at_file(text);
  } catch (const std::exception& error) {
    return wrong("exception", error.what());
  }
}

}  // namespace truenorm::fuzz
