// The forward pass of a checked job: sums, statistics by channel, transform.
#include <array>
#include <cmath>
#include <limits>

#include "careful.h"
#include "channel.h"
#include "jobs.h"
#include "parallel.h"
#include "sums.h"
#include "transform.h"

namespace truenorm::detail {

namespace {

struct Statistics {
  double mean = 0;
  double rest = 0;      ///< what the mean's rounding to double has lost
  double var = 0;       ///< biased
  double unbiased = 0;  ///< of n - 1
};

class Forward {
 public:
  Forward(ContextState& context, const ForwardJob& job) noexcept
      : job_(job),
        dtype_(job.x.dtype),
        lane_(lane_of(job.x.dtype)),
        walk_(make_walk(std::array<ConstTensor, 2>{job.x, job.y})),
        run_{useful_threads(context, element_count(job.x)),
             (*context.kernels)[static_cast<std::size_t>(job.x.dtype)]},
        context_(context) {
    if (!job.batch) return;
    sum_walk_ = make_walk(std::array<ConstTensor, 1>{job.x});
    tasks_ = sum_tasks(sum_walk_);
  }

  Status operator()() noexcept {
    if (!allocate()) return {Code::out_of_memory, Argument::context};
    if (job_.batch) {
      moment_sums(run_, dtype_, sum_walk_, tasks_, job_.x.data, partials_);
    }
    parallel_for(run_.threads, walk_.channels,
                 [&](std::int64_t c, int thread) { finish(c, run_.rooms[thread]); });
    apply_affine(run_, dtype_, walk_, job_.x.data, job_.y.data, k_);
    return {};
  }

 private:
  bool allocate() noexcept {
    const std::int64_t channels = walk_.channels;
    Layout layout;
    const std::size_t rooms = layout.array<ThreadRoom>(run_.threads);
    const std::size_t mean = layout.array<double>(channels);
    const std::size_t invstd = layout.array<double>(channels);
    const std::size_t m = layout.array<double>(channels);
    const std::size_t a = layout.array<double>(channels);
    const std::size_t b = layout.array<double>(channels);
    const std::size_t careful = layout.array<std::uint8_t>(channels);
    std::int64_t slots = 0;
    if (__builtin_mul_overflow(channels, tasks_.segments, &slots)) return false;
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
    k_.weight = job_.weight;
    k_.bias = job_.bias;
    partials_ = {layout.at<double>(first), layout.at<double>(second), layout.at<double>(base)};
    return true;
  }

  /// Statistics of x. What the lanes could not hold is computed again with care: non-finite sums,
  /// and squares so small that some may have underflowed, unless all values are equal.
  Statistics batch_statistics(std::int64_t c, ThreadRoom& room) const noexcept {
    const double n = static_cast<double>(sum_walk_.count);
    Moments sums = merged_moments(sum_walk_, tasks_, partials_, c);
    const bool finite = std::isfinite(sums.mean()) && std::isfinite(sums.m2);
    const bool tiny = lane_ == Dtype::f32 && sums.m2 < n * tiny_f32;
    if (!finite || tiny) {
      const double first = first_value(dtype_, sum_walk_, 0, job_.x.data, c);
      if (finite && is_constant(dtype_, sum_walk_, 0, job_.x.data, c, first)) {
        sums = {n, first, 0, 0};
      } else {
        const Moments careful = careful_moments(dtype_, sum_walk_, job_.x.data, c, room);
        // In f64 both are double: a finite mean of the shorter chains is the better one.
        if (lane_ == Dtype::f32 || !std::isfinite(sums.mean())) sums = careful;
        sums.m2 = careful.m2;
      }
    }
    const double mean = sums.mean();
    const double rest = std::isfinite(mean) ? (sums.base - mean) + sums.offset : 0;
    return {mean, rest, sums.m2 / n, sums.m2 / (n - 1)};
  }

  void finish(std::int64_t c, ThreadRoom& room) const noexcept {
    Statistics s;
    double invstd = 0;
    if (job_.batch) {
      s = batch_statistics(c, room);
      invstd = s.var == 0 && job_.eps == 0 ? 0 : inverse_deviation(s.var, job_.eps);
      update(job_.running_mean, c, s.mean);
      update(job_.running_var, c, s.unbiased);
    } else {
      s = {load(job_.given_mean, c, 0), 0, load(job_.given_var, c, 1), 0};
      invstd = inverse_deviation(s.var, job_.eps);
    }
    store(job_.save_mean, c, s.mean);
    store(job_.save_invstd, c, invstd);
    coefficients(c, s, invstd);
  }

  void update(const Vector& running, std::int64_t c, double value) const noexcept {
    if (!running.present()) return;
    store(running, c, job_.factor * value + (1 - job_.factor) * load(running, c, 0));
  }

  /// a = invstd*w and b = bias - (mean - m)*a, m being the mean rounded to the lane: so its
  /// rounding does not shift the result.
  void coefficients(std::int64_t c, const Statistics& s, double invstd) const noexcept {
    const double m = to_lane(lane_, s.mean);
    const double a = invstd * load(job_.weight, c, 1);
    const double b = load(job_.bias, c, 0) - ((s.mean - m) + s.rest) * a;
    const bool narrow = lane_ == Dtype::f32 && s.var + job_.eps < tiny_f32 && invstd != 0;
    k_.mean[c] = s.mean;
    k_.invstd[c] = invstd;
    k_.careful[c] = narrow || !moderate(lane_, s.mean, b) || !representable(lane_, a);
    store_element(lane_, k_.m, c, m);
    store_element(lane_, k_.a, c, a);
    store_element(lane_, k_.b, c, b);
  }

  const ForwardJob& job_;
  Dtype dtype_, lane_;
  Walk walk_, sum_walk_;
  Tasks tasks_;
  Run run_;
  ContextState& context_;
  Coefficients k_;
  Partials partials_{};
};

}  // namespace

Status run(ContextState& context, const ForwardJob& job) noexcept {
  if (element_count(job.x) == 0) {
    fill(job.save_mean, std::numeric_limits<double>::quiet_NaN());
    fill(job.save_invstd, std::numeric_limits<double>::quiet_NaN());
    return {};
  }
  return Forward(context, job)();
}

}  // namespace truenorm::detail
