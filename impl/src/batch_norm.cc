#include "truenorm/batch_norm.h"

#include <array>
#include <cstddef>
#include <cstring>
#include <limits>
#include <new>
#include <utility>
#include <vector>

#include "jobs.h"
#include "layer_state.h"
#include "scalar.h"

namespace truenorm {

using detail::LayerState;

namespace {

/// More than any address space holds.
constexpr std::int64_t max_features = std::int64_t{1} << 44;
constexpr Status moved_from{Code::out_of_memory, Argument::layer};

/// Runs `make`, which may throw for want of memory.
template <class Make>
Status guarded(const Make& make) noexcept {
  try {
    make();
    return {};
  } catch (...) {
    return {Code::out_of_memory, Argument::layer};
  }
}

std::unique_ptr<LayerState> make_state(const BatchNormOptions& options) {
  auto state = std::make_unique<LayerState>();
  state->features = options.num_features;
  state->dtype = options.dtype;
  if (options.affine == Affine::weight || options.affine == Affine::both) {
    state->make(state->weight, options.dtype);
    state->make(state->used_weight, options.dtype);
  }
  if (options.affine == Affine::bias || options.affine == Affine::both) {
    state->make(state->bias, options.dtype);
  }
  if (options.track_running_stats) {
    state->make(state->running_mean, options.dtype);
    state->make(state->running_var, options.dtype);
    state->batches = 0;
  }
  state->make(state->saved_mean, Dtype::f64);
  state->make(state->saved_invstd, Dtype::f64);
  if (options.renorm) {
    state->make(state->saved_r, Dtype::f64);
    state->make(state->saved_d, Dtype::f64);
  }
  state->fill(state->weight, 1);
  state->fill(state->running_var, 1);
  return state;
}

}  // namespace

BatchNorm::BatchNorm(const BatchNormOptions& options) noexcept : options_(options) {
  if (static_cast<int>(options.dtype) > static_cast<int>(Dtype::f16)) {
    status_ = {Code::dtype_mismatch, Argument::layer};
  } else if (static_cast<int>(options.affine) > static_cast<int>(Affine::both)) {
    status_ = {Code::bad_value, Argument::layer};
  } else if (options.num_features < 0) {
    status_ = {Code::bad_size, Argument::num_features};
  } else if (options.num_features > max_features) {
    status_ = {Code::overflow, Argument::num_features};
  } else {
    status_ = detail::check_renorm(options.renorm);
    if (status_.ok()) status_ = guarded([&] { state_ = make_state(options); });
  }
}

BatchNorm::~BatchNorm() = default;

BatchNorm::BatchNorm(const BatchNorm& other) noexcept
    : status_(other.status_), options_(other.options_) {
  if (other.state_ == nullptr) return;
  status_ = guarded([&] { state_ = std::make_unique<LayerState>(*other.state_); });
}

BatchNorm& BatchNorm::operator=(const BatchNorm& other) noexcept {
  if (this != &other) *this = BatchNorm(other);
  return *this;
}

BatchNorm::BatchNorm(BatchNorm&& other) noexcept
    : state_(std::move(other.state_)), status_(other.status_), options_(other.options_) {
  if (other.status_.ok()) other.status_ = moved_from;
}

BatchNorm& BatchNorm::operator=(BatchNorm&& other) noexcept {
  if (this == &other) return *this;
  state_ = std::move(other.state_);
  status_ = other.status_;
  options_ = other.options_;
  if (other.status_.ok()) other.status_ = moved_from;
  return *this;
}

Status BatchNorm::status() const noexcept { return status_; }

const BatchNormOptions& BatchNorm::options() const noexcept { return options_; }

Vector BatchNorm::weight() noexcept {
  return state_ ? state_->view(state_->weight, state_->dtype) : Vector{};
}
Vector BatchNorm::bias() noexcept {
  return state_ ? state_->view(state_->bias, state_->dtype) : Vector{};
}
Vector BatchNorm::running_mean() noexcept {
  return state_ ? state_->view(state_->running_mean, state_->dtype) : Vector{};
}
Vector BatchNorm::running_var() noexcept {
  return state_ ? state_->view(state_->running_var, state_->dtype) : Vector{};
}
ConstVector BatchNorm::weight() const noexcept { return state().weight; }
ConstVector BatchNorm::bias() const noexcept { return state().bias; }
ConstVector BatchNorm::running_mean() const noexcept { return state().running_mean; }
ConstVector BatchNorm::running_var() const noexcept { return state().running_var; }

std::optional<std::int64_t> BatchNorm::num_batches_tracked() const noexcept {
  return state_ ? state_->batches : std::nullopt;
}

void BatchNorm::train(bool on) noexcept {
  if (state_) state_->training = on;
}
bool BatchNorm::is_training() const noexcept { return state_ && state_->training; }
void BatchNorm::set_eps(double eps) noexcept { options_.eps = eps; }
void BatchNorm::set_momentum(std::optional<double> momentum) noexcept {
  options_.momentum = momentum;
}
void BatchNorm::set_track_running_stats(bool on) noexcept { options_.track_running_stats = on; }

Status BatchNorm::set_renorm(const std::optional<Renorm>& renorm) noexcept {
  if (!status_.ok()) return status_;
  Status status = detail::check_renorm(renorm);
  if (status.ok() && renorm && !state_->saved_r.present) {
    status = guarded([&] {
      detail::Values r, d;
      state_->make(r, Dtype::f64);
      state_->make(d, Dtype::f64);
      state_->saved_r = std::move(r);
      state_->saved_d = std::move(d);
    });
  }
  if (status.ok()) options_.renorm = renorm;
  return status;
}

Status BatchNorm::reset_running_stats() noexcept {
  if (!status_.ok()) return status_;
  if (!options_.track_running_stats) return {};
  if (!state_->batches) return {Code::missing_statistics, Argument::running_mean};
  state_->fill(state_->running_mean, 0);
  state_->fill(state_->running_var, 1);
  state_->batches = 0;
  return {};
}

Status BatchNorm::reset_parameters() noexcept {
  const Status status = reset_running_stats();
  if (!status.ok()) return status;
  state_->fill(state_->weight, 1);
  state_->fill(state_->bias, 0);
  return {};
}

State BatchNorm::state() const noexcept {
  if (!state_) return {};
  const LayerState& s = *state_;
  return {s.view(s.weight, s.dtype), s.view(s.bias, s.dtype), s.view(s.running_mean, s.dtype),
          s.view(s.running_var, s.dtype), s.batches};
}

Status BatchNorm::load(const State& source) noexcept {
  if (!status_.ok()) return status_;
  struct Entry {
    Argument argument;
    detail::Values& to;
    const ConstVector& from;
    detail::Values values{};
  };
  std::array<Entry, 4> entries = {
      Entry{Argument::weight, state_->weight, source.weight},
      Entry{Argument::bias, state_->bias, source.bias},
      Entry{Argument::running_mean, state_->running_mean, source.running_mean},
      Entry{Argument::running_var, state_->running_var, source.running_var}};
  for (const Entry& e : entries) {
    if (!e.to.present) continue;
    if (!e.from.present()) return {Code::missing_state, e.argument};
    if (e.from.dtype != state_->dtype) return {Code::dtype_mismatch, e.argument};
    const Status status = detail::check_vector(e.argument, e.from, state_->features);
    if (!status.ok()) return status;
  }
  if (state_->batches) {
    if (!source.num_batches_tracked) return {Code::missing_state, Argument::num_batches_tracked};
    if (*source.num_batches_tracked < 0) return {Code::bad_value, Argument::num_batches_tracked};
  }
  // Gathered before anything is written: the source may be views of this very layer.
  const Status status = guarded([&] {
    const auto bytes = static_cast<std::size_t>(size_of(state_->dtype));
    for (Entry& e : entries) {
      if (!e.to.present) continue;
      state_->make(e.values, state_->dtype);
      for (std::int64_t c = 0; c < state_->features; ++c) {
        const void* from = detail::at(state_->dtype, e.from.data, c * e.from.stride);
        std::memcpy(detail::at(state_->dtype, e.values.bytes.data(), c), from, bytes);
      }
    }
  });
  if (!status.ok()) return status;
  for (const Entry& e : entries) {
    if (e.to.present) {
      std::memcpy(e.to.bytes.data(), e.values.bytes.data(), e.values.bytes.size());
    }
  }
  if (state_->batches) state_->batches = source.num_batches_tracked;
  return {};
}

Status detail::prepare(LayerState& s, const BatchNormOptions& options, const ConstTensor& x,
                       const Tensor& y, bool part, ForwardJob& job) noexcept {
  const bool batch = s.training || !options.track_running_stats;
  const Status status = check_x(x, batch && !part);
  if (!status.ok()) return status;
  if (x.size[1] != s.features) return {Code::bad_size, Argument::x};
  if (x.dtype != s.dtype && !(s.dtype == Dtype::f32 && size_of(x.dtype) == 2)) {
    return {Code::dtype_mismatch, Argument::x};
  }
  const bool tracks = s.training && options.track_running_stats && s.batches.has_value();
  if (tracks && *s.batches == std::numeric_limits<std::int64_t>::max()) {
    return {Code::overflow, Argument::num_batches_tracked};
  }
  job.x = x;
  job.y = y;
  job.weight = s.view(s.weight, s.dtype);
  job.bias = s.view(s.bias, s.dtype);
  job.batch = batch;
  if (tracks) {
    const double count = static_cast<double>(*s.batches) + 1;
    job.running_mean = s.view(s.running_mean, s.dtype);
    job.running_var = s.view(s.running_var, s.dtype);
    job.factor = options.momentum ? *options.momentum : 1 / count;
    job.renorm = options.renorm;
    if (job.renorm) {
      job.save_r = s.view(s.saved_r, Dtype::f64);
      job.save_d = s.view(s.saved_d, Dtype::f64);
    }
  } else if (!batch) {
    job.given_mean = s.view(s.running_mean, s.dtype);
    job.given_var = s.view(s.running_var, s.dtype);
  }
  job.eps = options.eps;
  job.save_mean = s.view(s.saved_mean, Dtype::f64);
  job.save_invstd = s.view(s.saved_invstd, Dtype::f64);
  job.tracks = tracks;
  return {};
}

void detail::remember(LayerState& s, const ForwardJob& job,
                      std::optional<std::int64_t> block) noexcept {
  if (job.tracks) ++*s.batches;
  s.has_forward = true;
  s.batch = job.batch;
  s.renormed = job.renorm.has_value();
  s.block = block;
  s.x_dtype = job.x.dtype;
  s.rank = job.x.rank;
  s.size = job.x.size;
  if (s.weight.present) {
    std::memcpy(s.used_weight.bytes.data(), s.weight.bytes.data(), s.weight.bytes.size());
  }
}

Status BatchNorm::forward(Context& context, const ConstTensor& x, const Tensor& y) noexcept {
  if (!status_.ok()) return status_;
  if (!context.status().ok()) return context.status();
  detail::ForwardJob job;
  Status status = detail::prepare(*state_, options_, x, y, false, job);
  if (status.ok()) status = detail::check(job);
  if (status.ok()) status = detail::run(*context.state(), job);
  if (status.ok()) detail::remember(*state_, job, std::nullopt);
  return status;
}

Status detail::prepare(const LayerState& s, BackwardJob& job) noexcept {
  const ConstTensor& x = job.x;
  if (!s.has_forward) return {Code::no_forward, Argument::layer};
  const Status status = check_x(x, false);
  if (!status.ok()) return status;
  if (x.rank != s.rank) return {Code::shape_mismatch, Argument::x};
  for (std::size_t i = 0; i < static_cast<std::size_t>(s.rank); ++i) {
    if (x.size[i] != s.size[i]) return {Code::shape_mismatch, Argument::x};
  }
  if (x.dtype != s.x_dtype) return {Code::dtype_mismatch, Argument::x};
  job.weight = s.view(s.used_weight, s.dtype);
  job.batch = s.batch;
  job.mean = s.view(s.saved_mean, Dtype::f64);
  job.spread = s.view(s.saved_invstd, Dtype::f64);
  if (s.renormed) {
    job.r = s.view(s.saved_r, Dtype::f64);
    job.d = s.view(s.saved_d, Dtype::f64);
  }
  return {};
}

Status BatchNorm::backward(Context& context, const ConstTensor& dy, const ConstTensor& x,
                           const Tensor& dx, const Vector& dweight,
                           const Vector& dbias) const noexcept {
  if (!status_.ok()) return status_;
  if (!context.status().ok()) return context.status();
  detail::BackwardJob job;
  job.dy = dy;
  job.x = x;
  job.dx = dx;
  job.dweight = dweight;
  job.dbias = dbias;
  Status status = detail::prepare(*state_, job);
  if (status.ok() && state_->block) status = {Code::no_forward, Argument::layer};
  if (status.ok()) status = detail::check(job);
  return status.ok() ? detail::run(*context.state(), job) : status;
}

ConstVector BatchNorm::saved_mean() const noexcept {
  if (!state_ || !state_->has_forward) return {};
  const LayerState& s = *state_;
  return s.view(s.saved_mean, Dtype::f64);
}

ConstVector BatchNorm::saved_invstd() const noexcept {
  if (!state_ || !state_->has_forward) return {};
  const LayerState& s = *state_;
  return s.view(s.saved_invstd, Dtype::f64);
}

ConstVector BatchNorm::saved_r() const noexcept {
  if (!state_ || !state_->renormed) return {};
  const LayerState& s = *state_;
  return s.view(s.saved_r, Dtype::f64);
}

ConstVector BatchNorm::saved_d() const noexcept {
  if (!state_ || !state_->renormed) return {};
  const LayerState& s = *state_;
  return s.view(s.saved_d, Dtype::f64);
}

}  // namespace truenorm
