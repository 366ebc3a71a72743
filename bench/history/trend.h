// What became of Truenorm's times over the runs that were kept, as one HTML page.
#pragma once

#include <string>
#include <vector>

#include "kept.h"

namespace truenorm::bench {

/// Oldest first, as the history gives them. Times are those over the copy of the same rounds; only runs
/// of machines like the last one's are shown, and of these only rows that all of them have.
std::string to_html(const std::vector<KeptRun>&);

}  // namespace truenorm::bench
