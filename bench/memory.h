// Memory of the tensors that are timed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "oracle/case.h"

namespace truenorm::bench {

inline constexpr std::size_t kLine = 64;  // a cache line; everything is aligned to it

struct Free {
  void operator()(void*) const;
};

/// Lines of memory, all touched. Grows, never shrinks.
class Buffer {
 public:
  /// At least this many bytes; what stood there is lost if it has to grow.
  void* reserve(std::size_t bytes);
  void* data() const { return bytes_.get(); }

 private:
  std::unique_ptr<std::byte, Free> bytes_;
  std::size_t size_ = 0;
};

/// Lines of memory as malloc gives them: nobody has touched them.
class Allocation {
 public:
  void* allocate(std::size_t bytes);
  void free() { bytes_.reset(); }
  void* data() const { return bytes_.get(); }

 private:
  std::unique_ptr<std::byte, Free> bytes_;
};

/// Bytes of one tensor of data.
std::size_t tensor_bytes(const oracle::Shape&, oracle::Dtype);

/// Where element (n, c, p) of a dense tensor stands, p counting through the spatial sizes.
class Index {
 public:
  Index(const oracle::Shape&, oracle::Layout);
  std::int64_t operator()(std::int64_t n, std::int64_t c, std::int64_t p) const {
    return n * image_ + c * channel_ + p * pixel_;
  }

 private:
  std::int64_t image_, channel_, pixel_;
};

/// Values in logical order (N, C, spatial) into a dense tensor.
void place(const std::vector<double>& values, const oracle::Shape&, oracle::Dtype, oracle::Layout,
           void* to);

/// A dense vector of one value a channel.
void place(const std::vector<double>& values, oracle::Dtype, void* to);

/// Lets malloc keep what is freed: LibTorch allocates its outputs in each call, and the page faults
/// of fresh memory would be its figure. Call before anything is allocated.
void keep_freed_memory();

/// malloc as programs have it once it has met large blocks: those of 32 MiB and more are mapped for
/// each allocation, and go back to the system when freed.
void give_back_freed_memory();

/// Flushes the lines of these bytes from the caches of all levels and cores, by `threads` threads.
/// Nothing where kCanEvict is false.
void evict(const void* data, std::size_t bytes, int threads);
#if defined(__x86_64__) || defined(__i386__)
inline constexpr bool kCanEvict = true;
#else
inline constexpr bool kCanEvict = false;
#endif

}  // namespace truenorm::bench
