#include "report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace truenorm::bench {
namespace {

bool counts(const Row& row) { return row.measured && !row.few_channels(); }

/// The fastest peer in its faster order of memory; none where a peer's other one was not measured.
std::optional<double> best_in_own_layout(const Report& report, const Row& row) {
  std::optional<double> best;
  for (const auto& [peer, against] : row.peers) {
    if (!against.absent.empty()) continue;
    const auto fastest = report.fastest_layout(row, peer);
    if (!fastest) return std::nullopt;
    best = std::min(best.value_or(fastest->ratio), fastest->ratio);
  }
  return best;
}

Sum sum_of(const Report& report, const std::vector<const Row*>& rows, double noise) {
  Sum sum;
  GeometricMean best, layout;
  std::map<std::string, GeometricMean> peers;
  const auto other = [&](const Row* row) { return row->suite != rows.front()->suite; };
  const auto one = [](const Row* row) { return row->times == 1; };
  sum.weighted =
      std::none_of(rows.begin(), rows.end(), other) && !std::all_of(rows.begin(), rows.end(), one);
  bool both = true;
  for (const Row* row : rows) {
    ++sum.rows;
    const double weight = sum.weighted ? row->times : 1;
    for (const auto& [peer, against] : row->peers)
      if (against.absent.empty()) peers[peer].add(against.ratio, weight);
    const auto ratio = row->best_ratio();
    if (!ratio) continue;
    best.add(*ratio, weight);
    const auto own = best_in_own_layout(report, *row);
    both = both && own;
    if (own) layout.add(*own, weight);
    const double shown = *ratio < 1 && *ratio >= 1 - noise ? 1.0 : *ratio;
    if (sum.minimum && shown >= *sum.minimum) continue;
    sum.minimum = shown;
    sum.minimum_line = row->line;
    sum.minimum_shape = row->shape;
  }
  sum.geomean_best = best.value();
  if (both) sum.geomean_layout = layout.value();
  for (const auto& [peer, mean] : peers) sum.geomean[peer] = *mean.value();
  return sum;
}

}  // namespace

std::optional<double> Row::best_ratio() const {
  std::optional<double> best;
  for (const auto& [peer, against] : peers)
    if (measured && against.absent.empty())
      best = std::min(best.value_or(against.ratio), against.ratio);
  return best;
}

double Report::noise_floor() const {
  std::vector<double> off;
  for (const Row& row : rows)
    if (row.measured) off.push_back(std::abs(row.aa - 1));
  return off.empty() ? 0 : quantile(off, 0.9);
}

std::optional<double> Compared::interval_pct() const {
  if (!interval) return std::nullopt;
  return 100 * std::max(ratio - interval->low, interval->high - ratio) / ratio;
}

std::optional<double> Report::interval_pct(double at) const {
  std::vector<double> all;
  for (const Row& row : rows)
    for (const auto& [peer, against] : row.peers)
      if (const auto pct = against.interval_pct(); pct && row.measured) all.push_back(*pct);
  return all.empty() ? std::nullopt : std::optional(quantile(all, at));
}

double Report::disturbed_pct() const {
  double all = 0, disturbed = 0;
  for (const Row& row : rows) {
    all += static_cast<double>(row.measurements);
    disturbed += static_cast<double>(row.disturbed);
  }
  return all > 0 ? 100 * disturbed / all : 0;
}

std::optional<double> Report::copy_gbps() const {
  const Row* largest = nullptr;
  for (const Row& row : rows)
    if (row.measured && (!largest || std::tuple(row.bytes, row.threads) >
                                         std::tuple(largest->bytes, largest->threads)))
      largest = &row;
  if (!largest) return std::nullopt;
  return static_cast<double>(largest->bytes) * pass_moves(largest->op) / largest->copy_ns;
}

std::vector<LevelSum> Report::levels() const {
  struct Part {
    std::vector<double> gbps;
    GeometricMean reached;
  };
  std::map<std::pair<Level, int>, Part> parts;
  for (const Row& row : rows) {
    if (!row.measured) continue;
    Part& part = parts[{row.level, row.threads}];
    part.gbps.push_back(static_cast<double>(row.bytes) * pass_moves(row.op) / row.copy_ns);
    part.reached.add(row.roofline_pct);
  }
  std::vector<LevelSum> all;
  for (const auto& [key, part] : parts)
    all.push_back(
        {key.first, key.second, part.gbps.size(), median(part.gbps), *part.reached.value()});
  return all;
}

std::optional<Fastest> Report::fastest_layout(const Row& row, const std::string& peer) const {
  const auto figure = [&](const Row& r) -> const Against* {
    const auto it = r.peers.find(peer);
    return r.measured && it != r.peers.end() && it->second.absent.empty() ? &it->second : nullptr;
  };
  // A line without what stands behind its bar.
  const auto problem = [](const Row& r) {
    return std::string_view(r.line).substr(0, r.line.find('|'));
  };
  const Against* here = figure(row);
  if (here == nullptr) return std::nullopt;
  Fastest fastest{row.layout, here->ns, here->ns / row.ns};
  if (row.one_layout) return fastest;
  for (const Row& r : rows) {
    if (r.layout == row.layout || r.threads != row.threads || problem(r) != problem(row)) continue;
    const Against* there = figure(r);
    if (there == nullptr) return std::nullopt;
    if (there->ns < fastest.ns) fastest = {r.layout, there->ns, there->ns / row.ns};
    return fastest;
  }
  return std::nullopt;
}

Difference Report::difference_of(const Compared& compared) const {
  return difference(compared.interval, noise_floor());
}

std::vector<std::string> Report::warnings() const {
  constexpr double kLoudest = 0.05, kMostDisturbed = 10;
  std::vector<std::string> all;
  if (const double floor = noise_floor(); floor > kLoudest)
    all.push_back(fmt::format(
        "truenorm differs from itself by {:.1f} %: only far larger differences mean anything",
        100 * floor));
  if (const double pct = disturbed_pct(); pct >= kMostDisturbed)
    all.push_back(
        fmt::format("{:.0f} % of the measurements were disturbed by other processes", pct));
  const int independent = sittings > 1 ? sittings : rounds;
  if (!rows.empty() && order_of_interval(static_cast<std::size_t>(independent)) == 0)
    all.push_back(fmt::format("{0} {1} give no confidence interval: --{1} 6 or more", independent,
                              sittings > 1 ? "sittings" : "rounds"));
  if (all.empty() || (noise_floor() <= kLoudest && disturbed_pct() < kMostDisturbed)) return all;
  if (machine.load && *machine.load >= 0.5)
    all.push_back(fmt::format("others were running (load {:.1f} on {} logical CPUs): end them",
                              *machine.load, machine.logical_cpus));
  if (machine.governor && *machine.governor != "performance")
    all.push_back(
        fmt::format("the frequency governor is {}: 'cpupower frequency-set -g performance'",
                    *machine.governor));
  all.push_back("fewer --threads than cores, or more --rounds, may help");
  return all;
}

std::vector<Sum> Report::sums() const {
  const double noise = noise_floor();
  std::map<std::pair<oracle::Dtype, int>, std::vector<const Row*>> runs;
  for (const Row& row : rows)
    if (counts(row)) runs[{row.dtype, row.threads}].push_back(&row);
  std::vector<Sum> sums;
  const auto add = [&](const auto& run, std::string_view op, std::string_view layout,
                       const auto& taken) {
    std::vector<const Row*> some;
    std::copy_if(run.second.begin(), run.second.end(), std::back_inserter(some),
                 [&](const Row* row) { return taken(*row); });
    if (some.empty()) return;
    Sum sum = sum_of(*this, some, noise);
    sum.op = op;
    sum.layout = layout;
    sum.dtype = oracle::name(run.first.first);
    sum.threads = run.first.second;
    sums.push_back(std::move(sum));
  };
  for (const auto& run : runs) {
    for (const Op op : {Op::training, Op::evaluation, Op::backward}) {
      for (const auto layout : {oracle::Layout::nchw, oracle::Layout::nhwc})
        add(run, name(op), oracle::name(layout),
            [&](const Row& row) { return row.op == op && row.layout == layout; });
      add(run, name(op), "all", [&](const Row& row) { return row.op == op; });
    }
    for (const auto layout : {oracle::Layout::nchw, oracle::Layout::nhwc})
      add(run, "all", oracle::name(layout), [&](const Row& row) { return row.layout == layout; });
    add(run, "all", "all", [](const Row&) { return true; });
  }
  return sums;
}

}  // namespace truenorm::bench
