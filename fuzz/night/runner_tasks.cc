// The runner's tasks: what is due, how it is begun, and how all of it is stopped.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "runner.h"

namespace truenorm::night {
namespace {

using Clock = std::chrono::steady_clock;
using oracle::cli::Interruptible;

constexpr auto kTick = std::chrono::milliseconds(20);
constexpr double kGrace = 2;         // seconds for processes to end by their own clocks
constexpr double kFarewell = 3;      // seconds for them to end when they are told to
constexpr double kDrain = 120;       // seconds for the first of each kind of finding at the end
constexpr std::size_t kBatch = 512;  // inputs of one replay

std::string clock_text(double seconds) {
  const auto all = static_cast<long>(std::ceil(std::max(seconds, 0.0)));
  return fmt::format("{}:{:02}:{:02}", all / 3600, all / 60 % 60, all % 60);
}

std::string rate_text(double rate) {
  return rate < 1000 ? fmt::format("{:.0f}", rate) : fmt::format("{:.1f}k", rate / 1000);
}

}  // namespace

Situation Runner::situation() const {
  Situation now;
  now.jobs = options_.jobs;
  now.left = left();
  now.whole = options_.seconds.value_or(now.left);
  now.spent = spent_;
  now.kept = kept_;
  for (const Slot& slot : slots_) {
    if (!slot) continue;
    now.spent += slot->seconds();
    if (slot->assignment().task.kind == Task::Kind::explore) continue;
    now.kept += slot->seconds();
    ++now.keeping;
  }
  for (const Life& life : lives_) {
    now.targets.push_back(life.state);
    for (std::size_t r = 0; r < life.ways.size(); ++r)
      now.targets.back().replays[r].waited = seconds() - life.replayed_at[r];
  }
  return now;
}

void Runner::fill_slots() {
  for (unsigned number = 0; number < slots_.size(); ++number) {
    if (slots_[number]) continue;
    const auto task = choose(situation());
    if (!task) return;
    start(number, *task);
  }
}

void Runner::start(unsigned number, const Task& task) {
  Life& life = lives_[task.target];
  Assignment a{task, life.target, {"fast", ""}, {}};
  switch (task.kind) {
    case Task::Kind::explore:
      life.state.explored += task.seconds;
      ++life.state.turns;
      break;
    case Task::Kind::replay: {
      a.way = life.ways[task.replay];
      const std::string& target = life.target->name;
      a.inputs = newer(folder_.corpus(target), store_.replayed(target, a.way.name()));
      ReplayState& replay = life.state.replays[task.replay];
      replay.fresh = a.inputs.size();
      if (a.inputs.empty()) return;
      // Inputs of one time stay together: they are told from others by their time.
      std::size_t end = std::min(kBatch, a.inputs.size());
      while (end < a.inputs.size() && a.inputs[end].modified == a.inputs[end - 1].modified) ++end;
      a.inputs.resize(end);
      replay.fresh -= end;
      replay.running = true;
      break;
    }
    case Task::Kind::merge:
      life.state.merging = true;
      Merge(folder_, life.target->name).begin();
      break;
  }
  slots_[number].emplace(minder_, builds_, folder_, number + 1, options_.subject, options_.limits,
                         std::move(a));
}

void Runner::scan_corpora() {
  scanned_ = seconds();
  for (Life& life : lives_) {
    life.state.corpus = files_of(folder_.corpus(life.target->name)).size();
    if (const double rate = sample_of(life).exec_per_second; rate > 0)
      life.state.load = static_cast<double>(life.state.corpus) / rate;
    if (life.ways.empty()) continue;
    const auto inputs = newer(folder_.corpus(life.target->name), 0);
    for (std::size_t r = 0; r < life.ways.size(); ++r) {
      const std::int64_t until = store_.replayed(life.target->name, life.ways[r].name());
      life.state.replays[r].fresh = static_cast<std::size_t>(std::count_if(
          inputs.begin(), inputs.end(), [&](const Input& i) { return i.modified > until; }));
    }
  }
}

Sample Runner::sample_of(const Life& life) const {
  Sample s;
  s.run = run_;
  s.seconds = before_ + seconds();
  s.target = life.target->name;
  s.executions = life.before + life.executions;
  double executions = static_cast<double>(life.explored), time = life.explored_seconds;
  for (const Slot& slot : slots_) {
    if (!slot || slot->assignment().target != life.target) continue;
    s.executions += slot->executions();
    if (slot->assignment().task.kind != Task::Kind::explore) continue;
    executions += static_cast<double>(slot->executions());
    time += slot->seconds();
  }
  s.exec_per_second = time > 0 ? executions / time : 0;
  s.coverage = life.coverage;
  s.features = life.features;
  s.corpus = life.state.corpus;
  for (const auto& [output, score] : life.worst) s.worst_score = std::max(s.worst_score, score);
  return s;
}

void Runner::sample() {
  sampled_ = seconds();
  for (const Life& life : lives_) store_.add(sample_of(life));
  store_.live(run_, seconds());
}

std::string Runner::status_line() const {
  std::string text =
      options_.seconds ? clock_text(left()) + " left" : clock_text(seconds()) + " so far";
  double worst = -1;
  for (const Life& life : lives_) {
    const Sample s = sample_of(life);
    text += fmt::format(" | {} {}/s cov {} corpus {}",
                        life.target->name.substr(0, life.target->name.find('_')),
                        rate_text(s.exec_per_second), s.coverage, s.corpus);
    worst = std::max(worst, s.worst_score);
  }
  std::string end = worst < 0 ? "" : fmt::format(" | worst {:.3f}", worst);
  end += fmt::format(" | {} findings", fresh_);
  const std::size_t width =
      std::max(oracle::cli::terminal_width(STDERR_FILENO), end.size() + 2) - 1;
  if (text.size() + end.size() > width) text.resize(width - end.size());
  return text + end;
}

/// Ends all jobs, at once or by their own clocks; takes in what they leave; waits for the first
/// finding of each kind to be refined, unless it is to be now.
void Runner::wind_down(bool now) {
  const double begun = seconds();
  double told = -1;
  const auto busy = [&] {
    return std::any_of(slots_.begin(), slots_.end(), [](const Slot& s) { return s.has_value(); });
  };
  while (busy()) {
    now = now || Interruptible::interrupted() || seconds() - begun > kGrace;
    if (now && told < 0) {
      told = seconds();
      for (Slot& slot : slots_)
        if (slot) slot->signal(SIGINT);
    }
    for (unsigned number = 0; number < slots_.size(); ++number) {
      Slot& slot = slots_[number];
      if (!slot) continue;
      if (told >= 0 && seconds() - told > kFarewell) slot->signal(SIGKILL);
      const auto end = slot->ended();
      look_at(*slot);
      if (end) finish(slot, number, *end);
    }
    std::this_thread::sleep_for(kTick);
  }
  sample();
  const double drained = seconds();
  while (triage_->owes() && !Interruptible::interrupted() && seconds() - drained < kDrain) {
    take_refined();
    line_.show("the time is over; what was found is being made small");
    std::this_thread::sleep_for(kTick);
  }
  triage_->stop();
  take_refined();
  store_.live(run_, seconds());
}

}  // namespace truenorm::night
