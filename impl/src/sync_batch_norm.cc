#include "truenorm/sync_batch_norm.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "layer_state.h"
#include "sums.h"

namespace truenorm {

namespace {

using detail::BackwardJob;
using detail::BatchMoments;
using detail::BatchSums;
using detail::ForwardJob;
using detail::LayerState;
using detail::Moments;
using Fault = SyncStatus::Fault;

enum class Call : std::uint8_t { forward, backward };

/// What a rank tells the others before it computes, and again before it writes.
struct Hello {
  double code = 0, argument = 0;  ///< of its Status
  double call = 0, dtype = 0, channels = 0;
  double count = 0, blocks = 0;  ///< of its part: values per channel, blocks that have some

  void set(Status status) noexcept {
    code = static_cast<double>(status.code);
    argument = static_cast<double>(status.argument);
  }
};
constexpr std::int64_t hello_size = sizeof(Hello) / sizeof(double);
static_assert(hello_size * sizeof(double) == sizeof(Hello));

constexpr SyncStatus refused(Status status, int rank) noexcept {
  return status.ok() ? SyncStatus{} : SyncStatus{Fault::refused, status, rank};
}

SyncStatus verdict(const std::vector<Hello>& all) noexcept {
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Status status{static_cast<Code>(all[i].code), static_cast<Argument>(all[i].argument)};
    if (!status.ok()) return refused(status, static_cast<int>(i));
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Hello &a = all[i], &b = all[0];
    if (a.call != b.call || a.dtype != b.dtype || a.channels != b.channels) {
      return {Fault::differs, {}, static_cast<int>(i)};
    }
  }
  return {};
}

/// Images [first, first + count) of a tensor.
template <class View>
View images_of(View t, std::int64_t first, std::int64_t count) noexcept {
  t.data = detail::at(t.dtype, t.data, first * t.stride[0]);
  t.size[0] = count;
  return t;
}

/// One call of all ranks: `values` numbers a channel of each block go from everyone to everyone.
class Exchange {
 public:
  Exchange(Communicator& communicator, Call call, const ConstTensor& x, std::int64_t images,
           int values, Status status) noexcept
      : communicator_(communicator), images_(images), values_(values) {
    mine_.call = static_cast<double>(call);
    mine_.set(status);
    if (!status.ok()) return;  // x may be anything
    channels_ = x.size[1];
    for (std::size_t i = 2; i < static_cast<std::size_t>(x.rank); ++i) {
      image_ *= static_cast<double>(x.size[i]);
    }
    total_images_ = detail::element_count(x) == 0 ? 0 : x.size[0];
    if (images_ == 0) images_ = std::max<std::int64_t>(total_images_, 1);
    mine_.dtype = static_cast<double>(x.dtype);
    mine_.channels = static_cast<double>(channels_);
    mine_.count = image_ * static_cast<double>(x.size[0]);
    mine_.blocks = static_cast<double>(detail::divide_up(total_images_, images_));
  }

  /// Whether all ranks can and mean the same.
  SyncStatus meet() noexcept {
    try {
      all_.resize(static_cast<std::size_t>(communicator_.size()));
    } catch (...) {
      return {Fault::lost, {}, -1};
    }
    const bool fine = communicator_.all_gather(reinterpret_cast<const double*>(&mine_), hello_size,
                                               reinterpret_cast<double*>(all_.data()));
    return fine ? verdict(all_) : SyncStatus{Fault::lost, {}, -1};
  }

  /// Values per channel of all parts, after meet().
  [[nodiscard]] double count() const noexcept {
    double count = 0;
    for (const Hello& one : all_) count += one.count;
    return count;
  }
  [[nodiscard]] std::int64_t channels() const noexcept { return channels_; }

  /// fill(first image, images, to) for each block of this part, then everyone's blocks. `to` has
  /// values*channels numbers.
  template <class Fill>
  SyncStatus blocks(const Fill& fill) noexcept {
    Status status = allocate();
    for (std::int64_t i = 0, first = 0; status.ok() && first < total_images_; ++i) {
      const std::int64_t images = std::min(images_, total_images_ - first);
      double* const to = sent_.data() + i * slot();
      to[0] = image_ * static_cast<double>(images);
      status = fill(first, images, to + 1);
      first += images;
    }
    mine_.set(status);
    const SyncStatus agreed = meet();
    if (!agreed.ok()) return agreed;
    const bool fine = communicator_.all_gather(
        sent_.data(), static_cast<std::int64_t>(sent_.size()), received_.data());
    return fine ? SyncStatus{} : SyncStatus{Fault::lost, {}, -1};
  }

  /// visit(count, values of a block) in the order of ranks and images.
  template <class Visit>
  void each(Visit&& visit) const noexcept {
    const double* from = received_.data();
    for (const Hello& one : all_) {
      for (std::int64_t i = 0; i < most_; ++i, from += slot()) {
        if (static_cast<double>(i) < one.blocks) visit(from[0], from + 1);
      }
    }
  }
  /// The same over this part.
  template <class Visit>
  void each_of_mine(Visit&& visit) const noexcept {
    const double* from = sent_.data();
    for (double i = 0; i < mine_.blocks; ++i, from += slot()) visit(from[0], from + 1);
  }

 private:
  [[nodiscard]] std::int64_t slot() const noexcept { return values_ * channels_ + 1; }

  Status allocate() noexcept {
    constexpr Status none{Code::out_of_memory, Argument::layer};
    double most = 0;
    for (const Hello& one : all_) most = std::max(most, one.blocks);
    most_ = static_cast<std::int64_t>(most);
    const double ranks = static_cast<double>(all_.size());
    if (most * ranks * (static_cast<double>(values_) * mine_.channels + 1) > 0x1p60) return none;
    try {
      sent_.resize(static_cast<std::size_t>(most_ * slot()));
      received_.resize(all_.size() * sent_.size());
      return {};
    } catch (...) {
      return none;
    }
  }

  Communicator& communicator_;
  std::int64_t images_, values_, channels_ = 0, total_images_ = 0, most_ = 0;
  double image_ = 1;  ///< values per channel of an image
  Hello mine_;
  std::vector<Hello> all_;
  std::vector<double> sent_, received_;  ///< by rank and block: its count, then its values
};

/// Both sets together. A mean that is not finite is that of IEEE's sum, whichever set it comes from.
void merge(Moments& into, const Moments& more) noexcept {
  const double a = into.mean(), b = more.mean();
  if (into.count == 0 || (std::isfinite(a) && std::isfinite(b))) return into.merge(more);
  into = {into.count + more.count, a + b, 0, std::numeric_limits<double>::quiet_NaN()};
}

void merge_blocks(const Exchange& exchange, const BatchMoments& total) noexcept {
  const std::int64_t channels = exchange.channels();
  for (std::int64_t c = 0; c < channels; ++c) {
    Moments sum;
    exchange.each([&](double count, const double* of) {
      merge(sum, {count, of[c], of[channels + c], of[2 * channels + c]});
    });
    total.base[c] = sum.base;
    total.offset[c] = sum.offset;
    total.m2[c] = sum.m2;
  }
}

/// Adds blocks to sums, the first of which it copies: a sum of -0 is -0.
class Adder {
 public:
  Adder(const BatchSums& to, std::int64_t channels) noexcept : to_(to), channels_(channels) {}

  void operator()(double, const double* of) noexcept {
    for (std::int64_t c = 0; c < channels_; ++c) {
      to_.sum[c] = first_ ? of[c] : to_.sum[c] + of[c];
      to_.dot[c] = first_ ? of[channels_ + c] : to_.dot[c] + of[channels_ + c];
    }
    first_ = false;
  }

 private:
  const BatchSums& to_;
  std::int64_t channels_;
  bool first_ = true;
};

/// What stands in the way of any call.
Status ready(Context& context, const BatchNorm& layer) noexcept {
  return layer.status().ok() ? context.status() : layer.status();
}

/// `values` zeros; out_of_memory if there is no room for them.
Status zeros(std::vector<double>& room, std::int64_t values) noexcept {
  try {
    room.assign(static_cast<std::size_t>(values), 0);
    return {};
  } catch (...) {
    return {Code::out_of_memory, Argument::layer};
  }
}

}  // namespace

const char* SyncStatus::message() const noexcept {
  switch (fault) {
    case Fault::none:
    case Fault::refused:
      return status.message();
    case Fault::differs:
      return "the ranks make different calls, or differ in dtype or number of channels";
    case Fault::lost:
      return "a rank did not answer: it has ended, or makes no such call";
  }
  return "?";
}

SyncStatus sync_forward(Context& context, Communicator& communicator, BatchNorm& layer,
                        const ConstTensor& x, const Tensor& y, std::int64_t images) noexcept {
  LayerState* const state = detail::LayerAccess::state(layer);
  if (state != nullptr && !state->training) return refused(layer.forward(context, x, y), -1);

  ForwardJob job;
  BatchMoments total;
  std::vector<double> room;
  Status status = ready(context, layer);
  if (status.ok() && images < 0) status = {Code::bad_value, Argument::none};
  if (status.ok()) status = detail::prepare(*state, layer.options(), x, y, true, job);
  job.known = &total;
  if (status.ok()) status = detail::check(job);
  if (status.ok()) status = zeros(room, 3 * x.size[1]);
  if (status.ok()) status = detail::reserve(*context.state(), job);
  Exchange exchange(communicator, Call::forward, x, images, 3, status);
  SyncStatus agreed = exchange.meet();
  if (!agreed.ok()) return agreed;
  total = {exchange.count(), room.data(), room.data() + x.size[1], room.data() + 2 * x.size[1]};
  if (total.count == 1) return refused({Code::one_value_per_channel, Argument::x}, -1);

  agreed = exchange.blocks([&](std::int64_t first, std::int64_t count, double* to) {
    const BatchMoments found{0, to, to + x.size[1], to + 2 * x.size[1]};
    ForwardJob part;
    part.x = images_of(x, first, count);
    part.found = &found;
    return detail::run(*context.state(), part);
  });
  if (!agreed.ok()) return agreed;
  merge_blocks(exchange, total);
  status = detail::run(*context.state(), job);
  if (status.ok()) detail::remember(*state, job, images);
  return refused(status, -1);
}

SyncStatus sync_backward(Context& context, Communicator& communicator, const BatchNorm& layer,
                         const ConstTensor& dy, const ConstTensor& x, const Tensor& dx,
                         const Vector& dweight, const Vector& dbias) noexcept {
  const LayerState* const state = detail::LayerAccess::state(layer);
  if (state != nullptr && !state->block) {
    return refused(layer.backward(context, dy, x, dx, dweight, dbias), -1);
  }

  BackwardJob job;
  job.dy = dy;
  job.x = x;
  job.dx = dx;
  job.dweight = dweight;
  job.dbias = dbias;
  BatchSums total, part;
  std::vector<double> room;
  Status status = ready(context, layer);
  if (status.ok()) status = detail::prepare(*state, job);
  if (status.ok()) status = detail::check(job);
  if (status.ok()) status = zeros(room, 4 * x.size[1]);
  job.known = &total;
  job.part = &part;
  if (status.ok()) status = detail::reserve(*context.state(), job);
  Exchange exchange(communicator, Call::backward, x, state ? *state->block : 0, 2, status);
  SyncStatus agreed = exchange.meet();
  if (!agreed.ok()) return agreed;
  const std::int64_t channels = x.size[1];
  total = {exchange.count(), room.data(), room.data() + channels};
  part = {0, room.data() + 2 * channels, room.data() + 3 * channels};

  agreed = exchange.blocks([&](std::int64_t first, std::int64_t count, double* to) {
    const BatchSums found{0, to, to + channels};
    BackwardJob block;
    block.x = images_of(x, first, count);
    block.dy = images_of(dy, first, count);
    block.mean = job.mean;
    block.spread = job.spread;
    block.found = &found;
    return detail::run(*context.state(), block);
  });
  if (!agreed.ok()) return agreed;
  exchange.each(Adder(total, channels));
  exchange.each_of_mine(Adder(part, channels));
  return refused(detail::run(*context.state(), job), -1);
}

}  // namespace truenorm
