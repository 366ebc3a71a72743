// truenorm-libtorch: answers cases on standard input and output with LibTorch, until end of file.
#include <unistd.h>

#include "../remote.h"
#include "libtorch.h"

int main() {
  const auto player = truenorm::oracle::make_libtorch();
  const int status = truenorm::oracle::serve(*player, STDIN_FILENO, STDOUT_FILENO);
  _exit(status);  // LibTorch's static destructors have nothing to add
}
