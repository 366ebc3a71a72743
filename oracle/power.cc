#include "power.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

#include "conform.h"
#include "text.h"
#include "threads.h"
#include "words.h"

namespace truenorm::oracle {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kHonestCases = 1000;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Measure {
 public:
  Measure(const Plan& plan, const PowerWatch& watch, std::uint64_t total)
      : plan_(plan), watch_(watch), total_(total) {}

  /// One life for each suspect, of at most `limit` cases.
  std::vector<Life> lives(const std::vector<Suspect>&, std::uint64_t limit, unsigned threads);
  bool interrupted() const { return interrupted_; }

 private:
  /// The plan's index of the turn-th case: the random ones come first.
  std::uint64_t index(std::uint64_t turn) const {
    const std::uint64_t random = plan_.random_cases();
    return turn < random ? plan_.size() - random + turn : turn - random;
  }
  void live(const Suspect&, std::uint64_t limit, Life&);
  void judge_one(const Item&, std::uint64_t index, const RemotePlayer::Reply&, Life&);
  bool stopped() {
    if (watch_.interrupted && watch_.interrupted()) interrupted_ = stop_ = true;
    return stop_;
  }

  const Plan& plan_;
  const PowerWatch& watch_;
  const std::uint64_t total_;
  std::atomic<std::uint64_t> done_{0}, killed_{0};
  std::atomic<bool> stop_{false}, interrupted_{false};
};

void Measure::judge_one(const Item& item, std::uint64_t index, const RemotePlayer::Reply& reply,
                        Life& life) {
  const bool literal = item.vector != nullptr;
  const Verdict v =
      judge_reply(item, literal ? item.vector->inputs : make_inputs(item.value), reply);
  ++life.cases;
  life.passed += v.result == Result::pass;
  if (!against(v)) return;
  life.kill = {v.result,
               v.reason,
               describe(item.value, v),
               plan_.areas()[plan_.area_of(index)],
               plan_.number_of(index),
               literal ? item.vector->file + " \"" + item.vector->name + '"' : print(item.value)};
}

void Measure::live(const Suspect& suspect, std::uint64_t limit, Life& life) {
  const auto start = Clock::now();
  const auto seat = suspect.seats();
  std::uint64_t turn = 0;
  const auto send = [&]() -> std::optional<Item> {
    if (turn == limit) return std::nullopt;
    Item item = plan_.item(index(turn++));
    seat->send(item.value, item.vector != nullptr ? &item.vector->inputs : nullptr);
    return item;
  };
  // The player works on the next case while this thread judges the last.
  for (auto ahead = send(); ahead && !stopped();) {
    const Item item = std::move(*ahead);
    const std::uint64_t at = index(turn - 1);
    const RemotePlayer::Reply reply = seat->receive();
    // Who died of the case gets no other.
    const bool alive = reply.trace.outcome == Outcome::played || !reply.unsupported.empty();
    ahead = alive ? send() : std::nullopt;
    judge_one(item, at, reply, life);
    if (life.kill) break;
    if (!alive) ahead = send();
  }
  life.whole = life.kill || life.cases == limit;
  life.seconds = since(start);
}

std::vector<Life> Measure::lives(const std::vector<Suspect>& suspects, std::uint64_t limit,
                                 unsigned threads) {
  std::vector<Life> lives;
  for (const Suspect& s : suspects) lives.push_back({s.id, s.what, 0, 0, 0, {}, false});
  std::atomic<std::size_t> turn{0};
  const auto work = [&](unsigned) {
    for (std::size_t i; !stop_ && (i = turn++) < suspects.size(); ++done_) {
      live(suspects[i], limit, lives[i]);
      killed_ += lives[i].kill.has_value();
    }
  };
  const auto tick = [&] {
    stopped();
    if (watch_.progress) watch_.progress(done_, total_, killed_);
  };
  if (!suspects.empty())
    on_threads(static_cast<unsigned>(std::min<std::size_t>(threads, suspects.size())), work, tick,
               stop_);
  return lives;
}

}  // namespace

std::uint64_t PowerReport::killed() const {
  return static_cast<std::uint64_t>(std::count_if(
      defects.begin(), defects.end(), [](const Life& l) { return l.kill.has_value(); }));
}

std::vector<std::string> PowerReport::survivors() const {
  std::vector<std::string> ids;
  for (const Life& l : defects)
    if (l.survived()) ids.push_back(l.id);
  return ids;
}

bool PowerReport::honest_clean() const {
  return std::all_of(honest.begin(), honest.end(),
                     [](const Life& l) { return l.survived() && l.passed > 0; });
}

std::uint64_t PowerReport::median_cases() const {
  std::vector<std::uint64_t> cases;
  for (const Life& l : defects) cases.push_back(l.cases);
  std::sort(cases.begin(), cases.end());
  return cases.empty() ? 0 : cases[cases.size() / 2];
}

bool PowerReport::all_good() const { return killed() == defects.size() && honest_clean(); }

PowerReport power(const Plan& plan, const std::vector<Suspect>& defects,
                  const std::vector<Suspect>& honest, const PowerOptions& options,
                  const PowerWatch& watch) {
  const auto start = Clock::now();
  Measure measure(plan, watch, defects.size() + honest.size());
  PowerReport report{options.subject, options.seed, options.threads, 0, false, {}, {}};
  report.defects = measure.lives(defects, plan.size(), options.threads);
  std::uint64_t longest = kHonestCases;
  for (const Life& l : report.defects) longest = std::max(longest, l.cases);
  report.honest = measure.lives(honest, std::min(longest, plan.size()), options.threads);
  report.interrupted = measure.interrupted();
  report.seconds = since(start);
  return report;
}

}  // namespace truenorm::oracle
