// LibTorch as a witness: what users of its modules see, as plain functions. Only torch.cc sees
// LibTorch's headers. BatchNorm itself, with gradients, is the player's (oracle/players/libtorch.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "case.h"
#include "convolution.h"

namespace truenorm::props::libtorch {

/// The layer applied to x: at::linear or at::convolution, on one thread. Tensors in logical order,
/// their values exactly those of `dtype`; f32 or f64. An empty bias is none.
std::vector<double> apply(const Convolution& layer, oracle::Dtype dtype,
                          const std::vector<double>& x, const std::vector<double>& weight,
                          const std::vector<double>& bias);

/// A torch::nn::Sequential of torch::nn::BatchNorm1d layers, f32, as they are made.
class Sequential {
 public:
  Sequential(std::size_t layers, std::int64_t features);
  ~Sequential();
  Sequential(const Sequential&) = delete;
  Sequential& operator=(const Sequential&) = delete;

  /// Of the parent, which hands it down to all layers.
  void train(bool on);
  bool is_training() const;
  /// Of one layer.
  void train(std::size_t layer, bool on);
  bool is_training(std::size_t layer) const;

  /// x of (N, features), one value after another.
  std::vector<double> forward(const std::vector<double>& x);
  /// running_mean, then running_var.
  std::vector<double> running_statistics(std::size_t layer) const;

  /// Names within a layer.
  std::vector<std::string> parameters(std::size_t layer) const;
  std::vector<std::string> buffers(std::size_t layer) const;

 private:
  struct Modules;
  std::unique_ptr<Modules> modules_;
};

}  // namespace truenorm::props::libtorch
