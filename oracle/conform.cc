#include "conform.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "place.h"
#include "sample.h"
#include "shrink.h"
#include "text.h"
#include "threads.h"
#include "words.h"

namespace truenorm::oracle {
namespace {

using Clock = std::chrono::steady_clock;

/// A failure as it was met, before it is shrunk.
struct Found {
  Failure entry;
  Item item;
  Verdict verdict;  // of the player that the entry is against
  std::string id;   // the listed divergence that explains it, where the subject is LibTorch
  std::vector<std::uint64_t> before;  // cases that the same process had played, the last one last
};

/// Of the cases before a failure, how many are looked at: state that is kept shows soon.
constexpr std::size_t kBefore = 16;

/// What one thread has seen.
struct Part {
  Report report;
  Census census;
  std::vector<Found> found;
  std::vector<std::uint64_t> played;  // by the process that now plays the subject
};

/// What a seat answers to a case, judged.
Verdict verdict_of(Seat& seat, const Case& c) {
  return judge_reply({c, nullptr}, make_inputs(c), seat.ask(c));
}

void count_scores(Histograms& scores, const Verdict& v) {
  for (std::size_t i = 0; i < kOutputs; ++i)
    if (v.scores[i] >= 0) ++scores[i][score_bin(v.scores[i])];
}

class Run {
 public:
  Run(const Plan& plan, const ConformOptions& options, const Bench& bench, const Watch& watch)
      : plan_(plan), options_(options), bench_(bench), watch_(watch), start_(Clock::now()) {
    const std::uint64_t size = plan.size(), n = options.shard.count;
    total_ = size >= Plan::kEndless ? Plan::kEndless : (size + n - 1 - options.shard.index) / n;
  }

  Report operator()();

 private:
  struct Pending {
    std::uint64_t index;
    Item item;
  };

  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  void tick(bool shrinking);
  std::optional<Pending> next();
  void work(Part&);
  void take(Part&, const Pending&, const RemotePlayer::Reply& subject,
            const RemotePlayer::Reply* libtorch);
  void count_subject(Part&, const Pending&, const Verdict&, const Verdict* rival,
                     const std::string& id);
  void count_rival(Part&, const Pending&, const Verdict&, const Verdict& rival,
                   const std::string& id);
  Found entry(const Pending&, const Verdict&) const;
  bool restate(Found&, const Case& minimal, Seat* libtorch);
  void shrink_one(Found&, Seat* libtorch);
  bool fails_after(const Found&, const std::vector<Case>& before);
  void blame_state(Found&);
  bool ended() const { return stop_ || (watch_.interrupted && watch_.interrupted()); }
  void shrink_some(std::vector<Found>&);
  std::string classify(const Case& c, const Verdict& v) const {
    return bench_.classify && against(v) ? bench_.classify(c, v) : std::string();
  }

  const Plan& plan_;
  const ConformOptions& options_;
  const Bench& bench_;
  const Watch& watch_;
  const Clock::time_point start_;
  std::uint64_t total_ = 0;
  std::atomic<std::uint64_t> next_{0}, done_{0}, against_{0}, fresh_{0};
  std::atomic<bool> stop_{false}, interrupted_{false}, out_of_time_{false};
};

void Run::tick(bool shrinking) {
  if (watch_.interrupted && watch_.interrupted()) interrupted_ = stop_ = true;
  if (watch_.progress) watch_.progress({done_, total_, against_, fresh_, seconds(), shrinking});
}

/// The next case that is anybody's. One atomic step a case is nothing beside playing it, and keeps
/// the threads level to the end.
std::optional<Run::Pending> Run::next() {
  if (stop_) return std::nullopt;
  const std::uint64_t turn = next_.fetch_add(1);
  if (turn >= total_) return std::nullopt;
  const std::uint64_t index = turn * options_.shard.count + options_.shard.index;
  if (plan_.random(index) && options_.seconds && seconds() >= *options_.seconds) {
    out_of_time_ = true;
    return std::nullopt;
  }
  return Pending{index, plan_.item(index)};
}

void Run::work(Part& part) {
  const auto subject = bench_.subject();
  const auto libtorch = bench_.libtorch ? bench_.libtorch() : nullptr;
  auto begin = [&]() -> std::optional<Pending> {
    auto pending = next();
    if (!pending) return pending;
    const Inputs* literal =
        pending->item.vector != nullptr ? &pending->item.vector->inputs : nullptr;
    subject->send(pending->item.value, literal);
    if (libtorch) libtorch->send(pending->item.value, literal);
    return pending;
  };
  // The players work on the next case while this thread judges the last.
  for (auto ahead = begin(); ahead;) {
    const Pending current = std::move(*ahead);
    const RemotePlayer::Reply mine = subject->receive();
    const RemotePlayer::Reply theirs = libtorch ? libtorch->receive() : RemotePlayer::Reply{};
    if (interrupted_ || (watch_.interrupted && watch_.interrupted())) return;
    ahead = begin();
    take(part, current, mine, libtorch ? &theirs : nullptr);
    ++done_;
  }
}

void Run::take(Part& part, const Pending& p, const RemotePlayer::Reply& subject,
               const RemotePlayer::Reply* libtorch) {
  const bool literal = p.item.vector != nullptr;
  const Inputs inputs = literal ? p.item.vector->inputs : make_inputs(p.item.value);
  part.census.add(p.item.value);
  if (const auto& exec = p.item.value.exec) {
    ++part.report.isas[std::string(name(exec->isa))];
    ++part.report.thread_counts[std::to_string(exec->threads)];
  }
  const Verdict verdict = judge_reply(p.item, inputs, subject);
  if (libtorch == nullptr) {
    const std::string id =
        options_.subject == "libtorch" ? classify(p.item.value, verdict) : std::string();
    if (!id.empty()) ++part.report.rival.known[id];
    count_subject(part, p, verdict, nullptr, id);
    return;
  }
  // LibTorch answers for its balls, not for the numbers that others published.
  const Verdict rival = judge_reply({p.item.value, nullptr}, inputs, *libtorch);
  const std::string id = classify(p.item.value, rival);
  count_subject(part, p, verdict, &rival, id);
  count_rival(part, p, verdict, rival, id);
}

void Run::count_subject(Part& part, const Pending& p, const Verdict& v, const Verdict* rival,
                        const std::string& id) {
  Report& r = part.report;
  Tally& tally = r.area(plan_.areas()[plan_.area_of(p.index)]);
  ++tally.results[static_cast<std::size_t>(v.result)];
  if (v.result == Result::hollow) ++r.hollow[v.reason];
  if (v.result == Result::skipped) ++r.skipped[v.reason];
  if (v.result == Result::pass) {
    count_scores(r.scores, v);
    std::string line;
    auto raise = [&](Peak& peak, double score) {
      if (!peak.improves(score, p.index)) return;
      if (line.empty())
        line = p.item.vector != nullptr ? p.item.vector->file + " \"" + p.item.vector->name + '"'
                                        : print(p.item.value);
      peak = {score, p.index, line};
    };
    raise(tally.worst, v.score);
    for (std::size_t i = 0; i < kOutputs; ++i)
      if (v.scores[i] >= 0) raise(r.outputs[i], v.scores[i]);
  }
  const std::vector<std::uint64_t> before = part.played;
  if (v.result == Result::crash || v.result == Result::timeout)
    part.played.clear();  // the next case meets a new process
  else
    part.played.push_back(p.index);
  if (part.played.size() > kBefore) part.played.erase(part.played.begin());
  if (!against(v)) return;
  ++against_;
  part.found.push_back(entry(p, v));
  part.found.back().id = id;
  part.found.back().before = before;
  part.found.back().entry.opinion = opinion(options_.subject, v, rival, id);
}

void Run::count_rival(Part& part, const Pending& p, const Verdict& v, const Verdict& rival,
                      const std::string& id) {
  Rival& count = part.report.rival;
  if (rival.result == Result::skipped) {
    ++count.skipped;
    ++part.report.not_compared[rival.reason];
  } else if (!against(rival)) {
    ++count.agreed;
    if (rival.result == Result::pass) count_scores(count.scores, rival);
  } else if (!id.empty()) {
    ++count.known[id];
  } else {
    ++count.fresh;
    ++fresh_;
    part.found.push_back(entry(p, rival));
    part.found.back().entry.divergence = true;
    part.found.back().entry.opinion = opinion(options_.subject, v, &rival, id);
  }
}

Found Run::entry(const Pending& p, const Verdict& v) const {
  Found found{{}, p.item, v, {}, {}};
  Failure& f = found.entry;
  f.index = p.index;
  f.area = plan_.areas()[plan_.area_of(p.index)];
  f.where = plan_.where(p.index);
  f.result = v.result;
  f.reason = v.reason;
  f.detail = describe(p.item.value, v);
  if (p.item.vector != nullptr) {
    f.published = true;
    f.found = f.line = p.item.vector->file + " \"" + p.item.vector->name + '"';
    const bool clone = !build_folder().empty();
    const std::filesystem::path corpus = clone ? "corpus" : shipped_corpus();
    f.command = as_typed("./run vectors ") +
                shell_word((corpus / "vectors" / p.item.vector->file).string()) + " --subject " +
                options_.subject;
  } else {
    f.found = f.line = print(p.item.value);
    f.command = rerun_command(f.line, options_.subject);
  }
  return found;
}

/// States the failure by its minimal case. False: there it did not happen again, and a failure that
/// comes and goes keeps the line that was seen.
bool Run::restate(Found& found, const Case& minimal, Seat* libtorch) {
  const Verdict mine = verdict_of(*bench_.subject(), minimal);
  const Verdict theirs = libtorch != nullptr ? verdict_of(*libtorch, minimal) : Verdict{};
  const Verdict& v = found.entry.divergence ? theirs : mine;
  if (v.result != found.verdict.result) return false;
  const bool alone = options_.subject == "libtorch";
  const std::string id = classify(minimal, alone ? mine : theirs);
  Failure& f = found.entry;
  f.shrunk = true;
  f.line = print(minimal);
  f.detail = describe(minimal, v);
  f.command = rerun_command(f.line, options_.subject);
  f.opinion = opinion(options_.subject, mine, libtorch != nullptr ? &theirs : nullptr, id);
  return true;
}

/// The subject, in a new process, fails in the same way after these cases.
bool Run::fails_after(const Found& found, const std::vector<Case>& before) {
  if (ended()) return false;
  const auto seat = bench_.subject();
  for (const Case& c : before) seat->ask(c);
  const Verdict v = verdict_of(*seat, found.item.value);
  return v.result == found.verdict.result && v.reason == found.verdict.reason;
}

/// The case passes in a new process: a case that was played before it is looked for that makes it
/// fail there, too.
void Run::blame_state(Found& found) {
  std::vector<Case> before;
  for (const std::uint64_t index : found.before)
    if (const Item item = plan_.item(index); item.vector == nullptr) before.push_back(item.value);
  const auto guilty = std::find_if(before.rbegin(), before.rend(),
                                   [&](const Case& c) { return fails_after(found, {c}); });
  if (guilty != before.rend())
    before = {shrink(
        *guilty, [&](const Case& c) { return fails_after(found, {c}); },
        options_.shrink_calls / 8)};
  else if (!fails_after(found, before))
    before.clear();
  Failure& f = found.entry;
  if (ended()) return;
  if (before.empty()) {
    f.opinion += "; played again, it did not happen";
    return;
  }
  f.reason = "state";
  f.detail =
      "state of earlier cases: in a new process this passes, after others it does not: " + f.detail;
  before.push_back(found.item.value);
  f.command = rerun_command(before, options_.subject);
}

void Run::shrink_one(Found& found, Seat* libtorch) {
  const bool rival_wrong = found.entry.divergence;
  // State that earlier cases left in a process is not to be taken for a fault of this one.
  const auto fresh = rival_wrong ? nullptr : bench_.subject();
  Seat& accused = rival_wrong ? *libtorch : *fresh;
  // Nothing fails any more once the run is to end, and a divergence that is listed is none.
  const auto play = [&](const Case& c) {
    if (ended()) return Verdict{};
    const Verdict v = verdict_of(accused, c);
    return rival_wrong && !classify(c, v).empty() ? Verdict{} : v;
  };
  const Verdict again = play(found.item.value);
  if (again.result != found.verdict.result || again.reason != found.verdict.reason) {
    if (!rival_wrong && !against(again))
      blame_state(found);
    else if (!stop_)
      found.entry.opinion += "; played again, it did not happen";
    return;
  }
  // Every death costs a start of the process.
  const int calls =
      found.verdict.result == Result::fail ? options_.shrink_calls : options_.shrink_calls / 8;
  const Case minimal = shrink_verdict(found.item.value, found.verdict, play, calls);
  if (stop_) return;
  if (minimal != found.item.value && !restate(found, minimal, libtorch)) return;
  if (!options_.explain) return;
  auto effects = field_effects(minimal, [&](const Case& c) { return sign_of(play(c)); });
  if (!ended()) found.entry.effects = std::move(effects);
}

/// Shrinks the first failure of each kind, then the first ones of all, up to the number that is
/// shown.
void Run::shrink_some(std::vector<Found>& found) {
  std::vector<Found*> chosen, others;
  std::set<std::tuple<bool, Result, std::string, std::string>> kinds;
  for (Found& f : found) {
    // A hang is minutes of waiting, and literal data do not shrink.
    if (f.verdict.result == Result::timeout || f.item.vector != nullptr) continue;
    (kinds.emplace(f.entry.divergence, f.verdict.result, f.verdict.reason, f.id).second ? chosen
                                                                                        : others)
        .push_back(&f);
  }
  chosen.insert(chosen.end(), others.begin(), others.end());
  if (chosen.size() > options_.shrunk) chosen.resize(options_.shrunk);
  if (chosen.empty()) return;
  std::atomic<std::size_t> turn{0};
  auto work = [&](unsigned) {
    const auto libtorch = bench_.libtorch ? bench_.libtorch() : nullptr;
    for (std::size_t i; !stop_ && (i = turn++) < chosen.size();)
      shrink_one(*chosen[i], libtorch.get());
  };
  const auto threads =
      static_cast<unsigned>(std::min<std::size_t>(options_.threads, chosen.size()));
  on_threads(
      threads, work, [&] { tick(true); }, stop_);
}

Report Run::operator()() {
  std::vector<Part> parts(options_.threads);
  // Every area is in the report, in order, be it empty in this shard.
  Report report;
  for (const std::string& area : plan_.areas()) report.area(area);
  on_threads(
      options_.threads, [&](unsigned t) { work(parts[t]); }, [&] { tick(false); }, stop_);
  report.seconds = seconds();

  Census census;
  std::vector<Found> found;
  for (Part& part : parts) {
    absorb(report, part.report);
    census.add(part.census);
    std::move(part.found.begin(), part.found.end(), std::back_inserter(found));
  }
  std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return std::pair(a.entry.index, a.entry.divergence) <
           std::pair(b.entry.index, b.entry.divergence);
  });
  tick(false);
  if (!stop_) shrink_some(found);
  for (Found& f : found) report.failures.push_back(std::move(f.entry));

  report.census = census.counts();
  report.subject = options_.subject;
  report.seed = options_.seed;
  report.shards = {options_.shard};
  report.threads = options_.threads;
  report.interrupted = interrupted_;
  report.out_of_time = out_of_time_;
  return report;
}

}  // namespace

Report conform(const Plan& plan, const ConformOptions& options, const Bench& bench,
               const Watch& watch) {
  return Run(plan, options, bench, watch)();
}

}  // namespace truenorm::oracle
