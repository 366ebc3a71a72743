#include "options.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "oracle/cli/support.h"
#include "oracle/text.h"
#include "truenorm/context.h"

namespace truenorm::bench {
namespace {

namespace cli = oracle::cli;

/// The enumerator of a name that has been checked.
template <class E>
std::vector<E> enumerators(const std::vector<std::string>& names, int count) {
  std::vector<E> all;
  for (int i = 0; i < count; ++i)
    if (std::find(names.begin(), names.end(), name(static_cast<E>(i))) != names.end())
      all.push_back(static_cast<E>(i));
  return all;
}

oracle::Isa isa_named(const std::string& text) {
  std::string here = "best";
  for (const Isa isa : available_isas()) here += std::string(", ") + name(isa);
  for (int i = 0; i < oracle::kIsas; ++i) {
    const auto isa = static_cast<oracle::Isa>(i);
    if (name(isa) == text && Context(1, static_cast<Isa>(isa)).status().ok()) return isa;
  }
  throw cli::UsageError(fmt::format("--isa '{}': this machine and build have {}", text, here));
}

std::vector<std::string> peers_of(const Options& o) {
  std::vector<std::string> peers;
  for (const std::string& peer : o.against) {
    if (peer == "none" && o.against.size() > 1)
      throw cli::UsageError("--against: 'none' stands alone");
#ifndef TRUENORM_HAVE_ONEDNN
    if (peer == "onednn")
      throw cli::UsageError("--against: this build has no onednn (libdnnl-dev); libtorch or none");
#endif
    if (peer != "none" && std::find(peers.begin(), peers.end(), peer) == peers.end())
      peers.push_back(peer);
  }
  return peers;
}

}  // namespace

Asked asked(const Options& o) {
  Asked a;
  a.peers = peers_of(o);
  a.dtypes = enumerators<oracle::Dtype>(o.dtypes, oracle::kDtypes);
  a.layouts = enumerators<oracle::Layout>(o.layouts, oracle::kLayouts);
  a.ops = enumerators<Op>(o.ops, 3);
  a.threads = o.threads;
  if (a.threads.empty())
    a.threads = {
        std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, oracle::kMaxThreads)};
  a.isa = isa_named(o.isa);
  a.caches = o.caches;
  a.rounds = o.rounds;
  return a;
}

std::vector<Item> items_of(const Options& o, const Asked& a) {
  std::vector<Entry> shapes;
  try {
    shapes = entries(o.suites, o.batches);
  } catch (const std::invalid_argument& e) {
    throw cli::UsageError(fmt::format("--suite: {}", e.what()));
  }
  std::vector<Item> all = items(shapes, a);
  std::erase_if(all, [&](const Item& item) {
    return oracle::print(item.value).find(o.filter) == std::string::npos;
  });
  if (all.empty())
    throw cli::UsageError(
        "nothing to measure: no case line of these suites and layouts has the text of --filter");
  for (const Item& item : all)
    if (const auto why = oracle::defect(item.value); !why.empty())
      throw cli::UsageError(fmt::format("{}: {}", shape_name(item.entry.shape), why));
  return all;
}

void add_row_options(CLI::App& app, Options& o) {
  const auto list = [&](const char* flag, std::vector<std::string>& to, const char* what,
                        std::vector<std::string> allowed) {
    app.add_option(flag, to, what)->delimiter(',')->check(CLI::IsMember(std::move(allowed)));
  };
  app.add_option("--suite", o.suites, suite_names() + " (default resnet50)")->delimiter(',');
  list("--against", o.against, "Peers (default libtorch,onednn)", {"libtorch", "onednn", "none"});
  list("--dtype", o.dtypes, "Of the data (default f32); parameters are f32, or f64",
       {"f32", "f64", "bf16", "f16"});
  list("--layout", o.layouts, "Memory order (default both)", {"nchw", "nhwc"});
  list("--op", o.ops, "Calls (default all)", {"training", "evaluation", "backward"});
  app.add_option("--mb", o.batches, "Batch sizes of the networks instead of their own")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096));
  app.add_option("--threads", o.threads, "Thread counts (default: one a core)")
      ->delimiter(',')
      ->check(CLI::Range(1, oracle::kMaxThreads));
  app.add_option("--isa", o.isa, "Truenorm's instruction set (default best)");
  app.add_option(
         "--caches", o.caches,
         "Bytes of a core's and of the shared cache that Truenorm's loop nests are made for, "
         "to see what they owe to the machine's own")
      ->delimiter(',')
      ->expected(2)
      ->check(CLI::NonNegativeNumber);
  app.add_option("--filter", o.filter, "Only case lines with this text, such as c64s56");
}

}  // namespace truenorm::bench
