#include "page.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "bench/time_text.h"
#include "figures.h"
#include "group.h"
#include "oracle/cli/support.h"

namespace truenorm::bench {
namespace {

namespace page = oracle::page;
using page::Cell;

/// The sum over all operations and layouts that has the most rows.
const Sum* whole(const std::vector<Sum>& sums) {
  const Sum* most = nullptr;
  for (const Sum& sum : sums)
    if (sum.op == "all" && sum.layout == "all" && (most == nullptr || sum.rows > most->rows))
      most = &sum;
  return most;
}

std::size_t bad_rows(const Report& r) {
  return static_cast<std::size_t>(
      std::count_if(r.rows.begin(), r.rows.end(), [](const Row& row) { return !row.measured; }));
}

std::string lede(const Report& r) {
  std::string text;
  if (!r.complete) text = "Interrupted: rows are missing. ";
  if (const std::size_t bad = bad_rows(r))
    text += bad == 1 ? "A row has no figure. " : fmt::format("{} rows have no figure. ", bad);
  const std::vector<Sum> sums = r.sums();
  const Sum* all = whole(sums);
  if (all == nullptr) return text + "Nothing has been measured.";
  if (all->geomean.empty()) return text + "Truenorm alone, beside the machine's copy.";
  std::string ratios;
  for (const auto& [peer, ratio] : all->geomean)
    ratios += fmt::format("{}{:.2f} times as fast as {}", ratios.empty() ? "" : ", ", ratio, peer);
  return text + fmt::format("Truenorm is {} (geometric means of {} rows, {}, {} {}).", ratios,
                            all->rows, all->dtype, all->threads,
                            all->threads == 1 ? "thread" : "threads");
}

class Writer {
 public:
  explicit Writer(const Report& report)
      : r_(report),
        page_("Truenorm benchmark", lede(report),
              bad_rows(report) > 0 ? page::Tone::bad : page::Tone::plain) {}

  std::string write() {
    facts();
    cautions();
    summary();
    figures();
    rows();
    machine();
    again();
    return page_.html();
  }

 private:
  void facts();
  void cautions();
  void summary();
  void figures();
  void rows();
  void machine();
  void again();

  const Report& r_;
  page::Page page_;
};

void Writer::facts() {
  std::vector<std::pair<std::string, std::string>> facts{
      {"rows", std::to_string(r_.rows.size())},
      {"noise floor", fmt::format("{:.1f} %", 100 * r_.noise_floor())}};
  if (const auto copy = r_.copy_gbps())
    facts.emplace_back("copy, largest tensor", fmt::format("{:.1f} GB/s", *copy));
  if (const auto middle = r_.interval_pct(0.5))
    facts.emplace_back("intervals, median", fmt::format("±{:.1f} %", *middle));
  facts.emplace_back("rounds", r_.sittings > 1
                                   ? fmt::format("{} sittings of {}", r_.sittings, r_.rounds)
                                   : std::to_string(r_.rounds));
  facts.emplace_back("disturbed", fmt::format("{:.0f} %", r_.disturbed_pct()));
  page_.facts(facts);
}

void Writer::cautions() {
  const std::vector<std::string> warnings = r_.warnings();
  if (!warnings.empty()) {
    page::Card card{page::Tone::bad, "caution", "these figures say little", {}};
    for (const std::string& line : warnings) card.fields.push_back({"", line});
    page_.card(card);
  }
  for (const Row& row : r_.rows)
    if (!row.measured)
      page_.card({page::Tone::bad,
                  "no figure",
                  fmt::format("{}, {}", row.shape, name(row.op)),
                  {{"verdict", row.verdict},
                   {"case", row.line, true},
                   {"run it again", bench::again(row, r_.peers), true}}});
}

void Writer::summary() {
  const std::vector<Sum> sums = r_.sums();
  if (r_.peers.empty() || sums.empty()) return;
  page_.section("Summary");
  page::Table table{
      {{"geomean"}, {"layout"}, {"dtype"}, {"threads", Cell::number}, {"rows", Cell::number}}, {}};
  for (const std::string& peer : r_.peers) table.columns.push_back({"/" + peer, Cell::number});
  for (const char* column : {"/better", "/own order", "minimum"})
    table.columns.push_back({column, Cell::number});
  table.columns.push_back({"of"});
  for (const Sum& sum : sums) {
    std::vector<std::string> cells{sum.op, sum.layout, sum.dtype, std::to_string(sum.threads),
                                   std::to_string(sum.rows)};
    for (const std::string& peer : r_.peers) {
      const auto it = sum.geomean.find(peer);
      cells.push_back(it == sum.geomean.end() ? "-" : fmt::format("{:.2f}", it->second));
    }
    for (const auto& value : {sum.geomean_best, sum.geomean_layout, sum.minimum})
      cells.push_back(figure_text(value, 2));
    cells.push_back(sum.minimum_shape);
    table.rows.push_back(std::move(cells));
  }
  page_.table(table);
  page_.paragraph(
      "Ratios are peer/truenorm: above 1, Truenorm is faster. better: the faster peer of each row; "
      "own order: the same, each peer in whichever layout it is faster. A minimum below 1 by less "
      "than the noise floor counts as 1. Rows of fewer than 16 channels innermost are left out.");
  const bool weighted =
      std::any_of(sums.begin(), sums.end(), [](const Sum& sum) { return sum.weighted; });
  if (weighted)
    page_.paragraph("A row counts as often as the network has BatchNorms that look like it.");
}

void Writer::figures() {
  for (const Chapter& chapter : chapters(r_)) {
    page_.section(chapter.heading);
    page_.paragraph(chapter.graphs.empty() ? chapter.absent : chapter.text);
    for (const Graph& graph : chapter.graphs) {
      page_.figure(graph.figure);
      page_.command(graph.again);
    }
  }
}

/// "1.53 ±2.1%"
std::string ratio_text(const Compared& c) {
  const auto pct = c.interval_pct();
  return fmt::format("{:.2f}", c.ratio) + (pct ? fmt::format(" ±{:.1f}%", *pct) : "");
}

void Writer::rows() {
  if (r_.rows.empty()) return;
  page_.section("Rows");
  page::Table table{{{"shape"},
                     {"op"},
                     {"layout"},
                     {"dtype"},
                     {"threads", Cell::number},
                     {"truenorm", Cell::number},
                     {"+-%", Cell::number}},
                    {}};
  for (const std::string& peer : r_.peers) table.columns.push_back({peer, Cell::number});
  for (const std::string& peer : r_.peers) table.columns.push_back({"/" + peer, Cell::number});
  for (const std::string& column : r_.others) {
    table.columns.push_back({column, Cell::number});
    for (const std::string& peer : r_.peers) table.columns.push_back({"/" + peer, Cell::number});
  }
  for (const char* column : {"GB/s", "roof%", "level", "A/A%"})
    table.columns.push_back({column, Cell::number});
  table.columns.push_back({"case", Cell::line});
  for (const Row& row : r_.rows) {
    std::vector<std::string> cells{
        row.shape, std::string(name(row.op)), std::string(oracle::name(row.layout)),
        std::string(oracle::name(row.dtype)), std::to_string(row.threads)};
    const auto add_ratios = [&](const std::string& column) {
      for (const std::string& peer : r_.peers) {
        const Against* a = ns_of(row, peer) ? &row.peers.at(peer) : nullptr;
        const Compared* c = a;
        if (a != nullptr && !column.empty()) {
          const auto it = a->others.find(column);
          c = it == a->others.end() ? nullptr : &it->second;
        }
        cells.push_back(c != nullptr ? ratio_text(*c) : "-");
      }
    };
    cells.push_back(row.measured ? time_text(row.ns) : "-");
    cells.push_back(row.measured ? fmt::format("{:.1f}", 100 * row.spread) : "-");
    for (const std::string& peer : r_.peers) {
      const auto ns = ns_of(row, peer);
      cells.push_back(ns ? time_text(*ns) : "-");
    }
    add_ratios("");
    for (const std::string& column : r_.others) {
      const auto it = row.others.find(column);
      cells.push_back(it == row.others.end() ? "-" : time_text(it->second));
      add_ratios(column);
    }
    const auto figure = [&](double value) {
      cells.push_back(row.measured ? fmt::format("{:.1f}", value) : "-");
    };
    figure(row.must_gbps);
    figure(row.roofline_pct);
    cells.push_back(name(row.level));
    figure(100 * (row.aa - 1));
    cells.push_back(row.line);
    table.rows.push_back(std::move(cells));
  }
  page_.table(table);
  page_.paragraph(
      "+-% is the interquartile range of Truenorm's times, A/A% what it differs from itself, roof% "
      "its speed over that of a copy of the same tensors.");
}

void Writer::machine() {
  const Machine& m = r_.machine;
  page_.section("Machine");
  page::Table table{{{"what"}, {"is"}}, {}};
  const auto add = [&](const char* what, std::string is) {
    if (!is.empty()) table.rows.push_back({what, std::move(is)});
  };
  add("processor", m.cpu);
  add("logical CPUs", std::to_string(m.logical_cpus));
  add("instruction set", m.isa);
  add("caches",
      fmt::format("L1 {}, L2 {}, L3 {}", bytes_text(static_cast<double>(m.l1)),
                  bytes_text(static_cast<double>(m.l2)), bytes_text(static_cast<double>(m.l3))));
  add("memory", bytes_text(static_cast<double>(m.memory)));
  add("system", m.os);
  add("compiler", m.compiler);
  add("flags", m.flags);
  add("frequency governor", m.governor.value_or("not known"));
  add("load when it began", m.load ? fmt::format("{:.1f}", *m.load) : "not known");
  add("commit", m.commit ? *m.commit + (m.dirty.value_or(false) ? ", files changed" : "") : "");
  for (const auto& [who, version] : r_.versions) add(who.c_str(), version);
  page_.table(table);
  page::Table copies{{{"copy in"},
                      {"threads", Cell::number},
                      {"rows", Cell::number},
                      {"GB/s", Cell::number},
                      {"truenorm %", Cell::number}},
                     {}};
  for (const LevelSum& level : r_.levels())
    copies.rows.push_back({name(level.level), std::to_string(level.threads),
                           std::to_string(level.rows), fmt::format("{:.1f}", level.copy_gbps),
                           fmt::format("{:.0f}", level.roofline_pct)});
  if (copies.rows.empty()) return;
  page_.section("The copy, by level of the memory");
  page_.table(copies);
}

void Writer::again() {
  page_.section("Run it again");
  page_.command(r_.command.empty() ? "./run bench" : r_.command);
  page_.paragraph(fmt::format(
      "Rounds are in an order of their own, from --seed {}. Below each figure stands the line for "
      "one of its rows; the tables have the cases of all.",
      r_.seed));
}

}  // namespace

std::string to_html(const Report& report) { return Writer(report).write(); }

std::size_t write_plots(const Report& report, const std::filesystem::path& folder) {
  std::size_t count = 0;
  for (const Chapter& chapter : chapters(report))
    for (const Graph& graph : chapter.graphs) {
      for (const page::Picture kind : {page::Picture::svg, page::Picture::png}) {
        const page::Drawing drawing = page::picture(graph.figure.plot, kind, graph.figure.caption);
        // A gnuplot without cairo has no PNG.
        if (!drawing.problem.empty() && kind == page::Picture::png) continue;
        if (!drawing.problem.empty())
          throw std::runtime_error(fmt::format("{}: {}", graph.name, drawing.problem));
        const char* end = kind == page::Picture::svg ? ".svg" : ".png";
        oracle::cli::OutputFile((folder / (graph.name + end)).string()).write(drawing.svg);
      }
      ++count;
    }
  return count;
}

}  // namespace truenorm::bench
