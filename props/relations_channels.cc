// Relations of channels, which know nothing of each other, and of memory, which decides nothing.
#include <algorithm>
#include <array>
#include <numeric>

#include "relations.h"

namespace truenorm::oracle {

namespace {

Case of_channels(Case c, std::int64_t least) {
  c.problem.shape.c = std::max(c.problem.shape.c, least);
  return c;
}

/// The layouts of which a tensor may be both input and output.
constexpr std::array<Layout, 5> kWritten{Layout::nchw, Layout::nhwc, Layout::sliced,
                                         Layout::transposed, Layout::padded};

}  // namespace

// Channels in another order, with their parameters and statistics, answer the same bits in that
// order: how a channel is added up depends on the sizes, not on which channel it is.
Finding permuted_channels(Player& player, const Case& given) {
  const Case c = of_channels(given, 2);
  const Shape& shape = c.problem.shape;
  const auto from = shuffled(shape.c, c.problem.seed);
  const Inputs in = make_inputs(c);
  Finding finding;
  finding.expect_same(channels_of(bits_of(player, c, in), shape, from),
                      bits_of(player, c, channels_of(in, shape, from)));
  return finding;
}

// Two layers side by side, each with a part of the channels, are the one layer of all of them:
// within the radii, since the width may decide how rows are added; to the bit where a channel is
// runs, which are the same in both. (The images of a channel alone are one run.)
Finding channels_apart(Player& player, const Case& given) {
  const Case c = of_channels(given, 4);
  const Shape& shape = c.problem.shape;
  const bool runs = c.exec->x == Layout::nchw && c.exec->dy == Layout::nchw && shape.plane() >= 16;
  const Inputs in = make_inputs(c);
  const Account together = balls_of(player, c, in);
  std::vector<std::size_t> all(static_cast<std::size_t>(shape.c));
  std::iota(all.begin(), all.end(), std::size_t{0});
  const auto first = static_cast<std::size_t>(Dice(c.problem.seed, 2).between(2, shape.c - 2));
  Finding finding;
  for (const auto& part : {std::span(all).first(first), std::span(all).subspan(first)}) {
    Case alone = c;
    alone.problem.shape.c = static_cast<std::int64_t>(part.size());
    const Account apart = balls_of(player, alone, channels_of(in, shape, part));
    const Account both = channels_of(together, shape, part);
    runs ? finding.expect_same(both, apart) : finding.expect_near(both, apart);
  }
  return finding;
}

// Where the tensors lie decides nothing but the order of sums: the radii hold both answers.
Finding layouts_alike(Player& player, const Case& given) {
  const Case c = with_data_apart(given);
  Case other = c;
  Dice dice(c.problem.seed, 3);
  other.exec->inplace = false;
  for (Layout Exec::*layout : {&Exec::x, &Exec::y, &Exec::dy, &Exec::dx})
    (*other.exec).*layout = kWritten[static_cast<std::size_t>(dice.below(kWritten.size()))];
  if (dice.per_mille(500)) {  // all four alike, and another than now
    const auto now = static_cast<std::size_t>(
        std::find(kWritten.begin(), kWritten.end(), c.exec->x) - kWritten.begin());
    const auto step = static_cast<std::size_t>(dice.between(1, kWritten.size() - 1));
    const Layout next = kWritten[(now + step) % kWritten.size()];
    other.exec->x = other.exec->y = other.exec->dy = other.exec->dx = next;
  }
  const Inputs in = make_inputs(c);
  Finding finding;
  finding.expect_near(balls_of(player, c, in), balls_of(player, other, in));
  return finding;
}

// y written over x, and dx over dy, are the bits of a y and a dx elsewhere.
Finding in_place(Player& player, const Case& given) {
  Case apart = with_data_apart(given);
  apart.exec->y = apart.exec->x;
  apart.exec->dx = apart.exec->dy;
  apart.exec->inplace = false;
  Case over = apart;
  over.exec->inplace = true;
  const Inputs in = make_inputs(apart);
  Finding finding;
  finding.expect_same(bits_of(player, apart, in), bits_of(player, over, in));
  return finding;
}

}  // namespace truenorm::oracle
