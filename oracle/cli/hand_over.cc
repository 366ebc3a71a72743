// fuzz, bench, history, compare: handed over to the programs beside this one that do it.
#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "../place.h"
#include "support.h"
#include "verbs.h"

namespace truenorm::oracle::cli {
namespace {

/// Only returns where there is no such program, by throwing UsageError.
[[noreturn]] void become(const char* name, const char* builds_it,
                         const std::vector<std::string>& words) {
  const std::string program = (program_folder() / name).string();
  std::vector<std::string> all{program};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::fflush(nullptr);
  ::execv(program.c_str(), argv.data());
  throw UsageError(fmt::format("{}: {}; '{}'{} builds it", program, std::strerror(errno), builds_it,
                               build_folder().empty() ? " in a clone of Truenorm" : ""));
}

/// A verb of which everything that stands behind it is the other program's.
CLI::App* add_foreign(CLI::App& app, const char* name, const char* what, const char* example) {
  CLI::App* verb = app.add_subcommand(name, what);
  verb->prefix_command();
  verb->set_help_flag();
  verb->footer(example);
  return verb;
}

void add_of_history(CLI::App& app, const std::string& name, const char* what, const char* example) {
  CLI::App* verb = add_foreign(app, name.c_str(), what, example);
  verb->callback([verb, name] {
    std::vector<std::string> words = verb->remaining();
    words.insert(words.begin(), name);
    become("truenorm-history", "./run history", words);
  });
}

}  // namespace

void become_fuzz(const std::vector<std::string>& words) {
  become("truenorm-fuzz", "./run fuzz", words);
}

void add_fuzz(CLI::App& app, int&) {
  CLI::App* verb = add_foreign(app, "fuzz", "Fuzz for a night, see what was found, play it again",
                               "Example: truenorm fuzz --hours 8 --dir tonight");
  verb->callback([verb] { become_fuzz(verb->remaining()); });
}

void add_bench(CLI::App& app, int&) {
  CLI::App* verb =
      add_foreign(app, "bench", "Time Truenorm's BatchNorm, LibTorch's, oneDNN's and your own",
                  "Example: truenorm bench --subject ./libmine.so --suite smoke");
  verb->callback([verb] { become("truenorm-bench", "./run bench", verb->remaining()); });
}

void add_history(CLI::App& app, int&) {
  add_of_history(app, "history", "The benchmark's runs that were kept",
                 "Example: truenorm history --case c64s56x56");
}

void add_compare(CLI::App& app, int&) {
  add_of_history(app, "compare", "Is the second of two runs of the benchmark slower?",
                 "Example: truenorm compare last~1 last");
}

}  // namespace truenorm::oracle::cli
