#include "plot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>

namespace truenorm::oracle::page {
namespace {

constexpr int kWidth = 480, kHeight = 300, kFont = 15;  // legible at the width of a phone
constexpr double kInfinity = std::numeric_limits<double>::infinity();

using Point = std::pair<double, double>;

/// A colour that the page's own takes the place of; gnuplot writes it as in_svg().
std::string placeholder(int colour) { return fmt::format("rgb '#0101{:02x}'", colour); }
std::string in_svg(int colour) { return fmt::format("rgb(  1,   1, {:3})", colour); }

/// In quotes for a script of gnuplot's: letters that mean nothing there, no more than a plot has room
/// for.
std::string quoted(const std::string& text) {
  constexpr std::size_t kMost = 16;
  std::string safe = "'";
  for (const char c : text.substr(0, kMost)) {
    const bool harmless = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') ||
                          std::string_view("_ .,:/()-").find(c) != std::string_view::npos;
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
  /// From 0, and never empty.
  std::string from_zero(double margin) const {
    return fmt::format("[0:{}]", high > 0 ? high * margin : 1);
  }
};

std::vector<Point> drawable(const Series& series, bool log_y) {
  std::vector<Point> points;
  for (const Point& p : series.points)
    if (std::isfinite(p.first) && std::isfinite(p.second) && (!log_y || p.second > 0))
      points.push_back(p);
  return points;
}

std::string head(const Plot& plot, const std::string& id, int height) {
  return fmt::format(
      "set encoding utf8\n"
      "set terminal svg size {},{} dynamic font 'system-ui,{}' name {} noenhanced\n"
      "set border 3\nset tics nomirror\nset grid\nunset key\n"
      "set xlabel {}\nset ylabel {}\n",
      kWidth, height, kFont, quoted(id), quoted(plot.x_label), quoted(plot.y_label));
}

std::string lines_script(const Plot& plot, const std::string& id) {
  std::string data, curves;
  Range x, y;
  int number = 0;
  for (const Series& series : plot.series) {
    const std::string colour = placeholder(number % kColours + 1);
    const int dash = number / kColours + 1;
    ++number;
    const auto points = drawable(series, plot.log_y);
    if (points.empty()) continue;
    data += fmt::format("$d{} << END\n", number);
    for (const auto& [at, value] : points) {
      data += fmt::format("{} {}\n", at, value);
      x.hold(at);
      y.hold(value);
    }
    // The last point is a mark of its own: a line of one point has no length.
    curves += fmt::format(
        "{}$d{} using 1:2 with lines linewidth 2 dashtype {} linecolor {} title {}, "
        "$d{} using 1:2 every ::{} with points pointtype 7 pointsize 0.6 linecolor {} title {}",
        curves.empty() ? "plot " : ", ", number, dash, colour, quoted(series.name), number,
        points.size() - 1, colour, quoted(series.name));
    data += "END\n";
  }
  std::string axes = fmt::format("set xrange {}\n", x.from_zero(1));
  if (plot.log_y && y.high > 10 * y.low)
    axes += fmt::format("set logscale y\nset yrange [1e{:.0f}:1e{:.0f}]\nset format y '%.0s%c'\n",
                        std::floor(std::log10(y.low)), std::ceil(std::log10(y.high)));
  else
    axes += fmt::format("set yrange {}\nset format y '{}'\n", y.from_zero(1.05),
                        y.high >= 1e5  ? "%.1s%c"
                        : y.high >= 10 ? "%.0f"
                                       : "%g");
  return head(plot, id, kHeight) + axes + data + curves + "\n";
}

std::string bars_script(const Plot& plot, const std::string& id) {
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
  std::string axes = fmt::format("set xrange {}\nset yrange [{}:-0.6]\nset ytics ({})\n",
                                 x.from_zero(1.05), row - 0.4, tics);
  axes += "set grid noytics\n";
  if (plot.limit)
    axes += fmt::format(
        "set arrow from {0}, graph 0 to {0}, graph 1 nohead front linewidth 2 dashtype 2 "
        "linecolor {1}\n",
        *plot.limit, placeholder(2));
  return head(plot, id, 60 + 34 * row) + axes + data +
         fmt::format(
             "END\nplot $d using (0):2:(0):1:($2-0.32):($2+0.32) with boxxyerror "
             "fillstyle solid noborder linecolor {} title ''\n",
             placeholder(1));
}

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

/// What gnuplot answers to a script.
Drawing ask_gnuplot(const std::string& script) {
  const File in(std::tmpfile(), std::fclose), out(std::tmpfile(), std::fclose);
  if (!in || !out || std::fwrite(script.data(), 1, script.size(), in.get()) != script.size() ||
      std::fflush(in.get()) != 0)
    return {"", fmt::format("a temporary file cannot be written: {}", std::strerror(errno))};
  std::rewind(in.get());

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, fileno(in.get()), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, fileno(out.get()), STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  char program[] = "gnuplot", defaults[] = "-d";  // not the user's own settings
  char* words[] = {program, defaults, nullptr};
  pid_t child = 0;
  const int failure = posix_spawnp(&child, program, &files, nullptr, words, environ);
  posix_spawn_file_actions_destroy(&files);
  if (failure != 0)
    return {"", failure == ENOENT ? "gnuplot is not installed (apt-get install gnuplot-nox)"
                                  : fmt::format("gnuplot: {}", std::strerror(failure))};
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return {"", fmt::format("gnuplot: {}", std::strerror(errno))};
  if (status != 0) return {"", "gnuplot failed"};

  std::rewind(out.get());
  std::string svg;
  char buffer[1 << 14];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, out.get()))
    svg.append(buffer, n);
  return {svg, svg.find("</svg>") == svg.npos ? "gnuplot drew nothing" : ""};
}

void replace(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size())
    text.replace(at, from.size(), to);
}

/// Cuts what begins with `from` and ends with `to`, each time.
void cut(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != text.npos;) {
    const std::size_t end = text.find(to, at);
    if (end == text.npos) return;
    text.erase(at, end + to.size() - at);
  }
}

/// What can stand in a page: no ids and no colours that are the page's own.
std::string adopt(std::string svg, const std::string& id) {
  svg.erase(0, svg.find("<svg"));
  cut(svg, "<desc>", "</desc>");
  cut(svg, "<title>", "</title>");
  cut(svg, "<filter ", "</filter>");
  replace(svg, "id=\"gnuplot_", "id=\"" + id + "_");
  replace(svg, "id='gp", "id='" + id + "_gp");
  replace(svg, "'#gp", "'#" + id + "_gp");
  for (int colour = 1; colour <= kColours; ++colour)
    replace(svg, in_svg(colour), fmt::format("var(--s{})", colour));
  for (const char quote : {'"', '\''}) {
    replace(svg, fmt::format("{0}black{0}", quote), fmt::format("{0}var(--text){0}", quote));
    replace(svg, fmt::format("{0}gray{0}", quote), fmt::format("{0}var(--grid){0}", quote));
  }
  return svg;
}

}  // namespace

bool Plot::marks() const {
  return std::any_of(bars.begin(), bars.end(),
                     [](const auto& bar) { return std::isfinite(bar.second); }) ||
         std::any_of(series.begin(), series.end(),
                     [&](const Series& s) { return !drawable(s, log_y).empty(); });
}

Drawing draw(const Plot& plot, const std::string& id) {
  if (!plot.marks()) return {"", "there is nothing to draw yet"};
  Drawing drawing = ask_gnuplot(plot.bars.empty() ? lines_script(plot, id) : bars_script(plot, id));
  drawing.svg = drawing.problem.empty() ? adopt(std::move(drawing.svg), id) : "";
  return drawing;
}

}  // namespace truenorm::oracle::page
