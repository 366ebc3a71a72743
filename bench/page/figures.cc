#include "figures.h"

#include "group.h"

namespace truenorm::bench {
namespace {

/// A chapter of what `make` makes of the groups.
template <class Make>
Chapter chapter(const Report& report, bool fine, Make make, std::string heading, std::string text,
                std::string absent) {
  Chapter chapter{std::move(heading), std::move(text), {}, {}};
  for (const Group& group : groups(report, fine))
    if (std::optional<Graph> graph = make(report, group))
      chapter.graphs.push_back(std::move(*graph));
  if (chapter.graphs.empty()) chapter.absent = std::move(absent);
  return chapter;
}

}  // namespace

std::vector<Chapter> chapters(const Report& r) {
  const std::string peers = "--against libtorch,onednn";
  return {
      chapter(
          r, true, beside_others, "Beside others",
          "Each peer's time over Truenorm's: right of 1, Truenorm is faster. The thin lines are "
          "the confidence intervals of 95 %, the lowest ratios come first.",
          "No figure: there is no peer with a figure to compare with. " + peers + " gives it."),
      chapter(
          r, true, roofline, "Roofline",
          "Bytes that an operation cannot avoid to move, over its time, beside what a copy of "
          "the same tensors moved in the same rounds. A peer that reads its input more often is "
          "not counted more for it.",
          "No figure: no row has been measured. ./run bench --suite resnet50 gives it."),
      chapter(r, true, over_sizes, "Over the size of the tensor",
              "Values of the tensor a second over the bytes that one pass moves; the dotted lines "
              "are where these leave a cache.",
              "No figure: there are fewer than three sizes of one operation. --suite table, or "
              "--mb 1,8,64, gives it."),
      chapter(r, false, over_threads, "Over threads",
              "How many times as fast as with the fewest threads: geometric mean of the rows that "
              "were measured with all thread counts. What is limited by memory cannot gain more "
              "than the copy does.",
              "No figure: no row was measured with several thread counts. --threads 1,2 gives it."),
      chapter(r, false, error_against_speed, "Error against speed",
              "Who is fast and right: the error of the worst element over the bound that Truenorm "
              "promises, the same yardstick for everyone, in the channels that all are judged in; "
              "speed in per cent of the copy's. Fast is right, exact is down; the dashed line is "
              "the bound. Errors of 0 are in the table alone.",
              "No figure: errors are compared where there is a peer. " + peers + " gives it."),
  };
}

}  // namespace truenorm::bench
