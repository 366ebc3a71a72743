#include "time_text.h"

#include <fmt/format.h>

namespace truenorm::bench {

std::string time_text(double ns) {
  const char* unit = "ns";
  for (const char* next : {"us", "ms", "s"}) {
    if (ns < 999.5) break;
    ns /= 1000;
    unit = next;
  }
  return fmt::format("{:.{}f} {:<2}", ns, ns < 9.995 ? 2 : ns < 99.95 ? 1 : 0, unit);
}

}  // namespace truenorm::bench
