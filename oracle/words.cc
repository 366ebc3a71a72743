#include "words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>

#include "place.h"
#include "text.h"

namespace truenorm::oracle {

std::string number(double value, Dtype dtype) {
  if (std::isnan(value)) return "nan";  // of whatever sign
  return dtype == Dtype::f64 ? fmt::format("{:.17g}", value) : fmt::format("{:.9g}", value);
}

std::string element_name(const Problem& p, const Where& where) {
  std::string text{name(where.output)};
  if (where.output != Output::y && where.output != Output::dx)
    return fmt::format("{}[{}]", text, where.element);
  // Logical order is (N, C, spatial): peel the sizes off from the innermost one.
  std::string index;
  auto rest = static_cast<std::int64_t>(where.element);
  auto peel = [&](std::int64_t size) {
    const std::int64_t here = size > 0 ? rest % size : 0;
    rest = size > 0 ? rest / size : 0;
    index = index.empty() ? fmt::format("{}", here) : fmt::format("{},{}", here, index);
  };
  for (int i = p.shape.spatial_rank; i-- > 0;) peel(p.shape.s[static_cast<std::size_t>(i)]);
  peel(p.shape.c);
  return fmt::format("{}[{},{}]", text, rest, index);
}

namespace {

/// The reason is the name of an output: the worst element tells the story.
bool names_output(const Verdict& v) {
  for (std::size_t i = 0; i < kOutputs; ++i)
    if (v.reason == name(static_cast<Output>(i))) return true;
  return false;
}

std::string step_name(const Problem& p, std::size_t step) {
  if (step >= p.run.size()) return fmt::format("step {}", step);
  return fmt::format("step {} ({})", step, letter(p.run[step].op));
}

/// The ball of an element, or what else should stand there.
std::string wanted(const Where& where, Dtype dtype) {
  switch (where.kind) {
    case Kind::finite:
      return fmt::format("{} ± {:.3g}", number(where.mid, dtype), where.radius);
    case Kind::nan:
      return "NaN";
    case Kind::pos_inf:
      return "+Inf";
    case Kind::neg_inf:
      return "-Inf";
    case Kind::any:
      return "anything";
  }
  return {};
}

/// A player's own words may be of several lines.
std::string one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return text;
}

}  // namespace

std::string describe(const Case& c, const Verdict& v) {
  if (v.result == Result::fail && names_output(v)) {
    const Dtype dtype = c.problem.dtype;
    return fmt::format("{}: {}: got {}, want {}", step_name(c.problem, v.worst.step),
                       element_name(c.problem, v.worst), number(v.worst.got, dtype),
                       wanted(v.worst, dtype));
  }
  if (v.detail.empty()) return v.reason.empty() ? std::string(name(v.result)) : one_line(v.reason);
  if (v.reason.empty() || v.detail.find(v.reason) != std::string::npos) return one_line(v.detail);
  return one_line(fmt::format("{}: {}", v.reason, v.detail));
}

bool against(const Verdict& v) {
  return v.result == Result::fail || v.result == Result::crash || v.result == Result::timeout;
}

std::string shell_word(const std::string& text) {
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || c >= 0x80 || std::strchr("_./:+=@%,-", c) != nullptr;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), plain)) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string rerun_command(const std::string& line, const std::string& subject) {
  std::string command = as_typed("./run check ") + shell_word(line);
  if (subject != "truenorm") command += " --subject " + shell_word(subject);
  return command;
}

std::string rerun_command(const std::vector<Case>& cases, const std::string& subject) {
  std::string lines = "printf '%s\\n'";
  for (const Case& c : cases) lines += ' ' + shell_word(print(c));
  return lines + " | " + rerun_command("-", subject);
}

}  // namespace truenorm::oracle
