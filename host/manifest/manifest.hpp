// A checked manifest: plain values, complete with defaults, every name resolved. What is in here can be
// started; mistakes were reported before it was made.
#pragma once

#include <backplane/abi.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace backplane::host {

using Nanoseconds = std::chrono::nanoseconds;

// A place in a file, lines and columns from 1.
struct Position {
  std::string file;
  int line = 0;
  int column = 0;
};

// A checked, converted value of an option.
struct OptionSetting {
  bp_option_type type = BP_TEXT;
  bool given = false;  // by the manifest; otherwise the default
  std::string text;    // as written, environment values filled in
  std::int64_t integer = 0;
  double number = 0;
  std::vector<std::string> list;
};

enum class ShutdownStrategy { drain, stop };  // stop: do not wait for what is held
enum class LogLevel { trace, debug, info, warning, error, off };
enum class LogFormat { text, json };
enum class Balance { round_robin, least_loaded, hash };
enum class Overflow { block, drop_oldest, drop_newest, spill, reject };

struct HostSettings {
  std::string name = "backplane";
  unsigned loops = 0;  // 0: one per core
  ShutdownStrategy shutdown_strategy = ShutdownStrategy::drain;
  Nanoseconds shutdown_timeout = std::chrono::seconds(10);
  std::string admin_bind;  // empty: off
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::text;
  std::string log_file;                         // empty: standard error
  Nanoseconds stall = std::chrono::seconds(1);  // a callback that takes longer is reported
  Nanoseconds spin{0};                          // how long a loop without work looks again before it sleeps
  std::string spill_folder;                     // of overflow: spill; empty: the system's temporary folder
};

struct PluginReference {
  std::string name;  // or a path, which has a '/'
  Position position;
};

struct ComponentSettings {
  std::string name;
  std::string kind;
  std::map<std::string, OptionSetting, std::less<>> options;  // the kind's options, defaults included
  unsigned instances = 1;
  std::string loop;                                // name of the loop it shares; empty: the host chooses
  bool blocking = false;                           // by kind or by manifest
  std::uint32_t in_flight = 10000;                 // requests of one instance that may wait for their outcome
  Nanoseconds timeout = std::chrono::seconds(30);  // of such a request, when it brings no deadline; 0: none
  Position position;
};

// Conditions of a route; all given ones must hold. Patterns: '*' any run of characters, '?' one.
struct When {
  std::optional<std::string> function;
  std::optional<std::string> topic;                          // the first frame
  std::vector<std::pair<std::string, std::string>> headers;  // name, pattern
};

struct RouteSettings {
  std::string from;
  std::vector<std::string> to;  // several: each gets every message
  std::optional<When> when;
  Balance balance = Balance::round_robin;
  std::string hash_field;  // "function", "topic", "origin", or "header:NAME"
  Overflow overflow = Overflow::block;
  std::uint32_t window = 1000;                         // messages on their way to one destination instance
  std::uint64_t spill_limit = std::uint64_t{1} << 30;  // bytes on disk of overflow: spill
  std::optional<double> rate;                          // messages per second
  std::optional<Nanoseconds> ttl;                      // time to live
  std::string dead_letters;  // component that gets what expired or was dropped; empty: nobody
  Position position;
};

struct Manifest {
  std::string file;
  HostSettings host;
  std::vector<PluginReference> plugins;
  std::vector<ComponentSettings> components;  // in file order
  std::vector<RouteSettings> routes;          // in file order: the first match wins
};

}  // namespace backplane::host
