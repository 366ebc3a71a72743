#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "oracle/page/page.h"
#include "oracle/words.h"
#include "report.h"

namespace truenorm::night {
namespace {

namespace page = oracle::page;
using page::Cell;

constexpr std::size_t kRows = 12;     // of a table of what changed over time
constexpr std::size_t kPoints = 240;  // of a line of a plot: more than it has pixels to show

/// The unit of time that suits a whole.
struct Unit {
  explicit Unit(double seconds)
      : name(seconds < 300        ? "seconds"
             : seconds < 3 * 3600 ? "minutes"
                                  : "hours"),
        length(seconds < 300        ? 1
               : seconds < 3 * 3600 ? 60
                                    : 3600) {}
  const char* name;
  double length;
};

using History = std::map<std::string, std::vector<const Sample*>>;  // by target

History history_of(const Digest& d) {
  History all;
  for (const Sample& s : d.samples)
    if (std::isfinite(s.seconds)) all[s.target].push_back(&s);
  return all;
}

/// A quantity of every target over time: a line for each, and some of the moments as a table.
template <class Value, class Text>
page::Figure over_time(const Digest& d, const std::string& caption, const std::string& y_label,
                       Value value, Text text) {
  const History history = history_of(d);
  double end = 0;
  for (const auto& [target, samples] : history)
    for (const Sample* s : samples) end = std::max(end, s->seconds);
  const Unit unit(end);
  page::Figure figure;
  figure.caption = caption;
  figure.plot.x_label = unit.name;
  figure.plot.y_label = y_label;
  figure.table.columns = {{unit.name, Cell::number}};
  for (const auto& [target, samples] : history) {
    figure.table.columns.push_back({target, Cell::number});
    page::Series series{target, {}};
    const std::size_t step = samples.size() / kPoints + 1;
    for (std::size_t i = 0; i < samples.size(); i += step)
      series.points.emplace_back(samples[i]->seconds / unit.length, value(*samples[i]));
    series.points.emplace_back(samples.back()->seconds / unit.length, value(*samples.back()));
    figure.plot.series.push_back(std::move(series));
  }
  if (end <= 0) return figure;
  for (std::size_t row = 1; row <= kRows; ++row) {
    const double until = end * static_cast<double>(row) / kRows;
    std::vector<std::string> cells{fmt::format("{:.2f}", until / unit.length)};
    for (const auto& [target, samples] : history) {
      const auto after = std::find_if(samples.begin(), samples.end(),
                                      [&](const Sample* s) { return s->seconds > until; });
      cells.push_back(after == samples.begin() ? "-" : text(value(**(after - 1))));
    }
    figure.table.rows.push_back(std::move(cells));
  }
  return figure;
}

class Writer {
 public:
  explicit Writer(const Digest& digest)
      : d_(digest),
        page_("Truenorm fuzz: " + digest.subject, lede(),
              digest.findings.empty() ? page::Tone::good : page::Tone::bad) {}

  std::string write() {
    facts();
    findings();
    targets();
    growth();
    worst();
    reach();
    runs();
    return page_.html();
  }

 private:
  std::string lede() const {
    if (d_.executions() == 0) return "Nothing has been executed yet.";
    return d_.findings.empty() ? "Nothing was found."
                               : plural(d_.findings.size(), "finding", "findings") + " to look at.";
  }

  void facts();
  void findings();
  void targets();
  void growth();
  void worst();
  void reach();
  void runs();

  const Digest& d_;
  page::Page page_;
};

void Writer::facts() {
  std::uint64_t corpus = 0;
  std::optional<double> worst;
  for (const Standing& s : d_.targets) {
    corpus += s.last.corpus;
    if (s.worst() && (!worst || *s.worst() > *worst)) worst = s.worst();
  }
  std::vector<std::pair<std::string, std::string>> facts{
      {"time fuzzed", clock_text(d_.seconds)},
      {"executions", grouped(d_.executions())},
      {"findings", grouped(d_.findings.size())},
      {"worst score of a pass", score_text(worst)},
      {"inputs kept", grouped(corpus)}};
  if (const auto left = d_.left()) facts.emplace_back("time left", clock_text(*left));
  if (d_.reach)
    facts.emplace_back("lines of impl/ reached",
                       fmt::format("{:.1f} %", d_.reach->lines.percent()));
  page_.facts(facts);
}

void Writer::findings() {
  if (d_.findings.empty()) return;
  page_.section("Findings");
  for (const Finding& f : d_.findings) {
    page::Card card;
    card.tone = f.state == Finding::State::unreproduced ? page::Tone::plain : page::Tone::bad;
    card.badge = f.verdict;
    card.title =
        fmt::format("{}{}{}, by {}", f.reason, f.kernel.empty() ? "" : ", ", f.kernel, f.target);
    const std::string command = rerun(f, d_.folder);
    card.fields = {
        {f.minimal.empty() ? "case, as it was met" : "smallest case", f.shown(), true},
        {"what is wrong", f.detail},
        {"who is right", f.opinion.empty() ? "not asked yet" : f.opinion},
        {"run it again", command, true},
        {"met", fmt::format("by {} of the build {}; {}", plural(f.count, "process", "processes"),
                            f.build, name(f.state))}};
    page_.card(card);
  }
}

void Writer::targets() {
  page_.section("Targets");
  page::Table table{{{"target"},
                     {"executions", Cell::number},
                     {"exec/s", Cell::number},
                     {"coverage", Cell::number},
                     {"features", Cell::number},
                     {"corpus", Cell::number},
                     {"worst score", Cell::number},
                     {"replayed by"}},
                    {}};
  for (const Standing& s : d_.targets) {
    std::string builds;
    for (const auto& [build, behind] : s.replays)
      builds += (builds.empty() ? "" : ", ") + build +
                (behind > 0 ? fmt::format(" ({} behind)", grouped(behind)) : "");
    table.rows.push_back({s.last.target, grouped(s.last.executions),
                          rate_text(s.last.exec_per_second), grouped(s.last.coverage),
                          grouped(s.last.features), grouped(s.last.corpus), score_text(s.worst()),
                          builds});
  }
  page_.table(table);
  page_.paragraph(
      "exec/s is that of one job. Coverage and features are the engine's words: edges of the code, "
      "and edges with how often they were passed. The builds that explore are fast; others replay "
      "what they kept.");
}

void Writer::growth() {
  page_.section("Over time");
  page_.figure(over_time(
      d_, "Coverage: edges reached", "edges",
      [](const Sample& s) { return static_cast<double>(s.coverage); },
      [](double edges) { return grouped(static_cast<std::uint64_t>(edges)); }));
  page::Figure rate = over_time(
      d_, "Executions a second, of one job", "exec/s",
      [](const Sample& s) { return s.exec_per_second; }, rate_text);
  rate.plot.log_y = true;
  page_.figure(rate);
}

void Writer::worst() {
  page_.section("Worst scores");
  page_.paragraph(
      "How near an output came to its bound in a case that passed: |got - want| / radius. 1 is the "
      "edge of what the bound allows.");
  page::Figure figure;
  figure.caption = "Worst score by output";
  figure.plot.x_label = "score";
  figure.plot.limit = 1;
  figure.table.columns = {{"output"}, {"score", Cell::number}, {"target"}, {"case", Cell::code}};
  for (const Worst& w : d_.worst) {
    figure.plot.bars.emplace_back(w.output, w.score);
    figure.table.rows.push_back({w.output, score_text(w.score), w.target, w.line});
  }
  page_.figure(figure);
}

void Writer::reach() {
  page_.section("What was never reached");
  if (!d_.reach_problem.empty()) page_.paragraph(d_.reach_problem);
  if (!d_.reach) {
    page_.paragraph(
        "The lines and functions of impl/ that no input reached are listed here once they have "
        "been "
        "measured:");
    page_.command("./run fuzz coverage " + oracle::shell_word(d_.folder.string()));
    return;
  }
  const Reach& r = *d_.reach;
  page_.paragraph(fmt::format(
      "{} reach {} of {} lines of impl/ ({:.1f} %) and {} of {} functions ({:.1f} %), by clang's "
      "source-based coverage. A line or function counts when one of its instances, for an "
      "instruction set and an element type, was run. The sources with their counts: {}",
      plural(r.inputs, "input", "inputs"), grouped(r.lines.covered), grouped(r.lines.all),
      r.lines.percent(), grouped(r.functions.covered), grouped(r.functions.all),
      r.functions.percent(), kReachPages));
  page::Table functions{{{"function"}, {"where"}}, {}};
  for (const Reach::Function& f : r.never_reached)
    functions.rows.push_back({f.name, fmt::format("{}:{}", f.file, f.line)});
  if (!functions.rows.empty()) page_.table(functions);
  page::Table lines{
      {{"file"}, {"reached", Cell::number}, {"of", Cell::number}, {"lines never reached"}}, {}};
  for (const Reach::File& f : r.files)
    if (!f.missing.empty())
      lines.rows.push_back({f.name, grouped(f.lines.covered), grouped(f.lines.all), f.missing});
  if (!lines.rows.empty()) page_.table(lines);
}

void Writer::runs() {
  page_.section("Runs");
  page::Table table{{{"run", Cell::number},
                     {"time", Cell::number},
                     {"jobs", Cell::number},
                     {"targets"},
                     {"ended by"}},
                    {}};
  for (const Run& run : d_.runs) {
    const bool now = d_.running && &run == &d_.runs.back();
    table.rows.push_back({std::to_string(run.id), clock_text(run.seconds), std::to_string(run.jobs),
                          run.targets,
                          now               ? "is at work"
                          : run.end.empty() ? "being killed"
                                            : run.end});
  }
  page_.table(table);
}

}  // namespace

std::string to_html(const Digest& digest) { return Writer(digest).write(); }

}  // namespace truenorm::night
