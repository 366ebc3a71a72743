#include "player.h"

namespace truenorm::oracle {

std::string_view name(Refusal refusal) {
  switch (refusal) {
    case Refusal::none:
      return "none";
    case Refusal::one_value_per_channel:
      return "one value per channel";
    case Refusal::missing_statistics:
      return "missing statistics";
    case Refusal::no_forward:
      return "no forward";
    case Refusal::shape_mismatch:
      return "shape mismatch";
    case Refusal::stale_forward:
      return "stale forward";
    case Refusal::other:
      break;
  }
  return "other";
}

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::played:
      return "played";
    case Outcome::unsupported:
      return "unsupported";
    case Outcome::failed:
      return "failed";
    case Outcome::crashed:
      return "crashed";
    case Outcome::timed_out:
      return "timed out";
    case Outcome::out_of_bounds:
      return "out of bounds";
    case Outcome::changed_input:
      return "changed input";
    case Outcome::not_written:
      return "not written";
    case Outcome::refused_but_wrote:
      break;
  }
  return "refused, but wrote";
}

}  // namespace truenorm::oracle
