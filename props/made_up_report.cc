#include "made_up_report.h"

#include "sample.h"

namespace truenorm::oracle {
namespace {

const char* const kLine =
    "tn1 n2c1 f32 eps=1e-05 mom=0.1 affine=gb stats=on x=normal(0,1) dy=uniform(-1,1) run=T seed=0 "
    "| nchw";
const char* const kFound =
    "tn1 n4c16s7x7 f32 eps=1e-05 mom=0.1 affine=gb stats=on x=normal(10000,1) dy=uniform(-1,1) "
    "run=TBTB@2ERT seed=42 | nhwc thr=2 skew=4";

void set(Tally& tally, Result result, std::uint64_t count) {
  tally.results[static_cast<std::size_t>(result)] = count;
}

void fill_areas(Report& r) {
  std::uint64_t index = 0;
  for (const auto& [area, cases] : {std::pair<const char*, std::uint64_t>{"corpus", 300},
                                    {"small worlds", 3000},
                                    {"SIMD edges", 2592},
                                    {"published vectors", 26},
                                    {"random", 20000}}) {
    Tally& tally = r.area(area);
    set(tally, Result::pass, cases);
    tally.worst = {0.9 + 0.01 * static_cast<double>(index % 10), index, kLine};
    ++index;
  }
  for (std::size_t i = 0; i < kOutputs; ++i) {
    r.outputs[i] = {1.0 / static_cast<double>(i + 1), i, kLine};
    for (std::size_t bin = 0; bin < kScoreBins; ++bin)
      r.scores[i][bin] = (i + 1) * bin * (kScoreBins - bin) + (bin == 0 ? 7 : 0);
  }
  r.isas = {{"best (avx2)", 22000}, {"scalar", 3918}};
  r.thread_counts = {{"1", 13000}, {"2", 5000}, {"3", 4000}, {"4", 3918}};
  std::uint64_t count = 0;
  for (const Class& c : classes()) r.census[{c.area, c.name}] = (count += 7919) % 20011;
}

Failure failure(std::uint64_t index, const char* area, Result result, const char* reason) {
  Failure f;
  f.index = index;
  f.area = area;
  f.result = result;
  f.reason = reason;
  f.line = f.found = kFound;
  f.detail = "step 0 (T): running_var[13]: got 1.01469278, want 1.01528092 ± 6.05e-08";
  f.opinion = "faulty:B004 is wrong: LibTorch agrees with the reference";
  f.command = std::string("./run check '") + kFound + "' --subject faulty:B004";
  return f;
}

void fill_failures(Report& r) {
  Failure shrunk = failure(12, "corpus", Result::fail, "running_var");
  shrunk.shrunk = true;
  shrunk.line = kLine;
  shrunk.command = std::string("./run check '") + kLine + "' --subject faulty:B004";
  shrunk.where = "/src/corpus/edges.cases:17";
  shrunk.effects = {{"n", "2", {"4"}, {"1"}, {}}, {"dtype", "f32", {"f64", "bf16"}, {}, {}}};
  // Another case that comes down to the same line.
  Failure twin = shrunk;
  twin.index = 31;
  Failure death = failure(400, "small worlds", Result::crash, "SIGSEGV");
  death.detail = "died of SIGSEGV";
  Failure words = failure(5000, "SIMD edges", Result::timeout, "no answer");
  words.line = words.found = words.reason = words.detail = words.opinion = words.command = kHostile;
  Failure other = failure(6000, "random", Result::fail, "dx");
  other.divergence = true;
  other.line = std::string(kLine) + " y=nhwc";
  other.opinion = "LibTorch is wrong: faulty:B004 agrees with the reference";
  r.failures = {shrunk, twin, death, words, other};
  set(r.area("corpus"), Result::fail, 2);
  set(r.area("small worlds"), Result::crash, 1);
  set(r.area("SIMD edges"), Result::timeout, 1);
}

}  // namespace

Report plain_report() {
  Report r;
  r.subject = "truenorm";
  r.seed = 1;
  r.random_cases = 20000;
  r.threads = 2;
  r.seconds = 92.2;
  fill_areas(r);
  return r;
}

Report full_report() {
  Report r = plain_report();
  r.subject = "faulty:B004";
  r.subject_version = "0.1";
  r.libtorch = "1.13.1";
  r.shards = {{1, 4}, {3, 4}};
  fill_failures(r);
  set(r.area("random"), Result::hollow, 547);
  set(r.area("random"), Result::skipped, 20);
  r.hollow = {{"running_var", 500}, {"empty", 47}};
  r.skipped = {{kHostile, 20}};
  r.not_compared = {{"LibTorch has no f16 on this machine", 5366}};
  r.rival.agreed = 19230;
  r.rival.skipped = 5366;
  r.rival.fresh = 1;
  r.rival.known = {{"ignored-strides", 1000}, {"untracked-update", 364}, {kHostile, 1}};
  r.rival.scores = r.scores;
  r.rival.scores[0][kScoreBins - 1] += 100;
  r.explained["ignored-strides"] = {
      "batch_norm_cpu_backward_channels_last_impl takes the data pointers of weight, running_mean "
      "and "
      "running_var and walks them with stride 1.",
      "the reference: the strides are part of the tensor", "tn1 n4c3 f32 run=TB seed=3 | nchw"};
  r.explained[kHostile] = {kHostile, kHostile, kHostile};
  r.census[{kHostile, kHostile}] = 1;
  return r;
}

}  // namespace truenorm::oracle
