// The health of a property: how many cases it was given, how many of them it refused or proved
// nothing by, which classes they met and how heavy they were. An ill property fails as a false one
// does. And the failure database as the tests use it.
#pragma once

#include <rapidcheck.h>

#include <cstdint>
#include <string>
#include <vector>

#include "case.h"
#include "sample.h"

namespace truenorm::props {

/// What a property promises of its inputs. Heaviness is counted, not timed: the same on every
/// machine.
struct Limits {
  double discarded = 0.05;    // of the generated cases at most
  double hollow = 0.05;       // of those that passed
  std::int64_t work = 20000;  // elements that a case moves, in the mean; 0: moves none
  std::vector<std::string> covers =
      {};  // areas of classes(), each class of which is proved by some
           // case
};

/// To be called within a property: this case proves nothing.
void proves_nothing();

/// Counts while RapidCheck runs a property.
class Health : public rc::detail::TestListener {
 public:
  /// The property was given this case.
  void given(const oracle::Case& c) { given_ = c; }

  void onTestCaseFinished(const rc::detail::CaseDescription&) override;
  void onShrinkTried(const rc::detail::CaseDescription&, bool) override {}
  void onTestFinished(const rc::detail::TestMetadata&, const rc::detail::TestResult&) override {}

  std::uint64_t generated() const { return generated_; }
  std::uint64_t discarded() const { return discarded_; }
  std::uint64_t hollow() const { return hollow_; }
  double work() const;  // elements that a case moves, in the mean

  /// What is wrong, one sentence each; empty: healthy.
  std::vector<std::string> complaints(const Limits&) const;

 private:
  std::uint64_t generated_ = 0, discarded_ = 0, hollow_ = 0, weighed_ = 0;
  double moved_ = 0;
  oracle::Case given_;
  oracle::Census proved_;
};

/// The local database of found cases: $TRUENORM_FOUND (empty: none), else found.cases in the build
/// folder that this program stands in.
std::string found_file();

/// What every property over cases plays first: corpus/found.cases, then found_file(), each case once.
std::vector<oracle::Case> found_cases();

/// Runs a RapidCheck property `count` times on a stream that is the same in every run, under
/// `health`. A minimal case that fails goes to found_file() under the name of the test. False: it
/// failed, and so did the test.
bool holds(const rc::detail::Property& property, int count, Health& health);

/// Fails the test for each complaint, says in one line what was generated and replayed, and adds the
/// count to the file that $TRUENORM_TALLY names.
void report(const Health& health, const Limits& limits, std::uint64_t replayed,
            std::uint64_t still_fail);

}  // namespace truenorm::props
