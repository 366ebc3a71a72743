// One batch, of which each rank of an MPI job has a part: rank r has r + 1 of the values 0, 1, 2, ...
//   mpirun -n 3 ranks
#include <cstdio>
#include <vector>

#include "truenorm/mpi.h"

namespace {

int step(int rank) {
  truenorm::MpiCommunicator ranks(MPI_COMM_WORLD);
  truenorm::Context context;
  truenorm::BatchNorm layer({.num_features = 1});
  std::vector<float> x, y(static_cast<std::size_t>(rank) + 1);
  for (int i = 0; i <= rank; ++i) x.push_back(static_cast<float>(rank * (rank + 1) / 2 + i));
  const auto view = [](std::vector<float>& v) {
    const auto count = static_cast<std::int64_t>(v.size());
    return truenorm::contiguous(v.data(), truenorm::Dtype::f32, {count, 1});
  };
  const truenorm::SyncStatus status = sync_forward(context, ranks, layer, view(x), view(y));
  if (!status.ok()) {
    std::fprintf(stderr, "rank %d: by rank %d: %s\n", rank, status.rank, status.message());
    return 1;
  }
  for (std::size_t i = 0; i < x.size(); ++i)
    std::printf("rank %d: %4.1f becomes %7.4f\n", rank, static_cast<double>(x[i]),
                static_cast<double>(y[i]));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const int status = step(rank);
  MPI_Finalize();
  return status;
}
