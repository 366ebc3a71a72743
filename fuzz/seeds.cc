// Seeds for fuzzers: every line of *.cases files as one input, named by what is in it.
//   seeds bytes|text FOLDER FILE.cases...     FOLDER is there already
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "bytes.h"
#include "finding.h"
#include "numbers.h"
#include "text.h"

namespace {

using namespace truenorm;

std::string name_of(const std::string& input) {
  std::uint64_t hash = input.size();
  for (const char c : input) hash = oracle::mix(hash ^ static_cast<unsigned char>(c));
  char name[24];
  std::snprintf(name, sizeof name, "seed-%016llx", static_cast<unsigned long long>(hash));
  return name;
}

std::string as_bytes(const oracle::Case& c) {
  const std::vector<std::uint8_t> bytes = oracle::encode(c);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

int main(int argc, char** argv) {
  const std::string form = argc > 1 ? argv[1] : "";
  if (argc < 4 || (form != "bytes" && form != "text")) {
    std::fprintf(stderr, "usage: %s bytes|text FOLDER FILE.cases...\n", argv[0]);
    return 2;
  }
  try {
    const std::string folder = std::string(argv[2]) + '/';
    std::size_t count = 0;
    for (int i = 3; i < argc; ++i)
      for (const oracle::Line& line : oracle::parse_file(fuzz::read_whole(argv[i]), argv[i])) {
        const std::string input = form == "text" ? oracle::print(line.value) : as_bytes(line.value);
        fuzz::write_whole(folder + name_of(input), input);
        ++count;
      }
    std::printf("%zu cases written to %s\n", count, argv[2]);
    return count != 0 ? 0 : 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
    return 2;
  }
}
