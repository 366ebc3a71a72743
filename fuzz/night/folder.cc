#include "folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <system_error>

#include "oracle/cli/support.h"
#include "oracle/numbers.h"

namespace truenorm::night {

namespace fs = std::filesystem;
using oracle::cli::UsageError;

Lock::Lock(const Folder& folder) {
  std::error_code error;
  fs::create_directories(folder.root, error);
  const std::string path = (folder.root / "lock").string();
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd_ < 0)
    throw UsageError(fmt::format("{}: cannot be written: {}; --dir names another folder",
                                 folder.root.string(), std::strerror(errno)));
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) {
    const std::string mine = fmt::format("{}\n", ::getpid());
    if (::ftruncate(fd_, 0) != 0 || ::pwrite(fd_, mine.data(), mine.size(), 0) < 0) {
      // The number is for people; the lock is what counts.
    }
    return;
  }
  ::close(fd_);
  std::string owner = read_bytes(path);
  owner.erase(std::min(owner.find('\n'), owner.size()));
  throw UsageError(
      fmt::format("{}: another 'truenorm fuzz'{} is at work there; wait for it, or name another "
                  "folder with --dir",
                  folder.root.string(), owner.empty() ? "" : " (process " + owner + ")"));
}

Lock::~Lock() { ::close(fd_); }

std::uint64_t room(const fs::path& path) {
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) != 0) return std::numeric_limits<std::uint64_t>::max();
  return std::uint64_t{disk.f_bavail} * disk.f_frsize;
}

std::string read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string digest(std::string_view bytes) {
  std::uint64_t hash = bytes.size();
  for (const char c : bytes) hash = oracle::mix(hash ^ static_cast<unsigned char>(c));
  return fmt::format("{:016x}", hash);
}

std::string to_hex(std::string_view bytes) {
  std::string digits;
  for (const char c : bytes) digits += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return digits;
}

std::string from_hex(std::string_view digits) {
  const auto value = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    const int high = value(digits[i]), low = value(digits[i + 1]);
    if (high < 0 || low < 0) break;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (at->is_regular_file(error) && at->path().extension() != ".part")
      files.push_back(at->path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace truenorm::night
