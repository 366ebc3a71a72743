#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "report.h"

namespace truenorm::night {
namespace {

/// What a terminal shows as it stands.
std::string printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

class Writer {
 public:
  Writer(const Digest& digest, const Look& look) : d_(digest), look_(look) {}

  std::string write() {
    heading();
    targets();
    replays();
    worst();
    findings();
    if (!look_.brief) reach();
    verdict();
    return std::move(out_);
  }

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    out_ += fmt::format(format, std::forward<Args>(args)...) + "\n";
  }
  std::string paint(const char* code, const std::string& text) const {
    return look_.colour ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
  }
  std::string bold(const std::string& text) const { return paint("1", text); }

  void heading();
  void targets();
  void replays();
  void worst();
  void findings();
  void finding(const Finding&, std::size_t number);
  void reach();
  void verdict();

  const Digest& d_;
  const Look& look_;
  std::string out_;
};

void Writer::heading() {
  line("{} fuzzed for {} in {}, {}", bold(printable(d_.subject.empty() ? "?" : d_.subject)),
       clock_text(d_.seconds), plural(d_.runs.size(), "run", "runs"),
       printable(d_.folder.string()));
  if (d_.running) {
    const auto left = d_.left();
    line("at work on {}, {}", plural(d_.runs.empty() ? 0 : d_.runs.back().jobs, "job", "jobs"),
         left ? clock_text(*left) + " left" : "until it is stopped");
  } else if (!d_.runs.empty()) {
    const std::string& end = d_.runs.back().end;
    line("not at work; the last run ended by: {}", end.empty() ? "being killed" : printable(end));
  }
}

void Writer::targets() {
  std::size_t width = 13;
  for (const Standing& s : d_.targets) width = std::max(width, s.last.target.size());
  line("\n  {:{}} {:>14} {:>8} {:>8} {:>8} {:>8} {:>7}", "target", width, "executions", "exec/s",
       "coverage", "features", "corpus", "worst");
  for (const Standing& s : d_.targets)
    line("  {:{}} {:>14} {:>8} {:>8} {:>8} {:>8} {:>7}", printable(s.last.target), width,
         grouped(s.last.executions), rate_text(s.last.exec_per_second), s.last.coverage,
         s.last.features, s.last.corpus, score_text(s.worst()));
  if (d_.targets.empty()) line("  none");
}

void Writer::replays() {
  std::string text;
  for (const Standing& s : d_.targets) {
    std::string builds;
    for (const auto& [build, behind] : s.replays)
      builds += fmt::format("{}{}{}", builds.empty() ? "" : ", ", printable(build),
                            behind > 0 ? fmt::format(" ({} behind)", behind) : "");
    if (!builds.empty()) text += fmt::format("  {:13} {}\n", printable(s.last.target), builds);
  }
  if (!text.empty()) out_ += "\nreplayed by other builds\n" + text;
}

void Writer::worst() {
  if (d_.worst.empty()) return;
  line("\nworst score of a pass by output: 1 is the edge of what the bound allows");
  for (const Worst& w : d_.worst)
    line("  {:13} {:>7}  {}\n    {}", printable(w.output), score_text(w.score), printable(w.target),
         printable(w.line));
}

void Writer::findings() {
  if (d_.findings.empty()) return;
  line("\n{}", bold(plural(d_.findings.size(), "finding", "findings")));
  for (std::size_t i = 0; i < d_.findings.size(); ++i) finding(d_.findings[i], i + 1);
}

void Writer::finding(const Finding& f, std::size_t number) {
  line("{}{:3}. {}", look_.brief ? "" : "\n", number, paint("31;1", printable(title(f))));
  if (!f.shown().empty()) line("     {}", printable(f.shown()));
  if (look_.brief) return;
  line("     met by {} in {}, {}", plural(f.count, "process", "processes"), printable(f.build),
       name(f.state));
  for (const std::string& text : {f.detail, f.opinion, rerun(f, d_.folder)})
    if (!text.empty()) line("     {}", printable(text));
}

void Writer::reach() {
  if (!d_.reach_problem.empty()) line("\ncoverage of impl/: {}", printable(d_.reach_problem));
  if (!d_.reach) return;
  const Reach& r = *d_.reach;
  line("\nimpl/ reached by {}: {:.1f} % of the lines, {:.1f} % of the functions",
       plural(r.inputs, "input", "inputs"), r.lines.percent(), r.functions.percent());
  for (const Reach::Function& f : r.never_reached)
    line("  never {}:{} {}", printable(f.file), f.line, printable(f.name));
  for (const Reach::File& f : r.files)
    if (!f.missing.empty()) line("  never {} lines {}", printable(f.name), printable(f.missing));
}

void Writer::verdict() {
  if (look_.brief) return;
  const std::string sum =
      fmt::format("{}{} in {}", plural(d_.findings.size(), "finding", "findings"),
                  look_.fresh ? fmt::format(", {} of them new,", *look_.fresh) : "",
                  plural(d_.executions(), "execution", "executions"));
  line("\n{}", paint(d_.findings.empty() ? "32" : "31;1", sum));
}

}  // namespace

std::string to_text(const Digest& digest, const Look& look) { return Writer(digest, look).write(); }

}  // namespace truenorm::night
