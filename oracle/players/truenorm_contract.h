// What Truenorm's BatchNorm promises about its arithmetic. No header of the implementation is needed
// to know it.
#pragma once

#include "../contract.h"
#include "../player.h"

namespace truenorm::oracle {

/// As functional.h and the kernels' doc blocks state it; `fma`: the instruction set has it.
Contract truenorm_contract(const Problem&, const Exec&, bool fma);

/// The same where the batch is up to `blocks` blocks, whose sums are merged as sync_batch_norm.h
/// states it. docs/accuracy.md, "Several ranks".
Contract merged_contract(Contract, double blocks);

}  // namespace truenorm::oracle
