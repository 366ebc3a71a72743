// The one place that knows how threads are made.
#ifndef TRUENORM_SRC_PARALLEL_H_
#define TRUENORM_SRC_PARALLEL_H_

#include <omp.h>

#include <cstdint>

namespace truenorm::detail {

/// for (i = 0; i < count; ++i) body(i, thread), on up to `threads` threads numbered from 0. Which
/// thread gets which i is unspecified: the body's result must not depend on it. The body must not
/// throw.
template <class Body>
void parallel_for(int threads, std::int64_t count, const Body& body) noexcept {
  if (threads <= 1 || count <= 1) {
    for (std::int64_t i = 0; i < count; ++i) body(i, 0);
    return;
  }
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t i = 0; i < count; ++i) body(i, omp_get_thread_num());
}

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_PARALLEL_H_
