// truenorm: is this BatchNorm right, and is it fast?
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <string>

#include "../found.h"
#include "../plan.h"
#include "../report.h"
#include "../text.h"
#include "../vectors.h"
#include "options.h"
#include "support.h"
#include "verbs.h"

namespace truenorm::oracle::cli {
namespace {

int complain(int status, const char* what) {
  fmt::print(stderr, "truenorm: {}{}\n", status == kInternal ? "internal fault, not yours: " : "",
             what);
  return status;
}

/// What is wrong with the words of the command, and what would be right: the verb's example.
int complain(const CLI::App& app, const CLI::ParseError& e) {
  const auto verbs = app.get_subcommands();
  const std::string verb = verbs.empty() ? "" : verbs.front()->get_name();
  const std::string right = verbs.empty() ? app.get_footer() : verbs.front()->get_footer();
  const std::size_t example = right.rfind("Example: ");
  return complain(kUsage, fmt::format("{}{}{}\n{}\n'truenorm {}{}--help' tells more", verb,
                                      verb.empty() ? "" : ": ", e.what(),
                                      example == std::string::npos ? "" : right.substr(example),
                                      verb, verb.empty() ? "" : " ")
                              .c_str());
}

/// What was printed must have arrived.
int delivered(int status) {
  const bool flushed = std::fflush(stdout) == 0;
  const int why = flushed ? 0 : errno;
  std::cout.flush();  // the same buffer
  if (flushed && std::ferror(stdout) == 0) return status;
  return complain(kUsage, fmt::format("standard output cannot be written{}{}", why ? ": " : "",
                                      why ? std::strerror(why) : "")
                              .c_str());
}

/// CLI11 calls a misspelt verb a missing one.
void require_verb(const CLI::App& app, const std::string& word) {
  if (word.starts_with("-")) return;
  std::string verbs;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (verb->get_name() == word) return;
    if (!verb->get_group().empty()) verbs += ' ' + verb->get_name();
  }
  throw UsageError(fmt::format("'{}' is not a verb; these are:{}", word, verbs));
}

/// Runs the verb. What is wrong with the user's input is status 2, everything else that is thrown
/// is our own fault.
int run(CLI::App& app, int argc, char** argv, const int& status) {
  try {
    if (argc > 1) require_verb(app, argv[1]);
    app.parse(argc, argv);
    return status;
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() != 0) return complain(app, e);
    app.exit(e);  // --help, --version
    return kGood;
  } catch (const ToldError&) {
    return kUsage;
  } catch (const UsageError& e) {
    return complain(kUsage, e.what());
  } catch (const ParseError& e) {
    return complain(kUsage, e.what());
  } catch (const VectorsError& e) {
    return complain(kUsage, e.what());
  } catch (const FoundError& e) {
    return complain(kUsage, e.what());
  } catch (const CorpusError& e) {
    return complain(kUsage, e.what());
  } catch (const ReportError& e) {
    return complain(kUsage, e.what());
  } catch (const std::exception& e) {
    if (std::ferror(stdout) != 0) return kUsage;  // told at the end
    return complain(kInternal, e.what());
  }
}

}  // namespace
}  // namespace truenorm::oracle::cli

int main(int argc, char** argv) {
  using namespace truenorm::oracle::cli;
  CLI::App app(
      "Is this BatchNorm right? Judges Truenorm's, LibTorch's, oneDNN's or your own by exact "
      "arithmetic.",
      "truenorm");
  app.set_version_flag("--version", "truenorm " TRUENORM_VERSION " (" TRUENORM_BUILD ")");
  app.require_subcommand(1);
  app.formatter(help_formatter());
  app.footer(
      "Exit status: 0 all good, 1 a verdict against the subject or a new divergence of LibTorch,\n"
      "2 wrong usage or input, 3 a fault of this program, 130 interrupted.\n\n"
      "Example: truenorm check 'tn1 n4c16s7x7 f32 run=TB | nhwc thr=2'");
  int status = kGood;
  for (const auto add : {add_conform, add_check, add_explain, add_shrink, add_vectors, add_merge,
                         add_power, add_fuzz, add_bench, add_history, add_compare, add_new_plugin,
                         add_print, add_encode, add_list, add_worker})
    add(app, status);
  return delivered(run(app, argc, argv, status));
}
