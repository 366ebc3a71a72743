#include "roofline.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "memory.h"
#include "oracle/data.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/roofline.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// Each target's copy begins here.
#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace truenorm::bench {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using Words = hn::CappedTag<std::uint32_t, kLine / 4>;

/// Lines [begin, end). Both pointers are aligned to lines.
void MoveLines(const std::uint32_t* a, const std::uint32_t* b, std::uint32_t* out,
               std::size_t begin, std::size_t end, bool stream) {
  const Words d;
  const std::size_t words = kLine / 4;
  const auto k = hn::Set(d, 1u);
  const auto loop = [&](auto value, auto store) HWY_ATTR {
    for (std::size_t i = begin * words; i < end * words; i += hn::Lanes(d)) store(value(i), i);
  };
  const auto copy = [&](std::size_t i) HWY_ATTR { return hn::Add(hn::Load(d, a + i), k); };
  const auto sum = [&](std::size_t i)
                       HWY_ATTR { return hn::Add(hn::Load(d, a + i), hn::Load(d, b + i)); };
  const auto plain = [&](auto v, std::size_t i) HWY_ATTR { hn::Store(v, d, out + i); };
  const auto past = [&](auto v, std::size_t i) HWY_ATTR { hn::Stream(v, d, out + i); };
  if (b == nullptr)
    stream ? loop(copy, past) : loop(copy, plain);
  else
    stream ? loop(sum, past) : loop(sum, plain);
  if (stream) hwy::FlushStream();
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace truenorm::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace truenorm::bench {

HWY_EXPORT(MoveLines);

void move_memory(const void* a, const void* b, void* out, std::size_t bytes, int threads,
                 bool stream) {
  const std::size_t lines = (bytes + kLine - 1) / kLine;  // a Buffer has room for the last one
  const auto move = HWY_DYNAMIC_DISPATCH(MoveLines);
  const auto parts = static_cast<std::size_t>(threads);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (std::size_t part = 0; part < parts; ++part)
    move(static_cast<const std::uint32_t*>(a), static_cast<const std::uint32_t*>(b),
         static_cast<std::uint32_t*>(out), lines * part / parts, lines * (part + 1) / parts,
         stream);
}

const char* name(Level level) {
  constexpr const char* kNames[] = {"L1", "L2", "L3", "memory"};
  return kNames[static_cast<int>(level)];
}

Caches caches_here() {
  const auto bytes = [](int which) {
    return static_cast<std::size_t>(std::max(0L, sysconf(which)));
  };
  return {bytes(_SC_LEVEL1_DCACHE_SIZE), bytes(_SC_LEVEL2_CACHE_SIZE),
          bytes(_SC_LEVEL3_CACHE_SIZE)};
}

std::size_t own_cache(const Caches& caches) {
  return caches.l2 > 0 ? caches.l2 : std::size_t{1} << 20;
}

Level level_of(const Caches& caches, std::size_t tensor_bytes, Op op, int threads) {
  const std::size_t all = tensor_bytes * static_cast<std::size_t>(pass_moves(op));
  const std::size_t share = all / static_cast<std::size_t>(threads);
  return share <= caches.l1   ? Level::l1
         : share <= caches.l2 ? Level::l2
         : all <= caches.l3   ? Level::l3
                              : Level::memory;
}

int pass_moves(Op op) { return op == Op::backward ? 3 : 2; }

int textbook_moves(Op op) { return op == Op::training ? 3 : op == Op::evaluation ? 2 : 5; }

int must_move(const oracle::Shape& shape, oracle::Layout layout, oracle::Dtype dtype, Op op,
              std::size_t cache_bytes) {
  if (op == Op::evaluation) return 2;
  const std::size_t size = oracle::size_of(dtype);
  const std::size_t inner = layout == oracle::Layout::nhwc
                                ? std::min(kLine, static_cast<std::size_t>(shape.c) * size)
                                : size;
  const std::size_t inputs = op == Op::backward ? 2 : 1;
  const bool stays = static_cast<std::size_t>(shape.per_channel()) * inner * inputs <= cache_bytes;
  return pass_moves(op) + (stays ? 0 : static_cast<int>(inputs));
}

}  // namespace truenorm::bench
#endif
