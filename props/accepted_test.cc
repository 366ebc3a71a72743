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

TEST(Accepted, TheScenesThemselvesAndAllTheirOutputsAreWritten) {
  for (const Call call : kCalls)
    for (const auto& [data, parameters] : {std::pair{Dtype::f32, Dtype::f32},
                                           {Dtype::f64, Dtype::f64},
                                           {Dtype::bf16, Dtype::bf16},
                                           {Dtype::f16, Dtype::f16},
                                           {Dtype::bf16, Dtype::f32},
                                           {Dtype::f16, Dtype::f32}}) {
      Scene scene(call, data, parameters);
      const auto before = scene.snapshot();
      const Status status = scene.run();
      ASSERT_TRUE(status.ok()) << name(call) << ": " << status.message();
      const auto after = scene.snapshot();
      for (const Slot& slot : slots_of(call)) {
        const std::size_t first = Scene::kPlace / 8 * static_cast<std::size_t>(slot.argument);
        bool changed = false;
        for (std::size_t i = 0; i < Scene::kPlace / 8; ++i)
          changed |= before.first[first + i] != after.first[first + i];
        EXPECT_EQ(changed, slot.output) << name(call) << ": " << truenorm::name(slot.argument);
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

// Even elements are x, odd ones are y: spans overlap, elements do not.
TEST(Accepted, ViewsThatInterleave) {
  for (const Call call : kCalls) {
    Scene scene(call);
    const Argument in = is_backward(call) ? Argument::dy : Argument::x;
    const Argument out = is_backward(call) ? Argument::dx : Argument::y;
    for (const Argument a : {in, out}) {
      Tensor& t = scene.tensor(a);
      t.data = scene.place(in) + (a == out ? sizeof(float) : 0);
      t.stride = {40, 10, 2, 0, 0};
    }
    const auto before = scene.snapshot();
    const Status status = scene.run();
    ASSERT_TRUE(status.ok()) << name(call) << ": " << status.message();
    float was, is;
    for (std::size_t i = 0; i < 120; i += 2) {
      std::memcpy(&is, scene.place(in) + i * sizeof is, sizeof is);
      const auto* words = reinterpret_cast<const std::byte*>(before.first.data());
      std::memcpy(&was, words + Scene::kPlace * static_cast<std::size_t>(in) + i * sizeof was,
                  sizeof was);
      EXPECT_EQ(was, is) << name(call) << ": input element " << i / 2;
    }
  }
}

TEST(Accepted, VectorsThatInterleave) {
  Scene scene(Call::forward_training);
  for (const auto& [a, b] : {std::pair{Argument::running_mean, Argument::running_var},
                             {Argument::save_mean, Argument::save_invstd}}) {
    Vector &v = scene.vector(a), &w = scene.vector(b);
    v.stride = w.stride = 2;
    w.data = static_cast<std::byte*>(v.data) + size_of(v.dtype);
  }
  EXPECT_TRUE(scene.run().ok());
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
        EXPECT_EQ(std::memcmp(want, got, Scene::kPlace), 0)
            << name(call) << " without " << truenorm::name(slot.argument) << ": "
            << truenorm::name(other.argument);
      }
    }
}

}  // namespace
}  // namespace truenorm::props
