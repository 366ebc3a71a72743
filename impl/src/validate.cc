// Every reason to refuse a call, in one place and before the first write.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "jobs.h"
#include "overlap.h"

namespace truenorm::detail {

namespace {

constexpr std::int64_t max_extent = std::int64_t{1} << 61;  // sums of two extents do not overflow
constexpr Status accepted{};

/// Fills in the region of a view, or says why the view is ill-formed.
Status make_region(Argument argument, const ConstTensor& t, Region& region) noexcept {
  if (static_cast<int>(t.dtype) > static_cast<int>(Dtype::f16)) {
    return {Code::dtype_mismatch, argument};
  }
  bool empty = false;
  for (std::size_t i = 0; i < static_cast<std::size_t>(t.rank); ++i) {
    if (t.size[i] < 0) return {Code::bad_size, argument};
    if (t.stride[i] < 0) return {Code::bad_stride, argument};
    empty |= t.size[i] == 0;
  }
  region.begin = reinterpret_cast<std::uintptr_t>(t.data);
  region.element = size_of(t.dtype);
  region.rank = t.rank;
  if (empty) return accepted;
  if (t.data == nullptr) return {Code::null_data, argument};
  if (region.begin % static_cast<std::uintptr_t>(region.element) != 0) {
    return {Code::misaligned, argument};
  }
  std::int64_t count = 1, extent = region.element;
  for (std::size_t i = 0; i < static_cast<std::size_t>(t.rank); ++i) {
    std::int64_t step = 0;
    if (__builtin_mul_overflow(count, t.size[i], &count)) return {Code::overflow, argument};
    region.size[i] = t.size[i];
    if (t.size[i] == 1) continue;
    if (__builtin_mul_overflow(t.stride[i], region.element, &region.stride[i]) ||
        __builtin_mul_overflow(region.stride[i], t.size[i] - 1, &step) ||
        __builtin_add_overflow(extent, step, &extent)) {
      return {Code::overflow, argument};
    }
  }
  std::uintptr_t end = 0;
  if (extent > max_extent || count > max_extent ||
      __builtin_add_overflow(region.begin, static_cast<std::uintptr_t>(extent), &end)) {
    return {Code::overflow, argument};
  }
  region.extent = extent;
  return accepted;
}

Status make_tensor_region(Argument argument, const ConstTensor& t, Region& region) noexcept {
  if (t.rank < min_rank || t.rank > max_rank) return {Code::bad_rank, argument};
  return make_region(argument, t, region);
}

Status make_vector_region(Argument argument, const ConstVector& v, std::int64_t size,
                          Region& region) noexcept {
  const Status status = make_region(argument, {v.data, v.dtype, 1, {v.size}, {v.stride}}, region);
  return status.ok() && v.size != size ? Status{Code::bad_size, argument} : status;
}

/// The views of one call, each well-formed; the first complaint stays.
class Views {
 public:
  void refuse(Code code, Argument argument) noexcept {
    if (status_.ok()) status_ = {code, argument};
  }

  /// True if the view is well-formed and nothing was refused before; so is the next.
  bool tensor(Argument argument, const ConstTensor& t, bool output) noexcept {
    return add(argument, output,
               [&](Region& region) { return make_tensor_region(argument, t, region); });
  }
  bool vector(Argument argument, const ConstVector& v, std::int64_t size, bool output) noexcept {
    return add(argument, output,
               [&](Region& region) { return make_vector_region(argument, v, size, region); });
  }

  /// An input that may be the very view that an output is.
  struct InPlace {
    Argument input, output;
  };
  /// The verdict: outputs overlap neither themselves nor anything else, but for what is in place.
  Status finish(std::span<const InPlace> allowed) noexcept {
    for (std::size_t i = 0; status_.ok() && i < used_; ++i) {
      const Item& out = items_[i];
      if (!out.output) continue;
      if (overlaps_itself(out.region)) refuse(Code::overlap, out.argument);
      for (std::size_t j = 0; status_.ok() && j < used_; ++j) {
        const Item& other = items_[j];
        if (other.output && j >= i) continue;  // pairs of outputs count once
        const bool in_place = std::any_of(allowed.begin(), allowed.end(), [&](const InPlace& pair) {
          return other.argument == pair.input && out.argument == pair.output &&
                 same_view(out.region, other.region);
        });
        if (!in_place && share_memory(out.region, other.region)) {
          refuse(Code::overlap, out.argument);
        }
      }
    }
    return status_;
  }

 protected:
  Status status_;

 private:
  struct Item {
    Argument argument = Argument::none;
    bool output = false;
    Region region;
  };

  template <class Make>
  bool add(Argument argument, bool output, const Make& make) noexcept {
    if (!status_.ok()) return false;
    Item& item = items_[used_++];
    item = {argument, output, {}};
    status_ = make(item.region);
    return status_.ok();
  }

  std::array<Item, 10> items_{};  // no call has more
  std::size_t used_ = 0;
};

bool same_sizes(const ConstTensor& a, const ConstTensor& b) noexcept {
  return a.rank == b.rank && std::equal(a.size.begin(), a.size.begin() + a.rank, b.size.begin());
}

/// Looks at the arguments of a forward or backward.
class Checker : private Views {
 public:
  using Views::refuse;

  Checker(const ConstTensor& x, bool batch) noexcept : x_(x) {
    status_ = check_x(x, batch);
    if (!status_.ok()) return;
    empty_ = element_count(x) == 0;
    tensor(Argument::x, x, false);
  }

  void tensor(Argument argument, const ConstTensor& t, bool output) noexcept {
    if (!Views::tensor(argument, t, output)) return;
    if (!same_sizes(t, x_)) return refuse(Code::shape_mismatch, argument);
    if (t.dtype != x_.dtype) refuse(Code::dtype_mismatch, argument);
  }

  /// weight, bias, running_*, dweight, dbias: one dtype, the data's, or f32 for 16-bit data.
  void parameter(Argument argument, const ConstVector& v, bool output) noexcept {
    if (!v.present() || !vector(argument, v, x_.size[1], output)) return;
    const bool fits = v.dtype == x_.dtype || (v.dtype == Dtype::f32 && size_of(x_.dtype) == 2);
    if (!fits || (parameters_ && v.dtype != parameter_dtype_)) {
      return refuse(Code::dtype_mismatch, argument);
    }
    parameters_ = true;
    parameter_dtype_ = v.dtype;
  }

  /// Two of save_*: f64, or f32 unless the data is f64; both the same.
  void saved(Argument first, const ConstVector& a, Argument second, const ConstVector& b,
             bool output) noexcept {
    const auto one = [&](Argument argument, const ConstVector& v) {
      if (!v.present() || !vector(argument, v, x_.size[1], output)) return;
      const bool fits = v.dtype == Dtype::f64 || (v.dtype == Dtype::f32 && x_.dtype != Dtype::f64);
      if (!fits) refuse(Code::dtype_mismatch, argument);
    };
    one(first, a);
    one(second, b);
    if (a.present() && b.present() && a.dtype != b.dtype) refuse(Code::dtype_mismatch, second);
  }

  /// Statistics that the call cannot do without, unless there is nothing to compute.
  void needed(Argument argument, const ConstVector& v) noexcept {
    if (!v.present() && !empty_) refuse(Code::missing_statistics, argument);
  }

  /// The verdict; `input` may be the very view that `output` is.
  Status finish(Argument input, Argument output) noexcept {
    return Views::finish(std::array{InPlace{input, output}});
  }

 private:
  const ConstTensor& x_;
  bool empty_ = false;
  bool parameters_ = false;
  Dtype parameter_dtype_ = Dtype::f32;
};

}  // namespace

Status check_x(const ConstTensor& x, bool batch) noexcept {
  Region region;
  const Status status = make_tensor_region(Argument::x, x, region);
  if (!status.ok() || !batch) return status;
  for (std::size_t i = 0; i < static_cast<std::size_t>(x.rank); ++i) {
    if (i != 1 && x.size[i] != 1) return accepted;
  }
  return {Code::one_value_per_channel, Argument::x};
}

Status check_vector(Argument argument, const ConstVector& v, std::int64_t size) noexcept {
  Region region;
  return make_vector_region(argument, v, size, region);
}

Status check_renorm(const std::optional<Renorm>& renorm) noexcept {
  const bool fine = !renorm || (renorm->r_max >= 1 && renorm->d_max >= 0);
  return fine ? accepted : Status{Code::bad_value, Argument::renorm};
}

Status check(const ForwardJob& job) noexcept {
  Checker checker(job.x, job.batch && job.known == nullptr);
  if (const Status status = check_renorm(job.renorm); !status.ok()) {
    checker.refuse(status.code, status.argument);
  }
  if (job.renorm) {
    checker.needed(Argument::running_mean, job.running_mean);
    checker.needed(Argument::running_var, job.running_var);
  }
  if (!job.batch) {
    checker.needed(Argument::running_mean, job.given_mean);
    checker.needed(Argument::running_var, job.given_var);
    checker.parameter(Argument::running_mean, job.given_mean, false);
    checker.parameter(Argument::running_var, job.given_var, false);
  }
  checker.parameter(Argument::running_mean, job.running_mean, true);
  checker.parameter(Argument::running_var, job.running_var, true);
  checker.parameter(Argument::weight, job.weight, false);
  checker.parameter(Argument::bias, job.bias, false);
  checker.saved(Argument::save_mean, job.save_mean, Argument::save_invstd, job.save_invstd, true);
  checker.saved(Argument::save_r, job.save_r, Argument::save_d, job.save_d, true);
  checker.tensor(Argument::y, job.y, true);
  return checker.finish(Argument::x, Argument::y);
}

Status check(const BackwardJob& job) noexcept {
  Checker checker(job.x, false);
  if (job.spread_is_var) {
    checker.needed(Argument::running_mean, job.mean);
    checker.needed(Argument::running_var, job.spread);
    checker.parameter(Argument::running_mean, job.mean, false);
    checker.parameter(Argument::running_var, job.spread, false);
  } else {
    checker.needed(Argument::save_mean, job.mean);
    checker.needed(Argument::save_invstd, job.spread);
    checker.saved(Argument::save_mean, job.mean, Argument::save_invstd, job.spread, false);
  }
  if (job.r.present()) checker.needed(Argument::save_d, job.d);
  if (job.d.present()) checker.needed(Argument::save_r, job.r);
  checker.saved(Argument::save_r, job.r, Argument::save_d, job.d, false);
  checker.parameter(Argument::weight, job.weight, false);
  checker.parameter(Argument::dweight, job.dweight, true);
  checker.parameter(Argument::dbias, job.dbias, true);
  checker.tensor(Argument::dy, job.dy, false);
  if (job.dx.data != nullptr) checker.tensor(Argument::dx, job.dx, true);
  return checker.finish(Argument::dy, Argument::dx);
}

Status check(const FoldJob& job) noexcept {
  const Fold& args = job.args;
  Views views;
  if (views.tensor(Argument::weight, args.weight, false)) {
    std::int64_t channels = args.weight.size[0];
    if (args.groups < 1 || channels % args.groups != 0) {
      views.refuse(Code::bad_value, Argument::groups);
    } else if (args.transposed &&
               __builtin_mul_overflow(args.weight.size[1], args.groups, &channels)) {
      views.refuse(Code::overflow, Argument::groups);
    } else if (channels != job.num_features) {
      views.refuse(Code::bad_size, Argument::weight);
    }
  }
  if (views.tensor(Argument::folded_weight, args.folded_weight, true) &&
      !same_sizes(args.folded_weight, args.weight)) {
    views.refuse(Code::shape_mismatch, Argument::folded_weight);
  }
  const auto vector = [&](Argument argument, const ConstVector& v) {
    if (v.present()) views.vector(argument, v, job.num_features, false);
  };
  vector(Argument::bias, args.bias);
  views.vector(Argument::folded_bias, args.folded_bias, job.num_features, true);
  vector(Argument::layer, job.layer.weight);
  vector(Argument::layer, job.layer.bias);
  vector(Argument::running_mean, job.layer.running_mean);
  vector(Argument::running_var, job.layer.running_var);
  return views.finish(std::array{Views::InPlace{Argument::weight, Argument::folded_weight},
                                 Views::InPlace{Argument::bias, Argument::folded_bias}});
}

}  // namespace truenorm::detail
