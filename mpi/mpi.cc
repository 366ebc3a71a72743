#include "truenorm/mpi.h"

#include <algorithm>
#include <new>
#include <thread>

namespace truenorm {

namespace {

/// Values of a rank in one message: counts are int, and the room stays small.
constexpr std::int64_t most = std::int64_t{1} << 14;

bool mpi_runs() noexcept {
  int begun = 0, ended = 0;
  return MPI_Initialized(&begun) == MPI_SUCCESS && MPI_Finalized(&ended) == MPI_SUCCESS &&
         begun != 0 && ended == 0;
}

}  // namespace

MpiCommunicator::MpiCommunicator(MPI_Comm ranks, std::chrono::milliseconds patience) noexcept
    : patience_(patience) {
  if (!mpi_runs() || MPI_Comm_dup(ranks, &ranks_) != MPI_SUCCESS) return;
  if (MPI_Comm_set_errhandler(ranks_, MPI_ERRORS_RETURN) != MPI_SUCCESS ||
      MPI_Comm_size(ranks_, &size_) != MPI_SUCCESS) {
    return;
  }
  room_.reset(new (std::nothrow) double[static_cast<std::size_t>(most * (1 + size_))]);
  lost_ = room_ == nullptr;
}

MpiCommunicator::~MpiCommunicator() {
  if (!lost_) {
    if (mpi_runs()) MPI_Comm_free(&ranks_);
    return;
  }
  (void)room_.release();  // what is under way cannot be taken back
}

bool MpiCommunicator::gather(int count) noexcept {
  MPI_Request request = MPI_REQUEST_NULL;
  if (MPI_Iallgather(room_.get(), count, MPI_DOUBLE, room_.get() + count, count, MPI_DOUBLE, ranks_,
                     &request) != MPI_SUCCESS) {
    return false;
  }
  const auto end = std::chrono::steady_clock::now() + patience_;
  for (;;) {
    int done = 0;
    if (MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) return false;
    if (done != 0) return true;
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
}

bool MpiCommunicator::all_gather(const double* mine, std::int64_t count, double* all) noexcept {
  if (lost_) return false;
  for (std::int64_t first = 0; first < count; first += most) {
    const std::int64_t piece = std::min(most, count - first);
    std::copy_n(mine + first, piece, room_.get());
    if (!gather(static_cast<int>(piece))) {
      lost_ = true;
      return false;
    }
    for (std::int64_t rank = 0; rank < size_; ++rank) {
      std::copy_n(room_.get() + (1 + rank) * piece, piece, all + rank * count + first);
    }
  }
  return true;
}

}  // namespace truenorm
