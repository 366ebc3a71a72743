// Moving values of a channel between strided memory and a dense block.
#ifndef TRUENORM_SRC_PACK_H_
#define TRUENORM_SRC_PACK_H_

#include <cstdint>

#include "plan.h"
#include "truenorm/tensor.h"

namespace truenorm::detail {

/// dense[i] = value begin + i of channel c in view v, 0 <= i < count; the bits are copied.
void gather(const Walk& walk, std::size_t v, Dtype dtype, const void* base, std::int64_t c,
            std::int64_t begin, std::int64_t count, void* dense) noexcept;

/// The reverse.
void scatter(const Walk& walk, std::size_t v, Dtype dtype, void* base, std::int64_t c,
             std::int64_t begin, std::int64_t count, const void* dense) noexcept;

/// Room for one packed block: max_block values of any type.
inline constexpr std::int64_t pack_bytes = 16384;

/// base + elements, for elements of `dtype`.
inline const void* at(Dtype dtype, const void* base, std::int64_t elements) noexcept {
  return static_cast<const char*>(base) + elements * size_of(dtype);
}
inline void* at(Dtype dtype, void* base, std::int64_t elements) noexcept {
  return static_cast<char*>(base) + elements * size_of(dtype);
}

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_PACK_H_
