// Unusual calls that are well-formed all the same: accepted, and every output written.
#include <gtest/gtest.h>

#include <cstring>

#include "scene.h"

namespace truenorm::props {
namespace {

bool is_input(Call call, Argument a) {
  for (const Slot& slot : slots_of(call))
    if (slot.argument == a) return !slot.output;
  return false;
}

/// Where a snapshot has the argument's memory.
const std::byte* place_in(const std::vector<std::uint64_t>& words, Argument a) {
  return reinterpret_cast<const std::byte*>(words.data()) + kPlace * static_cast<std::size_t>(a);
}

// Every element of every output, and nothing else.
TEST(Accepted, TheScenesThemselvesAndAllTheirOutputsAreWritten) {
  for (const Call call : kCalls)
    for (const auto& [data, parameters] : {std::pair{Dtype::f32, Dtype::f32},
                                           {Dtype::f64, Dtype::f64},
                                           {Dtype::bf16, Dtype::bf16},
                                           {Dtype::f16, Dtype::f16},
                                           {Dtype::bf16, Dtype::f32},
                                           {Dtype::f16, Dtype::f32}}) {
      Scene scene(call, data, parameters);
      for (const Slot& slot : slots_of(call)) {
        const bool updated =
            slot.argument == Argument::running_mean || slot.argument == Argument::running_var;
        if (slot.output && !updated) std::memset(scene.place(slot.argument), 0xff, kPlace);
      }
      const auto before = scene.snapshot();
      const Status status = scene.run();
      ASSERT_TRUE(status.ok()) << name(call) << ": " << status.message();
      for (const Slot& slot : slots_of(call)) {
        const std::byte* was = place_in(before.first, slot.argument);
        const std::byte* is = scene.place(slot.argument);
        const std::size_t size = scene.element_bytes(slot);
        const std::size_t count = slot.output ? Scene::elements(slot) : 0;
        for (std::size_t i = 0; i < count; ++i)
          EXPECT_NE(std::memcmp(was + i * size, is + i * size, size), 0)
              << name(call) << ": " << truenorm::name(slot.argument) << "[" << i << "] is not new";
        const std::size_t rest = count * size;
        EXPECT_EQ(std::memcmp(was + rest, is + rest, kPlace - rest), 0)
            << name(call) << ": " << truenorm::name(slot.argument) << " beyond what is written";
      }
    }
}

TEST(Accepted, OutputsInPlace) {
  for (const Call call : kCalls) {
    Scene apart(call), in_place(call);
    const Argument in = is_backward(call) ? Argument::dy : Argument::x;
    const Argument out = is_backward(call) ? Argument::dx : Argument::y;
    in_place.tensor(out) = in_place.tensor(in);
    ASSERT_TRUE(apart.run().ok());
    const Status status = in_place.run();
    ASSERT_TRUE(status.ok()) << name(call) << ": " << status.message();
    EXPECT_EQ(std::memcmp(apart.place(out), in_place.place(in), 60 * sizeof(float)), 0)
        << name(call);
  }
}

// Even elements are x, odd ones are y: spans overlap, elements do not. The values are those of a y
// elsewhere.
TEST(Accepted, ViewsThatInterleave) {
  for (const Call call : kCalls) {
    Scene scene(call), apart(call);
    const Argument in = is_backward(call) ? Argument::dy : Argument::x;
    const Argument out = is_backward(call) ? Argument::dx : Argument::y;
    for (Scene* s : {&scene, &apart})
      for (const Argument a : {in, out}) s->tensor(a).stride = {40, 10, 2, 0, 0};
    scene.tensor(out).data = scene.place(in) + sizeof(float);
    ASSERT_TRUE(apart.run().ok());
    const auto before = scene.snapshot();
    const Status status = scene.run();
    ASSERT_TRUE(status.ok()) << name(call) << ": " << status.message();
    constexpr std::size_t kSize = sizeof(float);
    for (std::size_t i = 0; i < 60; ++i) {
      const std::size_t at = 2 * i * kSize;
      EXPECT_EQ(std::memcmp(scene.place(in) + at, place_in(before.first, in) + at, kSize), 0)
          << name(call) << ": input element " << i;
      EXPECT_EQ(std::memcmp(scene.place(in) + at + kSize, apart.place(out) + at, kSize), 0)
          << name(call) << ": output element " << i;
    }
  }
}

TEST(Accepted, VectorsThatInterleave) {
  Scene scene(Call::forward_renorm), apart(Call::forward_renorm);
  constexpr std::array<std::pair<Argument, Argument>, 3> kPairs{
      {{Argument::running_mean, Argument::running_var},
       {Argument::save_mean, Argument::save_invstd},
       {Argument::save_r, Argument::save_d}}};
  for (const auto& [a, b] : kPairs) {
    std::memcpy(apart.place(b), apart.place(a), kPlace);
    for (Scene* s : {&scene, &apart}) {
      s->vector(a).stride = s->vector(b).stride = 2;
      s->vector(b).data = (s == &scene ? s->place(a) : s->place(b)) + size_of(s->vector(a).dtype);
    }
  }
  ASSERT_TRUE(apart.run().ok());
  ASSERT_TRUE(scene.run().ok());
  for (const auto& [a, b] : kPairs) {
    const auto size = static_cast<std::size_t>(size_of(scene.vector(a).dtype));
    for (std::size_t i = 0; i < 2 * Scene::kChannels; ++i) {
      const std::byte* want = apart.place(i % 2 == 0 ? a : b) + i * size;
      EXPECT_EQ(std::memcmp(scene.place(a) + i * size, want, size), 0)
          << truenorm::name(i % 2 == 0 ? a : b) << "[" << i / 2 << "]";
    }
  }
}

TEST(Accepted, InputsMayShareAnything) {
  for (const Call call : kCalls) {
    Scene scene(call);
    scene.for_tensors([&](Tensor& t) {
      if (t.data == scene.place(Argument::x) || t.data == scene.place(Argument::dy)) {
        t.data = scene.place(Argument::x);
        t.stride = {1, 1, 0, 0, 0};
      }
    });
    for (const Slot& slot : slots_of(call))
      if (!slot.tensor && !slot.output) {
        scene.vector(slot.argument).data = scene.place(Argument::x);
        scene.vector(slot.argument).stride = 0;
      }
    const Status status = scene.run();
    EXPECT_TRUE(status.ok()) << name(call) << ": " << status.message();
  }
}

TEST(Accepted, StridesOfAxesOfSizeOneMeanNothing) {
  for (const Call call : kCalls) {
    if (call == Call::layer_backward) continue;  // the layer's forward had other sizes
    for (const std::int64_t stride : {std::int64_t{0}, std::int64_t{1} << 61}) {
      Scene scene(call);
      scene.for_tensors([&](Tensor& t) {
        t.size[0] = 1;
        t.stride[0] = stride;
      });
      const Status status = scene.run();
      EXPECT_TRUE(status.ok()) << name(call) << ": " << status.message();
    }
  }
}

TEST(Accepted, NoElementsNeedNoDataAndNoStatistics) {
  for (const Call call : kCalls)
    for (const std::size_t axis : {0u, 2u}) {
      if (call == Call::layer_backward) continue;  // the layer's forward had other sizes
      Scene scene(call);
      scene.for_tensors([&](Tensor& t) {
        t.size[axis] = 0;
        t.data = nullptr;
      });
      for (const Slot& slot : slots_of(call))
        if (slot.required) scene.vector(slot.argument) = {};
      const Status status = scene.run();
      ASSERT_TRUE(status.ok()) << name(call) << ": " << status.message();
      if (!is_backward(call)) continue;
      for (const Argument a : {Argument::dweight, Argument::dbias})
        for (std::size_t c = 0; c < 4; ++c)
          EXPECT_EQ(static_cast<float*>(scene.vector(a).data)[c], 0) << name(call);
    }
}

// Nothing is done for each of the channels, which would take years.
TEST(Accepted, NoElementsOfVeryManyChannels) {
  for (const Call call : kCalls) {
    if (of_layer(call)) continue;
    Scene scene(call);
    for (const Slot& slot : slots_of(call))
      if (!slot.tensor) scene.vector(slot.argument) = {};
    scene.for_tensors([](Tensor& t) { t.size = {0, std::int64_t{1} << 62, 5, 0, 0}; });
    const Status status = scene.run();
    EXPECT_TRUE(status.ok()) << name(call) << ": " << status.message();
  }
}

TEST(Accepted, WhatMayBeAbsentMayBeAbsent) {
  for (const Call call : kCalls)
    for (const Slot& slot : slots_of(call)) {
      if (slot.required || (slot.tensor && slot.argument != Argument::dx)) continue;
      Scene all(call), without(call);
      if (slot.tensor)
        without.tensor(slot.argument) = {};
      else
        without.vector(slot.argument) = {};
      ASSERT_TRUE(all.run().ok());
      const Status status = without.run();
      ASSERT_TRUE(status.ok()) << name(call) << ": " << status.message();
      if (is_input(call, slot.argument)) continue;
      for (const Slot& other : slots_of(call)) {  // the other outputs are the same bits
        if (other.argument == slot.argument) continue;
        const auto *want = all.place(other.argument), *got = without.place(other.argument);
        EXPECT_EQ(std::memcmp(want, got, kPlace), 0)
            << name(call) << " without " << truenorm::name(slot.argument) << ": "
            << truenorm::name(other.argument);
      }
    }
}

}  // namespace
}  // namespace truenorm::props
