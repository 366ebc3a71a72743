#include "handout.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

namespace truenorm::oracle::cli {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void require_different_files(const Forms& forms) {
  std::error_code ignored;
  const auto place = [&](const std::string& path) {
    return path == "-" ? fs::path(path) : fs::weakly_canonical(fs::absolute(path), ignored);
  };
  const std::array<std::pair<const char*, std::string>, 3> all{
      {{"--json", forms.json}, {"--junit", forms.junit}, {"--html", forms.html}}};
  for (const auto& [option, path] : all) {
    if (path.empty()) continue;
    if (path == "-" && forms.github)
      throw UsageError(
          fmt::format("--github writes to standard output, as {} - does; name a file", option));
    for (const auto& [other, same] : all) {
      if (other == option) break;
      if (!same.empty() && place(same) == place(path))
        throw UsageError(
            fmt::format("{} and {} both name '{}'; two files were expected", other, option, path));
    }
  }
}

/// Says so before the work where it cannot be written.
void append(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::app);
  out << text << std::flush;
  if (!out)
    throw UsageError(
        fmt::format("{} (GITHUB_STEP_SUMMARY): cannot be written: {}", path, std::strerror(errno)));
}

}  // namespace

void add_forms(CLI::App& verb, Forms& forms) {
  verb.add_option("--json", forms.json, "Write the report as JSON; - for standard output");
  verb.add_option("--html", forms.html, "Write the report as a page that needs nothing else");
  verb.add_option("--junit", forms.junit, "Write the report as JUnit XML, for GitLab and Jenkins");
  verb.add_flag("--github", forms.github,
                "Print annotations for GitHub Actions, and add to $GITHUB_STEP_SUMMARY");
  verb.add_flag("--allow-new-divergences", forms.allow_new,
                "A new divergence of LibTorch does not set status 1");
  verb.add_flag("--census", forms.census, "Show how many cases of each class were played");
}

Handout::Handout(const Forms& forms)
    : forms_((require_different_files(forms), forms)),
      summary_(forms.github ? environment("GITHUB_STEP_SUMMARY") : ""),
      json_(forms.json),
      junit_(forms.junit),
      html_(forms.html) {
  if (!summary_.empty()) append(summary_, "");
}

void Handout::write(const Report& report, const Look& look) {
  if (json_.wanted()) json_.write(to_json(report));
  if (junit_.wanted()) junit_.write(to_junit(report, look));
  if (html_.wanted()) html_.write(to_html(report, look));
  if (forms_.json != "-" && forms_.junit != "-" && forms_.html != "-")
    fmt::print("{}", to_text(report, look));
  if (!forms_.github) return;
  const std::string workspace = environment("GITHUB_WORKSPACE");
  fmt::print("{}", to_annotations(report, look,
                                  workspace.empty() ? fs::current_path().string() : workspace));
  if (summary_.empty())
    fmt::print(stderr, "truenorm: GITHUB_STEP_SUMMARY names no file, so there is no summary\n");
  else
    append(summary_, to_summary(report, look));
}

int status_of(const Report& report, const Look& look) {
  const bool missing = look.whole && !missing_shards(report).empty();
  if (report.all_good(look.allow_new_divergences))
    return report.interrupted ? kInterrupted : missing ? kAgainst : kGood;
  return report.interrupted && !report.conclusive() ? kInterrupted : kAgainst;
}

}  // namespace truenorm::oracle::cli
