// What each command was asked to do, as plain values: the parser fills them, tests write them by hand.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "command_line/run.hpp"

namespace backplane::host {

using PluginPath = std::vector<std::filesystem::path>;

struct CheckArguments {
  std::vector<std::filesystem::path> manifests;
  PluginPath plugin_path;
  GivenValues values;
  bool json = false;
};

enum class GraphFormat { dot, mermaid };

struct GraphArguments {
  std::filesystem::path manifest;
  PluginPath plugin_path;
  GivenValues values;
  GraphFormat format = GraphFormat::dot;
};

struct PluginsArguments {
  PluginPath plugin_path;
  bool json = false;
};

enum class KindsFormat { text, json, json_schema, markdown };

struct KindsArguments {
  std::string kind;  // empty: all
  PluginPath plugin_path;
  KindsFormat format = KindsFormat::text;
};

struct InspectArguments {
  std::filesystem::path file;
  bool json = false;
};

struct NewPluginArguments {
  std::string name;
  std::filesystem::path folder = ".";  // the new folder is made in this one
};

// How `send` and `listen` reach their peer.
struct WireArguments {
  std::string endpoint;
  std::string socket;                  // "push", "sub", ...
  bool bind = false;                   // instead of connecting
  std::vector<std::string> topics;     // send: the first frame; listen: subscriptions
  std::uint64_t count = 0;             // stop after so many messages; 0: no limit
  std::chrono::nanoseconds timeout{};  // give up when nothing moves for so long; 0: never
  bool json = false;                   // print messages as lists of frames in JSON
};

struct SendArguments {
  WireArguments wire;
  std::vector<std::filesystem::path> files;  // "-": standard input
  bool whole = false;                        // a file is one message, not one message per line
  bool frames = false;                       // a line is a list of frames in JSON
  bool replies = false;                      // wait for as many answers as messages were sent
};

struct ListenArguments {
  WireArguments wire;
  std::uint64_t max_frame = 0;  // bytes; a peer that sends more is disconnected; 0: no limit
  std::string reply;            // what a rep socket answers
};

// How `call` and `job` reach a function.
struct ReachArguments {
  std::string endpoint;  // "palm+tcp://127.0.0.1:5559": the scheme says which plugin's client speaks there
  std::string function;
  PluginPath plugin_path;
  std::chrono::nanoseconds timeout{};                        // of a connection and an answer; 0: none
  std::vector<std::pair<std::string, std::string>> options;  // of the client
};

enum class CallOutput { json, lines, raw };

struct CallArguments {
  ReachArguments reach;
  std::vector<std::string> arguments;  // JSON or text
  std::optional<std::string> named;    // a JSON object
  std::filesystem::path file;          // instead of both: its bytes are the one argument; "-": standard input
  CallOutput output = CallOutput::json;
  bool signal = false;    // wait for no answer
  bool deferred = false;  // a token will do as an answer
  bool list = false;      // tell what can be called instead; with a function: tell of that one
};

struct JobArguments {
  ReachArguments reach;
  std::vector<std::filesystem::path> files;  // "-": standard input; a line is an item
  std::uint32_t window = 1000;               // items that may wait for their results at a time
  bool ordered = false;
  bool json = false;  // lines {"index": 0, "result": ...}
};

struct VersionArguments {
  bool json = false;
};

enum class Shell { bash, zsh, fish };

struct CompletionArguments {
  Shell shell = Shell::bash;
};

using Command = std::variant<RunArguments, CheckArguments, GraphArguments, PluginsArguments, KindsArguments,
                             InspectArguments, NewPluginArguments, SendArguments, ListenArguments,
                             CallArguments, JobArguments, VersionArguments, CompletionArguments>;

}  // namespace backplane::host
