// Calls made of well-formed ones by random defects: each is refused for a reason that is there, and
// nothing is written, or accepted where nothing is wrong.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "dice.h"
#include "generators.h"
#include "inspector.h"

namespace truenorm::props {

// ---- what may be wrong -------------------------------------------------------------------------

/// One change of a call, by three numbers that mean something for every argument.
struct Defect {
  std::uint64_t where = 0, what = 0, how = 0;
};

/// A well-formed call, and what is done to it. Not every change is a defect.
struct Spoiled {
  Call call = Call::forward_training;
  std::size_t dtypes = 0;  // in oracle::kDtypePairs
  std::vector<Defect> defects;
};

namespace {

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

std::pair<Dtype, Dtype> dtypes_of(const Spoiled& s) {
  const auto& [data, parameters] = oracle::kDtypePairs[s.dtypes];
  return {static_cast<Dtype>(data), static_cast<Dtype>(parameters)};
}

template <class T>
T pick(std::initializer_list<T> from, std::uint64_t how) {
  return from.begin()[how % from.size()];
}

/// Sets a field and says so.
template <class T>
std::string set(T& field, T value, const std::string& name) {
  field = value;
  std::ostringstream out;
  if constexpr (std::is_same_v<T, Dtype>)
    out << name << " = dtype " << static_cast<int>(value);
  else
    out << name << " = " << value;
  return out.str();
}

std::string spoil_place(Scene& s, const Slot& slot, const Defect& d) {
  if (d.what % 2 == 0) {
    const std::size_t by = 1 + d.how % 7;
    s.set_data(slot, static_cast<std::byte*>(s.data(slot)) + by);
    return "data " + std::to_string(by) + " bytes on";
  }
  const std::vector<Slot> all = slots_of(s.call);
  const Slot& other = all[d.how % all.size()];
  const std::size_t by = pick<std::size_t>({0, 8, 16, 64}, d.how / all.size());
  s.set_data(slot, s.place(other.argument) + by);
  return "data " + std::to_string(by) + " bytes behind " + truenorm::name(other.argument) + "'s";
}

std::string spoil_tensor(Scene& s, Tensor& t, const Slot& slot, const Defect& d) {
  const std::size_t axis = d.how % 3;
  const std::uint64_t how = d.how / 3;
  const std::string at = "[" + std::to_string(axis) + "]";
  switch (d.what / 2 % 6) {
    case 0:
      return spoil_place(s, slot, d);
    case 1:
      return set(t.rank, pick({-1, 0, 1, 2, 4, 5, 6, 100}, how), "rank");
    case 2:
      return set(
          t.size[axis],
          pick<std::int64_t>(
              {-1, kLeast, 0, 1, t.size[axis] ^ 1, t.size[axis] ^ 2, std::int64_t{1} << 40}, how),
          "size" + at);
    case 3:
      return set(t.stride[axis],
                 pick<std::int64_t>(
                     {-1, kLeast, 0, 1, 7, std::int64_t{1} << 59, std::int64_t{1} << 61}, how),
                 "stride" + at);
    case 4:
      return set(t.dtype, static_cast<Dtype>(pick({0, 1, 2, 3, 7, 255}, how)), "type");
    default:
      break;
  }
  if (how % 2 == 0) {
    t.data = nullptr;
    return "no data";
  }
  t = channels_last(t.data, t.dtype, {3, Scene::kChannels, 5});
  return "channels last";
}

std::string spoil_vector(Scene& s, Vector& v, const Slot& slot, const Defect& d) {
  switch (d.what / 2 % 5) {
    case 0:
      return spoil_place(s, slot, d);
    case 1:
      return set(v.size, pick<std::int64_t>({-1, kLeast, 0, 3, 5, std::int64_t{1} << 62}, d.how),
                 "size");
    case 2:
      return set(v.stride,
                 pick<std::int64_t>(
                     {-1, kLeast, 0, 2, 3, std::int64_t{1} << 59, std::int64_t{1} << 62}, d.how),
                 "stride");
    case 3:
      return set(v.dtype, static_cast<Dtype>(pick({0, 1, 2, 3, 7, 255}, d.how)), "type");
    default:
      break;
  }
  v.data = nullptr;
  return "absent";
}

/// What is not one view's alone.
std::string spoil_call(Scene& s, const Defect& d) {
  const std::size_t axis = d.how % 3;
  switch (d.what % 4) {
    case 0: {
      const int threads = pick({0, -1, max_threads + 1}, d.how);
      s.context = Context(threads);
      return std::to_string(threads) + " threads";
    }
    case 1:
      s.for_tensors([&](Tensor& t) { t.size[axis] = pick<std::int64_t>({0, 1, 2}, d.how / 3); });
      return "all of size " + std::to_string(d.how / 3 % 3) + " in axis " + std::to_string(axis);
    case 2:
      s.for_tensors([&](Tensor& t) { t.size[0] = t.size[2] = 1; });
      return "one value a channel";
    default:
      break;
  }
  const auto& [what, bounds] = kBadBounds[d.how % kBadBounds.size()];
  s.renorm = bounds;
  return what;
}

/// Applies a defect; what it was, in words.
std::string spoil(Scene& s, const Defect& d) {
  const std::vector<Slot> slots = slots_of(s.call);
  const std::size_t at = d.where % (slots.size() + 1);
  if (at == slots.size()) return spoil_call(s, d);
  const Slot& slot = slots[at];
  const std::string how = slot.tensor ? spoil_tensor(s, s.tensor(slot.argument), slot, d)
                                      : spoil_vector(s, s.vector(slot.argument), slot, d);
  return std::string(truenorm::name(slot.argument)) + ": " + how;
}

/// The call, spoiled, and what was done to it in one line.
std::pair<Scene, std::string> scene_of(const Spoiled& s) {
  const auto [data, parameters] = dtypes_of(s);
  std::pair<Scene, std::string> made{Scene(s.call, data, parameters), name(s.call)};
  made.second += std::string(", ") + truenorm::name(data) + "/" + truenorm::name(parameters);
  for (const Defect& d : s.defects) made.second += "; " + spoil(made.first, d);
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
  if (wrong.empty() && !inspector.contained()) return {{}, {}, false};
  const auto before = scene.snapshot();
  outcome.status = library(scene);
  const Status got = outcome.status;
  const std::string answer =
      std::string(truenorm::name(got.code)) + " " + truenorm::name(got.argument);
  if (wrong.empty() ? !got.ok() : wrong.count({got.code, got.argument}) == 0) {
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
