#include "runner.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <stdexcept>
#include <thread>

#include "fuzz/finding.h"
#include "oracle/found.h"
#include "oracle/text.h"

namespace truenorm::night {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using oracle::cli::Interruptible;

constexpr auto kTick = std::chrono::milliseconds(100);
constexpr double kScan = 5, kSample = 10;  // seconds between looks at the corpora, and samples
constexpr double kLateSample = 60;         // the same after the first ten minutes
constexpr unsigned kStillborn = 5;  // deaths in a row at the start before a target is left out
constexpr std::uint64_t kRoom = std::uint64_t{32} << 20;  // bytes that the disk is to have free

}  // namespace

Runner::Runner(NightOptions options, const Builds& builds)
    : options_(std::move(options)),
      builds_(builds),
      folder_{fs::absolute(options_.folder)},
      lock_(folder_),
      store_(folder_.root),
      start_(Clock::now()),
      slots_(options_.jobs) {
  if (!store_.moved_aside().empty())
    fmt::print(stderr,
               "truenorm fuzz: the database was damaged; it is {} now, and a new one is made\n",
               store_.moved_aside());
  if (const std::string known = store_.subject(); !known.empty() && known != options_.subject)
    throw oracle::cli::UsageError(fmt::format("{}: is about {}; --dir names another folder for {}",
                                              folder_.root.string(), known, options_.subject));
  require_room();
  store_.set_subject(options_.subject);
  before_ = store_.seconds();
  Run about;
  about.subject = options_.subject;
  about.jobs = options_.jobs;
  about.planned = options_.seconds.value_or(0);
  for (const Target* target : options_.targets)
    about.targets += (about.targets.empty() ? "" : " ") + target->name;
  // What runs that were killed had found stands in no report yet.
  std::int64_t told = 0;
  for (const Run& run : store_.runs())
    if (!run.end.empty()) told = run.id;
  for (const Finding& f : store_.findings()) fresh_ += f.run > told ? 1 : 0;
  run_ = store_.begin_run(about);
  recover();
  open_targets();
  seed();
}

Runner::~Runner() {
  for (Slot& slot : slots_) slot.reset();
}

double Runner::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

double Runner::left() const {
  return options_.seconds ? *options_.seconds - seconds() : std::numeric_limits<double>::infinity();
}

void Runner::open_targets() {
  for (const Target* target : options_.targets) {
    Life life;
    life.target = target;
    life.ways = replays_of(*target, options_.subject, builds_);
    life.state.weight = target->weight;
    life.state.replays.resize(life.ways.size());
    life.replayed_at.resize(life.ways.size());
    if (const auto last = store_.latest(target->name)) life.before = last->executions;
    for (const Worst& w : store_.worst())
      if (w.target == target->name) life.worst[w.output] = w.score;
    lives_.push_back(std::move(life));
  }
}

/// Findings that a killed runner had not taken in, and corpora that it was about to exchange. After
/// the loss of a database, what it knew of findings is in files, too.
void Runner::recover() {
  std::error_code ignored;
  for (fs::directory_iterator at(folder_.root / "merge", ignored), end; !ignored && at != end;
       at.increment(ignored))
    Merge(folder_, at->path().filename().string()).recover();
  if (!store_.moved_aside().empty())
    for (const fs::path& file : files_of(folder_.findings()))
      if (auto finding = file.extension() == ".json" ? read_finding(file) : std::nullopt) {
        finding->run = 0;
        finding->file = "findings/" + file_name(*finding);
        store_.add(*finding);
      }
  for (fs::directory_iterator at(folder_.jobs(), ignored), end; !ignored && at != end;
       at.increment(ignored)) {
    for (Left& l : leftovers(at->path(), options_.subject)) take(l);
  }
  fs::remove_all(folder_.jobs());
}

void Runner::seed() {
  const auto cases = seed_cases(options_.cases, folder_.found_cases());
  for (Life& life : lives_) {
    write_seeds(*life.target, folder_, seeds_of(*life.target, cases, options_.cases));
    // What a run before this one has left is small enough.
    if (life.before > 0) life.state.merged = files_of(folder_.corpus(life.target->name)).size();
  }
}

void Runner::require_room() const {
  if (const std::uint64_t bytes = room(folder_.root); bytes < kRoom)
    throw StoreError(fmt::format("{}: the disk has {} MB left, and {} are the least",
                                 folder_.root.string(), bytes >> 20, kRoom >> 20),
                     true);
}

NightResult Runner::run() {
  start_ = Clock::now();
  NightResult result;
  result.run = run_;
  const Interruptible guard;
  try {
    triage_.emplace(
        Bench{minder_, builds_, options_.subject, options_.limits, folder_.jobs() / "triage", {}});
    for (const Finding& f : store_.findings())
      if (f.state == Finding::State::fresh) triage_->add(f);
    while (left() > 0 && !Interruptible::interrupted()) {
      turn();
      std::this_thread::sleep_for(kTick);
    }
    wind_down(Interruptible::interrupted());
    result.end = Interruptible::interrupted() ? "interrupted" : "time";
    store_.end_run(run_, seconds(), result.end);
  } catch (const std::runtime_error& e) {
    const auto* store = dynamic_cast<const StoreError*>(&e);
    result.end = store != nullptr && store->full ? "disk full" : "error";
    result.trouble = e.what();
    for (Slot& slot : slots_) slot.reset();
    try {
      store_.end_run(run_, seconds(), result.end);
    } catch (const StoreError&) {
      // Then the run looks like one that was killed, which it is.
    }
  }
  line_.clear();
  result.fresh = fresh_;
  return result;
}

void Runner::turn() {
  require_room();
  for (unsigned number = 0; number < slots_.size(); ++number) {
    Slot& slot = slots_[number];
    if (!slot) continue;
    const auto end = slot->ended();  // first: what it wrote last is then read, too
    look_at(*slot);
    if (end) finish(slot, number, *end);
  }
  take_refined();
  if (seconds() - scanned_ >= kScan) scan_corpora();
  if (seconds() - sampled_ >= (seconds() < 600 ? kSample : kLateSample)) sample();
  fill_slots();
  line_.show(status_line());
}

void Runner::look_at(Job& job) {
  job.read();
  Life& life = life_of(job);
  if (job.assignment().task.kind == Task::Kind::explore) {
    life.coverage = std::max(life.coverage, job.counts().coverage);
    life.features = std::max(life.features, job.counts().features);
    for (Worst& worst : job.status().worst) {
      auto [known, first] = life.worst.try_emplace(worst.output, worst.score);
      if (!first && known->second >= worst.score) continue;
      known->second = worst.score;
      worst.run = run_;
      worst.seconds = before_ + seconds();
      store_.raise(worst);
    }
  }
  for (Left& l : job.left()) {
    if (take(l)) life.stillborn = 0;  // the next process meets another input
  }
  if (!job.told_to_end() && job.overdue()) {
    Finding f;
    f.target = life.target->name;
    f.subject = options_.subject;
    f.verdict = "timeout";
    f.reason = "does not end";
    f.build = job.assignment().way.name();
    f.detail = "the process answered neither its own clock nor its end; its log ends: " +
               job.log().substr(job.log().size() - std::min<std::size_t>(job.log().size(), 500));
    f.state = Finding::State::unreproduced;  // nobody knows of which input
    Left left{std::move(f), {}};
    take(left);
    job.signal(SIGKILL);
  }
}

/// A finding goes to the database and, if it is new, to a file of its own, before it leaves the job.
/// Returns whether its input ended a process, and is now out of the corpus.
bool Runner::take(Left& left) {
  Finding& f = left.finding;
  f.run = run_;
  f.first_seen = std::chrono::duration_cast<std::chrono::seconds>(
                     std::chrono::system_clock::now().time_since_epoch())
                     .count();
  if (!f.input.empty()) {
    const fs::path file = folder_.root / (f.file = "findings/" + file_name(f));
    fs::create_directories(folder_.findings());
    if (!fs::exists(file)) {
      fuzz::write_whole(file.string(), f.input);
      fuzz::write_whole(file.string() + ".json", to_json(f));
    }
  }
  const bool fresh = store_.add(f);
  // An artifact's input would end the next process, too.
  const bool fatal = left.file.parent_path().filename() == "artifacts";
  if (fatal) banish(folder_, f.target, f.input);
  std::error_code ignored;
  if (!left.file.empty()) fs::remove(left.file, ignored);
  if (!fresh) return fatal;
  ++fresh_;
  if (told_.insert(kind_of(f)).second) tell_finding(f, "finding");
  if (triage_ && f.state == Finding::State::fresh)
    for (Finding& kept : store_.findings())
      if (kept.target == f.target && kept.verdict == f.verdict && kept.reason == f.reason &&
          kept.kernel == f.kernel)
        triage_->add(std::move(kept));
  return fatal;
}

void Runner::take_refined() {
  for (Finding& f : triage_->done()) {
    if (!f.file.empty()) fuzz::write_whole((folder_.root / f.file).string(), f.input);
    if (!f.minimal.empty())
      oracle::append_found(folder_.found_cases().string(),
                           {{oracle::parse(f.minimal), f.subject, f.verdict, f.reason}});
    store_.update(f);
    if (told_.insert("minimal " + kind_of(f)).second)
      tell_finding(f, f.state == Finding::State::minimal ? "minimal" : "not again");
  }
}

void Runner::tell_finding(const Finding& f, const char* what) {
  line_.clear();
  fmt::print(stderr, "{}: {}: {}: {}{}{}\n  {}\n", what, f.target, f.verdict, f.reason,
             f.kernel.empty() ? "" : ", ", f.kernel, f.detail);
  if (!f.shown().empty()) fmt::print(stderr, "  {}\n", f.shown());
  if (!f.opinion.empty()) fmt::print(stderr, "  {}\n", f.opinion);
}

void Runner::finish(Slot& slot, unsigned number, const Ended& end) {
  const Assignment& a = slot->assignment();
  Life& life = life_of(*slot);
  life.executions += slot->executions();
  spent_ += slot->seconds();
  if (a.task.kind == Task::Kind::explore) {
    life.explored += slot->executions();
    life.explored_seconds += slot->seconds();
    life.state.explored += slot->seconds() - a.task.seconds;  // it was given as much beforehand
    judge_end(*slot, end);
    slot.reset();
    return;
  }
  kept_ += slot->seconds();
  if (a.task.kind == Task::Kind::replay) return finish_replay(slot, number, end);
  life.state.merging = false;
  const bool merged = end.code == 0;
  slot.reset();
  Merge merge(folder_, life.target->name);
  merged ? merge.finish() : merge.discard();
  scan_corpora();
  life.state.merged = life.state.corpus;
}

/// What a replay died of is a finding; what comes after it is played by the next process. One that
/// somebody killed is done again.
void Runner::finish_replay(Slot& slot, unsigned number, const Ended& end) {
  Assignment a = slot->assignment();
  Life& life = life_of(*slot);
  const bool died = !slot->told_to_end() && !read_death(slot->log(), {}).verdict.empty();
  std::vector<Input> rest = died ? slot->rest() : std::vector<Input>();
  if (!died) judge_end(*slot, end);
  slot.reset();
  if (!rest.empty() && left() > 0) {
    a.inputs = std::move(rest);
    slot.emplace(minder_, builds_, folder_, number + 1, options_.subject, options_.limits,
                 std::move(a));
    return;
  }
  life.state.replays[a.task.replay].running = false;
  life.replayed_at[a.task.replay] = seconds();
  if (rest.empty() && (died || end.code == 0))
    store_.set_replayed({life.target->name, a.way.name(), a.inputs.back().modified});
}

/// A process that dies at once and of no input will do so again: a few times are chance, then it is
/// no use.
void Runner::judge_end(const Job& job, const Ended& end) {
  Life& life = lives_[job.assignment().task.target];
  const bool by_itself = end.code == 0 || job.told_to_end() || job.executions() > 0;
  life.stillborn = by_itself ? 0 : life.stillborn + 1;
  if (life.stillborn < kStillborn) return;
  throw std::runtime_error(fmt::format(
      "{} ({}) ends at its start, {} times in a row ({}). It says:\n{}", life.target->name,
      job.assignment().way.name(), kStillborn, end.words(),
      job.log().substr(job.log().size() - std::min<std::size_t>(job.log().size(), 1000))));
}

}  // namespace truenorm::night
