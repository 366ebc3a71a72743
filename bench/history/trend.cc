#include "trend.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <map>

#include "compare.h"
#include "oracle/page/page.h"

namespace truenorm::bench {
namespace {

namespace page = oracle::page;
using page::Cell;

/// Times over the copy's, by row and run.
struct Trend {
  std::vector<const KeptRun*> runs;
  std::vector<const KeptRow*> rows;                 // of the last run: those that all runs have
  std::map<std::string, std::vector<double>> over;  // by a row's key, run by run
  std::size_t left_out = 0;                         // runs of unlike machines
};

Trend trend_of(const std::vector<KeptRun>& runs) {
  Trend t;
  if (runs.empty()) return t;
  for (const KeptRun& run : runs)
    if (unlike(run, runs.back()).empty())
      t.runs.push_back(&run);
    else
      ++t.left_out;
  for (const KeptRun* run : t.runs)
    for (const KeptRow& row : run->rows)
      if (const auto ratio = over_copy(*run, row)) t.over[row.key()].push_back(*ratio);
  for (const KeptRow& row : runs.back().rows)
    if (t.over[row.key()].size() == t.runs.size()) t.rows.push_back(&row);
  return t;
}

/// Geometric mean over rows, run by run, as a ratio to the first run.
std::vector<double> means(const Trend& t, const std::function<bool(const KeptRow&)>& taken) {
  std::vector<double> all;
  for (std::size_t run = 0; run < t.runs.size(); ++run) {
    GeometricMean mean;
    for (const KeptRow* row : t.rows)
      if (taken(*row)) mean.add(t.over.at(row->key())[run] / t.over.at(row->key())[0]);
    if (const auto value = mean.value()) all.push_back(*value);
  }
  return all;
}

page::Series series_of(const std::string& name, const std::vector<double>& values) {
  page::Series series{name};
  for (std::size_t i = 0; i < values.size(); ++i)
    series.points.emplace_back(static_cast<double>(i + 1), values[i]);
  return series;
}

page::Plot plot() {
  page::Plot p;
  p.x_label = "run";
  p.y_label = "times the first";
  p.y_near = true;
  return p;
}

page::Figure all_rows(const Trend& t) {
  page::Figure f;
  f.caption = fmt::format("All {} rows", t.rows.size());
  f.plot = plot();
  const std::vector<double> values = means(t, [](const KeptRow&) { return true; });
  page::Series series = series_of("truenorm", values);
  f.table.columns = {
      {"run", Cell::number},    {"kept as"}, {"on"}, {"commit"}, {"time", Cell::number},
      {"noise %", Cell::number}};
  for (std::size_t i = 0; i < t.runs.size(); ++i) {
    const KeptRun& run = *t.runs[i];
    const double noise = noise_of(run);
    series.intervals.emplace_back(values[i] / (1 + noise), values[i] * (1 + noise));
    f.table.rows.push_back(
        {std::to_string(i + 1), fmt::format("#{}", run.id),
         fmt::format("{:%Y-%m-%d %H:%M}", fmt::localtime(static_cast<std::time_t>(run.kept))),
         run.commit.empty() ? "-" : run.commit.substr(0, 12) + (run.dirty ? ", changed" : ""),
         fmt::format("{:.3f}", values[i]), fmt::format("{:.1f}", 100 * noise)});
  }
  f.plot.series.push_back(std::move(series));
  return f;
}

page::Figure by_operation(const Trend& t) {
  page::Figure f;
  f.caption = "By operation";
  f.plot = plot();
  f.table.columns = {{"run", Cell::number}};
  for (std::size_t i = 0; i < t.runs.size(); ++i) f.table.rows.push_back({std::to_string(i + 1)});
  for (const char* op : {"training", "evaluation", "backward"}) {
    const auto values = means(t, [&](const KeptRow& row) { return row.op == op; });
    if (values.empty()) continue;
    f.plot.series.push_back(series_of(op, values));
    f.table.columns.push_back({op, Cell::number});
    for (std::size_t i = 0; i < values.size(); ++i)
      f.table.rows[i].push_back(fmt::format("{:.3f}", values[i]));
  }
  return f;
}

/// Every row, what has become slowest first.
page::Table rows_of(const Trend& t) {
  struct Line {
    const KeptRow* row;
    double first, last;
  };
  std::vector<Line> lines;
  for (const KeptRow* row : t.rows) {
    const auto& over = t.over.at(row->key());
    lines.push_back({row, over.front(), over.back()});
  }
  std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
    return a.last / a.first > b.last / b.first;
  });
  page::Table table{{{"row"},
                     {"first", Cell::number},
                     {"last", Cell::number},
                     {"change %", Cell::number},
                     {"case", Cell::line}},
                    {}};
  for (const Line& l : lines)
    table.rows.push_back({label(l.row->line, l.row->op), fmt::format("{:.3f}", l.first),
                          fmt::format("{:.3f}", l.last),
                          fmt::format("{:+.1f}", 100 * (l.last / l.first - 1)), l.row->line});
  return table;
}

}  // namespace

std::string to_html(const std::vector<KeptRun>& runs) {
  const Trend t = trend_of(runs);
  const bool enough = t.runs.size() > 1 && !t.rows.empty();
  page::Page page(
      "Truenorm benchmark: history",
      enough ? fmt::format("{} runs, {} rows that all of them have.", t.runs.size(), t.rows.size())
             : "There is no trend yet.");
  if (t.left_out > 0)
    page.paragraph(fmt::format(
        "Left out, because their machine, compiler or peers are not those of the last run: {}.",
        t.left_out == 1 ? "one run" : fmt::format("{} runs", t.left_out)));
  if (!enough) {
    page.paragraph(
        "No figure: it takes two runs of machines alike with a row in common. This keeps one:");
    page.command("./run bench --suite smoke --keep");
    for (const KeptRun& run : runs)
      page.paragraph(fmt::format("Kept so far: {}, {} rows, {} sittings.", run.name(),
                                 run.rows.size(), run.sittings));
    return page.html();
  }
  page.section("Over the runs");
  page.paragraph(
      "Truenorm's time over that of the copy in the same rounds, as a multiple of the first run's: "
      "geometric means over the rows; below 1 it has become faster. The band is what Truenorm "
      "differs from itself within a run. Whether a change is one, './run compare' says.");
  page.figure(all_rows(t));
  page.command(fmt::format("./run compare '#{}' '#{}'", t.runs.front()->id, t.runs.back()->id));
  if (const page::Figure f = by_operation(t); f.plot.series.size() > 1) page.figure(f);
  page.section("Rows");
  page.paragraph("Times over the copy's in the first and in the last run.");
  page.table(rows_of(t));
  return page.html();
}

}  // namespace truenorm::bench
