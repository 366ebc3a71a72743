// Work on several threads, watched from the one that asked for it.
#pragma once

#include <atomic>
#include <functional>

namespace truenorm::oracle {

/// Runs `work(thread)` on every thread and calls `tick` on this one meanwhile; then throws what the
/// first thread to fail threw. The threads take no SIGINT: it is for this one, whose handler sets
/// the flag.
void on_threads(unsigned threads, const std::function<void(unsigned)>& work,
                const std::function<void()>& tick, std::atomic<bool>& stop);

}  // namespace truenorm::oracle
