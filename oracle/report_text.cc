// The report for people: the failures first, then one table, and the verdict last, where the eye is
// when the run ends.
#include <fmt/format.h>

#include <algorithm>

#include "report.h"

namespace truenorm::oracle {
namespace {

class Writer {
 public:
  Writer(const Report& report, const Look& look) : r_(report), look_(look) {}

  std::string write() {
    // LibTorch's share of what is shown is what the subject leaves of it.
    const std::size_t shown = failures(false, look_.shown);
    failures(true, std::max<std::size_t>(look_.shown - shown, 5));
    heading();
    table();
    worst();
    libtorch();
    causes("hollow", "passed, but proves nothing: balls too wide, or nothing to compare; by output",
           r_.hollow);
    causes("skipped", fmt::format("{} does not take them", r_.subject), r_.skipped);
    census();
    verdict();
    return std::move(out_);
  }

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    out_ += fmt::format(format, std::forward<Args>(args)...) + "\n";
  }

  std::string paint(const char* code, const std::string& text) const {
    return look_.colour ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
  }
  std::string good(const std::string& text) const { return paint("32", text); }
  std::string bad(const std::string& text) const { return paint("31;1", text); }
  std::string bold(const std::string& text) const { return paint("1", text); }

  /// "a 12 · b 7 · 3 more", the frequent first.
  static std::string ranking(const Counts& counts, std::size_t most) {
    const auto sorted = ranked(counts);
    std::string text;
    for (std::size_t i = 0; i < sorted.size() && i < most; ++i)
      text += fmt::format("{}{} {}", i > 0 ? " · " : "", sorted[i].first, sorted[i].second);
    if (sorted.size() > most) text += fmt::format(" · {} more causes", sorted.size() - most);
    return text;
  }

  static std::uint64_t sum(const Counts& counts) {
    std::uint64_t n = 0;
    for (const auto& [key, count] : counts) n += count;
    return n;
  }

  std::size_t failures(bool divergences, std::size_t most);
  void heading();
  void table();
  void row(const std::string& name, const Tally&);
  void worst();
  void libtorch();
  void causes(const char* what, const std::string& meaning, const Counts&);
  void census();
  void verdict();

  const Report& r_;
  const Look& look_;
  std::string out_;
};

/// How many were shown.
std::size_t Writer::failures(bool divergences, std::size_t most) {
  const std::vector<const Failure*> chosen = chosen_failures(r_, divergences, most);
  const auto all = static_cast<std::uint64_t>(
      std::count_if(r_.failures.begin(), r_.failures.end(),
                    [divergences](const Failure& f) { return f.divergence == divergences; }));
  if (all == 0) return 0;
  const std::string what =
      divergences ? plural(all, "new divergence of LibTorch", "new divergences of LibTorch")
                  : plural(all, "verdict against ", "verdicts against ") + r_.subject;
  line("{}{}", bold(what),
       chosen.size() < all ? fmt::format("; {} of them, one of each kind first", chosen.size())
                           : "");
  for (const Failure* f : chosen) {
    line("\n  {}  {}", bad(std::string(name(f->result))), f->line);
    line("        {}", f->detail);
    line("        {}", f->opinion);
    line("        {}", f->command);
    if (!f->effects.empty()) out_ += effects_text(f->effects, "        ");
  }
  line("");
  return chosen.size();
}

void Writer::heading() {
  const Tally total = r_.total();
  std::string who = r_.subject;
  if (!r_.subject_version.empty()) who += " " + r_.subject_version;
  line("{} judged by the exact reference{}", bold(who),
       r_.libtorch.empty() ? "" : ", LibTorch " + r_.libtorch + " beside it");
  std::string shards;
  if (r_.shards != std::vector<Shard>{Shard{}})
    for (const Shard& s : r_.shards)
      shards += fmt::format("{}{}", shards.empty() ? ", shard " : " ", shard_name(s));
  line("seed {}{}, {} in {:.1f} s: {:.0f} a second on {}", r_.seed, shards,
       plural(total.cases(), "case", "cases"), r_.seconds,
       r_.seconds > 0 ? static_cast<double>(total.cases()) / r_.seconds : 0.0,
       plural(r_.threads, "thread", "threads"));
  if (r_.out_of_time) line("the time limit ended the random cases");
  line("");
}

void Writer::row(const std::string& name, const Tally& t) {
  const std::string score = t.worst.score >= 0 ? fmt::format("{:.3f}", t.worst.score) : "-";
  // Padded before it is painted: escape codes have no width.
  auto red = [&](Result result) {
    const std::string cell = fmt::format("{:>8}", t[result]);
    return t[result] > 0 ? bad(cell) : cell;
  };
  line("  {:<18}{:>8}{:>8}{}{:>8}{:>9}{}{}{:>8}", name, t.cases(), t[Result::pass],
       red(Result::fail), t[Result::hollow], t[Result::skipped], red(Result::crash),
       red(Result::timeout), score);
}

void Writer::table() {
  line("  {:<18}{:>8}{:>8}{:>8}{:>8}{:>9}{:>8}{:>8}{:>8}", "area", "cases", "pass", "fail",
       "hollow", "skipped", "crash", "timeout", "worst");
  for (const auto& [area, tally] : r_.areas) row(area, tally);
  row("all", r_.total());
  line("");
}

void Writer::worst() {
  std::string scores;
  for (std::size_t i = 0; i < kOutputs; ++i)
    if (r_.outputs[i].score >= 0)
      scores += fmt::format("{}{} {:.3f}", scores.empty() ? "" : " · ",
                            name(static_cast<Output>(i)), r_.outputs[i].score);
  if (scores.empty()) return;
  line("  worst score of a pass, |got - want| / radius, by output: {}", scores);
  line("  and by area:");
  for (const auto& [area, tally] : r_.areas)
    if (tally.worst.score >= 0) line("    {:.3f} {}", tally.worst.score, tally.worst.line);
  line("");
}

void Writer::libtorch() {
  const Rival& rival = r_.rival;
  if (r_.libtorch.empty()) {
    if (!rival.known.empty())
      line("  of these listed divergences of LibTorch: {}", ranking(rival.known, 12));
    return;
  }
  line("  LibTorch {}: {} agree, {}, {}, {} not compared", r_.libtorch, rival.agreed,
       plural(rival.known_total(), "known divergence", "known divergences"),
       rival.fresh > 0 ? bad(fmt::format("{} new", rival.fresh)) : "0 new", rival.skipped);
  if (!rival.known.empty()) line("    known: {}", ranking(rival.known, 12));
  if (!r_.not_compared.empty()) line("    not compared: {}", ranking(r_.not_compared, 5));
}

void Writer::causes(const char* what, const std::string& meaning, const Counts& counts) {
  const std::uint64_t n = sum(counts), cases = r_.total().cases();
  if (n == 0) return;
  line("  {}: {} ({:.1f} %), {}: {}", what, n,
       100 * static_cast<double>(n) / static_cast<double>(cases), meaning, ranking(counts, 5));
}

void Writer::census() {
  if (r_.census.empty()) return;
  std::map<std::string, std::pair<std::size_t, std::size_t>> met;  // of all
  Counts never;
  for (const auto& [key, count] : r_.census) {
    auto& [some, all] = met[key.first];
    some += count > 0;
    ++all;
    if (count == 0) ++never[key.first + " " + key.second];
  }
  if (look_.census) {
    line("\n  classes of cases, and how many cases were of each:");
    for (const auto& [area, of] : met) {
      Counts counts;
      for (const auto& [key, count] : r_.census)
        if (key.first == area) counts[key.second] = count;
      line("    {}: {}", area, ranking(counts, counts.size()));
    }
    return;
  }
  std::string text;
  for (const auto& [area, of] : met)
    text += fmt::format("{}{} {}/{}", text.empty() ? "" : " · ", area, of.first, of.second);
  line("  classes of cases met: {}", text);
  if (!never.empty()) {
    std::string names;
    std::size_t shown = 0;
    for (const auto& [name, one] : never)
      if (shown++ < 8) names += (names.empty() ? "" : ", ") + name;
    line("    never met: {}{}", names,
         never.size() > 8 ? fmt::format(" and {} more", never.size() - 8) : "");
  }
}

void Writer::verdict() {
  line("");
  for (const Conclusion& c : conclusions(r_, look_)) {
    const std::string word = c.kind == Conclusion::Kind::good  ? good(c.word)
                             : c.kind == Conclusion::Kind::bad ? bad(c.word)
                                                               : c.word;
    line("{}{}{}", word, c.word.empty() ? "" : ": ", c.text);
  }
}

}  // namespace

std::string to_text(const Report& report, const Look& look) { return Writer(report, look).write(); }

}  // namespace truenorm::oracle
