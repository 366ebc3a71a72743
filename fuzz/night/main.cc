// truenorm-fuzz: fuzzers for a night, what they found, and what to do with it.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <stdexcept>

#include "fuzz/report/verbs.h"
#include "oracle/cli/options.h"
#include "oracle/cli/support.h"
#include "verbs.h"

namespace truenorm::night {
namespace {

namespace cli = oracle::cli;

int complain(int status, const std::string& what) {
  fmt::print(stderr, "truenorm fuzz: {}{}\n",
             status == cli::kInternal ? "internal fault, not yours: " : "", what);
  return status;
}

/// Runs the verb. What the world refuses (a folder, a disk, a process) and what is wrong with the
/// input is status 2; what cannot be is our own fault.
int run(CLI::App& app, int argc, char** argv, const int& status) {
  try {
    app.parse(argc, argv);
    return status;
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() != 0)
      return complain(cli::kUsage, fmt::format("{}\n'truenorm fuzz --help' tells more", e.what()));
    app.exit(e);
    return cli::kGood;
  } catch (const cli::ToldError&) {
    return cli::kUsage;
  } catch (const std::runtime_error& e) {
    return complain(cli::kUsage, e.what());
  } catch (const std::exception& e) {
    return complain(cli::kInternal, e.what());
  }
}

}  // namespace
}  // namespace truenorm::night

int main(int argc, char** argv) {
  using namespace truenorm::night;
  // A reader or a disk that is gone is an error of the write, not the end of the runner.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  CLI::App app(
      "Fuzzes BatchNorms and judges every case: everything on this machine, kept in a folder.",
      "truenorm fuzz");
  app.require_subcommand(0, 1);
  app.formatter(truenorm::oracle::cli::help_formatter());
  app.footer(
      "The same command goes on where the last one ended, however it ended.\n"
      "Exit status: 0 nothing new, 1 findings that the folder did not know, 2 wrong usage, or a "
      "disk\n"
      "or a program that failed, 3 a fault of this program, 130 Ctrl-C.\n\n"
      "Example: truenorm fuzz --hours 8 --dir tonight");
  int status = truenorm::oracle::cli::kGood;
  for (const auto add :
       {add_night, add_status, add_report, add_coverage, add_minimize, add_reproduce, add_power})
    add(app, status);
  status = run(app, argc, argv, status);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  std::fputs("truenorm fuzz: standard output cannot be written\n", stderr);
  return truenorm::oracle::cli::kUsage;
}
