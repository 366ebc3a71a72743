// The forward pass of a checked job: sums, statistics by channel, transform.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>

#include "careful.h"
#include "channel.h"
#include "jobs.h"
#include "pass.h"
#include "sums.h"

namespace truenorm::detail {

namespace {

class Forward {
 public:
  Forward(ContextState& context, const ForwardJob& job) noexcept
      : job_(job),
        dtype_(job.x.dtype),
        lane_(lane_of(job.x.dtype)),
        run_{context.threads, (*context.kernels)[static_cast<std::size_t>(job.x.dtype)]},
        context_(context) {
    const std::array<ConstTensor, 2> views{job.x, job.y};
    const std::size_t summed = job.batch && job.known == nullptr ? 1 : 0;
    const std::size_t swept = job.found == nullptr ? 2 : 0;
    if (job.known == nullptr || element_count(job.x) != 0) {
      plan_ = make_plan(std::span(views).first(summed), std::span(views).first(swept),
                        context.threads, context.machine);
    } else {  // the statistics alone
      plan_.sweep.channels = job.x.size[1];
    }
  }

  [[nodiscard]] Status reserve() noexcept {
    return allocate() ? Status{} : Status{Code::out_of_memory, Argument::context};
  }

  Status operator()() noexcept {
    const Status status = reserve();
    if (status.ok()) Schedule<Forward>(plan_, run_, *this)();
    return status;
  }

  void prepare(std::int64_t, std::int64_t) const noexcept {}

  void sum(const Part& part, std::int64_t segment, ThreadRoom& room) const noexcept {
    const std::int64_t slot = segment * plan_.sums.channels + part.c;
    moment_sums(run_.kernels, dtype_, plan_.sums, part, job_.x.data, room,
                {partials_.first + slot, partials_.second + slot, partials_.base + slot});
  }

  void finish(std::int64_t c, std::int64_t end, ThreadRoom& room) const noexcept {
    ForwardBlock block;
    for (; c < end; c += channel_block) {
      finish_block(c, std::min(channel_block, end - c), block, room);
    }
  }

  void sweep(const Part& part, const Order& order, ThreadRoom& room) const noexcept {
    apply_affine(run_.kernels, dtype_, plan_.sweep, part, job_.x.data, job_.y.data, k_, order,
                 room);
  }

 private:
  bool allocate() noexcept {
    const std::int64_t channels = job_.x.size[1];
    Layout layout;
    const std::size_t rooms = layout.array<ThreadRoom>(plan_.threads);
    const std::size_t mean = layout.array<double>(channels);
    const std::size_t invstd = layout.array<double>(channels);
    const std::int64_t virtual_channels = channels * plan_.sweep.fold;
    const std::size_t m = layout.array<double>(virtual_channels);
    const std::size_t a = layout.array<double>(virtual_channels);
    const std::size_t b = layout.array<double>(virtual_channels);
    const std::size_t careful = layout.array<std::uint8_t>(channels);
    const std::int64_t renormed = job_.renorm ? channels : 0;
    const std::size_t weight = layout.array<double>(renormed);
    const std::size_t bias = layout.array<double>(renormed);
    const std::int64_t slots = channels * plan_.parts.segments;  // no more than elements
    const std::size_t first = layout.array<double>(slots);
    const std::size_t second = layout.array<double>(slots);
    const std::size_t base = layout.array<double>(slots);
    if (!layout.allocate(context_.scratch)) return false;
    run_.rooms = layout.at<ThreadRoom>(rooms);
    k_.mean = layout.at<double>(mean);
    k_.invstd = layout.at<double>(invstd);
    k_.m = layout.at<double>(m);
    k_.a = layout.at<double>(a);
    k_.b = layout.at<double>(b);
    k_.careful = layout.at<std::uint8_t>(careful);
    weight_ = {layout.at<double>(weight), Dtype::f64, renormed, 1};
    bias_ = {layout.at<double>(bias), Dtype::f64, renormed, 1};
    k_.weight = job_.renorm ? weight_ : job_.weight;
    k_.bias = job_.renorm ? bias_ : job_.bias;
    partials_ = {layout.at<double>(first), layout.at<double>(second), layout.at<double>(base)};
    return true;
  }

  /// Moments of x over all segments.
  void merge(std::int64_t c, std::int64_t count, ForwardBlock& k) const noexcept {
    const Walk& walk = plan_.sums;
    std::copy_n(partials_.base + c, count, k.base);
    std::copy_n(partials_.first + c, count, k.offset);
    std::copy_n(partials_.second + c, count, k.m2);
    for (std::int64_t s = 1; s < plan_.parts.segments; ++s) {
      const std::int64_t before = s * plan_.parts.length, slot = s * walk.channels + c;
      const std::int64_t more = std::min(plan_.parts.length, walk.count - before);
      run_.kernels.merge_moments(k, static_cast<double>(before), partials_.base + slot,
                                 partials_.first + slot, partials_.second + slot,
                                 static_cast<double>(more), count);
    }
  }

  /// What the lanes could not hold is computed again with care: non-finite sums, and squares so small
  /// that some may have underflowed, unless all values are equal.
  void mend(std::int64_t c, std::int64_t i, ForwardBlock& k, ThreadRoom& room) const noexcept {
    const double n = static_cast<double>(plan_.sums.count);
    const bool finite = std::isfinite(k.mean[i]) && std::isfinite(k.m2[i]);
    const double first = first_value(dtype_, plan_.sums, 0, job_.x.data, c);
    Moments sums{n, k.base[i], k.offset[i], k.m2[i]};
    if (finite && is_constant(dtype_, plan_.sums, 0, job_.x.data, c, first)) {
      sums = {n, first, 0, 0};
    } else {
      const Moments careful = careful_moments(dtype_, plan_.sums, job_.x.data, c, room);
      // In f64 both are double: a finite mean of the shorter chains is the better one.
      if (lane_ == Dtype::f32 || !std::isfinite(k.mean[i])) sums = careful;
      sums.m2 = careful.m2;
    }
    k.base[i] = sums.base;
    k.offset[i] = sums.offset;
    k.m2[i] = sums.m2;
    k.mean[i] = sums.mean();
    k.rest[i] = std::isfinite(k.mean[i]) ? (sums.base - k.mean[i]) + sums.offset : 0;
    k.var[i] = sums.m2 / n;
    k.unbiased[i] = sums.m2 / (n - 1);
  }

  /// Those of a batch that x is a part of; what was doubtful in it has been mended by who found it.
  void known_statistics(std::int64_t c, std::int64_t count, ForwardBlock& k) const noexcept {
    std::copy_n(job_.known->base + c, count, k.base);
    std::copy_n(job_.known->offset + c, count, k.offset);
    std::copy_n(job_.known->m2 + c, count, k.m2);
    (void)run_.kernels.forward_statistics(k, count, job_.known->count);
  }

  void batch_statistics(std::int64_t c, std::int64_t count, ForwardBlock& k,
                        ThreadRoom& room) const noexcept {
    merge(c, count, k);
    const bool doubtful =
        run_.kernels.forward_statistics(k, count, static_cast<double>(plan_.sums.count));
    for (std::int64_t i = 0; doubtful && i < count; ++i) {
      if (k.doubtful[i] != 0) mend(c + i, i, k, room);
    }
  }

  /// Lets the weight take r, and the bias weight*d; ahead of update(). NaN is clipped to nothing.
  void renormalize(std::int64_t c, std::int64_t count, ForwardBlock& k) const noexcept {
    const Renorm& bounds = *job_.renorm;
    Column mean, var, r, d;
    load_column(job_.running_mean, c, count, 0, mean);
    load_column(job_.running_var, c, count, 1, var);
    for (std::int64_t i = 0; i < count; ++i) {
      const double sigma = std::sqrt(var[i] + job_.eps);
      const double ratio = std::sqrt(k.var[i] + job_.eps) / sigma;
      r[i] = std::clamp(ratio, 1 / bounds.r_max, bounds.r_max);
      d[i] = std::clamp((k.mean[i] - mean[i]) / sigma, -bounds.d_max, bounds.d_max);
      k.bias[i] = shifted(k.bias[i], k.weight[i], d[i]);
      k.weight[i] *= r[i];
    }
    store_column(job_.save_r, c, count, r);
    store_column(job_.save_d, c, count, d);
    store_column(weight_, c, count, k.weight);
    store_column(bias_, c, count, k.bias);
  }

  void update(const Vector& running, std::int64_t c, std::int64_t count,
              const double* value) const noexcept {
    if (!running.present()) return;
    Column next;
    load_column(running, c, count, 0, next);
    for (std::int64_t i = 0; i < count; ++i) {
      next[i] = job_.factor * value[i] + (1 - job_.factor) * next[i];
    }
    store_column(running, c, count, next);
  }

  /// Kernels compute whole vectors. The channels behind the last one get what raises no doubt, so
  /// that nothing is decided by memory that nobody wrote.
  static void pad(std::int64_t count, ForwardBlock& k) noexcept {
    for (std::int64_t i = count; i % virtual_lanes(Dtype::f64) != 0; ++i) {
      k.base[i] = k.offset[i] = k.mean[i] = k.rest[i] = k.bias[i] = 0;
      k.m2[i] = k.var[i] = k.weight[i] = 1;
    }
  }

  void finish_block(std::int64_t c, std::int64_t count, ForwardBlock& k,
                    ThreadRoom& room) const noexcept {
    pad(count, k);
    if (job_.known != nullptr) {
      known_statistics(c, count, k);
    } else if (job_.batch) {
      batch_statistics(c, count, k, room);
    } else {
      load_column(job_.given_mean, c, count, 0, k.mean);
      load_column(job_.given_var, c, count, 1, k.var);
      std::fill_n(k.rest, count, 0.0);
    }
    if (job_.found != nullptr) {
      std::copy_n(k.base, count, job_.found->base + c);
      std::copy_n(k.offset, count, job_.found->offset + c);
      std::copy_n(k.m2, count, job_.found->m2 + c);
      return;
    }
    load_column(job_.weight, c, count, 1, k.weight);
    load_column(job_.bias, c, count, 0, k.bias);
    if (job_.renorm) renormalize(c, count, k);
    update(job_.running_mean, c, count, k.mean);
    update(job_.running_var, c, count, k.unbiased);
    const bool careful = run_.kernels.forward_coefficients(k, count, job_.eps, job_.batch);
    store_column(job_.save_mean, c, count, k.mean);
    store_column(job_.save_invstd, c, count, k.invstd);
    std::copy_n(k.mean, count, k_.mean + c);
    std::copy_n(k.invstd, count, k_.invstd + c);
    for (std::int64_t i = 0; i < count; ++i) k_.careful[c + i] = careful && k.careful[i] != 0;
    store_coefficients(lane_, plan_.sweep, c, count, k.m, k_.m);
    store_coefficients(lane_, plan_.sweep, c, count, k.a, k_.a);
    store_coefficients(lane_, plan_.sweep, c, count, k.b, k_.b);
  }

  const ForwardJob& job_;
  Dtype dtype_, lane_;
  Run run_;
  ContextState& context_;
  Plan plan_;
  Coefficients k_;
  Vector weight_, bias_;  ///< with renorm: as the transform takes them
  Partials partials_{};
};

}  // namespace

Status reserve(ContextState& context, const ForwardJob& job) noexcept {
  return Forward(context, job).reserve();
}

Status run(ContextState& context, const ForwardJob& job) noexcept {
  if (element_count(job.x) == 0 && (job.known == nullptr || job.known->count == 0)) {
    fill(job.save_mean, std::numeric_limits<double>::quiet_NaN());
    fill(job.save_invstd, std::numeric_limits<double>::quiet_NaN());
    fill(job.save_r, std::numeric_limits<double>::quiet_NaN());
    fill(job.save_d, std::numeric_limits<double>::quiet_NaN());
    return {};
  }
  const Status status = Forward(context, job)();
  if (!status.ok() || job.renorm) return status;
  fill(job.save_r, 1);
  fill(job.save_d, 0);
  return status;
}

}  // namespace truenorm::detail
