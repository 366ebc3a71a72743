// numpy's .npy: the header of one array, and its elements as numbers.
// Source: NEP 1 and numpy.lib.format, versions 1.0, 2.0 and 3.0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace truenorm::oracle::npy {

/// What is wrong, at which byte of the .npy, and what was expected there.
struct Error : std::runtime_error {
  Error(std::size_t at, const std::string& what)
      : std::runtime_error("byte " + std::to_string(at) + ": " + what), byte(at) {}
  std::size_t byte;  // from 0
};

inline constexpr std::size_t kMaxHeader = 10000;  // bytes of text; numpy's own limit
inline constexpr std::size_t kMaxRank = 32;       // numpy's
inline constexpr std::int64_t kMaxItem = 1024;    // bytes of an element, characters of a text

/// An array: what its elements are, and how many.
struct Header {
  char kind = 'f';        // numpy's letter: b i u f c, S U (text), V (raw bytes), O (objects)
  std::int64_t item = 4;  // bytes of an element; of U characters
  bool big = false;       // byte order; false where there is none
  bool fortran = false;   // the first index runs fastest in memory
  std::vector<std::int64_t> shape;  // empty: one value

  std::int64_t count() const;  // of elements, at most kMaxElements
  std::int64_t item_bytes() const { return kind == 'U' ? 4 * item : item; }
  std::int64_t bytes() const { return count() * item_bytes(); }
  std::string dtype() const;  // as numpy names it: "float32", ">f4", "<U5"
  friend bool operator==(const Header&, const Header&) = default;
};

/// (2, 3), (5,) or (), as Python writes it.
std::string print_shape(const std::vector<std::int64_t>&);

struct Parsed {
  Header header;
  std::size_t size = 0;  // bytes before the first element
  int version = 1;
};

/// The header at the beginning of a .npy; what stands behind it is not looked at. Nothing is allocated
/// by what the header claims. Throws Error: also for more than kMaxElements elements, and for
/// structured dtypes.
Parsed parse(std::string_view npy);

/// As numpy writes it: keys sorted, a multiple of 64 bytes. Law: parse(print(h, v)).header == h.
std::string print(const Header&, int version = 1);

/// The kinds that numbers() reads: b, i, u, f of 2, 4 or 8 bytes, and V2 as bfloat16.
bool is_number(const Header&);

/// Elements in C order (the last index runs fastest) as doubles, from the bytes behind the header,
/// which must be `bytes()` in number. Throws Error where these are no numbers.
std::vector<double> numbers(const Parsed&, std::string_view data);

/// The text of an S or U array of one value, without the zeros at its end; what is not ASCII becomes
/// '?'. Throws Error for other arrays.
std::string text(const Parsed&, std::string_view data);

}  // namespace truenorm::oracle::npy
