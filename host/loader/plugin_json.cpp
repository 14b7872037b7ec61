#include "loader/plugin_json.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace nlohmann {

template <>
struct adl_serializer<std::optional<std::string>> {
  static void to_json(json& to, const std::optional<std::string>& text) {
    to = text ? json(*text) : json(nullptr);
  }
  static void from_json(const json& from, std::optional<std::string>& text) {
    if (!from.is_null()) text = from.get<std::string>();
  }
};

}  // namespace nlohmann

namespace backplane::host {

namespace {

using nlohmann::json;

// A number of an enumeration whose last value is `last`.
template <typename Enumeration>
Enumeration enumeration(const json& from, Enumeration last) {
  const auto value = from.get<unsigned>();
  if (value > static_cast<unsigned>(last)) throw std::out_of_range("unknown enumeration value");
  return static_cast<Enumeration>(value);
}

json written(const OptionInfo& option) {
  return {{"name", option.name},         {"type", static_cast<unsigned>(option.type)},
          {"required", option.required}, {"default", option.default_text},
          {"choices", option.choices},   {"help", option.help},
          {"minimum", option.minimum},   {"maximum", option.maximum}};
}

OptionInfo read_option(const json& from) {
  OptionInfo option;
  from.at("name").get_to(option.name);
  option.type = enumeration(from.at("type"), BP_COMPONENT_LIST);
  from.at("required").get_to(option.required);
  from.at("default").get_to(option.default_text);
  from.at("choices").get_to(option.choices);
  from.at("help").get_to(option.help);
  from.at("minimum").get_to(option.minimum);
  from.at("maximum").get_to(option.maximum);
  return option;
}

json written(const FunctionInfo& function) {
  json parameters = json::array();
  for (const auto& parameter : function.parameters)
    parameters.push_back(
        {{"name", parameter.name}, {"type", parameter.type}, {"default", parameter.default_json}});
  return {{"name", function.name},
          {"help", function.help},
          {"result", function.result},
          {"group", function.group},
          {"manner", static_cast<unsigned>(function.manner)},
          {"parameters", std::move(parameters)},
          {"max_response_time", function.max_response_time}};
}

FunctionInfo read_function(const json& from) {
  FunctionInfo function;
  from.at("name").get_to(function.name);
  from.at("help").get_to(function.help);
  from.at("result").get_to(function.result);
  from.at("group").get_to(function.group);
  function.manner = enumeration(from.at("manner"), BP_STREAM_MANNER);
  for (const auto& item : from.at("parameters")) {
    auto& parameter = function.parameters.emplace_back();
    item.at("name").get_to(parameter.name);
    item.at("type").get_to(parameter.type);
    item.at("default").get_to(parameter.default_json);
  }
  from.at("max_response_time").get_to(function.max_response_time);
  return function;
}

json written(const KindInfo& kind) {
  json options = json::array();
  for (const auto& option : kind.options) options.push_back(written(option));
  json functions;
  if (kind.functions) {
    functions = json::array();
    for (const auto& function : *kind.functions) functions.push_back(written(function));
  }
  return {{"name", kind.name},
          {"says", kind.says},
          {"properties", kind.properties},
          {"options", std::move(options)},
          {"functions", std::move(functions)}};
}

KindInfo read_kind(const json& from, const std::string& plugin) {
  KindInfo kind;
  from.at("name").get_to(kind.name);
  from.at("says").get_to(kind.says);
  from.at("properties").get_to(kind.properties);
  for (const auto& option : from.at("options")) kind.options.push_back(read_option(option));
  if (const auto& functions = from.at("functions"); !functions.is_null()) {
    kind.functions.emplace();
    for (const auto& function : functions) kind.functions->push_back(read_function(function));
  }
  kind.plugin = plugin;
  return kind;
}

json written(const ClientInfo& client) {
  json options = json::array();
  for (const auto& option : client.options) options.push_back(written(option));
  return {{"scheme", client.scheme},
          {"says", client.says},
          {"options", std::move(options)},
          {"runs_jobs", client.runs_jobs},
          {"tells_functions", client.tells_functions}};
}

ClientInfo read_client(const json& from, const std::string& plugin) {
  ClientInfo client;
  from.at("scheme").get_to(client.scheme);
  from.at("says").get_to(client.says);
  for (const auto& option : from.at("options")) client.options.push_back(read_option(option));
  from.at("runs_jobs").get_to(client.runs_jobs);
  from.at("tells_functions").get_to(client.tells_functions);
  client.plugin = plugin;
  return client;
}

json written(const PluginInfo& plugin) {
  json kinds = json::array();
  for (const auto& kind : plugin.kinds) kinds.push_back(written(kind));
  json clients = json::array();
  for (const auto& client : plugin.clients) clients.push_back(written(client));
  return {{"name", plugin.name},           {"version", plugin.version},
          {"compiler", plugin.compiler},   {"abi_major", plugin.abi_major},
          {"abi_minor", plugin.abi_minor}, {"zmq_version", plugin.zmq_version},
          {"kinds", std::move(kinds)},     {"clients", std::move(clients)}};
}

PluginInfo read_plugin(const json& from) {
  PluginInfo plugin;
  from.at("name").get_to(plugin.name);
  from.at("version").get_to(plugin.version);
  from.at("compiler").get_to(plugin.compiler);
  from.at("abi_major").get_to(plugin.abi_major);
  from.at("abi_minor").get_to(plugin.abi_minor);
  from.at("zmq_version").get_to(plugin.zmq_version);
  for (const auto& kind : from.at("kinds")) plugin.kinds.push_back(read_kind(kind, plugin.name));
  for (const auto& client : from.at("clients")) plugin.clients.push_back(read_client(client, plugin.name));
  return plugin;
}

}  // namespace

std::string to_json(const Description& description) {
  json all{{"reason", description.reason},
           {"missing_symbols", description.missing_symbols},
           {"missing_libraries", description.missing_libraries},
           {"plugin", nullptr}};
  if (description.plugin) all["plugin"] = written(*description.plugin);
  return all.dump(-1, ' ', false, json::error_handler_t::replace);
}

Description from_json(std::string_view text) {
  const auto all = json::parse(text);
  Description description;
  all.at("reason").get_to(description.reason);
  all.at("missing_symbols").get_to(description.missing_symbols);
  all.at("missing_libraries").get_to(description.missing_libraries);
  if (const auto& plugin = all.at("plugin"); !plugin.is_null()) description.plugin = read_plugin(plugin);
  if (description.reason.empty() && !description.plugin)
    throw std::invalid_argument("neither reason nor plugin");
  return description;
}

}  // namespace backplane::host
