// The folder that a night keeps everything in, and plain work on files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "targets.h"

namespace truenorm::night {

/// Where things lie in it.
struct Folder {
  std::filesystem::path root;

  std::filesystem::path corpus(const std::string& target) const { return root / "corpus" / target; }
  std::filesystem::path seeded(const std::string& target) const { return root / "seeded" / target; }
  std::filesystem::path merge(const std::string& target) const { return root / "merge" / target; }
  std::filesystem::path jobs() const { return root / "jobs"; }
  std::filesystem::path job(unsigned number) const { return jobs() / std::to_string(number); }
  std::filesystem::path findings() const { return root / "findings"; }
  std::filesystem::path banished() const { return root / "banished"; }
  std::filesystem::path found_cases() const { return root / "found.cases"; }
};

/// The folder is this process's until this is destroyed, or the process is no more. Makes the folder
/// where there is none. Throws UsageError where another process has it, or it cannot be written.
class Lock {
 public:
  explicit Lock(const Folder&);
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  int fd_ = -1;
};

/// Bytes free for us on the disk of a path.
std::uint64_t room(const std::filesystem::path&);

/// The whole of a file; empty where it cannot be read, as when it has just gone.
std::string read_bytes(const std::filesystem::path&);

/// Sixteen hex digits that stand for these bytes.
std::string digest(std::string_view bytes);
std::string to_hex(std::string_view bytes);
std::string from_hex(std::string_view digits);  // up to the first that is none

/// The files of a folder, by name; none where there is no folder. Files that are being written
/// (*.part) are left out.
std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder);

}  // namespace truenorm::night
