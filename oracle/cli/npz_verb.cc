// check of a file of arrays: is somebody's output right?
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "../conform.h"
#include "../npz/verdicts.h"
#include "../words.h"
#include "npz_verb.h"
#include "support.h"

namespace truenorm::oracle::cli {
namespace {

using Json = nlohmann::ordered_json;

/// What a player has in place of the element that is worst.
struct Peer {
  std::string name, words;  // words: the verdict on it, or why there is none
  double value = 0;
  bool played = false;
};

struct Line {
  const Claim* claim = nullptr;
  Verdict verdict;
  double widest = 0;                   // radius
  std::string of_radius;               // the largest term of the worst element's radius
  std::vector<std::string> right_for;  // other questions
  std::vector<Peer> peers;
};

/// What the others make of the channel in which `claim` is worst.
std::vector<Peer> ask(const Question& q, const Claim& claim, const Verdict& verdict,
                      const std::vector<std::pair<std::string, std::unique_ptr<Seat>>>& players) {
  const std::size_t worst = verdict.worst.element, channel = channel_of(q, claim.output, worst);
  const Question one = one_channel(q, channel);
  // Where the worst element stands among the channel's.
  std::size_t place = 0;
  for (std::size_t i = 0; i < worst; ++i) place += channel_of(q, claim.output, i) == channel;
  std::vector<Peer> peers;
  for (const auto& [player, seat] : players) {
    const RemotePlayer::Reply reply = seat->ask({one.problem, Exec{}}, &one.inputs);
    Peer& peer = peers.emplace_back(Peer{player, {}, 0, false});
    if (reply.trace.outcome != Outcome::played) {
      peer.words = reply.trace.outcome == Outcome::unsupported
                       ? reply.trace.detail
                       : std::string(name(reply.trace.outcome));
      continue;
    }
    const std::vector<double>& values = tensor(reply.trace.steps[claim.step], claim.output);
    peer.words = "has none";
    if (place >= values.size()) continue;
    peer.value = values[place];
    peer.played = true;
    Answer balls = answer(one.problem, one.inputs, reply.contract);
    const Verdict v = judge_claim({claim.name, claim.output, claim.step, values}, balls);
    peer.words = against(v) ? "wrong, too" : "right";
  }
  return peers;
}

/// "off by 0.01: 42 radii", where a radius measures it.
std::string distance(const Verdict& v) {
  const Where& w = v.worst;
  if (w.kind != Kind::finite || !std::isfinite(w.got) || !std::isfinite(v.score)) return {};
  return fmt::format("off by {:.3g}: {:.3g} radii", w.got - w.mid, v.score);
}

std::string wanted(const Where& w, Dtype dtype) {
  switch (w.kind) {
    case Kind::finite:
      return fmt::format("{} ± {:.3g}", number(w.mid, dtype), w.radius);
    case Kind::nan:
      return "nan";
    case Kind::pos_inf:
      return "inf";
    case Kind::neg_inf:
      return "-inf";
    case Kind::any:
      return "anything";
  }
  return {};
}

std::vector<Line> judge_all(const Question& q, const Arithmetic& arithmetic,
                            const std::vector<std::string>& players) {
  std::vector<Line> lines;
  std::vector<bool> wrong;
  const Contract contract = contract_of(q, arithmetic);
  {
    Answer balls = answer(q.problem, q.inputs, contract);
    for (const Claim& claim : q.claims) {
      Line line{&claim, judge_claim(claim, balls), 0, {}, {}, {}};
      const std::vector<double>& radius = tensor(balls.steps[claim.step], claim.output).radius;
      line.widest = *std::max_element(radius.begin(), radius.end());
      wrong.push_back(against(line.verdict));
      lines.push_back(std::move(line));
    }
  }
  if (std::find(wrong.begin(), wrong.end(), true) == wrong.end()) return lines;
  const auto right = right_for(q, wrong, arithmetic);
  std::vector<std::pair<std::string, std::unique_ptr<Seat>>> seats;
  for (const std::string& player : players) seats.emplace_back(player, seat_for(player));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!wrong[i]) continue;
    Line& line = lines[i];
    line.right_for = right[i];
    const Claim& claim = *line.claim;
    const std::vector<Term> terms = explain(q.problem, q.inputs, contract, claim.step, claim.output,
                                            line.verdict.worst.element);
    const auto most = std::max_element(
        terms.begin(), terms.end(), [](const Term& a, const Term& b) { return a.value < b.value; });
    if (most != terms.end()) line.of_radius = most->name;
    line.peers = ask(q, claim, line.verdict, seats);
  }
  return lines;
}

/// What was asked, so that a default that was not meant is seen.
std::string question_text(const Question& q) {
  const Problem& p = q.problem;
  std::string text = fmt::format("x {} {}", npy::print_shape(q.sizes), numpy_name(p.dtype));
  if (q.channel_axis != 1) text += fmt::format(", channel_axis {}", q.channel_axis);
  text += fmt::format(", mode '{}', eps {}", p.run[0].op == Op::train ? "train" : "eval", p.eps);
  if (p.run[0].op == Op::train && p.track) text += fmt::format(", momentum {}", p.momentum.value);
  std::vector<std::string_view> with;
  if (p.weight) with.push_back("weight");
  if (p.bias) with.push_back("bias");
  if (p.track) with.push_back("running statistics");
  if (p.run.size() == 2) with.push_back("dy");
  return text + (with.empty() ? "" : fmt::format(", with {}", fmt::join(with, ", ")));
}

std::string_view word(const Verdict& v) {
  return against(v) ? "WRONG" : v.result == Result::pass ? "right" : "open";
}

void print_line(const Question& q, const Line& line, std::size_t width) {
  const Verdict& v = line.verdict;
  const Dtype dtype = q.problem.dtype;
  const std::string index = index_of(q, line.claim->output, v.worst.element);
  const char* tint = !colour()                  ? ""
                     : against(v)               ? "\x1b[31;1m"
                     : v.result == Result::pass ? "\x1b[32m"
                                                : "\x1b[33m";
  fmt::print("{}{:<5}{}  {:<{}}  ", tint, word(v), *tint != '\0' ? "\x1b[0m" : "", line.claim->name,
             width);
  if (v.result == Result::hollow) {
    fmt::print("{}\n", v.detail);
    return;
  }
  if (!against(v)) {
    fmt::print("all {} within their radii ({:.2g} at most); worst {:.3g} radii, at {}\n",
               v.elements, line.widest, v.score, index);
    return;
  }
  fmt::print("{} is {}, right is {}\n", index, number(v.worst.got, dtype), wanted(v.worst, dtype));
  std::vector<std::string> notes;
  if (const std::string how_far = distance(v); !how_far.empty()) notes.push_back(how_far);
  if (!line.of_radius.empty())
    notes.push_back(fmt::format("the most of the radius: {}", line.of_radius));
  if (!notes.empty()) fmt::print("       {}\n", fmt::join(notes, "; "));
  for (const Peer& peer : line.peers)
    fmt::print(
        "       {:<9} {}\n", peer.name,
        peer.played ? fmt::format("{}: {}", number(peer.value, dtype), peer.words) : peer.words);
  for (const std::string& words : line.right_for) fmt::print("       it is right for {}\n", words);
}

Json json_number(double value) {
  return std::isfinite(value) ? Json(value)
                              : Json(std::isnan(value) ? "nan"
                                     : value > 0       ? "inf"
                                                       : "-inf");
}

Json line_json(const Question& q, const Line& line) {
  const Verdict& v = line.verdict;
  Json json{{"array", line.claim->name},
            {"result", name(v.result)},
            {"elements", v.elements},
            {"widest_radius", json_number(line.widest)}};
  json["worst"] = Json{{"index", index_of(q, line.claim->output, v.worst.element)},
                       {"got", json_number(v.worst.got)},
                       {"right", wanted(v.worst, q.problem.dtype)},
                       {"mid", json_number(v.worst.mid)},
                       {"radius", json_number(v.worst.radius)},
                       {"score", json_number(v.score)}};
  json["players"] = Json::array();
  for (const Peer& peer : line.peers)
    json["players"].push_back(Json{{"player", peer.name},
                                   {"value", peer.played ? json_number(peer.value) : Json(nullptr)},
                                   {"verdict", peer.words}});
  json["right_for"] = line.right_for;
  return json;
}

int tell(const Question& q, const std::vector<Line>& lines, const NpzOptions& o, OutputFile& json) {
  std::size_t wrong = 0, right = 0, width = 0;
  for (const Line& line : lines) {
    wrong += against(line.verdict);
    right += line.verdict.result == Result::pass;
    width = std::max(width, line.claim->name.size());
  }
  const char* const result = wrong > 0 ? "wrong" : right > 0 ? "right" : "open";
  if (o.json != "-") {
    fmt::print("{}\n{}\n\n", o.file, question_text(q));
    for (const Line& line : lines) print_line(q, line, width);
  }
  if (json.wanted()) {
    Json all{{"schema", "truenorm-check-npz/1"},
             {"file", o.file},
             {"question", question_text(q)},
             {"result", result}};
    all["arrays"] = Json::array();
    for (const Line& line : lines) all["arrays"].push_back(line_json(q, line));
    json.write(all.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  }
  if (wrong == 0 && right == 0)
    fmt::print(stderr,
               "truenorm: {}: nothing was judged: all radii are so wide that they prove nothing\n",
               o.file);
  return wrong == 0 && right > 0 ? kGood : kAgainst;
}

}  // namespace

bool is_npz(const std::string& argument) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(argument, ignored))
    return argument.ends_with(".npz") || argument.ends_with(".npy");
  std::array<char, 6> start{};
  std::ifstream(argument, std::ios::binary).read(start.data(), start.size());
  const std::string_view begin(start.data(), start.size());
  return begin.starts_with("PK") || begin == "\x93NUMPY" || argument.ends_with(".npz");
}

int run_check_npz(const NpzOptions& o) {
  if (!o.subject.empty())
    throw UsageError(
        fmt::format("--subject {}: the arrays in {} are the subject", o.subject, o.file));
  if (o.explain)
    throw UsageError(fmt::format("--explain: {} is no case whose fields could be varied", o.file));
  std::vector<std::string> players;
  std::istringstream list(o.players.empty() ? "truenorm,libtorch,naive" : o.players);
  for (std::string player; std::getline(list, player, ',');) players.push_back(player);
  for (const std::string& player : players) require_player(player);
  OutputFile json(o.json);
  try {
    const Question question = read_question(Archive(o.file));
    return tell(question, judge_all(question, {o.wide_sums}, players), o, json);
  } catch (const NpzError& e) {
    throw UsageError(e.what());
  }
}

}  // namespace truenorm::oracle::cli
