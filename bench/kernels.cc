// bench_kernels: the kernels that read or write elements, each by itself, on every instruction set of
// this machine and in every dtype, under Google Benchmark. Operands stay in a core's own cache, so
// these are the figures of instructions; what memory makes of them is truenorm-bench's to tell. The
// kernels between the passes change what they are given, so that a second call would be another
// computation; they are left out.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "../impl/src/kernels.h"
#include "memory.h"
#include "oracle/data.h"

namespace truenorm::bench {
namespace {

using detail::Kernels;
using detail::Touch;

/// Elements of a call: `length` of each of so many channels, in runs or in rows.
struct Size {
  std::int64_t length, channels;
};
constexpr std::array<Size, 2> kBlocks{{{512, 1}, {2048, 1}}};
constexpr std::array<Size, 2> kGroups{{{49, 64}, {196, 16}}};
constexpr std::array<Size, 3> kRows{{{64, 16}, {64, 64}, {16, 256}}};

/// Memory for any of these kernels, in one dtype and its lanes.
class Operands {
 public:
  Operands(Dtype dtype, Size size)
      : dtype_(dtype), elements_(static_cast<std::size_t>(size.length * size.channels)) {
    const auto channels = static_cast<std::size_t>(size.channels);
    const Dtype lane = dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32;
    fill(x, dtype, elements_);
    fill(g, dtype, elements_);
    fill(y, dtype, elements_);
    for (Buffer* b : {&m, &a, &b_, &c}) fill(*b, lane, channels);
    const auto lanes = static_cast<std::size_t>(detail::virtual_lanes(dtype));
    std::memset(acc.reserve(2 * channels * lanes * sizeof(double)), 0,
                2 * channels * lanes * sizeof(double));
    first.assign(channels, 0);
    second.assign(channels, 0);
  }

  void* b() { return b_.data(); }
  std::int64_t bytes() const {
    return static_cast<std::int64_t>(elements_ * oracle::size_of(oracle_dtype(dtype_)));
  }

  Buffer x, g, y, m, a, c, acc;
  std::vector<double> first, second;

 private:
  static oracle::Dtype oracle_dtype(Dtype d) { return static_cast<oracle::Dtype>(d); }
  /// Numbers from 0.25 to 1, on which nothing overflows however often it is added up.
  static void fill(Buffer& to, Dtype dtype, std::size_t count) {
    std::vector<double> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = 0.25 + static_cast<double>(i % 4) / 4;
    place(values, oracle_dtype(dtype), to.reserve(count * sizeof(double)));
  }

  Dtype dtype_;
  std::size_t elements_;
  Buffer b_;
};

/// One kernel: a call on operands, and the tensors that it reads or writes.
struct Kernel {
  const char* name;
  int tensors;
  void (*call)(const Kernels&, Operands&, Size);
};

constexpr std::array<Kernel, 2> kBlockKernels{{
    {"moments", 1,
     [](const Kernels& k, Operands& o, Size s) {
       k.moments(o.x.data(), s.length, 0.5, o.first.data(), o.second.data());
     }},
    {"products", 2,
     [](const Kernels& k, Operands& o, Size s) {
       k.products(o.x.data(), o.g.data(), s.length, 0.5, o.first.data(), o.second.data());
     }},
}};

constexpr std::array<Kernel, 5> kGroupKernels{{
    {"group_moments", 1,
     [](const Kernels& k, Operands& o, Size s) {
       k.group_moments(o.x.data(), s.length, s.length, s.channels, o.m.data(), o.acc.data());
     }},
    {"group_products", 2,
     [](const Kernels& k, Operands& o, Size s) {
       k.group_products(o.x.data(), s.length, o.g.data(), s.length, s.length, s.channels,
                        o.m.data(), o.acc.data());
     }},
    {"group_flush", 0,
     [](const Kernels& k, Operands& o, Size s) {
       k.group_flush(o.acc.data(), s.channels, o.first.data(), o.second.data());
     }},
    {"group_affine", 2,
     [](const Kernels& k, Operands& o, Size s) {
       k.group_affine(o.x.data(), o.y.data(), s.length, s.channels, o.m.data(), o.a.data(), o.b(),
                      Touch{});
     }},
    {"group_gradient", 3,
     [](const Kernels& k, Operands& o, Size s) {
       k.group_gradient(o.x.data(), o.g.data(), o.y.data(), s.length, s.channels, o.m.data(),
                        o.a.data(), o.b(), o.c.data(), Touch{});
     }},
}};

constexpr std::array<Kernel, 4> kRowKernels{{
    {"row_moments", 1,
     [](const Kernels& k, Operands& o, Size s) {
       k.row_moments(o.x.data(), s.channels, s.length, s.channels, o.m.data(), o.acc.data(),
                     o.first.data(), o.second.data());
     }},
    {"row_products", 2,
     [](const Kernels& k, Operands& o, Size s) {
       k.row_products(o.x.data(), s.channels, o.g.data(), s.channels, s.length, s.channels,
                      o.m.data(), o.acc.data(), o.first.data(), o.second.data());
     }},
    {"row_affine", 2,
     [](const Kernels& k, Operands& o, Size s) {
       k.row_affine(o.x.data(), s.channels, o.y.data(), s.channels, s.length, s.channels,
                    o.m.data(), o.a.data(), o.b(), Touch{});
     }},
    {"row_gradient", 3,
     [](const Kernels& k, Operands& o, Size s) {
       k.row_gradient(o.x.data(), s.channels, o.g.data(), s.channels, o.y.data(), s.channels,
                      s.length, s.channels, o.m.data(), o.a.data(), o.b(), o.c.data(), Touch{});
     }},
}};

void time(benchmark::State& state, const Kernel& kernel, const Kernels& kernels, Dtype dtype,
          Size size) {
  Operands operands(dtype, size);
  for ([[maybe_unused]] const auto _ : state) {
    kernel.call(kernels, operands, size);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(size.length * size.channels * state.iterations());
  if (kernel.tensors > 0)
    state.SetBytesProcessed(operands.bytes() * kernel.tensors * state.iterations());
}

/// "row_affine/avx2/f32/64x256": kernel, instruction set, elements, rows by channels.
template <class List, class Sizes>
void add(const List& list, const Sizes& sizes) {
  for (const Kernel& kernel : list)
    for (const Isa isa : available_isas())
      for (int d = 0; d < oracle::kDtypes; ++d)
        for (const Size size : sizes) {
          const auto dtype = static_cast<Dtype>(d);
          const Kernels& kernels = (*detail::find_kernels(isa))[static_cast<std::size_t>(d)];
          const std::string name =
              fmt::format("{}/{}/{}/{}x{}", kernel.name, truenorm::name(isa),
                          oracle::name(static_cast<oracle::Dtype>(d)), size.length, size.channels);
          benchmark::RegisterBenchmark(name.c_str(),
                                       [&kernel, &kernels, dtype, size](benchmark::State& state) {
                                         time(state, kernel, kernels, dtype, size);
                                       });
        }
}

}  // namespace
}  // namespace truenorm::bench

int main(int argc, char** argv) {
  using namespace truenorm::bench;
  add(kBlockKernels, kBlocks);
  add(kGroupKernels, kGroups);
  add(kRowKernels, kRows);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
