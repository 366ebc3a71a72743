// The byte form: any bytes are a valid case within bounds, and decode(encode(c)) == c.
#include "bytes.h"

#include <set>

#include "generators.h"

namespace truenorm::props {
namespace {

using namespace oracle;

TEST(Bytes, SampledCasesComeBack) {
  check(
      100000, sampled_case(), [](const Case& c) { RC_ASSERT(decode(encode(c)) == c); },
      no_tensors_in_every_class());
}

TEST(Bytes, AnyCasesComeBack) {
  check(
      100000, decoded_case(), [](const Case& c) { RC_ASSERT(decode(encode(c)) == c); },
      no_tensors());
}

TEST(Bytes, CasesWithinABoundComeBackUnderIt) {
  const auto fits = [](const Case& c) {
    bool all = c.problem.shape.c <= 500;
    for (std::size_t i = 0; i < c.problem.run.size(); ++i)
      all &= c.problem.shape.with_batch(batch_of(c.problem, i)).numel() <= 500;
    return all;
  };
  check(
      20000, decoded_case(500),
      [&](const Case& c) {
        RC_PRE(fits(c));  // what was found may not
        RC_ASSERT(decode(encode(c), 500) == c);
      },
      no_tensors());
}

TEST(Bytes, AnyBytesAreAValidBoundedCase) {
  check(100000, [](std::uint64_t seed, std::uint16_t length) {
    const std::int64_t limit = std::int64_t{1} << seed % 27;
    const Case c = decode(random_bytes(seed, length % 700), limit);
    RC_ASSERT(defect(c) == "");
    for (std::size_t i = 0; i < c.problem.run.size(); ++i)
      RC_ASSERT(c.problem.shape.with_batch(batch_of(c.problem, i)).numel() <= limit);
    RC_ASSERT(c.problem.shape.c <= limit);
  });
}

TEST(Bytes, UniformBytesAreValidToo) {
  for (int value = 0; value < 256; ++value)
    for (const std::size_t length : {0u, 1u, 50u, 173u, 174u, 300u, 1000u})
      EXPECT_EQ(defect(decode(std::vector<std::uint8_t>(length, static_cast<std::uint8_t>(value)))),
                "");
}

TEST(Bytes, ReachEveryEnumerator) {
  std::set<std::string_view> names;
  std::set<char> letters;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const Case c = decode(random_bytes(seed, 400), 100);
    names.insert({name(c.problem.dtype), name(c.problem.x.kind)});
    if (c.exec) names.insert({name(c.exec->x), name(c.exec->isa)});
    for (const Step& step : c.problem.run) letters.insert(letter(step.op));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kDtypes + kDistKinds + kLayouts + kIsas));
  EXPECT_EQ(letters.size(), static_cast<std::size_t>(kOps));
}

TEST(Bytes, OddNumbersKeepTheirBits) {
  for (const char* const text :
       {"x=normal(-0,-0)", "x=uniform(0,-0)", "x=cancel(-0)", "x=special(-0)", "x=const(5e-324)",
        "eps=-0", "eps=nan", "renorm=1,-0", "renorm=inf,inf", "mom=-inf", "mom=nan", "mom=cum",
        "run=T#4294967295", "run=e(nan)Te(-0)m(-inf)m(cum)CM#4294967295"}) {
    const Case c = parse(std::string("tn1 ") + text);
    EXPECT_EQ(decode(encode(c)), c) << text;
  }
}

TEST(Bytes, OneByteChangesOneField) {
  const Case c = parse("tn1 n4c16s7x7 run=TBE seed=1 | nhwc thr=2");
  auto bytes = encode(c);
  bytes[3] = 5;  // the batch
  EXPECT_EQ(decode(bytes), parse("tn1 n5c16s7x7 run=TBE seed=1 | nhwc thr=2"));
  bytes.back() = static_cast<std::uint8_t>(Op::train);
  EXPECT_EQ(decode(bytes), parse("tn1 n5c16s7x7 run=TBT seed=1 | nhwc thr=2"));
}

}  // namespace
}  // namespace truenorm::props
