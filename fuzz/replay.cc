// Runs files, and every file of folders, through a target once: what stands in for the engine in
// builds without libFuzzer.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "finding.h"

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

/// How many verdicts there were, from targets that may leave inputs out.
extern "C" __attribute__((weak)) std::uint64_t truenorm_fuzz_judged();

namespace {

std::vector<std::string> files_of(const std::string& path) {
  if (!std::filesystem::is_directory(path)) return {path};
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

void replay(const std::string& path) {
  const std::string bytes = truenorm::fuzz::read_whole(path);
  const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
  std::fprintf(stderr, "%s\n", path.c_str());
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

}  // namespace

int main(int argc, char** argv) {
  LLVMFuzzerInitialize(&argc, &argv);
  try {
    std::size_t count = 0;
    for (int i = 1; i < argc; ++i) {
      if (argv[i][0] == '-') continue;
      for (const std::string& path : files_of(argv[i])) {
        replay(path);
        ++count;
      }
    }
    const std::uint64_t judged = truenorm_fuzz_judged != nullptr ? truenorm_fuzz_judged() : count;
    std::printf("%zu inputs replayed, %llu judged\n", count,
                static_cast<unsigned long long>(judged));
    if (count == 0) std::fprintf(stderr, "usage: %s [--OPTION=VALUE...] FILE|FOLDER...\n", argv[0]);
    return judged != 0 ? 0 : 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
    return 2;
  }
}
