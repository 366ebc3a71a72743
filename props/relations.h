// Relations between answers, which hold whatever the answers are: what one is, and how two answers
// are compared. No relation asks what is right; radii say how far apart two right answers may lie.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "answer.h"
#include "case.h"
#include "dice.h"
#include "player.h"

namespace truenorm::oracle {

/// An element as it was answered, and how far from it the right one may lie.
struct Known {
  double got = 0, radius = 0;
  Kind kind = Kind::finite;  // any: anything is right
  bool vacuous = false;      // the radius is so wide that it proves nothing
};

/// What one step answered, by Output.
struct Told {
  Refusal refused = Refusal::none;
  double num_batches_tracked = -1;
  std::array<std::vector<Known>, kOutputs> tensor;
  std::vector<Known>& operator[](Output o) { return tensor[static_cast<std::size_t>(o)]; }
  const std::vector<Known>& operator[](Output o) const {
    return tensor[static_cast<std::size_t>(o)];
  }
};

/// What a whole program answered.
struct Account {
  std::string stopped;  // why there are no steps; "" if there are
  std::vector<Told> steps;
};

/// Plays a case; the radii are 0, for comparisons of bits.
Account bits_of(Player&, const Case&, const Inputs&);
/// Plays a case; the radii are those of the player's contract.
Account balls_of(Player&, const Case&, const Inputs&);

/// What a relation found in one case.
struct Finding {
  std::string broken;          // the first thing that should not be; "" if it holds
  std::uint64_t compared = 0;  // numbers that proved something

  /// Notes one comparison; `what` says in words what it found, `proves` whether it counts.
  template <class What>
  void expect(bool holds, What&& what, bool proves = true) {
    compared += proves;
    if (!holds && broken.empty()) broken = what();
  }
  /// Notes a condition without which there is nothing to compare. True if it holds.
  template <class What>
  bool require(bool holds, What&& what) {
    expect(holds, what, false);
    return holds;
  }
  /// Equal bits, refusals and counters; all NaN are one.
  void expect_same(const Account&, const Account&);
  void expect_same(const Told&, const Told&, std::size_t step);
  /// Both may be right: refusals and counters are equal, and elements no farther apart than the sum
  /// of their radii.
  void expect_near(const Account&, const Account&);

 private:
  /// Refusals, counters and sizes are equal.
  bool expect_alike(const Told&, const Told&, std::size_t step);
  bool expect_alike(const Account&, const Account&);
};

struct Relation {
  std::string_view name;
  Finding (*test)(Player&, const Case&);
  int cases;  // that are generated
  /// Players that break it, each with one thing wrong.
  std::vector<std::string_view> faults;
};

/// All of them.
std::vector<Relation> relations();
/// A player of relations()' faults: one of make_faulty(), or one of those that only tests know.
std::unique_ptr<Player> make_fault(std::string_view id);

// ---- the relations -----------------------------------------------------------------------------

Finding permuted_batch(Player&, const Case&);
Finding merged_statistics(Player&, const Case&);
Finding idempotent_evaluation(Player&, const Case&);
Finding constant_batch(Player&, const Case&);

Finding permuted_channels(Player&, const Case&);
Finding channels_apart(Player&, const Case&);
Finding layouts_alike(Player&, const Case&);
Finding in_place(Player&, const Case&);

Finding shifted_and_scaled(Player&, const Case&);
Finding powers_of_two(Player&, const Case&);
Finding linear_parameters(Player&, const Case&);
Finding absent_parameters(Player&, const Case&);

Finding gradient_sums(Player&, const Case&);
Finding directional_derivative(Player&, const Case&);

// ---- what they share ---------------------------------------------------------------------------

/// Calls f(channel, index) for every element in logical order.
template <class F>
void each(const Shape& s, F&& f) {
  std::size_t index = 0;
  for (std::int64_t n = 0; n < s.n; ++n)
    for (std::int64_t c = 0; c < s.c; ++c)
      for (std::int64_t i = 0; i < s.plane(); ++i, ++index) f(static_cast<std::size_t>(c), index);
}

/// Numbers 0..count-1 in an order that a seed decides.
std::vector<std::size_t> shuffled(std::int64_t count, std::uint64_t seed);

/// The tensor, or per-channel vector, whose channel c is channel from[c] of the given one. Fewer
/// channels than there were make a part of it.
template <class T>
std::vector<T> channels_of(const std::vector<T>& values, const Shape& s,
                           std::span<const std::size_t> from) {
  if (values.empty()) return {};
  const auto channels = static_cast<std::size_t>(s.c);
  const std::size_t plane = values.size() == channels ? 1 : static_cast<std::size_t>(s.plane());
  const std::size_t batch = values.size() / (channels * plane);
  std::vector<T> out;
  out.reserve(batch * from.size() * plane);
  for (std::size_t n = 0; n < batch; ++n)
    for (const std::size_t c : from) {
      const auto first = values.begin() + static_cast<std::ptrdiff_t>((n * channels + c) * plane);
      out.insert(out.end(), first, first + static_cast<std::ptrdiff_t>(plane));
    }
  return out;
}
Inputs channels_of(const Inputs&, const Shape&, std::span<const std::size_t> from);
Account channels_of(Account, const Shape&, std::span<const std::size_t> from);

/// The tensor whose image n is image from[n] of the given one.
template <class T>
std::vector<T> images_of(const std::vector<T>& values, const Shape& s,
                         std::span<const std::size_t> from) {
  const auto image = static_cast<std::ptrdiff_t>(s.c * s.plane());
  std::vector<T> out;
  for (const std::size_t n : from) {
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(n) * image;
    out.insert(out.end(), first, first + image);
  }
  return out;
}

// Cases to which a relation applies, made of those to which it may not.

/// Fifteen of sixteen cases, by their seeds, have at most so many elements in a tensor: a few large ones
/// would cost more than all the others.
inline constexpr std::int64_t kBrief = 512;
Case brief(Case);
/// Every step's data are its own: no image stands for others.
Case with_data_apart(Case);
/// No size is 0, and no batch smaller than `images`.
Case inhabited(Case, std::int64_t images);
/// Without resets and changes of tracking: a program of T, E, B and S alone.
Case without_resets(Case);
/// Without batch renormalization: training knows the batch alone, and gradients are derivatives.
Case by_batch_alone(Case);
/// Data whose squares and products stay far inside of every dtype's range.
Case of_moderate_data(Case);
/// At least one backward after a training forward.
Case with_gradients(Case);

}  // namespace truenorm::oracle
