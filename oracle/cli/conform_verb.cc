// conform.
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "../conform.h"
#include "../found.h"
#include "../plan.h"
#include "../players/players.h"
#include "../report.h"
#include "../text.h"
#include "handout.h"
#include "options.h"
#include "support.h"
#include "verbs.h"

namespace truenorm::oracle::cli {
namespace {

constexpr std::uint64_t kRandomCases = 20000;

struct Options {
  std::string subject, players, profile, shard, corpus, found;
  Forms forms;
  std::optional<std::uint64_t> cases;
  std::optional<double> seconds;
  std::uint64_t seed = 1;
  unsigned threads = 0;
  bool explain = false;
  Isolation isolation;
};

/// How many random cases a run is given, and how long they may take.
struct Budget {
  std::string_view name;
  std::uint64_t cases;
  std::optional<double> seconds;
};
constexpr std::array<Budget, 3> kProfiles{{{"pr", 5000, 600.0},
                                           {"nightly", 1'000'000, 3 * 3600.0},
                                           {"release", 5'000'000, std::nullopt}}};

/// Options override the profile, one by one; without any, a time alone is a run until then.
Budget budget_of(const Options& o) {
  Budget budget{"", o.seconds ? Plan::kEndless : kRandomCases, std::nullopt};
  for (const Budget& profile : kProfiles)
    if (profile.name == o.profile) budget = profile;
  if (o.cases) budget.cases = *o.cases;
  if (o.seconds) budget.seconds = o.seconds;
  if (budget.seconds && !(*budget.seconds > 0 && std::isfinite(*budget.seconds)))
    throw UsageError(fmt::format("--seconds {}: a time above 0 was expected", *budget.seconds));
  return budget;
}

/// "i/n". The i of 0..n-1 and the i of 1..n name the same parts, for n stands for 0: both ways of
/// counting are in use.
Shard parse_shard(const std::string& text) {
  Shard shard;
  const char *begin = text.data(), *end = begin + text.size();
  const auto first = std::from_chars(begin, end, shard.index);
  const bool slash = first.ec == std::errc() && first.ptr != end && *first.ptr == '/';
  const auto second = slash ? std::from_chars(first.ptr + 1, end, shard.count) : first;
  if (!slash || second.ec != std::errc() || second.ptr != end || shard.count == 0 ||
      shard.index > shard.count || shard.count > Plan::kEndless)
    throw UsageError(
        fmt::format("--shard '{}': i/n with i in 1..n was expected, such as 1/4", text));
  shard.index %= shard.count;
  return shard;
}

/// The part that GoogleTest's variables name, for those who share out test programs: GTEST_SHARD_INDEX
/// of 0..n-1 is part 1..n of GTEST_TOTAL_SHARDS.
Shard shard_of_environment() {
  constexpr const char *kTotal = "GTEST_TOTAL_SHARDS", *kIndex = "GTEST_SHARD_INDEX";
  const auto number = [](const char* name) -> std::optional<std::uint64_t> {
    const char* const text = std::getenv(name);
    if (text == nullptr || *text == '\0') return std::nullopt;
    std::uint64_t value = 0;
    const char* const end = text + std::strlen(text);
    const auto [rest, error] = std::from_chars(text, end, value);
    if (error != std::errc() || rest != end)
      throw UsageError(fmt::format("{}='{}': a whole number was expected", name, text));
    return value;
  };
  const auto count = number(kTotal), index = number(kIndex);
  if (!count && !index) return {};
  if (!count || !index)
    throw UsageError(fmt::format("{} is set without {}; both or none were expected",
                                 count ? kTotal : kIndex, count ? kIndex : kTotal));
  if (*count == 0 || *count > Plan::kEndless || *index >= *count)
    throw UsageError(fmt::format("{}={} with {}={}: an index below the total was expected", kIndex,
                                 *index, kTotal, *count));
  if (const char* const told = std::getenv("GTEST_SHARD_STATUS_FILE"); told != nullptr && *told)
    if (!std::ofstream(told))
      throw UsageError(fmt::format("{} (GTEST_SHARD_STATUS_FILE): cannot be written: {}", told,
                                   std::strerror(errno)));
  return {(*index + 1) % *count, *count};
}

/// One subject, and LibTorch beside it or not.
Table who_conforms(const Options& o) {
  Table table = who_plays(o.players, o.subject);
  for (const std::string& player : table.players)
    if (player != table.subject && player != "libtorch")
      throw UsageError(fmt::format(
          "--players '{}': one subject ({}) is judged, and libtorch may stand beside it", o.players,
          table.subject));
  return table;
}

/// Adds the failures that stand for all to the database of found cases.
void keep(const std::string& path, const Report& report, std::size_t most) {
  std::vector<FoundCase> found;
  for (const bool divergences : {false, true})
    for (const Failure* f : chosen_failures(report, divergences, most))
      if (!f->published)
        found.push_back({parse(f->line), divergences ? "libtorch" : report.subject,
                         std::string(name(f->result)), f->reason});
  if (const std::size_t count = append_found(path, found); count > 0)
    fmt::print(stderr, "truenorm: {} kept in {}: the next run plays them first\n",
               count == 1 ? "1 new failure is" : fmt::format("{} new failures are", count), path);
}

/// What `best` stood for on this machine.
void name_best(Counts& isas) {
  const auto best = isas.extract(std::string(name(Isa::best)));
  if (best.empty()) return;
  const auto player = make_player("truenorm");
  std::string_view widest = "?";
  for (int i = static_cast<int>(Isa::scalar); i < kIsas; ++i) {
    Exec exec;
    exec.isa = static_cast<Isa>(i);
    if (player->unsupported(Problem{}, exec).empty()) widest = name(exec.isa);
  }
  isas[fmt::format("best ({})", widest)] += best.mapped();
}

void explain_divergences(Report& report, const Divergences& list) {
  for (const Divergence& d : list.entries())
    if (report.rival.known.contains(d.id) && !d.lines.empty())
      report.explained[d.id] = {d.cause, d.right, print(d.lines.front())};
}

int run_conform(const Options& o) {
  const Budget budget = budget_of(o);
  ConformOptions engine;
  engine.shard = o.shard.empty() ? shard_of_environment() : parse_shard(o.shard);
  const Table who = who_conforms(o);
  const bool rival = who.players.size() > 1;  // LibTorch
  engine.subject = who.subject;
  engine.seed = o.seed;
  engine.explain = o.explain;
  engine.seconds = budget.seconds;
  engine.threads = judges(o.threads);
  std::vector<Case> found;
  if (!o.found.empty()) {
    require_appendable(o.found);
    found = read_found(o.found);
    // All shards of a run have one plan, and what was found meanwhile would move it.
    if (engine.shard.count > 1) found.clear();
  }
  const Plan plan = standard_plan(corpus_directory(o.corpus), o.seed, budget.cases, found);
  Handout handout(o.forms);

  Bench bench;
  bench.subject = [spec = who.subject, how = o.isolation] { return subject_seat(spec, how); };
  if (rival) bench.libtorch = [] { return seat_for("libtorch"); };
  // One start here, for what the players say of themselves and so that one that does not start is
  // told before the run.
  const std::string version = bench.subject()->version();
  const std::string libtorch = rival                       ? seat_for("libtorch")->version()
                               : who.subject == "libtorch" ? version
                                                           : std::string();
  const Divergences list = libtorch.empty() ? Divergences() : known_divergences(o.corpus);
  if (!libtorch.empty())
    bench.classify = [&](const Case& c, const Verdict& v) {
      return known_id(list, c, v, libtorch);
    };

  const Interruptible guard;
  ProgressLine line;
  Report report = conform(plan, engine, bench,
                          {[&](const Progress& p) { line.show(p); }, Interruptible::interrupted});
  line.clear();
  report.subject_version = version;
  report.libtorch = rival ? libtorch : std::string();
  report.random_cases = budget.cases == Plan::kEndless ? 0 : budget.cases;
  if (who.subject == "truenorm") name_best(report.isas);
  explain_divergences(report, list);
  const Look look{colour(), o.forms.census, engine.shrunk, o.forms.allow_new};
  handout.write(report, look);
  if (!o.found.empty()) keep(o.found, report, engine.shrunk);
  return status_of(report, look);
}

std::string profile_help() {
  std::string text = "Budget of the random cases, which other options override:";
  for (const Budget& b : kProfiles)
    text += fmt::format(" {} {} cases{};", b.name, b.cases,
                        b.seconds ? fmt::format(" or {:.0f} s", *b.seconds) : "");
  text.pop_back();
  return text;
}

}  // namespace

void add_conform(CLI::App& app, int& status) {
  CLI::App* verb =
      app.add_subcommand("conform", "Judge a BatchNorm on thousands of cases, LibTorch beside it");
  const auto o = std::make_shared<Options>();
  verb->add_option("--subject", o->subject,
                   "truenorm (default), onednn, libtorch, naive, faulty:ID or PATH.so");
  verb->add_option("--players", o->players,
                   "Who plays: subject,libtorch (default), or the subject alone");
  std::vector<std::string> profiles;
  for (const Budget& b : kProfiles) profiles.emplace_back(b.name);
  verb->add_option("--profile", o->profile, profile_help())->check(CLI::IsMember(profiles));
  verb->add_option("--cases", o->cases, "Random cases besides the fixed ones (default 20000)")
      ->check(whole_number(0, Plan::kEndless - 1));
  verb->add_option("--seconds", o->seconds, "End the random cases after this time");
  verb->add_option("--seed", o->seed, "Seed of the random cases (default 1)")
      ->check(whole_number(0, std::numeric_limits<std::uint64_t>::max()));
  verb->add_option("--shard", o->shard,
                   "i/n: every n-th case only, part i of 1..n (default: what GTEST_SHARD_INDEX and "
                   "GTEST_TOTAL_SHARDS say)");
  verb->add_option("--threads", o->threads, "Judges side by side (default: one a core)")
      ->check(whole_number(1, kMaxThreads));
  add_forms(*verb, o->forms);
  verb->add_option("--corpus", o->corpus, "Directory of the corpus (also TRUENORM_CORPUS)");
  verb->add_option("--found", o->found,
                   "Keep failures in this file of lines, and play its lines first")
      ->envname("TRUENORM_FOUND");
  add_isolation(*verb, o->isolation);
  verb->add_flag("--explain", o->explain,
                 "Vary each field of every failure that is shown: which ones matter");
  verb->footer("Example: truenorm conform --subject ./libmine.so --cases 5000 --json report.json");
  verb->callback([o, &status] { status = run_conform(*o); });
}

}  // namespace truenorm::oracle::cli
