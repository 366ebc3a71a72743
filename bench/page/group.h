// What the figures are made of: groups of rows, and who is in a row.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "figures.h"

namespace truenorm::bench {

using Rows = std::vector<const Row*>;

/// Rows of one operation, element type and, where it is `fine`, layout and thread count.
struct Group {
  std::string name, title;  // "training-nchw-f32-2", "training, NCHW, f32, 2 threads"
  Rows rows;
};

/// Of the measured rows, in the report's order.
std::vector<Group> groups(const Report&, bool fine);

/// Truenorm and the peers, each with the colour that it has in all figures.
struct Contender {
  std::string name;
  int colour = 0;
};
std::vector<Contender> contenders(const Report&);
inline constexpr int kCopyColour = 7, kIdealColour = 5;

/// A call's median time; none where it has no figure.
std::optional<double> ns_of(const Row&, const std::string& contender);

/// Bytes that a pass of the roofline moves, and how fast it does.
double pass_bytes(const Row&);
double copy_gbps(const Row&);

/// "12.3", "-" for none.
std::string figure_text(const std::optional<double>&, int digits);

/// "12.3 MiB".
std::string bytes_text(double bytes);

/// Leaves out series that have no point.
void drop_empty(oracle::page::Plot&);

/// The figures of a group; none where its rows have not what they need.
std::optional<Graph> roofline(const Report&, const Group&);
std::optional<Graph> over_sizes(const Report&, const Group&);
std::optional<Graph> beside_others(const Report&, const Group&);
std::optional<Graph> over_threads(const Report&, const Group&);
std::optional<Graph> error_against_speed(const Report&, const Group&);

}  // namespace truenorm::bench
