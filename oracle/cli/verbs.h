// The verbs of the command. Each adds itself to the program and, when it is run, leaves its exit
// status.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace truenorm::oracle::cli {

void add_conform(CLI::App&, int& status);
void add_merge(CLI::App&, int& status);
void add_power(CLI::App&, int& status);
void add_check(CLI::App&, int& status);
void add_shrink(CLI::App&, int& status);
void add_explain(CLI::App&, int& status);
void add_print(CLI::App&, int& status);
void add_encode(CLI::App&, int& status);
void add_list(CLI::App&, int& status);
void add_fuzz(CLI::App&, int& status);
void add_bench(CLI::App&, int& status);
void add_history(CLI::App&, int& status);
void add_compare(CLI::App&, int& status);
void add_vectors(CLI::App&, int& status);
void add_new_plugin(CLI::App&, int& status);
void add_bench(CLI::App&, int& status);
void add_worker(CLI::App&, int& status);

/// Hands over to truenorm-fuzz, the program beside this one. Only returns where there is none, by
/// throwing UsageError.
[[noreturn]] void become_fuzz(const std::vector<std::string>& words);

}  // namespace truenorm::oracle::cli
