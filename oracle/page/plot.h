// Plots as SVG for a page, drawn by gnuplot where it is installed. Colours are the page's variables,
// so that a plot is right in light and dark; the legend is the page's.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace truenorm::oracle::page {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points{};  // those that are not finite are left out
  std::vector<std::pair<double, double>>
      intervals{};         // of rows: low and high of each point, or none
  bool scattered = false;  // marks, and no line
  int colour = 0;          // of kColours from 1 on; 0: by its place
};

enum class Scale {
  linear,  // from 0 on
  powers,  // of two
  bytes,   // powers of two, with Ki and Mi
};

/// Lines or marks over x; where there are `rows`, a bar of each series for each row; or, where there
/// are `bars`, one bar for each name.
struct Plot {
  std::string x_label, y_label;
  std::vector<Series> series;
  bool log_y = false;  // where the values span more than a decade; those of 0 are left out
  std::vector<std::pair<std::string, double>> bars{};
  std::optional<double> limit{};  // of what is allowed: of bars and rows an x, of lines a y
  bool y_near = false;            // y is around the values, not from 0 on
  Scale x_scale = Scale::linear;  // but for linear, x of 0 are left out
  std::vector<std::string>
      rows{};  // names; a point is then (value, row), its bar begins at the limit
  std::vector<std::pair<std::string, double>> borders{};  // of lines: an x with its name

  /// There is something to draw.
  bool marks() const;
};

/// As many colours as the page has for series: var(--s1) and on. Later series begin again, dashed.
inline constexpr int kColours = 7;

struct Drawing {
  std::string svg;      // to stand in HTML, or a file's bytes; empty: there is none
  std::string problem;  // why there is none
};

/// 1 to kColours, of the series at this place.
int colour_of(const Plot&, std::size_t series);

/// `id` sets its ids apart from those of other plots of the page.
Drawing draw(const Plot&, const std::string& id);

enum class Picture { svg, png };

/// The bytes of a file of its own, dark on white, with a title and a legend.
Drawing picture(const Plot&, Picture, const std::string& title);

}  // namespace truenorm::oracle::page
