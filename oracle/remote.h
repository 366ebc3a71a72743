// A player in a process of its own: case lines go in, traces come back. A crash or a hang is an
// outcome of that case, and the next case meets a new process.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "player.h"

namespace truenorm::oracle {

/// The worker's side: answers requests on two file descriptors until end of file. Returns the exit
/// status of the process. Where `in` is a socket, as from RemotePlayer, and `out` standard output,
/// the answers go back on `in`.
int serve(Player&, int in, int out);

/// A variable of the worker's environment: set to the value, or taken away. No name: as it is.
struct Setting {
  std::string name;
  std::optional<std::string> value;
};

/// The parent's side. Starts `argv` on first use and again after each death. unsupported() and
/// contract() are asked of the worker, too, so the parent needs nothing of the player's library.
/// One conversation at a time: not thread-safe; use one RemotePlayer a thread, and let that
/// thread live as long (on Linux the worker ends with the thread that started it).
class RemotePlayer final : public Player {
 public:
  explicit RemotePlayer(std::vector<std::string> argv,
                        std::chrono::milliseconds timeout = std::chrono::seconds(10),
                        const Setting& = {});
  ~RemotePlayer() override;

  std::string name() const override;  // as the worker says at its start; starts it if need be
  std::string version() const override;
  Unsupported unsupported(const Problem&, const Exec&) const override;
  Contract contract(const Problem&, const Exec&) const override;
  Trace play(const Case&, const Inputs&)
      override;  // the worker makes the inputs again from the case; `Inputs` is not sent

  /// Split form of play(), so that the parent can compute the exact answer meanwhile: everything
  /// about a case in one exchange.
  struct Reply {
    Unsupported unsupported;  // not empty: nothing was played
    Contract contract;
    Trace trace;
  };
  /// `literal`: inputs to play instead of those that the case describes.
  void send(const Case&, const Inputs* literal = nullptr);
  Reply receive();

  int restarts() const;  // processes that died or were killed so far
  int pid() const;       // of the running worker, 0 if there is none

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace truenorm::oracle
