// Arbitrary text: the parser.
#include "text.h"
#include "text_target.h"

truenorm::fuzz::ByteTarget truenorm::fuzz::make_byte_target(const Options&) {
  return {.name = "text_fuzz", .look = look_at_text, .input_of = [](const oracle::Case& c) {
            const std::string line = oracle::print(c);
            return std::vector<std::uint8_t>(line.begin(), line.end());
          }};
}
