// Which kept run a word of the command line means.
#pragma once

#include <filesystem>
#include <string>

#include "kept.h"

namespace truenorm::bench {

/// #3 or 3; last, last~1; a.json, or a.json,b.json as the sittings of one run; a commit as git names
/// it, or a prefix, of which the last run without changed files. Throws a UsageError of oracle/cli that
/// says what there is, and HistoryError.
KeptRun resolve(const std::string& word, const std::filesystem::path& history);

}  // namespace truenorm::bench
