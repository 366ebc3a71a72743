// One case: the verdicts, and who is right.
#include <fmt/format.h>

#include "conform.h"
#include "shrink.h"
#include "words.h"

namespace truenorm::oracle {

Verdict judge_reply(const Item& item, const Inputs& inputs, const RemotePlayer::Reply& reply) {
  // Nobody played, so there is nothing to compute.
  if (reply.trace.outcome != Outcome::played) return judge(reply.trace, Answer{});
  if (item.vector != nullptr) return judge_vector(*item.vector, reply.trace, reply.contract);
  return judge(reply.trace, answer(item.value.problem, inputs, reply.contract));
}

Sign sign_of(const Verdict& v) {
  if (against(v)) return Sign::fails;
  return v.result == Result::pass ? Sign::passes : Sign::nothing;
}

Case shrink_verdict(const Case& failing, const Verdict& seen,
                    const std::function<Verdict(const Case&)>& play, int calls) {
  const auto fails = [&](const Case& c) {
    const Verdict v = play(c.exec ? c : Case{c.problem, Exec{}});
    return v.result == seen.result && v.reason == seen.reason;
  };
  Case minimal = shrink(failing, fails, calls);
  if (!minimal.exec) minimal.exec = Exec{};
  return minimal;
}

std::string opinion(const std::string& subject, const Verdict& verdict, const Verdict* rival,
                    const std::string& id) {
  const bool subject_wrong = against(verdict);
  if (rival == nullptr) {
    if (subject_wrong && !id.empty())
      return fmt::format("{} is wrong: its listed divergence {}", subject, id);
    return fmt::format("{} is {} by the exact reference; LibTorch was not asked", subject,
                       subject_wrong ? "wrong" : "right");
  }
  if (rival->result == Result::skipped)
    return fmt::format("{} is {} by the exact reference; LibTorch does not take this case: {}",
                       subject, subject_wrong ? "wrong" : "right", rival->reason);
  if (!against(*rival))
    return subject_wrong
               ? fmt::format("{} is wrong: LibTorch agrees with the exact reference", subject)
               : fmt::format("{} and LibTorch agree with the exact reference", subject);
  const std::string how = id.empty() ? fmt::format("no listed divergence explains it ({})",
                                                   std::string(name(rival->result)))
                                     : fmt::format("its listed divergence {}", id);
  if (subject_wrong) return fmt::format("both are wrong by the exact reference; LibTorch: {}", how);
  if (verdict.result == Result::skipped)
    return fmt::format(
        "LibTorch is wrong by the exact reference, and {}; {} does not take this case", how,
        subject);
  return fmt::format("LibTorch is wrong: {} agrees with the exact reference, and {}", subject, how);
}

}  // namespace truenorm::oracle
