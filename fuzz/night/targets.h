// The fuzz targets that a night runs, and the programs of them that this machine has.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/mutate.h"

namespace truenorm::night {

struct Target {
  enum class Input { cases, text, raw };  // what an input is: a case's bytes, its line, neither

  std::string name;
  Input input;
  bool subject;         // judges the subject; the others judge what is Truenorm's own
  unsigned weight;      // its share of the time
  fuzz::Bounds bounds;  // of its cases

  /// It has a line, shrinks, and others can judge it.
  bool cases() const { return input == Input::cases; }
};

const std::vector<Target>& targets();
/// Null where there is none of that name.
const Target* target_named(std::string_view);
/// The names that there are, for messages.
std::string target_names();

/// One way in which the targets are built: "fast" explores, the others replay what it found.
struct Build {
  std::string name;
  std::filesystem::path folder;  // of the programs
};

/// A way to run a target: a build, and the instruction set if it is not the best. "asan scalar".
struct Way {
  std::string build, isa;
  std::string name() const { return isa.empty() ? build : build + ' ' + isa; }
};
Way way_named(const std::string&);

class Builds {
 public:
  /// `option` is "fast=DIR,asan=DIR"; empty: build/fuzz-* beside the build of this program. Throws
  /// UsageError where a folder is none, or where none is "fast".
  explicit Builds(const std::string& option);

  bool has(const std::string& build, const Target&) const;
  std::filesystem::path program(const std::string& build, const Target&) const;
  const std::vector<Build>& all() const { return builds_; }

 private:
  std::vector<Build> builds_;
};

/// The targets of "a,b"; of an empty list those that judge this subject and are built. Throws
/// UsageError.
std::vector<const Target*> chosen_targets(const std::string& list, const std::string& subject,
                                          const Builds&);

/// How the inputs that the fast build kept are played again: sanitized builds, and the fast one on
/// every other instruction set of this machine.
std::vector<Way> replays_of(const Target&, const std::string& subject, const Builds&);

/// The command that runs a target, without what it is to run: the engine's options that go with it
/// (TARGET.dict, TARGET.options), its limits, and who is judged.
struct Limits {
  unsigned seconds_a_case = 10;
  unsigned megabytes = 2048;
};
std::vector<std::string> command_of(const Target&, const Way&, const Builds&,
                                    const std::string& subject, const Limits&);

}  // namespace truenorm::night
