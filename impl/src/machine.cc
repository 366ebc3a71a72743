#include "machine.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <memory>
#include <new>

#include "hwy/cache_control.h"

namespace truenorm::detail {

namespace {

/// Bytes of a cache of the first core by its level, 0 if unknown.
std::int64_t cache_bytes(int level) noexcept {
  for (int index = 0; index < 8; ++index) {
    const auto read = [&](const char* name, const char* format, auto*... values) {
      char path[96];
      std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index,
                    name);
      std::FILE* file = std::fopen(path, "r");
      if (file == nullptr) return 0;
      const int found = std::fscanf(file, format, values...);
      std::fclose(file);
      return found;
    };
    int its_level = 0;
    long long size = 0;
    char unit = ' ';
    if (read("level", "%d", &its_level) < 1 || its_level != level) continue;
    if (read("size", "%lld%c", &size, &unit) < 1) continue;
    return unit == 'K' ? size << 10 : unit == 'M' ? size << 20 : size;
  }
  return 0;
}

/// False if a pass over `bytes`, too many for a core's own cache, is faster by an eighth when it stores
/// past the shared cache: less is not worth that the outputs are in no cache. A turn's passes follow
/// each other, for the first one finds the caches as the other way of storing left them, and there are
/// some milliseconds of them, for a process begins slowly. The best counts: what disturbs one only
/// makes it slower.
bool stores_pay(const KernelSet& kernels, std::int64_t bytes) noexcept {
  using Clock = std::chrono::steady_clock;
  constexpr int passes = 4, least = 6 * passes;
  constexpr auto enough = std::chrono::milliseconds(8);
  const std::int64_t count = bytes / 2 / static_cast<std::int64_t>(sizeof(float));
  const std::unique_ptr<float[]> data(
      new (std::nothrow) float[static_cast<std::size_t>(2 * count)]);
  if (data == nullptr) return true;
  std::fill_n(data.get(), 2 * count, 1.0f);
  const float m = 0, a = 1, b = 0;
  Clock::duration best[2] = {std::chrono::hours(1), std::chrono::hours(1)};
  const auto begun = Clock::now();
  for (int pass = 0; pass < least || Clock::now() - begun < enough; ++pass) {
    const int way = pass / passes % 2;
    const auto store = way == 0 ? Store::cached : Store::streamed;
    const auto start = Clock::now();
    kernels[static_cast<std::size_t>(Dtype::f32)].group_affine(data.get(), data.get() + count,
                                                               count, 1, &m, &a, &b, {store, 0});
    hwy::FlushStream();
    best[way] = std::min(best[way], Clock::now() - start);
  }
  return 8 * best[0] <= 9 * best[1];
}

Machine find_machine(const KernelSet& kernels) noexcept {
  Machine machine;
  machine.own = cache_bytes(2);
  if (machine.own <= 0) machine.own = std::int64_t{1} << 20;
  const std::int64_t shared = cache_bytes(3);
  const std::int64_t probe = std::min(4 * machine.own, std::int64_t{16} << 20);
  if (shared > 2 * probe && stores_pay(kernels, probe)) machine.shared = shared / 2;
  return machine;
}

}  // namespace

const Machine& this_machine(const KernelSet& kernels) noexcept {
  static const Machine machine = find_machine(kernels);
  return machine;
}

}  // namespace truenorm::detail
