// For ThreadSanitizer to look at: threads that wait for each other, and threads that should have.
//   race honest | race planted
#include <cstdio>
#include <cstring>
#include <vector>

namespace {

/// Every thread writes its share, then reads its neighbour's: as the passes of a BatchNorm do.
template <bool wait>
long pass_on(std::vector<long>& values) {
  const long count = static_cast<long>(values.size());
  long total = 0;
#pragma omp parallel num_threads(4) reduction(+ : total)
  {
#pragma omp for schedule(static) nowait
    for (long i = 0; i < count; ++i) values[static_cast<std::size_t>(i)] = i;
    if constexpr (wait) {
#pragma omp barrier
    }
#pragma omp for schedule(static)
    for (long i = 0; i < count; ++i) total += values[static_cast<std::size_t>(count - 1 - i)];
  }
  return total;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<long> values(1000);
  long total = 0;
  for (int again = 0; again < 20; ++again)
    total = argc > 1 && std::strcmp(argv[1], "planted") == 0 ? pass_on<false>(values)
                                                             : pass_on<true>(values);
  std::printf("%ld\n", total);
}
