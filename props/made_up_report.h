// Conformance reports of runs that never were, for tests of the forms that they are shown in.
#pragma once

#include <string>

#include "report.h"

namespace truenorm::oracle {

/// What a page, a terminal, Markdown, XML and GitHub must not take for their own.
inline const std::string kHostile =
    "\"'><script>alert(1)</script><b>&\x1b[31m|``` ]]>::error::\n\xff%0A";

/// Two shards of four: failures and deaths, new and known divergences, hostile words everywhere.
Report full_report();
/// All is well, without LibTorch.
Report plain_report();

}  // namespace truenorm::oracle
