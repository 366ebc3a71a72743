// Sittings: the same rows measured by several processes, one after the other. Where a process has its
// memory, and what the machine's others did in that minute, are so among the samples.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "history/kept.h"
#include "report.h"

namespace truenorm::bench {

/// What `work` returns, in a fork of this process. Throws std::runtime_error where it ends without;
/// returns nothing where `interrupted` has become true, of which the fork is told.
std::string in_own_process(const std::function<std::string()>& work,
                           const std::function<bool()>& interrupted);

/// The row's figures, from its samples: `columns` beside the plain one. The rounds of one sitting are
/// less apart than two sittings, so of several the medians of each are what an interval is made of.
void conclude(Row&, const std::vector<std::string>& columns, std::size_t sittings);

/// Adds the samples of earlier sittings, which come first. Where one has none, the row has no figure.
void add_sittings(Row&, const std::vector<KeptRun>& earlier,
                  const std::vector<std::string>& columns);

}  // namespace truenorm::bench
