// LibTorch as a player. Only libtorch.cc sees LibTorch; it lives in a program of its own,
// truenorm-libtorch.
#pragma once

#include <memory>

#include "../player.h"

namespace truenorm::oracle {

/// torch::nn::BatchNorm1d/2d/3d with autograd. For use in its own process: it sets LibTorch's
/// global thread count.
std::unique_ptr<Player> make_libtorch();

}  // namespace truenorm::oracle
