#include "group.h"

#include <fmt/format.h>

#include <algorithm>

#include "oracle/words.h"

namespace truenorm::bench {

std::vector<Group> groups(const Report& report, bool fine) {
  std::vector<Group> all;
  for (const Row& row : report.rows) {
    if (!row.measured) continue;
    std::string key = fmt::format("{}-{}", name(row.op), oracle::name(row.dtype));
    std::string title = fmt::format("{}, {}", name(row.op), oracle::name(row.dtype));
    if (fine) {
      key += fmt::format("-{}-{}", oracle::name(row.layout), row.threads);
      title +=
          fmt::format(", {}, {}", row.layout == oracle::Layout::nhwc ? "NHWC and N x C" : "NCHW",
                      row.threads == 1 ? "1 thread" : fmt::format("{} threads", row.threads));
    }
    const auto same =
        std::find_if(all.begin(), all.end(), [&](const Group& g) { return g.name == key; });
    if (same == all.end())
      all.push_back({std::move(key), std::move(title), {&row}});
    else
      same->rows.push_back(&row);
  }
  return all;
}

std::vector<Contender> contenders(const Report& report) {
  std::vector<Contender> all{{"truenorm", 1}};
  for (const std::string& peer : report.peers)
    all.push_back({peer, static_cast<int>(all.size()) + 1});
  return all;
}

std::optional<double> ns_of(const Row& row, const std::string& contender) {
  if (!row.measured) return std::nullopt;
  if (contender == "truenorm") return row.ns;
  const auto peer = row.peers.find(contender);
  if (peer == row.peers.end() || !peer->second.absent.empty()) return std::nullopt;
  return peer->second.ns;
}

double pass_bytes(const Row& row) { return static_cast<double>(row.bytes) * pass_moves(row.op); }

double copy_gbps(const Row& row) { return pass_bytes(row) / row.copy_ns; }

std::string figure_text(const std::optional<double>& value, int digits) {
  return value ? fmt::format("{:.{}f}", *value, digits) : "-";
}

std::string bytes_text(double bytes) {
  const char* unit = "B";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (bytes < 1024) break;
    bytes /= 1024;
    unit = next;
  }
  return fmt::format("{:.3g} {}", bytes, unit);
}

void drop_empty(oracle::page::Plot& plot) {
  std::erase_if(plot.series, [](const oracle::page::Series& s) { return s.points.empty(); });
}

std::string again(const Row& row, const std::vector<std::string>& peers) {
  return fmt::format("./run bench --cases {} --op {} --against {}", oracle::shell_word(row.line),
                     name(row.op),
                     peers.empty() ? "none" : fmt::format("{}", fmt::join(peers, ",")));
}

}  // namespace truenorm::bench
