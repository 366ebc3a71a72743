#include "resolve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>

#include "oracle/cli/support.h"
#include "store.h"

namespace truenorm::bench {
namespace {

namespace cli = oracle::cli;
namespace fs = std::filesystem;

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text.front() == '-' || error != std::errc() ||
      end != text.data() + text.size())
    return std::nullopt;
  return value;
}

bool is_file(const std::string& word) {
  std::error_code ignored;
  return word.ends_with(".json") || word.find('/') != std::string::npos ||
         fs::is_regular_file(word, ignored);
}

KeptRun read_files(const std::string& words) {
  std::optional<KeptRun> run;
  for (std::size_t begin = 0; begin <= words.size();) {
    const std::size_t end = std::min(words.find(',', begin), words.size());
    const std::string file = words.substr(begin, end - begin);
    try {
      KeptRun one = read_report(cli::read_input(file), file);
      if (run)
        append(*run, one);
      else
        run = std::move(one);
    } catch (const ReportError& e) {
      throw cli::UsageError(e.what());
    }
    begin = end + 1;
  }
  run->file = words;
  return *run;
}

/// The hash of what git, asked in this folder, calls so; empty where it knows nothing of it.
std::string hash_of(const std::string& word) {
  const auto odd = [](char c) {
    return !(std::isalnum(static_cast<unsigned char>(c)) != 0 ||
             std::string_view("._/~^@{}-").find(c) != std::string_view::npos);
  };
  if (word.empty() || word.front() == '-' || std::any_of(word.begin(), word.end(), odd)) return {};
  const std::string command =
      fmt::format("git rev-parse --verify --quiet '{}^{{commit}}' 2>/dev/null", word);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  char text[80] = {};
  if (!pipe || std::fgets(text, sizeof text, pipe.get()) == nullptr) return {};
  std::string hash(text);
  while (!hash.empty() && hash.back() == '\n') hash.pop_back();
  return hash;
}

bool is_prefix(const std::string& word) {
  return word.size() >= 4 && word.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string those_there(History& history) {
  const auto runs = history.runs();
  if (runs.empty()) return "it has none";
  return fmt::format("it has #{} to #{}", runs.front().id, runs.back().id);
}

}  // namespace

KeptRun resolve(const std::string& word, const fs::path& file) {
  if (is_file(word)) return read_files(word);
  History history = History::look(file);
  std::optional<KeptRun> run;
  const std::string_view text = word;
  if (const auto id = number(text.starts_with('#') ? text.substr(1) : text)) run = history.run(*id);
  if (text == "last") run = history.last(0);
  if (text.starts_with("last~"))
    if (const auto before = number(text.substr(5))) run = history.last(*before);
  if (run) return *run;
  const std::string hash = hash_of(word);
  if (!hash.empty()) run = history.of_commit(hash);
  if (!run && is_prefix(word)) run = history.of_commit(word);
  if (run) return *run;
  if (!hash.empty())
    throw cli::UsageError(
        fmt::format("{}: no run of commit {} without changed files was kept; './run bench --keep' "
                    "there keeps one",
                    file.string(), hash.substr(0, 12)));
  throw cli::UsageError(
      fmt::format("'{}' is no run of {} (#1, last, last~1; {}), no commit and no report", word,
                  file.string(), those_there(history)));
}

}  // namespace truenorm::bench
