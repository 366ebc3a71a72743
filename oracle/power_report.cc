// The forms in which the power of the cases is handed out.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "power.h"

namespace truenorm::oracle {
namespace {

using Json = nlohmann::ordered_json;

const char* fate(const Life& l) { return l.kill ? "killed" : l.whole ? "survived" : "cut short"; }

/// What the verdict was about: "running_var", "out of bounds", or how the process ended.
std::string check_of(const Kill& kill) {
  return kill.result == Result::fail ? kill.check : std::string(name(kill.result));
}

double milliseconds(const Life& l) { return std::round(l.seconds * 1e4) / 10; }

Json json_of(const Life& l) {
  Json json{{"id", l.id},       {"what", l.what},     {"fate", fate(l)},
            {"cases", l.cases}, {"passed", l.passed}, {"milliseconds", milliseconds(l)}};
  if (!l.kill) return json;
  const Kill& k = *l.kill;
  json["result"] = name(k.result);
  json["check"] = k.check;
  json["detail"] = k.detail;
  json["area"] = k.area;
  json["number"] = k.number;
  json["case"] = k.line;
  return json;
}

Json json_of(const std::vector<Life>& lives) {
  Json all = Json::array();
  for (const Life& l : lives) all.push_back(json_of(l));
  return all;
}

class Writer {
 public:
  Writer(const PowerReport& report, bool lines, bool colour)
      : r_(report), lines_(lines), colour_(colour) {}

  std::string write() {
    if (!r_.interrupted && !r_.honest_clean()) accusation();
    heading();
    for (const Life& l : r_.defects) row(l, true);
    out_ += "\n";
    for (const Life& l : r_.honest) row(l, false);
    verdict();
    return std::move(out_);
  }

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    out_ += fmt::format(format, std::forward<Args>(args)...) + "\n";
  }
  std::string paint(bool good, const std::string& text) const {
    return colour_ ? fmt::format("\x1b[{}m{}\x1b[0m", good ? "32" : "31;1", text) : text;
  }

  /// Where the honest fail, the kills prove nothing: said first.
  void accusation() {
    for (const Life& l : r_.honest) {
      if (l.kill)
        line("{} is meant to be right, and is not: {}\n  {}\n  {}\n", paint(false, l.id),
             check_of(*l.kill), l.kill->line, l.kill->detail);
      else if (l.passed == 0)
        line("{}: no case showed anything about it\n", paint(false, l.id));
    }
  }

  void heading() {
    for (const auto* lives : {&r_.defects, &r_.honest})
      for (const Life& l : *lives) width_ = std::max(width_, l.id.size());
    line("{} defects{}, seed {}, {} threads", r_.defects.size(),
         r_.subject.empty() ? "" : " of " + r_.subject, r_.seed, r_.threads);
    line("\n  {:<{}}  {:<19} {:<22} {:>6} {:>7}  what is wrong", "defect", width_, "killed by",
         "case", "cases", "ms");
  }

  void row(const Life& l, bool to_be_killed) {
    const std::string check = l.kill ? check_of(*l.kill) : l.whole ? "survived" : "cut short";
    const bool good = l.kill.has_value() == to_be_killed || !l.whole;
    line("  {:<{}}  {} {:<22} {:>6} {:>7.0f}  {}", l.id, width_,
         paint(good, fmt::format("{:<19}", check)),
         l.kill ? fmt::format("{} {}", l.kill->area, l.kill->number) : "", l.cases, milliseconds(l),
         l.what);
    if (lines_ && l.kill) line("    {}", l.kill->line);
  }

  void verdict() {
    const auto slowest =
        std::max_element(r_.defects.begin(), r_.defects.end(),
                         [](const Life& a, const Life& b) { return a.cases < b.cases; });
    line("\n{} of {} killed; the median after {} cases, the last ({}) after {}; {:.1f} s",
         r_.killed(), r_.defects.size(), r_.median_cases(), slowest->id, slowest->cases,
         r_.seconds);
    std::string survivors;
    for (const std::string& id : r_.survivors()) survivors += " " + id;
    if (!survivors.empty()) line("{}:{}", paint(false, "FAIL: survivors"), survivors);
    if (r_.interrupted)
      line("interrupted: not every player met its cases");
    else if (!r_.honest_clean())
      line("{}", paint(false, "FAIL: kills prove nothing where what is right is killed, too"));
    else if (survivors.empty())
      line("{}", paint(true, "PASS: every defect is killed, and what is right is spared"));
  }

  const PowerReport& r_;
  const bool lines_, colour_;
  std::size_t width_ = 0;
  std::string out_;
};

}  // namespace

std::string to_json(const PowerReport& r) {
  const Json json{{"schema", "truenorm-power/1"},
                  {"subject", r.subject.empty() ? Json(nullptr) : Json(r.subject)},
                  {"seed", r.seed},
                  {"threads", r.threads},
                  {"defects", r.defects.size()},
                  {"killed", r.killed()},
                  {"survivors", r.survivors()},
                  {"median_cases", r.median_cases()},
                  {"seconds", std::round(r.seconds * 1000) / 1000},
                  {"interrupted", r.interrupted},
                  {"honest_clean", r.honest_clean()},
                  {"each", json_of(r.defects)},
                  {"honest", json_of(r.honest)}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_text(const PowerReport& report, bool lines, bool colour) {
  return Writer(report, lines, colour).write();
}

}  // namespace truenorm::oracle
