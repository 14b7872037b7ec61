#include "host/manifest/fake_catalog.hpp"

#include <algorithm>

namespace backplane::host {
namespace {

OptionInfo option(std::string name, bp_option_type type, std::optional<std::string> default_text = {},
                  std::string help = "help") {
  OptionInfo info;
  info.name = std::move(name);
  info.type = type;
  info.default_text = std::move(default_text);
  info.help = std::move(help);
  return info;
}

OptionInfo required(OptionInfo info) {
  info.required = true;
  return info;
}

OptionInfo between(OptionInfo info, double minimum, double maximum) {
  info.minimum = minimum;
  info.maximum = maximum;
  return info;
}

OptionInfo choice(std::string name, std::vector<std::string> words, std::string default_text) {
  auto info = option(std::move(name), BP_CHOICE, std::move(default_text));
  info.choices = std::move(words);
  return info;
}

KindInfo kind(std::string name, std::uint32_t properties, std::vector<OptionInfo> options) {
  KindInfo info;
  info.name = std::move(name);
  info.says = "A kind.";
  info.properties = properties;
  info.options = std::move(options);
  info.plugin = "fake";
  return info;
}

std::vector<KindInfo> basic() {
  return {
      kind("file.lines", BP_INBOUND,
           {required(option("path", BP_PATH)), choice("from", {"start", "end"}, "start")}),
      kind("file.writer", BP_OUTBOUND,
           {required(option("path", BP_PATH)), between(option("flush", BP_DURATION, "100ms"), 0, 3.6e12),
            between(option("buffer", BP_SIZE, "64KiB"), 1, 1 << 30)}),
      kind("timer.tick", BP_INBOUND,
           {required(between(option("every", BP_DURATION, {}, "time between two messages"), 1e6, 3.2e18)),
            option("payload", BP_TEXT, "tick {count}"), option("at_once", BP_BOOLEAN, "false"),
            between(option("count", BP_INTEGER, "0"), 0, 1e15)}),
      kind("log.sink", BP_OUTBOUND,
           {choice("level", {"trace", "debug", "info", "warning", "error"}, "info"),
            option("prefix", BP_TEXT, ""), between(option("max_bytes", BP_SIZE, "256"), 1, 65536)}),
      kind("null.sink", BP_OUTBOUND, {}),
      kind("cache.memory", BP_BYPASS | BP_SERVICE,
           {option("bind", BP_ENDPOINT), option("ttl", BP_DURATION, "0s")}),
  };
}

std::vector<OptionInfo> socket_options(std::vector<OptionInfo> more) {
  std::vector<OptionInfo> options = {
      option("bind", BP_ENDPOINT_LIST),
      option("connect", BP_ENDPOINT_LIST),
      option("insecure", BP_BOOLEAN, "false"),
      between(option("linger", BP_DURATION, "10s"), 0, 2147483647e6),
      option("identity", BP_TEXT),
      option("server_secret_key", BP_SECRET),
  };
  options.insert(options.end(), more.begin(), more.end());
  return options;
}

std::vector<KindInfo> zmq() {
  const auto ends = BP_SERVICE | BP_CONNECTION;
  const auto receive_hwm = between(option("receive_hwm", BP_INTEGER, "1000"), 0, 2147483647);
  return {
      kind("zmq.pull", BP_INBOUND | ends, socket_options({receive_hwm})),
      kind("zmq.push", BP_OUTBOUND | ends, socket_options({})),
      kind("zmq.sub", BP_INBOUND | ends, socket_options({receive_hwm, option("topics", BP_TEXT_LIST)})),
      kind("zmq.rep", BP_INBOUND | ends, socket_options({receive_hwm})),
  };
}

std::vector<KindInfo> demo() {
  return {kind("demo.functions", BP_OUTBOUND | BP_FUNCTIONS, {}), kind("demo.upper", BP_OUTBOUND, {})};
}

// Of a plugin that only tests use.
std::vector<KindInfo> lab() {
  return {
      kind("lab.blocking", BP_OUTBOUND | BP_BLOCKING, {}),
      kind("lab.own", BP_OUTBOUND, {option("timeout", BP_SIZE, "1KiB")}),
      kind("lab.broken", BP_OUTBOUND, {option("pause", BP_DURATION, "soon")}),
      kind("lab.secret", BP_OUTBOUND, {option("password", BP_SECRET), option("tries", BP_INTEGER)}),
      kind("lab.silent", 0, {}),
      kind("lab.sections", BP_OUTBOUND,
           {option("name", BP_TEXT), choice("results.store", {"memory", "sqlite"}, "memory"),
            option("results.path", BP_PATH), choice("shutdown.strategy", {"drain", "abort"}, "drain"),
            between(option("shutdown.grace", BP_DURATION, "30s"), 0, 3.6e12),
            option("peers.cache", BP_COMPONENT), option("peers.callees", BP_COMPONENT_LIST)}),
      kind("lab.needy", BP_OUTBOUND,
           {required(option("store.path", BP_PATH)), option("store.size", BP_SIZE, "1MiB"),
            option("timeout.connect", BP_DURATION, "1s")}),
      kind("lab.caller", BP_OUTBOUND, {option("callees", BP_COMPONENT_LIST), option("cache", BP_COMPONENT)}),
  };
}

}  // namespace

FakeCatalog::FakeCatalog()
    : plugins_{{"basic", basic()},
               {"zmq", zmq()},
               {"demo", demo()},
               {"lab", lab()},
               {"./libmine.so", {kind("mine.words", BP_OUTBOUND, {})}}} {}

std::optional<std::string> FakeCatalog::open(const std::string& plugin, const std::filesystem::path& folder) {
  const auto found = plugins_.find(plugin);
  if (found == plugins_.end()) return "not found; looked in /usr/lib/backplane";
  opened.push_back(plugin.find('/') == std::string::npos ? plugin : folder.string() + "|" + plugin);
  for (const auto& info : found->second) known_.insert({info.name, info});
  return std::nullopt;
}

const KindInfo* FakeCatalog::find(std::string_view name) const {
  const auto found = known_.find(name);
  return found == known_.end() ? nullptr : &found->second;
}

std::vector<std::string> FakeCatalog::kind_names() const {
  std::vector<std::string> names;
  for (const auto& [name, info] : known_) names.push_back(name);
  return names;
}

FakeCatalog& FakeCatalog::open_all() {
  for (const auto& [name, kinds] : plugins_) open(name, {});
  return *this;
}

}  // namespace backplane::host
