#include "loader/table.hpp"

#include <zmq.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <exception>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "loader/refused.hpp"
#include "log/escape.hpp"

namespace backplane::host {

namespace {

// Sizes of the tables of ABI 1.0: every plugin of this major fills at least that much. What later minors
// append is read only where a table's own size covers it.
constexpr std::size_t plugin_1_0 = offsetof(bp_plugin, kind_count) + sizeof(bp_plugin::kind_count);
constexpr std::size_t plugin_with_clients =
    offsetof(bp_plugin, client_count) + sizeof(bp_plugin::client_count);
constexpr std::size_t client_1_0 = offsetof(bp_client, close) + sizeof(bp_client::close);
constexpr std::size_t kind_1_0 = offsetof(bp_kind, destroy) + sizeof(bp_kind::destroy);
constexpr std::size_t option_1_0 = offsetof(bp_option, maximum) + sizeof(bp_option::maximum);
constexpr std::size_t function_1_0 =
    offsetof(bp_function, parameter_count) + sizeof(bp_function::parameter_count);
constexpr std::size_t function_with_response_time =
    offsetof(bp_function, max_response_time) + sizeof(bp_function::max_response_time);

// Nobody's tables are larger; a count or size beyond is a mistake.
constexpr std::size_t largest_table = 64 * 1024;
constexpr std::size_t most_kinds = 1000;
constexpr std::size_t most_clients = 100;
constexpr std::size_t most_options = 1000;
constexpr std::size_t most_functions = 100'000;
constexpr std::size_t most_parameters = 255;
constexpr std::size_t longest_name = 255;
constexpr std::size_t longest_text = 64 * 1024;

constexpr std::uint32_t known_properties = BP_INBOUND | BP_OUTBOUND | BP_SERVICE | BP_CONNECTION | BP_BYPASS |
                                           BP_BLOCKING | BP_FUNCTIONS | BP_OWN_LOOP;

std::string in_quotes(std::string_view text) { return '"' + escaped(text) + '"'; }

// Where in the tables we are; the beginning of every refusal.
struct Place {
  std::string text;

  [[noreturn]] void refuse(const std::string& what) const { throw Refused(text + what); }
  Place inside(const std::string& what) const { return {text + what + ": "}; }
};

void check_size(const Place& place, const char* field, std::size_t size, std::size_t smallest) {
  if (size < smallest || size > largest_table)
    place.refuse(std::string(field) + " is " + std::to_string(size) + ", expected " +
                 std::to_string(smallest) + " bytes or a little more");
}

void check_count(const Place& place, const char* field, std::size_t count, std::size_t most,
                 const void* list) {
  if (count > most)
    place.refuse(std::string(field) + " is " + std::to_string(count) + ", expected at most " +
                 std::to_string(most));
  if (count > 0 && list == nullptr)
    place.refuse(std::string(field) + " is " + std::to_string(count) + ", but the list is null");
}

std::string text_of(const Place& place, const char* field, const char* text,
                    std::size_t longest = longest_text) {
  if (text == nullptr) place.refuse(std::string(field) + " is null, expected text");
  const auto size = ::strnlen(text, longest + 1);
  if (size > longest)
    place.refuse(std::string(field) + " is longer than " + std::to_string(longest) + " bytes");
  std::string copy(text, size);
  if (!is_utf8(copy)) place.refuse(std::string(field) + " is not UTF-8: " + in_quotes(copy));
  return copy;
}

// One line, not empty.
std::string line_of(const Place& place, const char* field, const char* text,
                    std::size_t longest = longest_text) {
  auto line = text_of(place, field, text, longest);
  if (line.empty()) place.refuse(std::string(field) + " is empty, expected text");
  if (escaped(line) != line)
    place.refuse(std::string(field) + " has a control character: " + in_quotes(line));
  return line;
}

// [a-z][a-z0-9_]*
bool is_word(std::string_view text) {
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto inner = [&](char c) { return lower(c) || (c >= '0' && c <= '9') || c == '_'; };
  return !text.empty() && lower(text.front()) && std::all_of(text.begin(), text.end(), inner);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// A word that may have '-' inside, as file names do.
bool is_plugin_name(std::string_view text) {
  std::string plain(text);
  std::replace(plain.begin(), plain.end(), '-', '_');
  return is_word(plain);
}

// Words joined by points, at least two.
bool is_kind_name(std::string_view text) {
  const auto words = split(text, '.');
  return words.size() >= 2 && std::all_of(words.begin(), words.end(), is_word);
}

// A word; or those of a section and of an option in it, joined by a point.
bool is_option_name(std::string_view text) {
  const auto words = split(text, '.');
  return words.size() <= 2 && std::all_of(words.begin(), words.end(), is_word);
}

void check_versions(const bp_plugin& table, PluginInfo& plugin) {
  const Place place;
  plugin.abi_major = table.abi_major;
  if (table.abi_major != BP_ABI_MAJOR)
    place.refuse("built for ABI " + std::to_string(table.abi_major) + ", this host speaks " +
                 std::to_string(BP_ABI_MAJOR) + "; build it again with this host's SDK");
  check_size(place, "bp_plugin.size", table.size, plugin_1_0);
  plugin.abi_minor = table.abi_minor;
  plugin.zmq_version = std::to_string(table.zmq_major) + "." + std::to_string(table.zmq_minor) + "." +
                       std::to_string(table.zmq_patch);
  int major = 0, minor = 0, patch = 0;
  zmq_version(&major, &minor, &patch);
  if (table.zmq_major != static_cast<std::uint32_t>(major))
    place.refuse("built with libzmq " + plugin.zmq_version + ", this host runs libzmq " +
                 std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch) +
                 "; both must have the same major version");
}

void check_choices(const Place& place, const bp_option& table, OptionInfo& option) {
  if (option.type != BP_CHOICE) {
    if (table.choices != nullptr) place.refuse("choices are given, but the type is not BP_CHOICE");
    return;
  }
  if (table.choices == nullptr) place.refuse("choices is null, expected words separated by '|'");
  option.choices = split(line_of(place, "choices", table.choices), '|');
  std::set<std::string_view> seen;
  for (const auto& choice : option.choices) {
    if (choice.empty()) place.refuse("choices has an empty word: " + in_quotes(table.choices));
    if (!seen.insert(choice).second) place.refuse("choices has " + in_quotes(choice) + " twice");
  }
  if (option.default_text && !seen.contains(*option.default_text))
    place.refuse("default_text " + in_quotes(*option.default_text) + " is not one of the choices " +
                 in_quotes(table.choices));
}

void check_bounds(const Place& place, const OptionInfo& option) {
  if (!std::isfinite(option.minimum) || !std::isfinite(option.maximum))
    place.refuse("minimum and maximum must be finite numbers");
  if (option.minimum > option.maximum)
    place.refuse("minimum " + std::to_string(option.minimum) + " is above maximum " +
                 std::to_string(option.maximum));
}

OptionInfo read_option(const Place& kind, const bp_option& table, std::size_t index) {
  const auto numbered = kind.inside("option " + std::to_string(index + 1));
  OptionInfo option;
  option.name = line_of(numbered, "name", table.name, longest_name);
  if (!is_option_name(option.name))
    numbered.refuse("name is " + in_quotes(option.name) +
                    ", expected a word of a-z, 0-9 and '_', or two joined by a point: \"section.option\"");
  const auto place = kind.inside("option " + in_quotes(option.name));
  if (table.type > BP_COMPONENT_LIST)
    place.refuse("type is " + std::to_string(table.type) + ", expected a bp_option_type from 0 to " +
                 std::to_string(BP_COMPONENT_LIST));
  option.type = static_cast<bp_option_type>(table.type);
  if (table.required > 1) place.refuse("required is " + std::to_string(table.required) + ", expected 0 or 1");
  option.required = table.required != 0;
  if (table.default_text != nullptr) option.default_text = text_of(place, "default_text", table.default_text);
  if (option.required && option.default_text)
    place.refuse("it is required and has a default_text, expected one of the two");
  option.help = text_of(place, "help", table.help);
  check_choices(place, table, option);
  option.minimum = table.minimum;
  option.maximum = table.maximum;
  check_bounds(place, option);
  return option;
}

// The option table of a kind or a client.
template <typename Table>
std::vector<OptionInfo> read_options(const Place& place, const Table& table) {
  std::vector<OptionInfo> options;
  check_count(place, "option_count", table.option_count, most_options, table.options);
  if (table.option_count == 0) return options;
  check_size(place, "option_size", table.option_size, option_1_0);
  if (table.option_size % alignof(bp_option) != 0)
    place.refuse("option_size is " + std::to_string(table.option_size) + ", expected a multiple of " +
                 std::to_string(alignof(bp_option)));
  const auto* next = reinterpret_cast<const char*>(table.options);
  std::set<std::string> names;
  for (std::size_t index = 0; index < table.option_count; ++index, next += table.option_size) {
    auto option = read_option(place, *reinterpret_cast<const bp_option*>(next), index);
    if (!names.insert(option.name).second)
      place.refuse("option " + in_quotes(option.name) + " is there twice");
    options.push_back(std::move(option));
  }
  for (const auto& option : options) {
    const auto section = option.name.substr(0, option.name.find('.'));
    if (section != option.name && names.contains(section))
      place.refuse("option " + in_quotes(option.name) + " stands in the section " + in_quotes(section) +
                   ", which is the name of an option, too");
  }
  return options;
}

ParameterInfo read_parameter(const Place& function, const bp_parameter& table, std::size_t index) {
  const auto place = function.inside("parameter " + std::to_string(index + 1));
  ParameterInfo parameter;
  parameter.name = line_of(place, "name", table.name, longest_name);
  parameter.type = line_of(place, "type", table.type, longest_name);
  if (table.default_json != nullptr) {
    parameter.default_json = text_of(place, "default_json", table.default_json);
    if (!nlohmann::json::accept(*parameter.default_json))
      place.refuse("default_json is not JSON: " + in_quotes(*parameter.default_json));
  }
  return parameter;
}

FunctionInfo read_function(const Place& kind, const bp_function* table) {
  if (table == nullptr) kind.refuse("functions tells a function that is null");
  const auto unnamed = kind.inside("a function");
  check_size(unnamed, "bp_function.size", table->size, function_1_0);
  FunctionInfo function;
  function.name = line_of(unnamed, "name", table->name, longest_name);
  const auto place = kind.inside("function " + in_quotes(function.name));
  if (table->manner > BP_STREAM_MANNER)
    place.refuse("manner is " + std::to_string(table->manner) + ", expected a bp_manner from 0 to " +
                 std::to_string(BP_STREAM_MANNER));
  function.manner = static_cast<bp_manner>(table->manner);
  function.help = text_of(place, "help", table->help);
  function.result = text_of(place, "result", table->result);
  function.group = text_of(place, "group", table->group);
  check_count(place, "parameter_count", table->parameter_count, most_parameters, table->parameters);
  std::set<std::string> names;
  for (std::size_t index = 0; index < table->parameter_count; ++index) {
    auto parameter = read_parameter(place, table->parameters[index], index);
    if (!names.insert(parameter.name).second)
      place.refuse("parameter " + in_quotes(parameter.name) + " is there twice");
    function.parameters.push_back(std::move(parameter));
  }
  if (table->size >= function_with_response_time) function.max_response_time = table->max_response_time;
  if (function.max_response_time < 0)
    place.refuse("max_response_time is " + std::to_string(function.max_response_time) +
                 ", expected nanoseconds, or 0: the wire's own");
  return function;
}

// What `tell` collects. No exception may cross the plugin's code: the first one is kept.
struct Told {
  const Place& place;
  std::vector<FunctionInfo> functions;
  std::set<std::string> names;
  std::exception_ptr failure;

  void add(const bp_function* table) {
    if (functions.size() == most_functions)
      place.refuse("functions tells more than " + std::to_string(most_functions));
    auto function = read_function(place, table);
    if (!names.insert(function.name).second)
      place.refuse("function " + in_quotes(function.name) + " is there twice");
    functions.push_back(std::move(function));
  }

  static void tell(void* context, const bp_function* table) noexcept {
    auto& told = *static_cast<Told*>(context);
    if (told.failure) return;
    try {
      told.add(table);
    } catch (...) {
      told.failure = std::current_exception();
    }
  }
};

std::optional<std::vector<FunctionInfo>> ask_functions(const Place& place, const bp_kind& table) {
  if (table.functions == nullptr) return std::nullopt;
  Told told{place, {}, {}, nullptr};
  const auto answer = table.functions(&Told::tell, &told);
  if (told.failure) std::rethrow_exception(told.failure);
  if (answer == -1) return std::nullopt;
  if (answer != 0) place.refuse("functions returned " + std::to_string(answer) + ", expected 0 or -1");
  return std::move(told.functions);
}

void check_properties(const Place& place, const bp_kind& table, const PluginInfo& plugin) {
  const auto has = [&table](std::uint32_t property) { return (table.properties & property) != 0; };
  const auto unknown = table.properties & ~known_properties;
  if (unknown != 0 && plugin.abi_minor <= BP_ABI_MINOR)
    place.refuse("properties has unknown bits: " + std::to_string(unknown));
  if (has(BP_BYPASS) && (has(BP_INBOUND) || has(BP_OUTBOUND)))
    place.refuse(
        "properties has BP_BYPASS with BP_INBOUND or BP_OUTBOUND; a bypass never touches the router");
  if (table.create == nullptr) place.refuse("create is null, expected a function");
  if (table.destroy == nullptr) place.refuse("destroy is null, expected a function");
  if (table.on_message != nullptr) return;
  if (has(BP_OUTBOUND)) place.refuse("on_message is null, expected a function in an outbound kind");
  if (has(BP_FUNCTIONS))
    place.refuse("on_message is null, expected a function in a kind that publishes functions");
}

KindInfo read_kind(const bp_kind* table, std::size_t index, const PluginInfo& plugin, AskFunctions ask) {
  const Place numbered{"kind " + std::to_string(index + 1) + ": "};
  if (table == nullptr) numbered.refuse("the pointer to it is null");
  check_size(numbered, "bp_kind.size", table->size, kind_1_0);
  KindInfo kind;
  kind.name = line_of(numbered, "name", table->name, longest_name);
  if (!is_kind_name(kind.name))
    numbered.refuse("name is " + in_quotes(kind.name) +
                    ", expected words of a-z, 0-9 and '_' joined by points, like \"plugin.kind\"");
  const Place place{"kind " + in_quotes(kind.name) + ": "};
  kind.says = line_of(place, "says", table->says);
  kind.properties = table->properties;
  kind.plugin = plugin.name;
  kind.table = table;
  check_properties(place, *table, plugin);
  kind.options = read_options(place, *table);
  if (ask == AskFunctions::yes) kind.functions = ask_functions(place, *table);
  return kind;
}

ClientInfo read_client(const bp_client* table, std::size_t index, const PluginInfo& plugin) {
  const Place numbered{"client " + std::to_string(index + 1) + ": "};
  if (table == nullptr) numbered.refuse("the pointer to it is null");
  check_size(numbered, "bp_client.size", table->size, client_1_0);
  ClientInfo client;
  client.scheme = line_of(numbered, "scheme", table->scheme, longest_name);
  if (!is_word(client.scheme))
    numbered.refuse("scheme is " + in_quotes(client.scheme) + ", expected a word of a-z, 0-9 and '_'");
  const Place place{"client " + in_quotes(client.scheme) + ": "};
  client.says = line_of(place, "says", table->says);
  client.options = read_options(place, *table);
  client.plugin = plugin.name;
  client.table = table;
  client.runs_jobs = table->job != nullptr;
  client.tells_functions = table->functions != nullptr;
  if (table->open == nullptr) place.refuse("open is null, expected a function");
  if (table->call == nullptr) place.refuse("call is null, expected a function");
  if (table->close == nullptr) place.refuse("close is null, expected a function");
  return client;
}

void read_kinds(const Place& place, const bp_plugin& table, PluginInfo& plugin, AskFunctions ask) {
  check_count(place, "kind_count", table.kind_count, most_kinds, table.kinds);
  for (std::size_t index = 0; index < table.kind_count; ++index) {
    auto kind = read_kind(table.kinds[index], index, plugin, ask);
    const auto same = [&kind](const KindInfo& other) { return other.name == kind.name; };
    if (std::any_of(plugin.kinds.begin(), plugin.kinds.end(), same))
      place.refuse("kind " + in_quotes(kind.name) + " is there twice");
    plugin.kinds.push_back(std::move(kind));
  }
}

void read_clients(const Place& place, const bp_plugin& table, PluginInfo& plugin) {
  if (table.size < plugin_with_clients) return;  // built before there were clients
  check_count(place, "client_count", table.client_count, most_clients, table.clients);
  for (std::size_t index = 0; index < table.client_count; ++index) {
    auto client = read_client(table.clients[index], index, plugin);
    const auto same = [&client](const ClientInfo& other) { return other.scheme == client.scheme; };
    if (std::any_of(plugin.clients.begin(), plugin.clients.end(), same))
      place.refuse("client " + in_quotes(client.scheme) + " is there twice");
    plugin.clients.push_back(std::move(client));
  }
}

}  // namespace

FunctionInfo read_function(const bp_function* table) { return read_function(Place{}, table); }

void read_table(const bp_plugin& table, PluginInfo& plugin, AskFunctions ask) {
  check_versions(table, plugin);
  const Place place;
  plugin.name = line_of(place, "name", table.name, longest_name);
  if (!is_plugin_name(plugin.name))
    place.refuse("name is " + in_quotes(plugin.name) + ", expected a word of a-z, 0-9, '_' and '-'");
  plugin.version = line_of(place, "version", table.version, longest_name);
  plugin.compiler = line_of(place, "compiler", table.compiler);
  read_kinds(place, table, plugin, ask);
  read_clients(place, table, plugin);
  if (plugin.kinds.empty() && plugin.clients.empty())
    place.refuse("kind_count is 0, expected at least one kind, or a client");
}

}  // namespace backplane::host
