// Child processes that never outlive the runner, however it ends.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace truenorm::night {

/// How a process ended.
struct Ended {
  int code = 0;               // exit status; -1 where a signal ended it
  int signal = 0;             // 0: it left by itself
  std::string words() const;  // "exit status 77", "SIGKILL"
};

struct Command {
  std::vector<std::string> argv;
  std::filesystem::path log;  // takes what it prints, from its beginning
};

/// Ends the process groups of a runner that is killed. A process of its own, which sleeps on a pipe
/// until the runner is no more: PR_SET_PDEATHSIG reaches children, and this what they started.
class Minder {
 public:
  Minder();  // forks: to be made before there are threads. Throws std::system_error
  ~Minder();
  Minder(const Minder&) = delete;
  Minder& operator=(const Minder&) = delete;
  void took(pid_t group);
  void left(pid_t group);

 private:
  int pipe_ = -1;
  pid_t pid_ = 0;
};

/// A running process, the leader of its own group: Ctrl-C in a terminal is the runner's to answer.
/// To be started by a thread that lives as long: the kernel ends it with that thread.
class Child {
 public:
  Child(Minder&, const Command&);  // throws std::system_error where there can be no process or log
  ~Child();                        // kills the group
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  std::optional<Ended> ended();  // without waiting
  void signal(int number);       // to the whole group
  /// Seconds that the leader was ready to run while others had the processors; 0 where the system does
  /// not tell (Linux does: /proc/PID/schedstat).
  double starved() const;
  pid_t pid() const { return pid_; }

 private:
  Minder& minder_;
  pid_t pid_ = 0;
  std::optional<Ended> end_;
};

}  // namespace truenorm::night
