#include "triage.h"

#include <algorithm>
#include <utility>

namespace truenorm::night {
namespace {

/// One that is like another but for its kernel is not worth as much.
constexpr Budget kFirst{}, kOther{100, 15, 5};

}  // namespace

std::string kind_of(const Finding& f) {
  return f.target + '/' + f.subject + '/' + f.verdict + '/' + f.reason;
}

Triage::Triage(Bench bench) : bench_(std::move(bench)) {
  bench_.stop = [this] { return stop_.load(); };
  thread_ = std::thread([this] { work(); });
}

Triage::~Triage() {
  stop();
  thread_.join();
}

void Triage::add(Finding f) {
  const std::lock_guard lock(guard_);
  queue_.push_back(std::move(f));
  more_.notify_one();
}

std::vector<Finding> Triage::done() {
  const std::lock_guard lock(guard_);
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  return std::exchange(done_, {});
}

bool Triage::owes() {
  const std::lock_guard lock(guard_);
  return !stop_ && (first_of_kind_ || !done_.empty() ||
                    std::any_of(queue_.begin(), queue_.end(),
                                [&](const Finding& f) { return kinds_.count(kind_of(f)) == 0; }));
}

void Triage::stop() {
  const std::lock_guard lock(guard_);
  stop_ = true;
  more_.notify_one();
}

std::size_t Triage::next() const {
  const auto fresh = std::find_if(queue_.begin(), queue_.end(),
                                  [&](const Finding& f) { return kinds_.count(kind_of(f)) == 0; });
  return fresh == queue_.end() ? 0 : static_cast<std::size_t>(fresh - queue_.begin());
}

void Triage::work() {
  Witnesses witnesses(bench_.subject);
  try {
    for (;;) {
      std::unique_lock lock(guard_);
      more_.wait(lock, [&] { return stop_ || !queue_.empty(); });
      if (stop_) return;
      const auto at = queue_.begin() + static_cast<std::ptrdiff_t>(next());
      Finding f = std::move(*at);
      queue_.erase(at);
      first_of_kind_ = kinds_.insert(kind_of(f)).second;
      lock.unlock();
      Finding refined = refine(bench_, witnesses, std::move(f), first_of_kind_ ? kFirst : kOther);
      lock.lock();
      first_of_kind_ = false;
      if (!stop_) done_.push_back(std::move(refined));
    }
  } catch (...) {
    const std::lock_guard lock(guard_);
    first_of_kind_ = false;
    stop_ = true;
    failure_ = std::current_exception();
  }
}

}  // namespace truenorm::night
