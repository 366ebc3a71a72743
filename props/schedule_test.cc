// The order in which the parts of a planned call are computed, whatever the threads: all that is summed,
// finished and swept is so once, and after what it needs.
#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "../impl/src/pass.h"
#include "plans.h"

namespace truenorm::detail {
namespace {

using oracle::Case;
using props::check;
using props::proves_nothing;
using props::sampled_case;

/// A pass that counts, by value or channel, what is asked of it.
class Counts {
 public:
  explicit Counts(const Plan& plan)
      : plan_(plan),
        channels_(plan.sums.views > 0 ? plan.sums.channels : plan.sweep.channels),
        values_(plan.sums.views > 0 ? plan.sums.count : plan.sweep.count),
        prepared_(size(channels_)),
        finished_(size(channels_)),
        summed_(size(channels_)),
        swept_(size(channels_ * values_)) {}

  void prepare(std::int64_t c, std::int64_t end) const {
    for (; c < end; ++c) ++prepared_[size(c)];
  }
  void sum(const Part& part, std::int64_t segment, ThreadRoom&) const {
    for (std::int64_t c = part.c; c < part.c + part.width; ++c) {
      early_ += prepared_[size(c)] != 1 || finished_[size(c)] != 0;
      summed_[size(c)] += static_cast<int>(part.end - part.begin);
    }
    early_ += segment != part.begin / plan_.parts.length;
  }
  void finish(std::int64_t c, std::int64_t end, ThreadRoom&) const {
    for (; c < end; ++c) {
      early_ += plan_.sums.views > 0 && summed_[size(c)] != values_;
      ++finished_[size(c)];
    }
  }
  void sweep(const Part& part, const Order& order, ThreadRoom&) const {
    early_ += order.store != plan_.store || (order.ahead != 0 && !plan_.ahead);
    for (std::int64_t c = part.c; c < part.c + part.width; ++c) {
      early_ += finished_[size(c)] != 1;
      for (std::int64_t i = part.begin; i < part.end; ++i) ++swept_[size(c * values_ + i)];
    }
  }

  /// True if nothing was done before what it needs, and everything once.
  [[nodiscard]] bool right() const {
    const auto all = [](const std::vector<std::atomic<int>>& counts, int wanted) {
      return std::all_of(counts.begin(), counts.end(), [&](int n) { return n == wanted; });
    };
    const bool sums = plan_.sums.views > 0;
    return early_ == 0 && all(prepared_, sums ? 1 : 0) && all(finished_, 1) &&
           all(summed_, sums ? static_cast<int>(values_) : 0) &&
           all(swept_, plan_.sweep.views > 0 ? 1 : 0);
  }

 private:
  static std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

  const Plan& plan_;
  std::int64_t channels_, values_;
  mutable std::vector<std::atomic<int>> prepared_, finished_, summed_, swept_;
  mutable std::atomic<int> early_{0};
};

TEST(Schedule, EverythingIsDoneOnceAndAfterWhatItNeeds) {
  const Kernels& kernels = (*find_kernels(available_isas().items[0]))[0];
  std::vector<ThreadRoom> rooms(5);
  check(600, sampled_case(), [&](const Case& c) {
    auto call = any_call(c);
    if (!call) return proves_nothing();
    const int threads = *rc::gen::inRange(1, 6);
    Plan plan = call->plan(threads, any_machine());
    // What is too small for threads is given to some all the same.
    if (!plan.fused) plan.threads = *rc::gen::inRange(1, threads + 1);
    const Counts counts(plan);
    Schedule<Counts>(plan, {threads, kernels, rooms.data()}, counts)();
    RC_ASSERT(counts.right());
  });
}

// Fused, on several threads: large enough to be worth them.
TEST(Schedule, FusedSlabsAreSharedByThreads) {
  const Kernels& kernels = (*find_kernels(available_isas().items[0]))[0];
  std::vector<ThreadRoom> rooms(4);
  for (const std::int64_t channels : {4, 8, 16, 64, 200}) {
    for (const int threads : {2, 4}) {
      const ConstTensor x = view({40, channels, 2, {8, 64, 0}}, oracle::Layout::nchw, Dtype::f32);
      const std::array<ConstTensor, 2> views{x, x};
      const Machine machine{std::int64_t{1} << 20, 0};
      for (const std::size_t summed : {0, 1}) {
        const Plan plan = make_plan(std::span(views).first(summed), views, threads, machine);
        ASSERT_TRUE(plan.fused) << channels;
        ASSERT_EQ(plan.threads, threads);
        const Counts counts(plan);
        Schedule<Counts>(plan, {threads, kernels, rooms.data()}, counts)();
        EXPECT_TRUE(counts.right()) << channels << " channels, " << threads << " threads";
      }
    }
  }
}

}  // namespace
}  // namespace truenorm::detail
