#include "seat.h"

#include <stdexcept>
#include <utility>

#include "players/players.h"

namespace truenorm::oracle {
namespace {

class LocalSeat final : public Seat {
 public:
  explicit LocalSeat(std::unique_ptr<Player> player) : player_(std::move(player)) {}

  void send(const Case& c, const Inputs* literal) override {
    case_ = c;
    inputs_ = literal != nullptr ? *literal : Inputs{};
    literal_ = literal != nullptr;
  }

  RemotePlayer::Reply receive() override {
    const Exec exec = case_.exec.value_or(Exec{});
    case_.exec = exec;
    RemotePlayer::Reply reply;
    reply.unsupported = player_->unsupported(case_.problem, exec);
    if (!reply.unsupported.empty()) {
      reply.trace.outcome = Outcome::unsupported;
      reply.trace.detail = reply.unsupported;
      return reply;
    }
    reply.contract = player_->contract(case_.problem, exec);
    reply.trace = player_->play(case_, literal_ ? inputs_ : make_inputs(case_));
    return reply;
  }

  std::string version() const override { return player_->version(); }

 private:
  std::unique_ptr<Player> player_;
  Case case_;
  Inputs inputs_;
  bool literal_ = false;
};

class RemoteSeat final : public Seat {
 public:
  RemoteSeat(std::vector<std::string> command, const Setting& setting, std::chrono::seconds timeout)
      : player_(std::move(command), timeout, setting) {}

  void send(const Case& c, const Inputs* literal) override { player_.send(c, literal); }
  RemotePlayer::Reply receive() override { return player_.receive(); }
  std::string version() const override { return player_.version(); }

  /// Why there is no worker, or empty. Starts it, once.
  std::string trouble() {
    player_.name();
    return player_.pid() != 0 ? std::string() : receive().trace.detail;
  }

 private:
  RemotePlayer player_;
};

}  // namespace

std::unique_ptr<Seat> remote_seat(const std::string& spec, const Setting& setting,
                                  std::chrono::seconds timeout) {
  auto seat = std::make_unique<RemoteSeat>(worker_command(spec), setting, timeout);
  if (const std::string why = seat->trouble(); !why.empty())
    throw std::runtime_error("player " + spec + ": " + why);
  return seat;
}

std::unique_ptr<Seat> local_seat(std::unique_ptr<Player> player) {
  return std::make_unique<LocalSeat>(std::move(player));
}

}  // namespace truenorm::oracle
