#include "manifest/keys.hpp"

#include <algorithm>

namespace backplane::host {
namespace {

constexpr double millisecond = 1e6;
constexpr double second = 1e9;
constexpr double hour = 3600 * second;
constexpr double day = 24 * hour;

KeyInfo key(std::string name, bp_option_type type, std::string help) {
  KeyInfo info;
  info.name = std::move(name);
  info.type = type;
  info.help = std::move(help);
  return info;
}

KeyInfo shaped(std::string name, Shape shape, std::string help) {
  auto info = key(std::move(name), BP_TEXT, std::move(help));
  info.shape = shape;
  return info;
}

KeyInfo choice(std::string name, std::vector<std::string> words, std::string help) {
  auto info = key(std::move(name), BP_CHOICE, std::move(help));
  info.choices = std::move(words);
  return info;
}

KeyInfo between(KeyInfo info, double minimum, double maximum) {
  info.minimum = minimum;
  info.maximum = maximum;
  return info;
}

KeyInfo otherwise(KeyInfo info, std::string default_text) {
  info.default_text = std::move(default_text);
  return info;
}

KeyInfo else_says(KeyInfo info, std::string default_help) {
  info.default_help = std::move(default_help);
  return info;
}

KeyInfo needed(KeyInfo info) {
  info.required = true;
  return info;
}

}  // namespace

const std::vector<KeyInfo>& top_keys() {
  static const std::vector<KeyInfo> keys = {
      shaped("host", Shape::section, "settings of the process"),
      key("plugins", BP_TEXT_LIST,
          "plugins to open: a name is searched, a path (with a \"/\") is taken as it is, relative to this "
          "file; "
          "basic is always there"),
      shaped("include", Shape::any,
             "files and templates to read too: FILE, {file, as, with}, or a list of these"),
      shaped("parameters", Shape::any, "makes this file a template: its parameters, by name"),
      shaped("components", Shape::any, "the components, by name"),
      shaped("routes", Shape::sections, "what goes where; for each message the first that matches counts"),
  };
  return keys;
}

const std::vector<KeyInfo>& host_keys() {
  static const std::vector<KeyInfo> keys = {
      otherwise(key("name", BP_TEXT, "name of this host, in its log and towards peers"), "backplane"),
      else_says(between(key("loops", BP_INTEGER, "threads that components without a loop of their own share"),
                        1, 1024),
                "number of cores"),
      otherwise(choice("shutdown.strategy", {"drain", "stop"},
                       "drain: deliver what is held, then stop; stop: do not wait"),
                "drain"),
      otherwise(between(key("shutdown.timeout", BP_DURATION,
                            "the longest a drain may take, unless a component's own rules give it more"),
                        0, day),
                "10s"),
      else_says(key("admin.bind", BP_TEXT,
                    "HOST:PORT or unix:PATH for metrics, health and topology; accepted, not served by this "
                    "version"),
                "off"),
      otherwise(choice("log.level", {"trace", "debug", "info", "warning", "error", "off"},
                       "least severity that is logged"),
                "info"),
      otherwise(choice("log.format", {"text", "json"}, "lines for people or for programs"), "text"),
      else_says(key("log.file", BP_PATH, "file to log to"), "standard error"),
      otherwise(between(key("stall", BP_DURATION, "a callback that takes longer is reported by name"),
                        millisecond, hour),
                "1s"),
      otherwise(between(key("spin", BP_DURATION,
                            "how long a loop without work looks again before it sleeps: less latency, for a "
                            "processor that is busy meanwhile"),
                        0, 10 * millisecond),
                "0s"),
      else_says(key("spill_folder", BP_PATH, "where routes with overflow: spill keep their messages"),
                "the system's temporary folder"),
  };
  return keys;
}

const std::vector<KeyInfo>& component_keys() {
  static const std::vector<KeyInfo> keys = {
      needed(key("kind", BP_TEXT, "what it is: PLUGIN.KIND, see backplane kinds")),
      otherwise(between(key("instances", BP_INTEGER, "how many of it run; routes spread messages over them"),
                        1, 10000),
                "1"),
      else_says(key("loop", BP_TEXT, "name of the loop (thread) it shares with others that name it"),
                "one of the shared pool"),
      otherwise(key("blocking", BP_BOOLEAN, "its callbacks may wait: every instance gets a loop of its own"),
                "false"),
      otherwise(
          between(key("in_flight", BP_INTEGER, "requests of one instance that may wait for their outcome"), 1,
                  1e7),
          "10000"),
      otherwise(between(key("timeout", BP_DURATION,
                            "how long such a request waits when it brings no deadline; 0: for ever"),
                        0, 365 * day),
                "30s"),
  };
  return keys;
}

const std::vector<KeyInfo>& route_keys() {
  static const std::vector<KeyInfo> keys = {
      needed(key("from", BP_TEXT, "component whose messages it takes")),
      needed(key("to", BP_TEXT_LIST, "component that gets them; each one of a list gets every message")),
      key("when.function", BP_TEXT, "pattern of the function's name: * any text, ? one character"),
      key("when.topic", BP_TEXT, "pattern of the first frame"),
      shaped("when.header", Shape::text_map, "patterns of headers, by name; all must match"),
      otherwise(
          shaped(
              "balance", Shape::balance,
              "which instance of the destination: round_robin, least_loaded, or {hash: FIELD} with function, "
              "topic, origin or header:NAME, equal values to the same instance"),
          "round_robin"),
      otherwise(choice("overflow", {"block", "drop_oldest", "drop_newest", "spill", "reject"},
                       "when the destination is full: hold the origin back, drop, keep on disk, or refuse"),
                "block"),
      otherwise(between(key("window", BP_INTEGER, "messages on their way to one instance of the destination"),
                        1, 1e6),
                "1000"),
      otherwise(
          between(key("spill_limit", BP_SIZE, "bytes on disk of overflow: spill"), 1, 1125899906842624.0),
          "1GiB"),
      else_says(key("rate", BP_RATE, "the most that passes"), "no limit"),
      else_says(
          between(key("ttl", BP_DURATION, "time to live: what waits longer expires"), millisecond, 365 * day),
          "for ever"),
      else_says(key("dead_letters", BP_TEXT, "component that gets what expired or was dropped"), "nobody"),
  };
  return keys;
}

const std::vector<KeyInfo>& include_keys() {
  static const std::vector<KeyInfo> keys = {
      needed(
          key("file", BP_TEXT, "looked for beside the including file, then among the installed manifests")),
      else_says(key("as", BP_TEXT, "put with a dot before the names of the components in it"),
                "names stay as they are"),
      shaped("with", Shape::any, "values for the template's parameters, by name"),
  };
  return keys;
}

const std::vector<KeyInfo>& parameter_keys() {
  static const std::vector<KeyInfo> keys = {
      else_says(shaped("default", Shape::any, "value when the including file gives none"),
                "it must be given"),
      key("help", BP_TEXT, "what it is for"),
  };
  return keys;
}

const KeyInfo* find_key(const std::vector<KeyInfo>& keys, std::string_view name) {
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const KeyInfo& info) { return info.name == name; });
  return found == keys.end() ? nullptr : &*found;
}

std::vector<std::string> key_names(const std::vector<KeyInfo>& keys, std::string_view prefix) {
  std::vector<std::string> names;
  for (const auto& info : keys) {
    if (!info.name.starts_with(prefix)) continue;
    auto name = info.name.substr(prefix.size());
    name = name.substr(0, name.find('.'));
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

bool is_valid_name(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto is_part = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= 64 && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(), is_part);
}

}  // namespace backplane::host
