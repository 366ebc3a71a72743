// Published vectors: the files of the corpus are met, the reader refuses what the schema does not
// say, and the comparison sees small defects.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plan.h"
#include "players/players.h"
#include "seat.h"
#include "vectors.h"

namespace truenorm::oracle {
namespace {

using Json = nlohmann::json;

RemotePlayer::Reply reply_of(const std::string& spec, const VectorCase& v) {
  return local_seat(make_player(spec))->ask(v.value, &v.inputs);
}

Verdict verdict_of(const VectorCase& v, const RemotePlayer::Reply& reply) {
  return judge_vector(v, reply.trace, reply.contract);
}

/// Two channels of x = 1, 3 and 2, 6: mean 2 and 4, biased variance 1 and 4, unbiased 2 and 8;
/// every number is exact with eps = 0.
Json training_case() {
  return Json::parse(
      R"({"name":"t","dtype":"f32","param_dtype":"f32","x_shape":[2,2],"x":[1,2,3,6],"weight":[2,1],"bias":[0,1],
    "running_mean":[0,0],"running_var":[1,1],"eps":0,"training":true,"momentum":0.5,"dy":[1,1,1,1],
    "expect":{"y":[-2,0,2,2],"running_mean":[1,2],"running_var":[1.5,4.5],"save_mean":[2,4],"save_var_biased":[1,4],"dbias":[2,2]},
    "accuracy":{"y":0,"running_mean":0,"running_var":0,"save_mean":0,"save_var_biased":0,"dbias":0},
    "tolerance":{"abs":1e-3,"rel":1e-3},"known_wrong":false})");
}

std::string file_of(const Json& one) {
  return Json{{"schema", "truenorm-vectors/1"}, {"cases", Json::array({one})}}.dump();
}

VectorCase read_one(const Json& one) { return read_vectors(file_of(one), "f.json").at(0); }

TEST(Vectors, ThePublishedFilesAreMet) {
  const std::filesystem::path folder = std::filesystem::path(TRUENORM_CORPUS_DIR) / "vectors";
  std::size_t cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    for (const VectorCase& v :
         read_vectors(read_text(entry.path()), entry.path().filename().string())) {
      const Verdict verdict = verdict_of(v, reply_of("naive", v));
      EXPECT_TRUE(verdict.result == Result::pass || verdict.result == Result::hollow)
          << v.file << " " << v.name << ": " << verdict.detail;
      ++cases;
    }
  }
  EXPECT_EQ(cases, 26u);
}

TEST(Vectors, EveryStatedOutputIsCompared) {
  const VectorCase v = read_one(training_case());
  const RemotePlayer::Reply honest = reply_of("naive", v);
  EXPECT_EQ(verdict_of(v, honest).result, Result::pass) << verdict_of(v, honest).detail;
  const Json expect = training_case().at("expect");
  for (const auto& [output, values] : expect.items()) {
    Json wrong = training_case();
    wrong["expect"][output][1] = values.at(1).get<double>() + 0.25;
    const VectorCase w = read_one(wrong);
    const Verdict verdict = verdict_of(w, honest);
    EXPECT_EQ(verdict.result, Result::fail) << output;
    EXPECT_EQ(verdict.reason, "published") << output;
    EXPECT_EQ(verdict.detail.rfind(output + "[1]", 0), 0u) << verdict.detail;
  }
}

TEST(Vectors, TheSharperTestSeesWhatTheToleranceLetsThrough) {
  Json off = training_case();
  off["expect"]["y"][2] = 2 + 1e-4;  // well inside rel 1e-3
  const Verdict verdict = verdict_of(read_one(off), reply_of("naive", read_one(off)));
  EXPECT_EQ(verdict.result, Result::fail);
  EXPECT_NE(verdict.detail.find("accuracy"), std::string::npos) << verdict.detail;
  off["accuracy"]["y"] = 1e-3;  // the source says that its numbers are no better
  EXPECT_EQ(verdict_of(read_one(off), reply_of("naive", read_one(off))).result, Result::pass);
}

TEST(Vectors, TheToleranceCountsToo) {
  Json off = training_case();
  off["expect"]["y"][2] = 2.5;
  off["accuracy"]["y"] = 10;
  const Verdict verdict = verdict_of(read_one(off), reply_of("naive", read_one(off)));
  EXPECT_EQ(verdict.result, Result::fail);
  EXPECT_NE(verdict.detail.find("the source allows"), std::string::npos) << verdict.detail;
}

TEST(Vectors, NaNNeverPasses) {
  const VectorCase v = read_one(training_case());
  RemotePlayer::Reply reply = reply_of("naive", v);
  reply.trace.steps.at(0).y.at(0) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(verdict_of(v, reply).result, Result::fail);
}

TEST(Vectors, KnownWrongIsMissedAndItsCorrectionMet) {
  Json wrong = training_case();
  wrong["known_wrong"] = true;
  wrong["expect_correct"] = wrong["expect"];
  wrong["expect"]["running_var"] = {1.0, 2.5};  // biased
  const RemotePlayer::Reply honest = reply_of("naive", read_one(wrong));
  EXPECT_EQ(verdict_of(read_one(wrong), honest).result, Result::pass);
  // A player with the published defect.
  const RemotePlayer::Reply biased = reply_of("faulty:B004", read_one(wrong));
  EXPECT_EQ(verdict_of(read_one(wrong), biased).result, Result::fail);
  // "Known wrong" numbers that are right, and corrections that are not.
  Json right = wrong;
  right["expect"] = right["expect_correct"];
  EXPECT_EQ(verdict_of(read_one(right), honest).result, Result::fail);
  Json worse = wrong;
  worse["expect_correct"]["y"][0] = -3;
  EXPECT_EQ(verdict_of(read_one(worse), honest).result, Result::fail);
}

TEST(Vectors, StepsShareOneStateAndReluComesAfter) {
  Json one = training_case();
  Json step;
  for (const char* key : {"x_shape", "x", "training", "dy", "expect", "accuracy"}) {
    step[key] = one[key];
    one.erase(key);
  }
  Json later = step;  // the same batch again: statistics move half of the rest of the way
  later["expect"] = {
      {"running_mean", {1.5, 3}}, {"running_var", {1.75, 6.25}}, {"y_activated", {0, 0, 2, 2}}};
  later["accuracy"] = {{"running_mean", 0}, {"running_var", 0}, {"y_activated", 0}};
  Json eval = later;
  eval["training"] = false;
  eval["dy"] = nullptr;
  eval["x_shape"] = {1, 2};
  eval["x"] = {1.5, 3};
  eval["expect"] = {{"y", {0, 1}}, {"y_activated", {0, 1}}};
  eval["accuracy"] = {{"y", 0}, {"y_activated", 0}};
  one["activation"] = "relu";
  one["steps"] = {step, later, eval};
  const VectorCase v = read_one(one);
  EXPECT_EQ(v.value.problem.run.size(), 5u);
  const Verdict verdict = verdict_of(v, reply_of("naive", v));
  EXPECT_EQ(verdict.result, Result::pass) << verdict.reason << ": " << verdict.detail;
  one["steps"][1]["expect"]["running_var"][0] = 2;
  EXPECT_EQ(verdict_of(read_one(one), reply_of("naive", v)).result, Result::fail);
}

struct Refused {
  const char* what;
  std::function<void(Json&)> change;
  const char* place;
};

TEST(Vectors, TheReaderNamesFileAndPlaceOfWhatIsWrong) {
  const Refused all[] = {
      {"unknown key", [](Json& c) { c["epsilon"] = 1; }, "/cases/0/epsilon"},
      {"missing key", [](Json& c) { c.erase("eps"); }, "/cases/0: key 'eps'"},
      {"wrong type", [](Json& c) { c["eps"] = "1e-5"; }, "/cases/0/eps"},
      {"dtype", [](Json& c) { c["dtype"] = "f8"; }, "/cases/0/dtype"},
      {"rank", [](Json& c) { c["x_shape"] = {4}; }, "/cases/0/x_shape"},
      {"size",
       [](Json& c) {
         c["x_shape"] = {2, -2};
       },
       "/cases/0/x_shape/1"},
      {"overflow",
       [](Json& c) {
         c["x_shape"] = {67108864, 67108864, 67108864};
       },
       "/cases/0/x_shape"},
      {"count",
       [](Json& c) {
         c["x"] = {1, 2, 3};
       },
       "/cases/0/x:"},
      {"no f32", [](Json& c) { c["x"][3] = 0.1; }, "/cases/0/x/3"},
      {"no number", [](Json& c) { c["x"][3] = nullptr; }, "/cases/0/x/3"},
      {"half a state", [](Json& c) { c["running_var"] = nullptr; }, "/cases/0: running_mean"},
      {"no momentum", [](Json& c) { c["momentum"] = nullptr; }, "/cases/0: training"},
      {"both factors", [](Json& c) { c["cumulative"] = true; }, "/cases/0/momentum"},
      {"no dy", [](Json& c) { c["dy"] = nullptr; }, "/cases/0/expect/dbias"},
      {"no accuracy", [](Json& c) { c["accuracy"].erase("y"); }, "/cases/0/accuracy"},
      {"negative accuracy", [](Json& c) { c["accuracy"]["y"] = -1; }, "/cases/0/accuracy/y"},
      {"layout", [](Json& c) { c["layout"] = "nchw"; }, "/cases/0/layout"},
      {"activation", [](Json& c) { c["activation"] = "gelu"; }, "/cases/0/activation"},
      {"no correction", [](Json& c) { c["known_wrong"] = true; }, "/cases/0: known_wrong"},
      {"stray", [](Json& c) { c["steps"] = Json::array({Json::object()}); }, "/cases/0/x_shape"},
      {"nothing expected", [](Json& c) { c["expect"] = Json::object(); }, "/cases/0/expect"},
      {"unknown output",
       [](Json& c) {
         c["expect"]["z"] = {1, 2};
       },
       "/cases/0/expect/z"},
  };
  for (const Refused& r : all) {
    Json one = training_case();
    r.change(one);
    try {
      read_one(one);
      ADD_FAILURE() << r.what << ": accepted";
    } catch (const VectorsError& e) {
      EXPECT_EQ(std::string(e.what()).rfind(std::string("f.json: ") + r.place, 0), 0u)
          << r.what << ": " << e.what();
    }
  }
}

TEST(Vectors, MalformedTextIsRefusedWithItsPosition) {
  for (const char* text :
       {"", "{", "[]", "{\"schema\":\"truenorm-vectors/1\",\n\"cases\":[,]}",
        "{\"schema\":\"other/1\",\"cases\":[]}",
        "{\"schema\":\"truenorm-vectors/1\",\"schema\":\"truenorm-vectors/1\",\"cases\":[]}",
        "{\"cases\":[1e999]}"})
    EXPECT_THROW(read_vectors(text, "f.json"), VectorsError) << text;
  try {
    read_vectors("{\"schema\":\"truenorm-vectors/1\",\n\"cases\":[,]}", "f.json");
  } catch (const VectorsError& e) {
    EXPECT_EQ(std::string(e.what()).rfind("f.json:2:10", 0), 0u) << e.what();
  }
  Json twice{{"schema", "truenorm-vectors/1"},
             {"cases", Json::array({training_case(), training_case()})}};
  EXPECT_THROW(read_vectors(twice.dump(), "f.json"), VectorsError);
}

}  // namespace
}  // namespace truenorm::oracle
