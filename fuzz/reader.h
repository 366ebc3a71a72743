// The bytes of an input, in order.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "finding.h"

namespace truenorm::fuzz {

/// Zeros stand behind the end.
class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(bytes) {}

  bool done() const { return at_ >= bytes_.size(); }
  std::uint8_t byte() { return at_ < bytes_.size() ? bytes_[at_++] : std::uint8_t{0}; }
  std::size_t below(std::size_t count) { return byte() % count; }

  /// The lowest byte first.
  template <class Word>
  Word word() {
    Word value = 0;
    for (std::size_t k = 0; k < sizeof(Word); ++k)
      value = static_cast<Word>(value | static_cast<Word>(Word{byte()} << (8 * k)));
    return value;
  }
  float f32() { return std::bit_cast<float>(word<std::uint32_t>()); }
  double f64() { return std::bit_cast<double>(word<std::uint64_t>()); }

 private:
  Bytes bytes_;
  std::size_t at_ = 0;
};

}  // namespace truenorm::fuzz
