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
  std::vector<std::pair<double, double>> points;  // those that are not finite are left out
};

/// Lines over x, both from 0 on; or, where there are `bars`, one bar for each name.
struct Plot {
  std::string x_label, y_label;
  std::vector<Series> series;
  bool log_y = false;  // where the values span more than a decade; those of 0 are left out
  std::vector<std::pair<std::string, double>> bars;
  std::optional<double> limit;  // of bars: the edge of what is allowed

  /// There is something to draw.
  bool marks() const;
};

/// As many colours as the page has for series: var(--s1) and on. Later series begin again, dashed.
inline constexpr int kColours = 7;

struct Drawing {
  std::string svg;      // to stand in HTML; empty: there is none
  std::string problem;  // why there is none
};

/// `id` sets its ids apart from those of other plots of the page.
Drawing draw(const Plot&, const std::string& id);

}  // namespace truenorm::oracle::page
