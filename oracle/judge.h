// The judge: a trace against an answer. Pure: no clock, no I/O, no thresholds of its own.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "answer.h"
#include "player.h"

namespace truenorm::oracle {

const std::vector<double>& tensor(const StepTrace&, Output);
const Balls& tensor(const StepAnswer&, Output);

enum class Result : std::uint8_t { pass, fail, hollow, skipped, crash, timeout };
inline constexpr std::size_t kResults = 6;
std::string_view name(Result);

/// The first thing that is wrong, or the worst element of a pass.
struct Where {
  std::size_t step = 0;
  Output output = Output::y;
  std::size_t element = 0;
  double got = 0, mid = 0, radius = 0;
  Kind kind = Kind::finite;  // what should stand there, where it is not the ball
};

struct Verdict {
  Result result = Result::pass;
  /// fail: "refusal", "num_batches_tracked", "missing", an output's name, or the name of an Outcome;
  /// "state", where the same case passes in a new process.
  /// hollow: "y", ... skipped: the player's words.
  std::string reason;
  std::string detail;  // one sentence for people
  Where worst;         // the element of the highest score
  double score =
      0;  // max |got - mid| / radius over all elements; Inf where NaN or a wrong kind was met
  std::array<double, kOutputs> scores{};  // by output; -1: not produced
  std::uint64_t elements = 0, vacuous = 0;
};

/// Membership, element by element: pass needs |got - mid| <= radius to be true, so NaN never
/// passes. A pass is hollow if the program produced some output kind all of whose elements are
/// vacuous.
Verdict judge(const Trace& got, const Answer& balls);

}  // namespace truenorm::oracle
