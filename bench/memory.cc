#include "memory.h"

#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "hwy/cache_control.h"
#include "oracle/data.h"

namespace truenorm::bench {

void Free::operator()(void* p) const { std::free(p); }

void* Buffer::reserve(std::size_t bytes) {
  if (bytes_ && bytes <= size_) return data();
  bytes_.reset();
  size_ = (bytes / kLine + 1) * kLine;
  bytes_.reset(static_cast<std::byte*>(std::aligned_alloc(kLine, size_)));
  if (!bytes_) throw std::bad_alloc();
  std::memset(data(), 0x3f, size_);  // touched, and no denormal in any dtype
  return data();
}

void* Allocation::allocate(std::size_t bytes) {
  bytes_.reset(static_cast<std::byte*>(std::aligned_alloc(kLine, (bytes / kLine + 1) * kLine)));
  if (!bytes_) throw std::bad_alloc();
  return bytes_.get();
}

std::size_t tensor_bytes(const oracle::Shape& shape, oracle::Dtype dtype) {
  return static_cast<std::size_t>(shape.numel()) * oracle::size_of(dtype);
}

Index::Index(const oracle::Shape& shape, oracle::Layout layout) {
  const bool last = layout == oracle::Layout::nhwc;
  image_ = shape.c * shape.plane();
  channel_ = last ? 1 : shape.plane();
  pixel_ = last ? shape.c : 1;
}

void place(const std::vector<double>& values, const oracle::Shape& shape, oracle::Dtype dtype,
           oracle::Layout layout, void* to) {
  const Index index(shape, layout);
  const std::size_t size = oracle::size_of(dtype);
  const double* value = values.data();
  for (std::int64_t n = 0; n < shape.n; ++n)
    for (std::int64_t c = 0; c < shape.c; ++c)
      for (std::int64_t p = 0; p < shape.plane(); ++p)
        oracle::store(
            dtype, *value++,
            static_cast<std::byte*>(to) + static_cast<std::size_t>(index(n, c, p)) * size);
}

void place(const std::vector<double>& values, oracle::Dtype dtype, void* to) {
  for (std::size_t i = 0; i < values.size(); ++i)
    oracle::store(dtype, values[i], static_cast<std::byte*>(to) + i * oracle::size_of(dtype));
}

void evict(const void* data, std::size_t bytes, int threads) {
  const auto* const first = static_cast<const std::byte*>(data);
  const auto lines = static_cast<std::int64_t>((bytes + kLine - 1) / kLine);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t i = 0; i < lines; ++i)
    hwy::FlushCacheline(first + static_cast<std::size_t>(i) * kLine);
}

void give_back_freed_memory() {
  mallopt(M_MMAP_MAX, 1 << 16);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // where glibc's own adjustment ends
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  mallopt(M_TOP_PAD, 128 << 10);
}

void keep_freed_memory() {
  mallopt(M_MMAP_MAX, 0);  // no mapping of its own for a large block: it would go back when freed
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace truenorm::bench
