// Normalizes four values of one channel with an installed Truenorm.
#include <array>
#include <cstdio>

#include "truenorm/batch_norm.h"

int main() {
  std::array<float, 4> x = {1, 2, 3, 4}, y = {};
  truenorm::BatchNorm layer({.num_features = 1});
  truenorm::Context context(2);
  const auto view = [](auto& v) {
    return truenorm::contiguous(v.data(), truenorm::Dtype::f32, {4, 1});
  };
  const truenorm::Status status = layer.forward(context, view(x), view(y));
  std::printf("%s: %.4f %.4f %.4f %.4f\n", status.message(), y[0], y[1], y[2], y[3]);
  return status.ok() && y[0] == -y[3] && y[3] > 1.34F && y[3] < 1.35F ? 0 : 1;
}
