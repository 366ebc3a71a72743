#include "moments_target.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "../impl/src/kernels.h"
#include "exact/merge.h"
#include "reader.h"

namespace truenorm::fuzz {
namespace {

using oracle::exact::MergedMoments;

constexpr std::size_t kMostValues = 512;

/// One side of a merge: as the implementation has it and as it is.
struct Side {
  detail::Moments got;
  MergedMoments ball;
};

oracle::exact::Moments exact_moments(const std::vector<double>& values) {
  const auto count = static_cast<std::int64_t>(values.size());
  return oracle::exact::moments({values.data(), 1, count, count});
}

Side block_of(const std::vector<double>& values, double base) {
  if (values.empty()) return {};
  const auto n = static_cast<double>(values.size());
  const auto exact = exact_moments(values);
  if (!exact.finite) return {{n, 0, exact.ieee_sum / n, std::nan("")}, {}};
  if (exact.wide) base = 0;  // nothing is known of the mean
  const oracle::exact::DD offset = exact.mean - oracle::exact::DD(base);
  return {{n, base, offset.hi, (exact.var * oracle::exact::DD(n)).hi}, {exact, base}};
}

bool same_bits(const detail::Moments& a, const detail::Moments& b) {
  const auto same = [](double p, double q) {
    return std::bit_cast<std::uint64_t>(p) == std::bit_cast<std::uint64_t>(q) ||
           (std::isnan(p) && std::isnan(q));
  };
  return same(a.count, b.count) && same(a.base, b.base) && same(a.offset, b.offset) &&
         same(a.m2, b.m2);
}

std::string words(const detail::Moments& m) {
  char text[160];
  std::snprintf(text, sizeof text, "count %g, mean %.17g + %.17g, m2 %.17g", m.count, m.base,
                m.offset, m.m2);
  return text;
}

Finding wrong(const char* reason, const char* where, const std::string& detail) {
  return against_truenorm(reason, where, detail);
}

/// Lanes of a vector of channels, of which one is the given moments and the others are not.
class Lanes {
 public:
  Lanes(std::size_t channels, const detail::Moments& a, const detail::Moments& b)
      : channels_(channels), at_((channels - 1) / 2) {
    for (std::size_t i = 0; i < channels; ++i) {
      const bool here = i == at_;
      const auto other = static_cast<double>(i);
      a_.base[i] = here ? a.base : other;
      a_.offset[i] = here ? a.offset : 0.5;
      a_.m2[i] = here ? a.m2 : other;
      base_[i] = here ? b.base : other;
      offset_[i] = here ? b.offset : 0.25;
      m2_[i] = here ? b.m2 : 1;
    }
  }

  detail::Moments merge(const detail::Kernels& kernels, double n, double k) {
    kernels.merge_moments(a_, n, base_, offset_, m2_, k, static_cast<std::int64_t>(channels_));
    return {n + k, a_.base[at_], a_.offset[at_], a_.m2[at_]};
  }

 private:
  std::size_t channels_, at_;
  detail::ForwardBlock a_{};
  detail::Column base_{}, offset_{}, m2_{};
};

/// Merges; an empty block changes nothing.
std::optional<Finding> take(Side& to, const Side& from, Merge merge) {
  const detail::Moments before = to.got;
  merge(to.got, from.got);
  to.ball.merge(from.ball);
  const auto both = [&] { return words(before) + " and " + words(from.got); };
  if (to.got.count != before.count + from.got.count)
    return wrong("count", "merge", both() + " become " + words(to.got));
  if ((from.got.count == 0 || before.count == 0) &&
      !same_bits(to.got, before.count == 0 ? from.got : before))
    return wrong("empty", "merge", both() + " become " + words(to.got));
  return {};
}

/// Merges, and looks at what every kernel makes of it.
std::optional<Finding> take_by_kernels(Side& to, const Side& from, std::size_t channels) {
  const detail::Moments before = to.got;
  to.got.merge(from.got);
  if (before.count == 0 || from.got.count == 0) return {};  // no kernel is called for these
  for (const Isa isa : available_isas())
    for (const Dtype lane : {Dtype::f32, Dtype::f64}) {
      const auto& kernels = (*detail::find_kernels(isa))[static_cast<std::size_t>(lane)];
      const detail::Moments got =
          Lanes(channels, before, from.got).merge(kernels, before.count, from.got.count);
      if (!same_bits(got, to.got))
        return wrong("kernel", name(isa), words(got) + " instead of " + words(to.got));
    }
  return {};
}

/// All sides into the first, take(to, from) two at a time.
template <class Take>
std::optional<Finding> take_all(std::vector<Side>& sides, bool in_pairs, const Take& take_two) {
  for (std::size_t step = 1; in_pairs && step < sides.size(); step *= 2)
    for (std::size_t i = 0; i + step < sides.size(); i += 2 * step)
      if (auto found = take_two(sides[i], sides[i + step])) return found;
  for (std::size_t i = 1; !in_pairs && i < sides.size(); ++i)
    if (auto found = take_two(sides[0], sides[i])) return found;
  return {};
}

std::vector<Side> sides_of(const Partition& p) {
  std::vector<Side> sides;
  for (std::size_t i = 0; i < p.blocks.size(); ++i)
    sides.push_back(block_of(p.blocks[i], p.base[i]));
  return sides;
}

}  // namespace

Partition read_partition(Bytes bytes) {
  Reader in(bytes);
  Partition p;
  const std::uint8_t kind = in.byte(), order = in.byte();
  p.in_pairs = (order & 1) != 0;
  p.channels = 1 + order / 2 % 19;
  const auto middle = in.f64();
  const double step = std::ldexp(middle, -static_cast<int>(in.byte() % 64));
  const auto value = [&]() -> double {
    switch (kind % 4) {
      case 0:  // near each other
        return middle + step * static_cast<std::int8_t>(in.byte());
      case 1:
        return static_cast<double>(in.f32());
      case 2:
        return in.f64();
      default:
        return static_cast<std::int8_t>(in.byte());
    }
  };
  std::size_t count = 0;
  while (!in.done() && count < kMostValues) {
    const std::uint8_t length = in.byte();
    std::vector<double>& block = p.blocks.emplace_back();
    for (std::size_t i = length % 32; i > 0 && count < kMostValues; --i, ++count)
      block.push_back(value());
    // About its first value, the value before, zero, or a mean rounded to f32 as the sums have it.
    const auto of_lane = [](double v) { return static_cast<double>(static_cast<float>(v)); };
    const double first = block.empty() ? 0 : block.front();
    const double mean = block.empty() ? 0 : exact_moments(block).mean.hi;
    const std::array<double, 4> bases{of_lane(mean), first, mean, 0};
    const double base = bases[length / 32 % 4];
    p.base.push_back(std::isfinite(base) ? base : 0);
  }
  return p;
}

std::optional<Finding> look_at_kernels(const Partition& p) {
  std::vector<Side> sides = sides_of(p);
  return take_all(sides, p.in_pairs, [&](Side& to, const Side& from) {
    return take_by_kernels(to, from, p.channels);
  });
}

std::optional<Finding> look_at_merges(const Partition& p, Merge merge) {
  std::vector<Side> sides = sides_of(p);
  std::vector<double> all;
  for (const auto& block : p.blocks) all.insert(all.end(), block.begin(), block.end());
  if (all.empty()) return {};
  const auto two = [&](Side& to, const Side& from) { return take(to, from, merge); };
  if (auto found = take_all(sides, p.in_pairs, two)) return found;
  const auto& [got, ball] = sides[0];
  const auto exact = exact_moments(all);
  if (got.count != static_cast<double>(all.size()))
    return wrong("count", "merge", words(got) + " of " + std::to_string(all.size()) + " values");
  if (!exact.finite) {
    if (!std::isfinite(got.mean()) || !std::isfinite(got.m2)) return {};
    return wrong("special", "merge", "what is not finite is lost: " + words(got));
  }
  if (exact.wide || !ball.bounded()) return {};
  const double mean = ball.mean_score(exact, got.base, got.offset),
               m2 = ball.m2_score(exact, got.m2);
  if (mean <= 1 && m2 <= 1) return {};
  char scores[80];
  std::snprintf(scores, sizeof scores, ", off by %g and %g radii", mean, m2);
  return wrong(mean <= 1 ? "m2" : "mean", "merge", words(got) + scores);
}

}  // namespace truenorm::fuzz
