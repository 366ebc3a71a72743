// The arena tells every harm that a player can do to memory, and none where there is none.
#include "arena.h"

#include <gtest/gtest.h>

#include <cmath>

namespace truenorm::oracle {
namespace {

constexpr std::array kLayouts{Layout::nchw,       Layout::nhwc,     Layout::sliced,
                              Layout::transposed, Layout::expanded, Layout::padded};
constexpr std::array kDtypes{Dtype::f32, Dtype::f64, Dtype::bf16, Dtype::f16};

Case a_case(bool guarded, int skew = 0, bool strided = false) {
  Case c;
  c.exec.emplace();
  c.exec->skew = skew;
  c.exec->strided_params = strided;
  while (Arena::guarded(c) != guarded) ++c.problem.seed;
  return c;
}

std::vector<Shape> shapes() {
  return {{3, 4, 0, {}},        {1, 1, 0, {}},     {2, 3, 1, {5}},       {2, 3, 2, {4, 7}},
          {2, 1, 3, {1, 3, 2}}, {0, 3, 1, {4}},    {2, 0, 1, {4}},       {2, 3, 2, {0, 3}},
          {5, 2, 2, {1, 1}},    {1, 9, 2, {3, 1}}, {4, 16, 2, {14, 14}}, {2, 2, 3, {2, 2, 0}}};
}

/// Values that repeat along N, so that they fit the expanded layout, too.
std::vector<double> values_for(const Shape& shape) {
  std::vector<double> values(static_cast<std::size_t>(shape.numel()));
  const auto image = static_cast<std::size_t>(std::max<std::int64_t>(shape.c * shape.plane(), 1));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i % image % 200);
  return values;
}

void write(const Placed& p, std::int64_t slot, double value) {
  store(p.dtype, value,
        static_cast<std::byte*>(p.data) + slot * static_cast<std::int64_t>(size_of(p.dtype)));
}

/// Writes 1 to every element of a placed tensor.
void write_all(const Placed& p) {
  for (std::int64_t i = 0; i < p.count; ++i) {
    std::int64_t rest = i, slot = 0;
    for (int axis = p.rank; axis-- > 0;) {
      const auto a = static_cast<std::size_t>(axis);
      slot += rest % p.size[a] * p.stride[a];
      rest /= p.size[a];
    }
    write(p, slot, 1);
  }
}

// A dense f32 output of 6 elements, every one written; then `f` does what it should not.
template <class F>
std::string harm_of(bool guarded, Layout layout, F&& f) {
  Arena arena;
  arena.begin(a_case(guarded));
  const Placed& y = arena.tensor(Use::out, "y", {2, 3, 0, {}}, Dtype::f32, layout);
  write_all(y);
  f(y);
  return arena.harm().where;
}

TEST(Arena, HandsOutWhatWasAskedAndFindsNoHarmInGoodConduct) {
  Arena arena;
  for (const bool guarded : {false, true})
    for (const Shape& shape : shapes())
      for (const Layout layout : kLayouts)
        for (const Dtype dtype : kDtypes) {
          arena.begin(a_case(guarded));
          const std::vector<double> values = values_for(shape), vector(4, 0.5);
          const Placed& x = arena.tensor(Use::in, "x", shape, dtype, layout, &values);
          const Placed& y = arena.tensor(Use::out, "y", shape, dtype, layout);
          const Placed& both = arena.tensor(Use::inout, "both", shape, dtype, layout, &values);
          const Placed& w = arena.vector(Use::in, "w", 4, dtype, &vector);
          const Placed& unwritten = arena.vector(Use::maybe, "m", 4, dtype);
          EXPECT_EQ(arena.read(x), values);
          EXPECT_EQ(arena.read(w), vector);
          EXPECT_NE(unwritten.data, nullptr);
          EXPECT_EQ(arena.harm_after_refusal().where, "");
          write_all(y);
          write_all(both);
          EXPECT_EQ(arena.harm().where, "");
          EXPECT_EQ(arena.read(y), std::vector<double>(values.size(), 1));
        }
}

TEST(Arena, LayoutsHaveTheirStrides) {
  const Shape s{2, 3, 2, {4, 5}};
  using Strides = std::array<std::int64_t, 5>;
  EXPECT_EQ(strides_of(Layout::nchw, s), (Strides{60, 20, 5, 1, 0}));
  EXPECT_EQ(strides_of(Layout::nhwc, s), (Strides{60, 1, 15, 3, 0}));
  EXPECT_EQ(strides_of(Layout::sliced, s), (Strides{120, 40, 10, 2, 0}));
  EXPECT_EQ(strides_of(Layout::transposed, s), (Strides{1, 8, 2, 24, 0}));
  EXPECT_EQ(strides_of(Layout::expanded, s), (Strides{0, 20, 5, 1, 0}));
  const Strides padded = strides_of(Layout::padded, s);
  EXPECT_GT(padded[2], 5);
  EXPECT_EQ(padded[3], 1);
}

TEST(Arena, SkewsEveryBase) {
  for (const int skew : {0, 1, 4, 63}) {
    Arena arena;
    arena.begin(a_case(false, skew, true));
    const std::vector<double> values(6, 1);
    for (const Dtype dtype : kDtypes) {
      const Placed& x = arena.tensor(Use::in, "x", {2, 3, 0, {}}, dtype, Layout::nchw, &values);
      const Placed& w = arena.vector(Use::out, "w", 3, dtype);
      for (const Placed* p : {&x, &w})
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p->data) % 64,
                  static_cast<std::size_t>(skew) * size_of(dtype) % 64);
      EXPECT_EQ(w.stride[0], 2);
    }
  }
}

TEST(Arena, SeesWritesOutsideOfTheTensor) {
  for (const bool guarded : {false, true})
    for (const Layout layout : kLayouts) {
      EXPECT_EQ(harm_of(guarded, layout, [](const Placed&) {}), "");
      EXPECT_NE(harm_of(guarded, layout, [](const Placed& y) { write(y, -1, 0); }), "");
    }
  for (const Layout layout : {Layout::nchw, Layout::nhwc, Layout::transposed}) {
    EXPECT_NE(harm_of(false, layout, [](const Placed& y) { write(y, 6, 0); }), "");
    EXPECT_NE(harm_of(false, layout, [](const Placed& y) { write(y, 15, 0); }), "");
  }
  for (const bool guarded : {false, true}) {
    // Elements at 0, 2, 4, ...; and rows of 3.
    EXPECT_NE(harm_of(guarded, Layout::sliced, [](const Placed& y) { write(y, 1, 0); }), "");
    EXPECT_NE(harm_of(guarded, Layout::sliced, [](const Placed& y) { write(y, 9, 0); }), "");
    EXPECT_NE(harm_of(guarded, Layout::padded, [](const Placed& y) { write(y, 3, 0); }), "");
  }
  const std::string said = harm_of(false, Layout::nchw, [](const Placed& y) { write(y, 6, 0); });
  EXPECT_EQ(said.rfind("y: written ", 0), 0u) << said;
}

TEST(Arena, SeesAWriteIntoTheGapOfAStridedVector) {
  for (const Use use : {Use::out, Use::inout, Use::maybe, Use::in}) {
    Arena arena;
    arena.begin(a_case(false, 0, true));
    const std::vector<double> values(3, 2);
    const Placed& w = arena.vector(use, "w", 3, Dtype::f64, &values);
    if (use == Use::out) write_all(w);
    EXPECT_EQ(arena.harm().where, "");
    write(w, 1, 0);
    EXPECT_NE(arena.harm().where, "");
  }
}

TEST(Arena, SeesAnInputChangedEvenInTheSignOfAZero) {
  for (const Layout layout : kLayouts) {
    Arena arena;
    arena.begin(a_case(false));
    const std::vector<double> zeros(6, 0);
    const Placed& x = arena.tensor(Use::in, "x", {2, 3, 0, {}}, Dtype::f32, layout, &zeros);
    EXPECT_EQ(arena.harm().where, "");
    write(x, 0, -0.0);
    EXPECT_NE(arena.harm().where, "");
  }
}

TEST(Arena, SeesAnElementThatWasNeverWritten) {
  for (const Dtype dtype : kDtypes) {
    Arena arena;
    arena.begin(a_case(false));
    const Placed& y = arena.tensor(Use::out, "y", {2, 3, 0, {}}, dtype, Layout::nchw);
    for (const std::int64_t i : {0, 1, 2, 3, 5}) write(y, i, 0);
    EXPECT_EQ(arena.harm().where, "y[4]: never written");
    write(y, 4, std::nan(""));  // a NaN of the player's own is an answer
    EXPECT_EQ(arena.harm().where, "");
  }
}

TEST(Arena, SeesWhatARefusedCallChanged) {
  const std::vector<double> values(6, 1);
  const auto changed = [&](Use use) {
    Arena arena;
    arena.begin(a_case(false));
    const Placed& p = arena.tensor(use, "t", {2, 3, 0, {}}, Dtype::f32, Layout::sliced, &values);
    EXPECT_EQ(arena.harm_after_refusal().where, "");
    write(p, 2, 7);
    return arena.harm_after_refusal().where;
  };
  for (const Use use : {Use::in, Use::inout, Use::out, Use::maybe}) EXPECT_NE(changed(use), "");
}

TEST(Arena, ForgetsOneCallBeforeTheNext) {
  Arena arena;
  arena.begin(a_case(false));
  const Placed& y = arena.tensor(Use::out, "y", {2, 3, 0, {}}, Dtype::f32, Layout::nchw);
  write(y, -1, 0);
  EXPECT_NE(arena.harm().where, "");
  arena.begin(a_case(false));
  EXPECT_EQ(arena.harm().where, "");
  write_all(arena.tensor(Use::out, "y", {2, 3, 0, {}}, Dtype::f32, Layout::nchw));
  EXPECT_EQ(arena.harm().where, "");
}

TEST(ArenaDeathTest, AReadBehindTheEndOfAGuardedTensorIsACrash) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const Layout layout : {Layout::nchw, Layout::sliced, Layout::padded}) {
    Arena arena;
    arena.begin(a_case(true));
    const std::vector<double> values(6, 1);
    const Placed& x = arena.tensor(Use::in, "x", {2, 3, 0, {}}, Dtype::f32, layout, &values);
    const std::int64_t behind = x.stride[0] + 2 * x.stride[1] + 1;
    const volatile float* data = static_cast<const float*>(x.data);
    EXPECT_EQ(static_cast<double>(data[behind - 1]), 1);
    EXPECT_DEATH({ [[maybe_unused]] const float v = data[behind]; }, "");
  }
}

TEST(Arena, GuardsAFairShareOfCases) {
  int guarded = 0;
  Case c;
  for (c.problem.seed = 0; c.problem.seed < 1000; ++c.problem.seed) guarded += Arena::guarded(c);
  EXPECT_GT(guarded, 200);
  EXPECT_LT(guarded, 300);
}

}  // namespace
}  // namespace truenorm::oracle
