// Every kernel that reads or writes elements, called by itself: on every instruction set of this
// machine, in every dtype, at every size where a loop begins, ends or changes its kind, cached and
// streamed. Expectations are bits: sums of small integers are exact in any order, and an element
// of the second pass is one formula in the lanes' arithmetic.
#include <truenorm/context.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "../impl/src/kernels.h"
#include "isas.h"
#include "numbers.h"
#include "played.h"

namespace truenorm::oracle {
namespace {

using detail::Kernels;
using detail::Store;
using detail::Touch;

constexpr std::array<std::int64_t, 23> kSizes{1,  2,  3,  4,  7,  8,   9,   15,  16,  17,  31, 32,
                                              33, 47, 63, 64, 65, 127, 128, 129, 136, 200, 257};
/// Multiples of what moments and products take at a time, up to their largest block.
constexpr std::array<std::int64_t, 8> kBlocks{511, 512, 513, 1024, 1025, 2047, 2048, 4096};

/// Memory of one tensor or vector: elements of a dtype behind a 64-byte boundary and a skew, and
/// bytes around them that must stay.
class Memory {
 public:
  Memory(Dtype dtype, std::int64_t count, std::int64_t skew)
      : dtype_(dtype),
        bytes_(size_of(dtype) * static_cast<std::size_t>(count + skew) + 256, std::byte{0x5a}) {
    const auto at = reinterpret_cast<std::uintptr_t>(bytes_.data());
    first_ = (at + 127) / 64 * 64 - at + size_of(dtype) * static_cast<std::size_t>(skew);
  }
  Memory(Dtype dtype, const std::vector<double>& values, std::int64_t skew = 0)
      : Memory(dtype, static_cast<std::int64_t>(values.size()), skew) {
    for (std::size_t i = 0; i < values.size(); ++i) set(i, values[i]);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  void* data() { return bytes_.data() + first_; }
  void set(std::size_t i, double v) {
    store(dtype_, v, bytes_.data() + first_ + i * size_of(dtype_));
  }
  bool operator==(const Memory& other) const {
    return std::memcmp(bytes_.data() + first_ - 64, other.bytes_.data() + other.first_ - 64,
                       bytes_.size() - 256 + 128) == 0;
  }

 private:
  Dtype dtype_;
  std::vector<std::byte> bytes_;
  std::size_t first_ = 0;
};

/// One set of kernels, and how its lanes compute.
struct Target {
  Isa isa;
  Dtype dtype;
  bool fma;
  Kernels kernels;

  Dtype lane() const { return dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32; }
  std::string words() const { return std::string(name(isa)) + " " + std::string(name(dtype)); }
  std::int64_t lanes() const { return dtype == Dtype::f64 ? 8 : 16; }
  double minus(double a, double b) const {
    return dtype == Dtype::f64 ? a - b : static_cast<float>(a) - static_cast<float>(b);
  }
  double multiply_add(double a, double b, double c) const {
    if (dtype == Dtype::f64) return fma ? std::fma(a, b, c) : a * b + c;
    const auto p = static_cast<float>(a), q = static_cast<float>(b), r = static_cast<float>(c);
    return fma ? std::fma(p, q, r) : p * q + r;
  }
};

std::vector<Target> targets() {
  std::vector<Target> list;
  for (const truenorm::Isa isa : available_isas())
    for (const Isa named : isas())
      for (int d = 0; name(named) == truenorm::name(isa) && d < kDtypes; ++d)
        list.push_back({named, static_cast<Dtype>(d), has_fma(isa),
                        (*detail::find_kernels(isa))[static_cast<std::size_t>(d)]});
  return list;
}

/// Integers from -largest to largest.
std::vector<double> integers(std::size_t count, std::int64_t largest, std::uint64_t seed) {
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<double>(static_cast<std::int64_t>(
                    mix(seed + i) % static_cast<std::uint64_t>(2 * largest + 1))) -
                static_cast<double>(largest);
  return values;
}
/// Numbers of a dtype, of both signs and several binades.
std::vector<double> numbers(Dtype dtype, std::size_t count, std::uint64_t seed) {
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = round_to(dtype, normal_quantile(unit_interval(mix(seed + i))));
  return values;
}

/// What was called: kernel, instruction set, dtype.
using Met = std::map<std::tuple<std::string, Isa, Dtype>, int>;

/// Every one of these kernels, on every target.
void expect_complete(const Met& met, std::initializer_list<const char*> kernels) {
  const std::vector<Target> all = targets();
  ASSERT_EQ(all.size(), static_cast<std::size_t>(available_isas().count * kDtypes));
  for (const char* kernel : kernels) {
    int calls = 0;
    for (const Target& t : all) {
      const auto found = met.find({kernel, t.isa, t.dtype});
      EXPECT_TRUE(found != met.end())
          << kernel << " is untested on " << name(t.isa) << " in " << name(t.dtype);
      if (found != met.end()) calls += found->second;
    }
    std::printf("%-16s %2zu targets, %6d calls\n", kernel, all.size(), calls);
  }
}

// A kernel more: it belongs into one of the tests below, or, if it reads channels' statistics
// rather than elements, under the widths of props.kernels.
static_assert(sizeof(Kernels) == 18 * sizeof(void (*)()));

/// Sums of a run: of x - pivot and its square, or of g and (x - pivot)*g.
struct Sums {
  double first = 0, second = 0;
  void add(double x, double g, double pivot, bool products) {
    first += products ? g : x - pivot;
    second += (x - pivot) * (products ? g : x - pivot);
  }
  bool operator==(const Sums&) const = default;
};

std::string check_block(const Target& t, std::int64_t count, Met& met) {
  const auto size = static_cast<std::size_t>(count);
  const std::vector<double> x = integers(size, 8, 1), g = integers(size, 4, 2);
  Memory px(t.dtype, x, count % 3), pg(t.dtype, g, count % 2);
  for (const bool products : {false, true}) {
    Sums want, got;
    for (std::size_t i = 0; i < size; ++i) want.add(x[i], g[i], 3, products);
    if (products)
      t.kernels.products(px.data(), pg.data(), count, 3, &got.first, &got.second);
    else
      t.kernels.moments(px.data(), count, 3, &got.first, &got.second);
    if (got != want)
      return t.words() + (products ? " products of " : " moments of ") + std::to_string(count);
    ++met[{products ? "products" : "moments", t.isa, t.dtype}];
  }
  return {};
}

/// Runs or rows of many channels: x[c*run + i*step], sums added to what is there.
std::string check_channels(const Target& t, bool rows, std::int64_t length, std::int64_t channels,
                           Met& met) {
  const std::int64_t gap = length % 3, run = rows ? 1 : length + gap,
                     step = rows ? channels + gap : 1;
  const auto size = static_cast<std::size_t>(rows ? length * step : channels * run);
  const auto count = static_cast<std::size_t>(channels);
  const std::vector<double> x = integers(size, 8, 3), g = integers(size, 4, 4),
                            pivot = integers(count, 2, 5);
  Memory px(t.dtype, x, channels % 2), pg(t.dtype, g, length % 2), pp(t.lane(), pivot);
  for (const bool products : {false, true}) {
    std::vector<Sums> want(count, Sums{7, 11});
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t i = 0; i < length; ++i) {
        const auto at = static_cast<std::size_t>(c * run + i * step),
                   k = static_cast<std::size_t>(c);
        want[k].add(x[at], g[at], pivot[k], products);
      }
    std::vector<double> first(count, 7), second(count, 11);
    // Groups add to what is there, rows take it for scratch.
    const double old = rows ? std::numeric_limits<double>::quiet_NaN() : 0;
    Memory acc(t.lane(), std::vector<double>(2 * count * static_cast<std::size_t>(t.lanes()), old));
    const Kernels& k = t.kernels;
    if (rows && products)
      k.row_products(px.data(), step, pg.data(), step, length, channels, pp.data(), acc.data(),
                     first.data(), second.data());
    else if (rows)
      k.row_moments(px.data(), step, length, channels, pp.data(), acc.data(), first.data(),
                    second.data());
    else if (products)
      k.group_products(px.data(), run, pg.data(), run, length, channels, pp.data(), acc.data());
    else
      k.group_moments(px.data(), run, length, channels, pp.data(), acc.data());
    if (!rows) k.group_flush(acc.data(), channels, first.data(), second.data());
    for (std::size_t c = 0; c < count; ++c)
      if (Sums{first[c], second[c]} != want[c])
        return t.words() + (rows ? " rows " : " group ") + std::to_string(length) + " x " +
               std::to_string(channels) + (products ? " products" : " moments");
    const std::string kind = rows ? "row" : "group";
    ++met[{kind + (products ? "_products" : "_moments"), t.isa, t.dtype}];
    if (!rows) ++met[{"group_flush", t.isa, t.dtype}];
  }
  return {};
}

/// "" or the first call of a kernel of sums that answers otherwise.
std::string check_sums(const Target& t, Met& met) {
  std::string wrong;
  const auto note = [&](std::string found) { wrong = wrong.empty() ? std::move(found) : wrong; };
  for (const std::int64_t count : kSizes) note(check_block(t, count, met));
  for (const std::int64_t count : kBlocks)
    if (count <= detail::max_block(static_cast<truenorm::Dtype>(t.dtype)))
      note(check_block(t, count, met));
  for (const std::int64_t channels : {1, 2, 3, 7})
    for (const std::int64_t length : kSizes)
      if (length >= 16) note(check_channels(t, false, length, channels, met));
  for (const std::int64_t rows : {1, 2, 3, 4, 5, 8, 33, 64})
    for (const std::int64_t channels : kSizes) note(check_channels(t, true, rows, channels, met));
  return wrong;
}

TEST(KernelTable, SumsAreExactWhereAnyOrderIs) {
  Met met;
  for (const Target& t : targets()) EXPECT_EQ(check_sums(t, met), "");
  expect_complete(met, {"moments", "products", "group_moments", "group_products", "group_flush",
                        "row_moments", "row_products"});
}

/// How a second pass is called.
struct Pass {
  bool rows, gradient, in_place;
  std::int64_t length, channels, skew, gap;
  Touch touch;
};

std::string check_transform(const Target& t, const Pass& p, Met& met) {
  const std::int64_t step = p.rows ? p.channels + p.gap : 1, run = p.rows ? 1 : p.length,
                     count = p.rows ? p.length * step : p.length * p.channels;
  const auto size = static_cast<std::size_t>(count),
             channels = static_cast<std::size_t>(p.channels);
  const std::vector<double> x = numbers(t.dtype, size, 6), g = numbers(t.dtype, size, 7),
                            m = numbers(t.lane(), channels, 8), a = numbers(t.lane(), channels, 9),
                            b = numbers(t.lane(), channels, 10),
                            c = numbers(t.lane(), channels, 11);
  Memory px(t.dtype, x, p.skew), pg(t.dtype, g, p.skew), pm(t.lane(), m), pa(t.lane(), a),
      pb(t.lane(), b), pc(t.lane(), c);
  // In place the output begins as the input that it overwrites; rows' gaps must stay.
  const std::vector<double>& old = p.gradient ? g : x;
  Memory apart(t.dtype, count, p.skew), want(t.dtype, count, p.skew);
  Memory& out = !p.in_place ? apart : p.gradient ? pg : px;
  for (std::size_t i = 0; p.in_place && i < size; ++i) want.set(i, old[i]);
  for (std::int64_t k = 0; k < p.channels; ++k)
    for (std::int64_t i = 0; i < p.length; ++i) {
      const auto at = static_cast<std::size_t>(k * run + i * step),
                 ch = static_cast<std::size_t>(k);
      const double d = t.minus(x[at], m[ch]);
      want.set(at, p.gradient ? t.multiply_add(g[at], a[ch], t.multiply_add(d, b[ch], c[ch]))
                              : t.multiply_add(d, a[ch], b[ch]));
    }
  const Kernels& kernels = t.kernels;
  if (p.rows && p.gradient)
    kernels.row_gradient(px.data(), step, pg.data(), step, out.data(), step, p.length, p.channels,
                         pm.data(), pa.data(), pb.data(), pc.data(), p.touch);
  else if (p.rows)
    kernels.row_affine(px.data(), step, out.data(), step, p.length, p.channels, pm.data(),
                       pa.data(), pb.data(), p.touch);
  else if (p.gradient)
    kernels.group_gradient(px.data(), pg.data(), out.data(), p.length, p.channels, pm.data(),
                           pa.data(), pb.data(), pc.data(), p.touch);
  else
    kernels.group_affine(px.data(), out.data(), p.length, p.channels, pm.data(), pa.data(),
                         pb.data(), p.touch);
  if (!(out == want))
    return t.words() + (p.rows ? " rows " : " group ") + std::to_string(p.length) + " x " +
           std::to_string(p.channels) + (p.gradient ? " gradient" : " affine") +
           (p.touch.store == Store::streamed ? " streamed" : "") + ", skew " +
           std::to_string(p.skew) + (p.in_place ? ", in place" : "");
  const std::string kind = p.rows ? "row_" : "group_";
  ++met[{kind + (p.gradient ? "gradient" : "affine"), t.isa, t.dtype}];
  return {};
}

/// The calls of one size: groups or rows, affine or gradient, cached, streamed or ahead too, at a
/// vector's border or not.
std::string check_transforms(const Target& t, bool rows, std::int64_t size, std::int64_t other,
                             Met& met) {
  for (const bool gradient : {false, true})
    for (const Touch touch : {Touch{}, Touch{Store::streamed, 0}, Touch{Store::streamed, 64}})
      for (const bool aligned : {false, true}) {
        Pass pass{rows, gradient, size % 2 == 0, size, other, aligned ? 0 : size % 7 + 1, 0, touch};
        if (rows) {
          std::swap(pass.length, pass.channels);
          pass.gap = aligned ? 63 - (size + 63) % 64 : size % 3;
        }
        if (std::string wrong = check_transform(t, pass, met); !wrong.empty()) return wrong;
      }
  return {};
}
std::string check_transforms(const Target& t, Met& met) {
  for (const bool rows : {false, true})
    for (const std::int64_t size : kSizes)
      for (const std::int64_t other : {1, 2, 5}) {
        if (!rows && other > 1 && size < t.lanes()) continue;
        if (std::string wrong = check_transforms(t, rows, size, other, met); !wrong.empty())
          return wrong;
      }
  return {};
}

TEST(KernelTable, TransformsAreOneFormulaCachedAndStreamed) {
  Met met;
  for (const Target& t : targets()) EXPECT_EQ(check_transforms(t, met), "");
  expect_complete(met, {"group_affine", "group_gradient", "row_affine", "row_gradient"});
}

/// "" or the first element of 16 bits that y = x*a is not right for, in lanes and left over.
std::string check_elements(const Target& t, double a) {
  constexpr std::int64_t kPatterns = 0x10000;
  Memory x(t.dtype, kPatterns + 1, 1), y(t.dtype, kPatterns + 1, 1);
  for (std::int64_t i = 0; i <= kPatterns; ++i)
    x.set(static_cast<std::size_t>(i), from_pattern(t.dtype, static_cast<std::uint64_t>(i)));
  Memory zero(t.lane(), {0.0}), factor(t.lane(), {a});
  for (const std::int64_t length : {kPatterns, kPatterns + 1, std::int64_t{1}}) {
    for (std::int64_t from = 0; from < kPatterns; from += length) {
      auto* const px = static_cast<std::uint16_t*>(x.data()) + from;
      auto* const py = static_cast<std::uint16_t*>(y.data()) + from;
      t.kernels.group_affine(px, py, length, 1, zero.data(), factor.data(), zero.data(), {});
      for (std::int64_t i = 0; i < length; ++i) {
        const double value = load(t.dtype, px + i), got = load(t.dtype, py + i);
        const double want = round_to(t.dtype, t.multiply_add(value, a, 0));
        if (!(got == want) && !(std::isnan(got) && std::isnan(want)))
          return t.words() + " " + std::to_string(value) + " times " + std::to_string(a) + " is " +
                 std::to_string(got);
      }
    }
  }
  return {};
}

// Ties, subnormal numbers, what becomes one, what overflows, Inf and NaN.
TEST(KernelTable, ElementsOf16BitsAreWidenedExactlyAndRoundedOnce) {
  for (const Target& t : targets()) {
    if (size_of(t.dtype) != 2) continue;
    for (const double a : {1.0, 1.5, -3.0, 0x1p-9, 0x1.8p-20}) EXPECT_EQ(check_elements(t, a), "");
  }
}

// ---- it can fail -------------------------------------------------------------------------------

/// The kernels of f32 on the best set.
const Kernels& best() { return (*detail::find_kernels(*available_isas().begin()))[0]; }

TEST(KernelTable, AWrongKernelIsFoundOut) {
  const Target honest = targets()[0];
  ASSERT_EQ(honest.dtype, Dtype::f32);
  Met met;
  ASSERT_EQ(check_sums(honest, met) + check_transforms(honest, met), "");
  Target t = honest;
  t.kernels.moments = [](const void* x, std::int64_t n, double p, double* s, double* q) {
    best().moments(x, n == 129 ? 128 : n, p, s, q);  // the tail of one size is lost
  };
  EXPECT_NE(check_sums(t, met), "");
  t = honest;
  t.kernels.row_products = [](const void* x, std::int64_t xs, const void* g, std::int64_t gs,
                              std::int64_t rows, std::int64_t channels, const void* pivot,
                              void* acc, double* sum, double* dot) {
    best().row_products(x, xs, g, gs, rows, channels, pivot, acc, sum, dot);
    if (rows == 64) sum[channels - 1] = 0;  // overwritten where it is to be added to
  };
  EXPECT_NE(check_sums(t, met), "");
  t = honest;
  t.kernels.group_affine = [](const void* x, void* y, std::int64_t length, std::int64_t channels,
                              const void* m, const void* a, const void* b, Touch touch) {
    best().group_affine(x, y, length, channels, m, a, b, touch);
    auto* end = static_cast<float*>(y) + length * channels;
    if (touch.store == Store::streamed && length == 33) *end = 0;  // one element too many
  };
  EXPECT_NE(check_transforms(t, met), "");
}

}  // namespace
}  // namespace truenorm::oracle
