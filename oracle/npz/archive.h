// numpy's .npz: a zip archive of .npy files.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "npy.h"

struct zip;

namespace truenorm::oracle {

/// What is wrong with a file of arrays: "f.npz: x: ...", and what would be right.
struct NpzError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The arrays of a file, stored or deflated. Headers are read when it is opened, elements when they
/// are asked for; nothing is allocated by what the file claims of itself alone.
class Archive {
 public:
  struct Array {
    std::string name;  // without ".npy"
    npy::Parsed parsed;
    std::uint64_t index = 0;  // in the archive
  };

  /// Throws NpzError, as all that follows does.
  explicit Archive(const std::string& path);

  const std::vector<Array>& arrays() const { return arrays_; }
  const Array* find(std::string_view name) const;
  std::vector<double> numbers(const Array&) const;
  std::string text(const Array&) const;
  [[noreturn]] void fail(const std::string& what) const;  // "f.npz: what"
  [[noreturn]] void fail(const Array&, const std::string& what) const;

 private:
  struct Close {
    void operator()(zip*) const;
  };
  std::string start_of(const Array&) const;
  std::string data(const Array&) const;

  std::string path_;
  std::unique_ptr<zip, Close> zip_;
  std::vector<Array> arrays_;
};

}  // namespace truenorm::oracle
