// What plugins offer, as plain values: copied out of a plugin's tables, so that the manifest reader and
// the command line need neither the plugin nor its file.
#pragma once

#include <backplane/abi.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::host {

struct OptionInfo {
  std::string name;  // with a dot it stands in a section: "results.path" is written results: {path: ...}
  bp_option_type type = BP_TEXT;
  bool required = false;
  std::optional<std::string> default_text;  // as written in a manifest
  std::vector<std::string> choices;         // of BP_CHOICE
  std::string help;
  double minimum = 0;  // with maximum 0 too: unbounded
  double maximum = 0;
};

struct ParameterInfo {
  std::string name;
  std::string type;
  std::optional<std::string> default_json;
};

struct FunctionInfo {
  std::string name;
  std::string help;
  std::string result;
  std::string group;
  bp_manner manner = BP_ORDINARY;
  std::vector<ParameterInfo> parameters;
  std::int64_t max_response_time = 0;  // nanoseconds; 0: the wire's own
};

struct KindInfo {
  std::string name;  // "zmq.pull"
  std::string says;
  std::uint32_t properties = 0;  // BP_INBOUND, ...
  std::vector<OptionInfo> options;
  std::optional<std::vector<FunctionInfo>> functions;  // absent: known only to a running component
  const bp_kind* table = nullptr;  // to make components; nullptr when described from another process
  std::string plugin;              // the name of the plugin that offers it
};

struct ClientInfo {
  std::string scheme;  // of addresses: "palm" in palm+tcp://127.0.0.1:5559
  std::string says;
  std::vector<OptionInfo> options;
  bool runs_jobs = false;
  bool tells_functions = false;
  const bp_client* table = nullptr;  // to open clients; nullptr when described from another process
  std::string plugin;                // the name of the plugin that offers it
};

struct PluginInfo {
  std::string name;
  std::string version;
  std::string compiler;
  std::filesystem::path file;  // as named or found, not the private copy
  std::uint32_t abi_major = 0;
  std::uint32_t abi_minor = 0;
  std::string zmq_version;
  std::vector<KindInfo> kinds;
  std::vector<ClientInfo> clients;
};

// Where the manifest reader looks kinds up. Not thread-safe: belongs to the main thread.
class KindCatalog {
 public:
  virtual ~KindCatalog() = default;
  // Makes the kinds of a plugin known. `plugin` is a name (searched) or a path (a text with a '/'; relative
  // ones start at `folder`). Returns the reason when it is refused. Opening the same file again changes
  // nothing and succeeds.
  virtual std::optional<std::string> open(const std::string& plugin, const std::filesystem::path& folder) = 0;
  // nullptr: no open plugin offers it.
  virtual const KindInfo* find(std::string_view kind) const = 0;
  // All known kinds, sorted.
  virtual std::vector<std::string> kind_names() const = 0;
};

}  // namespace backplane::host
