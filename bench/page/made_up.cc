#include "made_up.h"

#include <fmt/format.h>

#include <cmath>

namespace truenorm::bench {
namespace {

struct Shape {
  const char* name;
  std::int64_t channels;
  double values;
};
constexpr Shape kShapes[] = {{"n8c64s112x112", 64, 8 * 64 * 112 * 112.0},
                             {"n8c64s56x56", 64, 8 * 64 * 56 * 56.0},
                             {"n8c256s56x56", 256, 8 * 256 * 56 * 56.0},
                             {"n8c128s28x28", 128, 8 * 128 * 28 * 28.0},
                             {"n8c512s7x7", 512, 8 * 512 * 49.0},
                             {"n4c16s7x7", 16, 4 * 16 * 49.0},
                             {"n2c32s16x112x112", 32, 2 * 32 * 16 * 112 * 112.0}};

Machine machine() {
  Machine m;
  m.cpu = "Made-up CPU @ 2.00GHz";
  m.isa = "avx512";
  m.os = "Linux 6.1";
  m.compiler = "GNU 12.2.0";
  m.flags = "Release -O3 -DNDEBUG";
  m.logical_cpus = 4;
  m.l1 = 32 << 10;
  m.l2 = 2 << 20;
  m.l3 = 32 << 20;
  m.memory = std::int64_t{16} << 30;
  m.governor = "powersave";
  m.load = 2.5;
  m.commit = "0123456789abcdef0123456789abcdef01234567";
  m.dirty = true;
  return m;
}

/// A copy's GB/s at this size and with these threads: falls from cache to cache.
double copy_speed(double bytes, int threads) {
  return 25 * std::sqrt(threads) * (1 + 5 / (1 + bytes / 3e5) + 2 / (1 + bytes / 2e7));
}

/// `unlike` makes rows differ, as those of a machine do.
Row row(const Shape& shape, Op op, oracle::Layout layout, int threads, double unlike) {
  Row r;
  const std::string_view run = op == Op::training ? "T" : op == Op::evaluation ? "E" : "TB";
  r.line = fmt::format("tn1 {} f32 x=normal(0.3,1.2) run={} seed=1 | {} thr={}", shape.name, run,
                       oracle::name(layout), threads);
  r.suite = "made-up";
  r.shape = shape.name;
  r.op = op;
  r.layout = layout;
  r.threads = threads;
  r.channels = shape.channels;
  r.bytes = static_cast<std::size_t>(4 * shape.values);
  r.verdict = "pass";
  r.score = 0.3;
  r.measured = true;
  r.must = op == Op::evaluation ? 2 : 3;
  r.level = level_of({32 << 10, 2 << 20, 32 << 20}, r.bytes, op, threads);
  const auto bytes = static_cast<double>(r.bytes);
  r.copy_ns = bytes * pass_moves(op) / copy_speed(bytes, threads);
  r.roofline_pct = 55 + 30 * unlike;
  r.ns = 100 * r.copy_ns * r.must / pass_moves(op) / r.roofline_pct;
  r.spread = 0.02;
  r.aa = 1 + 0.06 * (unlike - 0.5);
  r.gbps = bytes * textbook_moves(op) / r.ns;
  r.must_gbps = bytes * r.must / r.ns;
  r.error = 0.02 + 0.2 * unlike * unlike;
  r.measurements = 44;
  r.disturbed = unlike > 0.9 ? 11 : 0;
  return r;
}

void add_peer(Row& r, const char* peer, double ratio, double error) {
  Against& a = r.peers[peer];
  a.ratio = ratio;
  a.ns = ratio * r.ns;
  a.spread = 0.03;
  a.interval = Interval{ratio * 0.97, ratio * 1.04};
  a.verdict = "pass";
  a.error = error;
}

}  // namespace

Report full_report() {
  Report r;
  r.machine = machine();
  r.peers = {"libtorch", "onednn"};
  r.versions = {{"truenorm", "0.1"}, {"libtorch", "1.13.1"}, {"onednn", "2.6.3"}};
  r.rounds = 11;
  r.command = "./run bench --suite table --threads 1,2,4 --html bench.html";
  double unlike = 0.5;
  for (const Op op : {Op::training, Op::evaluation, Op::backward})
    for (const auto layout : {oracle::Layout::nchw, oracle::Layout::nhwc})
      for (const int threads : {1, 2, 4}) {
        if (op != Op::training && threads > 1) continue;
        for (const Shape& shape : kShapes) {
          unlike = std::fmod(unlike + 0.618, 1.0);
          Row one = row(shape, op, layout, threads, unlike);
          add_peer(one, "libtorch", 0.8 + 3 * unlike, 0.4 * unlike);
          add_peer(one, "onednn", 1.1 + 6 * (1 - unlike), 3 * unlike * unlike);
          r.rows.push_back(std::move(one));
        }
      }
  r.rows[3].peers["onednn"] = {};
  r.rows[3].peers["onednn"].absent = "no primitive: " + kHostile;
  r.rows[4].peers["libtorch"].interval.reset();
  r.rows[5].peers["libtorch"].error = HUGE_VAL;
  r.rows[6].error = 0;
  Row failed = r.rows[0];
  failed.measured = false;
  failed.verdict = "fail: " + kHostile;
  failed.line += kHostile;
  failed.shape = kHostile;
  r.rows.push_back(std::move(failed));
  r.machine.flags += " " + kHostile;
  return r;
}

Report plain_report() {
  Report r;
  r.machine = machine();
  r.rounds = 11;
  r.versions = {{"truenorm", "0.1"}};
  r.rows = {row(kShapes[1], Op::training, oracle::Layout::nchw, 2, 0.5)};
  r.rows[0].error.reset();  // it stands beside nobody
  return r;
}

}  // namespace truenorm::bench
