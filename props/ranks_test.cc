// Batch statistics over ranks, the ranks being threads: right by the exact reference of the whole
// batch, equal to the bit however the blocks are dealt, refused by all where one refuses.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <thread>
#include <utility>

#include "dice.h"
#include "divergence.h"
#include "generators.h"
#include "played.h"
#include "players/players.h"
#include "ranks.h"
#include "remote.h"

namespace truenorm::props {
namespace {

using oracle::Case;
using oracle::Inputs;

/// One to eight ranks; half of the tables have blocks of a few images.
Table table_of(const Case& c) {
  oracle::Dice dice(c.problem.seed, 19);
  const int ranks = static_cast<int>(dice.between(1, 8));
  return {ranks, dice.per_mille(500) ? 0 : dice.between(1, 5)};
}

Limits covering_limits() {
  Limits limits;
  limits.covers = {"dtype", "layout", "regime", "rank", "affine"};
  return limits;
}

TEST(Ranks, RandomCasesHold) {
  check(
      1200, sampled_case(),
      [](const Case& sampled) {
        const Case c = for_ranks(sampled);
        const Inputs inputs = make_inputs(c);
        const Table table = table_of(c);
        bool hollow = false;
        const std::string why = complaint(c, inputs, table, play_ranks(c, inputs, table), &hollow);
        if (!why.empty()) RC_FAIL(why);
        if (hollow) proves_nothing();
      },
      covering_limits());
}

void expect_lines_hold(const std::string& file) {
  for (const Case& line : oracle::corpus(file)) {
    const Case c = for_ranks(line);
    const oracle::Exec& exec = *c.exec;
    if (Context(1, static_cast<truenorm::Isa>(exec.isa)).status().code == Code::unsupported_isa)
      continue;  // another machine's set
    const Inputs inputs = make_inputs(c);
    for (const Table table : {Table{2, 0}, Table{5, 1}})
      EXPECT_EQ(complaint(c, inputs, table, play_ranks(c, inputs, table)), "");
  }
}

TEST(Ranks, SmokeCasesHold) { expect_lines_hold("smoke.cases"); }
TEST(Ranks, EdgeCasesHold) { expect_lines_hold("edges.cases"); }

// One rank, one block: every bit is the layer's.
TEST(Ranks, OneHasTheBitsOfTheLayer) {
  const auto layer = oracle::make_truenorm();
  check(
      800, sampled_case(),
      [&](const Case& sampled) {
        const Case c = for_ranks(sampled);
        const Inputs inputs = make_inputs(c);
        const auto one = play_ranks(c, inputs, {});
        const std::string d = difference(one[0].trace, layer->play(c, inputs));
        if (!d.empty()) RC_FAIL(print(c) + ": " + d);
      },
      covering_limits());
}

/// A layout whose blocks have strides that do not depend on how many images there are.
bool keeps_strides(const Case& c) {
  const oracle::Exec& e = *c.exec;
  const std::array layouts{e.x, e.y, e.dy, e.dx};
  return std::find(layouts.begin(), layouts.end(), oracle::Layout::transposed) == layouts.end();
}

// The layer in one process, over the concatenated batch in blocks, and any number of ranks that
// have whole blocks: the same bits. Other blocks are other bits, or this would say nothing.
TEST(Ranks, BitsAreThoseOfOneRankWithTheSameBlocks) {
  std::uint64_t cases = 0, others = 0;
  check(
      800, sampled_case(),
      [&](const Case& sampled) {
        Case c = for_ranks(sampled);
        if (!keeps_strides(c)) c.exec = oracle::Exec{};
        const Inputs inputs = make_inputs(c);
        Table many = table_of(c);
        many.images = std::max<std::int64_t>(many.images, 1);
        const Table single{1, many.images};
        const oracle::Trace got = joined(c, play_ranks(c, inputs, many));
        const std::string d = difference(joined(c, play_ranks(c, inputs, single)), got);
        if (!d.empty()) RC_FAIL(print(c) + ": " + std::to_string(many.ranks) + " ranks: " + d);
        ++cases;
        others += !difference(joined(c, play_ranks(c, inputs, {})), got).empty();
      },
      covering_limits());
  EXPECT_GT(others * 5, cases) << "blocks hardly show";
}

// LibTorch computes the whole batch at once, and both are right: each lies in the balls of its own
// contract about the one exact answer.
TEST(RanksBesideLibTorch, BothAreRightAboutTheWholeBatch) {
  oracle::RemotePlayer libtorch({TRUENORM_LIBTORCH_WORKER}, std::chrono::seconds(60));
  const auto known = oracle::Divergences::load(TRUENORM_CORPUS_DIR "/libtorch-divergences.cases");
  constexpr int kCases = 200;
  std::map<oracle::Result, int> results;
  for (std::uint64_t i = 0; i < kCases; ++i) {
    Case c = for_ranks(oracle::sample(19, i));
    c.exec = oracle::Exec{};  // LibTorch has divergences in other layouts, which are not the point
    c.problem.run.resize(1);
    c.problem.run[0].op = oracle::Op::train;
    oracle::Step backward;
    backward.op = oracle::Op::backward;
    backward.id = c.problem.run[0].id + 1;
    c.problem.run.push_back(backward);
    const Inputs inputs = make_inputs(c);
    libtorch.send(c);
    const auto reply = libtorch.receive();
    const auto verdict = judge(reply.trace, answer(c.problem, inputs, reply.contract));
    ++results[verdict.result];
    if (verdict.result == oracle::Result::fail) {
      EXPECT_NE(known.classify(c, verdict, libtorch.version()), nullptr)
          << print(c) << ": " << verdict.reason << " " << verdict.detail;
    }
    for (int ranks = 1; ranks <= 8; ++ranks) {
      const Table table{ranks, 0};
      EXPECT_EQ(complaint(c, inputs, table, play_ranks(c, inputs, table)), "");
    }
  }
  std::printf("LibTorch: %d pass, %d hollow, %d skipped, %d known divergences\n",
              results[oracle::Result::pass], results[oracle::Result::hollow],
              results[oracle::Result::skipped], results[oracle::Result::fail]);
  EXPECT_EQ(results[oracle::Result::crash] + results[oracle::Result::timeout], 0);
  EXPECT_GT(2 * results[oracle::Result::pass], kCases) << "it hardly plays";
}

/// A rank whose messages are not what it computed.
class Liar final : public Communicator {
 public:
  using Lie = void (*)(double* all, std::int64_t count, int ranks, int rank);
  Liar(Communicator& honest, int rank, Lie lie) : honest_(honest), rank_(rank), lie_(lie) {}
  [[nodiscard]] int size() const noexcept override { return honest_.size(); }
  [[nodiscard]] bool all_gather(const double* mine, std::int64_t count,
                                double* all) noexcept override {
    const bool fine = honest_.all_gather(mine, count, all);
    if (fine && ++calls_ % 3 == 0) lie_(all, count, size(), rank_);  // after the two agreements
    return fine;
  }

 private:
  Communicator& honest_;
  int rank_, calls_ = 0;
  Lie lie_;
};

// What goes wrong in synchronized BatchNorms, as messages that arrive otherwise than they were sent.
// Six images of 4 values, in unequal parts.
TEST(Ranks, DefectsAreConvicted) {
  struct Defect {
    const char* what;
    Liar::Lie lie;
  };
  const std::array<Defect, 4> defects{
      Defect{"means averaged, as if all parts were of one size",
             [](double* all, std::int64_t count, int ranks, int) {
               for (int r = 0; r < ranks; ++r) all[r * count] = 8;
             }},
      Defect{"the first rank's statistics for all",
             [](double* all, std::int64_t count, int ranks, int) {
               for (int r = 1; r < ranks; ++r) std::copy_n(all, count, all + r * count);
             }},
      Defect{"each rank's own statistics",
             [](double* all, std::int64_t count, int ranks, int rank) {
               for (int r = 0; r < ranks; ++r)
                 if (r != rank) std::copy_n(all + rank * count, count, all + r * count);
             }},
      Defect{"the last rank forgotten", [](double* all, std::int64_t count, int ranks, int) {
               std::fill_n(all + (ranks - 1) * count + 1, count - 1, 0.0);
             }}};
  Case c = oracle::with_exec("tn1 n6c3s4 f32 x=normal(3,1) run=TB | nchw");
  const Table table{3, 0};
  const auto unequal = [&] {
    const auto shares = table.shares(c, 0);
    return shares[0].images() != shares[2].images() && shares[0].images() > 0 &&
           shares[1].images() > 0 && shares[2].images() > 0;
  };
  while (!unequal()) ++c.problem.seed;
  const Inputs inputs = make_inputs(c);
  ASSERT_EQ(complaint(c, inputs, table, play_ranks(c, inputs, table)), "");
  for (const Defect& defect : defects) {
    std::vector<RankPlay> plays(3);
    on_ranks(3, [&](int rank, Communicator& ranks) {
      Liar liar(ranks, rank, defect.lie);
      plays[static_cast<std::size_t>(rank)] = play_rank(c, inputs, table, rank, liar);
    });
    EXPECT_NE(complaint(c, inputs, table, plays), "") << defect.what;
  }
}

/// A rank with its layer and a small batch in memory of its own.
struct Seat {
  explicit Seat(std::vector<float> values, std::int64_t channels = 1,
                truenorm::Dtype dtype = truenorm::Dtype::f32)
      : x(std::move(values)),
        y(x.size(), -77),
        dy(x.size(), 1),
        dx(x.size(), -77),
        layer({.num_features = channels, .dtype = dtype}),
        n(static_cast<std::int64_t>(x.size()) / channels),
        c(channels) {}

  [[nodiscard]] Tensor view(std::vector<float>& v) const {
    return contiguous(v.data(), truenorm::Dtype::f32, {n, c});
  }
  SyncStatus forward(Communicator& ranks) {
    return sync_forward(context, ranks, layer, view(x), view(y));
  }
  SyncStatus backward(Communicator& ranks) {
    return sync_backward(context, ranks, layer, view(dy), view(x), view(dx),
                         {dweight.data(), truenorm::Dtype::f32, c, 1}, {});
  }
  [[nodiscard]] double mean() const {
    return oracle::load(oracle::Dtype::f32, std::as_const(layer).running_mean().data);
  }
  [[nodiscard]] double var() const {
    return oracle::load(oracle::Dtype::f32, std::as_const(layer).running_var().data);
  }
  /// Nothing that a call writes has been written.
  [[nodiscard]] bool untouched() const {
    const auto is_poison = [](float v) { return v == -77; };
    return std::all_of(y.begin(), y.end(), is_poison) &&
           std::all_of(dx.begin(), dx.end(), is_poison) &&
           std::all_of(dweight.begin(), dweight.end(), is_poison) && mean() == 0 && var() == 1 &&
           layer.num_batches_tracked() == 0 && !layer.saved_mean().present();
  }

  std::vector<float> x, y, dy, dx;
  std::array<float, 4> dweight{-77, -77, -77, -77};
  Context context;
  BatchNorm layer;
  std::int64_t n, c;
};

// In numbers that nothing rounds: (0), (), (2, 6, 4) have mean 3, M2 20, unbiased variance 20/3.
TEST(Ranks, StatisticsAreThoseOfTheWholeBatch) {
  std::vector<Seat> seats;
  seats.emplace_back(std::vector<float>{0});
  seats.emplace_back(std::vector<float>{});
  seats.emplace_back(std::vector<float>{2, 6, 4});
  for (Seat& seat : seats) seat.layer.set_momentum(1);
  on_ranks(3, [&](int rank, Communicator& ranks) {
    EXPECT_TRUE(seats[static_cast<std::size_t>(rank)].forward(ranks).ok());
    EXPECT_TRUE(seats[static_cast<std::size_t>(rank)].backward(ranks).ok());
  });
  for (Seat& seat : seats) {
    EXPECT_EQ(seat.mean(), 3);
    EXPECT_EQ(seat.var(), static_cast<double>(static_cast<float>(20.0 / 3)));
    EXPECT_EQ(seat.layer.num_batches_tracked(), 1);
    EXPECT_EQ(seat.layer.backward(seat.context, seat.view(seat.dy), seat.view(seat.x),
                                  seat.view(seat.dx), {}, {}),
              (Status{Code::no_forward, Argument::layer}))
        << "alone it does not know the others' sums";
  }
  EXPECT_LT(seats[0].y[0], 0);
  EXPECT_EQ(seats[2].y[1], -seats[0].y[0]);
  EXPECT_EQ(seats[1].dweight[0], 0) << "the sum over no values";
  EXPECT_LT(seats[0].dweight[0], 0) << "the sum over its own value";
}

// An Inf on one rank is an Inf of the mean, and NaN of all that follows, on all; as in one batch.
TEST(Ranks, WhatIsNotFiniteStaysSo) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const auto& [a, b] : {std::pair{kInf, 1.0F}, {1.0F, kInf}, {kInf, kInf}, {kInf, -kInf}}) {
    Seat whole({a, 1, b, 2});
    std::vector<Seat> seats;
    seats.emplace_back(std::vector<float>{a, 1});
    seats.emplace_back(std::vector<float>{b, 2});
    EXPECT_TRUE(whole.layer.forward(whole.context, whole.view(whole.x), whole.view(whole.y)).ok());
    on_ranks(2, [&](int rank, Communicator& ranks) {
      EXPECT_TRUE(seats[static_cast<std::size_t>(rank)].forward(ranks).ok());
    });
    for (const Seat& seat : seats) {
      EXPECT_TRUE(oracle::same_bits(seat.mean(), whole.mean())) << a << " " << b;
      EXPECT_TRUE(std::isnan(seat.var()) && std::isnan(seat.y[0]) && std::isnan(seat.y[1]));
    }
  }
}

TEST(Ranks, OneValueOfAllIsRefusedByAll) {
  std::vector<Seat> seats;
  for (const auto& values : {std::vector<float>{}, {5}, {}}) seats.emplace_back(values);
  on_ranks(3, [&](int rank, Communicator& ranks) {
    Seat& seat = seats[static_cast<std::size_t>(rank)];
    EXPECT_EQ(
        seat.forward(ranks),
        (SyncStatus{SyncStatus::Fault::refused, {Code::one_value_per_channel, Argument::x}, -1}));
    EXPECT_TRUE(seat.untouched());
    EXPECT_EQ(seat.backward(ranks).status.code, Code::no_forward);
  });
}

/// Plays `call` on three seats, of which seat 1 has been spoiled.
template <class Call>
void expect_on_all(const SyncStatus& expected, const Call& call) {
  std::vector<Seat> seats;
  for (int i = 0; i < 3; ++i) seats.emplace_back(std::vector<float>{1, 2, 5});
  on_ranks(3, [&](int rank, Communicator& ranks) {
    Seat& seat = seats[static_cast<std::size_t>(rank)];
    const SyncStatus got = call(seat, rank, ranks);
    EXPECT_EQ(got, expected) << "rank " << rank << ": rank " << got.rank << ": " << got.message();
    EXPECT_TRUE(seat.untouched()) << got.message();
    if (got.fault == SyncStatus::Fault::refused) {  // and the next call is none the worse
      EXPECT_TRUE(seat.forward(ranks).ok());
      EXPECT_TRUE(seat.backward(ranks).ok());
    }
  });
}

TEST(Ranks, WhatOneRefusesAllRefuse) {
  using Fault = SyncStatus::Fault;
  struct Row {
    Status why;
    void (*spoil)(Tensor& x, Tensor& y, std::int64_t& images);
  };
  for (const Row& row :
       {Row{{Code::null_data, Argument::x}, [](Tensor&x, Tensor&, auto&) { x.data = nullptr; }},
        Row{{Code::bad_rank, Argument::x}, [](Tensor&x, Tensor&, auto&) { x.rank = 9; }},
        Row{{Code::bad_size, Argument::x}, [](Tensor&x, Tensor&, auto&) { x.size[1] = 2; }},
        Row{{Code::bad_size, Argument::x}, [](Tensor&x, Tensor&, auto&) { x.size[0] = -1; }},
        Row{{Code::dtype_mismatch, Argument::x},
            [](Tensor&x, Tensor&, auto&) { x.dtype = truenorm::Dtype::f64; }},
        Row{{Code::bad_stride, Argument::y}, [](Tensor&, Tensor&y, auto&) { y.stride[0] = -1; }},
        Row{{Code::overlap, Argument::y}, [](Tensor&, Tensor&y, auto&) { y.stride[0] = 0; }},
        Row{{Code::bad_value, Argument::none}, [](Tensor&, Tensor&, auto&n) { n = -1; }}})
    expect_on_all({Fault::refused, row.why, 1}, [&](Seat& seat, int rank, Communicator& ranks) {
      Tensor x = seat.view(seat.x), y = seat.view(seat.y);
      std::int64_t images = 0;
      if (rank == 1) row.spoil(x, y, images);
      return sync_forward(seat.context, ranks, seat.layer, x, y, images);
    });
  expect_on_all({Fault::refused, {Code::bad_threads, Argument::context}, 1},
                [](Seat& seat, int rank, Communicator& ranks) {
                  Context context(rank == 1 ? 0 : 1);
                  return sync_forward(context, ranks, seat.layer, seat.view(seat.x),
                                      seat.view(seat.y));
                });
  expect_on_all({Fault::refused, {Code::out_of_memory, Argument::layer}, 1},
                [](Seat& seat, int rank, Communicator& ranks) {
                  BatchNorm moved(seat.layer), other(std::move(moved));
                  return sync_forward(seat.context, ranks, rank == 1 ? moved : other,
                                      seat.view(seat.x), seat.view(seat.y));
                });
}

TEST(Ranks, ABackwardThatOneRefusesAllRefuse) {
  std::vector<Seat> seats;
  for (int i = 0; i < 3; ++i) seats.emplace_back(std::vector<float>{1, 2, 5});
  on_ranks(3, [&](int rank, Communicator& ranks) {
    Seat& seat = seats[static_cast<std::size_t>(rank)];
    ASSERT_TRUE(seat.forward(ranks).ok());
    if (rank == 2) seat.n = 2;
    const SyncStatus expected{SyncStatus::Fault::refused, {Code::shape_mismatch, Argument::x}, 2};
    EXPECT_EQ(seat.backward(ranks), expected);
    EXPECT_EQ(seat.dx, std::vector<float>(3, -77));
    EXPECT_EQ(seat.dweight[0], -77);
    seat.n = 3;
    EXPECT_TRUE(seat.backward(ranks).ok());
    EXPECT_NE(seat.dx, std::vector<float>(3, -77));
  });
}

TEST(Ranks, ThoseThatDifferAreTold) {
  const SyncStatus differs{SyncStatus::Fault::differs, {}, 1};
  expect_on_all(differs, [](Seat& seat, int rank, Communicator& ranks) {
    if (rank != 1) return seat.forward(ranks);
    Seat other({1, 2, 3, 4}, 2);
    return other.forward(ranks);
  });
  expect_on_all(differs, [](Seat& seat, int rank, Communicator& ranks) {
    if (rank != 1) return seat.forward(ranks);
    std::array<double, 3> x{1, 2, 3}, y{};
    BatchNorm layer({.num_features = 1, .dtype = truenorm::Dtype::f64});
    return sync_forward(seat.context, ranks, layer,
                        contiguous(x.data(), truenorm::Dtype::f64, {3, 1}),
                        contiguous(y.data(), truenorm::Dtype::f64, {3, 1}));
  });
  std::vector<Seat> seats;
  for (int i = 0; i < 2; ++i) seats.emplace_back(std::vector<float>{1, 2, 5});
  on_ranks(2, [&](int rank, Communicator& ranks) {
    Seat& seat = seats[static_cast<std::size_t>(rank)];
    ASSERT_TRUE(seat.forward(ranks).ok());
    EXPECT_EQ(rank == 0 ? seat.forward(ranks) : seat.backward(ranks), differs);
  });
}

// A rank that has made its last call.
TEST(Ranks, ThoseLeftBehindAreTold) {
  Board board(3);
  std::vector<Seat> seats;
  for (int i = 0; i < 3; ++i) seats.emplace_back(std::vector<float>{1, 2, 5});
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 3; ++rank)
    threads.emplace_back([&, rank] {
      ThreadRank ranks(board, rank);
      if (rank == 2) return board.lose();
      Seat& seat = seats[static_cast<std::size_t>(rank)];
      EXPECT_EQ(seat.forward(ranks), (SyncStatus{SyncStatus::Fault::lost, {}, -1}));
      EXPECT_TRUE(seat.untouched());
    });
  for (std::thread& thread : threads) thread.join();
}

// An evaluating layer asks nobody.
TEST(Ranks, EvaluationIsEveryonesOwn) {
  Board board(2);
  ThreadRank alone(board, 0);
  Seat seat({1, 2, 5});
  seat.layer.eval();
  EXPECT_TRUE(seat.forward(alone).ok());
  EXPECT_TRUE(seat.backward(alone).ok());
  seat.layer.set_track_running_stats(false);
  EXPECT_TRUE(seat.forward(alone).ok()) << "by the statistics of its own batch";
}

}  // namespace
}  // namespace truenorm::props
