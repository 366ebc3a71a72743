#include "process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string_view>
#include <system_error>

namespace truenorm::night {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// The minder's life: process groups come and go (negative), and those that are there when the
/// runner is gone are ended. Only async-signal-safe calls and its own memory.
[[noreturn]] void mind(int pipe) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::signal(number, SIG_IGN);
  std::set<pid_t> groups;
  pid_t word = 0;
  for (;;) {
    const ssize_t n = ::read(pipe, &word, sizeof word);
    if (n < 0 && errno == EINTR) continue;
    if (n != sizeof word) break;
    if (word > 0)
      groups.insert(word);
    else
      groups.erase(-word);
  }
  for (const pid_t group : groups) ::kill(-group, SIGKILL);
  ::_exit(0);
}

/// The environment of a child: its OpenMP threads sleep while they wait, for cores are shared, and
/// what is undefined is said with where.
std::vector<std::string> surroundings() {
  std::vector<std::string> all;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
    all.emplace_back(*entry);
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) all.emplace_back("OMP_WAIT_POLICY=passive");
  if (std::getenv("UBSAN_OPTIONS") == nullptr) all.emplace_back("UBSAN_OPTIONS=print_stacktrace=1");
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> all;
  for (std::string& word : words) all.push_back(word.data());
  all.push_back(nullptr);
  return all;
}

/// Only async-signal-safe calls: other threads of the parent may hold any lock.
[[noreturn]] void become(char* const* argv, char** environment, int log, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(126);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGINT, SIGPIPE, SIGXFSZ}) ::signal(number, SIG_DFL);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing < 0 || ::dup2(nothing, STDIN_FILENO) < 0 || ::dup2(log, STDOUT_FILENO) < 0 ||
      ::dup2(log, STDERR_FILENO) < 0)
    ::_exit(126);
  environ = environment;
  ::execvp(argv[0], argv);
  ::_exit(127);
}

Ended read_status(int status) {
  if (WIFSIGNALED(status)) return {-1, WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

}  // namespace

std::string Ended::words() const {
  if (signal == 0) return fmt::format("exit status {}", code);
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 32)
  if (const char* name = ::sigabbrev_np(signal)) return std::string("SIG") + name;
#endif
  return fmt::format("signal {}", signal);
}

Minder::Minder() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("pipe");
  pid_ = ::fork();
  if (pid_ == 0) {
    ::close(ends[1]);
    ::setsid();
    mind(ends[0]);
  }
  ::close(ends[0]);
  pipe_ = ends[1];
  if (pid_ < 0) fail("fork");
}

Minder::~Minder() {
  ::close(pipe_);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

// Writes of a few bytes to a pipe are whole. One that is lost for want of a minder costs nothing
// while the runner lives.
void Minder::took(pid_t group) {
  [[maybe_unused]] const ssize_t written = ::write(pipe_, &group, sizeof group);
}

void Minder::left(pid_t group) { took(-group); }

Child::Child(Minder& minder, const Command& command) : minder_(minder) {
  std::vector<std::string> words = command.argv, variables = surroundings();
  const std::vector<char*> argv = pointers(words);
  std::vector<char*> environment = pointers(variables);
  const int log =
      ::open(command.log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
  if (log < 0) fail(command.log.string());
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) become(argv.data(), environment.data(), log, parent);
  const int why = errno;
  ::close(log);
  errno = why;
  if (child < 0) fail("fork");
  ::setpgid(child, child);  // whoever of the two comes first
  pid_ = child;
  minder_.took(pid_);
}

Child::~Child() {
  if (!end_) {
    signal(SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  minder_.left(pid_);
}

std::optional<Ended> Child::ended() {
  if (end_) return end_;
  int status = 0;
  const pid_t gone = ::waitpid(pid_, &status, WNOHANG);
  if (gone != pid_) return std::nullopt;
  ::kill(-pid_, SIGKILL);  // what it left behind
  end_ = read_status(status);
  return end_;
}

void Child::signal(int number) { ::kill(-pid_, number); }

double Child::starved() const {
  double ran = 0, waited = 0;  // ns
  std::ifstream(fmt::format("/proc/{}/schedstat", pid_)) >> ran >> waited;
  return waited / 1e9;
}

}  // namespace truenorm::night
