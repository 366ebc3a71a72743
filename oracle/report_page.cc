// The report as a page.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "page/page.h"
#include "report.h"
#include "words.h"

namespace truenorm::oracle {
namespace {

using page::Cell;

std::string score_text(double score) { return score < 0 ? "-" : fmt::format("{:.3f}", score); }

std::string percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? "-"
                    : fmt::format("{:.1f} %",
                                  100 * static_cast<double>(part) / static_cast<double>(whole));
}

/// 1,234,567
std::string grouped(std::uint64_t n) {
  std::string text = std::to_string(n);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::uint64_t sum_of(const Histogram& bins) {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : bins) sum += count;
  return sum;
}

class Writer {
 public:
  Writer(const Report& report, const Look& look)
      : r_(report),
        look_(look),
        all_(conclusions(report, look)),
        page_("Truenorm conform: " + report.subject, lede(), tone()) {}

  std::string write() {
    facts();
    verdicts();
    failures();
    scores();
    divergences();
    coverage();
    again();
    return page_.html();
  }

 private:
  std::string lede() const {
    std::string text;
    for (const Conclusion& c : all_) text += (text.empty() ? "" : ". ") + c.sentence();
    return text + ".";
  }

  page::Tone tone() const {
    using Kind = Conclusion::Kind;
    const auto has = [&](Kind kind) {
      return std::any_of(all_.begin(), all_.end(),
                         [kind](const Conclusion& c) { return c.kind == kind; });
    };
    return has(Kind::bad)    ? page::Tone::bad
           : has(Kind::good) ? page::Tone::good
                             : page::Tone::plain;
  }

  void facts();
  void verdicts();
  void causes();
  void failures();
  void cards(bool divergences, std::size_t most);
  void scores();
  void histogram(std::size_t output);
  void divergences();
  void coverage();
  void covered(const std::string& caption, const Counts&);
  void again();

  const Report& r_;
  const Look& look_;
  const std::vector<Conclusion> all_;
  page::Page page_;
};

void Writer::facts() {
  const Tally total = r_.total();
  std::vector<std::pair<std::string, std::string>> facts{
      {"cases", grouped(total.cases())},
      {"pass", grouped(total[Result::pass])},
      {"against " + r_.subject, grouped(total.against())},
      {"hollow", percent(total[Result::hollow], total.cases())},
      {"worst score of a pass", score_text(total.worst.score)},
      {"LibTorch", r_.subject == "libtorch" ? r_.subject_version
                   : r_.libtorch.empty()    ? "not played"
                                            : r_.libtorch},
      {"seed", std::to_string(r_.seed)},
      {"time", fmt::format("{:.1f} s", r_.seconds)},
      {"threads", std::to_string(r_.threads)}};
  if (r_.shards != std::vector<Shard>{Shard{}})
    facts.emplace_back("shards", r_.shards.size() == 1 ? shard_name(r_.shards.front())
                                                       : std::to_string(r_.shards.size()));
  page_.facts(facts);
  if (r_.out_of_time) page_.paragraph("The time limit ended the random cases.");
}

void Writer::verdicts() {
  page_.section("Verdicts by area");
  page::Table table{{{"area"}, {"cases", Cell::number}}, {}};
  for (std::size_t i = 0; i < kResults; ++i)
    table.columns.push_back({std::string(name(static_cast<Result>(i))), Cell::number});
  table.columns.push_back({"worst", Cell::number});
  const auto row = [&](const std::string& area, const Tally& tally) {
    std::vector<std::string> cells{area, grouped(tally.cases())};
    for (const std::uint64_t count : tally.results) cells.push_back(grouped(count));
    cells.push_back(score_text(tally.worst.score));
    table.rows.push_back(std::move(cells));
  };
  for (const auto& [area, tally] : r_.areas) row(area, tally);
  row("all", r_.total());
  page_.table(table);
  page_.paragraph(
      "pass: every element lies in its ball, whose radius is derived, not chosen. hollow: passed, "
      "but "
      "proves nothing, for the balls are too wide or there is nothing to compare. worst: the "
      "largest "
      "|got - want| / radius of a pass; 1 is the edge of what the bound allows.");
  causes();
  page::Table worst{{{"worst of"}, {"score", Cell::number}, {"case", Cell::code}}, {}};
  for (const auto& [area, tally] : r_.areas)
    if (tally.worst.score >= 0)
      worst.rows.push_back({area, score_text(tally.worst.score), tally.worst.line});
  if (!worst.rows.empty()) page_.table(worst);
}

void Writer::causes() {
  page::Table table{{{"verdict"}, {"cause"}, {"cases", Cell::number}}, {}};
  const auto rows = [&](const char* verdict, const Counts& counts) {
    for (const auto& [cause, count] : ranked(counts))
      table.rows.push_back({verdict, cause, grouped(count)});
  };
  rows("hollow", r_.hollow);
  rows("skipped", r_.skipped);
  rows("LibTorch not compared", r_.not_compared);
  if (!table.rows.empty()) page_.table(table);
}

void Writer::failures() {
  const Tally total = r_.total();
  page_.section("Verdicts against " + r_.subject);
  if (total.against() == 0) page_.paragraph("None.");
  cards(false, look_.shown);
  if (r_.libtorch.empty()) return;
  page_.section("New divergences of LibTorch");
  if (r_.rival.fresh == 0) page_.paragraph("None: whatever LibTorch did otherwise is listed.");
  cards(true, look_.shown);
}

/// The fields of the line that matter to the failure, or those that do not.
std::string fields(const std::vector<FieldEffect>& effects, bool matter) {
  std::string list;
  for (const FieldEffect& e : effects)
    if (e.known() && e.matters() == matter) list += (list.empty() ? "" : ", ") + e.field;
  return list;
}

void Writer::cards(bool divergences, std::size_t most) {
  const auto chosen = chosen_failures(r_, divergences, most);
  const auto all = static_cast<std::size_t>(
      std::count_if(r_.failures.begin(), r_.failures.end(),
                    [&](const Failure& f) { return f.divergence == divergences; }));
  if (chosen.size() == most && chosen.size() < all)
    page_.paragraph(fmt::format("{} lines of {} verdicts, one of each kind first.", most, all));
  else if (chosen.size() < all)
    page_.paragraph(
        fmt::format("{} verdicts come down to {}.", all, plural(chosen.size(), "line", "lines")));
  for (const Failure* f : chosen)
    page_.card({divergences && look_.allow_new_divergences ? page::Tone::plain : page::Tone::bad,
                std::string(name(f->result)),
                fmt::format("{}, in {}", f->reason, f->area),
                {{f->shrunk ? "smallest case" : "case, as it was met", f->line, true},
                 {"what is wrong", f->detail},
                 {"who is right", f->opinion},
                 {"run it again", f->command, true},
                 {"what matters", fields(f->effects, true)},
                 {"what does not matter", fields(f->effects, false)},
                 {"met as", f->found == f->line ? "" : f->found, true},
                 {"stands in", f->where, true}}});
}

void Writer::scores() {
  page_.section("Scores");
  page_.paragraph(
      "How near a case that passed came to the bound in one kind of output: |got - want| / radius "
      "of "
      "its worst element, each by the balls of its own contract. 1 is the edge of what is allowed. "
      "Scores that crowd near 1 are no worse than others; a kind of output without any says that "
      "its "
      "bound is loose.");
  page::Figure worst;
  worst.caption = "Worst score of a pass by output, " + r_.subject;
  worst.plot.x_label = "score";
  worst.plot.limit = 1;
  worst.table.columns = {{"output"}, {"score", Cell::number}, {"case", Cell::code}};
  for (std::size_t i = 0; i < kOutputs; ++i) {
    const Peak& peak = r_.outputs[i];
    if (peak.score < 0) continue;
    const std::string output(name(static_cast<Output>(i)));
    worst.plot.bars.emplace_back(output, peak.score);
    worst.table.rows.push_back({output, score_text(peak.score), peak.line});
  }
  page_.figure(worst);
  for (std::size_t i = 0; i < kOutputs; ++i) histogram(i);
}

/// The passes of both players by score: their shares, for they need not have passed the same cases.
void Writer::histogram(std::size_t output) {
  page::Figure f;
  f.caption = fmt::format("Scores of {}", name(static_cast<Output>(output)));
  f.plot.x_label = "percent";
  f.plot.y_label = "score";
  f.table.columns = {{"score"}};
  const auto show = [&](const std::string& player, const Histogram& bins, int colour) {
    const std::uint64_t whole = sum_of(bins);
    if (whole == 0) return;
    page::Series series{player};
    series.colour = colour;
    for (std::size_t bin = 0; bin < kScoreBins; ++bin)
      if (bins[bin] > 0)
        series.points.emplace_back(
            100 * static_cast<double>(bins[bin]) / static_cast<double>(whole), bin);
    f.plot.series.push_back(std::move(series));
    f.table.columns.push_back({player, Cell::number});
    f.table.columns.push_back({"share", Cell::number});
  };
  const Histogram &mine = r_.scores[output], &theirs = r_.rival.scores[output];
  show(r_.subject, mine, 1);
  show("libtorch", theirs, 2);
  if (f.plot.series.empty()) return;
  for (std::size_t bin = 0; bin < kScoreBins; ++bin) {
    f.plot.rows.push_back(score_bin_name(bin));
    std::vector<std::string> cells{score_bin_name(bin)};
    for (const Histogram* bins : {&mine, &theirs})
      if (const std::uint64_t whole = sum_of(*bins); whole > 0) {
        cells.push_back(grouped((*bins)[bin]));
        cells.push_back(percent((*bins)[bin], whole));
      }
    f.table.rows.push_back(std::move(cells));
  }
  page_.figure(f);
}

void Writer::divergences() {
  if (r_.libtorch.empty() && r_.rival.known.empty()) return;
  page_.section("Known divergences of LibTorch");
  const Rival& rival = r_.rival;
  if (!r_.libtorch.empty())
    page_.paragraph(fmt::format(
        "LibTorch {} plays the same cases and is judged by its own balls: {} agree, {}, {} "
        "new, {} not compared.",
        r_.libtorch, grouped(rival.agreed),
        plural(rival.known_total(), "known divergence", "known divergences"), grouped(rival.fresh),
        grouped(rival.skipped)));
  for (const auto& [id, count] : ranked(rival.known)) {
    page::Card card;
    card.badge = grouped(count);
    card.title = id;
    if (const auto it = r_.explained.find(id); it != r_.explained.end())
      card.fields = {{"cause", it->second.cause},
                     {"who is right", it->second.right},
                     {"see it", "./run explain " + shell_word(it->second.line), true}};
    page_.card(card);
  }
}

void Writer::coverage() {
  page_.section("What was covered");
  page_.paragraph("Cases of each class of inputs; a case is of many classes.");
  const auto of = [&](const std::string& area) {
    Counts counts;
    for (const auto& [key, count] : r_.census)
      if (key.first == area) counts[key.second] = count;
    return counts;
  };
  for (const auto& [caption, area] : {std::pair{"Data types", "dtype"},
                                      {"Memory layouts of x", "layout"},
                                      {"Steps", "step"},
                                      {"Ranks", "rank"},
                                      {"Elements of x", "elements"}})
    covered(caption, of(area));
  covered("Instruction sets asked for", r_.isas);
  covered("Threads asked for", r_.thread_counts);

  std::map<std::string, std::pair<std::string, std::string>> areas;  // met and never met
  for (const auto& [key, count] : r_.census) {
    auto& [met, never] = areas[key.first];
    std::string& list = count > 0 ? met : never;
    list += fmt::format("{}{}{}", list.empty() ? "" : " · ", key.second,
                        count > 0 ? " " + grouped(count) : "");
  }
  page::Table table{{{"classes"}, {"met, with their cases"}, {"never met"}}, {}};
  for (const auto& [area, lists] : areas)
    table.rows.push_back({area, lists.first, lists.second.empty() ? "-" : lists.second});
  if (!table.rows.empty()) page_.table(table);
}

void Writer::covered(const std::string& caption, const Counts& counts) {
  if (counts.empty()) return;
  page::Figure f;
  f.caption = caption;
  f.plot.x_label = "cases";
  f.table.columns = {{"class"}, {"cases", Cell::number}, {"share", Cell::number}};
  const std::uint64_t whole = r_.total().cases();
  for (const auto& [name, count] : counts) {
    f.plot.bars.emplace_back(name, static_cast<double>(count));
    f.table.rows.push_back({name, grouped(count), percent(count, whole)});
  }
  page_.figure(f);
}

void Writer::again() {
  const bool whole = r_.shards.size() == 1 && r_.shards.front() == Shard{};
  std::uint64_t cases = r_.random_cases;
  page_.section("Again");
  if (r_.out_of_time) {
    // The random cases stand last, and their first ones were played.
    if (!whole || r_.areas.empty()) {
      page_.paragraph("The time limit decided which random cases were played.");
      return;
    }
    cases = r_.areas.back().second.cases();
  }
  page_.paragraph("The same cases and the same verdicts, on any machine:");
  std::string command = "./run conform";
  if (r_.subject != "truenorm") command += " --subject " + shell_word(r_.subject);
  command += fmt::format(" --seed {} --cases {}", r_.seed, cases);
  if (r_.libtorch.empty() && r_.subject != "libtorch") command += " --players subject";
  if (!whole && r_.shards.size() == 1) command += " --shard " + shard_name(r_.shards.front());
  page_.command(command);
}

}  // namespace

std::string to_html(const Report& report, const Look& look) { return Writer(report, look).write(); }

}  // namespace truenorm::oracle
