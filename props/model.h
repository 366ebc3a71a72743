// Model players for the tests of the judge: BatchNorm in the plainest loops, whose rounding errors
// are known by construction, and small defects planted in them.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "answer.h"
#include "player.h"

namespace truenorm::oracle {

enum class Defect {
  none,
  float_carry,          // sums carried in float where the contract says double
  biased_running,       // running_var takes the biased variance
  eps_outside_root,     // 1/(sqrt(var) + eps)
  raw_moments,          // E[x^2] - E[x]^2
  factor_swapped,       // momentum weighs the old value
  dropped_projection,   // dx without the term of sum((x - mean)*dy)
  eps_of_now,           // a backward takes the eps that was set since its forward
  counter_left_behind,  // a move leaves num_batches_tracked behind
  shared_copy,          // a copy shares the statistics of its original
  renorm_any_r,         // r is not clipped
  renorm_any_d,         // d is not clipped
  renorm_late,          // r and d from the running statistics after their update
  renorm_through_r,     // the gradient flows through r where it is not clipped
  renorm_no_d,          // dweight without d*sum(dy)
};

/// Real: the type of every sum and operation. Values come as doubles and are rounded to the case's
/// dtypes where they are stored.
template <class Real>
class Model final : public Player {
 public:
  explicit Model(Defect defect = Defect::none) : defect_(defect) {}
  std::string name() const override { return "model"; }
  Unsupported unsupported(const Problem&, const Exec&) const override { return {}; }

  Contract contract(const Problem& p, const Exec&) const override {
    constexpr double u = sizeof(Real) == 4 ? kU32 : kU64;
    std::int64_t n = 0;
    for (std::size_t i = 0; i < p.run.size(); ++i)
      n = std::max(n, p.shape.with_batch(batch_of(p, i)).per_channel());
    Contract c;
    c.mean = c.dy_sum = {0, u, static_cast<double>(n)};
    c.square = c.dot = {u, u, static_cast<double>(n)};
    c.mean_unit = c.var_unit = c.eps_unit = u;   // one division each; eps becomes a Real
    c.invstd_unit = c.eval_invstd_unit = 3 * u;  // sum, root, quotient
    c.unit = u;
    c.forward_roundings = 3;
    c.backward_roundings = 8;
    c.run_unit = c.factor_unit = c.renorm_unit = u;
    c.save_unit = u;
    c.f32_range = c.f32_sums = sizeof(Real) == 4;
    return c;
  }

  Trace play(const Case& c, const Inputs& in) override {
    const Problem& p = c.problem;
    Trace trace;
    weight_ = in.weight;
    bias_ = in.bias;
    mean_ = in.running_mean;
    var_ = in.running_var;
    bool track = p.track;
    eps_ = p.eps;
    Momentum momentum = p.momentum;
    std::size_t last = 0;
    double left_behind = 0;
    const std::vector<StepAnswer> rules = semantics(p);
    for (std::size_t i = 0; i < p.run.size(); ++i) {
      StepTrace step;
      step.refused = rules[i].refused;
      step.num_batches_tracked = rules[i].num_batches_tracked;
      const Op op = p.run[i].op;
      const Shape shape = p.shape.with_batch(batch_of(p, i));
      if (step.refused == Refusal::none) {
        if (op == Op::train || op == Op::eval) {
          last = i;
          const double batches = step.num_batches_tracked;
          const double factor = momentum.cumulative ? 1 / batches : momentum.value;
          forward(p, shape, in.step[i], op == Op::train || !track,
                  op == Op::train && track && p.track, factor, step);
        }
        if (op == Op::backward) backward(p, shape, in.step[last], in.step[i], step);
        if (op == Op::track_off) track = false;
        if (op == Op::track_on) track = true;
        if (op == Op::set_eps) set_eps(p.run[i].eps);
        if (op == Op::set_momentum) momentum = p.run[i].momentum;
        if (op == Op::move && defect_ == Defect::counter_left_behind)
          left_behind = rules[i].num_batches_tracked;
        if (op == Op::copy && defect_ == Defect::shared_copy)
          for (double& v : mean_) v = -77;  // the original is overwritten
        if ((op == Op::reset_stats || op == Op::reset_params) && track) {
          for (double& v : mean_) v = 0;
          for (double& v : var_) v = 1;
        }
        if (op == Op::reset_params) {
          for (double& v : weight_) v = 1;
          for (double& v : bias_) v = 0;
        }
      }
      if (left_behind > 0) step.num_batches_tracked -= left_behind;
      step.running_mean = mean_;
      step.running_var = var_;
      trace.steps.push_back(std::move(step));
    }
    return trace;
  }

 private:
  template <class F>
  static void each(const Shape& s, std::size_t channel, F&& f) {
    const auto plane = static_cast<std::size_t>(s.plane()),
               channels = static_cast<std::size_t>(s.c);
    for (std::size_t n = 0; n < static_cast<std::size_t>(s.n); ++n)
      for (std::size_t i = 0; i < plane; ++i) f((n * channels + channel) * plane + i);
  }

  Real carry(Real v) const {
    return defect_ == Defect::float_carry ? static_cast<Real>(static_cast<float>(v)) : v;
  }

  Real invstd(Real var, Real eps, bool training) const {
    if (training && var == 0 && eps == 0) return 0;
    if (defect_ == Defect::eps_outside_root) return 1 / (std::sqrt(var) + eps);
    return 1 / std::sqrt(var + eps);
  }

  void set_eps(double eps) {
    if (defect_ == Defect::eps_of_now)
      for (Real& k : used_invstd_)
        k = 1 / std::sqrt(1 / (k * k) - static_cast<Real>(eps_) + static_cast<Real>(eps));
    eps_ = eps;
  }

  void forward(const Problem& p, const Shape& s, const std::vector<double>& x, bool batch,
               bool update, double factor, StepTrace& step) {
    step.y.resize(static_cast<std::size_t>(s.numel()));
    used_mean_.assign(static_cast<std::size_t>(s.c), 0);
    used_invstd_ = used_mean_;
    used_weight_ = weight_;
    ratio_.assign(used_mean_.size(), 1);
    distance_.assign(used_mean_.size(), 0);
    free_.assign(used_mean_.size(), false);
    batch_ = batch;
    if (s.numel() == 0) return;
    const Real n = static_cast<Real>(s.per_channel()), eps = static_cast<Real>(eps_);
    for (std::size_t c = 0; c < used_mean_.size(); ++c) {
      Real m = batch ? 0 : static_cast<Real>(mean_[c]), v = batch ? 0 : static_cast<Real>(var_[c]);
      if (batch) {
        Real squares = 0;
        each(s, c, [&](std::size_t i) { m = carry(m + static_cast<Real>(x[i])); });
        m /= n;
        each(s, c, [&](std::size_t i) {
          const Real d = defect_ == Defect::raw_moments ? static_cast<Real>(x[i])
                                                        : static_cast<Real>(x[i]) - m;
          squares = carry(squares + d * d);
        });
        v = squares / n;
        if (defect_ == Defect::raw_moments) v -= m * m;
      }
      const Real k = invstd(v, eps, batch), w = weight_.empty() ? 1 : static_cast<Real>(weight_[c]),
                 b = bias_.empty() ? 0 : static_cast<Real>(bias_[c]);
      used_mean_[c] = m;
      used_invstd_[c] = k;
      const bool late = defect_ == Defect::renorm_late;
      if (update && late) remember(p, c, m, v, n, factor);
      if (update && p.renorm) correct(*p.renorm, c, m, v, eps);
      const Real a = w * ratio_[c], shift = distance_[c] == 0 ? b : b + w * distance_[c];
      each(s, c, [&](std::size_t i) {
        step.y[i] =
            round_to(p.dtype, static_cast<double>((static_cast<Real>(x[i]) - m) * k * a + shift));
      });
      if (update && !late) remember(p, c, m, v, n, factor);
    }
    if (!batch) return;
    step.save_mean.assign(used_mean_.begin(), used_mean_.end());
    step.save_invstd.assign(used_invstd_.begin(), used_invstd_.end());
  }

  void remember(const Problem& p, std::size_t c, Real m, Real v, Real n, double factor) {
    Real f = static_cast<Real>(factor);
    if (defect_ == Defect::factor_swapped) f = 1 - f;
    const Real unbiased = defect_ == Defect::biased_running ? v : v * n / (n - 1);
    mean_[c] =
        round_to(p.param_dtype, static_cast<double>(f * m + (1 - f) * static_cast<Real>(mean_[c])));
    var_[c] = round_to(p.param_dtype,
                       static_cast<double>(f * unbiased + (1 - f) * static_cast<Real>(var_[c])));
  }

  void correct(const Renorm& bounds, std::size_t c, Real m, Real v, Real eps) {
    const Real sigma = std::sqrt(static_cast<Real>(var_[c]) + eps);
    const Real r = std::sqrt(v + eps) / sigma, d = (m - static_cast<Real>(mean_[c])) / sigma;
    const Real r_max = static_cast<Real>(bounds.r_max), d_max = static_cast<Real>(bounds.d_max);
    ratio_[c] = defect_ == Defect::renorm_any_r ? r : std::clamp(r, 1 / r_max, r_max);
    distance_[c] = defect_ == Defect::renorm_any_d ? d : std::clamp(d, -d_max, d_max);
    free_[c] = ratio_[c] == r;
  }

  void backward(const Problem& p, const Shape& s, const std::vector<double>& x,
                const std::vector<double>& dy, StepTrace& step) {
    step.dx.resize(static_cast<std::size_t>(s.numel()));
    step.dweight.resize(static_cast<std::size_t>(s.c));
    step.dbias = step.dweight;
    if (s.numel() == 0) return;
    const Real n = static_cast<Real>(s.per_channel());
    for (std::size_t c = 0; c < step.dweight.size(); ++c) {
      const Real m = used_mean_[c], k = used_invstd_[c],
                 w = used_weight_.empty() ? 1 : static_cast<Real>(used_weight_[c]), r = ratio_[c],
                 d = defect_ == Defect::renorm_no_d ? 0 : distance_[c];
      Real sum = 0, dot = 0;
      each(s, c, [&](std::size_t i) {
        sum = carry(sum + static_cast<Real>(dy[i]));
        dot = carry(dot + (static_cast<Real>(x[i]) - m) * static_cast<Real>(dy[i]));
      });
      step.dweight[c] = round_to(p.param_dtype,
                                 static_cast<double>(d == 0 ? dot * k * r : dot * k * r + d * sum));
      step.dbias[c] = round_to(p.param_dtype, static_cast<double>(sum));
      each(s, c, [&](std::size_t i) {
        const Real g = static_cast<Real>(dy[i]);
        const bool through_r = defect_ == Defect::renorm_through_r && batch_ && free_[c];
        const Real projection = defect_ == Defect::dropped_projection || through_r
                                    ? 0
                                    : (static_cast<Real>(x[i]) - m) * k * k * (dot / n);
        step.dx[i] = round_to(
            p.dtype,
            static_cast<double>(batch_ ? (g - sum / n - projection) * k * (w * r) : g * w * k));
      });
    }
  }

  Defect defect_;
  std::vector<double> weight_, bias_, mean_, var_, used_weight_;
  std::vector<Real> used_mean_, used_invstd_, ratio_, distance_;
  std::vector<bool> free_;  // r was not clipped
  double eps_ = 0;
  bool batch_ = true;
};

}  // namespace truenorm::oracle
