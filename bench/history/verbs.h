// The verbs of truenorm-history. Each adds itself to the program and, when it is run, leaves its exit
// status.
#pragma once

namespace CLI {
class App;
}

namespace truenorm::bench {

void add_history(CLI::App&, int& status);
void add_compare(CLI::App&, int& status);

/// The option that says where the history is.
void add_db_option(CLI::App& verb, std::string& db);

}  // namespace truenorm::bench
