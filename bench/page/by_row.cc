// Figures of contenders beside each other: how much faster, how it scales, and how right.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "group.h"

namespace truenorm::bench {
namespace {

namespace page = oracle::page;
using page::Cell;

/// Rows of a group that a peer has a figure in, those where truenorm is least ahead first.
Rows compared(const Group& group) {
  Rows rows;
  for (const Row* row : group.rows)
    if (row->best_ratio()) rows.push_back(row);
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row* a, const Row* b) { return *a->best_ratio() < *b->best_ratio(); });
  return rows;
}

std::string interval_text(const Compared& c) {
  return c.interval ? fmt::format("{:.2f} .. {:.2f}", c.interval->low, c.interval->high) : "-";
}

/// Why a peer has no figure.
std::string absent(const Row& row, const std::string& peer) {
  const auto it = row.peers.find(peer);
  return it == row.peers.end() ? "" : it->second.absent;
}

const char* said(Difference d) { return d == Difference::none ? "no different" : name(d); }

}  // namespace

std::optional<Graph> beside_others(const Report& report, const Group& group) {
  const Rows rows = compared(group);
  if (rows.empty()) return std::nullopt;
  constexpr std::size_t kMost = 40;  // bars that a plot has room for
  Graph graph;
  graph.name = "ratio-" + group.name;
  page::Figure& f = graph.figure;
  const std::size_t shown = std::min(rows.size(), kMost);
  f.caption = "Peer/truenorm: " + group.title;
  if (shown < rows.size()) f.caption += fmt::format(" (the {} lowest of {})", shown, rows.size());
  f.plot.x_label = "peer/truenorm";
  f.plot.x_scale = page::Scale::powers;
  f.plot.limit = 1;
  f.table.columns = {{"shape"}};
  for (const std::string& peer : report.peers) {
    f.table.columns.push_back({"/" + peer, Cell::number});
    f.table.columns.push_back({"95 %", Cell::number});
    f.table.columns.push_back({"truenorm is"});
  }
  f.table.columns.push_back({"case", Cell::line});
  for (std::size_t i = 0; i < shown; ++i) f.plot.rows.push_back(rows[i]->shape);
  for (const Contender& c : contenders(report)) {
    if (c.name == "truenorm") continue;
    page::Series series{c.name};
    series.colour = c.colour;
    for (std::size_t i = 0; i < shown; ++i) {
      if (!ns_of(*rows[i], c.name)) continue;
      const Against& a = rows[i]->peers.at(c.name);
      series.points.emplace_back(a.ratio, static_cast<double>(i));
      const Interval whole = a.interval.value_or(Interval{a.ratio, a.ratio});
      series.intervals.emplace_back(whole.low, whole.high);
    }
    f.plot.series.push_back(std::move(series));
  }
  drop_empty(f.plot);
  for (const Row* row : rows) {
    std::vector<std::string> cells{row->shape};
    for (const std::string& peer : report.peers) {
      const Against* a = ns_of(*row, peer) ? &row->peers.at(peer) : nullptr;
      cells.push_back(a != nullptr ? fmt::format("{:.2f}", a->ratio) : "-");
      cells.push_back(a != nullptr ? interval_text(*a) : "-");
      cells.push_back(a != nullptr ? said(report.difference_of(*a)) : absent(*row, peer));
    }
    cells.push_back(row->line);
    f.table.rows.push_back(std::move(cells));
  }
  graph.again = again(*rows.front(), report.peers);
  return graph;
}

namespace {

/// Rows that differ in nothing but threads, by threads: those that have figures for all counts.
using Ladder = std::map<int, const Row*>;

std::vector<Ladder> ladders(const Group& group, const std::set<int>& counts) {
  std::map<std::string, Ladder> all;
  for (const Row* row : group.rows)
    all[fmt::format("{}{}", row->line.substr(0, row->line.find('|')), oracle::name(row->layout))]
       [row->threads] = row;
  std::vector<Ladder> whole;
  for (auto& [key, ladder] : all)
    if (ladder.size() == counts.size()) whole.push_back(std::move(ladder));
  return whole;
}

/// Geometric mean over the ladders of a contender's time at the fewest threads over that at these;
/// of those that it has figures in.
std::optional<double> speed_up(const std::vector<Ladder>& ladders, int threads,
                               const std::string& who) {
  GeometricMean mean;
  const auto ns = [&](const Row& row) {
    return who == "copy" ? std::optional(row.copy_ns) : ns_of(row, who);
  };
  for (const Ladder& ladder : ladders) {
    const auto few = ns(*ladder.begin()->second), many = ns(*ladder.at(threads));
    if (few && many) mean.add(*few / *many);
  }
  return mean.value();
}

/// The row that gains least by threads.
const Row* least_gain(const std::vector<Ladder>& ladders, int threads) {
  const auto gain = [&](const Ladder& l) { return l.begin()->second->ns / l.at(threads)->ns; };
  return std::min_element(ladders.begin(), ladders.end(),
                          [&](const Ladder& a, const Ladder& b) { return gain(a) < gain(b); })
      ->at(threads);
}

}  // namespace

std::optional<Graph> over_threads(const Report& report, const Group& group) {
  std::set<int> counts;
  for (const Row* row : group.rows) counts.insert(row->threads);
  const std::vector<Ladder> all = ladders(group, counts);
  if (counts.size() < 2 || all.empty()) return std::nullopt;
  Graph graph;
  graph.name = "threads-" + group.name;
  page::Figure& f = graph.figure;
  f.caption = fmt::format("Speed-up over threads: {}, mean of {} rows", group.title, all.size());
  f.plot.x_label = "threads";
  f.plot.x_scale = page::Scale::powers;
  f.plot.y_label = "times as fast";
  f.table.columns = {{"threads", Cell::number}};
  std::vector<Contender> who = contenders(report);
  who.push_back({"copy", kCopyColour});
  for (const int threads : counts) f.table.rows.push_back({std::to_string(threads)});
  for (const Contender& c : who) {
    page::Series series{c.name};
    series.colour = c.colour;
    f.table.columns.push_back({c.name, Cell::number});
    auto cells = f.table.rows.begin();
    for (const int threads : counts) {
      const auto gain = speed_up(all, threads, c.name);
      if (gain) series.points.emplace_back(threads, *gain);
      (cells++)->push_back(figure_text(gain, 2));
    }
    f.plot.series.push_back(std::move(series));
  }
  page::Series ideal{"ideal"};
  ideal.colour = kIdealColour;
  for (const int threads : counts)
    ideal.points.emplace_back(threads, static_cast<double>(threads) / *counts.begin());
  f.plot.series.push_back(std::move(ideal));
  drop_empty(f.plot);
  f.table.columns.push_back({"truenorm gains least in", Cell::line});
  auto cells = f.table.rows.begin();
  for (const int threads : counts) (cells++)->push_back(least_gain(all, threads)->line);
  graph.again = again(*least_gain(all, *counts.rbegin()), report.peers);
  return graph;
}

namespace {

/// Truenorm's or a peer's.
std::optional<double> error_of(const Row& row, const std::string& who) {
  if (!ns_of(row, who)) return std::nullopt;
  return who == "truenorm" ? row.error : row.peers.at(who).error;
}

/// Per cent of the copy's speed.
double reached(const Row& row, const std::string& who) {
  return row.roofline_pct * row.ns / *ns_of(row, who);
}

}  // namespace

std::optional<Graph> error_against_speed(const Report& report, const Group& group) {
  Graph graph;
  graph.name = "error-" + group.name;
  page::Figure& f = graph.figure;
  f.caption = "Error against speed: " + group.title;
  f.plot.x_label = "percent of copy";
  f.plot.y_label = "error/bound";
  f.plot.log_y = true;
  f.plot.limit = 1;
  for (const Contender& c : contenders(report)) {
    page::Series series{c.name};
    series.scattered = true;
    series.colour = c.colour;
    for (const Row* row : group.rows)
      if (const auto error = error_of(*row, c.name); error && *error > 0)
        series.points.emplace_back(reached(*row, c.name), *error);
    f.plot.series.push_back(std::move(series));
  }
  drop_empty(f.plot);
  if (!f.plot.marks()) return std::nullopt;
  f.table.columns = {{"shape"}, {"layout"}, {"threads", Cell::number}};
  for (const Contender& c : contenders(report)) {
    f.table.columns.push_back({c.name + " %", Cell::number});
    f.table.columns.push_back({"error", Cell::number});
  }
  f.table.columns.push_back({"case", Cell::line});
  const Row* worst = nullptr;
  for (const Row* row : group.rows) {
    std::vector<std::string> cells{row->shape, std::string(oracle::name(row->layout)),
                                   std::to_string(row->threads)};
    for (const Contender& c : contenders(report)) {
      const auto error = error_of(*row, c.name);
      cells.push_back(error ? fmt::format("{:.0f}", reached(*row, c.name)) : "-");
      cells.push_back(error ? fmt::format("{:.3g}", *error) : "-");
    }
    cells.push_back(row->line);
    f.table.rows.push_back(std::move(cells));
    if (worst == nullptr || row->error.value_or(0) > worst->error.value_or(0)) worst = row;
  }
  graph.again = again(*worst, report.peers);
  return graph;
}

}  // namespace truenorm::bench
