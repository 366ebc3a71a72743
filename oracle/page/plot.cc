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
#include <memory>
#include <string_view>

#include "plot_script.h"

namespace truenorm::oracle::page {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

/// What gnuplot answers to a script; `whole` stands near the end of all that it has drawn.
Drawing ask_gnuplot(const std::string& script, std::string_view whole) {
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
  std::string drawn;
  char buffer[1 << 14];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, out.get()))
    drawn.append(buffer, n);
  return {drawn, drawn.find(whole) == drawn.npos ? "gnuplot drew nothing" : ""};
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
  replace(svg, in_svg(kText), "var(--text)");
  for (const char quote : {'"', '\''}) {
    replace(svg, fmt::format("{0}black{0}", quote), fmt::format("{0}var(--text){0}", quote));
    replace(svg, fmt::format("{0}gray{0}", quote), fmt::format("{0}var(--grid){0}", quote));
  }
  return svg;
}

constexpr const char* kNothing = "there is nothing to draw yet";

}  // namespace

bool Plot::marks() const {
  return std::any_of(bars.begin(), bars.end(),
                     [](const auto& bar) { return std::isfinite(bar.second); }) ||
         std::any_of(series.begin(), series.end(),
                     [&](const Series& s) { return !drawable(*this, s).empty(); });
}

int colour_of(const Plot& plot, std::size_t series) {
  const int own = plot.series[series].colour;
  return own > 0 ? own : static_cast<int>(series % std::size_t{kColours}) + 1;
}

Drawing draw(const Plot& plot, const std::string& id) {
  if (!plot.marks()) return {"", kNothing};
  Drawing drawing = ask_gnuplot(script(plot, page_terminal(id)), "</svg>");
  drawing.svg = drawing.problem.empty() ? adopt(std::move(drawing.svg), id) : "";
  return drawing;
}

Drawing picture(const Plot& plot, Picture kind, const std::string& title) {
  if (!plot.marks()) return {"", kNothing};
  const bool png = kind == Picture::png;
  std::string text = script(plot, file_terminal(png ? "pngcairo" : "svg", title));
  constexpr const char* kLight[kColours] = {"#0b62a4", "#c2410c", "#0f7a5a", "#8b3a8f",
                                            "#7a6400", "#2b8fb5", "#6b6f76"};  // as in style.h
  for (int colour = 1; colour <= kColours; ++colour)
    replace(text, placeholder(colour), fmt::format("rgb '{}'", kLight[colour - 1]));
  replace(text, placeholder(kText), "rgb 'black'");
  Drawing drawing = ask_gnuplot(text, png ? "IEND" : "</svg>");
  if (!drawing.problem.empty()) drawing.svg.clear();
  return drawing;
}

}  // namespace truenorm::oracle::page
