// Do two strided views share memory? Exact, not by extent alone.
#ifndef TRUENORM_SRC_OVERLAP_H_
#define TRUENORM_SRC_OVERLAP_H_

#include <array>
#include <cstdint>

#include "truenorm/tensor.h"

namespace truenorm::detail {

/// A view in bytes: a well-formed tensor or vector (a vector has rank 1).
struct Region {
  std::uintptr_t begin = 0;
  std::int64_t element = 0;  ///< bytes of one element
  std::int64_t extent = 0;   ///< bytes from the first to past the last element; 0: no elements
  int rank = 0;
  std::array<std::int64_t, max_rank> size{};
  std::array<std::int64_t, max_rank> stride{};  ///< in bytes; 0 where size is 1
};

/// True if some element of `a` and some element of `b` have a byte in common. Interleaved views
/// that have none are told apart; in contrived cases, when that would take too long, the answer is
/// true.
[[nodiscard]] bool share_memory(const Region& a, const Region& b) noexcept;

/// True if two different indices of `a` have a byte in common; with the same reservation.
[[nodiscard]] bool overlaps_itself(const Region& a) noexcept;

/// True if both are the same elements at the same places.
[[nodiscard]] bool same_view(const Region& a, const Region& b) noexcept;

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_OVERLAP_H_
