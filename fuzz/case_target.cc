#include "case_target.h"

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "answer.h"
#include "data.h"
#include "judge.h"
#include "players/players.h"
#include "text.h"

namespace truenorm::fuzz {
namespace {

using namespace oracle;

/// Where a verdict on a case comes from: dtype, layout and instruction set.
std::string kernel_of(const Case& c, const Verdict& v) {
  const bool gradient =
      v.worst.step < c.problem.run.size() && c.problem.run[v.worst.step].op == Op::backward;
  std::string text{name(c.problem.dtype)};
  text += ' ' + std::string(name(gradient ? c.exec->dy : c.exec->x));
  if (c.exec->isa != Isa::best) text += ' ' + std::string(name(c.exec->isa));
  return text;
}

constexpr Bounds kEveryCase{
    .elements = kMaxElements, .work = kMaxWork, .steps = kMaxSteps, .threads = kMaxThreads};

bool against(const Verdict& v) {
  return v.result == Result::fail || v.result == Result::crash || v.result == Result::timeout;
}

}  // namespace

CaseTarget::CaseTarget(std::string name, const Bounds& bounds, const Options& options,
                       std::vector<Judged> players)
    : name_(std::move(name)),
      bounds_(options.threads == 0 ? bounds : kEveryCase),
      options_(options),
      players_(std::move(players)),
      findings_(name_, options.findings) {}

void CaseTarget::run(Bytes input) {
  ++executions_;
  Case c = decode(input, bounds_);
  if (options_.isa) c.exec->isa = *options_.isa;
  if (options_.threads != 0) c.exec->threads = options_.threads;
  if (work_of(c.problem) <= bounds_.work) {
    const Inputs inputs = make_inputs(c);
    for (std::size_t i = 0; i < players_.size(); ++i) judge(i, c, inputs, input);
  }
  tell_status();
}

void CaseTarget::judge(std::size_t index, const Case& c, const Inputs& inputs, Bytes input) {
  const Judged& judged = players_[index];
  Player& player = *judged.player;
  if (!player.unsupported(c.problem, *c.exec).empty()) return;
  ++judged_;
  const Trace trace = player.play(c, inputs);
  if (trace.outcome == Outcome::played)
    answer(c.problem, inputs, player.contract(c.problem, *c.exec), answer_);
  const Verdict v = oracle::judge(trace, answer_);  // the answer counts where it was played
  passed_ += v.result == Result::pass;
  if (options_.feedback) mark_scores(index, c, v);
  peaks_[index].add(c, v);
  if (!against(v)) return;
  if (judged.known && judged.known(c, v)) {
    ++known_;
    return;
  }
  findings_.tell(
      {player.name(), std::string(name(v.result)), v.reason, kernel_of(c, v), print(c), v.detail},
      input);
}

void CaseTarget::tell_status() {
  if (options_.status.empty() || executions_ % 64 != 0) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - told_ < std::chrono::seconds(1)) return;
  told_ = now;
  nlohmann::ordered_json worst = nlohmann::ordered_json::object();
  for (std::size_t o = 0; o < kOutputs; ++o) {
    const Output output = static_cast<Output>(o);
    const Peaks::Peak& peak = peaks_.front().highest(output);
    if (peak.score >= 0)
      worst[std::string(name(output))] = {{"score", peak.score}, {"case", print(peak.value)}};
  }
  const nlohmann::ordered_json json{{"target", name_},
                                    {"subject", options_.subject},
                                    {"executions", executions_},
                                    {"judged", judged_},
                                    {"passed", passed_},
                                    {"known", known_},
                                    {"findings", findings_.count()},
                                    {"worst", worst}};
  write_whole(options_.status, json.dump() + '\n');
}

std::vector<Judged> subject_alone(const Options& options) {
  std::vector<Judged> all;
  all.push_back({make_player(options.subject), {}});
  return all;
}

}  // namespace truenorm::fuzz
