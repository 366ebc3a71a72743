// The careful loops, called by themselves: sums of numbers that are exact in any order, or only if none
// loses its rest; every dtype, layout and channel, blocks and what fills none.
#include "../impl/src/careful.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "arena.h"
#include "data.h"
#include "numbers.h"

namespace truenorm::detail {
namespace {

using oracle::Layout;
using oracle::Shape;

constexpr std::array<Dtype, 4> kTypes{Dtype::f32, Dtype::f64, Dtype::bf16, Dtype::f16};
constexpr std::array<Layout, 4> kLayouts{Layout::nchw, Layout::nhwc, Layout::sliced,
                                         Layout::padded};
/// A power of two of values a channel, more than a block of any dtype; and not even a vector.
const std::array<Shape, 2> kShapes{Shape{8, 3, 1, {1024, 0, 0}}, Shape{2, 3, 1, {4, 0, 0}}};

/// Two tensors of one shape, and the walk over both.
class Pair {
 public:
  Pair(Dtype dtype, const Shape& shape, Layout x, Layout g) : dtype_(dtype) {
    const std::array<ConstTensor, 2> views{view(shape, x), view(shape, g)};
    walk_ = make_walk(views);
    for (std::size_t v = 0; v < 2; ++v) {
      std::int64_t extent = 1;
      for (std::size_t i = 0; i < static_cast<std::size_t>(views[v].rank); ++i)
        extent += (views[v].size[i] - 1) * views[v].stride[i];
      memory_[v].resize(static_cast<std::size_t>(extent));
      for (std::int64_t c = 0; c < walk_.channels; ++c)
        for (std::int64_t i = 0; i < walk_.count; ++i)
          set(v, c, i,
              static_cast<double>(
                  oracle::mix(static_cast<std::uint64_t>((c * walk_.count + i) * 2) + v) % 17) -
                  3);
    }
  }
  void set(std::size_t v, std::int64_t c, std::int64_t i, double value) {
    store_element(dtype_, memory_[v].data(), place(v, c, i), value);
  }
  [[nodiscard]] double get(std::size_t v, std::int64_t c, std::int64_t i) const {
    return load_element(dtype_, memory_[v].data(), place(v, c, i));
  }
  [[nodiscard]] const Walk& walk() const { return walk_; }
  [[nodiscard]] const void* data(std::size_t v) const { return memory_[v].data(); }

 private:
  [[nodiscard]] ConstTensor view(const Shape& shape, Layout layout) const {
    return {nullptr,
            dtype_,
            shape.rank(),
            {shape.n, shape.c, shape.s[0], 0, 0},
            oracle::strides_of(layout, shape)};
  }
  [[nodiscard]] std::int64_t place(std::size_t v, std::int64_t c, std::int64_t i) const {
    return c * walk_.channel_stride[v] + Cursor(walk_, i).offsets()[v];
  }

  Dtype dtype_;
  Walk walk_;
  std::array<std::vector<double>, 2> memory_;  // room for any element
};

template <class Body>
void for_all(const Body& body) {
  for (const Dtype dtype : kTypes)
    for (const Shape& shape : kShapes)
      for (const Layout x : kLayouts)
        for (const Layout g : {x, Layout::nchw}) {
          SCOPED_TRACE(testing::Message() << name(dtype) << " " << oracle::name(x) << " "
                                          << oracle::name(g) << " of " << shape.per_channel());
          Pair pair(dtype, shape, x, g);
          body(dtype, pair);
        }
}

TEST(Careful, SumsOfWholeNumbersAreExact) {
  const auto room = std::make_unique<ThreadRoom>();
  for_all([&](Dtype dtype, const Pair& p) {
    const double n = static_cast<double>(p.walk().count);
    for (std::int64_t c = 0; c < p.walk().channels; ++c) {
      double total = 0, m2 = 0, sum = 0, dot = 0;
      for (std::int64_t i = 0; i < p.walk().count; ++i) total += p.get(0, c, i);
      for (std::int64_t i = 0; i < p.walk().count; ++i) {
        const double d = p.get(0, c, i) - total / n;
        m2 += d * d, sum += p.get(1, c, i), dot += (p.get(0, c, i) - 2) * p.get(1, c, i);
      }
      const Moments moments = careful_moments(dtype, p.walk(), p.data(0), c, *room);
      EXPECT_EQ(moments.count, n);
      EXPECT_EQ(moments.mean(), total / n);
      EXPECT_EQ(moments.m2, m2);
      double got_sum = -1, got_dot = -1;
      careful_products(dtype, p.walk(), p.data(0), p.data(1), c, 2, *room, &got_sum, &got_dot);
      EXPECT_EQ(got_sum, sum);
      EXPECT_EQ(got_dot, dot);
      EXPECT_EQ(first_value(dtype, p.walk(), 0, p.data(0), c), p.get(0, c, 0));
    }
  });
}

// Large numbers that cancel leave the small ones between them whole.
TEST(Careful, SumsLoseNoRest) {
  const auto room = std::make_unique<ThreadRoom>();
  for_all([&](Dtype dtype, Pair& p) {
    const double large = dtype == Dtype::f16 ? 0x1p15 : 0x1p60;
    for (std::int64_t i = 0; i < p.walk().count; i += 2) {
      const double sign = i % 4 == 0 ? 1 : -1;
      p.set(0, 1, i, 3 + sign), p.set(1, 1, i, large);
      p.set(0, 1, i + 1, 4), p.set(1, 1, i + 1, 1);
    }
    const double n = static_cast<double>(p.walk().count);
    double sum = 0, dot = 0;
    careful_products(dtype, p.walk(), p.data(0), p.data(1), 1, 3, *room, &sum, &dot);
    EXPECT_EQ(sum, n / 2 * large + n / 2);
    EXPECT_EQ(dot, n / 2);
  });
}

TEST(Careful, AMeanIsThatOfIeeeWhereDifferencesOverflow) {
  const auto room = std::make_unique<ThreadRoom>();
  constexpr double kInf = std::numeric_limits<double>::infinity(), kMost = 0x1.fffffffffffffp1023;
  for (const double infinite : {kInf, -kInf}) {
    for_all([&](Dtype dtype, Pair& p) {
      p.set(0, 0, 3, infinite);
      EXPECT_EQ(careful_moments(dtype, p.walk(), p.data(0), 0, *room).mean(), infinite);
    });
  }
  Pair p(Dtype::f64, kShapes[1], Layout::nchw, Layout::nchw);
  for (std::int64_t i = 0; i < p.walk().count; ++i) p.set(0, 2, i, i % 2 == 0 ? kMost : -kMost);
  EXPECT_EQ(careful_moments(Dtype::f64, p.walk(), p.data(0), 2, *room).mean(), 0);
}

TEST(Careful, ABlockOfNoValuesChangesNothing) {
  constexpr double kInf = std::numeric_limits<double>::infinity(), kMost = 0x1.fffffffffffffp1023;
  const auto fields = [](const Moments& m) { return std::array{m.count, m.base, m.offset, m.m2}; };
  for (const Moments& some :
       {Moments{3, 1e300, -2.5, 7}, Moments{1, kInf, 0, 0}, Moments{5, kMost, 0, 0}})
    for (const double base : {0.0, -kMost, kInf}) {
      Moments first = some, second{0, base, 0, 0};
      first.merge(second);
      second.merge(some);
      EXPECT_EQ(fields(first), fields(some)) << base;
      EXPECT_EQ(fields(second), fields(some)) << base;
    }
}

TEST(Careful, OneOtherValueIsFound) {
  for_all([](Dtype dtype, Pair& p) {
    const std::int64_t count = p.walk().count;
    for (std::int64_t i = 0; i < count; ++i) p.set(1, 1, i, 5);
    EXPECT_TRUE(is_constant(dtype, p.walk(), 1, p.data(1), 1, 5));
    EXPECT_FALSE(is_constant(dtype, p.walk(), 1, p.data(1), 1, 4));
    for (const std::int64_t i : {std::int64_t{0}, count / 2, count - 1}) {
      p.set(1, 1, i, 6);
      EXPECT_FALSE(is_constant(dtype, p.walk(), 1, p.data(1), 1, 5)) << i;
      p.set(1, 1, i, 5);
    }
  });
}

// In double, in the textbook's order, rounded once; in place, too.
TEST(Careful, TransformsAreOneFormula) {
  constexpr double kMean = 0.3, kInvstd = 1.7, kWeight = -0.6, kBias = 2.1, kOffset = 0.2,
                   kSlope = 0.11;
  constexpr std::int64_t kCount = 5;
  for (const Dtype dtype : kTypes) {
    std::array<double, kCount + 1> x{}, g{}, y{};
    for (std::int64_t i = 0; i <= kCount; ++i) {
      store_element(dtype, x.data(), i, 0.37 * static_cast<double>(i) - 1);
      store_element(dtype, g.data(), i, 1 - 0.41 * static_cast<double>(i));
      store_element(dtype, y.data(), i, 9);
    }
    const auto rounded = [&](double v) {
      return oracle::round_to(static_cast<oracle::Dtype>(dtype), v);
    };
    careful_affine(dtype, x.data(), y.data(), kCount, kMean, kInvstd, kWeight, kBias);
    for (std::int64_t i = 0; i < kCount; ++i)
      EXPECT_EQ(load_element(dtype, y.data(), i),
                rounded((load_element(dtype, x.data(), i) - kMean) * kInvstd * kWeight + kBias));
    EXPECT_EQ(load_element(dtype, y.data(), kCount), 9);
    const auto before = g;
    careful_gradient(dtype, x.data(), g.data(), g.data(), kCount, kMean, kOffset, kSlope, kInvstd,
                     kWeight);
    for (std::int64_t i = 0; i < kCount; ++i) {
      const double d = load_element(dtype, x.data(), i) - kMean,
                   grad = load_element(dtype, before.data(), i) - kOffset;
      EXPECT_EQ(load_element(dtype, g.data(), i), rounded((grad - d * kSlope) * kInvstd * kWeight));
    }
    EXPECT_EQ(load_element(dtype, g.data(), kCount), load_element(dtype, before.data(), kCount));
  }
}

}  // namespace
}  // namespace truenorm::detail
