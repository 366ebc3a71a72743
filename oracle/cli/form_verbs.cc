// print, encode and list: the spellings of a case, and the names in it.
#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../bytes.h"
#include "../players/players.h"
#include "../sample.h"
#include "../text.h"
#include "support.h"
#include "verbs.h"

namespace truenorm::oracle::cli {
namespace {

int run_print(const std::string& file) {
  const std::string bytes = read_input(file);
  const auto* begin = reinterpret_cast<const std::uint8_t*>(bytes.data());
  fmt::print("{}\n", print(decode(std::span(begin, bytes.size()))));
  return kGood;
}

int run_encode(const std::string& line, const std::string& file) {
  const Case c = parse_line(line);
  if (file.empty() && isatty(STDOUT_FILENO) != 0)
    throw UsageError("bytes are not for a terminal: -o FILE, or a pipe");
  OutputFile out(file.empty() ? "-" : file);
  const std::vector<std::uint8_t> bytes = encode(c);
  out.write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return kGood;
}

void list_all_players() {
  for (const PlayerInfo& info : list_players())
    fmt::print("{:<16} {}{}\n", info.name, info.built ? "" : "(not in this build) ", info.what);
}

/// What Truenorm says of each on this machine, for a small case.
void list_isas() {
  const auto player = make_player("truenorm");
  for (int i = 0; i <= static_cast<int>(Isa::neon); ++i) {
    Exec exec;
    exec.isa = static_cast<Isa>(i);
    Problem small;
    const Unsupported why = player->unsupported(small, exec);
    fmt::print("{:<10} {}\n", name(exec.isa),
               why.empty() ? "runs here" : "does not run here: " + why);
  }
}

std::string_view purpose(DistKind kind) {
  switch (kind) {
    case DistKind::zero:
      return "all zeros";
    case DistKind::constant:
      return "one value: variance 0";
    case DistKind::ramp:
      return "sixteenths, ((index + channel) mod 256)/16: a wrong index shows";
    case DistKind::uniform:
      return "between a and b";
    case DistKind::normal:
      return "mean a, deviation b";
    case DistKind::cancel:
      return "|mean|/sigma = a: where bad variance formulas show";
    case DistKind::exact:
      return "every sum is exact in any order";
    case DistKind::spike:
      return "normal(0,1), and one value in k 4096 times larger";
    case DistKind::sorted:
      return "ascending: the worst order for running sums";
    case DistKind::tiny:
      return "near the smallest numbers of the dtype";
    case DistKind::huge:
      return "near the largest numbers of the dtype";
    case DistKind::special:
      return "NaN, Inf, -0 and subnormals, each value with probability a";
    case DistKind::bits:
      return "the bytes themselves, repeated: what a fuzzer writes";
  }
  return {};
}

void list_distributions() {
  for (int i = 0; i <= static_cast<int>(DistKind::bits); ++i) {
    const auto kind = static_cast<DistKind>(i);
    const int n = parameter_count(kind);
    const char* brackets = kind == DistKind::bits    ? "(hex)"
                           : n == 2                  ? "(a,b)"
                           : kind == DistKind::spike ? "(k)"
                           : n == 1                  ? "(a)"
                                                     : "";
    fmt::print("{:<16} {}\n", std::string(name(kind)) + brackets, purpose(kind));
  }
}

std::string_view purpose(Layout layout) {
  switch (layout) {
    case Layout::nchw:
      return "contiguous";
    case Layout::nhwc:
      return "channels innermost, dense";
    case Layout::sliced:
      return "every second element of a larger tensor";
    case Layout::transposed:
      return "the first and the last axis exchanged";
    case Layout::expanded:
      return "stride 0 along N: one image stands for all (inputs)";
    case Layout::padded:
      return "a gap behind each row";
  }
  return {};
}

std::string_view purpose(Op op) {
  switch (op) {
    case Op::train:
      return "a forward in training mode; T@5: of 5 images";
    case Op::eval:
      return "a forward in evaluation mode; E@5: of 5 images";
    case Op::backward:
      return "the gradients of the last accepted forward; B@5: dy of 5 images is offered";
    case Op::reset_stats:
      return "reset_running_stats";
    case Op::reset_params:
      return "reset_parameters";
    case Op::save_load:
      return "saves the state, overwrites it, loads it back";
    case Op::track_off:
      return "track_running_stats = false";
    case Op::track_on:
      return "track_running_stats = true";
    case Op::set_eps:
      return "another eps, from the next forward on";
    case Op::set_momentum:
      return "another momentum, from the next forward on; m(cum): the cumulative average";
    case Op::copy:
      return "goes on with a copy; the original is overwritten and destroyed";
    case Op::move:
      return "goes on with the layer moved to";
  }
  return {};
}

void list_steps() {
  for (int i = 0; i < kOps; ++i) {
    const auto op = static_cast<Op>(i);
    const bool number = op == Op::set_eps || op == Op::set_momentum;
    fmt::print("{:<12} {}\n", std::string(1, letter(op)) + (number ? "(number)" : ""), purpose(op));
  }
}

int run_list(const std::string& what) {
  if (what == "players") list_all_players();
  if (what == "isas") list_isas();
  if (what == "distributions") list_distributions();
  if (what == "layouts")
    for (int i = 0; i <= static_cast<int>(Layout::padded); ++i)
      fmt::print("{:<12} {}\n", name(static_cast<Layout>(i)), purpose(static_cast<Layout>(i)));
  if (what == "steps") list_steps();
  if (what == "faults")
    for (const Fault& fault : faults()) fmt::print("{:<8} {}\n", fault.id, fault.what);
  if (what == "classes")
    for (const Class& one : classes()) fmt::print("{:<14} {}\n", one.area, one.name);
  return kGood;
}

}  // namespace

void add_print(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("print", "The case that a file of bytes means, as a line");
  const auto file = std::make_shared<std::string>();
  verb->add_option("file", *file, "A fuzzer's input; - for standard input")->required();
  verb->footer("Example: truenorm print crash-1f3a");
  verb->callback([file, &status] { status = run_print(*file); });
}

void add_encode(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("encode", "A line as bytes, for a fuzzer's seeds");
  const auto line = std::make_shared<std::string>(), file = std::make_shared<std::string>();
  verb->add_option("line", *line, "The case")->required();
  verb->add_option("-o,--output", *file, "The file to write (default: standard output)");
  verb->footer("Example: truenorm encode 'tn1 n4c16s7x7 f32 run=TB' -o seed-1");
  verb->callback([line, file, &status] { status = run_encode(*line, *file); });
}

void add_list(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("list", "The names there are");
  const auto what = std::make_shared<std::string>();
  verb->add_option("what", *what, "players, isas, distributions, layouts, steps, faults or classes")
      ->required()
      ->check(CLI::IsMember(
          {"players", "isas", "distributions", "layouts", "steps", "faults", "classes"}));
  verb->footer("Example: truenorm list players");
  verb->callback([what, &status] { status = run_list(*what); });
}

}  // namespace truenorm::oracle::cli
