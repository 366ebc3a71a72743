#include "truenorm/fold.h"

#include <array>
#include <cmath>
#include <cstddef>

#include "jobs.h"
#include "scalar.h"

namespace truenorm {

namespace {

/// What the layer multiplies channel c by.
double scale(const detail::FoldJob& job, std::int64_t c) noexcept {
  const double invstd = 1 / std::sqrt(detail::load(job.layer.running_var, c, 1) + job.eps);
  return invstd * detail::load(job.layer.weight, c, 1);
}

/// Calls f(place in weight, place in folded_weight) for every element of the kernel [i, j].
template <class F>
void each(const Fold& args, std::int64_t i, std::int64_t j, const F& f) noexcept {
  const auto& size = args.weight.size;
  const auto& from = args.weight.stride;
  const auto& to = args.folded_weight.stride;
  const auto extent = [&](std::size_t axis) {
    return static_cast<int>(axis) < args.weight.rank ? size[axis] : 1;
  };
  for (std::int64_t p = 0; p < extent(2); ++p) {
    for (std::int64_t q = 0; q < extent(3); ++q) {
      for (std::int64_t r = 0; r < extent(4); ++r) {
        const std::array<std::int64_t, max_rank> at{i, j, p, q, r};
        std::int64_t source = 0, target = 0;
        for (std::size_t axis = 0; axis < static_cast<std::size_t>(args.weight.rank); ++axis) {
          source += at[axis] * from[axis];
          target += at[axis] * to[axis];
        }
        f(source, target);
      }
    }
  }
}

void fold_weight(const detail::FoldJob& job) noexcept {
  const Fold& args = job.args;
  if (detail::element_count(args.weight) == 0) return;  // of which there may be very many rows
  const std::int64_t rows = args.weight.size[0], columns = args.weight.size[1];
  const auto channel = [&](std::int64_t i, std::int64_t j) {
    return args.transposed ? i / (rows / args.groups) * columns + j : i;
  };
  std::int64_t last = -1;
  double a = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      if (const std::int64_t c = channel(i, j); c != last) a = scale(job, last = c);
      each(args, i, j, [&](std::int64_t source, std::int64_t target) {
        const double value = detail::load_element(args.weight.dtype, args.weight.data, source);
        detail::store_element(args.folded_weight.dtype, args.folded_weight.data, target, value * a);
      });
    }
  }
}

}  // namespace

Status fold(const BatchNorm& layer, const Fold& args) noexcept {
  if (!layer.status().ok()) return layer.status();
  const detail::FoldJob job{args, layer.state(), layer.options().num_features, layer.options().eps};
  if (!job.layer.running_mean.present()) return {Code::missing_statistics, Argument::running_mean};
  if (!layer.options().track_running_stats) return {Code::missing_statistics, Argument::layer};
  const Status status = detail::check(job);
  if (!status.ok()) return status;
  fold_weight(job);
  for (std::int64_t c = 0; c < job.num_features; ++c) {
    const double distance =
        detail::load(args.bias, c, 0) - detail::load(job.layer.running_mean, c, 0);
    detail::store(args.folded_bias, c,
                  distance * scale(job, c) + detail::load(job.layer.bias, c, 0));
  }
  return {};
}

}  // namespace truenorm
