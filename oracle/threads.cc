#include "threads.h"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace truenorm::oracle {

void on_threads(unsigned threads, const std::function<void(unsigned)>& work,
                const std::function<void()>& tick, std::atomic<bool>& stop) {
  std::mutex mutex;
  std::condition_variable finished;
  unsigned running = threads;
  std::exception_ptr error;
  sigset_t interrupt, before;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt, &before);
  std::vector<std::thread> pool;
  for (unsigned t = 0; t < threads; ++t)
    pool.emplace_back([&, t] {
      std::exception_ptr mine;
      try {
        work(t);
      } catch (...) {
        mine = std::current_exception();
        stop = true;
      }
      const std::lock_guard lock(mutex);
      if (mine && !error) error = mine;
      --running;
      finished.notify_one();
    });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  {
    std::unique_lock lock(mutex);
    while (!finished.wait_for(lock, std::chrono::milliseconds(200), [&] { return running == 0; })) {
      lock.unlock();
      tick();
      lock.lock();
    }
  }
  for (std::thread& thread : pool) thread.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace truenorm::oracle
