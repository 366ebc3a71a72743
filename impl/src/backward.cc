// The backward pass of a checked job: sums, coefficients by channel, transform.
#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "careful.h"
#include "channel.h"
#include "jobs.h"
#include "pass.h"
#include "sums.h"

namespace truenorm::detail {

namespace {

class Backward {
 public:
  Backward(ContextState& context, const BackwardJob& job) noexcept
      : job_(job),
        dtype_(job.x.dtype),
        lane_(lane_of(job.x.dtype)),
        wants_dx_(job.dx.data != nullptr),
        wants_dot_(job.dweight.present() || (wants_dx_ && job.batch) || job.found != nullptr),
        wants_sums_((wants_dot_ || job.dbias.present()) && job.known == nullptr),
        run_{context.threads, (*context.kernels)[static_cast<std::size_t>(job.x.dtype)]},
        context_(context) {
    const std::array<ConstTensor, 3> views{job.x, job.dy, job.dx};
    const std::span<const ConstTensor> all(views);
    if (!wants_sums_ && !wants_dx_) {  // by known sums
      plan_.sweep.channels = job.x.size[1];
      return;
    }
    plan_ = make_plan(all.first(wants_sums_ ? 2 : 0),
                      all.subspan(job.batch ? 0 : 1, !wants_dx_  ? 0
                                                     : job.batch ? 3
                                                                 : 2),
                      context.threads, context.machine);
  }

  [[nodiscard]] Status reserve() noexcept {
    return allocate() ? Status{} : Status{Code::out_of_memory, Argument::context};
  }

  Status operator()() noexcept {
    const Status status = reserve();
    if (status.ok()) Schedule<Backward>(plan_, run_, *this)();
    return status;
  }

  void prepare(std::int64_t c, std::int64_t end) const noexcept {
    const std::int64_t count = end - c;
    load_column(job_.mean, c, count, 0, k_.mean + c);
    load_column(job_.spread, c, count, 1, k_.invstd + c);
    for (std::int64_t i = c; job_.spread_is_var && i < end; ++i) {
      k_.invstd[i] = inverse_deviation(k_.invstd[i], job_.eps);
    }
    store_lanes(lane_, pivot_, c, count, k_.mean + c);
  }

  void sum(const Part& part, std::int64_t segment, ThreadRoom& room) const noexcept {
    const std::int64_t slot = segment * plan_.sums.channels + part.c;
    product_sums(run_.kernels, dtype_, plan_.sums, part, job_.x.data, job_.dy.data, pivot_, room,
                 {partials_.first + slot, partials_.second + slot, nullptr});
  }

  void finish(std::int64_t c, std::int64_t end, ThreadRoom& room) const noexcept {
    if (!wants_sums_) prepare(c, end);
    BackwardBlock block;
    for (; c < end; c += channel_block) {
      finish_block(c, std::min(channel_block, end - c), block, room);
    }
  }

  void sweep(const Part& part, const Order& order, ThreadRoom& room) const noexcept {
    if (job_.batch) {
      apply_gradient(run_.kernels, dtype_, plan_.sweep, part, job_.x.data, job_.dy.data,
                     job_.dx.data, k_, order, room);
    } else {
      apply_affine(run_.kernels, dtype_, plan_.sweep, part, job_.dy.data, job_.dx.data, k_, order,
                   room);
    }
  }

 private:
  bool allocate() noexcept {
    const std::int64_t channels = job_.x.size[1];
    const std::int64_t virtual_channels = channels * plan_.sweep.fold;
    Layout layout;
    const std::size_t rooms = layout.array<ThreadRoom>(plan_.threads);
    std::array<std::size_t, 9> arrays{};
    for (std::size_t& array : arrays) array = layout.array<double>(virtual_channels);
    const std::size_t careful = layout.array<std::uint8_t>(channels);
    const std::int64_t renormed = job_.r.present() ? channels : 0;
    const std::size_t weight = layout.array<double>(renormed);
    const std::int64_t slots = channels * plan_.parts.segments;  // no more than elements
    const std::size_t first = layout.array<double>(slots);
    const std::size_t second = layout.array<double>(slots);
    if (!layout.allocate(context_.scratch)) return false;
    run_.rooms = layout.at<ThreadRoom>(rooms);
    pivot_ = layout.at<double>(arrays[8]);
    k_.m = layout.at<double>(arrays[0]);
    k_.a = layout.at<double>(arrays[1]);
    k_.b = layout.at<double>(arrays[2]);
    k_.c = layout.at<double>(arrays[3]);
    k_.mean = layout.at<double>(arrays[4]);
    k_.invstd = layout.at<double>(arrays[5]);
    k_.offset = layout.at<double>(arrays[6]);
    k_.slope = layout.at<double>(arrays[7]);
    k_.careful = layout.at<std::uint8_t>(careful);
    weight_ = {layout.at<double>(weight), Dtype::f64, renormed, 1};
    k_.weight = job_.r.present() ? weight_ : job_.weight;
    partials_ = {layout.at<double>(first), layout.at<double>(second), nullptr};
    return true;
  }

  /// sum(g) and sum((x - mean)*g). What the lanes could not hold is computed again with care, unless
  /// it is known to be 0.
  void merge(std::int64_t c, std::int64_t count, BackwardBlock& k,
             ThreadRoom& room) const noexcept {
    std::copy_n(partials_.first + c, count, k.sum);
    std::copy_n(partials_.second + c, count, k.dot);
    for (std::int64_t s = 1; s < plan_.parts.segments; ++s) {
      const std::int64_t slot = s * plan_.sums.channels + c;
      for (std::int64_t i = 0; i < count; ++i) {
        k.sum[i] += partials_.first[slot + i];
        k.dot[i] += partials_.second[slot + i];
      }
    }
    const bool doubtful = run_.kernels.backward_sums(k, count);
    for (std::int64_t i = 0; doubtful && i < count; ++i) {
      if (k.doubtful[i] != 0) mend(c + i, k.mean[i], k.sum[i], k.dot[i], room);
    }
  }

  void mend(std::int64_t c, double mean, double& sum, double& dot,
            ThreadRoom& room) const noexcept {
    const bool finite = std::isfinite(sum) && (std::isfinite(dot) || !wants_dot_);
    if (finite && !wants_dot_) return;
    if (finite && ((sum == 0 && is_constant(dtype_, plan_.sums, 1, job_.dy.data, c, 0)) ||
                   is_constant(dtype_, plan_.sums, 0, job_.x.data, c, mean))) {
      dot = 0;
      return;
    }
    careful_products(dtype_, plan_.sums, job_.x.data, job_.dy.data, c, mean, room, &sum, &dot);
  }

  /// Turns the ordinary gradient of the weight, which stands in k.offset, into that of y = weight*(r*x^ + d).
  void renormalize(std::int64_t c, std::int64_t count, BackwardBlock& k) const noexcept {
    Column r, d;
    load_column(job_.r, c, count, 1, r);
    load_column(job_.d, c, count, 0, d);
    for (std::int64_t i = 0; i < count; ++i) {
      k.offset[i] = shifted(k.offset[i] * r[i], k.sum[i], d[i]);
    }
  }

  /// Kernels compute whole vectors. The channels behind the last one get what raises no doubt, so
  /// that nothing is decided by memory that nobody wrote.
  static void pad(std::int64_t count, BackwardBlock& k) noexcept {
    for (std::int64_t i = count; i % virtual_lanes(Dtype::f64) != 0; ++i) {
      k.mean[i] = k.sum[i] = 0;
      k.dot[i] = k.invstd[i] = k.weight[i] = 1;
    }
  }

  static void copy_sums(const BatchSums& from, std::int64_t c, std::int64_t count,
                        BackwardBlock& k) noexcept {
    std::copy_n(from.sum + c, count, k.sum);
    std::copy_n(from.dot + c, count, k.dot);
  }

  void finish_block(std::int64_t c, std::int64_t count, BackwardBlock& k,
                    ThreadRoom& room) const noexcept {
    pad(count, k);
    std::copy_n(k_.mean + c, count, k.mean);
    std::copy_n(k_.invstd + c, count, k.invstd);
    if (wants_sums_) merge(c, count, k, room);
    if (job_.found != nullptr) {
      std::copy_n(k.sum, count, job_.found->sum + c);
      std::copy_n(k.dot, count, job_.found->dot + c);
      return;
    }
    if (job_.known != nullptr) copy_sums(*job_.part, c, count, k);
    if (job_.dweight.present()) {
      for (std::int64_t i = 0; i < count; ++i) k.offset[i] = k.dot[i] * k.invstd[i];
      if (job_.r.present()) renormalize(c, count, k);
      store_column(job_.dweight, c, count, k.offset);
    }
    if (job_.dbias.present()) store_column(job_.dbias, c, count, k.sum);
    if (!wants_dx_) return;
    if (job_.known != nullptr) copy_sums(*job_.known, c, count, k);
    load_column(job_.weight, c, count, 1, k.weight);
    if (job_.r.present()) {
      Column r;
      load_column(job_.r, c, count, 1, r);
      for (std::int64_t i = 0; i < count; ++i) k.weight[i] *= r[i];
      store_column(weight_, c, count, k.weight);
    }
    if (!job_.batch) {  // dx = g*w*s, as (g - 0)*a + 0
      std::fill_n(k.mean, count, 0.0);
      std::fill_n(k.sum, count, 0.0);
      std::fill_n(k.dot, count, 0.0);
    }
    const double n = job_.known != nullptr ? job_.known->count
                     : job_.batch          ? static_cast<double>(plan_.sums.count)
                                           : 1;
    const bool careful = run_.kernels.backward_coefficients(k, count, n);
    std::copy_n(k.mean, count, k_.mean + c);
    std::copy_n(k.offset, count, k_.offset + c);
    std::copy_n(k.slope, count, k_.slope + c);
    for (std::int64_t i = 0; i < count; ++i) k_.careful[c + i] = careful && k.careful[i] != 0;
    store_coefficients(lane_, plan_.sweep, c, count, k.m, k_.m);
    store_coefficients(lane_, plan_.sweep, c, count, k.a, k_.a);
    store_coefficients(lane_, plan_.sweep, c, count, k.b, k_.b);
    store_coefficients(lane_, plan_.sweep, c, count, k.c, k_.c);
  }

  const BackwardJob& job_;
  Dtype dtype_, lane_;
  bool wants_dx_, wants_dot_, wants_sums_;
  Run run_;
  ContextState& context_;
  Plan plan_;
  void* pivot_ = nullptr;  ///< lanes [channels]: the means that the sums subtract
  Coefficients k_;
  Vector weight_;  ///< with r and d: as the transform takes it
  Partials partials_{};
};

}  // namespace

Status reserve(ContextState& context, const BackwardJob& job) noexcept {
  return element_count(job.x) == 0 ? Status{} : Backward(context, job).reserve();
}

Status run(ContextState& context, const BackwardJob& job) noexcept {
  const bool wanted = job.dx.data != nullptr || job.dweight.present() || job.dbias.present() ||
                      job.found != nullptr;
  if (!wanted) return {};
  if (element_count(job.x) == 0) {
    fill(job.dweight, 0);
    fill(job.dbias, 0);
    return {};
  }
  return Backward(context, job)();
}

}  // namespace truenorm::detail
