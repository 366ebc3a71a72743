// A report as one HTML page, and its figures as files.
#pragma once

#include <filesystem>
#include <string>

#include "bench/report.h"

namespace truenorm::bench {

/// Self-contained: no script, no network, no other file.
std::string to_html(const Report&);

/// Each figure as NAME.svg and NAME.png in a folder that is there. Returns how many figures. Throws
/// UsageError of oracle/cli where the disk says no, and std::runtime_error where gnuplot does.
std::size_t write_plots(const Report&, const std::filesystem::path& folder);

}  // namespace truenorm::bench
