// Calls made of well-formed ones by random defects: each is refused for a reason that is there, and
// nothing is written, or accepted where nothing is wrong.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <string>

#include "../impl/testing/inspector.h"
#include "../impl/testing/spoil.h"
#include "dice.h"
#include "generators.h"
#include "scene.h"

namespace truenorm::props {

/// A well-formed call, and what is done to it. Not every change is a defect.
struct Spoiled {
  Call call = Call::forward_training;
  std::size_t dtypes = 0;  // in oracle::kDtypePairs
  std::vector<Defect> defects;
};

namespace {

std::pair<Dtype, Dtype> dtypes_of(const Spoiled& s) {
  const auto& [data, parameters] = oracle::kDtypePairs[s.dtypes];
  return {static_cast<Dtype>(data), static_cast<Dtype>(parameters)};
}

/// The call, spoiled, and what was done to it in one line.
std::pair<Scene, std::string> scene_of(const Spoiled& s) {
  const auto [data, parameters] = dtypes_of(s);
  std::pair<Scene, std::string> made{Scene(s.call, data, parameters), name(s.call)};
  made.second += std::string(", ") + truenorm::name(data) + "/" + truenorm::name(parameters);
  Spoiler spoil(made.first, &made.second);
  for (const Defect& d : s.defects) spoil(d);
  return made;
}

// ---- how they are drawn ------------------------------------------------------------------------

Spoiled draw(std::uint64_t seed) {
  oracle::Dice dice(seed, 0);
  Spoiled s;
  s.call = kCalls[static_cast<std::size_t>(dice.below(kCalls.size()))];
  s.dtypes = static_cast<std::size_t>(dice.below(oracle::kDtypePairs.size()));
  for (std::int64_t count = dice.pick<std::int64_t>({{1, 0}, {6, 1}, {6, 2}, {2, 3}}); count > 0;
       --count)
    s.defects.push_back({dice.next(), dice.next(), dice.next()});
  return s;
}

/// One defect less, or f32.
std::vector<Spoiled> simpler(const Spoiled& s) {
  std::vector<Spoiled> list;
  for (std::size_t i = 0; i < s.defects.size(); ++i) {
    list.push_back(s);
    list.back().defects.erase(list.back().defects.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (s.dtypes != 0) {
    list.push_back(s);
    list.back().dtypes = 0;
  }
  return list;
}

rc::Gen<Spoiled> spoiled_call() {
  return rc::Gen<Spoiled>([](const rc::Random& random, int) {
    return rc::shrinkable::shrinkRecur(draw(rc::Random(random).next()), [](const Spoiled& s) {
      return rc::seq::fromContainer(simpler(s));
    });
  });
}

// ---- the property ------------------------------------------------------------------------------

/// A library that is called: what Scene::run() does, or something that only a test would do.
using Library = Status (*)(Scene&);

struct Outcome {
  std::string broken;  // "" if the call went as it should
  Status status;
  bool played = true;  // false: it would be accepted, and reach beyond the scene's memory
};

Outcome outcome_of(const Spoiled& spoiled, Library library) {
  auto [scene, words] = scene_of(spoiled);
  Inspector inspector(scene, dtypes_of(spoiled).first);
  const Complaints& wrong = inspector.complaints();
  Outcome outcome;
  if (wrong.empty() && !inspector.contained(scene)) return {{}, {}, false};
  const auto before = scene.snapshot();
  outcome.status = library(scene);
  const Status got = outcome.status;
  const std::string answer =
      std::string(truenorm::name(got.code)) + " " + truenorm::name(got.argument);
  if (got.ok() ? !wrong.empty() : !inspector.allows(got)) {
    outcome.broken = words + "\n  answered " + answer + ", but there is";
    for (const auto& [code, argument] : wrong)
      outcome.broken +=
          std::string(" ") + truenorm::name(code) + " " + truenorm::name(argument) + ",";
    outcome.broken += wrong.empty() ? " nothing wrong" : " and no more";
  } else if (!got.ok() && scene.snapshot() != before) {
    outcome.broken = words + "\n  something was written before " + answer;
  } else if (!got.ok() && got.message()[0] == '\0') {
    outcome.broken = words + "\n  no message for " + answer;
  }
  return outcome;
}

Status honest(Scene& scene) { return scene.run(); }

}  // namespace

void showValue(const Spoiled& s, std::ostream& out) { out << scene_of(s).second; }

namespace {

TEST(IllFormed, GeneratedCallsAreRefusedForAReasonThatIsThere) {
  std::map<Code, int> codes;
  int accepted = 0, left_out = 0;
  check(12000, [&] {
    const Spoiled s = *spoiled_call();
    const Outcome outcome = outcome_of(s, honest);
    if (!outcome.broken.empty()) RC_FAIL(outcome.broken);
    if (!outcome.played)
      ++left_out;
    else if (outcome.status.ok())
      ++accepted;
    else
      ++codes[outcome.status.code];
  });
  std::printf("%d accepted, %d not played; refused:", accepted, left_out);
  for (const auto& [code, count] : codes) std::printf(" %s %d", truenorm::name(code), count);
  std::printf("\n");
  for (const Code code :
       {Code::null_data, Code::misaligned, Code::bad_rank, Code::bad_size, Code::bad_stride,
        Code::bad_value, Code::shape_mismatch, Code::dtype_mismatch, Code::overlap, Code::overflow,
        Code::missing_statistics, Code::one_value_per_channel, Code::bad_threads})
    EXPECT_GE(codes[code], 20) << truenorm::name(code);
  EXPECT_GE(accepted, 100);
  EXPECT_LE(left_out, 600) << "more than 5 % are not played";
}

// ---- it can fail -------------------------------------------------------------------------------

/// Whether a library is found out among the first calls.
bool convicted(Library library) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed)
    if (!outcome_of(draw(seed), library).broken.empty()) return true;
  return false;
}

TEST(IllFormed, ALibraryThatIsWrongIsFoundOut) {
  EXPECT_FALSE(convicted(honest));
  EXPECT_TRUE(convicted([](Scene& s) {  // names another argument
    Status status = s.run();
    if (status.argument == Argument::bias) status.argument = Argument::weight;
    return status;
  })) << "argument";
  EXPECT_TRUE(convicted([](Scene& s) {  // gives another reason
    Status status = s.run();
    if (status.code == Code::misaligned) status.code = Code::bad_stride;
    return status;
  })) << "code";
  EXPECT_TRUE(convicted([](Scene& s) {  // a byte of y is written all the same
    const Status status = s.run();
    if (!status.ok()) *s.place(Argument::y) ^= std::byte{1};
    return status;
  })) << "memory";
  EXPECT_TRUE(convicted([](Scene& s) {  // the layer is not what it was
    const Status status = s.run();
    if (!status.ok() && s.layer) s.layer->set_momentum(0.5);
    return status;
  })) << "state";
  EXPECT_TRUE(convicted([](Scene& s) {  // does not look at overlaps
    const Status status = s.run();
    return status.code == Code::overlap ? Status{} : status;
  })) << "accepted";
}

}  // namespace
}  // namespace truenorm::props
