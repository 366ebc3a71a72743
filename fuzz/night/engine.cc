#include "engine.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <utility>

namespace truenorm::night {
namespace {

constexpr std::size_t kTail = std::size_t{64} << 10;

/// The number behind a word: "cov: 12", "exec/s: 40".
std::uint64_t number_after(std::string_view line, std::string_view word, std::uint64_t otherwise) {
  const std::size_t at = line.find(word);
  if (at == line.npos) return otherwise;
  const char* from = line.data() + at + word.size();
  std::uint64_t value = otherwise;
  std::from_chars(from, line.data() + line.size(), value);
  return value;
}

/// What stands between `from` and the end of the line, of the last line that has it.
std::string_view last_line_with(std::string_view log, std::string_view from) {
  const std::size_t at = log.rfind(from);
  if (at == log.npos) return {};
  const std::string_view rest = log.substr(at + from.size());
  return rest.substr(0, rest.find('\n'));
}

/// A function's name without its arguments, its namespaces and templates.
std::string short_name(std::string_view name) {
  std::string flat;
  int depth = 0;
  for (const char c : name) {
    depth += c == '<' || c == '(';
    if (depth == 0) flat += c;
    depth -= c == '>' || c == ')';
  }
  while (!flat.empty() && flat.back() == ' ') flat.pop_back();
  const std::size_t space = flat.find_last_of(' '), colon = flat.rfind("::");
  const std::size_t from =
      std::max(space == flat.npos ? 0 : space + 1, colon == flat.npos ? 0 : colon + 2);
  return flat.substr(from);
}

/// The innermost function of a stack that is neither the C library's nor the engine's.
std::string culprit(std::string_view log) {
  constexpr std::array<std::string_view, 12> kNot{
      "__sanitizer", "fuzzer::", "__interceptor", "__asan", "__ubsan", "__msan",
      "std::",       "__gnu",    "__cxa",         "abort",  "raise",   "__libc"};
  for (std::size_t at = log.find(" in "); at != log.npos; at = log.find(" in ", at + 4)) {
    const std::size_t begin = log.rfind('\n', at) + 1;
    const std::string_view line = log.substr(begin, log.find('\n', at) - begin);
    const std::size_t mark = line.find_first_not_of(' ');
    if (mark == line.npos || line[mark] != '#') continue;
    const std::string_view function = line.substr(at + 4 - begin);
    if (function.find("../sysdeps") != function.npos || function.find("nptl/") != function.npos)
      continue;
    if (std::none_of(kNot.begin(), kNot.end(),
                     [&](std::string_view word) { return function.starts_with(word); }))
      return short_name(function.substr(0, function.find(" /")));
  }
  return {};
}

/// "shift exponent 61 is too large for 32-bit type 'int'" without its numbers.
std::string without_numbers(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit || !out.ends_with('#')) out += digit ? '#' : c;
  }
  return out;
}

/// "SUMMARY: AddressSanitizer: heap-buffer-overflow /a/b.cc:5:3 in f(int)" as "heap-buffer-overflow
/// in f": lines move with every change, and one fault is to have one name.
std::string summarized(std::string_view summary, std::string_view log) {
  std::string reason{summary.substr(0, summary.find_first_of(" ("))};
  if (summary.starts_with("deadly signal")) reason = "deadly signal";
  std::size_t stack = log.rfind("ERROR: ");
  if (constexpr std::string_view kRuntime = "runtime error: "; reason == "undefined-behavior") {
    reason = without_numbers(last_line_with(log, kRuntime));
    stack = log.rfind(kRuntime);
  }
  const std::string where = culprit(log.substr(stack == log.npos ? 0 : stack));
  return where.empty() ? reason : reason + " in " + where;
}

}  // namespace

void Log::read() {
  std::ifstream file(path_, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at_));
  const std::string fresh{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  at_ += fresh.size();
  tail_ += fresh;
  if (tail_.size() > kTail) tail_.erase(0, tail_.size() - kTail);
  partial_ += fresh;
  std::size_t begin = 0;
  for (std::size_t end; (end = partial_.find('\n', begin)) != partial_.npos; begin = end + 1)
    take(std::string_view(partial_).substr(begin, end - begin));
  partial_.erase(0, begin);
}

void Log::take(std::string_view line) {
  if (line.starts_with("Running: ")) {
    running_ = line.substr(9);
    ++ran_;
  }
  if (line.starts_with("stat::number_of_executed_units:"))
    counts_.executions = number_after(line, "units: ", counts_.executions);
  // "#4194304 pulse  cov: 12 ft: 13 corp: 5/9b lim: 4096 exec/s: 1398101 rss: 28Mb"
  if (!line.starts_with("#") || line.find("cov: ") == line.npos) return;
  counts_.executions = number_after(line, "#", counts_.executions);
  counts_.coverage = number_after(line, "cov: ", counts_.coverage);
  counts_.features = number_after(line, "ft: ", counts_.features);
  counts_.corpus = number_after(line, "corp: ", counts_.corpus);
  counts_.rate = static_cast<double>(number_after(line, "exec/s: ", 0));
}

Death read_death(std::string_view log, std::string_view artifact) {
  constexpr std::string_view kSummary = "SUMMARY: ";
  const std::string_view whole = last_line_with(log, kSummary);
  const std::string_view summary = whole.substr(
      std::min(whole.find(": ") == whole.npos ? 0 : whole.find(": ") + 2, whole.size()));
  const std::string detail{whole.empty() ? last_line_with(log, "ERROR: ") : whole};
  const auto is = [&](std::string_view kind, std::string_view words) {
    return artifact.empty() ? summary.starts_with(words) : artifact.starts_with(kind);
  };
  if (is("timeout-", "timeout")) return {"timeout", "hang", detail};
  if (is("oom-", "out-of-memory")) return {"crash", "out of memory", detail};
  if (is("leak-", "detected memory leaks") ||
      (artifact.empty() && summary.find("leaked in") != summary.npos))
    return {"crash", "memory leak", detail};
  if (artifact.empty() && summary.empty()) return {};
  if (summary.empty()) return {"crash", "died", detail};
  return {"crash", summarized(summary, log), detail};
}

}  // namespace truenorm::night
