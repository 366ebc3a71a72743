#include "suites.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace truenorm::bench {
namespace {

using oracle::Shape;

Shape make(std::int64_t n, std::int64_t c, std::initializer_list<std::int64_t> spatial) {
  Shape shape{n, c, static_cast<int>(spatial.size()), {}};
  std::copy(spatial.begin(), spatial.end(), shape.s.begin());
  return shape;
}

/// Square images of a network: channels and edge.
using Images = std::vector<std::pair<std::int64_t, std::int64_t>>;

// He et al. 2015: every distinct BatchNorm of ResNet-50.
const Images kResnet50{{64, 112}, {64, 56},   {256, 56}, {128, 28}, {512, 28},
                       {256, 14}, {1024, 14}, {512, 7},  {2048, 7}};

// Ioffe and Szegedy 2015: every distinct BatchNorm of Inception-BN (GoogLeNet v2), the list that
// oneDNN's own benchmark uses.
const Images kInception{{64, 112}, {64, 56},  {192, 56}, {64, 28},  {96, 28},  {32, 28},
                        {128, 28}, {160, 14}, {96, 14},  {128, 4},  {224, 14}, {64, 14},
                        {128, 14}, {192, 14}, {192, 7},  {256, 14}, {256, 7},  {128, 2},
                        {352, 7},  {320, 7},  {160, 7},  {224, 7},  {128, 7}};

class List {
 public:
  explicit List(const std::vector<std::int64_t>& batches) : batches_(batches) {}

  void add(const std::string& suite) {
    if (suite == "table") {
      for (const char* part : {"resnet50", "inception", "nxc", "ncl", "3d", "odd"}) add(part);
    } else if (suite == "resnet50") {
      images(suite, kResnet50, {8, 32});
    } else if (suite == "inception") {
      images(suite, kInception, {8});
    } else if (suite == "few") {
      for (const std::int64_t c : {1, 2, 3, 4, 5, 7, 8, 12, 15})
        push({suite, make(8, c, {112, 112}), false, true});
    } else {
      for (const Shape& shape : others(suite)) push({suite, shape, true, true});
    }
  }

  std::vector<Entry> take() { return std::move(entries_); }

 private:
  static std::vector<Shape> others(const std::string& suite) {
    if (suite == "nxc") return {make(256, 1024, {}), make(4096, 256, {}), make(16, 512, {})};
    if (suite == "ncl") return {make(32, 128, {512}), make(8, 512, {1120})};
    if (suite == "3d") return {make(1, 32, {56, 56, 40}), make(2, 64, {28, 28, 20})};
    if (suite == "odd") return {make(8, 3, {224, 224}), make(7, 13, {31, 29}), make(8, 16, {8, 8})};
    if (suite == "tiny")
      return {make(4, 4, {}),     make(1, 4, {2, 2}), make(4, 16, {}),     make(1, 16, {4, 4}),
              make(2, 8, {8, 8}), make(16, 64, {}),   make(4, 16, {8, 8}), make(64, 64, {})};
    if (suite == "smoke") return {make(4, 16, {7, 7}), make(32, 24, {}), make(2, 5, {40})};
    throw std::invalid_argument(
        fmt::format("there is no suite '{}'; these are: {}", suite, suite_names()));
  }

  void images(const std::string& suite, const Images& images, std::vector<std::int64_t> batches) {
    if (!batches_.empty()) batches = batches_;
    for (const std::int64_t n : batches)
      for (const auto& [c, edge] : images) push({suite, make(n, c, {edge, edge}), true, true});
  }

  void push(Entry entry) {
    if (entry.shape.spatial_rank == 0) entry.nchw = false;  // one memory order, channels innermost
    const auto same = std::find_if(entries_.begin(), entries_.end(),
                                   [&](const Entry& e) { return e.shape == entry.shape; });
    if (same == entries_.end()) {
      entries_.push_back(std::move(entry));
    } else {
      same->nchw |= entry.nchw;
      same->nhwc |= entry.nhwc;
    }
  }

  const std::vector<std::int64_t>& batches_;
  std::vector<Entry> entries_;
};

}  // namespace

std::string suite_names() {
  return "resnet50, inception, nxc, ncl, 3d, odd, table (all before), few, tiny, smoke";
}

std::vector<Entry> entries(const std::vector<std::string>& suites,
                           const std::vector<std::int64_t>& batches) {
  List list(batches);
  for (const std::string& suite : suites) list.add(suite);
  return list.take();
}

std::string shape_name(const Shape& shape) {
  std::string name = fmt::format("n{}c{}", shape.n, shape.c);
  for (int d = 0; d < shape.spatial_rank; ++d)
    name += fmt::format("{}{}", d == 0 ? 's' : 'x', shape.s[static_cast<std::size_t>(d)]);
  return name;
}

}  // namespace truenorm::bench
