// truenorm-history: the runs of the benchmark that were kept, and what has become slower.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <string>

#include "oracle/cli/options.h"
#include "oracle/cli/support.h"
#include "oracle/place.h"
#include "store.h"
#include "verbs.h"

namespace truenorm::bench {
namespace {

namespace cli = oracle::cli;

int complain(int status, const std::string& what) {
  fmt::print(stderr, "truenorm: {}{}\n",
             status == cli::kInternal ? "internal fault, not yours: " : "", oracle::as_typed(what));
  return status;
}

int run(CLI::App& app, int argc, char** argv, const int& status) {
  try {
    app.parse(argc, argv);
    return status;
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help
    return complain(cli::kUsage, fmt::format("{}\n'./run compare --help' tells more", e.what()));
  } catch (const cli::UsageError& e) {
    return complain(cli::kUsage, e.what());
  } catch (const HistoryError& e) {
    return complain(cli::kUsage, e.what());
  } catch (const std::exception& e) {
    return complain(cli::kInternal, e.what());
  }
}

}  // namespace

void add_db_option(CLI::App& verb, std::string& db) {
  verb.add_option("--db", db,
                  "The history (default $TRUENORM_HISTORY, or history.db beside the build folder;\n"
                  "installed: in ~/.local/state/truenorm)");
}

}  // namespace truenorm::bench

int main(int argc, char** argv) {
  using namespace truenorm::bench;
  CLI::App app("The runs that './run bench --keep' has kept, and what has become slower.",
               "truenorm-history");
  app.require_subcommand(1);
  app.formatter(cli::help_formatter());
  int status = cli::kGood;
  add_history(app, status);
  add_compare(app, status);
  for (CLI::App* verb : app.get_subcommands({}))
    verb->footer(truenorm::oracle::as_typed(verb->get_footer()));
  status = run(app, argc, argv, status);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  return complain(cli::kUsage, "standard output cannot be written");
}
