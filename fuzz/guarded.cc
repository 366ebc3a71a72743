#include "guarded.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace truenorm::fuzz {

using calls::kPlace;

GuardedPlaces::GuardedPlaces() : pristine_(kPlace / sizeof(std::uint64_t) * argument_count) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t room = (kPlace + page - 1) / page * page, apart = room + page;
  size_ = page + argument_count * apart;
  memory_ = mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory_ == MAP_FAILED) throw std::bad_alloc();
  std::byte* const first = static_cast<std::byte*>(memory_) + page;
  for (std::size_t i = 0; i < argument_count; ++i)
    if (mprotect(first + i * apart, room, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  places_ = {first + room - kPlace, apart};
  calls::fill(pristine_);
}

GuardedPlaces::~GuardedPlaces() { munmap(memory_, size_); }

void GuardedPlaces::refill() {
  constexpr std::size_t kWords = kPlace / sizeof(std::uint64_t);
  for (std::size_t i = 0; i < argument_count; ++i)
    std::memcpy(places_.first + i * places_.apart, pristine_.data() + i * kWords, kPlace);
}

void GuardedPlaces::copy_to(std::vector<std::byte>& copy) const {
  copy.resize(kPlace * argument_count);
  for (std::size_t i = 0; i < argument_count; ++i)
    std::memcpy(copy.data() + i * kPlace, places_.first + i * places_.apart, kPlace);
}

const std::byte* GuardedPlaces::changed(const std::vector<std::byte>& copy) const {
  for (std::size_t i = 0; i < argument_count; ++i) {
    const std::byte* const is = places_.first + i * places_.apart;
    const std::byte* const was = copy.data() + i * kPlace;
    if (std::memcmp(is, was, kPlace) != 0) return std::mismatch(is, is + kPlace, was).first;
  }
  return nullptr;
}

std::size_t GuardedPlaces::index_of(const void* byte) const {
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(byte) - places_.first);
  return offset / places_.apart * kPlace + offset % places_.apart;
}

}  // namespace truenorm::fuzz
