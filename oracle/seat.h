// Where a player sits during a run: a case is handed over, and the answer is fetched later, so that
// the judge can work meanwhile.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "case.h"
#include "data.h"
#include "player.h"
#include "remote.h"

namespace truenorm::oracle {

/// One player in the hands of one thread. send() and receive() alternate.
class Seat {
 public:
  virtual ~Seat() = default;
  /// `literal`: inputs that no distribution gives; else the inputs are made from the case.
  virtual void send(const Case&, const Inputs* literal = nullptr) = 0;
  virtual RemotePlayer::Reply receive() = 0;
  virtual std::string version() const = 0;

  RemotePlayer::Reply ask(const Case& c, const Inputs* literal = nullptr) {
    send(c, literal);
    return receive();
  }
};

/// Without an answer for so long, a case counts as a hang.
inline constexpr std::chrono::seconds kTimeout{10};

/// Makes one seat for each thread that asks.
using Seats = std::function<std::unique_ptr<Seat>()>;

/// The player in a worker process: a crash or a hang is an outcome. Starts it; throws
/// std::runtime_error if it does not start.
std::unique_ptr<Seat> remote_seat(const std::string& spec, const Setting& = {},
                                  std::chrono::seconds timeout = kTimeout);

/// The player in this process, for tests and for what must not fork.
std::unique_ptr<Seat> local_seat(std::unique_ptr<Player>);

}  // namespace truenorm::oracle
