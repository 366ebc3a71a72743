// A rank of an MPI job, for mpi_test.
//   mpi_ranks cases COUNT    plays COUNT generated cases and the smoke corpus with its peers: the bits
//                            must be those of ranks that are threads, and those right
//   mpi_ranks bits           one line that tells the bits of a batch in blocks, whoever has them
//   mpi_ranks refuse RANK    RANK passes a bad view; all must say so, and go on
//   mpi_ranks kill RANK      RANK is killed between its calls
//   mpi_ranks exit RANK      RANK ends without MPI_Finalize
//   mpi_ranks absent RANK    RANK lives and makes no call: the others must be told
// Status 0: all was as it should be.
#include <mpi.h>
#include <truenorm/mpi.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "numbers.h"
#include "played.h"
#include "ranks.h"

namespace truenorm::props {
namespace {

using oracle::Case;
using oracle::Inputs;

struct Job {
  int rank = 0, size = 1;
  MpiCommunicator ranks;
  explicit Job(std::chrono::milliseconds patience) : ranks(MPI_COMM_WORLD, patience) {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
  }
};

/// 1 if this rank's bits are not those of its double among threads, or not right.
int play(Job& job, const Case& any) {
  const Case c = for_ranks(any);
  const Inputs inputs = make_inputs(c);
  int wrong = 0;
  for (const std::int64_t images : {0, 2}) {
    const Table table{job.size, images};
    const RankPlay mine = play_rank(c, inputs, table, job.rank, job.ranks);
    const auto threads = play_ranks(c, inputs, table);
    std::string why = difference(mine.trace, threads[static_cast<std::size_t>(job.rank)].trace);
    if (why.empty()) why = complaint(c, inputs, table, threads);
    if (why.empty()) continue;
    std::printf("rank %d: %s: %s\n", job.rank, print(c).c_str(), why.c_str());
    wrong = 1;
  }
  return wrong;
}

int play_cases(Job& job, int count) {
  std::vector<Case> cases = oracle::corpus("smoke.cases");
  for (int i = 0; i < count; ++i)
    cases.push_back(oracle::sample(23, static_cast<std::uint64_t>(i)));
  int wrong = 0, all = 0, played = 0;
  for (const Case& c : cases) {
    if (c.exec && c.exec->isa != oracle::Isa::best && c.exec->isa != oracle::Isa::scalar) continue;
    wrong += play(job, c);
    ++played;
  }
  MPI_Allreduce(&wrong, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  if (job.rank == 0) std::printf("%d ranks, %d cases, %d wrong\n", job.size, played, all);
  return all != 0 || played == 0;
}

/// Hashes of y and dx add up over ranks in any order; what all ranks have is told by rank 0.
int tell_bits(Job& job) {
  const Case c = oracle::with_exec("tn1 n24c5s7x3 f32 x=normal(100,1) run=TBTB@13E seed=6 | nhwc");
  const Inputs inputs = make_inputs(c);
  const Table table{job.size, 2};
  const RankPlay mine = play_rank(c, inputs, table, job.rank, job.ranks);
  std::uint64_t hash = 0, all = 0;
  const auto add = [&](std::uint64_t place, double value) {
    hash ^= oracle::mix(oracle::mix(place) + std::bit_cast<std::uint64_t>(value));
  };
  for (std::size_t i = 0; i < mine.trace.steps.size(); ++i) {
    const oracle::StepTrace& s = mine.trace.steps[i];
    const auto first =
        static_cast<std::uint64_t>(table.shares(c, i)[static_cast<std::size_t>(job.rank)].begin *
                                   c.problem.shape.c * c.problem.shape.plane());
    for (const std::vector<double>* part : {&s.y, &s.dx})
      for (std::size_t k = 0; k < part->size(); ++k) add((i << 40) + first + k, (*part)[k]);
    if (job.rank != 0) continue;
    for (const std::vector<double>* whole :
         {&s.save_mean, &s.save_invstd, &s.running_mean, &s.running_var})
      for (std::size_t k = 0; k < whole->size(); ++k)
        add((i << 40) + (1ULL << 39) + k, (*whole)[k]);
  }
  MPI_Allreduce(&hash, &all, 1, MPI_UINT64_T, MPI_BXOR, MPI_COMM_WORLD);
  if (job.rank == 0) std::printf("bits %016llx\n", static_cast<unsigned long long>(all));
  return mine.trace.outcome != oracle::Outcome::played;
}

/// A training step of a few values; null data where `bad`.
SyncStatus step(Job& job, BatchNorm& layer, bool bad = false) {
  std::array<float, 6> x{1, 2, 3, 5, 8, 13}, y{};
  Context context;
  return sync_forward(context, job.ranks, layer,
                      contiguous(bad ? nullptr : x.data(), Dtype::f32, {3, 2}),
                      contiguous(y.data(), Dtype::f32, {3, 2}));
}

int refuse(Job& job, int who) {
  BatchNorm layer({.num_features = 2});
  const SyncStatus bad = step(job, layer, job.rank == who), good = step(job, layer);
  std::printf("rank %d is told: rank %d: %s; then: %s\n", job.rank, bad.rank, bad.message(),
              good.message());
  const SyncStatus expected{SyncStatus::Fault::refused, {Code::null_data, Argument::x}, who};
  return !(bad == expected && good.ok() && layer.num_batches_tracked() == 1);
}

/// Steps until rank `who` is gone; the machinery that started the job is to end it.
int lose(Job& job, int who, bool by_signal) {
  BatchNorm layer({.num_features = 2});
  for (int i = 0; i < 5; ++i)
    if (!step(job, layer).ok()) return 1;
  if (job.rank == who && by_signal) std::raise(SIGKILL);
  if (job.rank == who) _exit(9);
  const SyncStatus status = step(job, layer);
  std::printf("rank %d: %s\n", job.rank, status.message());
  std::fflush(stdout);
  if (status.fault != SyncStatus::Fault::lost) std::puts("not told");
  MPI_Abort(MPI_COMM_WORLD, 3);
  return 3;
}

int absent(Job& job, int who) {
  BatchNorm layer({.num_features = 2});
  if (!step(job, layer).ok()) return 1;
  if (job.rank == who) {
    std::this_thread::sleep_for(std::chrono::seconds(60));
    return 1;
  }
  const bool told = step(job, layer).fault == SyncStatus::Fault::lost &&
                    step(job, layer).fault == SyncStatus::Fault::lost &&
                    layer.num_batches_tracked() == 1;
  std::printf("rank %d %s\n", job.rank, told ? "is told of a loss" : "IS NOT TOLD");
  std::fflush(stdout);
  std::this_thread::sleep_for(std::chrono::seconds(1));  // until the others have been
  MPI_Abort(MPI_COMM_WORLD, told ? 3 : 1);
  return 1;
}

int run(std::string_view verb, int number) {
  Job job(verb == "absent" ? std::chrono::milliseconds(1500) : MpiCommunicator::default_patience);
  if (verb == "cases") return play_cases(job, number);
  if (verb == "bits") return tell_bits(job);
  if (verb == "refuse") return refuse(job, number);
  if (verb == "kill" || verb == "exit") return lose(job, number, verb == "kill");
  if (verb == "absent") return absent(job, number);
  std::fprintf(stderr, "mpi_ranks: no such verb\n");
  return 2;
}

}  // namespace
}  // namespace truenorm::props

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const int status =
      argc < 2 ? 2 : truenorm::props::run(argv[1], argc < 3 ? 0 : std::atoi(argv[2]));
  MPI_Finalize();
  return status;
}
