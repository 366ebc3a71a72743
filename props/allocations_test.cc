// Memory: a call like an earlier one allocates nothing, and what the first one takes grows with the
// channels and the threads, not with the tensor.
#include <gtest/gtest.h>
#include <truenorm/batch_norm.h>

#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>
#include <string>
#include <tuple>
#include <vector>

#include "scene.h"

#if defined(__SANITIZE_ADDRESS__)
#define TRUENORM_SANITIZED 1
#elif defined(__SANITIZE_THREAD__)
#define TRUENORM_SANITIZED 1
#define TRUENORM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TRUENORM_SANITIZED 1
#elif __has_feature(thread_sanitizer)
#define TRUENORM_SANITIZED 1
#define TRUENORM_TSAN 1
#endif
#endif

// ---- the counter: every allocation of this process, OpenMP's included ----

namespace {

std::atomic<std::uint64_t> allocations{0}, allocated_bytes{0};

void count(std::size_t bytes) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  allocated_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

}  // namespace

#ifdef TRUENORM_SANITIZED

// A sanitizer's malloc is not to be replaced, but it tells. (GCC has no header for this.)
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*,
                                                                  std::size_t),
                                                         void (*)(const volatile void*));
[[maybe_unused]] const int installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t bytes) { count(bytes); }, [](const volatile void*) {});

#else

// The program's definitions come before glibc's own, for every library of the process. operator new
// ends here, too.
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier)
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
// NOLINTEND(bugprone-reserved-identifier)

void* malloc(std::size_t size) noexcept {
  count(size);
  return __libc_malloc(size);
}
void* calloc(std::size_t items, std::size_t size) noexcept {
  count(items * size);
  return __libc_calloc(items, size);
}
void* realloc(void* old, std::size_t size) noexcept {
  count(size);
  return __libc_realloc(old, size);
}
void* memalign(std::size_t alignment, std::size_t size) noexcept {
  count(size);
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  count(size);
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** to, std::size_t alignment, std::size_t size) noexcept {
  count(size);
  void* p = __libc_memalign(alignment, size);
  if (p != nullptr) *to = p;
  return p != nullptr ? 0 : ENOMEM;
}
}

#endif

namespace truenorm::props {
namespace {

#ifdef TRUENORM_SANITIZED
constexpr bool kSlow = true;
#else
constexpr bool kSlow = false;
#endif

struct Tally {
  std::uint64_t count, bytes;
};

/// What is allocated while `act` runs, on whatever thread.
template <class Act>
Tally tally_of(const Act& act) {
  const std::uint64_t count = allocations, bytes = allocated_bytes;
  act();
  return {allocations - count, allocated_bytes - bytes};
}

/// Keeps the compiler from leaving out an allocation that nobody uses.
void* escape(void* p) {
  asm volatile("" : "+r"(p) : : "memory");
  return p;
}

// ---- calls on tensors of any size and layout ----

enum class Lies : std::uint8_t { nchw, nhwc, strided };

struct Sizes {
  std::int64_t n, c, h, w;
  std::size_t values() const { return static_cast<std::size_t>(n * c * h * w); }
};

struct Kind {
  Dtype data, parameters;
  bool mixed() const { return data != parameters; }
};
constexpr std::array<Kind, 6> kKinds{{{Dtype::f32, Dtype::f32},
                                      {Dtype::f64, Dtype::f64},
                                      {Dtype::bf16, Dtype::bf16},
                                      {Dtype::f16, Dtype::f16},
                                      {Dtype::bf16, Dtype::f32},
                                      {Dtype::f16, Dtype::f32}}};

/// Where inputs and outputs lie; dy lies as y does, dx as x.
struct Layouts {
  const char* name;
  Lies x, y;
};
constexpr std::array<Layouts, 6> kLayouts{{{"nchw", Lies::nchw, Lies::nchw},
                                           {"nhwc", Lies::nhwc, Lies::nhwc},
                                           {"strided", Lies::strided, Lies::strided},
                                           {"nchw to nhwc", Lies::nchw, Lies::nhwc},
                                           {"nhwc to nchw", Lies::nhwc, Lies::nchw},
                                           {"nhwc to strided", Lies::nhwc, Lies::strided}}};

void put(std::byte* base, Dtype dtype, std::size_t i, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  // Of a number in [1, 2), or of Inf.
  const auto half = static_cast<std::uint16_t>(
      bits >= 0x7f800000u ? 0x7c00u : 0x3c00u + ((bits & 0x7fffffu) >> 13));
  const auto brain = static_cast<std::uint16_t>(bits >> 16);
  const auto wide = static_cast<double>(value);
  if (dtype == Dtype::f32) std::memcpy(base + i * 4, &value, 4);
  if (dtype == Dtype::f64) std::memcpy(base + i * 8, &wide, 8);
  if (dtype == Dtype::bf16) std::memcpy(base + i * 2, &brain, 2);
  if (dtype == Dtype::f16) std::memcpy(base + i * 2, &half, 2);
}

/// Memory for any call on tensors of up to `values` values. x and dy share theirs, which is allowed
/// for inputs; y and dx are written by different calls.
class Field {
 public:
  Field(std::size_t values, std::int64_t channels, Kind kind, bool strided)
      : kind_(kind),
        in_(values * (strided ? 2 : 1) * static_cast<std::size_t>(size_of(kind.data))),
        out_(in_.size()) {
    const std::size_t places = in_.size() / static_cast<std::size_t>(size_of(kind.data));
    for (std::size_t i = 0; i < places; ++i)
      put(in_.data(), kind.data, i, 1 + static_cast<float>(i * 2654435761u % 1009) / 1024);
    // One channel takes the way of what f32 cannot hold, too.
    put(in_.data(), kind.data, 0, std::bit_cast<float>(0x7f800000u));
    for (auto& v : vectors_) {
      v.resize(static_cast<std::size_t>(channels * 8));
      for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c)
        put(v.data(), kind.parameters, c, 1.25f);
    }
    for (std::size_t v = 6; v < vectors_.size(); ++v)  // save_*
      for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c)
        put(vectors_[v].data(), Dtype::f64, c, 1.5f);
  }

  /// The layer is as the call needs it: in its mode, and after a forward.
  Status run(Call call, Context& context, BatchNorm& layer, const Sizes& s, const Layouts& lie) {
    const ConstTensor x = view(in_, s, lie.x), dy = view(in_, s, lie.y);
    const Tensor y = view(out_, s, lie.y), dx = view(out_, s, lie.x);
    const auto v = [&](std::size_t i) {
      return Vector{vectors_[i].data(), i < 6 ? kind_.parameters : Dtype::f64, s.c, 1};
    };
    switch (call) {
      case Call::forward_training:
        return forward_training(context, {x, v(0), v(1), v(2), v(3), 0.1, 1e-5, y, v(6), v(7)});
      case Call::forward_renorm:
        return forward_training(
            context, {x, v(0), v(1), v(2), v(3), 0.1, 1e-5, y, v(6), v(7), Renorm{}, v(8), v(9)});
      case Call::forward_inference:
        return forward_inference(context, {x, v(0), v(1), v(2), v(3), 1e-5, y});
      case Call::backward_training:
        return backward_training(context, {dy, x, v(0), v(6), v(7), dx, v(4), v(5)});
      case Call::backward_renorm:
        return backward_training(context, {dy, x, v(0), v(6), v(7), dx, v(4), v(5), v(8), v(9)});
      case Call::backward_inference:
        return backward_inference(context, {dy, x, v(0), v(2), v(3), 1e-5, dx, v(4), v(5)});
      case Call::layer_training:
      case Call::layer_evaluation:
        layer.train(call == Call::layer_training);
        return layer.forward(context, x, y);
      case Call::layer_backward:
        break;
    }
    return layer.backward(context, dy, x, dx, v(4), v(5));
  }

 private:
  Tensor view(std::vector<std::byte>& memory, const Sizes& s, Lies lies) const {
    if (lies == Lies::nhwc) return channels_last(memory.data(), kind_.data, {s.n, s.c, s.h, s.w});
    if (lies == Lies::nchw) return contiguous(memory.data(), kind_.data, {s.n, s.c, s.h, s.w});
    Tensor t = contiguous(memory.data(), kind_.data, {s.n, s.c, s.h, 2 * s.w});
    t.size[3] = s.w;
    t.stride[3] = 2;
    return t;
  }

  Kind kind_;
  std::vector<std::byte> in_, out_;
  std::array<std::vector<std::byte>, 10> vectors_;
};

constexpr std::array<int, 3> kThreads{1, 2, 4};

/// A handful of values; an odd size; and sizes that four threads share.
constexpr std::array<Sizes, 4> kSizes{
    {{2, 3, 1, 5}, {7, 13, 11, 9}, {8, 32, 32, 32}, {1024, 256, 1, 1}}};
constexpr std::size_t kMostValues = 262144;
/// Several threads take part.
bool shared(const Sizes& s) { return s.values() == kMostValues; }
constexpr std::int64_t kMostChannels = 256;

class Allocations : public testing::Test {
#ifdef TRUENORM_TSAN
  void SetUp() override { GTEST_SKIP() << "ThreadSanitizer tells nothing of aligned allocations"; }
#endif
};

// ---- the counter counts ----

TEST_F(Allocations, EveryWayToAllocateCounts) {
  const auto counts = [](std::uint64_t bytes, const auto& act) {
    const Tally t = tally_of(act);
    EXPECT_EQ(t.count, 1u);
    EXPECT_GE(t.bytes, bytes);
  };
  using std::align_val_t;
  counts(100, [] { ::operator delete(escape(::operator new(100))); });
  counts(100, [] { ::operator delete[](escape(::operator new[](100))); });
  counts(100, [] { ::operator delete(escape(::operator new(100, std::nothrow))); });
  counts(100, [] { ::operator delete[](escape(::operator new[](100, std::nothrow))); });
  constexpr align_val_t k64{64};
  counts(100, [] { ::operator delete(escape(::operator new(100, k64)), k64); });
  counts(100, [] { ::operator delete[](escape(::operator new[](100, k64)), k64); });
  counts(100, [] { ::operator delete(escape(::operator new(100, k64, std::nothrow)), k64); });
  counts(100, [] { ::operator delete[](escape(::operator new[](100, k64, std::nothrow)), k64); });
  counts(400, [] { escape(std::vector<float>(100).data()); });
  EXPECT_EQ(tally_of([] {}).count, 0u);
  counts(100, [] { std::free(escape(std::malloc(100))); });
  counts(700, [] { std::free(escape(std::calloc(100, 7))); });
  counts(100, [] { std::free(escape(std::realloc(nullptr, 100))); });
  counts(128, [] { std::free(escape(std::aligned_alloc(64, 128))); });
  counts(100, [] {
    void* p = nullptr;
    EXPECT_EQ(posix_memalign(&p, 64, 100), 0);
    std::free(escape(p));
  });
}

// Else nothing below would show that it looks where the scratch comes from.
TEST_F(Allocations, TheFirstCallOfAContextDoes) {
  Field field(kMostValues, kMostChannels, kKinds[0], false);
  BatchNorm layer({.num_features = 32});
  Context warm(4);
  for (const Call call : kCalls)
    ASSERT_TRUE(field.run(call, warm, layer, kSizes[2], kLayouts[0]).ok()) << name(call);
  for (const Call call : kCalls) {
    Context context(4);
    const auto run = [&] {
      EXPECT_TRUE(field.run(call, context, layer, kSizes[2], kLayouts[0]).ok());
    };
    EXPECT_GT(tally_of(run).count, 0u) << name(call);
    EXPECT_EQ(tally_of(run).count, 0u) << name(call);
  }
  EXPECT_GT(tally_of([] { Context context(1); }).count, 0u);
  EXPECT_GT(tally_of([] { BatchNorm another({.num_features = 3}); }).count, 0u);
}

// ---- nothing after the first time ----

/// All calls in turn, and again: the second time none allocates.
void expect_none(Field& field, Context& context, BatchNorm& layer, const Sizes& s,
                 const Layouts& lie, std::uint64_t& measured) {
  for (const bool again : {false, true})
    for (const Call call : kCalls) {
      Status status;
      const Tally t = tally_of([&] { status = field.run(call, context, layer, s, lie); });
      ASSERT_TRUE(status.ok()) << name(call) << ": " << status.message();
      if (!again) continue;
      ++measured;
      EXPECT_EQ(t.count, 0u) << name(call) << ": " << t.bytes << " bytes; n" << s.n << "c" << s.c
                             << "s" << s.h << "x" << s.w << ", " << lie.name;
    }
}

TEST_F(Allocations, NoneAfterTheFirstCall) {
  const IsaList isas = available_isas();
  std::map<std::tuple<Isa, Dtype, int>, std::uint64_t> measured;
  for (const Kind kind : kKinds) {
    Field field(kMostValues, kMostChannels, kind, true);
    for (const Isa isa : isas)
      for (const int threads : kThreads)
        for (const Sizes& sizes : kSizes) {
          // Large tensors on few threads, in one set, and not for each type of the parameters: the
          // rest is slow and looks the same.
          const bool best = isa == isas.items[0], most = threads == kThreads.back();
          if (shared(sizes) && (kind.mixed() || !(kSlow ? best && most : best || most))) continue;
          for (const Layouts& lie : kLayouts) {
            SCOPED_TRACE(std::string(truenorm::name(isa)) + ", " + truenorm::name(kind.data) +
                         " with parameters of " + truenorm::name(kind.parameters) + ", " +
                         std::to_string(threads) + " threads");
            Context context(threads, isa);
            BatchNorm layer({.num_features = sizes.c, .dtype = kind.parameters});
            expect_none(field, context, layer, sizes, lie, measured[{isa, kind.data, threads}]);
            if (HasFailure()) return;
          }
        }
  }
  EXPECT_EQ(measured.size(), isas.count * 4 * kThreads.size());
  for (const auto& [what, calls] : measured) EXPECT_GT(calls, 0u);
}

// Smaller calls have work for fewer threads: coming back from them must cost nothing, either.
TEST_F(Allocations, NoneWhenSizesTakeTurns) {
  Field field(kMostValues, kMostChannels, kKinds[0], false);
  constexpr std::array<Sizes, 5> kTurns{
      {{8, 32, 32, 32}, {1, 32, 32, 32}, {4, 32, 32, 32}, {2, 32, 32, 32}, {3, 32, 32, 32}}};
  for (const int threads : kThreads) {
    Context context(threads);
    BatchNorm layer({.num_features = 32});
    const auto all = [&] {
      for (const Call call : kCalls)
        for (const Sizes& sizes : kTurns) {
          if (call == Call::layer_backward) {
            EXPECT_TRUE(field.run(Call::layer_training, context, layer, sizes, kLayouts[0]).ok());
          }
          EXPECT_TRUE(field.run(call, context, layer, sizes, kLayouts[0]).ok()) << name(call);
        }
    };
    all();
    EXPECT_EQ(tally_of(all).count, 0u) << threads << " threads";
  }
}

// ---- how much the first call takes ----

/// What the first call of a fresh context allocates.
std::uint64_t first_bytes(Field& field, Call call, int threads, const Sizes& s,
                          const Layouts& lie) {
  Context context(threads);
  BatchNorm layer({.num_features = s.c});
  return tally_of([&] { EXPECT_TRUE(field.run(call, context, layer, s, lie).ok()); }).bytes;
}

/// A thread packs a few blocks of at most 16 KiB; a channel has some numbers for each of at most a
/// few dozen partial sums. Room for twice of what that takes.
constexpr std::uint64_t kThreadBytes = 1u << 17, kChannelBytes = 2048;

TEST_F(Allocations, ScratchDoesNotGrowWithTheTensor) {
  constexpr std::int64_t kN = kSlow ? 8 : 32;
  constexpr Sizes one{kN, 64, 56, 56}, four{4 * kN, 64, 56, 56};
  Field field(four.values(), one.c, kKinds[0], false);
  const std::uint64_t growth = (four.values() - one.values()) * sizeof(float);
  for (const int threads : {1, 4}) {
    first_bytes(field, Call::forward_training, threads, one, kLayouts[0]);  // makes the threads
    const auto bound = static_cast<std::uint64_t>(threads) * kThreadBytes +
                       static_cast<std::uint64_t>(one.c) * kChannelBytes;
    for (const Layouts& lie : {kLayouts[0], kLayouts[1], kLayouts[3]})
      for (const Call call : {Call::forward_training, Call::forward_inference,
                              Call::backward_training, Call::backward_inference}) {
        const std::uint64_t less = first_bytes(field, call, threads, one, lie),
                            more = first_bytes(field, call, threads, four, lie);
        std::printf("%-18s %-12s %d threads: %6llu and %6llu bytes\n", name(call), lie.name,
                    threads, static_cast<unsigned long long>(less),
                    static_cast<unsigned long long>(more));
        EXPECT_GT(less, 0u) << name(call) << " " << lie.name;
        EXPECT_LE(less, bound) << name(call) << " " << lie.name;
        EXPECT_LE(more, bound) << name(call) << " " << lie.name;
        EXPECT_LE(more, less + growth / 1024) << name(call) << " " << lie.name;
      }
  }
}

}  // namespace
}  // namespace truenorm::props
