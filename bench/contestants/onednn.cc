// oneDNN's primitives, created once and executed many times, as a framework does. The only file of
// bench/ that sees oneDNN: the harness's player makes a primitive for each call, and more around it.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "../contestant.h"
#include "../memory.h"
#include "oracle/arena.h"
#include "oracle/players/players.h"

namespace truenorm::bench {
namespace {

using dnnl::memory;
using dnnl::prop_kind;
using Flags = dnnl::normalization_flags;
using Forward = dnnl::batch_normalization_forward;
using Backward = dnnl::batch_normalization_backward;
using Arguments = std::unordered_map<int, memory>;

Forward::primitive_desc forward_desc(const dnnl::engine& engine, prop_kind kind,
                                     const memory::desc& data, double eps, Flags flags) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine, kind, data, data, static_cast<float>(eps), flags};
#else
  return {Forward::desc(kind, data, static_cast<float>(eps), flags), engine};
#endif
}

Backward::primitive_desc backward_desc(const dnnl::engine& engine, const memory::desc& data,
                                       double eps, Flags flags,
                                       const Forward::primitive_desc& hint) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine, prop_kind::backward, data, data, data, static_cast<float>(eps), flags, hint};
#else
  return {Backward::desc(prop_kind::backward, data, data, static_cast<float>(eps), flags), engine,
          hint};
#endif
}

/// The memory as it is, and where it has fewer than two spatial sizes also as images of one row:
/// some of oneDNN's kernels take only these.
std::vector<memory::desc> descriptions(const Work& w) {
  const oracle::Shape& s = w.problem.shape;
  const auto type = w.problem.dtype == oracle::Dtype::bf16  ? memory::data_type::bf16
                    : w.problem.dtype == oracle::Dtype::f16 ? memory::data_type::f16
                                                            : memory::data_type::f32;
  const auto stride = oracle::strides_of(w.exec.x, s);
  const std::vector<std::int64_t> size{s.n, s.c, s.s[0], s.s[1], s.s[2]};
  const auto rank = static_cast<std::ptrdiff_t>(s.rank());
  std::vector<memory::desc> all;
  all.emplace_back(memory::dims(size.begin(), size.begin() + rank), type,
                   memory::dims(stride.begin(), stride.begin() + rank));
  if (rank < 4)
    all.emplace_back(
        memory::dims{s.n, s.c, 1, s.plane()}, type,
        w.exec.x == oracle::Layout::nhwc ? memory::format_tag::nhwc : memory::format_tag::nchw);
  return all;
}

class OneDnn final : public Contestant {
 public:
  std::string name() const override { return "onednn"; }
  std::string version() const override { return player_->version(); }

  std::string prepare(const Work& w) override {
    if (w.problem.dtype == oracle::Dtype::f64) return "no f64";
    if (w.problem.param_dtype != oracle::Dtype::f32) return "parameters in f32 only";
    omp_set_num_threads(w.exec.threads);
    std::string why;
    double best = std::numeric_limits<double>::infinity();
    Made chosen;
    for (const memory::desc& data : descriptions(w)) {
      try {
        make(w, data);
        const double time = fastest_of_three();
        if (time < best) chosen = now_;
        best = std::min(best, time);
      } catch (const dnnl::error& e) {
        why = e.what();
      }
    }
    now_ = std::move(chosen);
    fresh_.clear();
    return now_.primitive ? "" : why;
  }

  void run() override {
    now_.primitive.execute(stream_, now_.arguments);
    stream_.wait();
  }

  void run_fresh() override {
    if (fresh_.empty()) fresh_ = now_.arguments;
    for (const int output : now_.outputs) fresh_[output] = memory();
    for (const int output : now_.outputs)
      fresh_[output] = memory(now_.arguments.at(output).get_desc(), engine_);
    now_.primitive.execute(stream_, fresh_);
    stream_.wait();
  }

  Outputs fresh_outputs() const override {
    const auto data = [&](int output) { return fresh_.at(output).get_data_handle(); };
    Outputs o;
    if (now_.backward) {
      o.dx = data(DNNL_ARG_DIFF_SRC);
      o.dweight = data(DNNL_ARG_DIFF_SCALE);
      o.dbias = data(DNNL_ARG_DIFF_SHIFT);
    } else {
      o.y = data(DNNL_ARG_DST);
    }
    return o;
  }

  Outputs outputs() const override {
    Outputs o;
    o.y = now_.backward ? nullptr : y_.data();
    o.dx = now_.backward ? dx_.data() : nullptr;
    o.dweight = now_.backward ? dweight_.data() : nullptr;
    o.dbias = now_.backward ? dbias_.data() : nullptr;
    return o;
  }

  std::string implementation() const override { return now_.implementation; }

  oracle::Contract contract(const oracle::Problem& p, const oracle::Exec& e) const override {
    return player_->contract(p, e);
  }

 private:
  struct Made {
    dnnl::primitive primitive;
    Arguments arguments;
    std::string implementation;
    bool backward = false;
    std::vector<int> outputs;
  };

  void make(const Work& w, const memory::desc& data) {
    const std::int64_t channels = w.problem.shape.c;
    const std::size_t bytes = data.get_size();
    const auto vector = [&](void* p) {
      return memory(memory::desc({channels}, memory::data_type::f32, memory::format_tag::a),
                    engine_, p);
    };
    const auto tensor = [&](const void* p) {
      return memory(data, engine_, const_cast<void*>(p));  // inputs are not const in oneDNN
    };
    const auto given = [&](const void* p) { return vector(const_cast<void*>(p)); };
    const auto own = [&](Buffer& b) {
      return vector(b.reserve(static_cast<std::size_t>(channels) * sizeof(float)));
    };
    const bool evaluation = w.op == Op::evaluation;
    const Flags flags =
        Flags::use_scale | Flags::use_shift | (evaluation ? Flags::use_global_stats : Flags::none);
    const auto forward = forward_desc(
        engine_, evaluation ? prop_kind::forward_inference : prop_kind::forward_training, data,
        w.problem.eps, flags);
    now_ = {Forward(forward),
            {{DNNL_ARG_SRC, tensor(w.x)},
             {DNNL_ARG_DST, tensor(y_.reserve(bytes))},
             {DNNL_ARG_MEAN, evaluation ? given(w.running_mean) : own(mean_)},
             {DNNL_ARG_VARIANCE, evaluation ? given(w.running_var) : own(var_)},
             {DNNL_ARG_SCALE, given(w.weight)},
             {DNNL_ARG_SHIFT, given(w.bias)}},
            forward.impl_info_str(),
            false,
            {DNNL_ARG_DST}};
    if (w.op == Op::training)
      now_.outputs.insert(now_.outputs.end(), {DNNL_ARG_MEAN, DNNL_ARG_VARIANCE});
    if (w.op != Op::backward) return;
    run();  // the statistics
    const auto backward = backward_desc(engine_, data, w.problem.eps, flags, forward);
    now_ = {Backward(backward),
            {{DNNL_ARG_SRC, tensor(w.x)},
             {DNNL_ARG_DIFF_DST, tensor(w.dy)},
             {DNNL_ARG_DIFF_SRC, tensor(dx_.reserve(bytes))},
             {DNNL_ARG_MEAN, own(mean_)},
             {DNNL_ARG_VARIANCE, own(var_)},
             {DNNL_ARG_SCALE, given(w.weight)},
             {DNNL_ARG_DIFF_SCALE, own(dweight_)},
             {DNNL_ARG_DIFF_SHIFT, own(dbias_)}},
            backward.impl_info_str(),
            true,
            {DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_SCALE, DNNL_ARG_DIFF_SHIFT}};
    if (DNNL_VERSION_MAJOR < 3)  // counted among the inputs there, though it is never read
      now_.arguments.emplace(DNNL_ARG_SHIFT, given(w.bias));
  }

  double fastest_of_three() {
    run();
    double best = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 3; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      run();
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
      best = std::min(best, time.count());
    }
    return best;
  }

  std::unique_ptr<oracle::Player> player_ = oracle::make_onednn();  // for its contract
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  Buffer y_, dx_, mean_, var_, dweight_, dbias_;
  Made now_;
  Arguments fresh_;  // with outputs of the last run_fresh()
};

}  // namespace

std::unique_ptr<Contestant> make_onednn() { return std::make_unique<OneDnn>(); }

}  // namespace truenorm::bench
