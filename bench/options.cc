#include "options.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <stdexcept>

#include "memory.h"
#include "oracle/cli/support.h"
#include "oracle/players/plugin.h"
#include "oracle/text.h"
#include "truenorm/context.h"

namespace truenorm::bench {
namespace {

namespace cli = oracle::cli;

/// The enumerators of names that have been checked.
template <class E>
std::vector<E> enumerators(const std::vector<std::string>& names, int count) {
  std::vector<E> all;
  for (int i = 0; i < count; ++i)
    if (std::find(names.begin(), names.end(), name(static_cast<E>(i))) != names.end())
      all.push_back(static_cast<E>(i));
  return all;
}

bool is_here(oracle::Isa isa) { return Context(1, static_cast<Isa>(isa)).status().ok(); }

std::string isas_here() {
  std::string here = "best";
  for (const Isa isa : available_isas()) here += std::string(", ") + name(isa);
  return here;
}

oracle::Isa isa_named(const std::string& text) {
  for (int i = 0; i < oracle::kIsas; ++i)
    if (const auto isa = static_cast<oracle::Isa>(i); name(isa) == text && is_here(isa)) return isa;
  throw cli::UsageError(
      fmt::format("--isa '{}': this machine and build have {}", text, isas_here()));
}

/// That there is a plugin, and that it loads.
void require_plugin(const std::string& spec) {
  if (spec.find(".so") == spec.npos)
    throw cli::UsageError(fmt::format("--subject '{}': PATH.so, a plugin, was expected", spec));
  cli::require_player(spec);
  try {
    oracle::open_plugin(spec);
  } catch (const std::invalid_argument& e) {
    throw cli::UsageError(e.what());
  }
}

std::vector<std::string> peers_of(const Options& o) {
  std::vector<std::string> peers;
  if (!o.subject.empty()) peers.emplace_back(kSubject);
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

Suites suites() {
  const std::string file = (cli::corpus_directory("") / "networks.cases").string();
  try {
    return {cli::read_input(file), file};
  } catch (const oracle::ParseError& e) {
    throw cli::UsageError(e.what());
  }
}

/// The user's own lines.
void add_lines(const std::string& argument, std::vector<Entry>& all) {
  for (cli::Asked& line : cli::read_cases(argument)) {
    const std::string where = line.where.empty() ? "--cases" : line.where;
    if (const std::string why = untimed(line.value); !why.empty())
      throw cli::UsageError(fmt::format("{}: {}", where, why));
    if (line.value.exec && !is_here(line.value.exec->isa))
      throw cli::UsageError(fmt::format("{}: isa={}: this machine and build have {}", where,
                                        name(line.value.exec->isa), isas_here()));
    Entry entry;
    entry.suite = "cases";
    entry.value = std::move(line.value);
    entry.where = where;
    add_once(all, std::move(entry));
  }
}

std::vector<Entry> entries_of(const Options& o) {
  std::vector<Entry> all;
  std::vector<std::string> names = o.suites;
  if (names.empty() && o.cases.empty()) names = {"resnet50"};
  try {
    if (!names.empty()) all = suites().entries(names, o.batches);
  } catch (const std::invalid_argument& e) {
    throw cli::UsageError(fmt::format("--suite: {}", e.what()));
  }
  if (!o.cases.empty()) add_lines(o.cases, all);
  return all;
}

std::string suites_help() {
  const std::string text = "Of corpus/networks.cases (default resnet50)";
  try {
    return text + ": " + suites().names();
  } catch (const cli::UsageError&) {
    return text;  // who asks for one is told what is wrong with the file
  }
}

}  // namespace

void add_row_options(CLI::App& app, Options& o) {
  const auto list = [&](const char* flags, std::vector<std::string>& to, const char* what,
                        std::vector<std::string> allowed) {
    app.add_option(flags, to, what)->delimiter(',')->check(CLI::IsMember(std::move(allowed)));
  };
  app.add_option("--suite", o.suites, suites_help())->delimiter(',');
  app.add_option("--cases", o.cases,
                 "Own lines, a file of them, or - for standard input. What a line says is taken: "
                 "dtype, the T, E and B of its program, and behind a bar layout, threads and isa");
  app.add_option("--subject", o.subject,
                 "PATH.so: a kernel or layer of your own beside them, every element judged");
  list("--against", o.against, "Peers (default libtorch,onednn)", {"libtorch", "onednn", "none"});
  list("--dtype,--dtypes", o.dtypes,
       "Of the data, instead of the line's (f32 in the suites); parameters are f32, or f64",
       {"f32", "f64", "bf16", "f16"});
  list("--layout,--layouts", o.layouts, "Memory order (default the line's, or both)",
       {"nchw", "nhwc"});
  list("--op,--ops", o.ops, "Calls (default all of the line's program)",
       {"training", "evaluation", "backward"});
  app.add_option("--mb", o.batches, "Batch sizes of the networks instead of their own")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096));
  app.add_option("--threads", o.threads, "Thread counts (default the line's, or one a core)")
      ->delimiter(',')
      ->check(CLI::Range(1, oracle::kMaxThreads));
  app.add_option("--isa", o.isa, "Truenorm's instruction set (default the line's, or best)");
  app.add_option(
         "--caches", o.caches,
         "Bytes of a core's and of the shared cache that Truenorm's loop nests are made for, "
         "to see what they owe to the machine's own")
      ->delimiter(',')
      ->expected(2)
      ->check(CLI::NonNegativeNumber);
  app.add_option("--filter", o.filter, "Only case lines with this text, such as c64s56");
}

void add_round_options(CLI::App& app, Options& o) {
  app.add_option("--rounds", o.rounds,
                 "Measurements of each (default 12); fewer than 6 give no confidence interval")
      ->check(CLI::Range(1, 10000));
  app.add_option("--seed", o.seed, "Of the order within the rounds (default 1)");
  app.add_flag(
      "--fresh", o.fresh,
      "Also calls that allocate their outputs, with malloc as a program has it by default");
  app.add_flag("--cold", o.cold,
               "Also calls whose tensors and vectors were flushed from all caches before");
}

void add_sitting_options(CLI::App& app, Options& o) {
  app.add_option(
         "--sittings", o.sittings,
         "Processes that measure all of it, one after the other (default 1, with --keep 10)")
      ->check(CLI::Range(1, 1000));
  app.add_flag("--keep", o.keep, "Keep the run, for './run history' and './run compare'");
  app.add_option("--db", o.db,
                 "The history that --keep adds to (default $TRUENORM_HISTORY, or history.db beside "
                 "the build folder)");
}

Asked asked(const Options& o) {
  Asked a;
  if (!o.subject.empty()) require_plugin(o.subject);
  a.peers = peers_of(o);
  a.subject = o.subject;
  a.dtypes = enumerators<oracle::Dtype>(o.dtypes, oracle::kDtypes);
  a.layouts = enumerators<oracle::Layout>(o.layouts, oracle::kLayouts);
  a.ops = enumerators<Op>(o.ops, 3);
  a.threads = o.threads;
  a.isa = isa_named(o.isa);
  a.caches = o.caches;
  a.rounds = o.rounds;
  a.seed = o.seed;
  a.fresh = o.fresh;
  a.cold = o.cold;
  if (a.cold && !kCanEvict)
    throw cli::UsageError("--cold: this processor lets no program flush its caches (x86 does)");
  return a;
}

std::vector<Item> items_of(const Options& o, const Asked& a) {
  const std::vector<Entry> chosen = entries_of(o);
  std::vector<Item> all = items(chosen, a);
  std::erase_if(all, [&](const Item& item) {
    return oracle::print(item.value).find(o.filter) == std::string::npos;
  });
  if (all.empty())
    throw cli::UsageError(
        "nothing to measure: no case line of these suites, layouts and calls has the text of "
        "--filter");
  for (const Item& item : all)
    if (const auto why = untimed(item.value); !why.empty())
      throw cli::UsageError(fmt::format("{}: {}", shape_name(item.entry.value.problem.shape), why));
  return all;
}

}  // namespace truenorm::bench
