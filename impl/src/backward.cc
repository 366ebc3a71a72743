// The backward pass of a checked job: sums, coefficients by channel, transform.
#include <array>
#include <cmath>

#include "careful.h"
#include "channel.h"
#include "jobs.h"
#include "parallel.h"
#include "sums.h"
#include "transform.h"

namespace truenorm::detail {

namespace {

class Backward {
 public:
  Backward(ContextState& context, const BackwardJob& job) noexcept
      : job_(job),
        dtype_(job.x.dtype),
        lane_(lane_of(job.x.dtype)),
        wants_dx_(job.dx.data != nullptr),
        wants_dot_(job.dweight.present() || (wants_dx_ && job.batch)),
        wants_sums_(wants_dot_ || job.dbias.present()),
        walk_(make_walk(std::array<ConstTensor, 2>{job.x, job.dy})),
        run_{useful_threads(context, element_count(job.x)),
             (*context.kernels)[static_cast<std::size_t>(job.x.dtype)]},
        context_(context) {
    if (wants_sums_) tasks_ = sum_tasks(walk_);
  }

  Status operator()() noexcept {
    if (!allocate()) return {Code::out_of_memory, Argument::context};
    parallel_for(run_.threads, walk_.channels, [&](std::int64_t c, int) { statistics(c); });
    if (wants_sums_) {
      product_sums(run_, dtype_, walk_, tasks_, job_.x.data, job_.dy.data, k_.m, partials_);
    }
    parallel_for(run_.threads, walk_.channels,
                 [&](std::int64_t c, int thread) { finish(c, run_.rooms[thread]); });
    if (!wants_dx_) return {};
    if (job_.batch) {
      const Walk walk = make_walk(std::array<ConstTensor, 3>{job_.x, job_.dy, job_.dx});
      apply_gradient(run_, dtype_, walk, job_.x.data, job_.dy.data, job_.dx.data, k_);
    } else {
      const Walk walk = make_walk(std::array<ConstTensor, 2>{job_.dy, job_.dx});
      apply_affine(run_, dtype_, walk, job_.dy.data, job_.dx.data, k_);
    }
    return {};
  }

 private:
  bool allocate() noexcept {
    const std::int64_t channels = walk_.channels;
    Layout layout;
    const std::size_t rooms = layout.array<ThreadRoom>(run_.threads);
    std::array<std::size_t, 8> arrays{};
    for (std::size_t& array : arrays) array = layout.array<double>(channels);
    const std::size_t careful = layout.array<std::uint8_t>(channels);
    std::int64_t slots = 0;
    if (__builtin_mul_overflow(channels, tasks_.segments, &slots)) return false;
    const std::size_t first = layout.array<double>(slots);
    const std::size_t second = layout.array<double>(slots);
    if (!layout.allocate(context_.scratch)) return false;
    run_.rooms = layout.at<ThreadRoom>(rooms);
    k_.m = layout.at<double>(arrays[0]);
    k_.a = layout.at<double>(arrays[1]);
    k_.b = layout.at<double>(arrays[2]);
    k_.c = layout.at<double>(arrays[3]);
    k_.mean = layout.at<double>(arrays[4]);
    k_.invstd = layout.at<double>(arrays[5]);
    k_.offset = layout.at<double>(arrays[6]);
    k_.slope = layout.at<double>(arrays[7]);
    k_.careful = layout.at<std::uint8_t>(careful);
    k_.weight = job_.weight;
    partials_ = {layout.at<double>(first), layout.at<double>(second), nullptr};
    return true;
  }

  void statistics(std::int64_t c) const noexcept {
    const double spread = load(job_.spread, c, 1);
    k_.mean[c] = load(job_.mean, c, 0);
    k_.invstd[c] = job_.spread_is_var ? inverse_deviation(spread, job_.eps) : spread;
    store_element(lane_, k_.m, c, k_.mean[c]);
  }

  struct Sums {
    double sum = 0;
    double dot = 0;
  };

  /// sum(g) and sum((x - mean)*g). The kernels subtract the mean as rounded to the lane, which is
  /// made good here. What the lanes could not hold is computed again with care, unless it is known
  /// to be 0.
  Sums sums(std::int64_t c, ThreadRoom& room) const noexcept {
    Sums s;
    for (std::int64_t i = 0; i < tasks_.segments; ++i) {
      s.sum += partials_.first[i * walk_.channels + c];
      s.dot += partials_.second[i * walk_.channels + c];
    }
    const double mean = k_.mean[c];
    const double shift = mean - load_element(lane_, k_.m, c);
    if (shift != 0) s.dot -= shift * s.sum;
    const bool finite = std::isfinite(s.sum) && (std::isfinite(s.dot) || !wants_dot_);
    const bool tiny = wants_dot_ && lane_ == Dtype::f32 && std::abs(s.dot) <= tiny_f32;
    if (finite && !tiny) return s;
    if (finite && ((s.sum == 0 && is_constant(dtype_, walk_, 1, job_.dy.data, c, 0)) ||
                   is_constant(dtype_, walk_, 0, job_.x.data, c, mean))) {
      return {s.sum, 0};
    }
    careful_products(dtype_, walk_, job_.x.data, job_.dy.data, c, mean, room, &s.sum, &s.dot);
    return s;
  }

  void finish(std::int64_t c, ThreadRoom& room) const noexcept {
    Sums s;
    if (wants_sums_) s = sums(c, room);
    store(job_.dbias, c, s.sum);
    store(job_.dweight, c, s.dot * k_.invstd[c]);
    if (!wants_dx_) return;
    if (job_.batch) {
      gradient_coefficients(c, s);
    } else {
      scale_coefficients(c);
    }
  }

  /// dx = g*a + ((x - m)*b + c), from dx = ((g - S/n) - (x - mean)*k)*s*w with k = D*s^2/n.
  void gradient_coefficients(std::int64_t c, const Sums& s) const noexcept {
    const double n = static_cast<double>(walk_.count);
    const double mean = k_.mean[c], invstd = k_.invstd[c];
    const double m = to_lane(lane_, mean);
    const double a = load(job_.weight, c, 1) * invstd;
    k_.offset[c] = s.sum / n;
    k_.slope[c] = s.dot * invstd * invstd / n;
    const double b = -a * k_.slope[c];
    double constant = -a * k_.offset[c];
    if (mean != m) constant += b * (m - mean);
    // |x - mean| is at most sqrt(n)/invstd.
    const bool wide =
        lane_ == Dtype::f32 && b != 0 && std::abs(b) * std::sqrt(n) >= large_f32 * invstd;
    k_.careful[c] = wide || !moderate(lane_, mean, constant) || !representable(lane_, a) ||
                    !representable(lane_, b);
    store_element(lane_, k_.a, c, a);
    store_element(lane_, k_.b, c, b);
    store_element(lane_, k_.c, c, constant);
  }

  /// dx = g*w*s, as (g - 0)*a + 0.
  void scale_coefficients(std::int64_t c) const noexcept {
    const double a = load(job_.weight, c, 1) * k_.invstd[c];
    k_.mean[c] = 0;
    k_.careful[c] = !representable(lane_, a);
    store_element(lane_, k_.m, c, 0);
    store_element(lane_, k_.a, c, a);
    store_element(lane_, k_.b, c, 0);
  }

  const BackwardJob& job_;
  Dtype dtype_, lane_;
  bool wants_dx_, wants_dot_, wants_sums_;
  Walk walk_;
  Tasks tasks_;
  Run run_;
  ContextState& context_;
  Coefficients k_;
  Partials partials_{};
};

}  // namespace

Status run(ContextState& context, const BackwardJob& job) noexcept {
  if (element_count(job.x) == 0) {
    fill(job.dweight, 0);
    fill(job.dbias, 0);
    return {};
  }
  return Backward(context, job)();
}

}  // namespace truenorm::detail
