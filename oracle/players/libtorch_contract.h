// What LibTorch's CPU BatchNorm promises about its arithmetic, kernel by kernel. No LibTorch header
// is needed to know it.
#pragma once

#include <cstdint>

#include "../contract.h"
#include "../player.h"

namespace truenorm::oracle {

struct LibTorchVersion {
  int major = 1, minor = 13;
  bool has_f16() const { return major >= 2; }
  bool channels_last_3d() const { return major >= 2; }
};

/// The three families of kernels. `channels_last` also takes every contiguous input with one value
/// a plane: (N, C), (N, C, 1, 1).
enum class LibTorchPath : std::uint8_t { contiguous, channels_last, strided };

/// The kernels of the backward of a forward of this shape.
LibTorchPath libtorch_backward_path(const Shape&, const Exec&, LibTorchVersion);

/// x and dy of different memory order that the backward takes for the same.
bool libtorch_mistakes_layout(const Shape&, const Exec&, LibTorchVersion);

/// The widest of the contracts of the kernels that the program's steps run through.
Contract libtorch_contract(const Problem&, const Exec&, LibTorchVersion);

}  // namespace truenorm::oracle
