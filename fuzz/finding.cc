#include "finding.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "numbers.h"

namespace truenorm::fuzz {
namespace {

std::string hex(Bytes bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

/// A name for the file of a finding: the same for the same key.
std::string file_name(const std::string& key) {
  std::uint64_t hash = 0;
  for (const char c : key) hash = oracle::mix(hash ^ static_cast<unsigned char>(c));
  char text[32];
  std::snprintf(text, sizeof text, "%016llx.json", static_cast<unsigned long long>(hash));
  return text;
}

}  // namespace

void write_whole(const std::string& path, const std::string& text) {
  const std::string temporary = path + "." + std::to_string(getpid()) + ".part";
  std::FILE* file = std::fopen(temporary.c_str(), "wb");
  const bool written =
      file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool closed = file == nullptr || std::fclose(file) == 0;
  if (written && closed && std::rename(temporary.c_str(), path.c_str()) == 0) return;
  const int why = errno;
  std::remove(temporary.c_str());
  throw std::runtime_error("cannot write " + path + ": " + std::strerror(why));
}

std::string read_whole(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr)
    throw std::runtime_error("cannot read " + path + ": " + std::strerror(errno));
  std::string bytes;
  char block[4096];
  for (std::size_t n; (n = std::fread(block, 1, sizeof block, file)) != 0;) bytes.append(block, n);
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) throw std::runtime_error("cannot read " + path);
  return bytes;
}

Findings::Findings(std::string target, std::string folder)
    : target_(std::move(target)), folder_(std::move(folder)) {}

void Findings::tell(const Finding& f, Bytes input) {
  ++count_;
  const std::string key = f.subject + '/' + f.verdict + '/' + f.reason + '/' + f.kernel;
  if (!told_.insert(key).second) return;
  const nlohmann::ordered_json json{
      {"target", target_},  {"subject", f.subject}, {"verdict", f.verdict}, {"reason", f.reason},
      {"kernel", f.kernel}, {"case", f.line},       {"detail", f.detail},   {"input", hex(input)}};
  const std::string text =
      json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
  std::fprintf(stderr, "truenorm: finding: %s", text.c_str());
  if (folder_.empty()) std::abort();
  write_whole(folder_ + '/' + file_name(key), text);
}

}  // namespace truenorm::fuzz
