// Every ill-formed call is refused by its own code, names the argument, and writes nothing.
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "fold_rows.h"
#include "scene.h"

namespace truenorm::props {
namespace {

constexpr std::int64_t kHuge = std::int64_t{1} << 61;

/// One way to spoil a call, and the refusal that it must get.
struct Row {
  std::string what;
  Call call;
  std::function<void(Scene&)> spoil;
  Status expected;
  Argument instead = Argument::none;  // this argument is as good where two outputs share memory
};

using Rows = std::vector<Row>;

std::string title(Call call, const Slot& slot, const std::string& how) {
  return std::string(name(call)) + ": " + name(slot.argument) + ": " + how;
}

/// What can be wrong with any view, tensor or vector.
void add_views(Rows& rows, Call call, const Slot& slot) {
  const Argument a = slot.argument;
  const auto add = [&](const std::string& how, Code code, std::function<void(Scene&)> spoil) {
    rows.push_back({title(call, slot, how), call, std::move(spoil), {code, a}});
  };
  add("data one byte off", Code::misaligned,
      [slot](Scene& s) { s.set_data(slot, static_cast<std::byte*>(s.data(slot)) + 1); });
  if (slot.tensor) {
    if (a != Argument::dx)  // which would not be asked for
      add("no data", Code::null_data, [a](Scene& s) { s.tensor(a).data = nullptr; });
    for (const int rank : {-1, 0, 1, 6, 100})
      add("rank " + std::to_string(rank), Code::bad_rank,
          [=](Scene& s) { s.tensor(a).rank = rank; });
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const std::string at = " in axis " + std::to_string(axis);
      add("negative size" + at, Code::bad_size, [=](Scene& s) { s.tensor(a).size[axis] = -1; });
      add("smallest size" + at, Code::bad_size,
          [=](Scene& s) { s.tensor(a).size[axis] = std::numeric_limits<std::int64_t>::min(); });
      add("negative stride" + at, Code::bad_stride,
          [=](Scene& s) { s.tensor(a).stride[axis] = -1; });
      add("too far" + at, Code::overflow, [=](Scene& s) { s.tensor(a).stride[axis] = kHuge; });
    }
    return;
  }
  for (const std::int64_t size : {std::int64_t{-1}, Scene::kChannels - 1, Scene::kChannels + 1})
    add("size " + std::to_string(size), Code::bad_size, [=](Scene& s) { s.vector(a).size = size; });
  add("negative stride", Code::bad_stride, [=](Scene& s) { s.vector(a).stride = -1; });
  add("too far", Code::overflow, [=](Scene& s) { s.vector(a).stride = kHuge; });
  if (slot.required)
    add("absent", Code::missing_statistics, [=](Scene& s) { s.vector(a).data = nullptr; });
}

/// What does not go with the other arguments.
void add_mismatches(Rows& rows, Call call, const Slot& slot) {
  const Argument a = slot.argument;
  const auto add = [&](const std::string& how, Code code, std::function<void(Scene&)> spoil) {
    rows.push_back({title(call, slot, how), call, std::move(spoil), {code, a}});
  };
  if (!slot.tensor) {
    for (const Dtype dtype : {Dtype::f64, Dtype::bf16, Dtype::f16})
      if (!is_saved(a) || dtype != Dtype::f64)
        add(std::string("data type ") + truenorm::name(dtype), Code::dtype_mismatch,
            [=](Scene& s) { s.vector(a).dtype = dtype; });
    return;
  }
  add("no data type", Code::dtype_mismatch,
      [=](Scene& s) { s.tensor(a).dtype = static_cast<Dtype>(7); });
  if (a == Argument::x) return;
  for (const Dtype dtype : {Dtype::f64, Dtype::bf16, Dtype::f16})
    add(std::string("data type ") + truenorm::name(dtype), Code::dtype_mismatch,
        [=](Scene& s) { s.tensor(a).dtype = dtype; });
  for (std::size_t axis = 0; axis < 3; ++axis)
    for (const std::int64_t by : {-1, 1})
      add("another size in axis " + std::to_string(axis), Code::shape_mismatch,
          [=](Scene& s) { s.tensor(a).size[axis] += by; });
  add("one axis more", Code::shape_mismatch, [=](Scene& s) {
    Tensor& t = s.tensor(a);
    t.size[static_cast<std::size_t>(t.rank)] = 1;
    ++t.rank;
  });
  add("one axis less", Code::shape_mismatch, [=](Scene& s) { --s.tensor(a).rank; });
}

/// What x alone decides.
void add_x(Rows& rows, Call call) {
  const auto add = [&](const std::string& how, Code code, std::function<void(Scene&)> spoil) {
    rows.push_back(
        {std::string(name(call)) + ": x: " + how, call, std::move(spoil), {code, Argument::x}});
  };
  if (call != Call::layer_backward)
    add("too many elements", Code::overflow, [](Scene& s) {
      s.for_tensors([](Tensor& t) { t.size[0] = t.size[2] = std::int64_t{1} << 40; });
    });
  const auto one_value = [](Scene& s) {
    s.for_tensors([](Tensor& t) { t.size[0] = t.size[2] = 1; });
  };
  if (by_batch(call)) add("one value a channel", Code::one_value_per_channel, one_value);
  if (!of_layer(call)) return;
  add("not the layer's data type", Code::dtype_mismatch,
      [](Scene& s) { s.for_tensors([](Tensor& t) { t.dtype = Dtype::f64; }); });
  if (call == Call::layer_backward) {
    for (std::size_t axis = 0; axis < 3; ++axis)
      add("not the forward's size in axis " + std::to_string(axis), Code::shape_mismatch,
          [=](Scene& s) { s.for_tensors([=](Tensor& t) { --t.size[axis]; }); });
    add("not the forward's rank", Code::shape_mismatch, [](Scene& s) {
      s.for_tensors([](Tensor& t) {
        t.rank = 4;
        t.size[3] = 1;
      });
    });
    return;
  }
  for (const std::int64_t channels : {std::int64_t{0}, Scene::kChannels - 1, Scene::kChannels + 1})
    add("with " + std::to_string(channels) + " channels", Code::bad_size,
        [=](Scene& s) { s.for_tensors([=](Tensor& t) { t.size[1] = channels; }); });
  if (call == Call::layer_evaluation)
    add("one value a channel, not tracking", Code::one_value_per_channel, [=](Scene& s) {
      s.layer->set_track_running_stats(false);
      one_value(s);
    });
}

/// Outputs that share memory with themselves or with another argument.
void add_overlaps(Rows& rows, Call call, const Slot& out) {
  const Argument a = out.argument;
  const auto add = [&](const std::string& how, Argument instead,
                       std::function<void(Scene&)> spoil) {
    rows.push_back({title(call, out, how), call, std::move(spoil), {Code::overlap, a}, instead});
  };
  if (out.tensor) {
    for (std::size_t axis = 0; axis < 3; ++axis)
      add("stride 0 in axis " + std::to_string(axis), Argument::none,
          [=](Scene& s) { s.tensor(a).stride[axis] = 0; });
    add("rows that run into each other", Argument::none, [=](Scene& s) {
      s.tensor(a).stride = {16, 4, 1, 0, 0};
    });
  } else {
    add("stride 0", Argument::none, [=](Scene& s) { s.vector(a).stride = 0; });
  }
  for (const Slot& other : slots_of(call)) {
    if (other.argument == a) continue;
    const bool may_share = (a == Argument::y && other.argument == Argument::x) ||
                           (a == Argument::dx && other.argument == Argument::dy);
    const std::string with = name(other.argument);
    const Argument instead = other.output ? other.argument : Argument::none;
    for (const std::ptrdiff_t offset : {0, 8})
      if (!may_share || offset != 0)
        add(std::to_string(offset) + " bytes behind the beginning of " + with, instead,
            [=](Scene& s) { s.set_data(out, s.place(other.argument) + offset); });
    if (may_share)
      add("the memory of " + with + " in another order", instead, [=](Scene& s) {
        s.tensor(a) = channels_last(s.place(other.argument), Dtype::f32, {3, Scene::kChannels, 5});
      });
  }
}

/// Arguments whose data types disagree with each other although each would do alone.
void add_mixtures(Rows& rows) {
  using A = Argument;
  rows.push_back({"save_mean in f64 and save_invstd in f32",
                  Call::forward_training,
                  [](Scene& s) { s.vector(A::save_invstd).dtype = Dtype::f32; },
                  {Code::dtype_mismatch, A::save_invstd},
                  A::save_mean});
  rows.push_back({"the same, read",
                  Call::backward_training,
                  [](Scene& s) { s.vector(A::save_mean).dtype = Dtype::f32; },
                  {Code::dtype_mismatch, A::save_invstd},
                  A::save_mean});
  rows.push_back({"save_r in f32 and save_d in f64",
                  Call::forward_renorm,
                  [](Scene& s) { s.vector(A::save_r).dtype = Dtype::f32; },
                  {Code::dtype_mismatch, A::save_d},
                  A::save_r});
  const auto half = [](Scene& s) { s.for_tensors([](Tensor& t) { t.dtype = Dtype::bf16; }); };
  rows.push_back({"bf16 data, weight in f32 and bias in bf16",
                  Call::forward_inference,
                  [=](Scene& s) {
                    half(s);
                    s.vector(A::bias).dtype = Dtype::bf16;
                  },
                  {Code::dtype_mismatch, A::bias}});
  rows.push_back(
      {"bf16 data, parameters in f16",
       Call::backward_inference,
       [=](Scene& s) {
         half(s);
         for (const A a : {A::weight, A::running_mean, A::running_var, A::dweight, A::dbias})
           s.vector(a).dtype = Dtype::f16;
       },
       {Code::dtype_mismatch, A::running_mean},
       A::weight});
  rows.push_back({"f64 data, saved in f32",
                  Call::backward_training,
                  [](Scene& s) {
                    s.for_tensors([](Tensor& t) { t.dtype = Dtype::f64; });
                    for (const A a : {A::weight, A::dweight, A::dbias})
                      s.vector(a).dtype = Dtype::f64;
                    s.vector(A::save_mean).dtype = s.vector(A::save_invstd).dtype = Dtype::f32;
                  },
                  {Code::dtype_mismatch, A::save_mean}});
}

void add_bounds(Rows& rows) {
  const Status bad{Code::bad_value, Argument::renorm};
  for (const auto& [what, bounds] : kBadBounds) {
    const BatchNormOptions options{.num_features = Scene::kChannels, .renorm = bounds};
    rows.push_back(
        {what, Call::forward_renorm, [o = options](Scene& s) { s.renorm = *o.renorm; }, bad});
    rows.push_back(
        {what, Call::layer_training, [o = options](Scene& s) { s.layer.emplace(o); }, bad});
  }
}

/// Contexts that serve no call.
void add_contexts(Rows& rows, Call call) {
  const auto add = [&](const std::string& how, Code code, std::function<void(Scene&)> spoil) {
    rows.push_back({std::string(name(call)) + ": context: " + how,
                    call,
                    std::move(spoil),
                    {code, Argument::context}});
  };
  for (const int threads : {0, -1, max_threads + 1, std::numeric_limits<int>::min()})
    add(std::to_string(threads) + " threads", Code::bad_threads,
        [=](Scene& s) { s.context = Context(threads); });
  std::vector<Isa> missing{static_cast<Isa>(99)};
  for (int i = 1; i < isa_count; ++i) missing.push_back(static_cast<Isa>(i));
  for (const Isa isa : available_isas()) std::erase(missing, isa);
  for (const Isa isa : missing)
    add(std::string("instruction set ") + truenorm::name(isa), Code::unsupported_isa,
        [=](Scene& s) { s.context = Context(1, isa); });
  add("moved from", Code::out_of_memory,
      [](Scene& s) { const Context elsewhere = std::move(s.context); });
}

/// Layers that serve no call, or not this one.
void add_layers(Rows& rows, Call call) {
  const auto add = [&](const std::string& how, Status expected, std::function<void(Scene&)> spoil) {
    rows.push_back({std::string(name(call)) + ": " + how, call, std::move(spoil), expected});
  };
  add("a layer of -1 features", {Code::bad_size, Argument::num_features},
      [](Scene& s) { s.layer.emplace(BatchNormOptions{.num_features = -1}); });
  add("a layer of too many features", {Code::overflow, Argument::num_features}, [](Scene& s) {
    s.layer.emplace(BatchNormOptions{.num_features = std::numeric_limits<std::int64_t>::max()});
  });
  add("a layer of no data type", {Code::dtype_mismatch, Argument::layer}, [](Scene& s) {
    s.layer.emplace(
        BatchNormOptions{.num_features = Scene::kChannels, .dtype = static_cast<Dtype>(7)});
  });
  add("a layer of no known parameters", {Code::bad_value, Argument::layer}, [](Scene& s) {
    s.layer.emplace(
        BatchNormOptions{.num_features = Scene::kChannels, .affine = static_cast<Affine>(7)});
  });
  add("a layer moved from", {Code::out_of_memory, Argument::layer},
      [](Scene& s) { const BatchNorm elsewhere = std::move(*s.layer); });
  const Status no_forward{Code::no_forward, Argument::layer};
  if (call == Call::layer_backward) {
    add("no forward", no_forward,
        [](Scene& s) { s.layer.emplace(BatchNormOptions{.num_features = Scene::kChannels}); });
    add("no accepted forward", no_forward, [](Scene& s) {
      s.layer.emplace(BatchNormOptions{.num_features = Scene::kChannels});
      EXPECT_FALSE(s.layer->forward(s.context, s.tensor(Argument::x), {}).ok());
    });
  }
  if (call == Call::layer_evaluation)
    add("tracking, but no statistics", {Code::missing_statistics, Argument::running_mean},
        [](Scene& s) {
          s.layer.emplace(
              BatchNormOptions{.num_features = Scene::kChannels, .track_running_stats = false});
          s.layer->set_track_running_stats(true);
          s.layer->eval();
        });
  if (call != Call::layer_training) return;
  add("as many batches as can be counted", {Code::overflow, Argument::num_batches_tracked},
      [](Scene& s) {
        State state = s.layer->state();
        state.num_batches_tracked = std::numeric_limits<std::int64_t>::max();
        EXPECT_TRUE(s.layer->load(state).ok());
      });
  for (const auto& [what, which] : {std::pair{"weight", Argument::weight},
                                    {"bias", Argument::bias},
                                    {"running_mean", Argument::running_mean},
                                    {"running_var", Argument::running_var}}) {
    const bool updated = which == Argument::running_mean || which == Argument::running_var;
    rows.push_back({std::string("y lies in the layer's ") + what,
                    call,
                    [which = which](Scene& s) {
                      BatchNorm& l = *s.layer;
                      s.tensor(Argument::y).data = which == Argument::weight ? l.weight().data
                                                   : which == Argument::bias ? l.bias().data
                                                   : which == Argument::running_mean
                                                       ? l.running_mean().data
                                                       : l.running_var().data;
                    },
                    {Code::overlap, Argument::y},
                    updated ? which : Argument::none});
  }
}

const Rows& all_rows() {
  static const Rows all = [] {
    Rows rows;
    for (const Call call : kCalls) {
      for (const Slot& slot : slots_of(call)) {
        add_views(rows, call, slot);
        add_mismatches(rows, call, slot);
        if (slot.output) add_overlaps(rows, call, slot);
      }
      add_x(rows, call);
      add_contexts(rows, call);
      if (of_layer(call)) add_layers(rows, call);
    }
    add_mixtures(rows);
    add_bounds(rows);
    return rows;
  }();
  return all;
}

std::string in_words(Status s) {
  return std::string(truenorm::name(s.code)) + " " + truenorm::name(s.argument);
}

void expect_refusal(Status got, const Row& row) {
  const bool named = got.argument == row.expected.argument ||
                     (row.instead != Argument::none && got.argument == row.instead);
  EXPECT_TRUE(got.code == row.expected.code && named)
      << row.what << "\n  got " << in_words(got) << ", not " << in_words(row.expected);
  EXPECT_STRNE(got.message(), "") << row.what;
}

TEST(Refusals, NameTheCodeAndTheArgumentAndWriteNothing) {
  for (const Row& row : all_rows()) {
    Scene scene(row.call);
    row.spoil(scene);
    const auto before = scene.snapshot();
    expect_refusal(scene.run(), row);
    EXPECT_TRUE(scene.snapshot() == before) << row.what << ": something was written";
  }
}

// A layer that cannot serve answers every call with its own status, and stays as it is.
TEST(Refusals, ABrokenLayerRefusesEverything) {
  for (const std::int64_t features : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::max()}) {
    BatchNorm layer({.num_features = features});
    const Status status = layer.status();
    EXPECT_EQ(status.argument, Argument::num_features);
    EXPECT_EQ(layer.reset_running_stats(), status);
    EXPECT_EQ(layer.reset_parameters(), status);
    EXPECT_EQ(layer.load({}), status);
    EXPECT_FALSE(layer.weight().present());
    EXPECT_FALSE(layer.saved_mean().present());
    EXPECT_FALSE(layer.num_batches_tracked());
  }
}

TEST(Refusals, ABrokenContextSaysSo) {
  for (const int threads : {0, max_threads + 1}) {
    const Context context(threads);
    EXPECT_EQ(context.status(), (Status{Code::bad_threads, Argument::context}));
    EXPECT_EQ(context.threads(), 0);
    EXPECT_EQ(context.isa(), Isa::best);
  }
  EXPECT_TRUE(Context(max_threads).status().ok());
}

// ---- state ----

struct Saved {
  std::array<float, 6> values{2, 3, 4, 5, 6, 7};
  State state;
  Saved() {
    const ConstVector v{values.data(), Dtype::f32, 4, 1};
    state = {v, v, v, v, 9};
  }
};

struct LoadRow {
  const char* what;
  Status expected;
  void (*spoil)(State&);
};

const std::vector<LoadRow>& load_rows() {
  using A = Argument;
  static const std::vector<LoadRow> rows{
      {"no weight", {Code::missing_state, A::weight}, [](State& s) { s.weight = {}; }},
      {"no bias", {Code::missing_state, A::bias}, [](State& s) { s.bias = {}; }},
      {"no mean", {Code::missing_state, A::running_mean}, [](State& s) { s.running_mean = {}; }},
      {"no var", {Code::missing_state, A::running_var}, [](State& s) { s.running_var = {}; }},
      {"no counter",
       {Code::missing_state, A::num_batches_tracked},
       [](State& s) { s.num_batches_tracked.reset(); }},
      {"a negative counter",
       {Code::bad_value, A::num_batches_tracked},
       [](State& s) { s.num_batches_tracked = -1; }},
      {"weight of 5", {Code::bad_size, A::weight}, [](State& s) { s.weight.size = 5; }},
      {"bias of 3", {Code::bad_size, A::bias}, [](State& s) { s.bias.size = 3; }},
      {"mean of -1", {Code::bad_size, A::running_mean}, [](State& s) { s.running_mean.size = -1; }},
      {"var of 0", {Code::bad_size, A::running_var}, [](State& s) { s.running_var.size = 0; }},
      {"weight in f64",
       {Code::dtype_mismatch, A::weight},
       [](State& s) { s.weight.dtype = Dtype::f64; }},
      {"bias in bf16",
       {Code::dtype_mismatch, A::bias},
       [](State& s) { s.bias.dtype = Dtype::bf16; }},
      {"mean in f16",
       {Code::dtype_mismatch, A::running_mean},
       [](State& s) { s.running_mean.dtype = Dtype::f16; }},
      {"var in f64",
       {Code::dtype_mismatch, A::running_var},
       [](State& s) { s.running_var.dtype = Dtype::f64; }},
      {"weight one byte off",
       {Code::misaligned, A::weight},
       [](State& s) { s.weight.data = static_cast<const std::byte*>(s.weight.data) + 1; }},
      {"weight too far", {Code::overflow, A::weight}, [](State& s) { s.weight.stride = kHuge; }},
      {"bias too far", {Code::overflow, A::bias}, [](State& s) { s.bias.stride = kHuge; }},
      {"mean too far",
       {Code::overflow, A::running_mean},
       [](State& s) { s.running_mean.stride = kHuge; }},
      {"var too far",
       {Code::overflow, A::running_var},
       [](State& s) { s.running_var.stride = std::numeric_limits<std::int64_t>::max(); }},
      {"weight backwards", {Code::bad_stride, A::weight}, [](State& s) { s.weight.stride = -1; }},
      {"var backwards", {Code::bad_stride, A::running_var}, [](State& s) {
         s.running_var.stride = -1;
       }}};
  return rows;
}

TEST(Refusals, LoadingIsAllOrNothing) {
  for (const LoadRow& row : load_rows()) {
    BatchNorm layer({.num_features = 4});
    Saved saved;
    row.spoil(saved.state);
    const auto before = bytes_of(layer);
    const Status got = layer.load(saved.state);
    EXPECT_EQ(got, row.expected) << row.what << ": got " << in_words(got);
    EXPECT_TRUE(bytes_of(layer) == before) << row.what << ": something was loaded";
  }
  BatchNorm layer({.num_features = 4});
  EXPECT_TRUE(layer.load(Saved().state).ok());
  EXPECT_EQ(layer.num_batches_tracked(), 9);
}

TEST(Refusals, ResettingWhatIsNotThere) {
  BatchNorm layer({.num_features = 4, .track_running_stats = false});
  static_cast<float*>(layer.weight().data)[2] = 7;
  layer.set_track_running_stats(true);
  const auto before = bytes_of(layer);
  const Status missing{Code::missing_statistics, Argument::running_mean};
  EXPECT_EQ(layer.reset_running_stats(), missing);
  EXPECT_EQ(layer.reset_parameters(), missing);
  EXPECT_TRUE(bytes_of(layer) == before) << "the weight was reset by a refused call";
}

// ---- the guard of the guard ----

TEST(Refusals, EveryCodeAndEveryArgumentIsMet) {
  std::set<Code> codes{Code::ok};
  std::set<Argument> arguments{Argument::none};
  const auto meet = [&](Status s) {
    codes.insert(s.code);
    arguments.insert(s.argument);
  };
  for (const Row& row : all_rows()) meet(row.expected);
  for (const LoadRow& row : load_rows()) meet(row.expected);
  for (const FoldRow& row : fold_rows()) meet(row.expected);
  EXPECT_EQ(codes.size(), static_cast<std::size_t>(code_count));
  EXPECT_EQ(arguments.size(), static_cast<std::size_t>(argument_count));
  EXPECT_GT(all_rows().size(), 500u);
}

TEST(Refusals, EveryStatusHasAMessageOfItsOwn) {
  std::set<std::string> messages;
  for (int c = 0; c < code_count; ++c)
    for (int a = 0; a < argument_count; ++a) {
      const Status s{static_cast<Code>(c), static_cast<Argument>(a)};
      const std::string message = s.message();
      EXPECT_FALSE(message.empty());
      EXPECT_TRUE(messages.insert(message).second) << message;
      const bool named = s.argument == Argument::none ||
                         message.find(truenorm::name(s.argument)) != std::string::npos;
      EXPECT_TRUE(named) << message;
    }
}

}  // namespace
}  // namespace truenorm::props
