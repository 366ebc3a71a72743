#include "pack.h"

#include <algorithm>
#include <cstring>

namespace truenorm::detail {

namespace {

template <class Bits>
void copy_strided(const Bits* from, std::int64_t from_stride, Bits* to, std::int64_t to_stride,
                  std::int64_t count) noexcept {
  if (from_stride == 1 && to_stride == 1) {
    std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(Bits));
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) to[i * to_stride] = from[i * from_stride];
}

// Elements are float, double or uint16_t objects of the caller: bits move through types that may
// alias them.
using Bits32 [[gnu::may_alias]] = std::uint32_t;
using Bits64 [[gnu::may_alias]] = std::uint64_t;
using Bits16 [[gnu::may_alias]] = std::uint16_t;

template <class Bits>
void gather_bits(const Walk& walk, std::size_t v, const void* base, std::int64_t begin,
                 std::int64_t count, void* dense) noexcept {
  const Bits* from = static_cast<const Bits*>(base);
  Bits* to = static_cast<Bits*>(dense);
  for (Cursor cursor(walk, begin); count > 0;) {
    const std::int64_t k = std::min(count, cursor.left_in_run());
    copy_strided(from + cursor.offsets()[v], walk.inner().stride[v], to, 1, k);
    cursor.advance(k);
    to += k;
    count -= k;
  }
}

template <class Bits>
void scatter_bits(const Walk& walk, std::size_t v, void* base, std::int64_t begin,
                  std::int64_t count, const void* dense) noexcept {
  const Bits* from = static_cast<const Bits*>(dense);
  Bits* to = static_cast<Bits*>(base);
  for (Cursor cursor(walk, begin); count > 0;) {
    const std::int64_t k = std::min(count, cursor.left_in_run());
    copy_strided(from, 1, to + cursor.offsets()[v], walk.inner().stride[v], k);
    cursor.advance(k);
    from += k;
    count -= k;
  }
}

}  // namespace

void gather(const Walk& walk, std::size_t v, Dtype dtype, const void* base, std::int64_t c,
            std::int64_t begin, std::int64_t count, void* dense) noexcept {
  const void* channel = at(dtype, base, c * walk.channel_stride[v]);
  switch (size_of(dtype)) {
    case 8:
      return gather_bits<Bits64>(walk, v, channel, begin, count, dense);
    case 4:
      return gather_bits<Bits32>(walk, v, channel, begin, count, dense);
    default:
      return gather_bits<Bits16>(walk, v, channel, begin, count, dense);
  }
}

void scatter(const Walk& walk, std::size_t v, Dtype dtype, void* base, std::int64_t c,
             std::int64_t begin, std::int64_t count, const void* dense) noexcept {
  void* channel = at(dtype, base, c * walk.channel_stride[v]);
  switch (size_of(dtype)) {
    case 8:
      return scatter_bits<Bits64>(walk, v, channel, begin, count, dense);
    case 4:
      return scatter_bits<Bits32>(walk, v, channel, begin, count, dense);
    default:
      return scatter_bits<Bits16>(walk, v, channel, begin, count, dense);
  }
}

}  // namespace truenorm::detail
