// Honest calls, ill-formed or not, are found right; a library that is wrong is found out.
#include "api_target.h"

#include <gtest/gtest.h>

#include "dice.h"

namespace truenorm::fuzz {
namespace {

using namespace calls;

/// Calls of a few changes, and of many.
std::vector<std::uint8_t> random_input(std::uint64_t seed) {
  oracle::Dice dice(seed, 0);
  std::vector<std::uint8_t> bytes(
      static_cast<std::size_t>(dice.per_mille(800) ? dice.below(20) : dice.below(200)));
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(dice.next());
  return bytes;
}

TEST(Api, HonestCallsAreRight) {
  constexpr std::uint64_t kInputs = 8000;
  ApiTarget target;
  for (std::uint64_t seed = 0; seed < kInputs; ++seed) {
    const auto found = target.look(random_input(seed));
    ASSERT_FALSE(found) << seed << ": " << found->reason << " " << found->kernel << ": "
                        << found->detail;
  }
  EXPECT_GE(target.accepted(), kInputs / 10);
  EXPECT_LE(target.left_out(), kInputs / 10);
}

/// The first finding against a library.
std::string reason_against(Library library) {
  ApiTarget target(Isa::best, library);
  for (std::uint64_t seed = 0; seed < 20000; ++seed)
    if (const auto found = target.look(random_input(seed))) return found->reason;
  return "";
}

TEST(Api, ALibraryThatIsWrongIsFoundOut) {
  EXPECT_EQ(reason_against(honest_library), "");
  EXPECT_EQ(reason_against([](Scene& s) {  // another reason
              Status status = s.run();
              if (status.code == Code::misaligned) status.code = Code::bad_stride;
              return status;
            }),
            "refusal");
  EXPECT_EQ(reason_against([](Scene& s) {  // a byte of y is written all the same
              const Status status = s.run();
              if (!status.ok()) *s.place(Argument::y) ^= std::byte{1};
              return status;
            }),
            "written");
  EXPECT_EQ(reason_against([](Scene& s) {  // a byte beside an output
              const Status status = s.run();
              if (status.ok()) *s.place(Argument::groups) ^= std::byte{1};
              return status;
            }),
            "memory");
  EXPECT_EQ(reason_against([](Scene& s) {  // the layer is not what it was
              const Status status = s.run();
              if (!status.ok() && s.layer) s.layer->set_momentum(0.5);
              return status;
            }),
            "state");
  EXPECT_EQ(reason_against([](Scene& s) {  // does not look at overlaps
              const Status status = s.run();
              return status.code == Code::overlap ? Status{} : status;
            }),
            "accepted");
  EXPECT_EQ(reason_against([](Scene& s) {  // another bound than that which was asked for
              s.renorm.r_max = s.renorm.r_max * 2;
              const Status status = s.run();
              s.renorm.r_max /= 2;
              return status;
            }),
            "y");
  EXPECT_EQ(reason_against([](Scene& s) {  // eps is forgotten
              const bool forgets = s.call == Call::forward_inference;
              const double eps = std::exchange(s.eps, forgets ? 0 : s.eps);
              const Status status = s.run();
              s.eps = eps;
              return status;
            }),
            "y");
}

}  // namespace
}  // namespace truenorm::fuzz
