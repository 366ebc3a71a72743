// A layer's training step on a small NCHW batch.
#include <cstdio>
#include <vector>

#include "truenorm/batch_norm.h"

int main() {
  using namespace truenorm;
  Context context(2);  // two threads, the best instruction set
  BatchNorm layer({.num_features = 3});
  std::vector<float> x(96), y(x.size()), dy(x.size(), 1.0f), dx(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7);
  const auto view = [](std::vector<float>& v) {
    return contiguous(v.data(), Dtype::f32, {2, 3, 4, 4});
  };

  Status status = layer.forward(context, view(x), view(y));
  if (status.ok()) status = layer.backward(context, view(dy), view(x), view(dx), {}, {});
  std::printf("%s: y[0] = %.4f, dx[0] = %.1e, %s\n", name(status.code), static_cast<double>(y[0]),
              static_cast<double>(dx[0]), status.message());
  return status.ok() ? 0 : 1;
}
