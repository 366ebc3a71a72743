// Cases played by several ranks, each with its share of every batch: by threads of this process, or
// by anything else that is a Communicator.
#pragma once

#include <truenorm/sync_batch_norm.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "answer.h"
#include "case.h"
#include "data.h"
#include "player.h"

namespace truenorm::props {

/// Where ranks that are threads meet.
class Board {
 public:
  explicit Board(int ranks) : ranks_(ranks) {}
  /// Everyone's values, by rank; null if a rank is lost.
  std::shared_ptr<const std::vector<double>> gather(int rank, const double* mine,
                                                    std::int64_t count);
  /// Some rank will not come any more.
  void lose();
  [[nodiscard]] int ranks() const { return ranks_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int ranks_, arrived_ = 0;
  bool lost_ = false;
  std::uint64_t round_ = 0;
  std::vector<double> pending_;
  std::shared_ptr<const std::vector<double>> complete_;
};

class ThreadRank final : public Communicator {
 public:
  ThreadRank(Board& board, int rank) : board_(board), rank_(rank) {}
  [[nodiscard]] int size() const noexcept override { return board_.ranks(); }
  [[nodiscard]] bool all_gather(const double* mine, std::int64_t count,
                                double* all) noexcept override;

 private:
  Board& board_;
  int rank_;
};

/// body(rank, communicator) on as many threads.
void on_ranks(int ranks, const std::function<void(int, Communicator&)>& body);

/// Images [begin, end) of a batch.
struct Share {
  std::int64_t begin = 0, end = 0;
  [[nodiscard]] std::int64_t images() const { return end - begin; }
};

/// A batch in as many shares, cut at random between blocks of `images` images: unequal ones, empty
/// ones. The same for the same arguments.
std::vector<Share> deal(std::int64_t batch, int ranks, std::int64_t images, std::uint64_t seed);

/// How a case is played.
struct Table {
  int ranks = 1;
  std::int64_t images = 0;  // of a block; 0: a share is one
  [[nodiscard]] std::vector<Share> shares(const oracle::Case& c, std::size_t step) const;
  /// Of all shares together, at most.
  [[nodiscard]] double blocks(const oracle::Case& c) const;
};

/// What one rank answered: y and dx of its share, dweight and dbias of its share, and for each step
/// the statistics that a gradient was formed with.
struct RankPlay {
  oracle::Trace trace;
  std::vector<oracle::Given> given;
};

/// The case without what ranks do not do together: evaluation but by running statistics, a backward
/// of an evaluation that saw another batch size; on one thread each.
oracle::Case for_ranks(oracle::Case c);

/// One rank's play.
RankPlay play_rank(const oracle::Case& c, const oracle::Inputs& inputs, const Table& table,
                   int rank, Communicator& communicator);
/// All of them, in threads.
std::vector<RankPlay> play_ranks(const oracle::Case& c, const oracle::Inputs& inputs,
                                 const Table& table);

/// The whole batch's trace, without dweight and dbias: shares one after the other. Of what all ranks
/// have, a rank that differs in a bit makes it fail.
oracle::Trace joined(const oracle::Case& c, const std::vector<RankPlay>& ranks);

/// "" or why the answers are not right: the joined trace by the exact reference of the whole batch,
/// each rank's dweight and dbias by that of its share. `hollow` is set where they prove nothing.
std::string complaint(const oracle::Case& c, const oracle::Inputs& inputs, const Table& table,
                      const std::vector<RankPlay>& ranks, bool* hollow = nullptr);

}  // namespace truenorm::props
