// Truenorm's functions, as a program that keeps its own tensors calls them.
#include <algorithm>
#include <array>
#include <stdexcept>

#include "../../impl/src/context_state.h"  // for caches other than the machine's
#include "../contestant.h"
#include "../memory.h"
#include "oracle/arena.h"
#include "oracle/players/players.h"
#include "truenorm/functional.h"

namespace truenorm::bench {
namespace {

// The enumerators are the harness's, in the same order; see the assertions.
Dtype dtype_of(oracle::Dtype d) { return static_cast<Dtype>(d); }
Isa isa_of(oracle::Isa i) { return static_cast<Isa>(i); }
static_assert(static_cast<int>(Dtype::f16) == static_cast<int>(oracle::Dtype::f16) &&
              static_cast<int>(Dtype::f64) == static_cast<int>(oracle::Dtype::f64) &&
              static_cast<int>(Dtype::bf16) == static_cast<int>(oracle::Dtype::bf16));
static_assert(static_cast<int>(Isa::best) == static_cast<int>(oracle::Isa::best) &&
              static_cast<int>(Isa::scalar) == static_cast<int>(oracle::Isa::scalar) &&
              static_cast<int>(Isa::sse4) == static_cast<int>(oracle::Isa::sse4) &&
              static_cast<int>(Isa::avx2) == static_cast<int>(oracle::Isa::avx2) &&
              static_cast<int>(Isa::avx512) == static_cast<int>(oracle::Isa::avx512) &&
              static_cast<int>(Isa::neon) == static_cast<int>(oracle::Isa::neon));

template <class View, class Pointer>
View tensor(Pointer data, const Work& w) {
  const oracle::Shape& s = w.problem.shape;
  View t;
  t.data = data;
  t.dtype = dtype_of(w.problem.dtype);
  t.rank = s.rank();
  t.size = {s.n, s.c, s.s[0], s.s[1], s.s[2]};
  t.stride = oracle::strides_of(w.exec.x, s);
  return t;
}

class Truenorm final : public Contestant {
 public:
  explicit Truenorm(const std::vector<std::int64_t>& caches) : caches_(caches) {}

  std::string name() const override { return "truenorm"; }
  std::string version() const override { return player_->version(); }

  std::string prepare(const Work& w) override {
    if (!context_ || context_->threads() != w.exec.threads || asked_ != w.exec.isa) {
      context_ = std::make_unique<Context>(w.exec.threads, isa_of(w.exec.isa));
      asked_ = w.exec.isa;
      if (!context_->status().ok()) return context_->status().message();
      if (!caches_.empty()) context_->state()->machine = {caches_[0], caches_[1]};
    }
    op_ = w.op;
    const auto channels = static_cast<std::size_t>(w.problem.shape.c);
    bytes_ = tensor_bytes(w.problem.shape, w.problem.dtype);
    const Dtype params = dtype_of(w.problem.param_dtype);
    const auto constant = [&](const void* data) {
      return ConstVector{data, params, w.problem.shape.c, 1};
    };
    const auto vector = [&](Buffer& buffer, Dtype dtype) {
      return Vector{buffer.reserve(channels * 8), dtype, w.problem.shape.c, 1};
    };
    const auto x = tensor<ConstTensor>(w.x, w);
    const Vector mean = vector(running_mean_, params), var = vector(running_var_, params);
    const auto size = channels * oracle::size_of(w.problem.param_dtype);
    std::copy_n(static_cast<const std::byte*>(w.running_mean), size,
                static_cast<std::byte*>(mean.data));
    std::copy_n(static_cast<const std::byte*>(w.running_var), size,
                static_cast<std::byte*>(var.data));
    const auto y = tensor<Tensor>(y_.reserve(bytes_), w);
    // The statistics are saved in f64, as the layer does.
    training_ = {x,
                 constant(w.weight),
                 constant(w.bias),
                 mean,
                 var,
                 w.problem.momentum.value,
                 w.problem.eps,
                 y,
                 vector(save_mean_, Dtype::f64),
                 vector(save_invstd_, Dtype::f64)};
    inference_ = {x, constant(w.weight), constant(w.bias), mean, var, w.problem.eps, y};
    if (op_ != Op::backward) return {};
    accept(forward_training(*context_, training_));
    backward_ = {tensor<ConstTensor>(w.dy, w), x,
                 constant(w.weight),           training_.save_mean,
                 training_.save_invstd,        tensor<Tensor>(dx_.reserve(bytes_), w),
                 vector(dweight_, params),     vector(dbias_, params)};
    return {};
  }

  void run() override {
    switch (op_) {
      case Op::training:
        return accept(forward_training(*context_, training_));
      case Op::evaluation:
        return accept(forward_inference(*context_, inference_));
      case Op::backward:
        return accept(backward_training(*context_, backward_));
    }
  }

  void run_fresh() override {
    for (Allocation& output : fresh_) output.free();
    const auto tensor = [&](Tensor t, std::size_t i) {
      t.data = fresh_[i].allocate(bytes_);
      return t;
    };
    const auto vector = [&](Vector v, std::size_t i) {
      v.data = fresh_[i].allocate(static_cast<std::size_t>(v.size) * 8);
      return v;
    };
    if (op_ == Op::training) {
      ForwardTraining call = training_;
      call.y = tensor(call.y, 0);
      call.save_mean = vector(call.save_mean, 1);
      call.save_invstd = vector(call.save_invstd, 2);
      accept(forward_training(*context_, call));
    } else if (op_ == Op::evaluation) {
      ForwardInference call = inference_;
      call.y = tensor(call.y, 0);
      accept(forward_inference(*context_, call));
    } else {
      BackwardTraining call = backward_;
      call.dx = tensor(call.dx, 0);
      call.dweight = vector(call.dweight, 1);
      call.dbias = vector(call.dbias, 2);
      accept(backward_training(*context_, call));
    }
  }

  Outputs fresh_outputs() const override {
    Outputs o;
    if (op_ == Op::backward) {
      o.dx = fresh_[0].data();
      o.dweight = fresh_[1].data();
      o.dbias = fresh_[2].data();
    } else {
      o.y = fresh_[0].data();
    }
    return o;
  }

  Outputs outputs() const override {
    Outputs o;
    o.y = y_.data();
    o.running_mean = running_mean_.data();
    o.running_var = running_var_.data();
    if (op_ == Op::evaluation) return o;
    o.save_mean = static_cast<const double*>(save_mean_.data());
    o.save_invstd = static_cast<const double*>(save_invstd_.data());
    if (op_ == Op::training) return o;
    o.dx = dx_.data();
    o.dweight = dweight_.data();
    o.dbias = dbias_.data();
    return o;
  }

  std::string implementation() const override {
    return context_ ? truenorm::name(context_->isa()) : "";
  }

  oracle::Contract contract(const oracle::Problem& p, const oracle::Exec& e) const override {
    return player_->contract(p, e);
  }

 private:
  static void accept(Status status) {
    if (!status.ok())
      throw std::runtime_error(std::string("truenorm refuses: ") + status.message());
  }

  std::vector<std::int64_t> caches_;
  std::unique_ptr<oracle::Player> player_ = oracle::make_truenorm();  // for its contract
  std::unique_ptr<Context> context_;
  oracle::Isa asked_ = oracle::Isa::best;
  Op op_ = Op::training;
  std::size_t bytes_ = 0;            // of a tensor
  std::array<Allocation, 3> fresh_;  // the tensor, then the vectors of a run_fresh()
  Buffer y_, dx_, running_mean_, running_var_, save_mean_, save_invstd_, dweight_, dbias_;
  ForwardTraining training_;
  ForwardInference inference_;
  BackwardTraining backward_;
};

}  // namespace

std::unique_ptr<Contestant> make_truenorm(const std::vector<std::int64_t>& caches) {
  return std::make_unique<Truenorm>(caches);
}

}  // namespace truenorm::bench
