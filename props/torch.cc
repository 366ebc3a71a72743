#include "torch.h"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linear.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>

// The only file of props/ that sees LibTorch.

namespace truenorm::props::libtorch {
namespace {

at::Tensor tensor(const std::vector<double>& values, const std::vector<std::int64_t>& sizes,
                  at::ScalarType type) {
  // LibTorch reads through a pointer that is not const.
  double* data = const_cast<double*>(values.data());
  return at::from_blob(data, sizes, at::TensorOptions().dtype(at::kDouble)).to(type, false, true);
}

std::vector<double> values_of(const at::Tensor& t) {
  const at::Tensor wide = t.detach().to(at::kDouble).contiguous();
  const double* from = wide.data_ptr<double>();
  return {from, from + wide.numel()};
}

}  // namespace

std::vector<double> apply(const Convolution& layer, oracle::Dtype dtype,
                          const std::vector<double>& x, const std::vector<double>& weight,
                          const std::vector<double>& bias) {
  at::set_num_threads(1);
  const at::ScalarType type = dtype == oracle::Dtype::f64 ? at::kDouble : at::kFloat;
  const at::Tensor input = tensor(x, layer.x_sizes(), type);
  const at::Tensor kernel = tensor(weight, layer.weight_sizes(), type);
  const at::Tensor shift = bias.empty() ? at::Tensor() : tensor(bias, {layer.out}, type);
  if (layer.spatial_rank == 0) return values_of(at::linear(input, kernel, shift));
  const auto all = [&](std::int64_t value) {
    return std::vector<std::int64_t>(static_cast<std::size_t>(layer.spatial_rank), value);
  };
  return values_of(at::convolution(input, kernel, shift, all(layer.stride), all(layer.padding),
                                   all(layer.dilation), layer.transposed, all(0), layer.groups));
}

struct Sequential::Modules {
  torch::nn::Sequential parent;
  std::vector<torch::nn::BatchNorm1d> layers;
  std::int64_t features;
};

Sequential::Sequential(std::size_t layers, std::int64_t features)
    : modules_(std::make_unique<Modules>()) {
  modules_->features = features;
  for (std::size_t i = 0; i < layers; ++i) {
    modules_->layers.emplace_back(torch::nn::BatchNormOptions(features));
    modules_->parent->push_back(modules_->layers.back());
  }
}
Sequential::~Sequential() = default;

void Sequential::train(bool on) { modules_->parent->train(on); }
bool Sequential::is_training() const { return modules_->parent->is_training(); }
void Sequential::train(std::size_t layer, bool on) { modules_->layers[layer]->train(on); }
bool Sequential::is_training(std::size_t layer) const {
  return modules_->layers[layer]->is_training();
}

std::vector<double> Sequential::forward(const std::vector<double>& x) {
  at::set_num_threads(1);
  const std::int64_t features = modules_->features;
  return values_of(modules_->parent->forward(
      tensor(x, {static_cast<std::int64_t>(x.size()) / features, features}, at::kFloat)));
}

std::vector<double> Sequential::running_statistics(std::size_t layer) const {
  const torch::nn::BatchNorm1d& m = modules_->layers[layer];
  return values_of(at::cat({m->running_mean, m->running_var}));
}

std::vector<std::string> Sequential::parameters(std::size_t layer) const {
  return modules_->layers[layer]->named_parameters().keys();
}
std::vector<std::string> Sequential::buffers(std::size_t layer) const {
  return modules_->layers[layer]->named_buffers().keys();
}

}  // namespace truenorm::props::libtorch
