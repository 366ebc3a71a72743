#include "report.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace truenorm::oracle {

std::uint64_t Tally::cases() const {
  return std::accumulate(results.begin(), results.end(), std::uint64_t{0});
}

void Tally::add(const Tally& other) {
  for (std::size_t i = 0; i < kResults; ++i) results[i] += other.results[i];
  if (other.worst.score >= 0 && worst.improves(other.worst.score, other.worst.index))
    worst = other.worst;
}

std::uint64_t Rival::known_total() const {
  std::uint64_t sum = 0;
  for (const auto& [id, count] : known) sum += count;
  return sum;
}

namespace {

void add_to(Histograms& to, const Histograms& from) {
  for (std::size_t i = 0; i < kOutputs; ++i)
    for (std::size_t bin = 0; bin < kScoreBins; ++bin) to[i][bin] += from[i][bin];
}

}  // namespace

std::size_t score_bin(double score) {
  if (score <= 0) return 0;
  std::size_t bin = kScoreBins - 1;
  for (double edge = 0.5; bin > 1 && score <= edge; edge /= 2) --bin;
  return bin;
}

std::string score_bin_name(std::size_t bin) {
  if (bin == 0) return "0";
  const std::size_t halvings = kScoreBins - 1 - bin;
  return halvings == 0 ? "to 1" : fmt::format("to 1/{}", std::size_t{1} << halvings);
}

void Rival::add(const Rival& other) {
  agreed += other.agreed;
  skipped += other.skipped;
  fresh += other.fresh;
  oracle::add(known, other.known);
  add_to(scores, other.scores);
}

void add(Counts& to, const Counts& from) {
  for (const auto& [key, count] : from) to[key] += count;
}

void sort_failures(Report& report) {
  // One case may have two entries, one against each player: the subject's first.
  std::stable_sort(report.failures.begin(), report.failures.end(),
                   [](const Failure& a, const Failure& b) {
                     return std::pair(a.index, a.divergence) < std::pair(b.index, b.divergence);
                   });
}

std::vector<const Failure*> chosen_failures(const Report& report, bool divergences,
                                            std::size_t most) {
  std::vector<const Failure*> chosen;
  std::set<std::string> lines;
  for (const bool shrunk : {true, false})
    for (const Failure& f : report.failures)
      if (f.divergence == divergences && f.shrunk == shrunk && chosen.size() < most &&
          lines.insert(f.line).second)
        chosen.push_back(&f);
  std::stable_sort(chosen.begin(), chosen.end(),
                   [](const Failure* a, const Failure* b) { return a->index < b->index; });
  return chosen;
}

Tally Report::total() const {
  Tally sum;
  for (const auto& [name, tally] : areas) sum.add(tally);
  return sum;
}

bool Report::conclusive() const {
  const Tally sum = total();
  return sum[Result::pass] > 0 || sum.against() > 0;
}

bool Report::all_good(bool allow_new_divergences) const {
  return conclusive() && total().against() == 0 && (allow_new_divergences || rival.fresh == 0);
}

Tally& Report::area(std::string_view name) {
  for (auto& [known, tally] : areas)
    if (known == name) return tally;
  return areas.emplace_back(name, Tally{}).second;
}

std::string shard_name(const Shard& s) {
  return fmt::format("{}/{}", s.index == 0 ? s.count : s.index, s.count);
}

std::string missing_shards(const Report& report) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 20;
  constexpr std::size_t kShown = 8;
  // All shards as parts of the finest division.
  std::uint64_t parts = 1;
  for (const Shard& s : report.shards) {
    const std::uint64_t factor = s.count / std::gcd(parts, s.count);
    if (factor > kMost / parts) return "more than can be named";
    parts *= factor;
  }
  std::vector<bool> there(parts, false);
  for (const Shard& s : report.shards)
    for (std::uint64_t i = s.index; i < parts; i += s.count) there[i] = true;
  std::string text;
  std::size_t missing = 0;
  for (std::uint64_t i = 1; i <= parts; ++i) {
    if (there[i % parts]) continue;
    if (missing++ < kShown)
      text += fmt::format("{}{}", text.empty() ? "" : " ", shard_name({i % parts, parts}));
  }
  if (missing > kShown) text += fmt::format(" and {} more", missing - kShown);
  return text;
}

void absorb(Report& to, const Report& from) {
  for (const auto& [name, tally] : from.areas) to.area(name).add(tally);
  add(to.hollow, from.hollow);
  add(to.skipped, from.skipped);
  add(to.not_compared, from.not_compared);
  for (std::size_t i = 0; i < kOutputs; ++i) {
    const Peak& peak = from.outputs[i];
    if (peak.score >= 0 && to.outputs[i].improves(peak.score, peak.index)) to.outputs[i] = peak;
  }
  add_to(to.scores, from.scores);
  to.rival.add(from.rival);
  to.explained.insert(from.explained.begin(), from.explained.end());
  add(to.isas, from.isas);
  add(to.thread_counts, from.thread_counts);
  for (const auto& [key, count] : from.census) to.census[key] += count;
  to.failures.insert(to.failures.end(), from.failures.begin(), from.failures.end());
}

std::string plural(std::uint64_t n, const char* one, const char* many) {
  return fmt::format("{} {}", n, n == 1 ? one : many);
}

std::vector<std::pair<std::string, std::uint64_t>> ranked(const Counts& counts) {
  std::vector<std::pair<std::string, std::uint64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return sorted;
}

std::vector<Conclusion> conclusions(const Report& r, const Look& look) {
  using enum Conclusion::Kind;
  std::vector<Conclusion> all;
  const Tally total = r.total();
  const std::string missing = look.whole ? missing_shards(r) : std::string();
  if (r.interrupted)
    all.push_back({"interrupted", "the counts are of the cases played so far", bad});
  if (!missing.empty())
    all.push_back({"INCOMPLETE", "not the whole run, shards are missing: " + missing, bad});
  if (r.rival.fresh > 0)
    all.push_back(
        {"NEW", plural(r.rival.fresh, "divergence", "divergences") + " of LibTorch, listed nowhere",
         look.allow_new_divergences ? plain : bad});
  const std::string cases = plural(total.cases(), "case", "cases");
  if (!r.conclusive())
    all.push_back(
        {r.interrupted ? "no result" : "FAIL",
         fmt::format("nothing is shown: {} passed none of {}, and every verdict is hollow "
                     "or skipped",
                     r.subject, cases),
         bad});
  else if (total.against() > 0)
    all.push_back(
        {"FAIL",
         fmt::format("{} {} in {}", plural(total.against(), "verdict against", "verdicts against"),
                     r.subject, cases),
         bad});
  else if (r.interrupted || !missing.empty() || !r.all_good(look.allow_new_divergences))
    all.push_back({"", fmt::format("no verdict against {} in {}", r.subject, cases), plain});
  else
    all.push_back({"PASS", fmt::format("no verdict against {} in {}", r.subject, cases), good});
  return all;
}

namespace {

/// Throws unless both reports are of the same run.
void require_same_run(const std::string& name, const Report& a, const std::string& other,
                      const Report& b) {
  auto same = [&](std::string_view what, const auto& x, const auto& y) {
    if (!(x == y))
      throw ReportError(
          fmt::format("{} and {} are not of one run: {} {} and {}", name, other, what, x, y));
  };
  same("subject", a.subject, b.subject);
  same("subject version", a.subject_version, b.subject_version);
  same("LibTorch", a.libtorch, b.libtorch);
  same("seed", a.seed, b.seed);
  same("random cases", a.random_cases, b.random_cases);
  for (const Shard& s : a.shards)
    for (const Shard& t : b.shards) {
      const std::uint64_t common = std::gcd(s.count, t.count);
      if (s.index % common == t.index % common)
        throw ReportError(fmt::format("{} (shard {}) and {} (shard {}) hold the same cases", name,
                                      shard_name(s), other, shard_name(t)));
    }
}

}  // namespace

Report merge(const std::vector<std::pair<std::string, Report>>& named) {
  if (named.empty()) throw ReportError("no reports to merge");
  for (std::size_t i = 0; i < named.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      require_same_run(named[j].first, named[j].second, named[i].first, named[i].second);
  Report sum = named.front().second;
  for (std::size_t i = 1; i < named.size(); ++i) {
    const Report& from = named[i].second;
    absorb(sum, from);
    sum.shards.insert(sum.shards.end(), from.shards.begin(), from.shards.end());
    sum.interrupted |= from.interrupted;
    sum.out_of_time |= from.out_of_time;
    sum.threads += from.threads;
    sum.seconds += from.seconds;  // shards run side by side or one after the other, nobody knows:
                                  // the time is the work's
  }
  sort_failures(sum);
  std::sort(sum.shards.begin(), sum.shards.end(), [](const Shard& a, const Shard& b) {
    return std::pair(a.count, a.index) < std::pair(b.count, b.index);
  });
  return sum;
}

}  // namespace truenorm::oracle
