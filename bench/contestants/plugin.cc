// A user's kernel or layer, called as its interface says, in this process.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "../contestant.h"
#include "../memory.h"
#include "oracle/arena.h"
#include "oracle/cli/support.h"
#include "oracle/players/host.h"
#include "oracle/players/plugin.h"

namespace truenorm::bench {
namespace {

constexpr std::array kDeaths{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

extern "C" void tell_of_death(int) {
  constexpr char kText[] =
      "\ntruenorm-bench: the subject crashed. It is timed in this process; './run conform "
      "--subject' plays it in another, and names the case\n";
  const ssize_t told = ::write(STDERR_FILENO, kText, sizeof kText - 1);
  ::_exit(told < 0 ? oracle::cli::kInternal : oracle::cli::kAgainst);
}

/// While it lives, a crash of this process is the plugin's, and is told as that.
class Blame {
 public:
  Blame() {
    struct sigaction action {};
    action.sa_handler = tell_of_death;
    for (std::size_t i = 0; i < kDeaths.size(); ++i) ::sigaction(kDeaths[i], &action, &before_[i]);
  }
  ~Blame() {
    for (std::size_t i = 0; i < kDeaths.size(); ++i) ::sigaction(kDeaths[i], &before_[i], nullptr);
  }
  Blame(const Blame&) = delete;
  Blame& operator=(const Blame&) = delete;

 private:
  std::array<struct sigaction, kDeaths.size()> before_{};
};

std::int32_t abi_dtype(oracle::Dtype d) {
  switch (d) {
    case oracle::Dtype::f32:
      return TRUENORM_F32;
    case oracle::Dtype::f64:
      return TRUENORM_F64;
    case oracle::Dtype::bf16:
      return TRUENORM_BF16;
    case oracle::Dtype::f16:
      break;
  }
  return TRUENORM_F16;
}

/// The interface's tensors have no const; what it may not write is said there.
truenorm_tensor tensor(const void* data, const Work& w) {
  const oracle::Shape& s = w.problem.shape;
  truenorm_tensor t{const_cast<void*>(data), abi_dtype(w.problem.dtype), s.rank(), {}, {}};
  const std::array<std::int64_t, 5> size{s.n, s.c, s.s[0], s.s[1], s.s[2]};
  const auto stride = oracle::strides_of(w.exec.x, s);
  std::copy(size.begin(), size.end(), t.size);
  std::copy(stride.begin(), stride.end(), t.stride);
  return t;
}

class Subject final : public Contestant {
 public:
  explicit Subject(const std::string& spec) : plugin_(oracle::open_plugin(spec)) {}
  ~Subject() override { forget_layer(); }

  std::string name() const override { return std::string(kSubject); }
  std::string version() const override { return plugin_.version(); }

  std::string prepare(const Work& w) override {
    const bool has_backward =
        plugin_.kernel ? plugin_.kernel->backward != nullptr : plugin_.layer->backward != nullptr;
    if (w.op == Op::backward && !has_backward) return "no backward";
    const Blame blame;
    lay_out(w);
    if (plugin_.layer && make_layer() == TRUENORM_UNSUPPORTED) return "not supported";
    if (op_ == Op::backward) {
      const truenorm_result result = forward(y_);
      if (result == TRUENORM_UNSUPPORTED) return "not supported";
      accept(result);
    }
    const truenorm_result result = call(out_);
    if (result == TRUENORM_UNSUPPORTED) return "not supported";
    accept(result);
    return {};
  }

  void run() override { accept(call(out_)); }

  void run_fresh() override {
    for (Allocation& output : fresh_) output.free();
    fresh_out_ = out_;
    fresh_out_.data.data = fresh_[0].allocate(bytes_);
    if (op_ == Op::backward) {
      fresh_out_.dweight.data = fresh_[1].allocate(vector_bytes_);
      fresh_out_.dbias.data = fresh_[2].allocate(vector_bytes_);
    }
    accept(call(fresh_out_));
  }

  Outputs outputs() const override { return outputs_of(out_); }
  Outputs fresh_outputs() const override { return outputs_of(fresh_out_); }

  oracle::Contract contract(const oracle::Problem& p, const oracle::Exec&) const override {
    return oracle::contract_of(plugin_.kernel ? plugin_.kernel->contract : plugin_.layer->contract,
                               p);
  }

 private:
  /// What a call puts out: y, or of a backward dx and the gradients of the parameters.
  struct Out {
    truenorm_tensor data;
    truenorm_vector dweight, dbias;
  };

  Outputs outputs_of(const Out& out) const {
    Outputs o;
    if (op_ == Op::backward) {
      o.dx = out.data.data;
      o.dweight = out.dweight.data;
      o.dbias = out.dbias.data;
    } else {
      o.y = out.data.data;
    }
    return o;
  }

  static void accept(truenorm_result result) {
    if (result != TRUENORM_OK)
      throw std::runtime_error(result == TRUENORM_REFUSED ? "the plugin refuses this call"
                                                          : "the plugin's call failed");
  }

  /// Memory for everything. What stood in the outputs, maybe right answers, is gone.
  void lay_out(const Work& w) {
    forget_layer();
    work_ = w;
    op_ = w.op;
    bytes_ = tensor_bytes(w.problem.shape, w.problem.dtype);
    const std::int64_t channels = w.problem.shape.c;
    const auto params = abi_dtype(w.problem.param_dtype);
    vector_bytes_ = static_cast<std::size_t>(channels) * oracle::size_of(w.problem.param_dtype);
    const auto save =
        w.problem.dtype == oracle::Dtype::f64 ? oracle::Dtype::f64 : oracle::Dtype::f32;
    const auto spoiled = [](Buffer& buffer, std::size_t bytes) {
      return std::memset(buffer.reserve(bytes), 0xff, bytes);  // a NaN in every dtype
    };
    const auto vector = [&](const void* data, std::int32_t dtype) {
      return truenorm_vector{const_cast<void*>(data), dtype, 0, channels, 1};
    };
    const auto own = [&](Buffer& buffer) { return vector(spoiled(buffer, vector_bytes_), params); };
    const auto copied = [&](Buffer& buffer, const void* from) {
      return vector(std::memcpy(buffer.reserve(vector_bytes_), from, vector_bytes_), params);
    };
    x_ = tensor(w.x, w);
    y_ = tensor(spoiled(y_memory_, bytes_), w);
    weight_ = vector(w.weight, params);
    bias_ = vector(w.bias, params);
    running_mean_ = copied(mean_memory_, w.running_mean);
    running_var_ = copied(var_memory_, w.running_var);
    const std::size_t save_bytes = static_cast<std::size_t>(channels) * oracle::size_of(save);
    save_mean_ = vector(spoiled(save_mean_memory_, save_bytes), abi_dtype(save));
    save_invstd_ = vector(spoiled(save_invstd_memory_, save_bytes), abi_dtype(save));
    absent_ = {nullptr, params, 0, 0, 1};
    out_ = {y_, absent_, absent_};
    if (op_ != Op::backward) return;
    dy_ = tensor(w.dy, w);
    out_ = {tensor(spoiled(dx_memory_, bytes_), w), own(dweight_memory_), own(dbias_memory_)};
  }

  void forget_layer() {
    if (layer_ != nullptr) plugin_.layer->destroy(std::exchange(layer_, nullptr));
  }

  truenorm_result make_layer() {
    const oracle::Problem& p = work_.problem;
    const truenorm_layer_options options{
        p.shape.c, p.eps, p.momentum.value, p.momentum.cumulative, 1,
        1,         1,     weight_.dtype,    work_.exec.threads};
    const truenorm_layer_v1& table = *plugin_.layer;
    if (const auto result = table.create(&options, &layer_); result != TRUENORM_OK) {
      if (result != TRUENORM_UNSUPPORTED) accept(result);
      return result;
    }
    for (const auto& [name, value] :
         {std::pair{"weight", &weight_}, std::pair{"bias", &bias_},
          std::pair{"running_mean", &running_mean_}, std::pair{"running_var", &running_var_}})
      accept(table.set_state(layer_, name, value));
    accept(table.set_training(layer_, op_ != Op::evaluation));
    return TRUENORM_OK;
  }

  /// Of the operation: with batch statistics, but for an evaluation.
  truenorm_result forward(truenorm_tensor& y) {
    const oracle::Problem& p = work_.problem;
    if (plugin_.layer) {
      truenorm_vector no_mean = absent_, no_invstd = absent_;
      return plugin_.layer->forward(layer_, &x_, &y, &no_mean, &no_invstd);
    }
    if (op_ == Op::evaluation)
      return plugin_.kernel->forward_inference(&x_, &weight_, &bias_, &running_mean_, &running_var_,
                                               p.eps, &y, work_.exec.threads);
    return plugin_.kernel->forward_training(&x_, &weight_, &bias_, &running_mean_, &running_var_,
                                            p.momentum.value, p.eps, &y, &save_mean_, &save_invstd_,
                                            work_.exec.threads);
  }

  truenorm_result call(Out& out) {
    if (op_ != Op::backward) return forward(out.data);
    if (plugin_.layer)
      return plugin_.layer->backward(layer_, &dy_, &x_, &out.data, &out.dweight, &out.dbias);
    return plugin_.kernel->backward(&dy_, &x_, &weight_, &absent_, &absent_, &save_mean_,
                                    &save_invstd_, 1, work_.problem.eps, &out.data, &out.dweight,
                                    &out.dbias, work_.exec.threads);
  }

  oracle::Plugin plugin_;
  void* layer_ = nullptr;
  Work work_;
  Op op_ = Op::training;
  std::size_t bytes_ = 0, vector_bytes_ = 0;  // of a tensor, of a vector of the parameters
  truenorm_tensor x_{}, dy_{}, y_{};
  truenorm_vector weight_{}, bias_{}, running_mean_{}, running_var_{}, save_mean_{}, save_invstd_{},
      absent_{};
  Out out_{}, fresh_out_{};
  Buffer y_memory_, dx_memory_, mean_memory_, var_memory_, save_mean_memory_, save_invstd_memory_,
      dweight_memory_, dbias_memory_;
  std::array<Allocation, 3> fresh_;  // the tensor, then the vectors of a run_fresh()
};

}  // namespace

std::unique_ptr<Contestant> make_subject(const std::string& spec) {
  return std::make_unique<Subject>(spec);
}

}  // namespace truenorm::bench
