#include "archive.h"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
namespace truenorm::oracle {
namespace {

constexpr zip_int64_t kMaxArrays = 64;  // more than there are names
constexpr std::string_view kExtension = ".npy";

std::string words_of(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string words = zip_error_strerror(&error);
  zip_error_fini(&error);
  return words;
}

/// An entry of an archive in reading. What libzip finds wrong with it is thrown as a text.
class Entry {
 public:
  Entry(zip_t* archive, zip_uint64_t index) : file_(zip_fopen_index(archive, index, 0)) {
    if (file_ == nullptr) throw std::runtime_error(zip_error_strerror(zip_get_error(archive)));
  }
  ~Entry() { zip_fclose(file_); }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  /// Up to `size` bytes: fewer at the end of the entry, where libzip compares its checksum.
  std::string read(std::size_t size) {
    std::string bytes(size, '\0');
    std::size_t done = 0;
    while (done < size) {
      const zip_int64_t got = zip_fread(file_, bytes.data() + done, size - done);
      if (got < 0) throw std::runtime_error(zip_error_strerror(zip_file_get_error(file_)));
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    bytes.resize(done);
    return bytes;
  }

 private:
  zip_file_t* file_;
};

/// Why a file is no archive, as far as its first bytes tell.
std::string mistaken(const std::string& path, const std::string& otherwise) {
  std::array<char, 6> start{};
  std::ifstream(path, std::ios::binary).read(start.data(), start.size());
  if (std::string_view(start.data(), start.size()) == "\x93NUMPY")
    return "one array without a name; numpy.savez('f.npz', x=x, y=y, ...) was expected";
  return otherwise;
}

}  // namespace

void Archive::Close::operator()(zip* archive) const { zip_discard(archive); }

void Archive::fail(const std::string& what) const {
  throw NpzError(fmt::format("{}: {}", path_, what));
}

void Archive::fail(const Array& array, const std::string& what) const {
  fail(fmt::format("{}: {}", array.name, what));
}

Archive::Archive(const std::string& path) : path_(path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) fail("is a directory; a file was expected");
  int code = 0;
  zip_.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (!zip_ && code == ZIP_ER_OPEN) fail(std::strerror(errno));
  if (!zip_) fail(mistaken(path, fmt::format("no archive of arrays: {}", words_of(code))));
  const zip_int64_t count = zip_get_num_entries(zip_.get(), 0);
  if (count <= 0) fail("no archive of arrays: there is nothing in it");
  if (count > kMaxArrays)
    fail(fmt::format("{} arrays; {} at most were expected", count, kMaxArrays));
  for (zip_int64_t i = 0; i < count; ++i) {
    Array array;
    array.index = static_cast<zip_uint64_t>(i);
    const char* const name = zip_get_name(zip_.get(), array.index, 0);
    array.name = name != nullptr ? name : "";
    if (!array.name.ends_with(kExtension))
      fail(fmt::format("'{}' in it is no array; names that end in .npy were expected", array.name));
    array.name.resize(array.name.size() - kExtension.size());
    if (find(array.name) != nullptr) fail(array, "stands twice in the archive");
    try {
      array.parsed = npy::parse(start_of(array));
    } catch (const npy::Error& e) {
      fail(array, e.what());
    }
    arrays_.push_back(std::move(array));
  }
}

const Archive::Array* Archive::find(std::string_view name) const {
  const auto at = std::find_if(arrays_.begin(), arrays_.end(),
                               [&](const Array& array) { return array.name == name; });
  return at != arrays_.end() ? &*at : nullptr;
}

std::string Archive::start_of(const Array& array) const {
  try {
    return Entry(zip_.get(), array.index).read(npy::kMaxHeader + 12);
  } catch (const std::runtime_error& e) {
    fail(array, fmt::format("cannot be read: {}", e.what()));
  }
}

// The size that the archive states is compared with what the header makes of it before there is memory
// for either; then the entry must end there, whatever was stated.
std::string Archive::data(const Array& array) const {
  const npy::Parsed& p = array.parsed;
  const auto bytes = static_cast<std::size_t>(p.header.bytes());
  const auto claims = [&](const std::string& has) {
    fail(array, fmt::format("byte {}: {} {} takes {} bytes, and {} there", p.size, p.header.dtype(),
                            npy::print_shape(p.header.shape), bytes, has));
  };
  zip_stat_t stat;
  zip_stat_init(&stat);
  if (zip_stat_index(zip_.get(), array.index, 0, &stat) == 0 && (stat.valid & ZIP_STAT_SIZE) != 0 &&
      stat.size != p.size + bytes)
    claims(stat.size < p.size ? "none are" : fmt::format("{} are", stat.size - p.size));
  try {
    Entry entry(zip_.get(), array.index);
    entry.read(p.size);
    std::string read = entry.read(bytes);
    if (read.size() < bytes) claims(fmt::format("{} are", read.size()));
    if (!entry.read(1).empty()) claims("more are");
    return read;
  } catch (const NpzError&) {
    throw;
  } catch (const std::runtime_error& e) {
    fail(array, fmt::format("cannot be read: {}", e.what()));
  }
}

std::vector<double> Archive::numbers(const Array& array) const {
  const npy::Header& h = array.parsed.header;
  if (!npy::is_number(h)) fail(array, fmt::format("{} elements; numbers were expected", h.dtype()));
  try {
    return npy::numbers(array.parsed, data(array));
  } catch (const npy::Error& e) {
    fail(array, e.what());
  }
}

std::string Archive::text(const Array& array) const {
  const npy::Header& h = array.parsed.header;
  if ((h.kind != 'S' && h.kind != 'U') || h.count() != 1)
    fail(array, fmt::format("{} {}; one text was expected", h.dtype(), npy::print_shape(h.shape)));
  try {
    return npy::text(array.parsed, data(array));
  } catch (const npy::Error& e) {
    fail(array, e.what());
  }
}

}  // namespace truenorm::oracle
