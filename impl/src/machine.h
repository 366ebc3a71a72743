// What the loop nests need to know of this machine.
#ifndef TRUENORM_SRC_MACHINE_H_
#define TRUENORM_SRC_MACHINE_H_

#include "kernels.h"
#include "plan.h"

namespace truenorm::detail {

/// This machine's caches, found at the first call: sizes as Linux tells them (1 MiB a core where it
/// does not), and half of the shared cache unless storing past it is measured to be faster, which
/// takes a few milliseconds. Thread-safe. Decides about speed, never about a result.
[[nodiscard]] const Machine& this_machine(const KernelSet& kernels) noexcept;

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_MACHINE_H_
