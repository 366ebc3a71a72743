// The forms in which conform and merge hand out a report: text, files, and what GitHub Actions show.
#pragma once

#include <string>

#include "../report.h"
#include "support.h"

namespace CLI {
class App;
}

namespace truenorm::oracle::cli {

/// As the options name them: "" is none, "-" standard output.
struct Forms {
  std::string json, junit, html;
  bool github = false, allow_new = false, census = false;
};
void add_forms(CLI::App& verb, Forms&);

/// Files that appear whole at the end, or not at all.
class Handout {
 public:
  /// Throws UsageError where two forms name one file, or a file cannot be written.
  explicit Handout(const Forms&);
  void write(const Report&, const Look&);

 private:
  const Forms forms_;
  std::string summary_;  // the file of the job's summary; empty: none
  OutputFile json_, junit_, html_;
};

/// The exit status of a report.
int status_of(const Report&, const Look&);

}  // namespace truenorm::oracle::cli
