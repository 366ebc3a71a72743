// What a corpus reaches of impl/: the summary that `truenorm fuzz coverage` leaves.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace truenorm::night {

struct Reach {
  struct Count {
    std::uint64_t covered = 0, all = 0;
    double percent() const;
  };
  struct File {
    std::string name;  // "impl/src/plan.cc"
    Count lines;
    std::string missing;  // lines: "12, 40-43"
  };
  struct Function {
    std::string name, file;
    std::uint64_t line = 0;
  };

  std::uint64_t inputs = 0;
  Count lines, functions;
  std::vector<File> files;              // all, by name
  std::vector<Function> never_reached;  // by file and line
};

/// The summary cannot be read; says which file, and why.
struct ReachError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Where `coverage` leaves its summary, and its pages of source.
std::filesystem::path reach_file(const std::filesystem::path& folder);
inline constexpr const char* kReachPages = "coverage/html/index.html";

Reach read_reach(const std::filesystem::path& file);

}  // namespace truenorm::night
