// Reports of runs that never were, for tests of the page.
#pragma once

#include <string>

#include "bench/report.h"

namespace truenorm::bench {

/// What a page must not take for its own.
inline const std::string kHostile = "\"'><script>alert(1)</script><b>&\x1b[31m";

/// Every figure, columns and caution; a row without figures, a peer without one, hostile text.
Report full_report();

/// Truenorm alone on one shape: nearly all figures are missing.
Report plain_report();

}  // namespace truenorm::bench
