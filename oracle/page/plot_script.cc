#include "plot_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

namespace truenorm::oracle::page {
namespace {

constexpr int kWidth = 480, kHeight = 300, kFont = 15;  // legible at the width of a phone
constexpr double kInfinity = std::numeric_limits<double>::infinity();

using Point = std::pair<double, double>;

/// In quotes for a script of gnuplot's: letters that mean nothing there, no more than a plot has room
/// for.
std::string quoted(const std::string& text, std::size_t most = 16) {
  std::string safe = "'";
  for (const char c : text.substr(0, most)) {
    const bool harmless = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') ||
                          std::string_view("_ .,:/()+-").find(c) != std::string_view::npos;
    safe += harmless ? c : '?';
  }
  return safe + "'";
}

struct Range {
  double low = kInfinity, high = -kInfinity;
  void hold(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool holds(double value) const { return value >= low && value <= high; }
  /// From 0, and never empty.
  std::string from_zero(double margin) const {
    return fmt::format("[0:{}]", high > 0 ? high * margin : 1);
  }
};

/// An x axis from 0 on, with no more numbers than there is room for.
std::string plain_x_axis(Range x) {
  constexpr double kNames = 6;
  const double end = x.high > 0 ? 1.05 * x.high : 1;
  double step = std::pow(10, std::floor(std::log10(end / kNames)));
  for (const double times : {2.0, 2.5, 2.0})  // 1, 2, 5, 10
    if (end / step > kNames) step *= times;
  return fmt::format("set xrange [0:{}]\nset xtics {}\nset format x '{}'\n", end, step,
                     step >= 1000 ? "%.0s%c" : "%g");
}

std::string head(const Plot& plot, const Terminal& terminal, int height) {
  std::string text = fmt::format(
      "set encoding utf8\nset terminal {} size {},{} {}\n"
      "set border 3\nset tics nomirror\nset grid\nset xlabel {}\nset ylabel {}\n",
      terminal.kind, kWidth * (terminal.kind == "svg" ? 1 : 2),
      height * (terminal.kind == "svg" ? 1 : 2), terminal.options, quoted(plot.x_label),
      quoted(plot.y_label));
  if (terminal.page()) return text + "unset key\n";
  return text + fmt::format("set title {}\nset key outside bottom center horizontal\n",
                            quoted(terminal.title, 60));
}

std::string power_name(Scale scale, int power) {
  if (scale != Scale::bytes || power < 0) return fmt::format("{:g}", std::ldexp(1.0, power));
  constexpr const char* kUnits[] = {"", "Ki", "Mi", "Gi", "Ti"};
  const int unit = std::min(power / 10, 4);
  return fmt::format("{}{}", 1 << std::min(power - 10 * unit, 30), kUnits[unit]);
}

/// An axis of powers of two that ends at powers, with no more names than there is room for.
std::string power_axis(Scale scale, Range x, const char* axis) {
  constexpr int kNames = 6;
  int low = static_cast<int>(std::floor(std::log2(x.low)));
  int high = static_cast<int>(std::ceil(std::log2(x.high)));
  if (low == high) --low, ++high;
  const int step = (high - low + kNames - 1) / kNames;
  std::string tics;
  for (int power = low; power <= high; power += step)
    tics += fmt::format("{}'{}' {}", tics.empty() ? "" : ", ", power_name(scale, power),
                        std::ldexp(1.0, power));
  return fmt::format("set logscale {0} 2\nset {0}range [{1}:{2}]\nset {0}tics ({3})\n", axis,
                     std::ldexp(0.999, low), std::ldexp(1.001, high), tics);
}

/// Of a plot of lines. Few decades have names at 1, 2 and 5.
std::string y_axis(const Plot& plot, Range y) {
  if (plot.y_near) {
    const double margin = y.high > y.low ? (y.high - y.low) / 10 : std::max(0.01, 0.01 * y.high);
    return fmt::format("set yrange [{}:{}]\n", y.low - margin, y.high + margin);
  }
  if (!plot.log_y || !(y.high > 10 * y.low))
    return fmt::format("set yrange {}\nset format y '{}'\n", y.from_zero(1.05),
                       y.high >= 1e5  ? "%.1s%c"
                       : y.high >= 10 ? "%.0f"
                                      : "%g");
  const double low = std::floor(std::log10(y.low)), high = std::ceil(std::log10(y.high));
  if (low < 0 || high - low > 3 || high > 4)
    return fmt::format("set logscale y\nset yrange [1e{:.0f}:1e{:.0f}]\nset format y '{}'\n", low,
                       high, low < 0 ? "%g" : "%.0s%c");
  std::string tics;
  double bottom = 0, top = 0;
  for (double decade = low; decade <= high; ++decade)
    for (const int times : {1, 2, 5}) {
      const double at = times * std::pow(10, decade);
      tics += fmt::format("{}{:.0f}", tics.empty() ? "" : ", ", at);
      if (at <= y.low) bottom = at;
      if (at >= y.high && top == 0) top = at;
    }
  return fmt::format("set logscale y\nset yrange [{}:{}]\nset ytics ({})\n", bottom, top, tics);
}

/// Lines across the plot: the limit, and borders with their names above.
std::string marked(const Plot& plot, Range x) {
  std::string text;
  if (plot.limit)
    text += fmt::format(
        "set arrow from graph 0, first {0} to graph 1, first {0} nohead front linewidth 2 "
        "dashtype 2 linecolor {1}\n",
        *plot.limit, placeholder(2));
  for (const auto& [name, at] : plot.borders)
    if (x.holds(at))
      text += fmt::format(
          "set arrow from {0}, graph 0 to {0}, graph 1 nohead back dashtype 3 linecolor {1}\n"
          "set label {2} at {0}, graph 1.04 center\n",
          at, placeholder(7), quoted(name));
  return text;
}

std::string lines_script(const Plot& plot, const Terminal& terminal) {
  std::string data, curves;
  Range x, y;
  for (std::size_t i = 0; i < plot.series.size(); ++i) {
    const Series& series = plot.series[i];
    const std::string colour = placeholder(colour_of(plot, i));
    const std::size_t dash = i / std::size_t{kColours} + 1;
    const auto points = drawable(plot, series);
    if (points.empty()) continue;
    data += fmt::format("$d{} << END\n", i + 1);
    for (const auto& [at, value] : points) {
      data += fmt::format("{} {}\n", at, value);
      x.hold(at);
      y.hold(value);
    }
    data += "END\n";
    if (!series.intervals.empty() && series.intervals.size() == points.size()) {
      data += fmt::format("$b{} << END\n", i + 1);
      for (std::size_t k = 0; k < points.size(); ++k) {
        const auto& [low, high] = series.intervals[k];
        data += fmt::format("{} {} {}\n", points[k].first, low, high);
        y.hold(low);
        y.hold(high);
      }
      data += "END\n";
      curves += fmt::format(
          "{}$b{} using 1:2:3 with filledcurves fillstyle transparent solid 0.2 noborder "
          "linecolor {} title ''",
          curves.empty() ? "plot " : ", ", i + 1, colour);
    }
    const char* const more = curves.empty() ? "plot " : ", ";
    constexpr int kShapes[] = {7, 5, 9, 13, 11};  // filled: also the shape tells contenders apart
    if (series.scattered)
      curves += fmt::format(
          "{}$d{} using 1:2 with points pointtype {} pointsize 0.7 linecolor {} "
          "title {}",
          more, i + 1, kShapes[i % std::size(kShapes)], colour, quoted(series.name));
    else if (points.size() == 1)  // a line of one point has no length
      curves += fmt::format(
          "{}$d{} using 1:2 with points pointtype 7 pointsize 0.6 linecolor {} title {}", more,
          i + 1, colour, quoted(series.name));
    else
      curves += fmt::format(
          "{}$d{} using 1:2 with lines linewidth 2 dashtype {} linecolor {} title {}, "
          "$d{} using 1:2 every ::{} with points pointtype 7 pointsize 0.6 linecolor {} title ''",
          more, i + 1, dash, colour, quoted(series.name), i + 1, points.size() - 1, colour);
  }
  if (plot.limit) y.hold(*plot.limit);
  const bool scattered = std::any_of(plot.series.begin(), plot.series.end(),
                                     [](const Series& s) { return s.scattered; });
  const std::string x_axis = plot.x_scale == Scale::linear
                                 ? fmt::format("set xrange {}\n", x.from_zero(scattered ? 1.05 : 1))
                                 : power_axis(plot.x_scale, x, "x");
  return head(plot, terminal, kHeight) + x_axis + y_axis(plot, y) + marked(plot, x) + data +
         curves + "\n";
}

/// A vertical line at the limit of bars and rows.
std::string upright(const Plot& plot, int colour) {
  if (!plot.limit) return {};
  return fmt::format(
      "set arrow from {0}, graph 0 to {0}, graph 1 nohead front linewidth 2 dashtype 2 "
      "linecolor {1}\n",
      *plot.limit, placeholder(colour));
}

std::string bars_script(const Plot& plot, const Terminal& terminal) {
  std::string data = "$d << END\n", tics;
  Range x;
  if (plot.limit) x.hold(*plot.limit);
  int row = 0;
  for (const auto& [name, value] : plot.bars) {
    tics += fmt::format("{}{} {}", tics.empty() ? "" : ", ", quoted(name), row);
    if (std::isfinite(value)) {
      data += fmt::format("{} {}\n", value, row);
      x.hold(value);
    }
    ++row;
  }
  std::string axes =
      plain_x_axis(x) + fmt::format("set yrange [{}:-0.6]\nset ytics ({})\n", row - 0.4, tics);
  axes += "set grid noytics\n" + upright(plot, 2);
  return head(plot, terminal, 84 + 32 * row) + axes + data +
         fmt::format(
             "END\nplot $d using (0):2:(0):1:($2-0.32):($2+0.32) with boxxyerror "
             "fillstyle solid noborder linecolor {} title ''\n",
             placeholder(1));
}

/// Bars of each row side by side, from the limit on, each with its interval where it has one.
std::string rows_script(const Plot& plot, const Terminal& terminal) {
  constexpr double kUsed = 0.8;  // of a row's height
  const double slot = kUsed / static_cast<double>(std::max<std::size_t>(plot.series.size(), 1));
  const double base = plot.limit.value_or(plot.x_scale == Scale::linear ? 0 : 1);
  std::string data, curves, tics;
  Range x;
  x.hold(base);
  for (std::size_t i = 0; i < plot.series.size(); ++i) {
    const Series& series = plot.series[i];
    if (drawable(plot, series).empty()) continue;
    data += fmt::format("$d{} << END\n", i + 1);
    for (std::size_t k = 0; k < series.points.size(); ++k) {
      const auto& [value, row] = series.points[k];
      if (!std::isfinite(value) || (plot.x_scale != Scale::linear && value <= 0)) continue;
      Point ends = k < series.intervals.size() ? series.intervals[k] : Point(value, value);
      if (plot.x_scale != Scale::linear && ends.first <= 0) ends.first = value;
      data += fmt::format("{} {} {} {}\n", value,
                          row - kUsed / 2 + (static_cast<double>(i) + 0.5) * slot, ends.first,
                          ends.second);
      x.hold(value);
      x.hold(ends.first);
      x.hold(ends.second);
    }
    data += "END\n";
    curves += fmt::format(
        "{0}$d{1} using ({2}):2:({2}):1:($2-{3}):($2+{3}) with boxxyerror fillstyle solid noborder "
        "linecolor {4} title {5}",
        curves.empty() ? "plot " : ", ", i + 1, base, slot * 0.44, placeholder(colour_of(plot, i)),
        quoted(series.name));
    if (!series.intervals.empty())
      curves += fmt::format(
          ", $d{} using 1:2:3:4 with xerrorbars pointtype 0 linewidth 1.5 linecolor {} title ''",
          i + 1, placeholder(kText));
  }
  for (std::size_t row = 0; row < plot.rows.size(); ++row)
    tics += fmt::format("{}{} {}", tics.empty() ? "" : ", ", quoted(plot.rows[row]), row);
  const std::string x_axis =
      plot.x_scale == Scale::linear ? plain_x_axis(x) : power_axis(plot.x_scale, x, "x");
  const auto each = static_cast<int>(std::max<std::size_t>(22, 13 * plot.series.size()));
  const auto count = static_cast<int>(plot.rows.size());
  return head(plot, terminal, 60 + each * count) + x_axis +
         fmt::format("set yrange [{}:-0.6]\nset ytics ({})\nset grid noytics\n", count - 0.4,
                     tics) +
         upright(plot, 7) + data + curves + "\n";
}

}  // namespace

std::string placeholder(int colour) { return fmt::format("rgb '#0101{:02x}'", colour); }
std::string in_svg(int colour) { return fmt::format("rgb(  1,   1, {:3})", colour); }

std::vector<Point> drawable(const Plot& plot, const Series& series) {
  std::vector<Point> points;
  for (const Point& p : series.points)
    if (std::isfinite(p.first) && std::isfinite(p.second) && (!plot.log_y || p.second > 0) &&
        (plot.x_scale == Scale::linear || p.first > 0))
      points.push_back(p);
  return points;
}

Terminal page_terminal(const std::string& id) {
  return {"svg", fmt::format("dynamic font 'system-ui,{}' name {} noenhanced", kFont, quoted(id)),
          ""};
}

Terminal file_terminal(const std::string& kind, const std::string& title) {
  const bool svg = kind == "svg";
  return {kind,
          fmt::format("font 'sans,{}' noenhanced background rgb '#ffffff'{}",
                      svg ? kFont : kFont + 3, svg ? "" : " linewidth 2 pointscale 2"),
          title};
}

std::string script(const Plot& plot, const Terminal& terminal) {
  if (!plot.rows.empty()) return rows_script(plot, terminal);
  return plot.bars.empty() ? lines_script(plot, terminal) : bars_script(plot, terminal);
}

}  // namespace truenorm::oracle::page
