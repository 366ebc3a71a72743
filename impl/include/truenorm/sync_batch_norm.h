// Batch normalization of one batch that several processes hold in parts.
#ifndef TRUENORM_SYNC_BATCH_NORM_H_
#define TRUENORM_SYNC_BATCH_NORM_H_

#include <cstdint>

#include "truenorm/batch_norm.h"
#include "truenorm/export.h"

namespace truenorm {

/// The ranks that normalize together, numbered from 0: processes, or threads. `truenorm/mpi.h` has
/// those of MPI.
class TRUENORM_API Communicator {
 public:
  virtual ~Communicator() = default;
  /// How many ranks there are; the same on all of them.
  [[nodiscard]] virtual int size() const noexcept = 0;
  /// Collective. Every rank gives `count` values, the same count, and receives those of all ranks,
  /// rank 0's first: `all` has size()*count. False if some rank is lost, and from then on.
  [[nodiscard]] virtual bool all_gather(const double* mine, std::int64_t count,
                                        double* all) noexcept = 0;
};

/// The outcome of a call that all ranks make together: the same on each of them, unless one is lost.
struct [[nodiscard]] SyncStatus {
  enum class Fault : std::uint8_t {
    none,
    refused,  ///< `rank` refuses its arguments, for the reason that `status` has
    differs,  ///< `rank` makes another call than rank 0, or has another dtype or number of channels
    lost,     ///< a rank did not answer
  };
  Fault fault = Fault::none;
  Status status{};
  int rank = -1;  ///< the first one that is at fault; -1: none, or all together

  [[nodiscard]] constexpr bool ok() const noexcept { return fault == Fault::none; }
  /// One sentence, without the rank. Static storage; never null.
  [[nodiscard]] TRUENORM_API const char* message() const noexcept;

  friend constexpr bool operator==(SyncStatus, SyncStatus) noexcept = default;
};

/// A training forward by the statistics of the whole batch, of which x is this rank's part.
///
///   y, running_mean, running_var, num_batches_tracked and saved_* as BatchNorm::forward of the
///   batch that has the parts of all ranks, one after the other: n counts all of it
///
/// Parts may differ in all sizes but C; a part may have one value per channel, or none. Each rank
/// has a layer of its own; equal layers stay equal, to the bit. An evaluating layer (not training)
/// is BatchNorm::forward, and nobody is asked: as torch.nn.SyncBatchNorm does.
///
/// Order: a part is summed in blocks of `images` images (0: one block), the last one shorter, each as
/// BatchNorm::forward would sum it. Blocks that have values are merged by Chan's formula in double,
/// in the order of ranks and images, on every rank. So the bits depend on the list of blocks and not
/// on which rank has which, and one rank with one block has those of BatchNorm::forward.
/// Accuracy: docs/accuracy.md, "Several ranks"; props.ranks, props.mpi.
/// Cost: per block 3*C + 1 doubles to every rank, and two small messages, by which the ranks agree.
/// Source: Chan, Golub, LeVeque 1983, (2.1).
///
/// Refused on all ranks if on one, and nothing written on any: what BatchNorm::forward refuses;
/// one_value_per_channel of the whole batch (rank -1); bad_value (`images` < 0). If a rank is lost,
/// the others have written nothing, unless they had its last message. A rank that makes no call at
/// all is waited for as long as the communicator does. The call allocates its messages.
[[nodiscard]] TRUENORM_API SyncStatus sync_forward(Context& context, Communicator& communicator,
                                                   BatchNorm& layer, const ConstTensor& x,
                                                   const Tensor& y,
                                                   std::int64_t images = 0) noexcept;

/// Gradient of the last accepted forward. After a sync_forward all ranks call it, with the blocks of
/// that:
///
///   dx       this rank's part of the gradient of the whole batch
///   dweight  the sums over this rank's part alone; the gradients of the weight and the bias of the
///   dbias    whole batch are their sums over the ranks, as with torch.nn.SyncBatchNorm
///
/// Each of them may be absent on some ranks. After any other forward it is BatchNorm::backward.
/// Order, refusals and cost (2*C + 1 doubles a block) as sync_forward. BatchNorm::backward refuses
/// (no_forward) where this is called for.
[[nodiscard]] TRUENORM_API SyncStatus sync_backward(Context& context, Communicator& communicator,
                                                    const BatchNorm& layer, const ConstTensor& dy,
                                                    const ConstTensor& x, const Tensor& dx,
                                                    const Vector& dweight,
                                                    const Vector& dbias) noexcept;

}  // namespace truenorm

#endif  // TRUENORM_SYNC_BATCH_NORM_H_
