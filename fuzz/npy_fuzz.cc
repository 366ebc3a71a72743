// The header of a numpy array: what check reads of others' files.
#include "npy_target.h"

truenorm::fuzz::ByteTarget truenorm::fuzz::make_byte_target(const Options&) {
  return {"npy_fuzz", look_at_npy};
}
