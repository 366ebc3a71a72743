// The verbs of truenorm-fuzz. Each adds itself to the program and, when it is run, leaves its exit
// status. Without a verb the program runs a night.
#pragma once

#include <string>

#include "targets.h"

namespace CLI {
class App;
}

namespace truenorm::night {

void add_night(CLI::App&, int& status);
void add_minimize(CLI::App&, int& status);
void add_reproduce(CLI::App&, int& status);
void add_power(CLI::App&, int& status);

/// Where a night is kept if nothing else is said.
inline constexpr const char* kFolder = "fuzz-out";

/// An input as asked for on the command line: a line, or a file of one, of an input's bytes, or of a
/// finding.
struct Asked {
  const Target* target = nullptr;
  std::string input;
};
/// `target` names it; empty: as the file's name begins, or as the finding says, or case_fuzz. Throws
/// UsageError.
Asked read_asked(const std::string& what, const std::string& target);

/// The options that minimize and reproduce share.
struct AskedOptions {
  std::string what, target, subject = "truenorm", builds;
  unsigned timeout = 10;
};
void add_asked_options(CLI::App& verb, AskedOptions&);

/// A folder that goes with this.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace truenorm::night
