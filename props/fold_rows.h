// Every way to have a folding refused.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "folding.h"

namespace truenorm::props {

/// A well-formed folding of f32, to be spoiled: 6 channels out of a transposed convolution with two
/// groups, whose weight is 4 x 3 x 5.
struct FoldScene {
  FoldScene() {
    args.transposed = true;
    args.groups = 2;
    args.weight = weight.tensor({4, 3, 5});
    args.bias = bias.vector(6);
    args.folded_weight = folded_weight.tensor({4, 3, 5});
    args.folded_bias = folded_bias.vector(6);
  }
  Memory weight{numbers(60, oracle::Dtype::f32, -1, 1, 1), oracle::Dtype::f32},
      bias{numbers(6, oracle::Dtype::f32, -1, 1, 2), oracle::Dtype::f32},
      folded_weight{60, oracle::Dtype::f32}, folded_bias{6, oracle::Dtype::f32};
  BatchNorm norm{{.num_features = 6}};
  Fold args;
};

struct FoldRow {
  std::string what;
  Status expected;
  std::function<void(FoldScene&)> spoil;
};

inline std::vector<FoldRow> fold_rows() {
  using A = Argument;
  using S = FoldScene;
  constexpr std::int64_t kHuge = std::int64_t{1} << 61;
  std::vector<FoldRow> rows{
      {"no statistics",
       {Code::missing_statistics, A::running_mean},
       [](S& s) { s.norm = BatchNorm({.num_features = 6, .track_running_stats = false}); }},
      {"tracking on, and no statistics",
       {Code::missing_statistics, A::running_mean},
       [](S& s) {
         s.norm = BatchNorm({.num_features = 6, .track_running_stats = false});
         s.norm.set_track_running_stats(true);
       }},
      {"tracking off",
       {Code::missing_statistics, A::layer},
       [](S& s) { s.norm.set_track_running_stats(false); }},
      {"no layer",
       {Code::bad_size, A::num_features},
       [](S& s) { s.norm = BatchNorm({.num_features = -1}); }},
      {"another layer",
       {Code::bad_size, A::weight},
       [](S& s) { s.norm = BatchNorm({.num_features = 7}); }},
      {"taken for a convolution",
       {Code::bad_size, A::weight},
       [](S& s) { s.args.transposed = false; }},
      {"one group", {Code::bad_size, A::weight}, [](S& s) { s.args.groups = 1; }},
      {"no group", {Code::bad_value, A::groups}, [](S& s) { s.args.groups = 0; }},
      {"three groups", {Code::bad_value, A::groups}, [](S& s) { s.args.groups = 3; }},
      {"more channels than a number holds",
       {Code::overflow, A::groups},
       [](S& s) {
         s.args.weight.size = {0, kHuge, 1};
         s.args.groups = kHuge;
       }},
      {"another kernel",
       {Code::shape_mismatch, A::folded_weight},
       [](S& s) { s.args.folded_weight.size[2] = 4; }},
      {"another rank",
       {Code::shape_mismatch, A::folded_weight},
       [](S& s) {
         s.args.folded_weight.rank = 4;
         s.args.folded_weight.size[3] = 1;
       }},
      {"no weight", {Code::null_data, A::weight}, [](S& s) { s.args.weight.data = nullptr; }},
      {"no place for the weight",
       {Code::null_data, A::folded_weight},
       [](S& s) { s.args.folded_weight.data = nullptr; }},
      {"no place for the bias",
       {Code::null_data, A::folded_bias},
       [](S& s) { s.args.folded_bias.data = nullptr; }},
      {"short bias", {Code::bad_size, A::bias}, [](S& s) { s.args.bias.size = 5; }},
      {"short folded bias",
       {Code::bad_size, A::folded_bias},
       [](S& s) { s.args.folded_bias.size = 5; }},
      {"rank 1", {Code::bad_rank, A::weight}, [](S& s) { s.args.weight.rank = 1; }},
      {"backwards", {Code::bad_stride, A::weight}, [](S& s) { s.args.weight.stride[1] = -1; }},
      {"no data type",
       {Code::dtype_mismatch, A::bias},
       [](S& s) { s.args.bias.dtype = static_cast<Dtype>(7); }},
      {"odd address",
       {Code::misaligned, A::folded_bias},
       [](S& s) { s.args.folded_bias.data = s.folded_bias.bytes.data() + 1; }},
      {"all in one place",
       {Code::overlap, A::folded_weight},
       [](S& s) { s.args.folded_weight.stride[0] = 0; }},
      {"in place, one off",
       {Code::overlap, A::folded_weight},
       [](S& s) { s.args.folded_weight.data = s.weight.at(1); }},
      {"in place, transposed",
       {Code::overlap, A::folded_weight},
       [](S& s) {
         s.args.folded_weight.data = s.weight.bytes.data();
         s.args.folded_weight.stride = {1, 4, 12};
       }},
      {"bias over weight",
       {Code::overlap, A::folded_bias},
       [](S& s) { s.args.folded_bias.data = s.weight.bytes.data(); }},
      {"both in one place", {Code::overlap, A::folded_bias}, [](S& s) {
         s.args.folded_bias.data = s.folded_weight.bytes.data();
       }}};
  // Over what the layer remembers.
  for (Vector (BatchNorm::*own)() : {static_cast<Vector (BatchNorm::*)()>(&BatchNorm::weight),
                                     static_cast<Vector (BatchNorm::*)()>(&BatchNorm::bias),
                                     static_cast<Vector (BatchNorm::*)()>(&BatchNorm::running_mean),
                                     static_cast<Vector (BatchNorm::*)()>(&BatchNorm::running_var)})
    rows.push_back({"over the layer's own", {Code::overlap, A::folded_bias}, [own](S& s) {
                      s.args.folded_bias = (s.norm.*own)();
                    }});
  return rows;
}

}  // namespace truenorm::props
