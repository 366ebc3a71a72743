// A night that never was, for tests of its reports.
#pragma once

#include <filesystem>
#include <string>

namespace truenorm::night {

/// What a page or a terminal must not take for its own.
inline const std::string kHostile = "\"'><script>alert(1)</script><b>&\x1b[31m";

/// Eight hours of seven targets, with findings, hostile text, worst scores, replays and the coverage
/// of impl/. The folder is made, and was not there before.
void make_up_night(const std::filesystem::path& folder);

/// A store in which nothing has happened.
void make_up_nothing(const std::filesystem::path& folder);

}  // namespace truenorm::night
