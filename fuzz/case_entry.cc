// What a fuzzing engine calls, for every target over cases.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>

#include "bytes.h"
#include "case_target.h"
#include "speed.h"

namespace {

// Engines hand nothing from call to call, so the target lives as long as the process.
std::unique_ptr<truenorm::fuzz::CaseTarget>& target() {
  static std::unique_ptr<truenorm::fuzz::CaseTarget> made;
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  try {
    const truenorm::fuzz::Options options = truenorm::fuzz::read_options(*argc, *argv);
    target() = std::make_unique<truenorm::fuzz::CaseTarget>(truenorm::fuzz::make_target(options));
    if (options.speed > 0) {
      truenorm::fuzz::measure_speed(
          target()->bounds(), truenorm::oracle::encode,
          [](truenorm::fuzz::Bytes input) { target()->run(input); }, options.speed);
      std::exit(0);
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", (*argv)[0], e.what());
    std::exit(2);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  target()->run({data, size});
  return 0;
}

extern "C" std::uint64_t truenorm_fuzz_judged() { return target()->judged(); }

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t capacity, unsigned seed) {
  return truenorm::fuzz::mutate_bytes(data, size, capacity, seed, target()->bounds(),
                                      target()->peaks(seed));
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* a, std::size_t a_size,
                                                 const std::uint8_t* b, std::size_t b_size,
                                                 std::uint8_t* out, std::size_t capacity,
                                                 unsigned seed) {
  return truenorm::fuzz::cross_bytes({a, a_size}, {b, b_size}, out, capacity, seed,
                                     target()->bounds());
}
