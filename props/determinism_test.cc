// The same bits: from run to run, on any number of threads, on every instruction set with FMA, at
// any alignment, in place or not, and with other contexts at work beside.
#include <omp.h>
#include <truenorm/batch_norm.h>

#include <algorithm>
#include <cfenv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <numeric>
#include <set>
#include <thread>

#include "isas.h"
#include "played.h"
#include "players/players.h"

namespace truenorm::oracle {
namespace {

std::vector<Isa> fma_isas() { return isas_where(has_fma); }

/// The remembered cases, and a few hundred of the random stream.
const std::vector<Case>& cases() {
  static const std::vector<Case> all = [] {
    std::vector<Case> list = corpus("smoke.cases");
    const std::vector<Case> edges = corpus("edges.cases");
    list.insert(list.end(), edges.begin(), edges.end());
    for (std::uint64_t i = 0; i < 300; ++i) list.push_back(sample(8, i));
    return list;
  }();
  return all;
}

/// Large enough that nine threads have work each, in every loop nest.
std::vector<Case> large_cases() {
  std::vector<Case> list;
  for (const std::string_view line : {"tn1 n2c2s150000 f32 x=normal(5,1) run=TBEB seed=1 | nchw",
                                      "tn1 n3c75s2800 bf16/f32 x=normal(5,1) run=TB seed=2 | nchw",
                                      "tn1 n3000c201 f32 x=normal(5,1) run=TBE seed=3 | nhwc",
                                      "tn1 n2c300s1031 f64 x=normal(5,1) run=TB seed=4 | nhwc",
                                      "tn1 n20c30s1031 f32 x=normal(5,1) run=TB seed=5 | sliced",
                                      "tn1 n40c40s20x20 f16 x=normal(5,1) run=TB seed=6 | padded",
                                      "tn1 n50000c13 f32 x=special(0.001) run=TB seed=7 | nhwc"})
    list.push_back(with_exec(line));
  return list;
}

/// Every line that the corpus remembers, of whatever file.
const std::vector<Case>& whole_corpus() {
  static const std::vector<Case> all = [] {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(TRUENORM_CORPUS_DIR))
      if (entry.path().extension() == ".cases") files.push_back(entry.path().filename());
    std::sort(files.begin(), files.end());
    EXPECT_GE(files.size(), 5u);
    std::vector<Case> list;
    for (const std::string& file : files)
      for (Case& c : corpus(file)) list.push_back(std::move(c));
    return list;
  }();
  return all;
}

/// What networks look like, in every loop nest, each large enough for several threads: most of the
/// corpus is too small for that.
std::vector<Case> shared_cases() {
  std::vector<Case> list;
  for (const std::string_view line :
       {"tn1 n8c64s56x56 f32 x=normal(1,2) run=TB seed=1 | nchw",
        "tn1 n8c64s56x56 bf16/f32 x=normal(1,2) run=E seed=2 | nhwc",
        "tn1 n8c256s14x14 f32 x=normal(1,2) run=TBE seed=3 | nchw",
        "tn1 n8c256s14x14 f32 x=normal(1,2) run=TBE seed=3 | nhwc",
        "tn1 n8c256s14x14 f64 x=normal(1,2) run=TBEB seed=4 | nhwc",
        "tn1 n8c256s14x14 f16 x=normal(1,2) run=TBE seed=5 | nchw",
        "tn1 n32c128s7x7 f32 x=normal(1,2) run=TBEB seed=6 | nchw",
        "tn1 n32c128s7x7 f32 x=normal(1,2) run=TBEB seed=6 | nhwc",
        "tn1 n32c128s7x7 f64 x=cancel(1e4) run=TBE seed=7 | nchw",
        "tn1 n32c128s7x7 bf16 x=normal(1,2) run=TBE seed=8 | nchw",
        "tn1 n32c128s7x7 bf16/f32 x=normal(1,2) run=TBE seed=9 | nhwc",
        "tn1 n32c128s7x7 f16/f32 x=normal(1,2) run=TBE seed=10 | nhwc",
        "tn1 n8c3s112x112 f32 x=normal(1,2) run=TBE seed=11 | nhwc",
        "tn1 n8c3s112x112 f16 x=normal(1,2) run=TBE seed=12 | nchw",
        "tn1 n256c1024 f32 x=normal(1,2) run=TBEB seed=13 | nchw",
        "tn1 n256c1024 bf16 x=normal(1,2) run=TBE seed=14 | nchw",
        "tn1 n16c13s31x29 f32 x=normal(1,2) run=TBE seed=15 | nchw",
        "tn1 n16c13s31x29 f32 x=normal(1,2) run=TBE seed=15 | nhwc",
        "tn1 n16c13s31x29 f64 x=normal(1,2) run=TBE seed=16 | sliced",
        "tn1 n16c13s31x29 f16 x=normal(1,2) run=TBE seed=17 | transposed",
        "tn1 n8c64s28x28 f32 x=normal(1,2) run=TBE seed=18 | sliced",
        "tn1 n8c64s28x28 f32 x=normal(1,2) run=TBE seed=19 | transposed",
        "tn1 n8c64s28x28 bf16/f32 x=normal(1,2) run=TBE seed=20 | padded",
        "tn1 n8c64s28x28 f32 x=normal(1,2) run=TBEB seed=21 | nchw y=nhwc dy=nhwc dx=nchw",
        "tn1 n8c64s28x28 f64 x=normal(1,2) run=TBE seed=22 | nhwc y=nchw dy=nchw dx=nhwc",
        "tn1 n8c64s28x28 bf16 x=normal(1,2) run=TBE seed=23 | nchw y=nhwc dy=sliced dx=nhwc",
        "tn1 n8c64s28x28 f32 x=special(0.0001) dy=special(0.0001) run=TBE seed=24 | nhwc",
        "tn1 n8c64s28x28 f32 x=normal(1,2) run=TBE seed=25 | nchw dy=expanded inplace"})
    list.push_back(with_exec(line));
  return list;
}

/// A change of an Exec that should move no bit. False: this case has no such variant.
struct Change {
  std::string what;
  std::function<bool(Exec&)> make;
};

/// "" or what two traces do not have in common.
using Compare = std::string (*)(const Trace&, const Trace&);

/// "" or the first difference in what was accepted, counted and answered; the bits may differ.
std::string acceptance(const Trace& a, const Trace& b) {
  Trace shape_a = a, shape_b = b;
  for (Trace* t : {&shape_a, &shape_b})
    for (StepTrace& step : t->steps)
      for (std::vector<double>* v :
           {&step.y, &step.save_mean, &step.save_invstd, &step.dx, &step.dweight, &step.dbias,
            &step.running_mean, &step.running_var})
        std::fill(v->begin(), v->end(), 0.0);
  return difference(shape_a, shape_b);
}

/// No change moves a bit of any case, and each change fits some case. How many were compared.
std::size_t expect_same_bits(const std::vector<Case>& list, const std::vector<Change>& changes,
                             Compare compare = &difference) {
  const auto player = make_truenorm();
  std::vector<std::size_t> compared(changes.size()), different(changes.size());
  for (const Case& plain : list) {
    if (!player->unsupported(plain.problem, *plain.exec).empty()) continue;
    const Inputs inputs = make_inputs(plain);
    std::optional<Trace> want;
    for (std::size_t i = 0; i < changes.size(); ++i) {
      Case changed = plain;
      if (!changes[i].make(*changed.exec) || !defect(changed).empty()) continue;
      ++compared[i];
      if (!want) want = player->play(plain, inputs);
      const std::string d = compare(*want, player->play(changed, inputs));
      if (d.empty() || ++different[i] > 3) continue;
      ADD_FAILURE() << changes[i].what << ": " << d << "\n  " << print(plain) << "\n  "
                    << print(changed);
    }
  }
  for (std::size_t i = 0; i < changes.size(); ++i) {
    EXPECT_EQ(different[i], 0u) << changes[i].what;
    EXPECT_GT(compared[i], 0u) << changes[i].what;
  }
  return std::accumulate(compared.begin(), compared.end(), std::size_t{0});
}

Change on_threads(int threads) {
  return {std::to_string(threads) + " threads",
          [threads](Exec& e) { return std::exchange(e.threads, threads) != threads; }};
}

TEST(Determinism, FromRunToRun) {
  const Change again{"run again", [](Exec&) { return true; }};
  expect_same_bits(cases(), {again});
  std::vector<Case> list = large_cases();
  for (Case& c : list) c.exec->threads = 9;
  expect_same_bits(list, {again});
}

TEST(Determinism, OnAnyNumberOfThreads) {
  std::vector<Change> changes;
  for (int threads = 2; threads <= 9; ++threads) changes.push_back(on_threads(threads));
  expect_same_bits(large_cases(), changes);
  expect_same_bits(cases(), {on_threads(1), on_threads(7)});
  expect_same_bits(shared_cases(), {on_threads(4)});
}

TEST(Determinism, OnEveryInstructionSetWithFma) {
  const std::vector<Isa> isas = fma_isas();
  if (isas.size() < 2) GTEST_SKIP() << "this machine has no two of them";
  std::vector<Change> changes;
  for (std::size_t i = 1; i < isas.size(); ++i)
    changes.push_back({std::string(name(isas[i])), [isa = isas[i]](Exec& e) {
                         e.isa = isa;
                         return true;
                       }});
  for (std::vector<Case> list : {cases(), large_cases()}) {
    for (Case& c : list) c.exec->isa = isas[0];
    expect_same_bits(list, changes);
  }
}

constexpr std::array<int, 9> kThreadCounts{1, 2, 3, 4, 5, 6, 7, 8, 9};

/// The list on this set and the first thread count: what the others are compared with.
std::vector<Case> first_of(std::vector<Case> list, Isa isa) {
  for (Case& c : list) {
    c.exec->isa = isa;
    c.exec->threads = kThreadCounts[0];
  }
  return list;
}
/// Every thread count on every set, but for the first of both.
std::vector<Change> all_but_first(const std::vector<Isa>& isas) {
  std::vector<Change> changes;
  for (const Isa isa : isas)
    for (const int threads : kThreadCounts)
      if (isa != isas[0] || threads != kThreadCounts[0])
        changes.push_back({std::string(name(isa)) + ", " + std::to_string(threads) + " threads",
                           [isa, threads](Exec& e) {
                             e.isa = isa;
                             e.threads = threads;
                             return true;
                           }});
  return changes;
}

// Whatever is remembered, and whatever several threads share: on every count of threads times every
// set with FMA.
TEST(DeterminismOfTheCorpus, OnEveryThreadCountAndSetWithFma) {
  std::vector<Isa> isas = fma_isas();
  if (isas.empty()) isas = {Isa::best};
  const std::vector<Change> changes = all_but_first(isas);
  ASSERT_EQ(changes.size(), isas.size() * kThreadCounts.size() - 1);
  std::size_t cases = 0, compared = 0;
  for (const std::vector<Case>& list : {whole_corpus(), shared_cases()}) {
    cases += list.size();
    compared += expect_same_bits(first_of(list, isas[0]), changes);
  }
  EXPECT_EQ(compared, cases * changes.size());
  std::printf("%zu cases, %zu sets, %zu thread counts: %zu comparisons\n", cases, isas.size(),
              kThreadCounts.size(), compared);
  if (isas.size() < 2) GTEST_SKIP() << "threads are compared; there are no two sets with FMA here";
}

// The others round differently, but accept, refuse and count alike; and of each the bits do not
// depend on the thread count.
TEST(DeterminismOfTheCorpus, SetsWithoutFmaAcceptTheSame) {
  const std::vector<Isa> others = isas_where([](truenorm::Isa isa) { return !has_fma(isa); });
  ASSERT_FALSE(others.empty()) << "scalar is always there";
  for (const Isa isa : others) {
    const Change other{std::string(name(isa)), [isa](Exec& e) {
                         e.isa = isa;
                         return true;
                       }};
    expect_same_bits(first_of(whole_corpus(), Isa::best), {other}, &acceptance);
    expect_same_bits(first_of(shared_cases(), isa), {on_threads(3), on_threads(8)});
  }
}

// Else the tests above compare one thread with itself. OpenMP's threads belong to the thread that
// asked for them, so a new one starts with none.
TEST(Determinism, LargeCasesAreShared) {
#ifdef __clang__
  GTEST_SKIP() << "LLVM's OpenMP hands its threads on";
#endif
  const std::filesystem::path tasks = "/proc/self/task";
  if (!std::filesystem::exists(tasks)) GTEST_SKIP() << "this system does not list threads";
  if (omp_get_thread_limit() < 2) GTEST_SKIP() << "OpenMP is held to one thread";
  const auto ids = [&] {
    std::set<std::string> list;
    for (const auto& entry : std::filesystem::directory_iterator(tasks))
      list.insert(entry.path().filename());
    return list;
  };
  const auto player = make_truenorm();
  std::vector<Case> list = large_cases();
  for (Case& c : shared_cases()) list.push_back(std::move(c));
  list.push_back(with_exec("tn1 n4c3s5x5 f32 run=TB seed=1 | nchw"));
  for (Case& c : list) {
    c.exec->threads = 8;
    const Inputs inputs = make_inputs(c);
    bool shared = false;
    std::thread([&] {
      const std::set<std::string> before = ids();
      player->play(c, inputs);
      const std::set<std::string> after = ids();
      shared = !std::includes(before.begin(), before.end(), after.begin(), after.end());
    }).join();
    EXPECT_EQ(shared, &c != &list.back()) << print(c);
  }
}

TEST(Determinism, OnTheBestSetByItsName) {
  const std::string_view best = truenorm::name(available_isas().items[0]);
  for (int i = 1; i < kIsas; ++i)
    if (name(static_cast<Isa>(i)) == best)
      expect_same_bits(cases(), {{"best by its name", [i](Exec& e) {
                                    return std::exchange(e.isa, static_cast<Isa>(i)) == Isa::best;
                                  }}});
}

// Every case takes four of the seventeen places, so that together they take all.
TEST(Determinism, AtAnyAlignment) {
  for (int first = 0; first < 4; ++first) {
    std::vector<Case> list;
    for (auto i = static_cast<std::size_t>(first); i < cases().size(); i += 4)
      list.push_back(cases()[i]);
    std::vector<Change> changes;
    for (int skew = first; skew <= 16; skew += 4)
      changes.push_back({"skew " + std::to_string(skew),
                         [skew](Exec& e) { return std::exchange(e.skew, skew) != skew; }});
    expect_same_bits(list, changes);
  }
}

TEST(Determinism, InPlaceOrNot) {
  std::vector<Case> list = cases();
  for (Case& c : list) {
    if (c.exec->x == Layout::expanded) c.exec->x = Layout::nchw;
    c.exec->y = c.exec->x;
    c.exec->dx = c.exec->dy = output_layout(c.exec->dy);
    c.exec->inplace = false;
  }
  expect_same_bits(list, {{"in place", [](Exec& e) { return e.inplace = true; }}});
}

// The order of a sum depends on how the inputs lie; where the results go does not matter.
TEST(Determinism, WhereverTheOutputsLie) {
  std::vector<Change> changes;
  for (const Layout layout : {Layout::nchw, Layout::nhwc, Layout::padded})
    changes.push_back({std::string(name(layout)), [layout](Exec& e) {
                         e.inplace = false;
                         e.y = e.dx = layout;
                         return true;
                       }});
  expect_same_bits(cases(), changes);
}

// ---- several contexts in one process ----

/// What a training step leaves: y, dx, dweight, dbias, running_mean, running_var, one after
/// another.
std::vector<float> step(Context& context, std::size_t variant) {
  constexpr std::int64_t n = 7, c = 19, s = 3001;
  const auto size = static_cast<std::size_t>(n * c * s), channels = static_cast<std::size_t>(c);
  std::vector<float> x(size), dy(size), out(2 * size + 4 * channels, 0);
  for (std::size_t i = 0; i < size; ++i) {
    x[i] = static_cast<float>((i * 2654435761u + variant) % 1009) / 64;
    dy[i] = static_cast<float>((i * 40503u + variant) % 997) / 128 - 3;
  }
  const auto view = [&](float* data) {
    return variant % 2 == 0 ? contiguous(data, truenorm::Dtype::f32, {n, c, s})
                            : channels_last(data, truenorm::Dtype::f32, {n, c, s});
  };
  const auto vector = [&](std::size_t i) {
    return Vector{out.data() + 2 * size + i * channels, truenorm::Dtype::f32, c, 1};
  };
  BatchNorm layer({.num_features = c});
  EXPECT_TRUE(layer.forward(context, view(x.data()), view(out.data())).ok());
  EXPECT_TRUE(layer
                  .backward(context, view(dy.data()), view(x.data()), view(out.data() + size),
                            vector(0), vector(1))
                  .ok());
  std::memcpy(vector(2).data, layer.running_mean().data, channels * sizeof(float));
  std::memcpy(vector(3).data, layer.running_var().data, channels * sizeof(float));
  return out;
}

bool equal(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(Determinism, ContextsWithDifferentSetsTakeTurns) {
  const IsaList isas = available_isas();
  for (const truenorm::Isa one : isas)
    for (const truenorm::Isa other : isas) {
      Context alone_one(2, one), alone_other(3, other), a(2, one), b(3, other);
      std::vector<std::vector<float>> want_a, want_b;
      for (std::size_t i = 0; i < 3; ++i) want_a.push_back(step(alone_one, i));
      for (std::size_t i = 0; i < 3; ++i) want_b.push_back(step(alone_other, i));
      for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_TRUE(equal(step(a, i), want_a[i])) << truenorm::name(one);
        EXPECT_TRUE(equal(step(b, i), want_b[i])) << truenorm::name(other);
      }
      EXPECT_EQ(a.isa(), one);
      EXPECT_EQ(b.isa(), other);
      EXPECT_TRUE(equal(want_a[1], want_b[1]) || !has_fma(one) || !has_fma(other));
    }
}

TEST(Determinism, ContextsWorkAtTheSameTime) {
  const IsaList isas = available_isas();
  Context alone(1, isas.items[0]);
  const std::vector<float> want = step(alone, 1);
  std::vector<std::vector<float>> got(4);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < got.size(); ++i)
    threads.emplace_back([&, i] {
      Context context(static_cast<int>(i) + 1, isas.items[0]);
      for (int again = 0; again < 4; ++again) got[i] = step(context, 1);
    });
  for (std::thread& t : threads) t.join();
  for (const auto& result : got) EXPECT_TRUE(equal(result, want));
}

// Else the tests above compare one thread with itself.
TEST(Determinism, ThreadsAreReallyMoreThanOne) {
  const std::filesystem::path tasks = "/proc/self/task";
  if (!std::filesystem::exists(tasks)) GTEST_SKIP() << "this system does not list threads";
  if (omp_get_thread_limit() < 2) GTEST_SKIP() << "OpenMP is held to one thread";
  Context context(4);
  step(context, 1);
  const std::filesystem::directory_iterator first(tasks);
  EXPECT_GE(std::distance(begin(first), end(first)), 2);
}

// The threads of the pool have been made under another rounding than the caller's.
TEST(Determinism, UnderTheCallersRounding) {
  Context one(1), four(4);
  const std::vector<float> nearest = step(four, 1);
  ASSERT_EQ(std::fesetround(FE_UPWARD), 0);
  const std::vector<float> alone = step(one, 1), together = step(four, 1);
  EXPECT_EQ(std::fegetround(), FE_UPWARD);
  ASSERT_EQ(std::fesetround(FE_TONEAREST), 0);
  EXPECT_FALSE(equal(alone, nearest)) << "the rounding does not show";
  EXPECT_TRUE(equal(together, alone));
  EXPECT_TRUE(equal(step(four, 1), nearest));
}

}  // namespace
}  // namespace truenorm::oracle
