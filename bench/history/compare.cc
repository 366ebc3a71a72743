#include "compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace truenorm::bench {
namespace {

/// One value a sitting.
using Series = std::vector<double>;

bool is_peer(const std::string& who) { return who == "libtorch" || who == "onednn"; }

/// What both rows have been measured beside.
std::vector<std::string> references(const KeptRow& a, const KeptRow& b, Beside beside) {
  std::vector<std::string> all;
  for (const auto& [who, ns] : a.samples)
    if ((beside == Beside::copy ? who == "copy" : is_peer(who)) && b.samples.contains(who))
      all.push_back(who);
  return all;
}

/// The sittings' medians of f(round).
template <class F>
Series by_sitting(std::size_t rounds, std::size_t sittings, F f) {
  std::vector<double> values(rounds);
  for (std::size_t i = 0; i < rounds; ++i) values[i] = f(i);
  return medians(values, sittings);
}

/// The least number of rounds that all of a row have.
std::size_t rounds_of(const KeptRow& row) {
  std::size_t least = row.samples.empty() ? 0 : row.samples.begin()->second.size();
  for (const auto& [who, ns] : row.samples) least = std::min(least, ns.size());
  return least;
}

/// log(truenorm/references), both of truenorm's slots taken together.
Series relative(const KeptRow& row, std::size_t sittings, const std::vector<std::string>& beside) {
  const std::vector<double>& own = row.samples.at("truenorm");
  const auto again = row.samples.find("truenorm_again");
  return by_sitting(rounds_of(row), sittings, [&](std::size_t i) {
    double time = std::log(own[i]);
    if (again != row.samples.end()) time = (time + std::log(again->second[i])) / 2;
    double reference = 0;
    for (const std::string& who : beside) reference += std::log(row.samples.at(who)[i]);
    return time - reference / static_cast<double>(beside.size());
  });
}

/// The least two-sided p of samples of these sizes: all of one above all of the other.
double least_p(std::size_t n, std::size_t m) {
  double orders = 1;
  for (std::size_t i = 1; i <= n; ++i)
    orders *= static_cast<double>(m + i) / static_cast<double>(i);
  return std::min(1.0, 2 / orders);
}

/// A row's test; its p is not corrected yet.
RowChange test(const Series& before, const Series& after) {
  RowChange row;
  const RankTest ranks = mann_whitney(before, after);
  row.p = ranks.p;
  row.superior = ranks.superior;
  const Shift by = shift(before, after);
  row.ratio = std::exp(by.value);
  if (by.interval) row.interval = Interval{std::exp(by.interval->low), std::exp(by.interval->high)};
  return row;
}

Change judge(const RowChange& row, double pct, double noise) {
  const double stated = 1 + pct / 100, least = std::max(stated, 1 + noise);
  if (row.p < kSignificance && row.ratio > least) return Change::slower;
  if (row.p < kSignificance && row.ratio < 1 / least) return Change::faster;
  const bool within =
      row.interval && row.interval->low >= 1 / stated && row.interval->high <= stated;
  return within ? Change::same : Change::unclear;
}

/// Adds a series to sums by sitting.
void add(Series& sums, const Series& series) {
  if (sums.empty()) sums.resize(series.size(), 0);
  for (std::size_t i = 0; i < std::min(sums.size(), series.size()); ++i) sums[i] += series[i];
}

void divide(Series& sums, std::size_t count) {
  for (double& sum : sums) sum /= static_cast<double>(count);
}

/// Corrects the list's p, and judges.
void conclude(Comparison& c, double pct) {
  std::vector<double> p{c.all.p};
  for (const RowChange& row : c.rows) p.push_back(row.p);
  const std::vector<double> corrected = holm(p);
  c.least_p *= static_cast<double>(p.size());
  for (std::size_t n = 2; c.enough == 0; ++n)
    if (least_p(n, n) * static_cast<double>(p.size()) < kSignificance) c.enough = n;
  const auto settle = [&](RowChange& row, double q) {
    row.p = q;
    row.change = judge(row, pct, c.noise);
  };
  settle(c.all, corrected[0]);
  for (std::size_t i = 0; i < c.rows.size(); ++i) settle(c.rows[i], corrected[i + 1]);
}

}  // namespace

const char* name(Change change) {
  constexpr const char* kNames[] = {"same", "slower", "faster", "unclear"};
  return kNames[static_cast<int>(change)];
}

bool Comparison::regressed() const {
  return all.change == Change::slower ||
         std::any_of(rows.begin(), rows.end(),
                     [](const RowChange& row) { return row.change == Change::slower; });
}

double noise_of(const KeptRun& run) {
  std::vector<double> off;
  for (const KeptRow& row : run.rows) {
    const auto own = row.samples.find("truenorm"), again = row.samples.find("truenorm_again");
    if (own == row.samples.end() || again == row.samples.end()) continue;
    const Series aa = by_sitting(rounds_of(row), run.sittings, [&](std::size_t i) {
      return std::log(again->second[i] / own->second[i]);
    });
    if (!aa.empty()) off.push_back(std::abs(std::expm1(median(aa))));
  }
  return off.empty() ? 0 : quantile(off, 0.9);
}

std::optional<double> over_copy(const KeptRun& run, const KeptRow& row) {
  if (!row.samples.contains("truenorm") || !row.samples.contains("copy")) return std::nullopt;
  return std::exp(median(relative(row, run.sittings, {"copy"})));
}

Comparison compare(const KeptRun& before, const KeptRun& after, const Rule& rule) {
  Comparison c;
  c.sittings_before = before.sittings;
  c.sittings_after = after.sittings;
  c.noise = std::max(noise_of(before), noise_of(after));
  c.least_p = least_p(before.sittings, after.sittings);
  Series sums_before, sums_after;
  std::set<std::string> met;
  for (const KeptRow& a : before.rows) {
    const auto b = std::find_if(after.rows.begin(), after.rows.end(),
                                [&](const KeptRow& row) { return row.key() == a.key(); });
    const bool both =
        b != after.rows.end() && a.samples.contains("truenorm") && b->samples.contains("truenorm");
    const auto beside = both ? references(a, *b, rule.beside) : std::vector<std::string>{};
    if (beside.empty()) {
      ++c.only_before;
      continue;
    }
    const Series x = relative(a, before.sittings, beside), y = relative(*b, after.sittings, beside);
    RowChange row = test(x, y);
    row.line = a.line;
    row.op = a.op;
    row.ns_before = median(a.samples.at("truenorm"));
    row.ns_after = median(b->samples.at("truenorm"));
    c.rows.push_back(std::move(row));
    met.insert(a.key());
    add(sums_before, x);
    add(sums_after, y);
  }
  for (const KeptRow& b : after.rows) c.only_after += !met.contains(b.key());
  if (c.rows.empty()) return c;
  divide(sums_before, c.rows.size());
  divide(sums_after, c.rows.size());
  c.all = test(sums_before, sums_after);
  conclude(c, rule.pct);
  return c;
}

std::vector<std::string> unlike(const KeptRun& before, const KeptRun& after) {
  std::vector<std::string> all;
  for (const char* fact : kFacts) {
    const auto a = before.machine.find(fact), b = after.machine.find(fact);
    if (a == before.machine.end() || b == after.machine.end() || a->second == b->second) continue;
    all.push_back(fmt::format("{}: {}, and {}", fact, a->second, b->second));
  }
  return all;
}

std::string label(const std::string& line, const std::string& op) {
  if (line.empty()) return "all rows";
  const auto word = [&](std::size_t number) {
    std::size_t begin = 0;
    for (std::size_t i = 0; i < number && begin != std::string::npos; ++i)
      begin = line.find_first_not_of(' ', line.find(' ', begin));
    return begin == std::string::npos ? "" : line.substr(begin, line.find(' ', begin) - begin);
  };
  const std::size_t bar = line.find("| ");
  return fmt::format("{} {} {}{}", word(1), word(2), op,
                     bar == std::string::npos ? "" : ' ' + line.substr(bar + 2));
}

}  // namespace truenorm::bench
