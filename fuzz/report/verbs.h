// The verbs of truenorm-fuzz that tell what a night has found. Each adds itself to the program and,
// when it is run, leaves its exit status.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "oracle/cli/support.h"

namespace CLI {
class App;
}

namespace truenorm::night {

void add_status(CLI::App&, int& status);
void add_report(CLI::App&, int& status);
void add_coverage(CLI::App&, int& status);

/// The files that a report goes to beside the folder's own page. Made before the work, so that a
/// wrong path shows at once.
class Handout {
 public:
  /// Empty: none; "-": standard output, in the place of the text. Throws UsageError.
  Handout(const std::string& json, const std::string& html);
  /// The folder's report: FOLDER/report.html, the files, and the text on standard output which
  /// tells how many findings are `fresh`. Returns how many there are. Throws StoreError, UsageError.
  std::size_t write(const std::filesystem::path& folder, std::optional<unsigned> fresh = {});

 private:
  bool text_;
  oracle::cli::OutputFile json_, html_;
};

}  // namespace truenorm::night
