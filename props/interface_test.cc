// The small print of the public headers: names of what there is not, views, assignments to oneself, and
// addresses at the end of what can be counted.
#include <gtest/gtest.h>
#include <truenorm/batch_norm.h>

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "../impl/src/overlap.h"
#include "scene.h"

namespace truenorm::props {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

TEST(Interface, WhatIsNoEnumeratorHasNoName) {
  EXPECT_STREQ(name(static_cast<Dtype>(4)), "?");
  EXPECT_STREQ(name(static_cast<Code>(code_count)), "?");
  EXPECT_STREQ(name(static_cast<Argument>(argument_count)), "?");
  EXPECT_STREQ(name(static_cast<Isa>(isa_count)), "?");
  EXPECT_STREQ(Status({static_cast<Code>(code_count), Argument::x}).message(), "?");
  EXPECT_STREQ(Status({Code::overlap, static_cast<Argument>(argument_count)}).message(), "?");
  EXPECT_STREQ(name(Argument::none), "none");
  EXPECT_STREQ(name(Dtype::f16), "f16");
}

TEST(Interface, StatusesAreEqualIfBothPartsAre) {
  constexpr Status kOne{Code::overlap, Argument::x};
  EXPECT_TRUE(kOne == (Status{Code::overlap, Argument::x}));
  EXPECT_FALSE(kOne == (Status{Code::overflow, Argument::x}));
  EXPECT_FALSE(kOne == (Status{Code::overlap, Argument::y}));
}

template <class View>
void expect_view(const View& view, const void* data, std::vector<std::int64_t> sizes,
                 std::vector<std::int64_t> strides) {
  EXPECT_EQ(view.data, data);
  EXPECT_EQ(view.dtype, Dtype::bf16);
  ASSERT_EQ(view.rank, static_cast<int>(sizes.size()));
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_EQ(view.size[i], sizes[i]) << i;
    EXPECT_EQ(view.stride[i], strides[i]) << i;
  }
}

TEST(Interface, ViewsAreDenseInTheOrderOfTheirName) {
  constexpr Dtype kType = Dtype::bf16;
  std::array<std::uint16_t, 1> memory{};
  void* const p = memory.data();
  const void* const q = memory.data();
  expect_view(contiguous(p, kType, {2, 3, 4, 5}), p, {2, 3, 4, 5}, {60, 20, 5, 1});
  expect_view(contiguous(q, kType, {2, 3, 4, 5}), q, {2, 3, 4, 5}, {60, 20, 5, 1});
  expect_view(channels_last(p, kType, {2, 3, 4, 5}), p, {2, 3, 4, 5}, {60, 1, 15, 3});
  expect_view(channels_last(q, kType, {2, 3, 4, 5, 6}), q, {2, 3, 4, 5, 6}, {360, 1, 90, 18, 3});
  expect_view(channels_last(q, kType, {7, 3}), q, {7, 3}, {3, 1});
  expect_view(channels_last(q, kType, {7}), q, {7}, {1});
  EXPECT_EQ(contiguous(p, kType, {1, 1, 1, 1, 1, 1}).rank, 6);
}

TEST(Interface, OnlySetsWithFmaHaveIt) {
  EXPECT_FALSE(has_fma(Isa::scalar));
  EXPECT_FALSE(has_fma(Isa::sse4));
  for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::neon}) EXPECT_TRUE(has_fma(isa)) << name(isa);
  EXPECT_EQ(has_fma(Isa::best), has_fma(available_isas().items[0]));
}

TEST(Interface, AContextTellsWhatItWasMadeOf) {
  for (const Isa isa : available_isas()) {
    const Context context(3, isa);
    EXPECT_TRUE(context.status().ok());
    EXPECT_EQ(context.threads(), 3);
    EXPECT_EQ(context.isa(), isa);
  }
  EXPECT_EQ(Context().isa(), available_isas().items[0]);
}

/// Not seen through by the compiler's warning of self-assignment.
template <class T>
T& same(T& object) {
  return object;
}

TEST(Interface, AssignmentToOneselfChangesNothing) {
  Scene scene(Call::layer_training);
  const std::vector<std::byte> before = bytes_of(*scene.layer);
  *scene.layer = same(*scene.layer);
  EXPECT_EQ(bytes_of(*scene.layer), before);
  *scene.layer = std::move(same(*scene.layer));
  EXPECT_EQ(bytes_of(*scene.layer), before);
  scene.context = std::move(same(scene.context));
  EXPECT_EQ(scene.context.threads(), 2);
  EXPECT_TRUE(scene.run().ok());
}

TEST(Interface, AnInertObjectKeepsItsReasonAndPassesItOn) {
  BatchNorm inert({.num_features = -1});
  const Status reason = inert.status();
  EXPECT_EQ(reason, (Status{Code::bad_size, Argument::num_features}));
  const BatchNorm copy(inert);
  EXPECT_EQ(copy.status(), reason);
  const BatchNorm moved(std::move(inert));
  EXPECT_EQ(moved.status(), reason);
  EXPECT_EQ(inert.status(), reason);
  BatchNorm assigned({.num_features = 2});
  assigned = std::move(inert);
  EXPECT_EQ(assigned.status(), reason);
  EXPECT_EQ(inert.status(), reason);

  Context idle(0);
  const Context taken(std::move(idle));
  EXPECT_EQ(taken.status(), (Status{Code::bad_threads, Argument::context}));
  EXPECT_EQ(idle.status(), taken.status());
  Context other(1);
  other = std::move(idle);
  EXPECT_EQ(other.status(), taken.status());
  EXPECT_EQ(idle.status(), taken.status());
}

TEST(Interface, AnInertLayerHasNothing) {
  BatchNorm inert({.num_features = -1});
  inert.train();
  EXPECT_FALSE(inert.is_training());
  for (const Vector& v : {inert.weight(), inert.bias(), inert.running_mean(), inert.running_var()})
    EXPECT_FALSE(v.present());
  EXPECT_FALSE(inert.state().weight.present());
  EXPECT_FALSE(inert.saved_mean().present());
  EXPECT_FALSE(inert.num_batches_tracked().has_value());
}

/// The answer to a forward whose x is `x`, everything else being well-formed for its sizes.
Status with_x(Tensor x) {
  Context context(1);
  ForwardTraining args;
  args.x = x;
  args.y = x;
  return forward_training(context, args);
}

TEST(Interface, WhatCannotBeAddressedIsRefused) {
  alignas(64) std::array<float, 16> memory{};
  const Status refused{Code::overflow, Argument::x};
  struct Row {
    const char* what;
    std::array<std::int64_t, 3> size, stride;
  };
  const Row table[] = {
      {"the number of values", {kMost / 2, 3, 1}, {0, 0, 0}},
      {"a little less than that", {kMost / 4 + 1, 1, 2}, {0, 0, 0}},
      {"bytes of a stride", {2, 3, 2}, {kMost / 2, 1, 1}},
      {"bytes of an axis", {3, 3, 2}, {kMost / 5, 1, 1}},
      {"bytes of two axes", {2, 2, 2}, {kMost / 5, kMost / 5, 1}},
      {"more bytes than an address space has", {2, 3, 2}, {kMost / 6, 1, 1}},
  };
  for (const Row& row : table) {
    Tensor x{memory.data(), Dtype::f32, 3, {}, {}};
    for (std::size_t i = 0; i < 3; ++i) x.size[i] = row.size[i], x.stride[i] = row.stride[i];
    EXPECT_EQ(with_x(x), refused) << row.what << ": " << with_x(x).message();
  }
  // The last bytes of all memory, and one value more.
  Tensor end{reinterpret_cast<void*>(~std::uintptr_t{0} - 63), Dtype::f32, 2, {4, 4}, {4, 1}};
  EXPECT_EQ(with_x(end), refused);
}

/// Four axes of n values, their steps so nearly equal that many combinations come near each other,
/// and none meets.
detail::Region tangled(std::int64_t n) {
  constexpr std::array<std::int64_t, 4> kApart{0, 4, 400, 40000};
  detail::Region region;
  region.begin = 64;
  region.element = region.extent = 4;
  region.rank = 4;
  for (std::size_t i = 0; i < 4; ++i) {
    region.size[i] = n;
    region.stride[i] = (std::int64_t{1} << 30) + kApart[i];
    region.extent += region.stride[i] * (n - 1);
  }
  return region;
}

TEST(Interface, WhatCannotBeDecidedInTimeCountsAsOverlapping) {
  EXPECT_FALSE(detail::overlaps_itself(tangled(3)));
  EXPECT_FALSE(detail::overlaps_itself(tangled(9)));
  EXPECT_TRUE(detail::overlaps_itself(tangled(40)));
}

}  // namespace
}  // namespace truenorm::props
