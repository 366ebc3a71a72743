#include "remote.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

#include "text.h"
#include "wire.h"

// Requests are lines: "play LINE" asks for everything about a case, "ask LINE" for unsupported()
// and contract() alone. Replies are wire messages; the first one of a worker's life is its hello.

namespace truenorm::oracle {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kPlay = "play ", kWith = "with ", kAsk = "ask ";
constexpr std::size_t kMaxRequest = std::size_t{1} << 30;  // literal inputs take 16 digits a value
constexpr auto kStart = std::chrono::seconds(60);  // to load a large library on a busy machine
constexpr int kStarts = 3;                         // in a row, before a worker counts as lost
// A late parent's patience with an answer that should be there.
constexpr auto kGrace = std::chrono::seconds(1);
constexpr auto kFarewell =
    std::chrono::seconds(2);  // to leave after the end of file, before being killed

// ---- The worker's side.

/// The next line, without its end; false at end of file or on an error of the descriptor. A line
/// over kMaxRequest comes back cut.
bool read_line(int in, std::string& pending, std::string& line) {
  for (std::size_t searched = 0;;) {
    const std::size_t end = pending.find('\n', searched);
    searched = pending.size();
    if (end != std::string::npos || pending.size() > kMaxRequest) {
      line = pending.substr(0, end);
      pending.erase(0, end == std::string::npos ? end : end + 1);
      return true;
    }
    char chunk[65536];
    const ssize_t n = ::read(in, chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    pending.append(chunk, static_cast<std::size_t>(n));
  }
}

bool write_all(int out, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(out, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

wire::Message malformed(std::string what) {
  wire::Message m;
  m.kind = wire::Kind::malformed;
  m.text = std::move(what);
  return m;
}

wire::Message reply_to(Player& player, std::string_view request) {
  const bool ask = request.starts_with(kAsk), with = request.starts_with(kWith);
  if (!ask && !with && !request.starts_with(kPlay))
    return malformed("a request begins with 'play', 'with' or 'ask'");
  request.remove_prefix(request.find(' ') + 1);
  try {
    std::optional<Inputs> literal;
    if (with) {
      const std::size_t end = std::min(request.find(' '), request.size());
      literal = wire::from_word(request.substr(0, end));
      request.remove_prefix(end);
    }
    const Case c = parse(request);
    if (!c.exec) return malformed("a player needs a case with its right side");
    wire::Message m;
    m.kind = wire::Kind::answer;
    m.unsupported = player.unsupported(c.problem, *c.exec);
    if (!m.unsupported.empty()) return m;
    m.contract = player.contract(c.problem, *c.exec);
    if (!ask) m.trace = player.play(c, literal ? *literal : make_inputs(c));
    return m;
  } catch (const std::exception& e) {
    return malformed(e.what());
  }
}

/// A library that prints to standard output would break into the conversation: the descriptor is
/// moved away, and prints go to standard error.
int move_from_standard(int fd, int standard) {
  if (fd != standard) return fd;
  const int own = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  const int other =
      standard == STDIN_FILENO ? ::open("/dev/null", O_RDONLY | O_CLOEXEC) : STDERR_FILENO;
  if (own < 0 || other < 0 || ::dup2(other, standard) < 0) return fd;
  if (other != STDERR_FILENO) ::close(other);
  return own;
}

// ---- The parent's side.

std::string signal_name(int number) {
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 32)
  if (const char* name = ::sigabbrev_np(number)) return std::string("SIG") + name;
#endif
  return "signal " + std::to_string(number);
}

std::string describe(int status, const std::string& program) {
  if (WIFSIGNALED(status)) return signal_name(WTERMSIG(status));
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (code == 127) return "exit status 127: can '" + program + "' be run?";
  return "exit status " + std::to_string(code);
}

/// The parent's environment for the worker, with one variable set or taken away. Its OpenMP threads
/// sleep while they wait: spinning would take the cores from the judge, and what is timed here is
/// patience only.
std::vector<std::string> environment_with(const Setting& setting) {
  std::vector<std::string> all;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
    if (setting.name.empty() || !std::string_view(*entry).starts_with(setting.name + "="))
      all.emplace_back(*entry);
  if (setting.value) all.push_back(setting.name + "=" + *setting.value);
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) all.emplace_back("OMP_WAIT_POLICY=passive");
  return all;
}

/// As exec takes it.
std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> all;
  for (std::string& word : words) all.push_back(word.data());
  all.push_back(nullptr);
  return all;
}

/// Only async-signal-safe calls: other threads of the parent may hold any lock.
[[noreturn]] void become_worker(int socket, char* const* argv, char** environment, pid_t parent) {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::signal(SIGINT, SIG_IGN);  // Ctrl-C is the parent's to answer, who then closes the connection
#ifdef __linux__
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // even a hanging worker goes with its parent
  if (::getppid() != parent) ::_exit(126);
#else
  static_cast<void>(parent);
#endif
  // Standard output is not the conversation's: libraries print before main() as well.
  if (::dup2(socket, STDIN_FILENO) < 0 || ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) ::_exit(126);
  environ = environment;
  ::execvp(argv[0], argv);
  ::_exit(127);
}

}  // namespace

int serve(Player& player, int in, int out) {
  in = move_from_standard(in, STDIN_FILENO);
  struct stat kind {};
  const bool both_ways = ::fstat(in, &kind) == 0 && S_ISSOCK(kind.st_mode);
  out = both_ways && out == STDOUT_FILENO ? in : move_from_standard(out, STDOUT_FILENO);
  wire::Message hello;
  hello.text = player.name();
  hello.detail = player.version();
  if (!write_all(out, wire::encode(hello))) return 1;
  std::string pending, request;
  while (read_line(in, pending, request)) {
    if (!write_all(out, wire::encode(reply_to(player, request)))) return 1;
  }
  return 0;
}

struct RemotePlayer::Impl {
  std::vector<std::string> argv;
  std::chrono::milliseconds timeout;
  Setting setting;
  pid_t pid = 0;
  int socket = -1;
  int restarts = 0;
  std::string name, version;
  Clock::time_point deadline{};
  Trace failure{Outcome::failed, "nothing was sent", {}};  // set while no reply is to be awaited
  bool awaiting = false;
  bool killed = false;        // the last worker that was lost took a SIGKILL that was not ours
  std::optional<Case> asked;  // the case that `answer` is about
  Reply answer;

  /// Ends the conversation because of `what`; the outcome is the worker's own death if it died by
  /// itself.
  void lose(Outcome outcome, std::string what);
  bool start();
  bool launch();
  bool alive();
  bool greet();
  void forget();
  bool wait_for(short events);
  bool read_exactly(char* to, std::size_t n);
  bool read_message(wire::Message&);
  bool request(std::string verb, const Case&);
  Reply reply();
  const Reply& ask(const Problem&, const Exec&);
};

void RemotePlayer::Impl::forget() {
  if (socket >= 0) ::close(socket);
  socket = -1;
  pid = 0;
  awaiting = false;
}

void RemotePlayer::Impl::lose(Outcome outcome, std::string what) {
  int status = 0;
  killed = false;
  // After an end of file the process may still be on its way out: give it a moment to die of its
  // own cause before it is killed.
  pid_t gone = 0;
  if (outcome == Outcome::crashed) {
    const auto until = Clock::now() + kFarewell;
    while ((gone = ::waitpid(pid, &status, WNOHANG)) == 0 && Clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  if (gone == 0) {
    ::kill(pid, SIGKILL);
    while ((gone = ::waitpid(pid, &status, 0)) < 0 && errno == EINTR) {
    }
    if (outcome == Outcome::crashed) outcome = Outcome::failed;  // it lived, but would not talk
  } else if (gone == pid) {
    what = describe(status, argv.front());
    killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }
  ++restarts;
  forget();
  failure = {outcome, std::move(what), {}};
}

bool RemotePlayer::Impl::alive() {
  if (pid == 0) return false;
  int status = 0;
  if (::waitpid(pid, &status, WNOHANG) == 0) return true;
  ++restarts;  // it died between two cases: no case's fault
  forget();
  return false;
}

/// A worker that somebody kills before its first word costs no case: it is started again.
bool RemotePlayer::Impl::start() {
  if (alive()) return true;
  for (int tries = 1; launch(); ++tries) {
    if (greet()) return true;
    if (!killed || tries == kStarts) return false;
  }
  return false;
}

bool RemotePlayer::Impl::launch() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    failure = {Outcome::failed, std::string("socketpair: ") + std::strerror(errno), {}};
    return false;
  }
  const std::vector<char*> words = pointers(argv);
  std::vector<std::string> variables = environment_with(setting);
  std::vector<char*> surroundings = pointers(variables);
  // A socket that is descriptor 0 or 1 itself would lose its close-on-exec flag at the wrong
  // moment.
  const int theirs = ::fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
  ::close(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t child = theirs < 0 ? -1 : ::fork();
  if (child == 0) become_worker(theirs, words.data(), surroundings.data(), parent);
  const int why = errno;
  if (theirs >= 0) ::close(theirs);
  socket = ends[0];
  if (child < 0) {
    forget();
    failure = {Outcome::failed, std::string("fork: ") + std::strerror(why), {}};
    return false;
  }
  pid = child;
  return true;
}

bool RemotePlayer::Impl::greet() {
  deadline = Clock::now() + std::max<Clock::duration>(kStart, timeout);
  wire::Message hello;
  if (!read_message(hello)) {
    failure.outcome = Outcome::failed;  // it never got as far as a case
    failure.detail = "the worker did not start: " + failure.detail;
    return false;
  }
  if (hello.kind != wire::Kind::hello) {
    lose(Outcome::failed, "the worker did not say hello");
    return false;
  }
  name = std::move(hello.text);
  version = std::move(hello.detail);
  return true;
}

bool RemotePlayer::Impl::wait_for(short events) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd entry{socket, events, 0};
    const int n = ::poll(&entry, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (n > 0) return true;
    if (n < 0 && errno == EINTR) continue;
    lose(n == 0 ? Outcome::timed_out : Outcome::failed,
         n == 0 ? "no answer within " + std::to_string(timeout.count()) + " ms"
                : std::string("poll: ") + std::strerror(errno));
    return false;
  }
}

bool RemotePlayer::Impl::read_exactly(char* to, std::size_t n) {
  while (n > 0) {
    // The common case is an answer that is there in full or comes while we sleep: poll first, so
    // that a hang is always seen.
    if (!wait_for(POLLIN)) return false;
    const ssize_t got = ::recv(socket, to, n, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      lose(Outcome::crashed, "the worker closed the connection");
      return false;
    }
    to += got;
    n -= static_cast<std::size_t>(got);
  }
  return true;
}

bool RemotePlayer::Impl::read_message(wire::Message& message) {
  char prefix[wire::kPrefix];
  if (!read_exactly(prefix, sizeof prefix)) return false;
  try {
    std::string body(static_cast<std::size_t>(wire::length(prefix)), '\0');
    if (!read_exactly(body.data(), body.size())) return false;
    message = wire::decode(body);
    return true;
  } catch (const std::exception& e) {  // wire::Error, or no memory for what it announces
    lose(Outcome::failed, e.what());
    return false;
  }
}

bool RemotePlayer::Impl::request(std::string verb, const Case& c) {
  if (awaiting) lose(Outcome::failed, "the answer to the case before was never taken");
  if (!start()) return false;
  deadline = Clock::now() + timeout;
  const std::string line = std::move(verb) + print(c) + '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t n = ::send(socket, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      rest.remove_prefix(static_cast<std::size_t>(n));
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (!wait_for(POLLOUT)) return false;
    } else if (n == 0 || errno != EINTR) {
      lose(Outcome::crashed, "the worker does not listen");
      return false;
    }
  }
  awaiting = true;
  return true;
}

RemotePlayer::Reply RemotePlayer::Impl::reply() {
  Reply out;
  if (!awaiting) {
    out.trace = std::exchange(failure, Trace{Outcome::failed, "nothing was sent", {}});
    return out;
  }
  awaiting = false;
  // The time in which nobody listened is not the worker's: what it has ready may still be fetched.
  deadline = std::max(deadline, Clock::now() + kGrace);
  wire::Message m;
  if (!read_message(m)) {
    out.trace = std::exchange(failure, Trace{Outcome::failed, "nothing was sent", {}});
  } else if (m.kind != wire::Kind::answer) {
    out.trace = {
        Outcome::failed, m.kind == wire::Kind::malformed ? m.text : "an unexpected hello", {}};
  } else {
    out.unsupported = std::move(m.unsupported);
    out.contract = m.contract;
    out.trace = std::move(m.trace);
    if (!out.unsupported.empty()) out.trace = {Outcome::unsupported, out.unsupported, {}};
  }
  return out;
}

const RemotePlayer::Reply& RemotePlayer::Impl::ask(const Problem& problem, const Exec& exec) {
  Case c{problem, exec};
  if (asked && *asked == c) return answer;
  request(std::string(kAsk), c);
  answer = reply();
  asked = std::move(c);
  return answer;
}

RemotePlayer::RemotePlayer(std::vector<std::string> argv, std::chrono::milliseconds timeout,
                           const Setting& setting)
    : impl_(std::make_unique<Impl>()) {
  if (argv.empty()) throw std::invalid_argument("a worker needs a command line");
  impl_->argv = std::move(argv);
  impl_->timeout = timeout;
  impl_->setting = setting;
}

RemotePlayer::~RemotePlayer() {
  if (impl_->pid == 0) return;
  ::close(std::exchange(impl_->socket, -1));  // the worker reads an end of file and leaves
  const auto until =
      Clock::now() + (impl_->awaiting ? Clock::duration::zero() : Clock::duration(kFarewell));
  int status = 0;
  pid_t gone = 0;
  while ((gone = ::waitpid(impl_->pid, &status, WNOHANG)) == 0 && Clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (gone != 0) return;
  ::kill(impl_->pid, SIGKILL);
  while (::waitpid(impl_->pid, &status, 0) < 0 && errno == EINTR) {
  }
}

std::string RemotePlayer::name() const {
  if (impl_->name.empty()) impl_->start();
  return impl_->name.empty() ? impl_->argv.front() : impl_->name;
}

std::string RemotePlayer::version() const {
  if (impl_->name.empty()) impl_->start();
  return impl_->version;
}

Unsupported RemotePlayer::unsupported(const Problem& problem, const Exec& exec) const {
  return impl_->ask(problem, exec).unsupported;
}

Contract RemotePlayer::contract(const Problem& problem, const Exec& exec) const {
  return impl_->ask(problem, exec).contract;
}

Trace RemotePlayer::play(const Case& c, const Inputs&) {
  send(c);
  return receive().trace;
}

void RemotePlayer::send(const Case& c, const Inputs* literal) {
  impl_->request(
      literal != nullptr ? std::string(kWith) + wire::to_word(*literal) + ' ' : std::string(kPlay),
      c);
}

RemotePlayer::Reply RemotePlayer::receive() { return impl_->reply(); }

int RemotePlayer::restarts() const { return impl_->restarts; }

int RemotePlayer::pid() const { return impl_->pid; }

}  // namespace truenorm::oracle
