#include "made_up.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <vector>

#include "../night/store.h"

namespace truenorm::night {
namespace {

namespace fs = std::filesystem;

struct Pace {
  const char* target;
  double rate, edges;
};
const std::vector<Pace> kPaces{{"api_fuzz", 40e3, 900},       {"case_fuzz", 25300, 4200},
                               {"moments_fuzz", 90e3, 300},   {"plugin_fuzz", 22e3, 3800},
                               {"sequence_fuzz", 9100, 4600}, {"text_fuzz", 150e3, 700},
                               {"torch_fuzz", 8400, 4100}};
constexpr double kHours8 = 8 * 3600;

const char* const kLine =
    "tn1 n2c1 f32 eps=1e-05 mom=0.1 affine=gb stats=on x=normal(0,1) dy=uniform(-1,1) run=T seed=0 "
    "| nchw";

void add_samples(Store& store, std::int64_t run) {
  for (double t = 1800; t <= kHours8; t += 1800)
    for (const Pace& p : kPaces) {
      Sample s;
      s.run = run;
      s.seconds = t;
      s.target = p.target;
      s.executions = static_cast<std::uint64_t>(t * p.rate / 3);
      s.exec_per_second = p.rate * (1 - 0.3 * std::exp(-t / 3000));
      s.coverage = static_cast<std::uint64_t>(p.edges * (1 - std::exp(-std::sqrt(t) / 40)));
      s.features = 4 * s.coverage;
      s.corpus = s.coverage / 3;
      s.worst_score = p.edges > 3500 ? 1 - std::exp(-std::sqrt(t) / 30) : -1;
      store.add(s);
    }
}

void add_findings(Store& store, std::int64_t run) {
  Finding f;
  f.target = "case_fuzz";
  f.verdict = "fail";
  f.reason = "running_var";
  f.kernel = "f32 rows";
  f.subject = "faulty:B004";
  f.build = "fast";
  f.run = run;
  f.first_seen = f.last_seen = 1'000'000'000;
  f.state = Finding::State::minimal;
  f.line = "tn1 n4c16s7x7 f32 x=normal(10000,1) run=TBTB@2ERT seed=42 | nhwc thr=2 skew=4";
  f.minimal = kLine;
  f.detail = "step 0 (T): running_var[0]: got 0.905085027, want 0.910170007 ± 5.43e-08";
  f.opinion = "faulty:B004 is wrong: LibTorch agrees with the reference";
  f.input = std::string("\x01\x00\xff", 3);
  f.file = "findings/case_fuzz-0123456789abcdef";
  store.add(f);

  f.verdict = "crash";
  f.reason = "AddressSanitizer: heap-buffer-overflow";
  f.build = "asan";
  f.state = Finding::State::fresh;
  f.minimal = f.opinion = "";
  f.count = 12;
  f.detail = "READ of size 4";
  store.add(f);

  f = {};
  f.target = "api_fuzz";
  f.verdict = kHostile;
  f.reason = kHostile;
  f.kernel = kHostile + std::string(400, 'w');
  f.subject = "it's";
  f.build = "fast";
  f.line = kHostile + "\xff";
  f.detail = kHostile;
  f.opinion = kHostile;
  f.state = Finding::State::unreproduced;
  store.add(f);
}

void add_reach(const fs::path& folder) {
  fs::create_directories(folder / "coverage");
  std::ofstream(folder / "coverage" / "summary.json") << R"json({
  "schema": "truenorm-fuzz-coverage/1", "inputs": 3456,
  "lines": {"covered": 2970, "all": 3088}, "functions": {"covered": 410, "all": 412},
  "files": [
    {"file": "impl/src/fold.cc", "lines": {"covered": 10, "all": 99}, "missing": "12, 40-128"},
    {"file": "impl/src/plan.cc", "lines": {"covered": 300, "all": 300}, "missing": ""}],
  "never_reached": [
    {"name": "truenorm::fold(const <unnamed>&)", "file": "impl/src/fold.cc", "line": 40}]})json";
}

}  // namespace

void make_up_night(const fs::path& folder) {
  fs::create_directories(folder);
  Store store(folder);
  store.set_subject("faulty:B004");
  Run run;
  run.started = 1'000'000'000;
  run.subject = "faulty:B004";
  run.jobs = 2;
  run.planned = kHours8;
  for (const Pace& p : kPaces)
    run.targets += (run.targets.empty() ? "" : " ") + std::string(p.target);
  run.targets += " never_fuzz";
  const std::int64_t id = store.begin_run(run);
  add_samples(store, id);
  add_findings(store, id);
  double score = 0.99;
  for (const char* output : {"y", "dx", "dweight", "dbias", "running_mean", "running_var"})
    store.raise({"case_fuzz", output, score *= 0.93, kLine, id, 100});
  store.raise({"torch_fuzz", "y", 0.5, kLine, id, 100});
  store.raise({"torch_fuzz", kHostile, 0.25, kHostile, id, 100});
  store.raise({"torch_fuzz", "endless", std::numeric_limits<double>::infinity(), kLine, id, 100});
  store.raise({"torch_fuzz", "none", -1, "", id, 100});
  store.set_replayed({"case_fuzz", "asan", 1});
  store.set_replayed({"case_fuzz", "fast avx2", std::numeric_limits<std::int64_t>::max()});
  fs::create_directories(folder / "corpus" / "case_fuzz");
  std::ofstream(folder / "corpus" / "case_fuzz" / "1f3a") << "x";
  store.end_run(id, kHours8, "time");
  add_reach(folder);
}

void make_up_nothing(const fs::path& folder) {
  fs::create_directories(folder);
  Store store(folder);
}

}  // namespace truenorm::night
