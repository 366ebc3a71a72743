// What a target has found: told in one line of JSON, and kept as a file or the end of the process.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>

namespace truenorm::fuzz {

using Bytes = std::span<const std::uint8_t>;

/// A verdict against the subject, or a law that does not hold.
struct Finding {
  std::string subject;          // who is wrong
  std::string verdict, reason;  // "fail", "dx"
  std::string kernel;           // where: findings alike but for this are told apart
  std::string line;             // the case, where the input is one
  std::string detail;           // one sentence for people
};

class Findings {
 public:
  /// `folder`: keep findings there and go on. Empty: the first one ends the process with SIGABRT,
  /// which is how an engine learns of it.
  Findings(std::string target, std::string folder);

  /// Each (subject, verdict, reason, kernel) is told once. Throws std::runtime_error where it
  /// cannot be kept.
  void tell(const Finding&, Bytes input);
  std::uint64_t count() const { return count_; }

 private:
  std::string target_, folder_;
  std::set<std::string> told_;
  std::uint64_t count_ = 0;
};

/// Writes a file under another name, and renames it when it is whole. Throws std::runtime_error.
void write_whole(const std::string& path, const std::string& text);

/// All bytes of a file. Throws std::runtime_error.
std::string read_whole(const std::string& path);

}  // namespace truenorm::fuzz
