// Where LibTorch is known to differ from the exact reference: entries that are data, with
// conditions that are code, so that a random case with a known cause is told from a new one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "case.h"
#include "judge.h"

namespace truenorm::oracle {

/// One cause. In the file: comment lines "id: ...", "versions: ...", "when: ...", "cause: ...",
/// "right: ..." in this order, then case lines up to the next "id:".
struct Divergence {
  std::string id;
  std::vector<std::string> versions;  // "1.13": every LibTorch 1.13.x
  std::string when;                   // the condition, by its name in conditions()
  std::string cause;                  // what LibTorch does
  std::string right;                  // who is right, and why
  std::vector<Case> lines;            // cases that show it

  bool covers(std::string_view version) const;
};

/// Is this verdict against LibTorch, on this case, of the kind that the name says? Each holds for
/// the first wrong thing of the verdict only, and asks for everything that the cause needs.
struct Condition {
  std::string_view name, what;
  bool (*holds)(const Case&, const Verdict&, std::string_view version);
};
const std::vector<Condition>& conditions();

class Divergences {
 public:
  /// Throws ParseError for a bad line, std::invalid_argument for a bad entry; `what` names the
  /// file.
  static Divergences parse(std::string_view text, std::string_view what);
  static Divergences load(const std::string& path);  // std::runtime_error if it cannot be read

  /// The entry that explains a verdict against LibTorch of this version; null: it is new.
  const Divergence* classify(const Case&, const Verdict&, std::string_view version) const;
  const std::vector<Divergence>& entries() const { return entries_; }

 private:
  std::vector<Divergence> entries_;
};

}  // namespace truenorm::oracle
