// coverage: what a corpus reaches of impl/. The work is that of a script, since it is a build.
#include <fmt/format.h>
#include <sys/wait.h>
#include <CLI/CLI.hpp>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "fuzz/finding.h"
#include "oracle/words.h"
#include "report.h"
#include "verbs.h"

namespace truenorm::night {
namespace {

namespace cli = oracle::cli;

int run_coverage(const std::string& folder) {
  std::string command = oracle::shell_word(TRUENORM_FUZZ_COVERAGE);
  if (!folder.empty()) command += " -- " + oracle::shell_word(folder);
  std::fflush(stdout);
  const int status = std::system(command.c_str());
  if (status == -1) throw cli::UsageError(fmt::format("{}: {}", command, std::strerror(errno)));
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) return cli::kInterrupted;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw cli::ToldError();
  if (!folder.empty()) {
    fuzz::write_whole(folder + "/report.html", to_html(read_digest(folder)));
    fmt::print("{}/report.html shows it, too\n", folder);
  }
  return cli::kGood;
}

}  // namespace

void add_coverage(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand(
      "coverage", "What the corpus of a night reaches of impl/, and what it does not");
  const auto folder = std::make_shared<std::string>();
  verb->add_option("FOLDER", *folder, "The folder of the night (default: the committed corpus)");
  verb->footer(
      "Builds the targets with clang's counters, replays every input, and leaves\n"
      "FOLDER/coverage/html/index.html and summary.json.\n\n"
      "Example: truenorm fuzz coverage fuzz-out");
  verb->callback([folder, &status] { status = run_coverage(*folder); });
}

}  // namespace truenorm::night
