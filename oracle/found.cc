#include "found.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <set>
#include <string_view>

#include "text.h"

namespace truenorm::oracle {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& path, const char* what, int error) {
  throw FoundError(path + ": " + what + ": " + std::strerror(error));
}

/// An open file.
class File {
 public:
  File(const std::string& path, int flags) : path_(path), fd_(open(path.c_str(), flags, 0666)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool opened() const { return fd_ >= 0; }

  /// Until this is destroyed.
  void lock() {
    while (flock(fd_, LOCK_EX) != 0)
      if (errno != EINTR) fail(path_, "cannot be locked", errno);
  }

  std::string read_all() {
    std::string text;
    char buffer[1 << 14];
    for (;;) {
      const ssize_t count = pread(fd_, buffer, sizeof buffer, static_cast<off_t>(text.size()));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail(path_, "cannot be read", errno);
      if (count == 0) return text;
      text.append(buffer, static_cast<std::size_t>(count));
    }
  }

  /// All of it or nothing, behind what stands there.
  void append(std::string_view text, std::size_t size_before) {
    const ssize_t count = write(fd_, text.data(), text.size());
    const int error = count < 0 ? errno : ENOSPC;
    if (count == static_cast<ssize_t>(text.size()) && fsync(fd_) == 0) return;
    if (ftruncate(fd_, static_cast<off_t>(size_before)) != 0)
      fail(path_, "holds part of a line, and cannot be cut", errno);
    fail(path_, "cannot be written", error);
  }

 private:
  const std::string path_;
  int fd_;
};

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  char text[16];
  std::strftime(text, sizeof text, "%Y-%m-%d", gmtime_r(&now, &utc));
  return text;
}

/// In one line, whatever words a player has.
std::string one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return text;
}

}  // namespace

std::vector<Case> found_in(std::string_view text, const std::string& path) {
  std::vector<Case> cases;
  for (const Line& line : parse_file(text, path)) {
    if (line.value.exec) {
      cases.push_back(line.value);
      continue;
    }
    for (const Exec& exec : standard_execs(line.value.problem))
      cases.push_back({line.value.problem, exec});
  }
  return cases;
}

Addition addition(std::string_view before, const std::string& path,
                  const std::vector<FoundCase>& found, std::string_view day) {
  std::set<std::string> known;
  for (const Line& line : parse_file(before, path)) known.insert(print(line.value));
  Addition added;
  for (const FoundCase& f : found) {
    const std::string line = print(f.value);
    if (!known.insert(line).second) continue;
    ++added.cases;
    added.text += "# " + one_line(f.subject + ": " + f.verdict + ": " + f.reason) + ", ";
    (added.text += day) += "\n" + line + "\n";
  }
  if (added.cases > 0 && !before.empty() && before.back() != '\n') added.text.insert(0, "\n");
  return added;
}

std::vector<Case> read_found(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    throw FoundError(path + ": is a directory; a file of case lines was expected");
  File file(path, O_RDONLY | O_CLOEXEC);
  if (!file.opened() && errno == ENOENT) return {};
  if (!file.opened()) fail(path, "cannot be read", errno);
  return found_in(file.read_all(), path);
}

void require_appendable(const std::string& path) {
  const bool there = access(path.c_str(), F_OK) == 0;
  const fs::path folder = fs::path(path).parent_path();
  const std::string asked = there ? path : folder.empty() ? "." : folder.string();
  if (access(asked.c_str(), W_OK) != 0) fail(path, "cannot be written", errno);
}

std::size_t append_found(const std::string& path, const std::vector<FoundCase>& found) {
  if (found.empty()) return 0;
  File file(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC);
  if (!file.opened()) fail(path, "cannot be written", errno);
  file.lock();
  const std::string before = file.read_all();
  const Addition added = addition(before, path, found, today());
  if (added.cases > 0) file.append(added.text, before.size());
  return added.cases;
}

}  // namespace truenorm::oracle
