// Random cases for RapidCheck, shrunk by the steps that the whole harness shares, and a way to run
// a property often.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdint>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "bytes.h"
#include "case.h"
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

/// Runs `property` on `count` random inputs of a stream that is the same in every run.
template <typename Property>
void check(int count, Property&& property) {
  const auto* const info = ::testing::UnitTest::GetInstance()->current_test_info();
  rc::detail::TestMetadata metadata;
  metadata.id = std::string(info->test_suite_name()) + "/" + info->name();
  metadata.description = info->name();
  rc::detail::TestParams params;
  params.seed = 1;
  params.maxSuccess = count;
  const auto result = rc::detail::checkTestable(std::forward<Property>(property), metadata, params);
  if (result.template is<rc::detail::SuccessResult>()) return;
  std::ostringstream message;
  rc::detail::printResultMessage(result, message);
  FAIL() << message.str();
}

}  // namespace truenorm::props

namespace rc {

template <>
struct Arbitrary<truenorm::oracle::Case> {
  static Gen<truenorm::oracle::Case> arbitrary() { return truenorm::props::sampled_case(); }
};

}  // namespace rc
