// Arbitrary text: the parser.
#include "text_target.h"

truenorm::fuzz::ByteTarget truenorm::fuzz::make_byte_target(const Options&) {
  return {"text_fuzz", look_at_text};
}
