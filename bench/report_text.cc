#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report.h"
#include "time_text.h"

namespace truenorm::bench {
namespace {

std::string ratio_text(const std::optional<double>& ratio) {
  return ratio ? fmt::format("{:.2f}", *ratio) : "-";
}

/// "1.53 ±2.1%"
std::string ratio_text(const Compared& c) {
  const auto pct = c.interval_pct();
  const std::string ratio = fmt::format("{:.2f}", c.ratio);
  if (!pct) return ratio;
  return ratio + (*pct < 99.95 ? fmt::format(" ±{:.1f}%", *pct) : " ±100+%");
}

std::string group_name(std::string_view layout) {
  return layout == "nhwc" ? "NHWC, N x C" : layout == "nchw" ? "NCHW" : "all";
}

const Compared* compared(const Row& row, const std::string& peer, const std::string& column) {
  const Against& a = row.peers.at(peer);
  if (!a.absent.empty()) return nullptr;
  if (column.empty()) return &a;
  const auto it = a.others.find(column);
  return it == a.others.end() ? nullptr : &it->second;
}

std::string caution(const Report& r) {
  std::string text;
  for (const std::string& line : r.warnings())
    text += fmt::format("{} {}\n", text.empty() ? "CAUTION:" : "        ", line);
  return text;
}

std::string levels(const Report& r) {
  std::string text;
  for (const LevelSum& level : r.levels())
    text += fmt::format("{}{} {:.1f} ({} threads, {} rows, truenorm {:.0f} %)",
                        text.empty() ? "copy GB/s: " : ", ", name(level.level), level.copy_gbps,
                        level.threads, level.rows, level.roofline_pct);
  return text.empty() ? text : text + "\n";
}

/// How many rows say what beside the floor, and those that do not say "faster".
std::string differences(const Report& r, const std::string& peer) {
  constexpr std::size_t kMostShown = 5;
  std::map<Difference, std::vector<const Row*>> said;
  for (const Row& row : r.rows)
    if (row.measured && row.peers.at(peer).absent.empty())
      said[r.difference_of(row.peers.at(peer))].push_back(&row);
  if (said.empty()) return {};
  std::string text = fmt::format(
      "{}: truenorm faster in {} rows, slower in {}, no difference in {}, unclear in {}\n", peer,
      said[Difference::faster].size(), said[Difference::slower].size(),
      said[Difference::none].size(), said[Difference::unclear].size());
  for (const Difference d : {Difference::slower, Difference::none}) {
    const auto& rows = said[d];
    for (std::size_t i = 0; i < std::min(rows.size(), kMostShown); ++i)
      text += fmt::format("  {:<14} {:<16} {:<10} {:<4} {}\n",
                          d == Difference::slower ? "slower:" : "no difference:", rows[i]->shape,
                          name(rows[i]->op), oracle::name(rows[i]->layout),
                          ratio_text(rows[i]->peers.at(peer)));
    if (rows.size() > kMostShown) text += fmt::format("  ... {} more\n", rows.size() - kMostShown);
  }
  return text;
}

std::string means(const Report& r, const std::vector<Sum>& sums) {
  std::string text =
      fmt::format("\n{:<10} {:<12} {:<5} {:>3} {:>4}", "geomean", "layout", "dtype", "thr", "rows");
  for (const std::string& peer : r.peers) text += fmt::format(" {:>9}", "/" + peer);
  text += fmt::format(" {:>9} {:>9} {:>8}  of\n", "/better", "/own order", "minimum");
  bool weighted = false;
  for (const Sum& sum : sums) {
    weighted = weighted || sum.weighted;
    text += fmt::format("{:<10} {:<12} {:<5} {:>3} {:>4}", sum.op, group_name(sum.layout),
                        sum.dtype, sum.threads, sum.rows);
    for (const std::string& peer : r.peers) {
      const auto it = sum.geomean.find(peer);
      text +=
          fmt::format(" {:>9}", it == sum.geomean.end() ? "-" : fmt::format("{:.2f}", it->second));
    }
    text += fmt::format(" {:>9} {:>10} {:>8}  {}\n", ratio_text(sum.geomean_best),
                        ratio_text(sum.geomean_layout), ratio_text(sum.minimum), sum.minimum_shape);
  }
  text +=
      "Ratios are peer/truenorm: above 1, truenorm is faster. better: the faster peer of each row; "
      "own order: the\nsame, each peer in whichever layout it is faster. A minimum below 1 by less "
      "than the noise floor counts as 1.\n";
  if (weighted) text += "A row counts as often as the network has BatchNorms that look like it.\n";
  return text;
}

}  // namespace

Table::Table(const Report& report, std::size_t shape_width, bool colour)
    : peers_(report.peers), others_(report.others), width_(shape_width), colour_(colour) {}

std::string Table::head() const {
  std::string text = fmt::format("{:<{}} {:<10} {:<6} {:<5} {:>3} {:>9} {:>5}", "shape", width_,
                                 "op", "layout", "dtype", "thr", "truenorm", "+-%");
  for (const std::string& peer : peers_) text += fmt::format(" {:>9}", peer);
  for (const std::string& peer : peers_) text += fmt::format(" {:>12}", "/" + peer);
  for (const std::string& column : others_) {
    text += fmt::format(" {:>9}", column);
    for (const std::string& peer : peers_) text += fmt::format(" {:>12}", "/" + peer);
  }
  return text + fmt::format(" {:>6} {:>6} {:<6} {:>5}\n", "GB/s", "roof%", "level", "A/A%");
}

std::string Table::ratios(const Row& row, const std::string& column) const {
  std::string text;
  for (const std::string& peer : peers_) {
    const Compared* c = compared(row, peer, column);
    // Colours are for what can be told from 1.
    const char* tint = !colour_ || c == nullptr || !c->interval ? ""
                       : c->interval->high < 1                  ? "\x1b[31m"
                       : c->interval->low > 1                   ? "\x1b[32m"
                                                                : "";
    text += fmt::format(" {}{:>12}{}", tint, c != nullptr ? ratio_text(*c) : "-",
                        *tint ? "\x1b[0m" : "");
  }
  return text;
}

std::string Table::line(const Row& row) const {
  std::string text =
      fmt::format("{:<{}} {:<10} {:<6} {:<5} {:>3} ", row.shape, width_, name(row.op),
                  oracle::name(row.layout), oracle::name(row.dtype), row.threads);
  if (!row.measured)
    return text + fmt::format("{}{}{}\n", colour_ ? "\x1b[31;1m" : "", row.verdict,
                              colour_ ? "\x1b[0m" : "");
  text += fmt::format("{:>9} {:>5.1f}", time_text(row.ns), 100 * row.spread);
  std::string notes;
  for (const std::string& peer : peers_) {
    const Against& a = row.peers.at(peer);
    text += fmt::format(" {:>9}", a.absent.empty() ? time_text(a.ns) : "-");
    if (a.absent.empty() && a.verdict != "pass") notes += fmt::format("  {}: {}", peer, a.verdict);
  }
  text += ratios(row, "");
  for (const std::string& column : others_) {
    text += fmt::format(" {:>9}", time_text(row.others.at(column)));
    text += ratios(row, column);
  }
  text += fmt::format(" {:>6.1f} {:>6.1f} {:<6} {:>5.1f}", row.must_gbps, row.roofline_pct,
                      name(row.level), 100 * (row.aa - 1));
  if (row.disturbed * 10 >= row.measurements)
    notes += fmt::format("  disturbed: {} of {}", row.disturbed, row.measurements);
  return text + notes + "\n";
}

std::string to_text(const Report& r) {
  const Machine& m = r.machine;
  std::string text =
      fmt::format("\n{}, {} logical CPUs, {}, {}\n", m.cpu, m.logical_cpus, m.os, m.compiler);
  if (const auto copy = r.copy_gbps())
    text +=
        fmt::format("noise floor {:.1f} %, copy {:.1f} GB/s at the largest tensor, {}{} rounds\n",
                    100 * r.noise_floor(), *copy,
                    r.sittings > 1 ? fmt::format("{} sittings of ", r.sittings) : "", r.rounds);
  if (const auto middle = r.interval_pct(0.5))
    text +=
        fmt::format("intervals of {:.0f} %: ±{:.1f} % in the median row, ±{:.1f} % in one of ten\n",
                    100 * kConfidence, *middle, *r.interval_pct(0.9));
  text += levels(r);
  for (const std::string& peer : r.peers) text += differences(r, peer);
  const auto sums = r.sums();
  if (!r.peers.empty() && !sums.empty()) text += means(r, sums);
  const auto few = std::count_if(r.rows.begin(), r.rows.end(),
                                 [](const Row& row) { return row.measured && row.few_channels(); });
  if (few > 0)
    text +=
        fmt::format("{} rows of fewer than 16 channels innermost are left out of these.\n", few);
  return text + caution(r);
}

}  // namespace truenorm::bench
