// What LibTorch's CPU BatchNorm promises about its arithmetic, kernel by kernel. No LibTorch header
// is needed to know it.
#pragma once

#include "../contract.h"
#include "../player.h"

namespace truenorm::oracle {

struct LibTorchVersion {
  int major = 1, minor = 13;
  bool has_f16() const { return major >= 2; }
  bool channels_last_3d() const { return major >= 2; }
};

/// The widest of the contracts of the kernels that the program's steps run through.
Contract libtorch_contract(const Problem&, const Exec&, LibTorchVersion);

}  // namespace truenorm::oracle
