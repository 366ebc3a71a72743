// The report of a night in its three forms. Times are durations: no clock and no time zone.
#pragma once

#include <optional>
#include <string>

#include "digest.h"

namespace truenorm::night {

struct Look {
  bool colour = false;
  bool brief = false;                  // how it stands, not what was found in every detail
  std::optional<unsigned> fresh = {};  // findings that are new to the folder, where that is known
};

/// For people, in 80 columns but for lines that are to be copied. Control characters of what a case
/// or a subject says do not reach the terminal.
std::string to_text(const Digest&, const Look&);

/// "truenorm-fuzz/1": {"schema", "seconds", "targets": {NAME: {"executions", "exec_per_second",
/// "coverage", "corpus", "worst_score", ...}}, "findings": [{"case", "verdict", "reason", ...}], ...}.
/// A score that there is none of is null; the case of an input that is none is "".
std::string to_json(const Digest&);

/// One page that needs no other file.
std::string to_html(const Digest&);

}  // namespace truenorm::night
