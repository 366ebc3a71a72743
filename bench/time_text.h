// How a time is written.
#pragma once

#include <string>

namespace truenorm::bench {

/// Three digits and a unit: "12.3 us".
std::string time_text(double ns);

}  // namespace truenorm::bench
