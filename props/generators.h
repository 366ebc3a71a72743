// Random cases for RapidCheck, shrunk by the steps that the whole harness shares, and a way to run
// a property often.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdint>
#include <ostream>
#include <utility>
#include <vector>

#include "bytes.h"
#include "case.h"
#include "health.h"
#include "numbers.h"
#include "sample.h"
#include "shrink.h"
#include "text.h"

namespace truenorm::oracle {

/// Google Test and RapidCheck show a case as its line.
inline void PrintTo(const Case& c, std::ostream* out) { *out << print(c); }
inline void showValue(const Case& c, std::ostream& out) { out << print(c); }

}  // namespace truenorm::oracle

namespace truenorm::props {

inline rc::Shrinkable<oracle::Case> shrinkable(oracle::Case c) {
  return rc::shrinkable::shrinkRecur(std::move(c), [](const oracle::Case& failing) {
    return rc::seq::fromContainer(oracle::simpler(failing));
  });
}

/// The random bytes of one seed.
inline std::vector<std::uint8_t> random_bytes(std::uint64_t seed, std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  for (std::size_t i = 0; i < count; ++i)
    bytes[i] = static_cast<std::uint8_t>(oracle::mix(seed + i / 8) >> (i % 8 * 8));
  return bytes;
}

/// Cases as sample() distributes them: cheap to play.
inline rc::Gen<oracle::Case> sampled_case() {
  return rc::Gen<oracle::Case>([](const rc::Random& random, int) {
    return shrinkable(oracle::sample(0, rc::Random(random).next()));
  });
}

/// Any valid case of at most `max_elements` a tensor, decoded from random bytes: every field takes
/// values that no sensible program uses.
inline rc::Gen<oracle::Case> decoded_case(std::int64_t max_elements = oracle::kMaxElements) {
  return rc::Gen<oracle::Case>([max_elements](const rc::Random& random, int) {
    const std::uint64_t seed = rc::Random(random).next();
    return shrinkable(oracle::decode(random_bytes(seed, 150 + seed % 500), max_elements));
  });
}

/// Both, in turn.
inline rc::Gen<oracle::Case> any_case(std::int64_t max_elements = 2000) {
  return rc::gen::oneOf(sampled_case(), decoded_case(max_elements));
}

/// For a property that moves no tensor.
inline Limits no_tensors() { return {.work = 0}; }

/// The same, tried in every class of cases.
inline Limits no_tensors_in_every_class() {
  Limits limits = no_tensors();
  for (const oracle::Class& one : oracle::classes())
    if (limits.covers.empty() || limits.covers.back() != one.area)
      limits.covers.push_back(one.area);
  return limits;
}

/// Runs a property that draws its inputs itself, `count` times, on a stream that is the same in
/// every run. `limits.work` is about cases, which health does not see here.
template <typename Property>
void check(int count, Property&& property, Limits limits = {}) {
  limits.work = 0;
  Health health;
  if (holds(rc::detail::toProperty(std::forward<Property>(property)), count, health))
    report(health, limits, 0, 0);
}

/// Runs a property over cases: first on every found one, then on `count` of `cases`. It may draw
/// more than the case; a found one is played with a few of those.
template <typename Property>
void check(int count, const rc::Gen<oracle::Case>& cases, const Property& property,
           const Limits& limits = {}) {
  constexpr int kDraws = 5;
  const auto over = [&property](const rc::Gen<oracle::Case>& from, Health& health) {
    return rc::detail::toProperty([&property, &health, from] {
      const oracle::Case c = *from;
      health.given(c);
      property(c);
    });
  };
  std::uint64_t replayed = 0, still_fail = 0;
  for (const oracle::Case& c : found_cases()) {
    Health ignored;
    const rc::Gen<oracle::Case> again([c](const rc::Random&, int) { return shrinkable(c); });
    ++replayed;
    still_fail += !holds(over(again, ignored), kDraws, ignored);
  }
  Health health;
  if (holds(over(cases, health), count, health)) report(health, limits, replayed, still_fail);
}

}  // namespace truenorm::props
