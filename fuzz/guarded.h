// Places for the arguments of a call, each between protected pages.
#pragma once

#include <cstddef>
#include <vector>

#include "../impl/testing/scene.h"

namespace truenorm::fuzz {

/// A byte before or behind a place is a crash, where pages are as large as a place; behind it is one
/// everywhere.
class GuardedPlaces {
 public:
  GuardedPlaces();  // throws std::bad_alloc
  ~GuardedPlaces();
  GuardedPlaces(const GuardedPlaces&) = delete;
  GuardedPlaces& operator=(const GuardedPlaces&) = delete;

  calls::Places places() const { return places_; }
  /// What a scene has in memory of its own.
  void refill();
  /// All places, one behind the other.
  void copy_to(std::vector<std::byte>&) const;
  /// The first byte that is not what the copy has; null if all are.
  const std::byte* changed(const std::vector<std::byte>&) const;
  /// Where the copy has a byte of a place.
  std::size_t index_of(const void*) const;

 private:
  void* memory_ = nullptr;
  std::size_t size_ = 0;
  calls::Places places_;
  std::vector<std::uint64_t> pristine_;
};

}  // namespace truenorm::fuzz
