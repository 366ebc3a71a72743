// Data: the dtypes' roundings, what each distribution promises, and the same bits everywhere.
#include "data.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "generators.h"

namespace truenorm::props {
namespace {

using namespace oracle;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr Dtype kAll[] = {Dtype::f32, Dtype::f64, Dtype::bf16, Dtype::f16};

Dist dist(const std::string& text) { return parse("tn1 x=" + text).problem.x; }

std::vector<double> values(const std::string& text, Dtype dtype, const Shape& shape,
                           std::uint64_t seed = 1, std::uint32_t step = 0) {
  return generate(dist(text), dtype, shape, seed, Role::x, step);
}

/// The elements of one channel, in order.
std::vector<double> channel(const std::vector<double>& all, const Shape& shape, std::int64_t c) {
  std::vector<double> found;
  for (std::int64_t n = 0; n < shape.n; ++n)
    for (std::int64_t p = 0; p < shape.plane(); ++p)
      found.push_back(all[static_cast<std::size_t>((n * shape.c + c) * shape.plane() + p)]);
  return found;
}

constexpr Shape kBig{16, 4, 2, {25, 40, 0}};

// ---- roundings

TEST(Dtypes, EveryHalfPatternComesBack) {
  for (const Dtype dtype : {Dtype::bf16, Dtype::f16})
    for (std::uint32_t pattern = 0; pattern < 0x10000; ++pattern) {
      const double value = from_pattern(dtype, pattern);
      const std::uint64_t back = to_pattern(dtype, value);
      if (std::isnan(value))
        ASSERT_TRUE(std::isnan(from_pattern(dtype, back)));
      else
        ASSERT_EQ(back, pattern);
    }
}

TEST(Dtypes, HalvesRoundToNearestEven) {
  for (const Dtype dtype : {Dtype::bf16, Dtype::f16}) {
    const std::uint64_t last = to_pattern(dtype, max_finite(dtype));
    for (std::uint64_t pattern = 0; pattern < last; ++pattern) {
      const double low = from_pattern(dtype, pattern), high = from_pattern(dtype, pattern + 1);
      const double middle = low + (high - low) / 2;
      const double even = pattern % 2 == 0 ? low : high;
      ASSERT_EQ(round_to(dtype, middle), even);
      ASSERT_EQ(round_to(dtype, -middle), -even);
      ASSERT_EQ(round_to(dtype, std::nextafter(middle, 0)), low);
      ASSERT_EQ(round_to(dtype, std::nextafter(middle, kInf)), high);
    }
  }
}

TEST(Dtypes, FloatsRoundAsTheHardwareDoes) {
  check(100000, [](std::uint64_t bits) {
    for (const int shift : {0, 4}) {  // all doubles, then ones whose exponents lie near float's
      const auto value = std::bit_cast<double>(
          shift == 0 ? mix(bits) : (mix(bits) >> shift) + (std::uint64_t{0x370} << 52));
      if (std::isnan(value)) continue;
      const auto as_float = static_cast<float>(value);
      RC_ASSERT(to_pattern(Dtype::f32, value) == std::bit_cast<std::uint32_t>(as_float));
      RC_ASSERT(from_pattern(Dtype::f32, std::bit_cast<std::uint32_t>(as_float)) ==
                static_cast<double>(as_float));
    }
  });
}

TEST(Dtypes, LimitsAndSpecialValues) {
  EXPECT_EQ(max_finite(Dtype::f16), 65504);
  EXPECT_EQ(max_finite(Dtype::bf16), 0x1.fep127);
  EXPECT_EQ(max_finite(Dtype::f32), std::numeric_limits<float>::max());
  EXPECT_EQ(max_finite(Dtype::f64), std::numeric_limits<double>::max());
  EXPECT_EQ(min_normal(Dtype::f16), 0x1p-14);
  for (const Dtype dtype : kAll) {
    EXPECT_TRUE(std::isnan(round_to(dtype, std::numeric_limits<double>::quiet_NaN())));
    EXPECT_EQ(round_to(dtype, -kInf), -kInf);
    EXPECT_TRUE(std::signbit(round_to(dtype, -0.0)));
    alignas(8) unsigned char memory[8];
    store(dtype, -1.5, memory);
    EXPECT_EQ(load(dtype, memory), -1.5);
  }
  EXPECT_EQ(round_to(Dtype::f16, 65519.99), 65504);
  EXPECT_EQ(round_to(Dtype::f16, 65520), kInf);
  EXPECT_EQ(round_to(Dtype::f16, 5e-324), 0);
}

// ---- distributions

TEST(Data, ElementsAreValuesOfTheirDtype) {
  check(300, any_case(300), [](const Case& c) {
    const Inputs inputs = make_inputs(c);
    for (std::size_t i = 0; i < c.problem.run.size(); ++i)
      for (const double value : inputs.step[i])
        RC_ASSERT(std::isnan(value) || round_to(c.problem.dtype, value) == value);
    for (const double value : inputs.running_var)
      RC_ASSERT(std::isnan(value) || round_to(c.problem.param_dtype, value) == value);
  });
}

TEST(Data, InputsHaveTheSizesOfTheProgram) {
  const Case c = parse("tn1 n3c4s5 affine=g stats=off run=TB@2RE@0BS | expanded");
  const Inputs inputs = make_inputs(c);
  EXPECT_EQ(inputs.weight.size(), 4u);
  EXPECT_TRUE(inputs.bias.empty());
  EXPECT_TRUE(inputs.running_mean.empty());
  const std::vector<std::size_t> sizes{60, 40, 0, 0, 0, 0};
  ASSERT_EQ(inputs.step.size(), sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) EXPECT_EQ(inputs.step[i].size(), sizes[i]);
  for (std::size_t i = 0; i < 60; ++i) EXPECT_EQ(inputs.step[0][i], inputs.step[0][i % 20]);
}

TEST(Data, NormalHasTheRightMomentsAndTails) {
  const auto x = values("normal(3,2)", Dtype::f64, kBig);
  double sum = 0, squares = 0, fourth = 0;
  int beyond_three = 0;
  for (const double value : x) {
    const double z = (value - 3) / 2;
    sum += z;
    squares += z * z;
    fourth += z * z * z * z;
    beyond_three += std::fabs(z) > 3;
  }
  const double n = static_cast<double>(x.size());  // 64000: six standard errors each
  EXPECT_LE(std::fabs(sum / n), 6 / std::sqrt(n));
  EXPECT_LE(std::fabs(squares / n - 1), 6 * std::sqrt(2 / n));
  EXPECT_LE(std::fabs(fourth / n - 3), 6 * std::sqrt(96 / n));
  EXPECT_LE(std::fabs(beyond_three - 0.0026998 * n), 6 * std::sqrt(0.0027 * n));
}

TEST(Data, NormalQuantileAndLogarithm) {
  EXPECT_EQ(normal_quantile(0.5), 0);
  const std::map<double, double> known{{1e-10, -6.361340902404056},
                                       {1e-3, -3.090232306167813},
                                       {0.3, -0.5244005127080407},
                                       {0.9, 1.2815515655446008},
                                       {0.99999, 4.26489079392384}};
  for (const auto& [p, z] : known)
    EXPECT_LE(std::fabs(normal_quantile(p) - z), 1e-14 * std::fabs(z));
  for (double p = 0x1p-52; p < 0.5; p *= 1.7)
    EXPECT_LT(normal_quantile(p), normal_quantile(p * 1.7));
  for (double x = 1e-300; x < 1e300; x *= 1.37)
    EXPECT_LE(std::fabs(portable_log(x) - std::log(x)), 4e-16 * std::fabs(std::log(x)) + 1e-17)
        << x;
  EXPECT_TRUE(std::isfinite(normal_quantile(0)) && std::isfinite(normal_quantile(1)));
}

TEST(Data, CancelHasItsRatioInEveryChannel) {
  for (const double ratio : {1.0, 1e3, 1e8})
    for (std::int64_t c = 0; c < kBig.c; ++c) {
      const auto x =
          channel(values("cancel(" + std::to_string(ratio) + ")", Dtype::f64, kBig), kBig, c);
      double sum = 0, squares = 0;
      for (const double value : x) sum += value;
      const double mean = sum / static_cast<double>(x.size());
      for (const double value : x) squares += (value - mean) * (value - mean);
      const double measured = mean / std::sqrt(squares / static_cast<double>(x.size()));
      EXPECT_LE(std::fabs(std::fabs(measured) / ratio - 1), 0.1);
      EXPECT_EQ(measured > 0, c % 2 == 0);
    }
  for (const double value : values("cancel(1e8)", Dtype::f16, kBig))
    EXPECT_LE(std::fabs(value), 1.1e4);
}

TEST(Data, ExactSumsAreExact) {
  for (const std::int64_t plane : {8, 9}) {
    const Shape shape{2, 5, 1, {plane, 0, 0}};
    const auto x = values("exact", Dtype::bf16, shape);
    for (std::int64_t c = 0; c < shape.c; ++c) {
      const auto part = channel(x, shape, c);
      double sum = 0;
      for (const double value : part) {
        EXPECT_EQ(value, std::floor(value));
        EXPECT_LE(std::fabs(value), 12);
        sum += value;
      }
      const double mean = sum / static_cast<double>(part.size());
      EXPECT_EQ(mean, std::floor(mean));
    }
  }
}

TEST(Data, RampTellsNeighboursApart) {
  const Shape shape{2, 3, 1, {300, 0, 0}};
  const auto x = values("ramp", Dtype::bf16, shape);
  EXPECT_EQ(x[0], 0);
  EXPECT_EQ(x[1], 0.0625);
  EXPECT_EQ(x[300], 0.0625);                // channel 1 begins one later
  EXPECT_EQ(x[900], (300 % 256) * 0.0625);  // the second image goes on
  for (std::size_t i = 1; i < 255; ++i) EXPECT_NE(x[i], x[i - 1]);
}

TEST(Data, SortedAscendsAlongTheChannel) {
  for (std::int64_t c = 0; c < kBig.c; ++c) {
    const auto x = channel(values("sorted", Dtype::f64, kBig), kBig, c);
    EXPECT_TRUE(std::is_sorted(x.begin(), x.end()));
    EXPECT_LT(x.front(), -3);
    EXPECT_GT(x.back(), 3);
  }
}

TEST(Data, UniformStaysInItsRange) {
  for (const double value : values("uniform(-2,5)", Dtype::f64, kBig))
    EXPECT_TRUE(value >= -2 && value <= 5);
  for (const double value : values("uniform(-1e308,1.7e308)", Dtype::f64, kBig))
    EXPECT_TRUE(std::isfinite(value));
  for (const double value : values("uniform(3,3)", Dtype::f64, kBig)) EXPECT_EQ(value, 3);
}

TEST(Data, ExtremesFitTheirDtype) {
  for (const Dtype dtype : kAll) {
    int subnormal = 0, normal = 0;
    for (const double value : values("tiny", dtype, kBig)) {
      EXPECT_LE(std::fabs(value), 8 * min_normal(dtype));
      subnormal += value != 0 && std::fabs(value) < min_normal(dtype);
      normal += std::fabs(value) >= min_normal(dtype);
    }
    EXPECT_GT(subnormal, 30000);
    EXPECT_GT(normal, 3000);
    double largest = 0;
    for (const double value : values("huge", dtype, kBig))
      largest = std::max(largest, std::fabs(value));
    EXPECT_LE(largest, max_finite(dtype));
    EXPECT_GE(largest, 0.98 * max_finite(dtype));
    for (const double value : values("spike(3)", dtype, kBig)) EXPECT_LE(std::fabs(value), 40000);
  }
}

TEST(Data, SpecialValuesComeAtTheirRate) {
  for (const Dtype dtype : kAll) {
    int nan = 0, inf = 0, negative_zero = 0, subnormal = 0;
    for (const double value : values("special(0.1)", dtype, kBig)) {
      nan += std::isnan(value);
      inf += std::isinf(value);
      negative_zero += value == 0 && std::signbit(value);
      subnormal += value != 0 && std::fabs(value) < min_normal(dtype);
    }
    for (const int count : {nan, inf / 2, negative_zero, subnormal})
      EXPECT_LE(std::abs(count - 1280), 250);
  }
}

TEST(Data, BitsAreTakenInOrderAndRepeat) {
  const Shape shape{1, 1, 1, {3, 0, 0}};
  EXPECT_EQ(values("bits(0000803f000000c0)", Dtype::f32, shape), (std::vector<double>{1, -2, 1}));
  EXPECT_EQ(values("bits(3c)", Dtype::f16, shape)[0], from_pattern(Dtype::f16, 0x3c3c));
  EXPECT_TRUE(std::isnan(values("bits(ff)", Dtype::f64, shape)[2]));
}

TEST(Data, SeedTensorAndStepChangeEverything) {
  const auto base = values("normal(0,1)", Dtype::f64, kBig);
  EXPECT_EQ(base, values("normal(0,1)", Dtype::f64, kBig));
  const auto other_role = generate(dist("normal(0,1)"), Dtype::f64, kBig, 1, Role::dy, 0);
  for (const auto& other : {values("normal(0,1)", Dtype::f64, kBig, 2),
                            values("normal(0,1)", Dtype::f64, kBig, 1, 1), other_role}) {
    int equal = 0;
    for (std::size_t i = 0; i < base.size(); ++i) equal += base[i] == other[i];
    EXPECT_EQ(equal, 0);
  }
  EXPECT_EQ(std::set<double>(base.begin(), base.end()).size(), base.size());
}

// ---- the same bits everywhere

std::uint64_t hash_of(const std::string& text, Dtype dtype) {
  std::uint64_t hash = 0;
  for (const double value : values(text, dtype, Shape{5, 7, 2, {11, 13, 0}}, 42, 3))
    hash = mix(hash ^ to_pattern(dtype, value));
  return hash;
}

TEST(Data, BitsAreTheSameOnEveryMachine) {
  const std::map<std::string, std::vector<std::uint64_t>> known{
      {"zero",
       {0x965cf9bbc9c078a5u, 0x965cf9bbc9c078a5u, 0x965cf9bbc9c078a5u, 0x965cf9bbc9c078a5u}},
      {"const(0.1)",
       {0xd57157d1d1d96717u, 0xcaf25dd00a4c85eeu, 0x4954b98567c0286fu, 0xfb56b72dbaebf34fu}},
      {"ramp",
       {0x120803954047c395u, 0x82b97e9d058adbf1u, 0x47bd2faf4dfd8c12u, 0x74dde42a0cd58d41u}},
      {"uniform(-2,5)",
       {0x178f5aef00ba609fu, 0x3aa4ca08a239ab22u, 0x1b7d1486b5967a40u, 0x75b305e49bc3668du}},
      {"normal(3,0.7)",
       {0x606131e458d1eaf0u, 0x13c6c017eac7ed11u, 0x45b814917893103au, 0x0e319330d18a17adu}},
      {"cancel(1000)",
       {0xb24e20e6dc9fe278u, 0xe66f4073e3232f9du, 0xfe882b2266adfec6u, 0xeef8723d1ebd49b9u}},
      {"exact",
       {0x7575ab5eb9ca457au, 0x293d1f1e4fe33ed3u, 0x6199a5c70766fa7du, 0xcb98efd9919eb942u}},
      {"spike(9)",
       {0x2989343426adb494u, 0xb9804c10bc37ed8cu, 0x87853a1b887de1c4u, 0xffeca2fea62f5c3au}},
      {"sorted",
       {0xc482a6ef524e6f95u, 0x391b404b1290eecfu, 0x45939ac0a755d495u, 0x7d2ce0baffe32d5fu}},
      {"tiny",
       {0xe260888e3ce30759u, 0x18e83d616d0c2a9du, 0xb667f0a71fc59b53u, 0xffd977f63663a978u}},
      {"huge",
       {0x81d3753ad5f4aa50u, 0x7c8838fe88a82eccu, 0x4a8d6b1af322aa71u, 0xd0bd3fb15e23bc24u}},
      {"special(0.2)",
       {0xc41075fa8def4029u, 0xa637aef3edb6c609u, 0xf1f6dab385f153acu, 0x8a681332cefcad74u}},
      {"bits(0123456789abcdef13)",
       {0x13ef5aad5595fe87u, 0x02b1e59d3be77e3cu, 0x429a9c7004dea443u, 0x429a9c7004dea443u}},
  };
  std::set<DistKind> kinds;
  for (const auto& [text, hashes] : known) {
    kinds.insert(dist(text).kind);
    for (std::size_t k = 0; k < 4; ++k)
      EXPECT_EQ(hash_of(text, kAll[k]), hashes[k]) << text << " " << name(kAll[k]);
  }
  EXPECT_EQ(kinds.size(), static_cast<std::size_t>(kDistKinds));
}

}  // namespace
}  // namespace truenorm::props
