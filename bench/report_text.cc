#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report.h"

namespace truenorm::bench {
namespace {

/// Three digits and a unit: "12.3 us".
std::string time_text(double ns) {
  const char* unit = "ns";
  for (const char* next : {"us", "ms", "s"}) {
    if (ns < 999.5) break;
    ns /= 1000;
    unit = next;
  }
  return fmt::format("{:.{}f} {:<2}", ns, ns < 9.995 ? 2 : ns < 99.95 ? 1 : 0, unit);
}

std::string ratio_text(const std::optional<double>& ratio) {
  return ratio ? fmt::format("{:.2f}", *ratio) : "-";
}

std::string group_name(std::string_view layout) {
  return layout == "nhwc" ? "NHWC, N x C" : layout == "nchw" ? "NCHW" : "all";
}

}  // namespace

Table::Table(const std::vector<std::string>& peers, std::size_t shape_width, bool colour)
    : peers_(peers), width_(shape_width), colour_(colour) {}

std::string Table::head() const {
  std::string text = fmt::format("{:<{}} {:<10} {:<6} {:<5} {:>3} {:>9}", "shape", width_, "op",
                                 "layout", "dtype", "thr", "truenorm");
  for (const std::string& peer : peers_) text += fmt::format(" {:>9}", peer);
  for (const std::string& peer : peers_) text += fmt::format(" {:>9}", "/" + peer);
  return text + fmt::format(" {:>6} {:>6} {:>5}\n", "GB/s", "roof%", "+-%");
}

std::string Table::line(const Row& row) const {
  std::string text =
      fmt::format("{:<{}} {:<10} {:<6} {:<5} {:>3} ", row.shape, width_, name(row.op),
                  oracle::name(row.layout), oracle::name(row.dtype), row.threads);
  if (!row.measured)
    return text + fmt::format("{}{}{}\n", colour_ ? "\x1b[31;1m" : "", row.verdict,
                              colour_ ? "\x1b[0m" : "");
  text += fmt::format("{:>9}", time_text(row.ns));
  std::string notes;
  double widest = row.spread;
  for (const std::string& peer : peers_) {
    const Against& a = row.peers.at(peer);
    text += fmt::format(" {:>9}", a.absent.empty() ? time_text(a.ns) : "-");
    if (a.absent.empty() && a.verdict != "pass") notes += fmt::format("  {}: {}", peer, a.verdict);
  }
  for (const std::string& peer : peers_) {
    const Against& a = row.peers.at(peer);
    const bool there = a.absent.empty();
    if (there) widest = std::max(widest, a.spread);
    const char* tint = !colour_ || !there ? "" : a.ratio < 1 ? "\x1b[31m" : "\x1b[32m";
    text += fmt::format(" {}{:>9}{}", tint, there ? fmt::format("{:.2f}", a.ratio) : "-",
                        *tint ? "\x1b[0m" : "");
  }
  text += fmt::format(" {:>6.1f} {:>6.1f} {:>5.1f}", row.gbps, row.roofline_pct, 100 * widest);
  if (row.disturbed * 10 >= row.measurements)
    notes += fmt::format("  disturbed: {} of {}", row.disturbed, row.measurements);
  return text + notes + "\n";
}

std::string to_text(const Report& r) {
  const Machine& m = r.machine;
  std::string text =
      fmt::format("\n{}, {} logical CPUs, {}, {}\n", m.cpu, m.logical_cpus, m.os, m.compiler);
  if (const auto copy = r.copy_gbps())
    text += fmt::format("noise floor {:.1f} %, copy {:.1f} GB/s at the largest tensor, {} rounds\n",
                        100 * r.noise_floor(), *copy, r.rounds);
  if (const double disturbed = r.disturbed_pct(); disturbed >= 1)
    text += fmt::format(
        "{:.0f} % of the measurements were disturbed by other processes: do not quote them\n",
        disturbed);
  const auto sums = r.sums();
  if (!r.peers.empty() && !sums.empty()) {
    text += fmt::format("\n{:<10} {:<12} {:<5} {:>3} {:>4}", "geomean", "layout", "dtype", "thr",
                        "rows");
    for (const std::string& peer : r.peers) text += fmt::format(" {:>9}", "/" + peer);
    text += fmt::format(" {:>9} {:>8}  of\n", "/better", "minimum");
    for (const Sum& sum : sums) {
      text += fmt::format("{:<10} {:<12} {:<5} {:>3} {:>4}", sum.op, group_name(sum.layout),
                          sum.dtype, sum.threads, sum.rows);
      for (const std::string& peer : r.peers) {
        const auto it = sum.geomean.find(peer);
        text += fmt::format(" {:>9}",
                            it == sum.geomean.end() ? "-" : fmt::format("{:.2f}", it->second));
      }
      text += fmt::format(" {:>9} {:>8}  {}\n", ratio_text(sum.geomean_best),
                          ratio_text(sum.minimum), sum.minimum_shape);
    }
    text +=
        "Ratios are peer/truenorm: above 1, truenorm is faster. better: the faster peer of each "
        "row.\nA minimum below 1 by less than the noise floor counts as 1.\n";
  }
  const auto few = std::count_if(r.rows.begin(), r.rows.end(),
                                 [](const Row& row) { return row.measured && row.few_channels(); });
  if (few > 0)
    text +=
        fmt::format("{} rows of fewer than 16 channels innermost are left out of these.\n", few);
  return text;
}

}  // namespace truenorm::bench
