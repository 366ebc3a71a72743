// Memory that is refused: whichever allocation of a call fails, the call says so, writes nothing, and
// succeeds when it is made again.
#include <gtest/gtest.h>
#include <truenorm/batch_norm.h>
#include <truenorm/sync_batch_norm.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>
#include <optional>
#include <vector>

#include "../impl/src/context_state.h"
#include "scene.h"

// ---- operator new that fails on demand, for every thread of the process ----

namespace {

/// Allocations until the one that fails; none while it is not positive.
std::atomic<std::int64_t> countdown{0};

bool granted() noexcept { return countdown <= 0 || --countdown != 0; }

void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
  if (!granted()) return nullptr;
  return std::aligned_alloc(alignment, (bytes + alignment) / alignment * alignment);
}

// Not inlined: GCC would see what the operators below are made of, and warn of a mismatch.
[[gnu::noinline]] void release(void* p) noexcept { std::free(p); }

}  // namespace

void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return allocate(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes) {
  void* const p = allocate(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
void operator delete(void* p) noexcept { release(p); }
void operator delete(void* p, std::size_t) noexcept { release(p); }
void operator delete(void* p, std::align_val_t) noexcept { release(p); }

namespace truenorm::props {
namespace {

constexpr Status kNoScratch{Code::out_of_memory, Argument::context};
constexpr Status kNoState{Code::out_of_memory, Argument::layer};

/// True if the k-th allocation that `act` makes was refused; false if it makes fewer.
template <class Act>
bool refused(std::int64_t k, const Act& act) {
  countdown = k;
  act();
  return countdown.exchange(0) == 0;
}

/// fails(k) is true if it made a k-th allocation fail; it is called for every k there is. Returns how
/// many those are.
template <class Fails>
std::int64_t each_allocation(const Fails& fails) {
  std::int64_t k = 1;
  while (!testing::Test::HasFailure() && fails(k)) ++k;
  return k - 1;
}

TEST(OutOfMemory, TheAllocatorOfThisTestFailsOnDemand) {
  std::vector<int> v;
  EXPECT_TRUE(refused(1, [&] { EXPECT_THROW(v.resize(1000), std::bad_alloc); }));
  EXPECT_FALSE(refused(2, [&] { v.resize(1000); }));
}

TEST(OutOfMemory, ACallThatGetsNoScratchWritesNothingAndSucceedsLater) {
  for (const Call call : kCalls) {
    SCOPED_TRACE(name(call));
    Scene undisturbed(call);
    ASSERT_TRUE(undisturbed.run().ok());
    const std::int64_t count = each_allocation([&](std::int64_t k) {
      Scene scene(call);
      scene.context = Context(2);
      const auto before = scene.snapshot();
      Status status;
      const bool failed = refused(k, [&] { status = scene.run(); });
      if (!failed) {
        EXPECT_TRUE(status.ok()) << status.message();
        return false;
      }
      EXPECT_EQ(status, kNoScratch) << status.message();
      EXPECT_EQ(scene.snapshot(), before);
      EXPECT_TRUE(scene.run().ok());
      EXPECT_EQ(scene.snapshot(), undisturbed.snapshot());
      return true;
    });
    EXPECT_GE(count, 1);
  }
}

/// Two ranks with the same part each.
class Mirror final : public Communicator {
 public:
  [[nodiscard]] int size() const noexcept override { return 2; }
  [[nodiscard]] bool all_gather(const double* mine, std::int64_t count,
                                double* all) noexcept override {
    std::copy_n(mine, count, all);
    std::copy_n(mine, count, all + count);
    return true;
  }
};

// Whatever a rank gets no memory for, it can still say so: but for the greeting's own few words, for
// want of which it is lost.
TEST(OutOfMemory, ARankSaysSoAndWritesNothing) {
  Mirror ranks;
  for (const bool backward : {false, true}) {
    int said = 0, lost = 0;
    const std::int64_t count = each_allocation([&](std::int64_t k) {
      std::array<float, 6> x{1, 2, 3, 5, 8, 13}, out{};
      const auto view = [](auto& v) { return contiguous(v.data(), Dtype::f32, {3, 2}); };
      Context first, context;
      BatchNorm layer({.num_features = 2});
      if (backward) {
        EXPECT_TRUE(sync_forward(first, ranks, layer, view(x), view(out)).ok());
      }
      const auto batches = layer.num_batches_tracked();
      out.fill(-77);
      const auto call = [&] {
        return backward ? sync_backward(context, ranks, layer, view(x), view(x), view(out), {}, {})
                        : sync_forward(context, ranks, layer, view(x), view(out), 2);
      };
      SyncStatus status;
      if (!refused(k, [&] { status = call(); })) {
        EXPECT_TRUE(status.ok()) << status.message();
        return false;
      }
      said += status.fault == SyncStatus::Fault::refused &&
              status.status.code == Code::out_of_memory && status.rank == 0;
      lost += status.fault == SyncStatus::Fault::lost;
      EXPECT_EQ(std::count(out.begin(), out.end(), -77), 6);
      EXPECT_EQ(layer.num_batches_tracked(), batches);
      EXPECT_TRUE(call().ok());
      return true;
    });
    EXPECT_EQ(said + lost, count);
    EXPECT_EQ(lost, 1);
    EXPECT_GE(said, 4) << "sums, scratch, and two messages";
  }
}

/// y = normalized x of `channels` channels, in place.
Status normalize(Context& context, std::vector<float>& x, std::int64_t channels) {
  ForwardTraining args;
  args.y = contiguous(x.data(), Dtype::f32, {2, channels});
  args.x = args.y;
  return forward_training(context, args);
}

TEST(OutOfMemory, AContextThatCouldNotGrowServesSmallCallsAgain) {
  constexpr std::int64_t kMany = 4096;
  std::vector<float> small{1, 2, 3, 4, 5, 7, 9, 11}, large(2 * kMany, 1.0f);
  const std::vector<float> before = large, again = small;
  Context context(1);
  ASSERT_TRUE(normalize(context, small, 4).ok());
  const std::vector<float> normalized = small;
  Status status;
  ASSERT_TRUE(refused(1, [&] { status = normalize(context, large, kMany); }));
  EXPECT_EQ(status, kNoScratch) << status.message();
  EXPECT_EQ(large, before);
  small = again;
  EXPECT_TRUE(normalize(context, small, 4).ok());
  EXPECT_EQ(small, normalized);
  EXPECT_TRUE(normalize(context, large, kMany).ok());
}

TEST(OutOfMemory, ScratchOfMoreBytesThanCanBeCountedIsRefused) {
  constexpr std::int64_t kChannels = std::int64_t{1} << 59;
  std::array<std::uint16_t, 16> memory{};
  const auto view = [&](std::size_t at) {
    return Tensor{memory.data() + at, Dtype::bf16, 2, {2, kChannels}, {kChannels, 1}};
  };
  Tensor shared = view(0);
  shared.stride = {0, 0};  // two values, read by all
  Context context(1);
  ForwardTraining forward;
  forward.x = shared;
  forward.y = view(1);
  EXPECT_EQ(forward_training(context, forward), kNoScratch);
  const double saved = 1;
  BackwardTraining backward;
  backward.x = backward.dy = shared;
  backward.dx = view(1);
  backward.save_mean = {&saved, Dtype::f64, kChannels, 0};
  backward.save_invstd = backward.save_mean;
  EXPECT_EQ(backward_training(context, backward), kNoScratch);
}

// The first context of a process also measures the machine, for which it can do without memory.
TEST(OutOfMemory, AContextIsMadeOrSaysThatItIsNot) {
  const std::int64_t count = each_allocation([](std::int64_t k) {
    return refused(k, [] {
      Context context(2);
      if (context.status().ok()) return;
      EXPECT_EQ(context.status(), kNoScratch) << context.status().message();
      EXPECT_EQ(context.threads(), 0);
      EXPECT_EQ(context.isa(), Isa::best);
    });
  });
  EXPECT_GE(count, 1);
}

TEST(OutOfMemory, ALayerThatCannotBeMadeIsInertAndCanBeAssignedTo) {
  const BatchNormOptions options{.num_features = 3};
  const std::int64_t count = each_allocation([&](std::int64_t k) {
    std::optional<BatchNorm> layer;
    if (!refused(k, [&] { layer.emplace(options); })) {
      EXPECT_TRUE(layer->status().ok());
      return false;
    }
    EXPECT_EQ(layer->status(), kNoState) << layer->status().message();
    EXPECT_FALSE(layer->weight().present());
    EXPECT_FALSE(layer->state().running_mean.present());
    EXPECT_EQ(layer->reset_parameters(), kNoState);
    *layer = BatchNorm(options);
    EXPECT_TRUE(layer->status().ok());
    EXPECT_TRUE(layer->weight().present());
    return true;
  });
  EXPECT_GE(count, 8) << "the state, and memory of each of its vectors";
}

TEST(OutOfMemory, ACopyThatCannotBeMadeLeavesItsSourceAlone) {
  const Scene scene(Call::layer_training);
  const std::vector<std::byte> before = bytes_of(*scene.layer);
  const std::int64_t count = each_allocation([&](std::int64_t k) {
    BatchNorm assigned({.num_features = 3});
    std::optional<BatchNorm> copy;
    const bool failed = refused(k, [&] { copy.emplace(*scene.layer); });
    EXPECT_EQ(refused(k, [&] { assigned = *scene.layer; }), failed);
    EXPECT_EQ(copy->status(), failed ? kNoState : Status{});
    EXPECT_EQ(assigned.status(), copy->status());
    EXPECT_EQ(bytes_of(*scene.layer), before);
    if (!failed) {
      EXPECT_EQ(bytes_of(*copy), before);
      EXPECT_EQ(bytes_of(assigned), before);
    }
    return failed;
  });
  EXPECT_GE(count, 8);
}

TEST(OutOfMemory, AStateIsLoadedWhollyOrNotAtAll) {
  const Scene source(Call::layer_training);
  const std::int64_t count = each_allocation([&](std::int64_t k) {
    BatchNorm layer({.num_features = Scene::kChannels});
    const std::vector<std::byte> before = bytes_of(layer);
    Status status;
    const bool failed = refused(k, [&] { status = layer.load(source.layer->state()); });
    EXPECT_EQ(status, failed ? kNoState : Status{}) << status.message();
    if (!failed) return false;
    EXPECT_EQ(bytes_of(layer), before);
    EXPECT_TRUE(layer.load(source.layer->state()).ok());
    EXPECT_NE(bytes_of(layer), before);
    return true;
  });
  EXPECT_EQ(count, 4) << "one for each vector";
}

TEST(OutOfMemory, RenormIsSetWhollyOrNotAtAllAndChangedWithoutMemory) {
  const std::int64_t count = each_allocation([&](std::int64_t k) {
    BatchNorm layer({.num_features = 3});
    const std::vector<std::byte> before = bytes_of(layer);
    Status status;
    const bool failed = refused(k, [&] { status = layer.set_renorm(Renorm{3, 5}); });
    EXPECT_EQ(status, failed ? kNoState : Status{}) << status.message();
    EXPECT_EQ(bytes_of(layer) == before, failed);
    EXPECT_EQ(layer.options().renorm.has_value(), !failed);
    EXPECT_TRUE(layer.set_renorm(Renorm{3, 5}).ok());
    EXPECT_FALSE(refused(1, [&] { status = layer.set_renorm(Renorm{2, 1}); }));
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(layer.options().renorm->r_max, 2);
    return failed;
  });
  EXPECT_EQ(count, 2) << "r and d";
}

// A call's arrays lie one behind the other, each in cache lines of its own.
TEST(OutOfMemory, ScratchIsLaidOutInLines) {
  detail::Scratch scratch;
  for (std::int64_t count = 0; count < 40; ++count) {
    detail::Layout layout;
    std::size_t end = 0;
    std::vector<std::size_t> offsets;
    for (const std::int64_t times : {1, 0, 3, 16, 1}) {
      offsets.push_back(layout.array<double>(times * count));
      EXPECT_EQ(offsets.back(), end);
      end += (static_cast<std::size_t>(times * count) * sizeof(double) + 63) / 64 * 64;
    }
    ASSERT_TRUE(layout.allocate(scratch));
    std::byte* const first = layout.at<std::byte>(0);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 64, 0u);
    for (const std::size_t offset : offsets)
      EXPECT_EQ(layout.at<std::byte>(offset), first + offset);
  }
}

// Sizes that no counter holds, wherever the sum of them overflows.
TEST(OutOfMemory, ScratchThatCannotBeCountedIsRefused) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const std::vector<std::vector<std::int64_t>> all{
      {kMost}, {kMost / 4 + 1}, {1, kMost / 4 + 1, 1}, {kMost / 4, 1}, {kMost / 8, kMost / 8, 4}};
  for (const std::vector<std::int64_t>& counts : all) {
    detail::Scratch scratch;
    detail::Layout layout;
    for (const std::int64_t count : counts) (void)layout.array<double>(count);
    EXPECT_FALSE(layout.allocate(scratch)) << counts[0];
  }
}

}  // namespace
}  // namespace truenorm::props
