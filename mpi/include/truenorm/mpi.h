// The ranks of an MPI program, for sync_batch_norm.h.
#ifndef TRUENORM_MPI_H_
#define TRUENORM_MPI_H_

#include <mpi.h>

#include <chrono>
#include <cstdint>
#include <memory>

#include "truenorm/sync_batch_norm.h"

namespace truenorm {

/// All ranks of an MPI communicator.
///
///   MPI_Init(nullptr, nullptr);
///   MpiCommunicator ranks(MPI_COMM_WORLD);
///   ... sync_forward(context, ranks, layer, x, y) ...
///
/// Made between MPI_Init and MPI_Finalize by all ranks together, and destroyed so. It duplicates the
/// communicator: its messages meet no others. All calls come from one thread, the one that called
/// MPI_Init unless MPI_THREAD_SERIALIZED is provided; the threads of a Context call no MPI.
///
/// A rank that is killed, or ends without MPI_Finalize, ends the job: that is mpirun's doing. One
/// that lives and makes no such call is waited for no longer than `patience`; then this communicator
/// is lost, on the ranks that waited, for good.
class MpiCommunicator final : public Communicator {
 public:
  /// torch.distributed waits as long.
  static constexpr std::chrono::milliseconds default_patience = std::chrono::minutes(30);

  /// Before MPI_Init or after MPI_Finalize, or where MPI refuses: lost.
  explicit MpiCommunicator(MPI_Comm ranks,
                           std::chrono::milliseconds patience = default_patience) noexcept;
  ~MpiCommunicator() override;
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;

  [[nodiscard]] int size() const noexcept override { return size_; }
  [[nodiscard]] bool all_gather(const double* mine, std::int64_t count,
                                double* all) noexcept override;

 private:
  /// Everyone's `count` values of room_ to what stands behind them there.
  bool gather(int count) noexcept;

  MPI_Comm ranks_ = MPI_COMM_NULL;
  int size_ = 1;
  std::chrono::milliseconds patience_;
  bool lost_ = true;
  /// A piece of a message, and everyone's. When patience has ended, MPI may still write there.
  std::unique_ptr<double[]> room_;
};

}  // namespace truenorm

#endif  // TRUENORM_MPI_H_
