#include "command_line/installed.hpp"

#include <nlohmann/json.hpp>
#include <ostream>

#include "manifest/option_names.hpp"
#include "manifest/suggest.hpp"
#include "manifest/units.hpp"

namespace backplane::host {

namespace {

using nlohmann::ordered_json;

const std::pair<std::uint32_t, const char*> property_names[] = {
    {BP_INBOUND, "inbound"},       {BP_OUTBOUND, "outbound"}, {BP_SERVICE, "service"},
    {BP_CONNECTION, "connection"}, {BP_BYPASS, "bypass"},     {BP_BLOCKING, "blocking"},
    {BP_FUNCTIONS, "functions"},   {BP_OWN_LOOP, "own loop"}};

std::vector<std::string> names_of(std::uint32_t properties) {
  std::vector<std::string> names;
  for (const auto& [bit, name] : property_names)
    if ((properties & bit) != 0) names.emplace_back(name);
  return names;
}

// The names of abi.h in small letters.
const char* type_name(bp_option_type type) {
  switch (type) {
    case BP_TEXT:
      return "text";
    case BP_INTEGER:
      return "integer";
    case BP_NUMBER:
      return "number";
    case BP_BOOLEAN:
      return "boolean";
    case BP_DURATION:
      return "duration";
    case BP_SIZE:
      return "size";
    case BP_RATE:
      return "rate";
    case BP_CHOICE:
      return "choice";
    case BP_ENDPOINT:
      return "endpoint";
    case BP_TEXT_LIST:
      return "text_list";
    case BP_ENDPOINT_LIST:
      return "endpoint_list";
    case BP_SECRET:
      return "secret";
    case BP_PATH:
      return "path";
    case BP_COMPONENT:
      return "component";
    case BP_COMPONENT_LIST:
      return "component_list";
  }
  return "unknown";
}

template <typename Value>
ordered_json or_null(const std::optional<Value>& value) {
  return value ? ordered_json(*value) : ordered_json();
}

ordered_json to_json(const OptionInfo& option) {
  ordered_json entry{{"name", option.name},
                     {"type", type_name(option.type)},
                     {"required", option.required},
                     {"default", or_null(option.default_text)}};
  if (option.type == BP_CHOICE) entry["choices"] = option.choices;
  if (option.minimum != 0 || option.maximum != 0) {
    entry["minimum"] = option.minimum;
    entry["maximum"] = option.maximum;
  }
  entry["help"] = option.help;
  return entry;
}

}  // namespace

ordered_json to_json(const FunctionInfo& function) {
  auto parameters = ordered_json::array();
  for (const auto& parameter : function.parameters)
    parameters.push_back(
        {{"name", parameter.name},
         {"type", parameter.type},
         {"required", !parameter.default_json},
         {"default", parameter.default_json ? ordered_json::parse(*parameter.default_json, nullptr, false)
                                            : ordered_json()}});
  ordered_json entry{{"name", function.name},
                     {"manner", manner_text(function.manner)},
                     {"parameters", parameters},
                     {"result", function.result}};
  if (!function.group.empty()) entry["group"] = function.group;
  if (function.max_response_time > 0)
    entry["max_response_time"] = duration_text(Nanoseconds(function.max_response_time));
  entry["help"] = function.help;
  return entry;
}

InstalledPlugins::InstalledPlugins(const PluginPath& first) {
  const Loader loader({.folders = first});
  search_path_ = loader.search_path();
  for (const auto& plugin : loader.available()) all_.push_back(inspect(plugin.file));
  for (const auto* plugin : usable())
    for (const auto& kind : plugin->kinds) kinds_.emplace(kind.name, &kind);
}

std::vector<const PluginInfo*> InstalledPlugins::usable() const {
  std::vector<const PluginInfo*> plugins;
  for (const auto& inspection : all_)
    if (inspection.loadable && inspection.description.plugin)
      plugins.push_back(&*inspection.description.plugin);
  return plugins;
}

std::optional<std::string> InstalledPlugins::open(const std::string& plugin, const std::filesystem::path&) {
  std::vector<std::string> names;
  for (const auto* usable : this->usable()) names.push_back(usable->name);
  if (std::find(names.begin(), names.end(), plugin) != names.end()) return std::nullopt;
  return "no plugin " + in_quotes(plugin) + " is installed" + name_hint(plugin, names);
}

const KindInfo* InstalledPlugins::find(std::string_view kind) const {
  const auto found = kinds_.find(kind);
  return found == kinds_.end() ? nullptr : found->second;
}

std::vector<std::string> InstalledPlugins::kind_names() const {
  std::vector<std::string> names;
  for (const auto& [name, kind] : kinds_) names.push_back(name);
  return names;
}

const ClientInfo* InstalledPlugins::find_client(std::string_view scheme) const {
  for (const auto* plugin : usable())
    for (const auto& client : plugin->clients)
      if (client.scheme == scheme) return &client;
  return nullptr;
}

std::vector<std::string> InstalledPlugins::schemes() const {
  std::vector<std::string> all;
  for (const auto* plugin : usable())
    for (const auto& client : plugin->clients) all.push_back(client.scheme);
  return all;
}

std::string sections_note(const KindInfo& kind) {
  for (const auto& option : kind.options) {
    const std::string section(section_of(option.name));
    if (section.empty()) continue;
    return "A dot stands for a map: " + option.name + " is written " + section + ": {" +
           std::string(name_in_section(option.name)) + ": ...}.";
  }
  return {};
}

std::string properties_text(std::uint32_t properties) {
  std::string text;
  for (const auto& name : names_of(properties)) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string manner_text(bp_manner manner) {
  switch (manner) {
    case BP_ORDINARY:
      return "ordinary";
    case BP_IMMEDIATE:
      return "immediate";
    case BP_DEFERRED_MANNER:
      return "deferred";
    case BP_SYNCHRONIZED:
      return "synchronized";
    case BP_SIGNAL_MANNER:
      return "signal";
    case BP_STREAM_MANNER:
      return "stream";
  }
  return "unknown";
}

std::string signature(const FunctionInfo& function) {
  std::string text = function.name + "(";
  for (const auto& parameter : function.parameters) {
    if (text.back() != '(') text += ", ";
    text += parameter.name + ": " + parameter.type;
    if (parameter.default_json) text += " = " + *parameter.default_json;
  }
  return text + ")" + (function.result.empty() ? "" : " -> " + function.result);
}

ordered_json to_json(const KindInfo& kind) {
  auto options = ordered_json::array();
  for (const auto& option : kind.options) options.push_back(to_json(option));
  ordered_json functions;  // null: known only to a running component
  if (kind.functions) {
    functions = ordered_json::array();
    for (const auto& function : *kind.functions) functions.push_back(to_json(function));
  }
  return {{"name", kind.name},     {"says", kind.says},
          {"plugin", kind.plugin}, {"properties", names_of(kind.properties)},
          {"options", options},    {"functions", functions}};
}

ordered_json to_json(const ClientInfo& client) {
  auto options = ordered_json::array();
  for (const auto& option : client.options) options.push_back(to_json(option));
  return {{"scheme", client.scheme},
          {"says", client.says},
          {"jobs", client.runs_jobs},
          {"functions", client.tells_functions},
          {"options", options}};
}

ordered_json to_json(const PluginInfo& plugin) {
  auto kinds = ordered_json::array();
  for (const auto& kind : plugin.kinds) kinds.push_back(to_json(kind));
  auto clients = ordered_json::array();
  for (const auto& client : plugin.clients) clients.push_back(to_json(client));
  return {{"name", plugin.name},
          {"version", plugin.version},
          {"abi", std::to_string(plugin.abi_major) + "." + std::to_string(plugin.abi_minor)},
          {"libzmq", plugin.zmq_version},
          {"compiler", plugin.compiler},
          {"kinds", kinds},
          {"clients", clients}};
}

void print(Console& console, const ordered_json& document) {
  console.out << document.dump(2, ' ', false, ordered_json::error_handler_t::replace) << '\n';
}

}  // namespace backplane::host
