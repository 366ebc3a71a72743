// The players that bring no library of their own: the honest ones pass, plugins are judged as what
// they are.
#include "players/players.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include "judge.h"
#include "players/host.h"
#include "players/textbook.h"
#include "sample.h"
#include "text.h"

namespace truenorm::oracle {
namespace {

/// The cases of a corpus file, each with an Exec: those without one take all the standard ones.
std::vector<Case> corpus(const std::string& file) {
  const std::string path = std::string(TRUENORM_CORPUS_DIR) + "/" + file;
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  std::vector<Case> cases;
  for (const Line& line : parse_file(text.str(), file)) {
    const auto execs =
        line.value.exec ? std::vector<Exec>{*line.value.exec} : standard_execs(line.value.problem);
    for (const Exec& exec : execs) cases.push_back({line.value.problem, exec});
  }
  return cases;
}

/// Small cases of the random stream, each with an Exec.
std::vector<Case> sampled(std::size_t count) {
  std::vector<Case> cases;
  for (std::uint64_t i = 0; cases.size() < count; ++i) {
    Case c = sample(3, i);
    if (c.problem.shape.numel() > 2000) continue;
    if (!c.exec) {
      const std::vector<Exec> execs = standard_execs(c.problem);
      c.exec = execs[i % execs.size()];
    }
    cases.push_back(c);
  }
  return cases;
}

Verdict verdict_of(Player& player, const Case& c) {
  Trace trace;
  if (Unsupported why = player.unsupported(c.problem, *c.exec); !why.empty()) {
    trace.outcome = Outcome::unsupported;
    trace.detail = why;
    return judge(trace, {});
  }
  const Inputs in = make_inputs(c);
  return judge(player.play(c, in), answer(c.problem, in, player.contract(c.problem, *c.exec)));
}

struct Score {
  int pass = 0, fail = 0, hollow = 0, skipped = 0;
  std::set<std::string> reasons;  // of failures
};

Score score_of(Player& player, const std::vector<Case>& cases, bool show_failures) {
  Score score;
  for (const Case& c : cases) {
    const Verdict v = verdict_of(player, c);
    score.pass += v.result == Result::pass;
    score.hollow += v.result == Result::hollow;
    score.skipped += v.result == Result::skipped;
    if (v.result != Result::fail) continue;
    ++score.fail;
    score.reasons.insert(v.reason);
    if (show_failures && score.fail <= 5)
      ADD_FAILURE() << player.name() << ": " << print(c) << "\n  " << v.reason << ": " << v.detail;
  }
  return score;
}

void expect_honest(Player& player, const std::vector<Case>& cases) {
  const Score score = score_of(player, cases, true);
  EXPECT_EQ(score.fail, 0) << player.name();
  EXPECT_GT(score.pass, static_cast<int>(cases.size()) / 4)
      << player.name() << " skipped " << score.skipped << ", hollow " << score.hollow;
}

TEST(Honest, PassEverywhere) {
  const std::vector<Case> some = sampled(2000);
  for (const auto make : {make_naive, make_naive_layer, make_blocked}) {
    const auto player = make();
    expect_honest(*player, corpus("faults.cases"));
    expect_honest(*player, corpus("edges.cases"));
    expect_honest(*player, some);
  }
}

TEST(Plugin, TheExamplesAreRight) {
  for (const char* path : {TRUENORM_EXAMPLE_KERNEL, TRUENORM_EXAMPLE_LAYER}) {
    const auto plugin = make_plugin(path);
    const std::vector<Case> all = sampled(3000);
    std::vector<Case> float_cases;  // all that the examples do
    for (const Case& c : all)
      if (c.problem.dtype == Dtype::f32) float_cases.push_back(c);
    expect_honest(*plugin, float_cases);
    EXPECT_GT(score_of(*plugin, corpus("faults.cases"), true).skipped, 0) << "bf16 is not theirs";
  }
}

TEST(Plugin, TheMistakeIsFound) {
  const auto plugin = make_plugin(TRUENORM_MISTAKEN_KERNEL);
  const Score score = score_of(*plugin, corpus("faults.cases"), false);
  EXPECT_GT(score.fail, 0);
  EXPECT_GT(score.pass, 0) << "training is right";
  EXPECT_TRUE(score.reasons.count("y"));
}

template <class F>
std::string complaint(F&& f) {
  try {
    f();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "no complaint";
}

TEST(Plugin, ErrorsSayWhatIsWrong) {
  const auto says = [](const std::string& spec, const std::string& part) {
    const std::string said = complaint([&] { make_player(spec); });
    EXPECT_NE(said.find(part), std::string::npos) << said;
  };
  says("./no-such-file.so", "cannot be opened");
  says(std::string(TRUENORM_EXAMPLE_KERNEL) + ":layer", "no truenorm_layer");
  for (const auto& [library, part] : {std::pair{TRUENORM_BAD_PLUGIN_EMPTY, "exports neither"},
                                      {TRUENORM_BAD_PLUGIN_ABI, "ABI 2, this program speaks ABI 1"},
                                      {TRUENORM_BAD_PLUGIN_SIZE, "bytes, not"},
                                      {TRUENORM_BAD_PLUGIN_NULL, "null pointer"},
                                      {TRUENORM_BAD_PLUGIN_FUNCTION, "no forward_inference"}})
    says(library, part);
  says("B004", "no player is called");
  says("faulty:none", "B004");
}

// ---- the host, with kernels that are the textbook's but for one piece of conduct ----

using textbook::Honest;
constexpr truenorm_kernel_v1 kTextbook = textbook::kernel<Honest>("test");
using Tensor = const truenorm_tensor*;
using Channel = const truenorm_vector*;
using Out = truenorm_vector*;

Trace trace_of(const truenorm_kernel_v1& kernel, std::string_view line) {
  const auto player = host_kernel(kernel, {"test", ""});
  Case c = parse(line);
  c.exec.emplace();
  return player->play(c, make_inputs(c));
}

/// A kernel whose forward_training does `before`, and then answers what the textbook does.
template <auto before>
truenorm_kernel_v1 training() {
  truenorm_kernel_v1 kernel = kTextbook;
  kernel.forward_training = [](Tensor x, Channel w, Channel b, Out rm, Out rv, double f, double eps,
                               truenorm_tensor* y, Out m, Out s, std::int32_t threads) {
    const truenorm_result result =
        kTextbook.forward_training(x, w, b, rm, rv, f, eps, y, m, s, threads);
    return before(*x, *y, result);
  };
  return kernel;
}

constexpr std::string_view kPlain = "tn1 n4c3s5 f32 run=TEB seed=2";

TEST(Host, TellsHarmToMemoryByName) {
  const Trace honest = trace_of(kTextbook, kPlain);
  EXPECT_EQ(honest.outcome, Outcome::played) << honest.detail;
  const Trace behind =
      trace_of(training<[](const truenorm_tensor&, const truenorm_tensor& y, truenorm_result r) {
                 static_cast<float*>(y.data)[-1] = 0;
                 return r;
               }>(),
               kPlain);
  EXPECT_EQ(behind.outcome, Outcome::out_of_bounds);
  EXPECT_EQ(behind.detail, "forward_training: y: written before its beginning");
  const Trace input =
      trace_of(training<[](const truenorm_tensor& x, const truenorm_tensor&, truenorm_result r) {
                 static_cast<float*>(x.data)[0] += 1;
                 return r;
               }>(),
               kPlain);
  EXPECT_EQ(input.outcome, Outcome::changed_input);
  EXPECT_EQ(input.detail, "forward_training: x: an input, changed");
  const Trace refused = trace_of(training<[](const truenorm_tensor&, const truenorm_tensor&,
                                             truenorm_result) { return TRUENORM_REFUSED; }>(),
                                 kPlain);
  EXPECT_EQ(refused.outcome, Outcome::refused_but_wrote) << "refused, and written all the same";
}

TEST(Host, TellsAnswersThatAreNone) {
  const auto after = [](auto kernel) { return trace_of(kernel, kPlain); };
  const Trace failed = after(training<[](const truenorm_tensor&, const truenorm_tensor&,
                                         truenorm_result) { return TRUENORM_FAILED; }>());
  EXPECT_EQ(failed.outcome, Outcome::failed);
  const Trace none =
      after(training<[](const truenorm_tensor&, const truenorm_tensor&, truenorm_result) {
        return std::bit_cast<truenorm_result>(7u);
      }>());
  EXPECT_EQ(none.outcome, Outcome::failed);
  EXPECT_NE(none.detail.find("7"), std::string::npos);
  const Trace not_mine = after(training<[](const truenorm_tensor&, const truenorm_tensor&,
                                           truenorm_result) { return TRUENORM_UNSUPPORTED; }>());
  EXPECT_EQ(not_mine.outcome, Outcome::unsupported);
}

TEST(Host, JudgesRefusals) {
  const Trace one = trace_of(kTextbook, "tn1 n1c3 f32 run=TE seed=2");
  ASSERT_EQ(one.steps.size(), 2u);
  EXPECT_EQ(one.steps[0].refused, Refusal::one_value_per_channel);
  EXPECT_EQ(one.steps[0].num_batches_tracked, 0);
  EXPECT_EQ(one.steps[1].refused, Refusal::none);
  truenorm_kernel_v1 lax = kTextbook;  // takes a vector of any size
  lax.forward_training = [](Tensor x, Channel w, Channel b, Out rm, Out rv, double f, double eps,
                            truenorm_tensor* y, Out m, Out s, std::int32_t threads) {
    truenorm_vector weight = *w;
    weight.size = x->size[1];
    return kTextbook.forward_training(x, &weight, b, rm, rv, f, eps, y, m, s, threads);
  };
  EXPECT_EQ(trace_of(lax, "tn1 n4c3s5 f32 run=T seed=9").outcome, Outcome::failed)
      << "every eighth seed asks";
  EXPECT_EQ(trace_of(kTextbook, "tn1 n4c3s5 f32 run=T seed=9").outcome, Outcome::played);
}

TEST(Host, AsksABackwardTwice) {
  truenorm_kernel_v1 forgetful = kTextbook;
  forgetful.backward = [](Tensor dy, Tensor x, Channel w, Channel rm, Channel rv, Channel sm,
                          Channel ss, std::int32_t training, double eps, truenorm_tensor* dx,
                          Out dw, Out db, std::int32_t threads) {
    static int calls = 0;
    return kTextbook.backward(dy, x, w, rm, rv, sm, ss, training, eps + 0.1 * ++calls, dx, dw, db,
                              threads);
  };
  const Trace twice = trace_of(forgetful, "tn1 n4c3s5 f32 run=EB seed=0");
  EXPECT_EQ(twice.outcome, Outcome::failed) << "every third seed asks";
  EXPECT_EQ(twice.detail.rfind("backward, called twice: ", 0), 0u) << twice.detail;
}

// ---- the same for layers: the example with one function that errs ----

const truenorm_layer_v1& example_layer() {
  static const truenorm_layer_v1* const kLayer = [] {
    void* library = dlopen(TRUENORM_EXAMPLE_LAYER, RTLD_NOW | RTLD_LOCAL);
    return reinterpret_cast<truenorm_layer_fn>(dlsym(library, "truenorm_layer"))();
  }();
  return *kLayer;
}

Verdict verdict_on(const truenorm_layer_v1& layer, std::string_view line) {
  const auto player = host_layer(layer, {"test", ""});
  Case c = parse(line);
  c.exec.emplace();
  return verdict_of(*player, c);
}

TEST(Host, JudgesALayersState) {
  constexpr std::string_view kLine = "tn1 n4c3s5 f32 x=normal(2,3) run=TSE seed=2";
  EXPECT_EQ(verdict_on(example_layer(), kLine).result, Result::pass);
  truenorm_layer_v1 swaps = example_layer();  // running_mean and running_var, when they are loaded
  swaps.set_state = [](void* layer, const char* name, const truenorm_vector* from) {
    const std::string_view asked = name;
    const char* taken = asked == "running_mean"  ? "running_var"
                        : asked == "running_var" ? "running_mean"
                                                 : name;
    return example_layer().set_state(layer, taken, from);
  };
  EXPECT_EQ(verdict_on(swaps, kLine).result, Result::fail);
  truenorm_layer_v1 stays = example_layer();  // in training mode, whatever is asked
  stays.set_training = [](void*, std::int32_t) { return TRUENORM_OK; };
  EXPECT_EQ(verdict_on(stays, kLine).reason, "num_batches_tracked");
  truenorm_layer_v1 lax = example_layer();  // takes a vector of any size
  lax.set_state = [](void* layer, const char* name, const truenorm_vector* from) {
    example_layer().set_state(layer, name, from);
    return TRUENORM_OK;
  };
  EXPECT_EQ(verdict_on(lax, "tn1 n4c3s5 f32 run=T seed=9").reason, "failed")
      << "every eighth seed asks";
  truenorm_layer_v1 forgets = example_layer();  // the counter is not part of the state
  forgets.get_state = [](void* layer, const char* name, truenorm_vector* to) {
    return std::string_view(name) == "num_batches_tracked"
               ? TRUENORM_REFUSED
               : example_layer().get_state(layer, name, to);
  };
  EXPECT_EQ(verdict_on(forgets, kLine).reason, "failed");
}

TEST(Host, SaysWhatTheInterfaceExcludes) {
  const auto kernel = host_kernel(kTextbook, {"test", ""});
  const auto layer = make_plugin(TRUENORM_EXAMPLE_LAYER);
  const auto why = [](const Player& player, std::string_view line) {
    return player.unsupported(parse(line).problem, {});
  };
  EXPECT_NE(why(*kernel, "tn1 n4c3 f32 eps=-1 run=T"), "");
  EXPECT_NE(why(*kernel, "tn1 n4c3 f32 eps=nan run=T"), "");
  EXPECT_NE(why(*kernel, "tn1 n4c0 f32 run=T"), "");
  EXPECT_EQ(why(*kernel, "tn1 n4c3 f32 run=T-E"), "");
  EXPECT_NE(why(*layer, "tn1 n4c3 f32 run=T-E"), "");
  EXPECT_EQ(why(*kernel, "tn1 n4c3 f32 run=Te(1)m(cum)CMB"), "");
  EXPECT_NE(why(*kernel, "tn1 n4c3 f32 run=Te(-1)E"), "");
  for (const char* const step : {"e(1)", "m(cum)", "C", "M"})
    EXPECT_NE(why(*layer, std::string("tn1 n4c3 f32 run=T") + step), "") << step;
  truenorm_kernel_v1 forward_only = kTextbook;
  forward_only.backward = nullptr;
  const auto half = host_kernel(forward_only, {"test", ""});
  EXPECT_EQ(why(*half, "tn1 n4c3 f32 run=TE"), "");
  EXPECT_NE(why(*half, "tn1 n4c3 f32 run=TB"), "");
}

// What oneDNN computes is its own affair; that it is asked in its own language is ours.
TEST(Players, OnednnIsAskedRightly) {
  std::unique_ptr<Player> player;
  for (const PlayerInfo& info : list_players())
    if (info.name == "onednn" && info.built) player = make_player("onednn");
  if (!player) GTEST_SKIP() << "this build has no oneDNN";
  std::vector<Case> cases;
  for (const Case& c : sampled(800))
    if (c.problem.dtype == Dtype::f32 && player->unsupported(c.problem, *c.exec).empty())
      cases.push_back(c);
  const Score score = score_of(*player, cases, false);
  EXPECT_GT(cases.size(), 20u);
  EXPECT_GT(score.pass, static_cast<int>(cases.size()) / 2);
  for (const char* reason :
       {"failed", "missing", "out of bounds", "changed input", "not written", "refused, but wrote"})
    EXPECT_EQ(score.reasons.count(reason), 0u) << reason;
}

TEST(Players, TheListIsTrue) {
  for (const PlayerInfo& info : list_players()) {
    EXPECT_FALSE(info.what.empty());
    if (!info.built || info.name == "libtorch" || info.name == "PATH.so" ||
        info.name == "faulty:ID")
      continue;
    const auto player = make_player(info.name);
    EXPECT_EQ(player->name(), info.name);
  }
  EXPECT_EQ(worker_command("naive").back(), "naive");
}

}  // namespace
}  // namespace truenorm::oracle
