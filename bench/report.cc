#include "report.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "measure.h"
#include "roofline.h"

namespace truenorm::bench {
namespace {

/// Geometric mean of what is added.
class Mean {
 public:
  void add(double ratio) {
    sum_ += std::log(ratio);
    ++count_;
  }
  std::optional<double> value() const {
    if (count_ == 0) return std::nullopt;
    return std::exp(sum_ / static_cast<double>(count_));
  }

 private:
  double sum_ = 0;
  std::size_t count_ = 0;
};

bool counts(const Row& row) { return row.measured && !row.few_channels(); }

Sum sum_of(const std::vector<const Row*>& rows, double noise) {
  Sum sum;
  Mean best;
  std::map<std::string, Mean> peers;
  for (const Row* row : rows) {
    ++sum.rows;
    for (const auto& [peer, against] : row->peers)
      if (against.absent.empty()) peers[peer].add(against.ratio);
    const auto ratio = row->best_ratio();
    if (!ratio) continue;
    best.add(*ratio);
    const double shown = *ratio < 1 && *ratio >= 1 - noise ? 1.0 : *ratio;
    if (sum.minimum && shown >= *sum.minimum) continue;
    sum.minimum = shown;
    sum.minimum_line = row->line;
    sum.minimum_shape = row->shape;
  }
  sum.geomean_best = best.value();
  for (const auto& [peer, mean] : peers) sum.geomean[peer] = *mean.value();
  return sum;
}

}  // namespace

std::string_view name(Op op) {
  switch (op) {
    case Op::training:
      return "training";
    case Op::evaluation:
      return "evaluation";
    case Op::backward:
      break;
  }
  return "backward";
}

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
    Sum sum = sum_of(some, noise);
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
