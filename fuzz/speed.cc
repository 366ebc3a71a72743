#include "speed.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <numeric>
#include <vector>

#include "bytes.h"
#include "sample.h"

namespace truenorm::fuzz {
namespace {

constexpr std::size_t kCases = 1000;

/// User and system seconds of this process.
double processor_seconds() {
  std::timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// What a call of the clock adds to a time.
double clock_seconds() {
  std::vector<double> all(1001);
  for (double& one : all) {
    const double start = processor_seconds();
    one = processor_seconds() - start;
  }
  return median(std::move(all));
}

struct Entry {
  std::vector<std::uint8_t> input;
  std::int64_t largest = 0, work = 0;  // elements of the largest tensor, of all steps
  std::vector<double> seconds;         // by round
};

std::int64_t largest_of(const oracle::Problem& p) {
  std::int64_t largest = 0;
  for (std::size_t i = 0; i < p.run.size(); ++i)
    largest = std::max(largest, p.shape.with_batch(oracle::batch_of(p, i)).numel());
  return largest;
}

/// Sampled cases that the bounds leave as they are, threads aside.
std::vector<Entry> sampled(
    const Bounds& bounds,
    const std::function<std::vector<std::uint8_t>(const oracle::Case&)>& input_of) {
  std::vector<Entry> entries;
  for (std::uint64_t i = 0; entries.size() < kCases; ++i) {
    oracle::Case c = oracle::sample(1, i);
    if (!c.exec) c.exec = oracle::Exec{};
    c.exec->threads = std::min(c.exec->threads, bounds.threads);
    if (decode(oracle::encode(c), bounds) == c)
      entries.push_back({input_of(c), largest_of(c.problem), oracle::work_of(c.problem), {}});
  }
  return entries;
}

void print_row(const std::vector<Entry>& entries, std::int64_t limit) {
  std::vector<double> seconds, work;
  for (const Entry& e : entries) {
    if (e.largest > limit) continue;
    seconds.push_back(median(e.seconds));
    work.push_back(static_cast<double>(e.work));
  }
  if (seconds.empty()) return;
  const double mean =
      std::accumulate(seconds.begin(), seconds.end(), 0.0) / static_cast<double>(seconds.size());
  std::printf("%12lld %6zu %12.0f %15.0f %15.0f\n", static_cast<long long>(limit), seconds.size(),
              median(work), 1 / median(seconds), 1 / mean);
}

}  // namespace

void measure_speed(const Bounds& bounds,
                   const std::function<std::vector<std::uint8_t>(const oracle::Case&)>& input_of,
                   const std::function<void(Bytes)>& run, int rounds) {
  std::vector<Entry> entries = sampled(bounds, input_of);
  const double clock = clock_seconds();
  for (int round = 0; round < rounds; ++round) {
    for (Entry& e : entries) {
      const double start = processor_seconds();
      run(e.input);
      e.seconds.push_back(processor_seconds() - start - clock);
    }
  }
  std::printf(
      "elements of               elements of       exec/s          exec/s\n"
      "a tensor <=   cases  the median case  of the median     of the mean\n");
  for (std::int64_t limit : {64, 256, 1024})
    if (limit < bounds.elements) print_row(entries, limit);
  print_row(entries, bounds.elements);
}

}  // namespace truenorm::fuzz
