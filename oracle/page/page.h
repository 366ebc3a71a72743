// One self-contained HTML page: a skeleton, one style for light and dark, phone and desk, and the
// parts that reports are made of. No script, no network, no other file.
//
//   page::Page page("Truenorm fuzz: truenorm", "Nothing was found in 8:00:00.");
//   page.facts({{"executions", "1,234,567"}});
//   page.section("Coverage");
//   page.figure({"Edges reached over time", plot, table});
//   file.write(page.html());
//
// Every text that a function takes is plain: the page escapes it. A figure is a plot (plot.h) with a
// table beside it that says the same in numbers; where gnuplot is not installed, the page says so
// and shows the table alone.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plot.h"

namespace truenorm::oracle::page {

/// What is not UTF-8 becomes U+FFFD, and a control character its picture (U+2400 and on); line feeds
/// stay.
std::string printable(std::string_view text);

/// Plain text as HTML, for elements and quoted attributes; what is not printable as by printable().
std::string escape(std::string_view text);

/// How a column is set.
enum class Cell {
  text,
  number,  // to the right, digits of one width
  code,    // a line to copy: wraps anywhere
  line,    // the same in a table of many rows: does not wrap
};

struct Column {
  std::string name;
  Cell cell = Cell::text;
};

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;  // as many cells as there are columns, or fewer
};

struct Figure {
  std::string caption;
  Plot plot;
  Table table;
};

enum class Tone { plain, good, bad };

/// Something to look at, such as a failure.
struct Card {
  Tone tone = Tone::plain;
  std::string badge, title;
  struct Field {
    std::string label, text;
    bool code = false;
  };
  std::vector<Field> fields;  // those without text are left out
};

class Page {
 public:
  Page(std::string title, std::string lede, Tone = Tone::plain);

  void section(std::string_view heading);
  void paragraph(std::string_view text);
  void command(std::string_view text);  // to copy into a shell
  void facts(const std::vector<std::pair<std::string, std::string>>& name_and_value);
  void table(const Table&);
  void card(const Card&);
  void figure(const Figure&);

  std::string html() const;

 private:
  std::string title_, body_;
  bool open_ = false;  // a section
  int figures_ = 0;
};

}  // namespace truenorm::oracle::page
