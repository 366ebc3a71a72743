// Figures over the bytes of a tensor.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "group.h"
#include "oracle/data.h"

namespace truenorm::bench {
namespace {

namespace page = oracle::page;
using page::Cell;

/// A column of figures for each contender.
void add_columns(page::Table& table, const Report& report, const std::string& unit = {}) {
  for (const Contender& c : contenders(report))
    table.columns.push_back({c.name + unit, Cell::number});
}

}  // namespace

/// Marks of every contender and the copy's line over the bytes of a tensor.
std::optional<Graph> roofline(const Report& report, const Group& group) {
  Graph graph;
  graph.name = "roofline-" + group.name;
  page::Figure& f = graph.figure;
  f.caption = "Roofline: " + group.title;
  f.plot.x_label = "bytes of tensor";
  f.plot.y_label = "GB/s";
  f.plot.x_scale = page::Scale::bytes;
  f.plot.log_y = true;
  f.table.columns = {{"shape"}, {"level"}};
  add_columns(f.table, report);
  f.table.columns.push_back({"copy", Cell::number});
  f.table.columns.push_back({"case", Cell::line});
  const auto gbps = [](const Row& row, const std::string& who) -> std::optional<double> {
    const auto ns = ns_of(row, who);
    return ns ? std::optional(row.must_gbps * row.ns / *ns) : std::nullopt;
  };
  std::map<std::size_t, std::vector<double>> copies;
  for (const Row* row : group.rows) copies[row->bytes].push_back(copy_gbps(*row));
  page::Series copy{"copy"};
  copy.colour = kCopyColour;
  for (const auto& [bytes, all] : copies)
    copy.points.emplace_back(static_cast<double>(bytes), median(all));
  f.plot.series.push_back(std::move(copy));
  for (const Contender& c : contenders(report)) {
    page::Series series{c.name};
    series.scattered = true;
    series.colour = c.colour;
    for (const Row* row : group.rows)
      if (const auto value = gbps(*row, c.name))
        series.points.emplace_back(static_cast<double>(row->bytes), *value);
    f.plot.series.push_back(std::move(series));
  }
  drop_empty(f.plot);
  for (const Row* row : group.rows) {
    std::vector<std::string> cells{row->shape, name(row->level)};
    for (const Contender& c : contenders(report))
      cells.push_back(figure_text(gbps(*row, c.name), 1));
    cells.push_back(figure_text(copy_gbps(*row), 1));
    cells.push_back(row->line);
    f.table.rows.push_back(std::move(cells));
  }
  // The row that is farthest below the copy.
  const Row* lowest = *std::min_element(
      group.rows.begin(), group.rows.end(),
      [](const Row* a, const Row* b) { return a->roofline_pct < b->roofline_pct; });
  graph.again = again(*lowest, report.peers);
  return graph;
}

namespace {

/// Values of 10^9 a second over what a pass moves, the median where rows move as much.
page::Series speeds(const Rows& rows, const Contender& c) {
  std::map<double, std::vector<double>> all;
  for (const Row* row : rows)
    if (const auto ns = ns_of(*row, c.name))
      all[pass_bytes(*row)].push_back(
          static_cast<double>(row->bytes / oracle::size_of(row->dtype)) / *ns);
  page::Series series{c.name};
  series.colour = c.colour;
  for (const auto& [bytes, values] : all) series.points.emplace_back(bytes, median(values));
  return series;
}

/// Where what a pass moves leaves a cache; names of those too near for two are joined.
void add_borders(page::Plot& plot, const Machine& m, int threads) {
  const std::pair<const char*, double> caches[] = {{"L1", static_cast<double>(m.l1) * threads},
                                                   {"L2", static_cast<double>(m.l2) * threads},
                                                   {"L3", static_cast<double>(m.l3)}};
  for (const auto& [name, bytes] : caches) {
    if (!(bytes > 0)) continue;
    if (!plot.borders.empty() && bytes < 4 * plot.borders.back().second)
      plot.borders.back() = {plot.borders.back().first + "/" + name, bytes};
    else
      plot.borders.emplace_back(name, bytes);
  }
}

}  // namespace

std::optional<Graph> over_sizes(const Report& report, const Group& group) {
  constexpr std::size_t kFewest = 3;
  std::map<double, Rows> sizes;
  for (const Row* row : group.rows) sizes[pass_bytes(*row)].push_back(row);
  if (sizes.size() < kFewest) return std::nullopt;
  Graph graph;
  graph.name = "size-" + group.name;
  page::Figure& f = graph.figure;
  f.caption = "Speed over size: " + group.title;
  f.plot.x_label = "bytes moved";
  f.plot.y_label = "1e9 values/s";
  f.plot.x_scale = page::Scale::bytes;
  add_borders(f.plot, report.machine, group.rows.front()->threads);
  f.table.columns = {{"bytes moved", Cell::number}, {"level"}, {"rows", Cell::number}};
  add_columns(f.table, report);
  f.table.columns.push_back({"case", Cell::line});
  std::vector<std::map<double, double>> columns;
  for (const Contender& c : contenders(report)) {
    f.plot.series.push_back(speeds(group.rows, c));
    const auto& points = f.plot.series.back().points;
    columns.emplace_back(points.begin(), points.end());
  }
  drop_empty(f.plot);
  for (const auto& [bytes, rows] : sizes) {
    std::vector<std::string> cells{bytes_text(bytes), name(rows.front()->level),
                                   std::to_string(rows.size())};
    for (const auto& column : columns) {
      const auto it = column.find(bytes);
      cells.push_back(it == column.end() ? "-" : fmt::format("{:.3f}", it->second));
    }
    cells.push_back(rows.front()->line);
    f.table.rows.push_back(std::move(cells));
  }
  graph.again = again(*sizes.rbegin()->second.front(), report.peers);
  return graph;
}

}  // namespace truenorm::bench
