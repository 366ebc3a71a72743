// What a Context owns.
#ifndef TRUENORM_SRC_CONTEXT_STATE_H_
#define TRUENORM_SRC_CONTEXT_STATE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "kernels.h"
#include "pack.h"
#include "plan.h"
#include "truenorm/context.h"

namespace truenorm::detail {

/// Memory that only grows, aligned to cache lines. Contents do not survive reserve().
class Scratch {
 public:
  /// False if there is no memory.
  [[nodiscard]] bool reserve(std::size_t bytes) noexcept {
    if (bytes <= size_) return true;
    data_.reset();
    size_ = 0;
    data_.reset(static_cast<std::byte*>(::operator new(bytes, alignment, std::nothrow)));
    if (data_ == nullptr) return false;
    size_ = bytes;
    return true;
  }
  [[nodiscard]] std::byte* data() const noexcept { return data_.get(); }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(std::byte* p) const noexcept { ::operator delete(p, alignment); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

/// Adds up what a call needs, then hands it out: reserve room for arrays, allocate once, take
/// pointers.
class Layout {
 public:
  template <class T>
  std::size_t array(std::int64_t count) noexcept {
    const std::size_t offset = size_;
    std::size_t bytes = 0;
    failed_ |= __builtin_mul_overflow(count, sizeof(T), &bytes);
    failed_ |= __builtin_add_overflow(bytes, std::size_t{63}, &bytes);
    failed_ |= __builtin_add_overflow(size_, bytes / 64 * 64, &size_);
    return offset;
  }
  [[nodiscard]] bool allocate(Scratch& scratch) noexcept {
    if (failed_ || !scratch.reserve(size_)) return false;
    base_ = scratch.data();
    return true;
  }
  template <class T>
  [[nodiscard]] T* at(std::size_t offset) const noexcept {
    return reinterpret_cast<T*>(base_ + offset);
  }

 private:
  std::byte* base_ = nullptr;
  std::size_t size_ = 0;
  bool failed_ = false;
};

struct ContextState {
  int threads = 1;
  Isa isa = Isa::best;
  const KernelSet* kernels = nullptr;
  Machine machine;
  Scratch scratch;
};

/// Room of one thread: packed blocks, or pivots and lane sums by channel.
struct alignas(64) ThreadRoom {
  std::byte block[max_views + 1][pack_bytes];
};
static_assert(max_block_f32 * 4 == pack_bytes && max_block_f64 * 8 == pack_bytes);
// Rows: pivots, then two lane sums; groups: pivots, then two lane sums for each virtual lane; virtual
// rows: two sums of double.
static_assert(max_slab_rows * 8 <= pack_bytes);
static_assert(max_slab_groups * 2 * 64 <= 2 * pack_bytes);
static_assert(max_folded * 2 * 8 <= pack_bytes);

/// One call as its inner parts see it.
struct Run {
  int threads;  ///< of the context; the plan says how many of them have work
  const Kernels& kernels;
  ThreadRoom* rooms = nullptr;
};

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_CONTEXT_STATE_H_
