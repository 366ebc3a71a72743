// What gnuplot is told to draw a plot.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "plot.h"

namespace truenorm::oracle::page {

/// A colour that the page's own takes the place of; gnuplot writes it as in_svg().
std::string placeholder(int colour);
std::string in_svg(int colour);
inline constexpr int kText = kColours + 1;  // the colour of texts

/// Those of the points that the plot's scales can show.
std::vector<std::pair<double, double>> drawable(const Plot&, const Series&);

/// Where it is drawn.
struct Terminal {
  std::string kind, options, title;  // no title: a page has caption and legend
  bool page() const { return title.empty(); }
};
Terminal page_terminal(const std::string& id);
Terminal file_terminal(const std::string& kind, const std::string& title);

std::string script(const Plot&, const Terminal&);

}  // namespace truenorm::oracle::page
