// check and shrink.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "../conform.h"
#include "../text.h"
#include "../vary_json.h"
#include "../words.h"
#include "npz_verb.h"
#include "options.h"
#include "support.h"
#include "verbs.h"

namespace truenorm::oracle::cli {
namespace {

constexpr int kShrinkCalls = 2000;

/// A player at the table.
struct Judged {
  std::string spec;
  std::unique_ptr<Seat> seat;
  std::string version;
  Divergences known;  // LibTorch's
};

std::vector<Judged> sit_down(const Table& table, const Isolation& isolation) {
  std::vector<Judged> judged;
  for (const std::string& spec : table.players) {
    judged.push_back(
        {spec, subject_seat(spec, spec == table.subject ? isolation : Isolation{}), {}, {}});
    judged.back().version = judged.back().seat->version();
    if (spec == "libtorch") judged.back().known = known_divergences("");
  }
  return judged;
}

struct Line {
  std::string line, player, known;
  Verdict verdict;
  std::string words;
  std::string minimal;               // the case that the effects are of
  std::vector<FieldEffect> effects;  // with --explain, of a verdict against the player
};

Line judge_one(Judged& player, const Case& c, const Inputs& inputs) {
  Line line;
  line.line = print(c);
  line.player = player.spec;
  line.verdict = judge_reply({c, nullptr}, inputs, player.seat->ask(c));
  const Verdict& v = line.verdict;
  line.known = known_id(player.known, c, v, player.version);
  if (v.result == Result::pass)
    line.words = fmt::format("score {:.3f} at {}", v.score, element_name(c.problem, v.worst));
  if (v.result == Result::pass && v.elements == 0)
    line.words = "nothing to compare but the semantics";
  if (v.result != Result::pass) line.words = describe(c, v);
  if (!line.known.empty()) line.words += fmt::format(" (listed divergence {})", line.known);
  return line;
}

/// Which fields the failure depends on, by the minimal case that fails in the same way.
void explain_line(Judged& player, const Case& c, Line& line) {
  const auto play = [&](const Case& other) {
    return Interruptible::interrupted()
               ? Verdict{}
               : judge_reply({other, nullptr}, make_inputs(other), player.seat->ask(other));
  };
  const Case minimal = shrink_verdict(c, line.verdict, play, kShrinkCalls);
  line.minimal = print(minimal);
  line.effects = field_effects(minimal, [&](const Case& other) { return sign_of(play(other)); });
}

nlohmann::ordered_json line_json(const Line& line) {
  const Verdict& v = line.verdict;
  nlohmann::ordered_json json{{"case", line.line},
                              {"player", line.player},
                              {"result", name(v.result)},
                              {"reason", v.reason},
                              {"detail", line.words}};
  json["score"] =
      std::isfinite(v.score) ? nlohmann::ordered_json(v.score) : nlohmann::ordered_json("inf");
  json["divergence"] =
      line.known.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(line.known);
  if (!line.effects.empty()) {
    json["minimal"] = line.minimal;
    json["fields"] = line.effects;
  }
  return json;
}

struct CheckOptions {
  std::string what, subject, players, json, accumulate;
  bool explain = false;
  Isolation isolation;
};

int run_check(const CheckOptions& o) {
  if (is_npz(o.what))
    return run_check_npz({o.what, o.subject, o.players, o.json, o.explain, o.accumulate == "f64"});
  if (!o.accumulate.empty())
    throw UsageError(
        "--accumulate: a case has no sums but its players', who say themselves how they "
        "add; it is for a file of arrays");
  const std::vector<Asked> cases = read_cases(o.what);
  OutputFile json(o.json);
  const Table table = who_plays(o.players, o.subject);
  std::vector<Judged> players = sit_down(table, o.isolation);
  std::size_t width = 0;
  for (const Judged& player : players) width = std::max(width, player.spec.size());

  const Interruptible guard;
  const bool paint = colour();
  nlohmann::ordered_json verdicts = nlohmann::ordered_json::array();
  std::array<std::uint64_t, kResults> counts{};
  int status = kGood;
  bool taken = false;  // by the subject
  for (const Asked& asked : cases)
    for (const Case& c : expand(asked.value)) {
      const Inputs inputs = make_inputs(c);
      for (Judged& player : players) {
        Line line = judge_one(player, c, inputs);
        if (o.explain && against(line.verdict)) explain_line(player, c, line);
        if (Interruptible::interrupted()) return kInterrupted;
        ++counts[static_cast<std::size_t>(line.verdict.result)];
        taken |= player.spec == table.subject && line.verdict.result != Result::skipped;
        // LibTorch beside a subject may differ in ways that are listed.
        const bool excused = !line.known.empty() && table.subject != "libtorch";
        if (against(line.verdict) && !excused) status = kAgainst;
        if (json.wanted()) verdicts.push_back(line_json(line));
        const char* tint = !paint                                ? ""
                           : against(line.verdict)               ? "\x1b[31;1m"
                           : line.verdict.result == Result::pass ? "\x1b[32m"
                                                                 : "\x1b[33m";
        if (o.json != "-")
          fmt::print("{}{:<8}{} {:<{}} {}  # {}\n", tint, name(line.verdict.result),
                     paint ? "\x1b[0m" : "", line.player, width, line.line, line.words);
        if (o.json != "-" && !line.effects.empty())
          fmt::print("         minimal: {}\n{}", line.minimal,
                     effects_text(line.effects, "         "));
      }
    }
  if (json.wanted()) {
    const nlohmann::ordered_json all{
        {"schema", "truenorm-check/1"}, {"subject", table.subject}, {"verdicts", verdicts}};
    json.write(all.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  }
  if (!taken) {
    fmt::print(stderr, "truenorm: nothing was judged: {} takes none of these cases\n",
               table.subject);
    status = kAgainst;
  }
  if (o.json == "-") return status;
  std::string sum;
  for (std::size_t i = 0; i < kResults; ++i)
    if (counts[i] > 0)
      sum +=
          fmt::format("{}{} {}", sum.empty() ? "" : ", ", counts[i], name(static_cast<Result>(i)));
  fmt::print("{}\n", sum);
  return status;
}

struct ShrinkOptions {
  std::string line, subject = "truenorm";
  int calls = kShrinkCalls;
  bool explain = false;
};

int run_shrink(const ShrinkOptions& o) {
  const Case asked = parse_line(o.line);
  require_player(o.subject);
  const auto seat = seat_for(o.subject);
  auto verdict_of = [&](const Case& c) {
    return judge_reply({c, nullptr}, make_inputs(c), seat->ask(c));
  };
  std::optional<Case> failing;
  Verdict first;
  for (const Case& c : expand(asked)) {
    first = verdict_of(c);
    if (!against(first)) continue;
    failing = c;
    break;
  }
  if (!failing) {
    fmt::print(stderr, "no verdict against {} ({}): nothing to shrink\n", o.subject,
               name(first.result));
    return kGood;
  }
  const Interruptible guard;
  const auto play = [&](const Case& c) {
    return Interruptible::interrupted() ? Verdict{} : verdict_of(c);
  };
  const Case minimal = shrink_verdict(*failing, first, play, o.calls);
  const std::string words = describe(minimal, verdict_of(minimal));
  fmt::print("{}\n", print(minimal));
  std::fflush(stdout);
  fmt::print(stderr, "{}\n{}\n", words, rerun_command(print(minimal), o.subject));
  if (o.explain) {
    const auto effects = field_effects(minimal, [&](const Case& c) { return sign_of(play(c)); });
    if (Interruptible::interrupted()) return kInterrupted;
    fmt::print(stderr, "{}", effects_text(effects, ""));
  }
  return kAgainst;
}

}  // namespace

void add_check(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand(
      "check", "Judge single cases, one line a case and player, or somebody's arrays (.npz)");
  const auto o = std::make_shared<CheckOptions>();
  verb->add_option("LINE", o->what, "A line, a file of lines, - for standard input, or FILE.npz")
      ->required();
  verb->add_option("--subject", o->subject,
                   "truenorm (default), onednn, libtorch, naive, faulty:ID or PATH.so");
  verb->add_option("--players", o->players,
                   "Who is judged, such as subject,libtorch,naive (default subject,libtorch)");
  verb->add_option("--json", o->json, "Write the verdicts as JSON; - for standard output");
  verb->add_flag("--explain", o->explain,
                 "For each verdict against a player: which fields of the minimal case matter");
  verb->add_option(
          "--accumulate", o->accumulate,
          "How the arrays of FILE.npz were summed: f32 (default) or f64; f64 data always in f64")
      ->check(CLI::IsMember({"f32", "f64"}));
  add_isolation(*verb, o->isolation);
  verb->footer(
      "FILE.npz has x, mode, y and what else there is, by numpy.savez: docs/python.md. Those who "
      "are "
      "asked beside it are --players (default truenorm,libtorch,naive).\n"
      "A case without a right side is played in every standard way.\n\n"
      "Example: truenorm check 'tn1 n4c16s7x7 f32 x=cancel(1e4) run=TB | nhwc' --players "
      "subject,naive");
  verb->callback([o, &status] { status = run_check(*o); });
}

void add_shrink(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("shrink", "Make a failing case smaller");
  const auto o = std::make_shared<ShrinkOptions>();
  verb->add_option("LINE", o->line, "The case")->required();
  verb->add_option("--subject", o->subject, "The player that fails (default truenorm)");
  verb->add_option("--calls", o->calls, "Plays to spend (default 2000)")
      ->check(CLI::PositiveNumber);
  verb->add_flag("--explain", o->explain, "Vary each field of the minimal case: which ones matter");
  verb->footer(
      "The minimal line goes to standard output, what is wrong with it to standard error.\n\n"
      "Example: truenorm shrink 'tn1 n4c16s7x7 f32 run=TBTB | nhwc' --subject faulty:B004");
  verb->callback([o, &status] { status = run_shrink(*o); });
}

}  // namespace truenorm::oracle::cli
