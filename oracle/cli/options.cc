#include "options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <string>
#include <utility>

namespace truenorm::oracle::cli {
namespace {

/// A line of help in pieces of `width` at most, broken at blanks; the second and later ones begin below
/// the description, which two blanks set off from the name of an option.
std::string wrapped(std::string line, std::size_t width) {
  const std::size_t name = line.find_first_not_of(' ');
  std::size_t hang = name == 0 || name == std::string::npos ? 0 : line.find("  ", name);
  if (hang != 0) hang = hang == std::string::npos ? name : line.find_first_not_of(' ', hang);
  if (hang >= width / 2) hang = 0;
  std::string all;
  while (line.size() > width) {
    const std::size_t blank = line.rfind(' ', width);
    if (blank == std::string::npos || blank <= hang) break;
    all += line.substr(0, blank) + '\n';
    line = std::string(hang, ' ') + line.substr(blank + 1);
  }
  return all + line;
}

class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(34); }
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    const std::string text = CLI::Formatter::make_help(app, std::move(name), mode);
    const std::size_t width = terminal_width(STDOUT_FILENO);
    if (width == 0) return text;
    std::istringstream lines(text);
    std::string all;
    for (std::string line; std::getline(lines, line);) all += wrapped(line, width) + '\n';
    return all;
  }
};

}  // namespace

std::shared_ptr<CLI::Formatter> help_formatter() { return std::make_shared<HelpFormatter>(); }

CLI::Validator whole_number(std::uint64_t least, std::uint64_t most) {
  return {[least, most](std::string& text) {
            std::uint64_t value = 0;
            const char* end = text.data() + text.size();
            const auto [rest, error] = std::from_chars(text.data(), end, value);
            if (error == std::errc() && rest == end && value >= least && value <= most)
              return std::string();
            return fmt::format("'{}': a whole number from {} to {} was expected", text, least,
                               most);
          },
          ""};
}

void add_isolation(CLI::App& verb, Isolation& isolation) {
  verb.add_flag("--isolate", isolation.on,
                "The subject plays in a process of its own (the default)");
  verb.add_flag_callback(
      "--no-isolate", [&isolation] { isolation.on = false; },
      "It plays in this one, for a debugger, and its crash is the end");
  verb.add_option("--timeout", isolation.timeout,
                  "Seconds after which a case of the subject counts as a hang (default 10)")
      ->check(whole_number(1, 86400));
}

}  // namespace truenorm::oracle::cli
