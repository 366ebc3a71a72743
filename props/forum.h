// What the tests of the questions share: the tables of docs/semantics.md, and cases played by Truenorm
// and LibTorch at once.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "played.h"
#include "players/libtorch.h"
#include "players/players.h"

namespace truenorm::props {

// ---- the page ----

/// The rows of all tables in the section "## NUMBER. ..." of the page, headings left out.
inline std::string rows_of(int number) {
  std::ifstream page(TRUENORM_SEMANTICS_PAGE);
  const std::string title = "## " + std::to_string(number) + ". ";
  std::string rows, pending;  // a row is one if no |--- follows
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("|---")) rows += pending;
    pending.clear();
    if (line.starts_with("## ")) inside = line.starts_with(title);
    if (inside && line.starts_with("|") && !line.starts_with("|---")) pending = line + "\n";
  }
  return rows + pending;
}

/// The page's rows are these, to the letter.
inline void expect_rows(int number, const std::vector<std::string>& computed) {
  std::string text;
  for (const std::string& row : computed) text += row + "\n";
  EXPECT_EQ(rows_of(number), text) << "docs/semantics.md, section " << number;
}

inline std::string row(const std::vector<std::string>& cells) {
  std::string text = "|";
  for (const std::string& cell : cells) text += " " + cell + " |";
  return text;
}

inline std::string number(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value == 0 ? 0 : value);
  return text;
}
inline std::string fixed(double value) { return number("%.4f", value); }
inline std::string quoted(const std::string& line) { return "`" + line + "`"; }

inline std::string list(const std::vector<double>& values) {
  std::string text;
  for (const double v : values) text += (text.empty() ? "" : ", ") + fixed(v);
  return text;
}

// ---- the players ----

inline oracle::Player& truenorm_player() {
  static const auto player = oracle::make_truenorm();
  return *player;
}
inline oracle::Player& libtorch_player() {
  static const auto player = oracle::make_libtorch();
  return *player;
}
inline std::array<oracle::Player*, 2> both() { return {&truenorm_player(), &libtorch_player()}; }

/// What is right, and what the two players answered.
struct Answers {
  std::vector<oracle::StepAnswer> right;
  oracle::Trace truenorm, libtorch;
};

/// Plays a case with Truenorm and LibTorch, both to be in their balls. `known`: the output in which
/// LibTorch differs, a documented divergence.
inline Answers play(const oracle::Case& c, const oracle::Inputs& inputs,
                    const std::string& known = {}) {
  Answers answers;
  for (oracle::Player* player : both()) {
    oracle::Played played = oracle::play(*player, c, inputs);
    const bool differs = player == &libtorch_player() && !known.empty();
    EXPECT_EQ(played.verdict.result, differs ? oracle::Result::fail : oracle::Result::pass)
        << player->name() << ": " << oracle::report(c, played.verdict);
    EXPECT_EQ(played.verdict.reason, differs ? known : "");
    (player == &libtorch_player() ? answers.libtorch : answers.truenorm) = std::move(played.trace);
  }
  answers.right =
      oracle::answer(c.problem, inputs, truenorm_player().contract(c.problem, *c.exec)).steps;
  return answers;
}
inline Answers play(const std::string& line, const std::string& known = {}) {
  const oracle::Case c = oracle::with_exec(line);
  return play(c, oracle::make_inputs(c), known);
}

/// The exact middles alone.
inline std::vector<oracle::StepAnswer> exact(const std::string& line) { return play(line).right; }

}  // namespace truenorm::props
