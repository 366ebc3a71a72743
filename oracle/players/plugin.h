// A user's shared library, opened and looked at.
#pragma once

#include <string>

#include "truenorm_plugin.h"

namespace truenorm::oracle {

/// One of its tables, checked: of the right ABI and size, and with all functions that are not
/// optional. Tables live as long as the process.
struct Plugin {
  const truenorm_kernel_v1* kernel = nullptr;
  const truenorm_layer_v1* layer = nullptr;  // set where `kernel` is not
  std::string version() const;               // "kernel NAME" or "layer NAME"
};

/// `spec`: PATH.so, or PATH.so:layer for the layer of a library that has both. Throws
/// std::invalid_argument that says what is wrong with the library.
Plugin open_plugin(const std::string& spec);

}  // namespace truenorm::oracle
