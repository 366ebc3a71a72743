#include "npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "../case.h"
#include "../data.h"

namespace truenorm::oracle::npy {
namespace {

using namespace std::string_literals;

constexpr std::string_view kMagic = "\x93NUMPY";

std::string quoted(std::string_view text) {
  std::string clean;
  for (const char c : text.substr(0, 40)) clean += c >= 0x20 && c < 0x7f ? c : '?';
  return "'" + clean + (text.size() > 40 ? "...'" : "'");
}

/// The header's text, a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
class Cursor {
 public:
  Cursor(std::string_view text, std::size_t first) : text_(text), first_(first) {}

  std::size_t byte() const { return first_ + at_; }
  bool done() const { return at_ == text_.size(); }
  [[noreturn]] void fail(const std::string& expected) const {
    const std::string found = done() ? "the header ends" : quoted(text_.substr(at_, 1)) + " stands";
    throw Error(byte(), found + " where " + expected + " was expected");
  }

  void blanks() {
    while (!done() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool take(char c) {
    blanks();
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(quoted({&c, 1}));
  }

  std::string_view string(const std::string& what) {
    blanks();
    const char quote = done() ? '\0' : text_[at_];
    if (quote != '\'' && quote != '"') fail(what);
    const std::size_t begin = at_ + 1, end = text_.find(quote, begin);
    if (end == text_.npos) fail("a string that ends");
    at_ = end + 1;
    return text_.substr(begin, end - begin);
  }

  bool boolean() {
    blanks();
    for (const auto& [word, value] : {std::pair{"True", true}, std::pair{"False", false}}) {
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += std::strlen(word);
      return value;
    }
    fail("True or False");
  }

  std::int64_t size() {
    blanks();
    std::int64_t value = 0;
    const char* const end = text_.data() + text_.size();
    const auto [rest, error] = std::from_chars(text_.data() + at_, end, value);
    if (error == std::errc::invalid_argument) fail("a size");
    if (error != std::errc{} || value > kMaxElements)
      throw Error(byte(), "a size of more than " + std::to_string(kMaxElements));
    if (value < 0) throw Error(byte(), "a negative size");
    at_ = static_cast<std::size_t>(rest - text_.data());
    return value;
  }

 private:
  std::string_view text_;
  std::size_t first_, at_ = 0;
};

/// "<f4", "|b1", ">U5", "|O".
void read_dtype(Cursor& cursor, Header& header) {
  const std::size_t at = cursor.byte();
  if (cursor.take('['))
    throw Error(at, "a structured dtype; plain numbers were expected, one array for each field");
  const std::string_view text = cursor.string("the dtype, such as '<f4',");
  const auto fail = [&] { throw Error(at, quoted(text) + " is no dtype that is read here"); };
  if (text.size() < 2 || !std::strchr("<>|", text[0]) || !std::strchr("biufcSUVO", text[1])) fail();
  header.kind = text[1];
  header.item = header.kind == 'O' ? 8 : 0;
  const char* const end = text.data() + text.size();
  if (text.size() > 2 || header.kind != 'O') {
    const auto [rest, error] = std::from_chars(text.data() + 2, end, header.item);
    const bool fits =
        header.kind == 'O' ? header.item == 8 : header.item >= 0 && header.item <= kMaxItem;
    if (error != std::errc{} || rest != end || !fits) fail();
  }
  const bool ordered = header.item > 1 && std::strchr("iufc", header.kind) != nullptr;
  if (ordered && text[0] == '|') fail();
  header.big = text[0] == '>' && (ordered || header.kind == 'U');
}

void read_shape(Cursor& cursor, Header& header) {
  cursor.expect('(');
  std::int64_t count = 1;  // 0 sizes left out, so that no order of sizes hides the others
  while (!cursor.take(')')) {
    const std::size_t at = cursor.byte();
    if (header.shape.size() == kMaxRank)
      throw Error(at, "more than " + std::to_string(kMaxRank) + " sizes");
    const std::int64_t size = cursor.size();
    header.shape.push_back(size);
    count *= std::max<std::int64_t>(size, 1);
    if (count > kMaxElements)
      throw Error(at, "more than " + std::to_string(kMaxElements) + " elements");
    if (!cursor.take(',')) {
      if (header.shape.size() == 1) cursor.fail("',' (a tuple of one size)");
      cursor.expect(')');
      break;
    }
  }
}

Header read_text(std::string_view text, std::size_t first) {
  Cursor cursor(text, first);
  Header header;
  std::array<bool, 3> seen{};
  constexpr std::array<std::string_view, 3> kKeys{"descr", "fortran_order", "shape"};
  cursor.expect('{');
  while (!cursor.take('}')) {
    const std::size_t at = cursor.byte();
    const std::string_view key = cursor.string("one of 'descr', 'fortran_order', 'shape'");
    const auto known = std::find(kKeys.begin(), kKeys.end(), key);
    if (known == kKeys.end())
      throw Error(at, "key " + quoted(key) + "; 'descr', 'fortran_order' and 'shape' are");
    const auto k = static_cast<std::size_t>(known - kKeys.begin());
    if (std::exchange(seen[k], true)) throw Error(at, "key " + quoted(key) + " stands twice");
    cursor.expect(':');
    if (k == 0) read_dtype(cursor, header);
    if (k == 1) header.fortran = cursor.boolean();
    if (k == 2) read_shape(cursor, header);
    if (cursor.take(',')) continue;
    cursor.expect('}');
    break;
  }
  for (std::size_t k = 0; k < kKeys.size(); ++k)
    if (!seen[k]) throw Error(cursor.byte(), "key '" + std::string(kKeys[k]) + "' is missing");
  cursor.blanks();
  if (!cursor.done()) cursor.fail("the header's end");
  return header;
}

/// An element of the header's dtype, its bytes in this machine's order.
double number(const Header& h, const std::array<char, 8>& bytes) {
  const auto as = [&](auto value) {
    std::memcpy(&value, bytes.data(), sizeof value);
    return static_cast<double>(value);
  };
  switch (h.kind) {
    case 'f':
      return load(h.item == 2 ? Dtype::f16 : h.item == 4 ? Dtype::f32 : Dtype::f64, bytes.data());
    case 'V':
      return load(Dtype::bf16, bytes.data());
    case 'i':
      return h.item == 1   ? as(std::int8_t{})
             : h.item == 2 ? as(std::int16_t{})
             : h.item == 4 ? as(std::int32_t{})
                           : as(std::int64_t{});
    default:
      return h.item == 1   ? as(std::uint8_t{})
             : h.item == 2 ? as(std::uint16_t{})
             : h.item == 4 ? as(std::uint32_t{})
                           : as(std::uint64_t{});
  }
}

void require_bytes(const Parsed& p, std::string_view data) {
  if (data.size() != static_cast<std::size_t>(p.header.bytes()))
    throw Error(p.size, std::to_string(data.size()) + " bytes of elements where " +
                            std::to_string(p.header.bytes()) + " were expected");
}

}  // namespace

std::int64_t Header::count() const {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

std::string Header::dtype() const {
  if (kind == 'O') return "object";
  if (kind == 'V' && item == 2) return "V2";
  if (kind == 'b') return "bool";
  if (kind == 'S' || kind == 'U' || kind == 'V') return kind + std::to_string(item);
  const char* const name = kind == 'f'   ? "float"
                           : kind == 'i' ? "int"
                           : kind == 'u' ? "uint"
                                         : "complex";
  return name + std::to_string(8 * item) + (big ? " (big-endian)" : "");
}

std::string print_shape(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text += (i == 0 ? "" : " ") + std::to_string(shape[i]) + (i + 1 < shape.size() ? "," : "");
  return text + (shape.size() == 1 ? ",)" : ")");
}

Parsed parse(std::string_view npy) {
  if (!npy.starts_with(kMagic)) throw Error(0, "no .npy: it does not begin with \\x93NUMPY");
  if (npy.size() < 8) throw Error(npy.size(), "the array ends where its version was expected");
  const auto byte = [&](std::size_t i) { return std::size_t{static_cast<unsigned char>(npy[i])}; };
  const std::size_t version = byte(6), begin = version == 1 ? 10 : 12;
  if (version < 1 || version > 3 || byte(7) != 0)
    throw Error(6, "version " + std::to_string(version) + "." + std::to_string(byte(7)) +
                       "; 1.0, 2.0 or 3.0 was expected");
  if (npy.size() < begin)
    throw Error(npy.size(), "the array ends where its header's size was expected");
  std::size_t size = byte(8) + (byte(9) << 8);
  if (version > 1) size += (byte(10) << 16) + (byte(11) << 24);
  if (size > kMaxHeader)
    throw Error(8, "a header of " + std::to_string(size) + " bytes; " + std::to_string(kMaxHeader) +
                       " at most were expected");
  if (npy.size() - begin < size)
    throw Error(npy.size(),
                "the array ends within its header of " + std::to_string(size) + " bytes");
  return {read_text(npy.substr(begin, size), begin), begin + size, static_cast<int>(version)};
}

std::string print(const Header& h, int version) {
  const bool ordered = h.kind == 'U' || (h.item > 1 && std::strchr("iufc", h.kind) != nullptr);
  std::string text = "{'descr': '"s +
                     (!ordered ? '|'
                      : h.big  ? '>'
                               : '<') +
                     h.kind + (h.kind == 'O' ? "" : std::to_string(h.item)) +
                     "', 'fortran_order': " + (h.fortran ? "True" : "False") +
                     ", 'shape': " + print_shape(h.shape) + ", }";
  const std::size_t begin = version == 1 ? 10 : 12;
  text.append(63 - (begin + text.size()) % 64, ' ');
  text += '\n';
  std::string npy(kMagic);
  npy += static_cast<char>(version);
  npy += '\0';
  for (std::size_t i = 0; i < begin - 8; ++i)
    npy += static_cast<char>(text.size() >> (8 * i) & 0xff);
  return npy + text;
}

bool is_number(const Header& h) {
  const bool power = h.item == 1 || h.item == 2 || h.item == 4 || h.item == 8;
  switch (h.kind) {
    case 'b':
      return h.item == 1;
    case 'i':
    case 'u':
      return power;
    case 'f':
      return power && h.item > 1;
    case 'V':
      return h.item == 2;
    default:
      return false;
  }
}

std::vector<double> numbers(const Parsed& p, std::string_view data) {
  const Header& h = p.header;
  if (!is_number(h)) throw Error(0, h.dtype() + " elements; numbers were expected");
  require_bytes(p, data);
  const auto bytes = static_cast<std::size_t>(h.item);
  std::vector<double> values(static_cast<std::size_t>(h.count()));
  // The strides of memory, by axis; and the place in memory as the indexes run in C order.
  std::vector<std::size_t> stride(h.shape.size()), index(h.shape.size());
  std::size_t step = 1;
  for (std::size_t i = 0; i < h.shape.size(); ++i) {
    const std::size_t axis = h.fortran ? i : h.shape.size() - 1 - i;
    stride[axis] = step;
    step *= static_cast<std::size_t>(h.shape[axis]);
  }
  std::size_t place = 0;
  for (double& value : values) {
    std::array<char, 8> element{};
    std::memcpy(element.data(), data.data() + place * bytes, bytes);
    if (h.big) std::reverse(element.begin(), element.begin() + static_cast<std::ptrdiff_t>(bytes));
    value = number(h, element);
    for (std::size_t axis = h.shape.size(); axis-- > 0;) {
      place += stride[axis];
      if (++index[axis] < static_cast<std::size_t>(h.shape[axis])) break;
      place -= index[axis] * stride[axis];
      index[axis] = 0;
    }
  }
  return values;
}

std::string text(const Parsed& p, std::string_view data) {
  const Header& h = p.header;
  if ((h.kind != 'S' && h.kind != 'U') || h.count() != 1)
    throw Error(0, h.dtype() + " " + print_shape(h.shape) + "; one text was expected");
  require_bytes(p, data);
  std::string read;
  const std::size_t width = h.kind == 'U' ? 4 : 1;
  for (std::size_t i = 0; i < data.size(); i += width) {
    std::uint32_t point = 0;
    for (std::size_t k = 0; k < width; ++k)
      point = point << 8 | static_cast<unsigned char>(data[h.big ? i + k : i + width - 1 - k]);
    read += point < 0x80 ? static_cast<char>(point) : '?';
  }
  return read.substr(0, read.find_last_not_of('\0') + 1);
}

}  // namespace truenorm::oracle::npy
