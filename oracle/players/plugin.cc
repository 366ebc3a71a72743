#include "plugin.h"

#include <dlfcn.h>

#include <stdexcept>

#include "host.h"
#include "players.h"

namespace truenorm::oracle {
namespace {

template <class Function>
Function symbol(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

/// The table, once it is known to be one of ours.
template <class Table>
const Table& checked(const Table* table, const std::string& path, const char* function) {
  const auto bad = [&](const std::string& why) {
    return std::invalid_argument("plugin " + path + ": " + function + "() " + why);
  };
  if (table == nullptr) throw bad("gave a null pointer");
  if (table->abi != TRUENORM_PLUGIN_ABI)
    throw bad("is of ABI " + std::to_string(table->abi) + ", this program speaks ABI " +
              std::to_string(TRUENORM_PLUGIN_ABI));
  if (table->size != sizeof(Table))
    throw bad("says its table has " + std::to_string(table->size) + " bytes, not " +
              std::to_string(sizeof(Table)) +
              ": set size to sizeof, and use the same truenorm_plugin.h");
  if (table->name == nullptr) throw bad("has no name");
  const auto claim = table->contract.accumulate;
  if (claim != TRUENORM_F32 && claim != TRUENORM_F64)
    throw bad("has a contract that accumulates in neither F32 nor F64");
  if (table->contract.chain < 0) throw bad("has a contract with a negative chain");
  return *table;
}

void need(bool present, const std::string& path, const char* function, const char* member) {
  if (!present)
    throw std::invalid_argument("plugin " + path + ": " + function + "() has no " + member);
}

constexpr std::string_view kLayer = ":layer";

const truenorm_kernel_v1* kernel_of(truenorm_kernel_fn kernel, const std::string& path) {
  constexpr const char* kFunction = "truenorm_kernel";
  const truenorm_kernel_v1& table = checked(kernel(), path, kFunction);
  need(table.forward_training != nullptr, path, kFunction, "forward_training");
  need(table.forward_inference != nullptr, path, kFunction, "forward_inference");
  return &table;
}

const truenorm_layer_v1* layer_of(truenorm_layer_fn layer, const std::string& path) {
  constexpr const char* kFunction = "truenorm_layer";
  const truenorm_layer_v1& table = checked(layer(), path, kFunction);
  const bool whole = table.create && table.destroy && table.set_training &&
                     table.reset_running_stats && table.set_state && table.get_state;
  need(whole, path, kFunction,
       "create, destroy, set_training, reset_running_stats, set_state or get_state");
  need(table.forward != nullptr, path, kFunction, "forward");
  return &table;
}

}  // namespace

Plugin open_plugin(const std::string& spec) {
  const bool layer_wanted = spec.ends_with(kLayer);
  const std::string path = layer_wanted ? spec.substr(0, spec.size() - kLayer.size()) : spec;
  // A name without a slash would be looked for in the library path; a file here is what is meant.
  const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
  // Never closed: its threads may outlive the player, and the tables are not copied.
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = dlerror();
    throw std::invalid_argument("plugin " + path +
                                ": cannot be opened: " + (why ? why : "unknown reason"));
  }
  const auto kernel = symbol<truenorm_kernel_fn>(handle, "truenorm_kernel");
  const auto layer = symbol<truenorm_layer_fn>(handle, "truenorm_layer");
  if (kernel && !layer_wanted) return {kernel_of(kernel, path), nullptr};
  if (layer) return {nullptr, layer_of(layer, spec)};
  throw std::invalid_argument(
      "plugin " + path + ": exports " +
      (layer_wanted ? "no truenorm_layer" : "neither truenorm_kernel nor truenorm_layer"));
}

std::string Plugin::version() const {
  return kernel ? "kernel " + std::string(kernel->name) : "layer " + std::string(layer->name);
}

std::unique_ptr<Player> make_plugin(const std::string& spec) {
  const Plugin plugin = open_plugin(spec);
  if (plugin.kernel) return host_kernel(*plugin.kernel, {spec, plugin.version()});
  return host_layer(*plugin.layer, {spec, plugin.version()});
}

}  // namespace truenorm::oracle
