// What GitHub Actions show of a report: annotations, and the summary of a job.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "page/page.h"
#include "report.h"

namespace truenorm::oracle {
namespace {

/// As it stands behind the last "::" of a command.
std::string in_message(std::string_view text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '%':
        out += "%25";
        break;
      case '\r':
        out += "%0D";
        break;
      case '\n':
        out += "%0A";
        break;
      default:
        out += c;
    }
  return out;
}

/// As it stands behind file= or title=.
std::string in_property(std::string_view text) {
  std::string out;
  for (const char c : in_message(text))
    out += c == ':' ? "%3A" : c == ',' ? "%2C" : std::string(1, c);
  return out;
}

/// " file=corpus/edges.cases,line=12," of "/src/corpus/edges.cases:12".
std::string place(const std::string& where, const std::string& root) {
  const std::size_t colon = where.rfind(':');
  if (colon == std::string::npos) return " ";
  const std::filesystem::path file = where.substr(0, colon);
  const std::filesystem::path below = file.lexically_proximate(root);
  const bool inside = !below.empty() && *below.begin() != "..";
  return fmt::format(" file={},line={},", in_property((inside ? below : file).string()),
                     where.substr(colon + 1));
}

/// Plain text in Markdown, where HTML counts, too; of one line.
std::string md(std::string_view text) {
  std::string out;
  for (const char c : page::printable(text)) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '\n')
      out += ' ';
    else if (std::string_view("\\`*_{}[]()#+-.!|>~$@:").find(c) != std::string_view::npos)
      out += std::string("\\") + c;
    else
      out += c;
  }
  return out;
}

/// A block of code, its fence longer than any run of ` in it.
std::string block(std::string_view text) {
  std::size_t longest = 0, run = 0;
  for (const char c : text) longest = std::max(longest, run = c == '`' ? run + 1 : 0);
  const std::string fence(std::max<std::size_t>(3, longest + 1), '`');
  return fmt::format("{}\n{}\n{}\n", fence, page::printable(text), fence);
}

std::string row(const std::string& area, const Tally& tally) {
  std::string text = fmt::format("| {} | {} |", md(area), tally.cases());
  for (const std::uint64_t count : tally.results) text += fmt::format(" {} |", count);
  const double worst = tally.worst.score;
  return text + (worst < 0 ? std::string(" - |\n") : fmt::format(" {:.3f} |\n", worst));
}

void add_failures(std::string& text, const Report& r, const Look& look, bool divergences) {
  constexpr std::size_t kMost = 4000;  // of a line, for those of a plugin may be of any length
  const auto chosen = chosen_failures(r, divergences, look.shown);
  if (chosen.empty()) return;
  text += fmt::format("\n### {}\n", divergences ? "New divergences of LibTorch"
                                                : "Verdicts against " + md(r.subject));
  for (const Failure* f : chosen)
    text += fmt::format("\n**{}**: {}  \n{}\n\n{}", name(f->result), md(f->detail.substr(0, kMost)),
                        md(f->opinion.substr(0, kMost)), block(f->command.substr(0, kMost)));
}

}  // namespace

std::string to_annotations(const Report& r, const Look& look, const std::string& root) {
  constexpr std::size_t kKept = 10;  // of a kind, by GitHub, of a step
  std::string text;
  std::size_t errors = 0;
  // What stands for all that is not shown comes first.
  for (const Conclusion& c : conclusions(r, look)) {
    const bool bad = c.kind == Conclusion::Kind::bad;
    errors += bad;
    text += fmt::format("::{} title=truenorm conform::{}\n", bad ? "error" : "notice",
                        in_message(c.sentence()));
  }
  const std::size_t most = std::min(look.shown, kKept - std::min(kKept, errors));
  const std::size_t against = chosen_failures(r, false, most).size();
  for (const bool divergences : {false, true}) {
    const bool allowed = divergences && look.allow_new_divergences;
    for (const Failure* f : chosen_failures(r, divergences,
                                            allowed       ? kKept
                                            : divergences ? most - against
                                                          : most))
      text +=
          fmt::format("::{}{}title={}::{}\n", allowed ? "warning" : "error", place(f->where, root),
                      in_property(fmt::format("{} of {}: {}", name(f->result),
                                              divergences ? "LibTorch" : r.subject, f->reason)),
                      in_message(fmt::format("{}\n{}\n{}", f->detail, f->opinion, f->command)));
  }
  return text;
}

std::string to_summary(const Report& r, const Look& look) {
  std::string text = fmt::format("## Truenorm conform: {}\n\n", md(r.subject));
  for (const Conclusion& c : conclusions(r, look))
    text +=
        c.word.empty() ? md(c.text) + "\n\n" : fmt::format("**{}**: {}\n\n", c.word, md(c.text));
  text += "| area | cases |";
  std::string rule = "|---|--:|";
  for (std::size_t i = 0; i < kResults; ++i, rule += "--:|")
    text += fmt::format(" {} |", name(static_cast<Result>(i)));
  text += " worst |\n" + rule + "--:|\n";
  for (const auto& [area, tally] : r.areas) text += row(area, tally);
  text += row("all", r.total());
  if (!r.libtorch.empty())
    text += fmt::format("\nLibTorch {}: {} agree, {}, {} new, {} not compared.\n", md(r.libtorch),
                        r.rival.agreed,
                        plural(r.rival.known_total(), "known divergence", "known divergences"),
                        r.rival.fresh, r.rival.skipped);
  for (const bool divergences : {false, true}) add_failures(text, r, look, divergences);
  return text + "\n";
}

}  // namespace truenorm::oracle
