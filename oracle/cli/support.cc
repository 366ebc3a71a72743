#include "support.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <system_error>
#include <thread>

#include "../place.h"
#include "../plan.h"
#include "../players/players.h"
#include "../text.h"
#include "../words.h"

namespace truenorm::oracle::cli {

namespace fs = std::filesystem;

OutputFile::OutputFile(const std::string& path) : path_(path) {
  if (path_.empty() || path_ == "-") return;
  std::error_code ignored;
  if (fs::is_directory(path_, ignored))
    throw UsageError(fmt::format("{}: is a directory; a file was expected", path_));
  if (fs::exists(path_, ignored) && !fs::is_regular_file(path_, ignored))
    return;  // a pipe or a device has no place beside it
  temporary_ = fmt::format("{}.{}.tmp", path_, getpid());
  if (!std::ofstream(temporary_, std::ios::binary)) {
    const std::string why = std::strerror(errno);
    temporary_.clear();
    throw UsageError(fmt::format("{}: cannot be written: {}", path_, why));
  }
}

OutputFile::~OutputFile() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove(temporary_, ignored);
}

void OutputFile::write(std::string_view bytes) {
  if (path_ == "-") {
    std::cout << bytes << std::flush;
    return;
  }
  std::ofstream out(temporary_.empty() ? path_ : temporary_, std::ios::binary);
  out << bytes << std::flush;
  if (!out) throw UsageError(fmt::format("{}: cannot be written: {}", path_, std::strerror(errno)));
  out.close();
  if (temporary_.empty()) return;
  std::error_code error;
  fs::rename(temporary_, path_, error);
  if (error) throw UsageError(fmt::format("{}: cannot be written: {}", path_, error.message()));
  temporary_.clear();
}

ScratchFolder::ScratchFolder(const std::string& purpose) {
  std::string name =
      (std::filesystem::temp_directory_path() / ("truenorm-" + purpose + "-XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr)
    throw UsageError(fmt::format("{}: no folder can be made: {}", name, std::strerror(errno)));
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string read_input(const std::string& path) {
  if (path == "-")
    return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    throw UsageError(fmt::format("{}: is a directory; a file was expected", path));
  try {
    return read_text(path);
  } catch (const CorpusError& e) {
    throw UsageError(e.what());
  }
}

Case parse_line(const std::string& line) {
  std::error_code ignored;
  if (fs::exists(line, ignored))
    throw UsageError(fmt::format(
        "'{}' is a file; one case was expected, as a line such as 'tn1 n4c16s7x7 f32 run=TB'; "
        "'truenorm check' takes files of them",
        line));
  try {
    return parse(line);
  } catch (const ParseError& e) {
    // The column counts bytes; a caret counts characters, so continuation bytes of UTF-8 take no
    // room.
    const std::size_t before = std::min(e.column > 0 ? e.column - 1 : 0, line.size());
    std::string pad;
    for (const char c : std::string_view(line).substr(0, before))
      if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) pad += c == '\t' ? '\t' : ' ';
    throw UsageError(fmt::format("{}\n  {}\n  {}^", e.what(), line, pad));
  }
}

std::vector<Asked> read_cases(const std::string& argument) {
  std::error_code ignored;
  const bool file = argument == "-" || fs::exists(argument, ignored);
  if (!file && argument.starts_with("tn")) return {{parse_line(argument), ""}};
  if (!file && argument.find(' ') != std::string::npos) return {{parse_line(argument), ""}};
  if (!file)
    throw UsageError(
        fmt::format("'{}' is neither a file nor a case; a case begins with 'tn1'", argument));
  const std::string text = read_input(argument);
  const std::string what = argument == "-" ? "standard input" : argument;
  try {
    std::vector<Asked> cases;
    for (Line& line : parse_file(text, what))
      cases.push_back({std::move(line.value), fmt::format("{}:{}", what, line.number)});
    if (cases.empty())
      throw UsageError(
          fmt::format("{}: no case in it; lines that begin with 'tn1' were expected", what));
    return cases;
  } catch (const ParseError& e) {
    throw UsageError(e.what());
  }
}

std::vector<Case> expand(const Case& c) {
  if (c.exec) return {c};
  std::vector<Case> cases;
  for (const Exec& exec : standard_execs(c.problem)) cases.push_back({c.problem, exec});
  return cases;
}

namespace {

/// A plugin is named by its path; "PATH.so:layer" picks one of two interfaces.
bool is_path(const std::string& spec) {
  return spec.find('/') != std::string::npos || spec.ends_with(".so") ||
         spec.find(".so:") != std::string::npos;
}

std::string file_of(const std::string& spec) {
  const std::size_t colon = spec.rfind(".so:");
  return colon == std::string::npos ? spec : spec.substr(0, colon + 3);
}

std::string player_names() {
  std::string names;
  for (const PlayerInfo& info : list_players()) names += (names.empty() ? "" : ", ") + info.name;
  return names;
}

}  // namespace

void require_player(const std::string& spec) {
  if (is_path(spec)) {
    std::error_code ignored;
    if (!fs::is_regular_file(file_of(spec), ignored))
      throw UsageError(fmt::format("player '{}': there is no such file", spec));
    return;
  }
  if (spec.starts_with("faulty:")) {
    const std::string id = spec.substr(7);
    const auto& all = faults();
    if (std::none_of(all.begin(), all.end(), [&](const Fault& f) { return f.id == id; }))
      throw UsageError(fmt::format(
          "player '{}': there is no fault '{}'; 'truenorm list faults' names them", spec, id));
    return;
  }
  for (const PlayerInfo& info : list_players()) {
    if (info.name != spec) continue;
    if (!info.built)
      throw UsageError(fmt::format("player '{}' is not in this build: {}", spec, info.what));
    const std::string program = worker_command(spec).front();
    if (program.find('/') != std::string::npos && access(program.c_str(), X_OK) != 0)
      throw UsageError(fmt::format(
          "player '{}': {}: {}\n  build its program, or go without it: --players truenorm", spec,
          program, std::strerror(errno)));
    return;
  }
  throw UsageError(fmt::format("'{}' is not a player; {} are ('truenorm list players' tells more)",
                               spec, player_names()));
}

std::unique_ptr<Seat> seat_for(const std::string& spec, const Setting& setting,
                               std::chrono::seconds timeout) {
  try {
    return remote_seat(spec, setting, timeout);
  } catch (const std::runtime_error& e) {
    // A worker that refuses its player says why and ends with kUsage.
    const std::string_view why = e.what();
    if (why.find(fmt::format("exit status {}", kUsage)) != std::string_view::npos &&
        why.find("did not start") != std::string_view::npos)
      throw ToldError();
    if (is_path(spec))
      throw UsageError(
          fmt::format("{}; a shared library with the plugin interface was expected", e.what()));
    throw;
  }
}

std::unique_ptr<Seat> subject_seat(const std::string& spec, const Isolation& isolation) {
  if (isolation.on) return seat_for(spec, {}, std::chrono::seconds(isolation.timeout));
  try {
    return local_seat(make_player(spec));
  } catch (const std::invalid_argument& e) {
    throw UsageError(fmt::format("--no-isolate: {}", e.what()));
  }
}

Table who_plays(const std::string& players, const std::string& subject) {
  Table table{subject.empty() ? "truenorm" : subject, {}};
  const std::string fallback = table.subject == "libtorch" ? "subject" : "subject,libtorch";
  const std::string text = players.empty() ? fallback : players;
  std::vector<std::string>& list = table.players;
  const auto sits = [&](const std::string& spec) {
    return std::find(list.begin(), list.end(), spec) != list.end();
  };
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string spec = text.substr(begin, end - begin);
    begin = end + 1;
    if (spec == "subject") spec = table.subject;
    if (spec.empty()) throw UsageError(fmt::format("--players '{}': a name is missing", text));
    require_player(spec);
    if (sits(spec)) throw UsageError(fmt::format("--players '{}': '{}' stands twice", text, spec));
    list.push_back(std::move(spec));
  }
  if (subject.empty() && !sits(table.subject)) {
    // --players naive,libtorch names the subject.
    const auto other = std::find_if(list.begin(), list.end(),
                                    [](const std::string& spec) { return spec != "libtorch"; });
    if (other != list.end()) table.subject = *other;
  }
  require_player(table.subject);
  if (!sits(table.subject))
    throw UsageError(
        fmt::format("--players '{}': the subject ({}) is not among them; --subject names another",
                    text, table.subject));
  return table;
}

fs::path corpus_directory(const std::string& option) {
  fs::path corpus;
  if (!option.empty()) {
    corpus = option;
  } else if (const char* named = std::getenv("TRUENORM_CORPUS");
             named != nullptr && *named != '\0') {
    corpus = named;
  } else {
    corpus = shipped_corpus();
  }
  std::error_code ignored;
  if (fs::is_regular_file(corpus / "smoke.cases", ignored)) return corpus;
  throw UsageError(fmt::format(
      "no corpus (smoke.cases and others) in {}; --corpus DIR or TRUENORM_CORPUS names it",
      corpus.string()));
}

unsigned judges(unsigned asked) {
  if (asked > 0) return asked;
  return std::clamp(std::thread::hardware_concurrency(), 1u, static_cast<unsigned>(kMaxThreads));
}

namespace {

volatile std::sig_atomic_t interrupt_seen = 0;

extern "C" void on_interrupt(int signal) {
  interrupt_seen = 1;
  std::signal(signal, SIG_DFL);  // who presses again wants out at once
}

std::string clock_text(double seconds) {
  const auto all = static_cast<long>(std::ceil(seconds));
  return all >= 3600 ? fmt::format("{}:{:02}:{:02}", all / 3600, all / 60 % 60, all % 60)
                     : fmt::format("{}:{:02}", all / 60, all % 60);
}

}  // namespace

Interruptible::Interruptible() {
  interrupt_seen = 0;
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
}

Interruptible::~Interruptible() { std::signal(SIGINT, SIG_DFL); }

bool Interruptible::interrupted() { return interrupt_seen != 0; }

std::size_t terminal_width(int fd) {
  winsize size{};
  if (isatty(fd) == 0) return 0;
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

ProgressLine::ProgressLine() : terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() { clear(); }

void ProgressLine::show(const Progress& p) {
  if (!terminal_) return;
  const double rate = p.seconds > 0 ? static_cast<double>(p.done) / p.seconds : 0;
  std::string text;
  if (p.shrinking) {
    text = fmt::format("{} cases done; shrinking what failed", p.done);
  } else if (p.total >= Plan::kEndless) {
    text = fmt::format("{} cases, {:.0f} a second, {} so far", p.done, rate, clock_text(p.seconds));
  } else {
    const std::string left =
        rate > 0 ? clock_text(static_cast<double>(p.total - p.done) / rate) : "?";
    text = fmt::format("{}/{} cases, {:.0f} a second, {} left", p.done, p.total, rate, left);
  }
  text += fmt::format(", {} failed", p.against);
  if (p.fresh > 0) text += fmt::format(", {} new divergences of LibTorch", p.fresh);
  show(text);
}

void ProgressLine::show(const std::string& text) {
  if (!terminal_) return;
  fmt::print(stderr, "\r{}\x1b[K", text.substr(0, terminal_width(STDERR_FILENO) - 1));
  std::fflush(stderr);
  shown_ = true;
}

void ProgressLine::clear() {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
  shown_ = false;
}

bool colour() {
  const char* no = std::getenv("NO_COLOR");
  const char* kind = std::getenv("TERM");
  return isatty(STDOUT_FILENO) != 0 && (no == nullptr || *no == '\0') && kind != nullptr &&
         std::strcmp(kind, "dumb") != 0;
}

Divergences known_divergences(const std::string& corpus_option) {
  const std::string file =
      (corpus_directory(corpus_option) / "libtorch-divergences.cases").string();
  try {
    return Divergences::parse(read_input(file), file);
  } catch (const std::invalid_argument& e) {
    throw UsageError(e.what());
  }
}

std::string known_id(const Divergences& list, const Case& c, const Verdict& v,
                     const std::string& version) {
  const Divergence* entry = against(v) ? list.classify(c, v, version) : nullptr;
  return entry != nullptr ? entry->id : std::string();
}

}  // namespace truenorm::oracle::cli
