// Playing cases in this process: what the tests of an implementation share.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "answer.h"
#include "case.h"
#include "judge.h"
#include "player.h"
#include "sample.h"
#include "text.h"

namespace truenorm::oracle {

/// The cases of a corpus file, each with an Exec: those without one take all the standard ones.
inline std::vector<Case> corpus(const std::string& file) {
  std::ifstream in(std::string(TRUENORM_CORPUS_DIR) + "/" + file);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) throw std::runtime_error("corpus/" + file + " cannot be read");
  std::vector<Case> cases;
  for (const Line& line : parse_file(text.str(), file)) {
    const auto execs =
        line.value.exec ? std::vector<Exec>{*line.value.exec} : standard_execs(line.value.problem);
    for (const Exec& exec : execs) cases.push_back({line.value.problem, exec});
  }
  return cases;
}

/// A line with an Exec: the one it names, or the plain one.
inline Case with_exec(std::string_view line) {
  Case c = parse(line);
  if (!c.exec) c.exec.emplace();
  return c;
}

/// What a player answered, and what the judge says by the player's own contract.
struct Played {
  Trace trace;
  Verdict verdict;
};

inline Played play(Player& player, const Case& c, const Inputs& inputs) {
  Played played;
  if (Unsupported why = player.unsupported(c.problem, *c.exec); !why.empty()) {
    played.trace.outcome = Outcome::unsupported;
    played.trace.detail = std::move(why);
    played.verdict = judge(played.trace, {});
    return played;
  }
  played.trace = player.play(c, inputs);
  played.verdict =
      judge(played.trace, answer(c.problem, inputs, player.contract(c.problem, *c.exec)));
  return played;
}

inline Verdict verdict_of(Player& player, const Case& c) {
  return play(player, c, make_inputs(c)).verdict;
}

/// A verdict for people: the line, what is wrong, and the command that plays it again.
inline std::string report(const Case& c, const Verdict& v) {
  std::ostringstream out;
  out.precision(17);
  out << name(v.result) << ": " << v.reason << ": " << v.detail << "\n  got " << v.worst.got
      << " in " << v.worst.mid << " +- " << v.worst.radius << "\n  ./run check '" << print(c)
      << "'";
  return out.str();
}

/// Equal bits; all NaN are one.
inline bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

/// "" or the first place where two tensors differ in a bit.
inline std::string difference(std::string_view what, const std::vector<double>& a,
                              const std::vector<double>& b) {
  std::ostringstream out;
  out.precision(17);
  if (a.size() != b.size()) {
    out << what << " has " << a.size() << " elements, and " << b.size();
    return out.str();
  }
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!same_bits(a[i], b[i])) {
      out << what << "[" << i << "] is " << a[i] << ", and " << b[i];
      return out.str();
    }
  return {};
}

/// "" or the first difference of two traces: outcomes, refusals, counters, or a bit of a tensor.
inline std::string difference(const Trace& a, const Trace& b) {
  if (a.outcome != Outcome::played || b.outcome != Outcome::played)
    return std::string(name(a.outcome)) + " " + a.detail + ", and " + std::string(name(b.outcome)) +
           " " + b.detail;
  if (a.steps.size() != b.steps.size()) return "the traces have different lengths";
  for (std::size_t i = 0; i < a.steps.size(); ++i) {
    const StepTrace &s = a.steps[i], &t = b.steps[i];
    const std::string at = "step " + std::to_string(i) + ": ";
    if (s.refused != t.refused)
      return at + std::string(name(s.refused)) + ", and " + std::string(name(t.refused));
    if (!same_bits(s.num_batches_tracked, t.num_batches_tracked)) return at + "num_batches_tracked";
    for (std::size_t o = 0; o < kOutputs; ++o) {
      const auto output = static_cast<Output>(o);
      if (std::string d = difference(name(output), tensor(s, output), tensor(t, output));
          !d.empty())
        return at + d;
    }
  }
  return {};
}

}  // namespace truenorm::oracle
