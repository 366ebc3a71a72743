// Files of arrays for tests, by libzip.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>
#include <zip.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "data.h"
#include "npz/archive.h"
#include "npz/npy.h"

namespace truenorm::props {

/// How an array lies in its file.
struct Form {
  bool big = false, fortran = false, deflated = false;
  int version = 1;
};

/// An array of a dtype, of values in C order; bf16 as numpy has it: V2.
inline std::string npy_of(oracle::Dtype dtype, std::vector<std::int64_t> shape,
                          const std::vector<double>& values, const Form& form = {}) {
  oracle::npy::Header h;
  h.kind = dtype == oracle::Dtype::bf16 ? 'V' : 'f';
  h.item = static_cast<std::int64_t>(oracle::size_of(dtype));
  h.big = form.big && h.kind == 'f';
  h.fortran = form.fortran;
  h.shape = std::move(shape);
  std::string npy = oracle::npy::print(h, form.version);
  const auto item = static_cast<std::size_t>(h.item);
  const std::size_t begin = npy.size();
  npy.resize(begin + values.size() * item);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::size_t place = 0, rest = i, all = values.size(), below = 1;
    for (const std::int64_t size : h.shape) {  // Fortran's place of C's index
      all /= static_cast<std::size_t>(size);
      place += rest / all * below;
      rest %= all;
      below *= static_cast<std::size_t>(size);
    }
    char* const to = npy.data() + begin + (form.fortran ? place : i) * item;
    oracle::store(dtype, values[i], to);
    if (h.big) std::reverse(to, to + item);
  }
  return npy;
}

inline std::string npy_of(double value) { return npy_of(oracle::Dtype::f64, {}, {value}); }

inline std::string npy_of(const std::string& text) {
  oracle::npy::Header h{'U', static_cast<std::int64_t>(text.size()), false, false, {}};
  std::string npy = oracle::npy::print(h);
  for (const char c : text) npy += {c, '\0', '\0', '\0'};
  return npy;
}

/// Names, with ".npy" where they have it, and contents.
using Entries = std::vector<std::pair<std::string, std::string>>;

inline std::string scratch_file() {
  return testing::TempDir() + "truenorm-npz-" + std::to_string(getpid()) + ".npz";
}

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_zip(const std::string& path, const Entries& entries, bool deflated = false) {
  int code = 0;
  zip_t* const zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  if (zip == nullptr) throw std::runtime_error(path + ": cannot be written");
  for (const auto& [name, bytes] : entries) {
    zip_source_t* const source = zip_source_buffer(zip, bytes.data(), bytes.size(), 0);
    const zip_int64_t at = zip_file_add(zip, name.c_str(), source, ZIP_FL_ENC_UTF_8);
    zip_set_file_compression(zip, static_cast<zip_uint64_t>(at),
                             deflated ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0);
  }
  if (zip_close(zip) != 0) throw std::runtime_error(path + ": cannot be written");
}

/// What a file is refused for, without its path; empty: it is read.
template <class Read>
std::string complaint(const std::string& path, Read&& read) {
  try {
    read(oracle::Archive(path));
    return {};
  } catch (const oracle::NpzError& e) {
    const std::string what = e.what();
    EXPECT_TRUE(what.starts_with(path + ": ")) << what;
    return what.substr(path.size() + 2);
  }
}

}  // namespace truenorm::props
