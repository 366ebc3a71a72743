// Highway's shared library times RDTSCP while it is loaded, by this function of its own, and nothing here
// asks for the result. Callgrind ends a program that meets RDTSCP on a processor (or a virtual machine)
// that does not announce it; so the one in this program comes first.
#include <cstdint>

namespace hwy::platform {

std::uint64_t TimerResolution();
std::uint64_t TimerResolution() { return 1; }

}  // namespace hwy::platform
