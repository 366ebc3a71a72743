// The same bits: from run to run, on any number of threads, on every instruction set with FMA, at
// any alignment, in place or not, and with other contexts at work beside.
#include <omp.h>
#include <truenorm/batch_norm.h>

#include <algorithm>
#include <cfenv>
#include <cstring>
#include <filesystem>
#include <functional>
#include <thread>

#include "played.h"
#include "players/players.h"

namespace truenorm::oracle {
namespace {

/// The instruction sets with FMA that a case can name and this machine has.
std::vector<Isa> fma_isas() {
  std::vector<Isa> list;
  for (const truenorm::Isa isa : available_isas())
    for (int i = 0; has_fma(isa) && i < kIsas; ++i)
      if (name(static_cast<Isa>(i)) == truenorm::name(isa)) list.push_back(static_cast<Isa>(i));
  return list;
}

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

/// A change of an Exec that should move no bit. False: this case has no such variant.
struct Change {
  std::string what;
  std::function<bool(Exec&)> make;
};

/// No change moves a bit of any case, and each change fits some case.
void expect_same_bits(const std::vector<Case>& list, const std::vector<Change>& changes) {
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
      const std::string d = difference(*want, player->play(changed, inputs));
      if (d.empty() || ++different[i] > 3) continue;
      ADD_FAILURE() << changes[i].what << ": " << d << "\n  " << print(plain) << "\n  "
                    << print(changed);
    }
  }
  for (std::size_t i = 0; i < changes.size(); ++i) {
    EXPECT_EQ(different[i], 0u) << changes[i].what;
    EXPECT_GT(compared[i], 0u) << changes[i].what;
  }
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
