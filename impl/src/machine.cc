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

/// True if a pass over `bytes`, too many for a core's own cache, is no faster when it stores past
/// the shared cache. The better of several turns each: what disturbs one only makes it slower.
bool stores_pay(const KernelSet& kernels, std::int64_t bytes) noexcept {
  const std::int64_t count = bytes / 2 / static_cast<std::int64_t>(sizeof(float));
  const std::unique_ptr<float[]> data(
      new (std::nothrow) float[static_cast<std::size_t>(2 * count)]);
  if (data == nullptr) return true;
  std::fill_n(data.get(), 2 * count, 1.0f);
  const float m = 0, a = 1, b = 0;
  std::chrono::steady_clock::duration best[2] = {std::chrono::hours(1), std::chrono::hours(1)};
  for (int turn = 0; turn < 10; ++turn) {
    const auto store = turn % 2 == 0 ? Store::cached : Store::streamed;
    const auto start = std::chrono::steady_clock::now();
    kernels[static_cast<std::size_t>(Dtype::f32)].group_affine(data.get(), data.get() + count,
                                                               count, 1, &m, &a, &b, {store, 0});
    hwy::FlushStream();
    best[turn % 2] = std::min(best[turn % 2], std::chrono::steady_clock::now() - start);
  }
  return best[0] <= best[1];
}

Machine find_machine(const KernelSet& kernels) noexcept {
  Machine machine;
  machine.own = cache_bytes(2);
  if (machine.own <= 0) machine.own = std::int64_t{1} << 20;
  const std::int64_t shared = cache_bytes(3);
  const std::int64_t probe = std::min(4 * machine.own, std::int64_t{16} << 20);
  if (shared > 2 * probe && stores_pay(kernels, probe)) machine.shared = shared / 5 * 4;
  return machine;
}

}  // namespace

const Machine& this_machine(const KernelSet& kernels) noexcept {
  static const Machine machine = find_machine(kernels);
  return machine;
}

}  // namespace truenorm::detail
