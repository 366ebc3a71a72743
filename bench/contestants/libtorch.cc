// LibTorch's kernels, called without modules and without autograd. The only file of bench/ that
// sees LibTorch: the harness's player goes through modules and gradients in a process of its own,
// this one is timed beside the others in theirs.
#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <c10/core/InferenceMode.h>
#include <torch/version.h>

#include <array>
#include <optional>
#include <stdexcept>
#include <tuple>

#include "../contestant.h"
#include "oracle/arena.h"
#include "oracle/players/libtorch_contract.h"

namespace truenorm::bench {
namespace {

constexpr oracle::LibTorchVersion kVersion{TORCH_VERSION_MAJOR, TORCH_VERSION_MINOR};

at::ScalarType scalar_type(oracle::Dtype d) {
  switch (d) {
    case oracle::Dtype::f32:
      return at::kFloat;
    case oracle::Dtype::f64:
      return at::kDouble;
    case oracle::Dtype::bf16:
      return at::kBFloat16;
    case oracle::Dtype::f16:
      return at::kHalf;
  }
  return at::kFloat;
}

/// LibTorch reads through a pointer that is not const.
void* unconst(const void* p) { return const_cast<void*>(p); }

/// Channels innermost is a format of LibTorch's fast kernels in 4-D (5-D in 2.x only, 3-D never): there
/// such memory is handed over as images of one row, which is a view that costs nothing.
oracle::Shape as_images(const oracle::Shape& s, const oracle::Exec& e) {
  if (e.x != oracle::Layout::nhwc || s.spatial_rank == 0 || s.spatial_rank == 2) return s;
  return {s.n, s.c, 2, {1, s.plane(), 0}};
}

at::Tensor tensor(const void* data, const Work& w) {
  const oracle::Shape s = as_images(w.problem.shape, w.exec);
  const std::array<std::int64_t, 5> size{s.n, s.c, s.s[0], s.s[1], s.s[2]};
  const auto stride = oracle::strides_of(w.exec.x, s);
  const auto rank = static_cast<std::size_t>(s.rank());
  return at::from_blob(unconst(data), at::IntArrayRef(size.data(), rank),
                       at::IntArrayRef(stride.data(), rank),
                       at::TensorOptions().dtype(scalar_type(w.problem.dtype)));
}

/// The fast kernels must be the ones that get timed.
bool recognised(const at::Tensor& t, const oracle::Exec& e) {
  return t.is_contiguous(e.x == oracle::Layout::nhwc && t.dim() == 4
                             ? at::MemoryFormat::ChannelsLast
                             : at::MemoryFormat::Contiguous);
}

class LibTorch final : public Contestant {
 public:
  std::string name() const override { return "libtorch"; }
  std::string version() const override { return TRUENORM_LIBTORCH_VERSION; }

  std::string prepare(const Work& w) override {
    op_ = w.op;
    eps_ = w.problem.eps;
    momentum_ = w.problem.momentum.value;
    forget();
    try {
      at::set_num_threads(w.exec.threads);
      const auto vector = [&](const void* data) {
        return at::from_blob(unconst(data), {w.problem.shape.c},
                             at::TensorOptions().dtype(scalar_type(w.problem.param_dtype)));
      };
      x_ = tensor(w.x, w);
      if (!recognised(x_, w.exec)) throw std::logic_error("LibTorch does not know the layout");
      weight_ = vector(w.weight);
      bias_ = vector(w.bias);
      running_mean_ = vector(w.running_mean).clone();
      running_var_ = vector(w.running_var).clone();
      if (op_ == Op::backward) {
        forward(true);
        std::tie(std::ignore, save_mean_, save_invstd_) = forward_;
        forward_ = {};
        dy_ = tensor(w.dy, w);
      }
      run();
    } catch (const c10::Error& e) {
      forget();
      return e.what_without_backtrace();
    }
    return {};
  }

  // The outputs of the call before are given back first, so that the new ones take their memory.
  void run() override {
    if (op_ == Op::backward) {
      backward_ = {};
      backward_ =
          at::native_batch_norm_backward(dy_, x_, weight_, running_mean_, running_var_, save_mean_,
                                         save_invstd_, true, eps_, {true, true, true});
    } else {
      forward_ = {};
      forward(op_ == Op::training);
    }
  }

  void run_fresh() override { run(); }  // it always allocates them
  Outputs fresh_outputs() const override { return outputs(); }

  Outputs outputs() const override {
    Outputs o;
    if (op_ == Op::backward) {
      const auto& [dx, dweight, dbias] = backward_;
      o.dx = dx.data_ptr();
      if (dweight.scalar_type() == weight_.scalar_type()) o.dweight = dweight.data_ptr();
      if (dbias.scalar_type() == weight_.scalar_type()) o.dbias = dbias.data_ptr();
    } else {
      o.y = std::get<0>(forward_).data_ptr();
    }
    return o;
  }

  oracle::Contract contract(const oracle::Problem& p, const oracle::Exec& e) const override {
    oracle::Problem images = p;
    images.shape = as_images(p.shape, e);
    return oracle::libtorch_contract(images, e, kVersion);
  }

 private:
  void forward(bool training) {
    forward_ = at::native_batch_norm(x_, weight_, bias_, running_mean_, running_var_, training,
                                     momentum_, eps_);
  }

  void forget() {
    forward_ = {};
    backward_ = {};
    for (at::Tensor* t :
         {&x_, &dy_, &weight_, &bias_, &running_mean_, &running_var_, &save_mean_, &save_invstd_})
      t->reset();
  }

  c10::InferenceMode mode_;  // no autograd in this thread
  Op op_ = Op::training;
  double eps_ = 0, momentum_ = 0;
  at::Tensor x_, dy_, weight_, bias_, running_mean_, running_var_, save_mean_, save_invstd_;
  std::tuple<at::Tensor, at::Tensor, at::Tensor> forward_, backward_;
};

}  // namespace

std::unique_ptr<Contestant> make_libtorch() { return std::make_unique<LibTorch>(); }

}  // namespace truenorm::bench
