// truenorm-bench with a planted slow-down, for real_check: each call of Truenorm takes kSlower times as
// long. The delay is spent in the call that is timed; judging, rounds and report are the program's own.
#include <chrono>
#include <utility>

#include "bench/contestant.h"
#include "oracle/players/players.h"

// The contestant itself under another name, beside the oracle's player of the old one.
namespace truenorm::oracle {
inline std::unique_ptr<Player> make_sound_truenorm() { return make_truenorm(); }
}  // namespace truenorm::oracle
#define make_truenorm make_sound_truenorm
#include "bench/contestants/truenorm.cc"  // NOLINT(bugprone-suspicious-include)
#undef make_truenorm

namespace truenorm::bench {
namespace {

constexpr double kSlower = 1.10;

class Planted final : public Contestant {
 public:
  explicit Planted(std::unique_ptr<Contestant> sound) : sound_(std::move(sound)) {}

  std::string name() const override { return sound_->name(); }
  std::string version() const override { return sound_->version(); }
  std::string prepare(const Work& w) override { return sound_->prepare(w); }
  void run() override {
    delayed([this] { sound_->run(); });
  }
  void run_fresh() override {
    delayed([this] { sound_->run_fresh(); });
  }
  Outputs fresh_outputs() const override { return sound_->fresh_outputs(); }
  Outputs outputs() const override { return sound_->outputs(); }
  std::string implementation() const override { return sound_->implementation(); }
  oracle::Contract contract(const oracle::Problem& p, const oracle::Exec& e) const override {
    return sound_->contract(p, e);
  }

 private:
  using Clock = std::chrono::steady_clock;

  template <class Call>
  static void delayed(Call call) {
    const auto begin = Clock::now();
    call();
    const auto end =
        begin + std::chrono::duration_cast<Clock::duration>((Clock::now() - begin) * kSlower);
    while (Clock::now() < end) {
    }
  }

  std::unique_ptr<Contestant> sound_;
};

}  // namespace

std::unique_ptr<Contestant> make_truenorm(const std::vector<std::int64_t>& caches) {
  return std::make_unique<Planted>(make_sound_truenorm(caches));
}

}  // namespace truenorm::bench
