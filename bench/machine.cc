#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "oracle/place.h"
#include "oracle/words.h"
#include "report.h"

namespace truenorm::bench {
namespace {

/// The value of the first line that begins with the key.
std::string value_of(const char* file, std::string_view key, std::string_view drop) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t begin = line.find_first_not_of(drop, key.size());
    if (begin == std::string::npos) return {};
    return line.substr(begin, line.find_last_not_of(drop) - begin + 1);
  }
  return {};
}

/// The tree that this program was built from, as git names it; an installed one does not know.
void ask_git(Machine& m) {
  constexpr std::string_view kDirty = "-dirty";
  const std::filesystem::path build = oracle::build_folder();
  if (build.empty()) return;
  const std::string source =
      value_of((build / "CMakeCache.txt").c_str(), "CMAKE_HOME_DIRECTORY:INTERNAL=", "");
  const std::string command = "git -C " + oracle::shell_word(source) +
                              " describe --always --dirty --exclude='*' --abbrev=12 2>/dev/null";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  char text[80] = {};
  if (!pipe || std::fgets(text, sizeof text, pipe.get()) == nullptr) return;
  std::string line(text);
  while (!line.empty() && line.back() == '\n') line.pop_back();
  if (line.empty()) return;
  m.dirty = line.ends_with(kDirty);
  if (*m.dirty) line.resize(line.size() - kDirty.size());
  m.commit = line;
}

/// What sets the cores' frequencies, each policy once.
std::optional<std::string> governor() {
  std::set<std::string> all;
  for (unsigned cpu = 0; cpu < std::thread::hardware_concurrency(); ++cpu) {
    std::ifstream in("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                     "/cpufreq/scaling_governor");
    if (std::string word; in >> word) all.insert(word);
  }
  std::optional<std::string> text;
  for (const std::string& word : all) text = text ? *text + "," + word : word;
  return text;
}

}  // namespace

Machine this_machine() {
  Machine m;
  m.cpu = value_of("/proc/cpuinfo", "model name", " \t:");
  m.logical_cpus = std::thread::hardware_concurrency();
  m.l1 = sysconf(_SC_LEVEL1_DCACHE_SIZE);
  m.l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
  m.l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
  m.os = value_of("/etc/os-release", "PRETTY_NAME=", "\"");
  if (utsname name{}; uname(&name) == 0) {
    if (m.cpu.empty()) m.cpu = name.machine;
    m.os += std::string(m.os.empty() ? "" : ", ") + name.sysname + " " + name.release;
  }
#ifdef __clang__
  m.compiler = "clang " __clang_version__;
#else
  m.compiler = "GCC " __VERSION__;
#endif
  m.flags = TRUENORM_FLAGS;
  m.memory = std::int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGE_SIZE);
  m.governor = governor();
  if (double load = 0; getloadavg(&load, 1) == 1) m.load = load;
  ask_git(m);
  return m;
}

}  // namespace truenorm::bench
