// Conversions of single elements, against the formats as the oracle has them: every value of 16 bits,
// and the doubles where rounding changes its mind. Vectors of them, with strides and from any place.
#include "../impl/src/scalar.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "data.h"
#include "numbers.h"

namespace truenorm::detail {
namespace {

constexpr std::array<Dtype, 4> kTypes{Dtype::f32, Dtype::f64, Dtype::bf16, Dtype::f16};
constexpr double kInf = std::numeric_limits<double>::infinity();

oracle::Dtype oracles(Dtype dtype) { return static_cast<oracle::Dtype>(dtype); }

bool same(double a, double b) {
  return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

/// The element that `value` is stored as.
double stored(Dtype dtype, double value) {
  std::array<double, 2> memory{};
  store_element(dtype, memory.data(), 1, value);
  return load_element(dtype, memory.data(), 1);
}

TEST(Scalar, DtypesHaveTheOraclesNames) {
  for (const Dtype dtype : kTypes) EXPECT_EQ(name(dtype), oracle::name(oracles(dtype)));
}

TEST(Scalar, EveryElementOf16BitsIsItsValue) {
  for (const Dtype dtype : {Dtype::bf16, Dtype::f16}) {
    for (std::uint32_t pattern = 0; pattern < 0x10000; ++pattern) {
      const std::array<std::uint16_t, 4> memory{static_cast<std::uint16_t>(pattern)};
      const double value = oracle::from_pattern(oracles(dtype), pattern);
      ASSERT_TRUE(same(load_element(dtype, memory.data(), 0), value))
          << name(dtype) << " " << pattern;
    }
  }
}

// The values themselves, the middles between them, and the nearest doubles to either side.
TEST(Scalar, RoundsToNearestTiesToEven) {
  for (const Dtype dtype : {Dtype::bf16, Dtype::f16}) {
    const double beyond =
        2 * oracle::from_pattern(oracles(dtype), oracle::to_pattern(oracles(dtype), kInf) - 1);
    for (std::uint32_t pattern = 0; pattern < 0x8000; ++pattern) {
      const double value = oracle::from_pattern(oracles(dtype), pattern);
      double next = oracle::from_pattern(oracles(dtype), pattern + 1);
      if (std::isinf(next)) next = beyond - value;  // where the next binade would begin
      for (const double at : {value, value + (next - value) / 2})
        for (const double near : {at, std::nextafter(at, -kInf), std::nextafter(at, kInf)})
          for (const double sided : {near, -near})
            ASSERT_TRUE(same(stored(dtype, sided), oracle::round_to(oracles(dtype), sided)))
                << name(dtype) << " " << sided;
    }
    for (const double value : {beyond, kInf, -kInf, std::numeric_limits<double>::max()})
      EXPECT_TRUE(same(stored(dtype, value), oracle::round_to(oracles(dtype), value))) << value;
  }
}

// Odd: between two floats the one whose last bit is 1, so that no tie arises that was none.
TEST(Scalar, RoundsToOdd) {
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const double value =
        oracle::from_pattern(oracle::Dtype::f64, oracle::mix(i)) * (i % 2 == 0 ? 1 : 0x1p-900);
    const float got = round_to_odd(value), nearest = static_cast<float>(value);
    if (std::isnan(value) || static_cast<double>(nearest) == value) {
      EXPECT_TRUE(same(static_cast<double>(got), value)) << value;
      continue;
    }
    EXPECT_EQ(std::bit_cast<std::uint32_t>(got) & 1, 1u) << value;
    const double least = static_cast<double>(std::nextafter(got, -HUGE_VALF)),
                 most = static_cast<double>(std::nextafter(got, HUGE_VALF));
    EXPECT_TRUE(least < value && value < most) << value;
  }
}

/// A vector of `size` elements and what it holds.
struct Held {
  Dtype dtype;
  std::int64_t stride;
  std::vector<double> memory;
  Vector view;
  Held(Dtype type, std::int64_t step, std::int64_t size)
      : dtype(type), stride(step), memory(static_cast<std::size_t>(size * step), -7.0) {
    for (std::int64_t i = 0; i < size * step; ++i) store_element(type, memory.data(), i, -7);
    view = {memory.data(), type, size, step};
  }
  [[nodiscard]] double at(std::int64_t i) const { return load_element(dtype, memory.data(), i); }
};

// A column is the elements [c, c + count), whatever their dtype and stride; nothing else is touched.
TEST(Scalar, ColumnsAreElementsOneByOne) {
  constexpr std::int64_t kSize = 9;
  for (const Dtype dtype : kTypes)
    for (const std::int64_t stride : {1, 3})
      for (std::int64_t c = 0; c <= kSize; ++c)
        for (std::int64_t count = 0; c + count <= kSize; ++count) {
          std::vector<double> from(kSize), to(kSize, -1);
          for (std::size_t i = 0; i < from.size(); ++i) from[i] = 1.0 + static_cast<double>(i);
          Held held(dtype, stride, kSize);
          store_column(held.view, c, count, from.data());
          load_column(held.view, c, count, 0, to.data());
          for (std::int64_t i = 0; i < kSize * stride; ++i) {
            const std::int64_t place = i / stride - c;
            const bool written = i % stride == 0 && place >= 0 && place < count;
            ASSERT_EQ(held.at(i), written ? from[static_cast<std::size_t>(place)] : -7) << i;
          }
          for (std::size_t i = 0; i < to.size(); ++i)
            ASSERT_EQ(to[i], static_cast<std::int64_t>(i) < count ? from[i] : -1) << i;
        }
}

TEST(Scalar, AnAbsentVectorIsWhatItIsTakenFor) {
  std::array<double, 3> to{-1, -1, -1};
  load_column({}, 4, 2, 5, to.data());
  EXPECT_EQ(to, (std::array<double, 3>{5, 5, -1}));
  EXPECT_EQ(load({}, 4, 5), 5);
  store({}, 4, 5);
  store_column({}, 4, 2, to.data());
  fill({}, 5);
}

TEST(Scalar, FillsAndSpreads) {
  for (const Dtype dtype : kTypes) {
    Held held(dtype, 2, 5);
    fill(held.view, 3);
    for (std::int64_t i = 0; i < 10; ++i) EXPECT_EQ(held.at(i), i % 2 == 0 ? 3 : -7) << i;
  }
  std::vector<int> values{1, 2, 3, 0, 0, 0, 9};
  spread(values.data(), 3, 2);
  EXPECT_EQ(values, (std::vector<int>{1, 1, 2, 2, 3, 3, 9}));
}

}  // namespace
}  // namespace truenorm::detail
