// status and report: how a night stands, and what it has found.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>
#include <string>

#include "fuzz/finding.h"
#include "report.h"
#include "verbs.h"

namespace truenorm::night {
namespace {

namespace cli = oracle::cli;

struct Options {
  std::string folder, json, html;
};

void add_folder(CLI::App& verb, std::string& folder) {
  verb.add_option("FOLDER", folder, "The folder of the night (--dir)")->required();
}

int run_report(const Options& o) {
  Handout handout(o.json, o.html);
  return handout.write(o.folder) == 0 ? cli::kGood : cli::kAgainst;
}

}  // namespace

Handout::Handout(const std::string& json, const std::string& html)
    : text_(json != "-" && html != "-"), json_(json), html_(html) {
  if (json == "-" && html == "-")
    throw cli::UsageError("--json and --html: only one of them can be standard output");
}

std::size_t Handout::write(const std::filesystem::path& folder, std::optional<unsigned> fresh) {
  const Digest digest = read_digest(folder);
  const std::string page = to_html(digest);
  fuzz::write_whole((folder / "report.html").string(), page);
  if (json_.wanted()) json_.write(to_json(digest));
  if (html_.wanted()) html_.write(page);
  if (text_) fmt::print("{}", to_text(digest, {cli::colour(), false, fresh}));
  return digest.findings.size();
}

void add_status(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("status", "How a night stands, from another terminal");
  const auto o = std::make_shared<Options>();
  add_folder(*verb, o->folder);
  verb->footer("Example: truenorm fuzz status fuzz-out");
  verb->callback([o, &status] {
    fmt::print("{}", to_text(read_digest(o->folder), {cli::colour(), true}));
    status = cli::kGood;
  });
}

void add_report(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("report", "What a night has found: text, JSON, a page");
  const auto o = std::make_shared<Options>();
  add_folder(*verb, o->folder);
  verb->add_option("--json", o->json, "Write \"truenorm-fuzz/1\" to this file (- for stdout)");
  verb->add_option("--html", o->html, "Write the page to this file, too (- for stdout)");
  verb->footer(
      "The page is also FOLDER/report.html.\n"
      "Exit status: 0 nothing was found, 1 there are findings.\n\n"
      "Example: truenorm fuzz report fuzz-out --json night.json");
  verb->callback([o, &status] { status = run_report(*o); });
}

}  // namespace truenorm::night
