// The scene, under the names of the tests.
#pragma once

#include "../impl/testing/scene.h"

namespace truenorm::props {

using namespace calls;

}  // namespace truenorm::props
