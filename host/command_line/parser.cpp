// The grammar of the command line. CLI11 is included here and nowhere else.
#include "command_line/parser.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <string_view>

#include "command_line/console.hpp"
#include "command_line/wire.hpp"
#include "manifest/suggest.hpp"
#include "manifest/units.hpp"

namespace backplane::host {

namespace {

template <typename Value>
Value chosen(const std::vector<std::pair<std::string, Value>>& names, const std::string& name) {
  return std::find_if(names.begin(), names.end(), [&](const auto& entry) { return entry.first == name; })
      ->second;
}

template <typename Value>
std::vector<std::string> words_of(const std::vector<std::pair<std::string, Value>>& names) {
  std::vector<std::string> words;
  for (const auto& [name, value] : names) words.push_back(name);
  return words;
}

const std::vector<std::pair<std::string, LogLevel>> level_names{
    {"trace", LogLevel::trace},     {"debug", LogLevel::debug}, {"info", LogLevel::info},
    {"warning", LogLevel::warning}, {"error", LogLevel::error}, {"off", LogLevel::off}};
const std::vector<std::pair<std::string, LogFormat>> log_format_names{{"text", LogFormat::text},
                                                                      {"json", LogFormat::json}};
const std::vector<std::pair<std::string, GraphFormat>> graph_format_names{{"dot", GraphFormat::dot},
                                                                          {"mermaid", GraphFormat::mermaid}};
const std::vector<std::pair<std::string, Shell>> shell_names{
    {"bash", Shell::bash}, {"zsh", Shell::zsh}, {"fish", Shell::fish}};

// The commands and options, and where CLI11 puts what it finds.
class Grammar {
 public:
  Grammar() {
    app_.require_subcommand(0, 1);
    app_.get_formatter()->label("SUBCOMMAND", "COMMAND");
    app_.get_formatter()->label("Subcommands", "Commands");
    app_.fallthrough();  // so that --plugin-path may follow the command, too
    repeatable(
        app_.add_option("--plugin-path", plugin_path_, "A folder to search for plugins first (repeatable)"),
        "DIR");
    app_.add_flag("--version", version_flag_, "Print the version and exit");
    app_.footer(
        "Exit codes: 0 done; 1 failed at run time; 2 usage, manifest or plugin refused.\n"
        "Environment: BACKPLANE_PLUGIN_PATH, folders searched for plugins, separated by ':';\n"
        "             NO_COLOR, no colours.\n\n"
        "Examples:\n"
        "  backplane check manifests/quickstart.yaml\n"
        "  backplane run manifests/quickstart.yaml\n"
        "  backplane kinds zmq.pull\n"
        "  backplane COMMAND --help");
    add_run();
    add_check();
    add_graph();
    add_plugins();
    add_kinds();
    add_inspect();
    add_new();
    add_send();
    add_listen();
    add_call();
    add_job();
    add_version();
    add_completion();
  }

  std::variant<Command, Answer> parse(std::vector<std::string> arguments) {
    if (std::find(arguments.begin(), arguments.end(), "call") != arguments.end())
      std::for_each(arguments.begin(), arguments.end(), hide_brackets);
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    try {
      app_.parse(arguments);
      if (version_flag_) return Command(VersionArguments{});
      if (command_) return command_();
      return Answer{kRefused, help()};
    } catch (const CLI::CallForHelp&) {
      return Answer{kDone, help()};
    } catch (const CLI::ParseError& error) {
      return Answer{kRefused, explain(error.what())};
    } catch (const UsageError& error) {
      return Answer{kRefused, explain(error.what())};
    }
  }

  std::vector<CommandShape> shapes() {
    std::vector<CommandShape> all;
    for (const auto* command : app_.get_subcommands({})) {
      CommandShape shape{command->get_name(), command->get_description(), {}, {}};
      for (const auto* inner : command->get_subcommands({})) {
        shape.words.push_back(inner->get_name());
        add_options(shape, *inner);
      }
      add_options(shape, *command);
      add_options(shape, app_);
      all.push_back(std::move(shape));
    }
    return all;
  }

 private:
  // ---- the commands ----

  void add_run() {
    auto* command = add("run", "Run a manifest in the foreground until a signal",
                        "SIGTERM or SIGINT drains and stops; a second one stops at once; SIGHUP reloads.\n\n"
                        "Examples:\n"
                        "  backplane run manifests/quickstart.yaml\n"
                        "  backplane run jobs.yaml --set PORT=5555 --log-level debug",
                        [this] {
                          run_.plugin_path = plugin_path_;
                          run_.values = given_values();
                          if (!log_level_.empty()) run_.log_level = chosen(level_names, log_level_);
                          if (!log_format_.empty()) run_.log_format = chosen(log_format_names, log_format_);
                          return run_;
                        });
    command->add_option("MANIFEST", run_.manifest, "The manifest, a YAML file")->required();
    add_values(*command);
    choice(*command, "--log-level", log_level_, words_of(level_names),
           "How much is logged, instead of host.log.level");
    choice(*command, "--log-format", log_format_, words_of(log_format_names),
           "How log lines look, instead of host.log.format");
    command->add_flag("--progress", run_.progress, "Show a progress bar with the rate on a terminal");
  }

  void add_check() {
    auto* command = add("check", "Tell every mistake of manifests; starts nothing",
                        "Examples:\n"
                        "  backplane check manifests/*.yaml\n"
                        "  backplane check jobs.yaml --set PORT=5555 --json",
                        [this] {
                          check_.plugin_path = plugin_path_;
                          check_.values = given_values();
                          return check_;
                        });
    command->add_option("MANIFEST", check_.manifests, "The manifests, YAML files")->required();
    add_values(*command);
    add_json(*command, check_.json);
  }

  void add_graph() {
    auto* command = add("graph", "Draw the topology of a manifest",
                        "Examples:\n"
                        "  backplane graph jobs.yaml | dot -Tsvg > jobs.svg\n"
                        "  backplane graph jobs.yaml --format mermaid",
                        [this] {
                          graph_.plugin_path = plugin_path_;
                          graph_.values = given_values();
                          if (!graph_format_.empty())
                            graph_.format = chosen(graph_format_names, graph_format_);
                          return graph_;
                        });
    command->add_option("MANIFEST", graph_.manifest, "The manifest, a YAML file")->required();
    choice(*command, "--format", graph_format_, words_of(graph_format_names),
           "Graphviz DOT (default) or Mermaid");
    add_values(*command);
  }

  void add_plugins() {
    auto* command = add("plugins", "List the installed plugins, also those that cannot be loaded",
                        "Examples:\n"
                        "  backplane plugins\n"
                        "  backplane plugins --plugin-path build/release/plugins --json",
                        [this] {
                          plugins_.plugin_path = plugin_path_;
                          return plugins_;
                        });
    add_json(*command, plugins_.json);
  }

  void add_kinds() {
    auto* command = add("kinds", "List the kinds of component, or tell all about one",
                        "Examples:\n"
                        "  backplane kinds\n"
                        "  backplane kinds zmq.pull\n"
                        "  backplane kinds --json-schema > backplane.schema.json   # for editors",
                        [this] {
                          kinds_.plugin_path = plugin_path_;
                          if (json_) kinds_.format = KindsFormat::json;
                          if (json_schema_) kinds_.format = KindsFormat::json_schema;
                          if (markdown_) kinds_.format = KindsFormat::markdown;
                          return kinds_;
                        });
    command->add_option("KIND", kinds_.kind, "A kind such as zmq.pull; without one, all are listed");
    auto* json = add_json(*command, json_);
    auto* schema = command->add_flag("--json-schema", json_schema_,
                                     "Print the JSON Schema of a manifest, or of one kind");
    auto* markdown = command->add_flag("--markdown", markdown_, "Print the reference page");
    json->excludes(schema)->excludes(markdown);
    schema->excludes(markdown);
  }

  void add_inspect() {
    auto* command = add("inspect", "Tell what a plugin file contains, or why it cannot be loaded",
                        "Examples:\n"
                        "  backplane inspect build/mine.so\n"
                        "  backplane inspect build/mine.so --json",
                        [this] { return inspect_; });
    command->add_option("FILE", inspect_.file, "The plugin file")->required();
    add_json(*command, inspect_.json);
  }

  void add_new() {
    auto* command = app_.add_subcommand("new", "Begin something new: plugin");
    command->require_subcommand(0, 1);
    command->footer("Examples:\n  backplane new plugin words");
    command->callback([this, command] {
      if (command->get_subcommands().empty()) throw UsageError("new: what? Known: plugin");
    });
    auto* inner =
        add_to(*command, "plugin", "Write a plugin that builds, its test and a manifest into a new folder",
               "Examples:\n"
               "  backplane new plugin words\n"
               "  cd words && cmake -B build -G Ninja && cmake --build build && ctest --test-dir build",
               [this] { return new_plugin_; });
    inner->add_option("NAME", new_plugin_.name, "Its name: small letters, digits and '_', a letter first")
        ->required();
    inner->add_option("--in", new_plugin_.folder, "Where the new folder is made (default: here)")
        ->type_name("DIR");
  }

  void add_send() {
    auto* command = add(
        "send", "Send raw messages to a ZeroMQ endpoint",
        "A req socket, or any with --replies, prints the answers as `backplane listen` prints messages. A "
        "pub\n"
        "socket begins when the first subscriber is there.\n\n"
        "With --frames a line is a list of frames: text, {\"hex\": \"00ff\"} or {\"base64\": \"AP8=\"}.\n\n"
        "Examples:\n"
        "  backplane send tcp://127.0.0.1:5555 words.txt\n"
        "  echo '[\"topic\", {\"hex\": \"00ff\"}]' | backplane send tcp://127.0.0.1:5555 --frames\n"
        "  echo ping | backplane send tcp://127.0.0.1:5555 --socket req",
        [this] {
          send_.wire.timeout = *parse_duration(send_timeout_).value;
          if (send_.files.empty()) send_.files.emplace_back("-");
          if (send_.wire.topics.size() > 1) throw UsageError("--topic: a message has one topic");
          return send_;
        });
    send_.wire.socket = "push";
    add_wire(*command, send_.wire, send_socket_names(), send_timeout_);
    command->add_option("FILE", send_.files, "Files to send; - or none is standard input");
    repeatable(command->add_option("--topic", send_.wire.topics, "A first frame for every message"), "TEXT");
    auto* whole = command->add_flag("--whole", send_.whole, "One message per file instead of one per line");
    command->add_flag("--frames", send_.frames, "Lines are messages in JSON, each a list of frames")
        ->excludes(whole);
    command->add_flag("--replies", send_.replies, "Wait for as many answers as messages were sent");
    command->add_flag("--json", send_.wire.json, "Print answers in JSON, each a list of frames");
  }

  void add_listen() {
    auto* command =
        add("listen", "Print raw messages that arrive at a ZeroMQ endpoint",
            "A message is a line, its frames separated by tabs; with --frames a list of frames in JSON, as\n"
            "`backplane send --frames` reads it. SIGINT and SIGTERM end it.\n\n"
            "Examples:\n"
            "  backplane listen tcp://127.0.0.1:5556 --count 10\n"
            "  backplane listen tcp://127.0.0.1:5556 --socket sub --topic weather. --frames\n"
            "  backplane listen 'tcp://127.0.0.1:*' --bind",
            [this] {
              listen_.wire.timeout = *parse_duration(listen_timeout_).value;
              listen_.max_frame = static_cast<std::uint64_t>(*parse_size(max_frame_).value);
              return listen_;
            });
    listen_.wire.socket = "pull";
    add_wire(*command, listen_.wire, listen_socket_names(), listen_timeout_);
    repeatable(
        command->add_option("--topic", listen_.wire.topics,
                            "What a sub socket subscribes to, the beginning of a message (repeatable)"),
        "TEXT");
    command->add_flag("--frames,--json", listen_.wire.json, "Print messages in JSON, each a list of frames");
    command->add_option("--reply", listen_.reply, "What a rep socket answers (default: an empty frame)")
        ->type_name("TEXT");
    command
        ->add_option("--max-frame", max_frame_,
                     "A peer that sends a larger frame is disconnected (default: 1GiB; 0B: no limit)")
        ->type_name("SIZE")
        ->check([](const std::string& text) { return parse_size(text).error; });
  }

  void add_call() {
    auto* command = add(
        "call", "Call a function of a server and print its result as JSON",
        "The scheme in front of the endpoint names the protocol; `backplane plugins` lists the schemes that\n"
        "can be called. One argument that is a JSON list holds all arguments; otherwise each is one "
        "argument,\n"
        "JSON or, when it is none, text. Bytes are {\"$bin\": \"BASE64\"}, there and in results. Several\n"
        "results are a list. An error is told on standard error, and the result is then\n"
        "{\"error\": {\"name\": TYPE, \"message\": TEXT}} (with --lines and --raw: nothing); the exit code "
        "is 1.\nA SPAN is a duration such as 250ms, or a number of seconds.\n\n"
        "Examples:\n"
        "  backplane call palm+tcp://127.0.0.1:5559 server.function 'a text'\n"
        "  backplane call palm+tcp://127.0.0.1:5559 get key\n"
        "  backplane call palm+tcp://127.0.0.1:5559 server.shrink --file photo.jpg --raw > small.jpg\n"
        "  backplane call palm+tcp://127.0.0.1:5559 server.split 'a b' --option messages=2",
        [this] {
          call_.reach = reached_server();
          std::for_each(call_.arguments.begin(), call_.arguments.end(), show_brackets);
          show_brackets(named_);
          if (call_.reach.function.empty() && !call_.list) throw UsageError("call: which FUNCTION?");
          if (!named_.empty()) call_.named = named_;
          if (!heartbeat_.empty())
            call_.reach.options.emplace_back("heartbeat", duration_text(*parse_span(heartbeat_).value));
          if (!pattern_.empty()) call_.reach.options.emplace_back("pattern", pattern_);
          if (raw_) call_.output = CallOutput::raw;
          if (lines_ || (call_.list && !json_)) call_.output = CallOutput::lines;
          return call_;
        });
    add_reach(*command, false);
    auto* arguments = command->add_option("ARGUMENT", call_.arguments, "Arguments, JSON or text");
    auto* named =
        command->add_option("--kwargs", named_, "Named arguments, a JSON object")->type_name("JSON");
    command->add_option("--file", call_.file, "The bytes of a file are the argument; - is standard input")
        ->type_name("FILE")
        ->excludes(named)
        ->excludes(arguments);
    auto* raw = command->add_flag("--raw", raw_, "Print texts and bytes as they are");
    auto* lines =
        command->add_flag("--lines", lines_, "Print every result as it comes, one line of JSON each");
    add_json(*command, json_)->excludes(raw)->excludes(lines);
    raw->excludes(lines);
    auto* signal = command->add_flag("--signal", call_.signal, "Wait for no answer");
    command->add_flag("--async", call_.deferred, "Take a token as the answer when the result takes a while")
        ->excludes(signal);
    add_span(*command, "--heartbeat", heartbeat_,
             "How often each side shows that it lives, short for --option heartbeat=...; 0 or none: never");
    choice(*command, "--pattern", pattern_, {"call", "push", "publish"},
           "How the call is sent, short for --option pattern=...");
    command->add_flag("--list,--describe", call_.list,
                      "List the functions, or tell about FUNCTION, instead of calling");
  }

  void add_job() {
    auto* command = add(
        "job", "Call a function for every line and print the results as they come",
        "A result is a line. An item that fails is told on standard error, and the exit code is 1 at the\n"
        "end. SIGINT and SIGTERM end it. A SPAN is a duration such as 250ms, or a number of seconds.\n\n"
        "Examples:\n"
        "  backplane job palm+tcp://127.0.0.1:5559 server.function words.txt\n"
        "  find . | backplane job palm+tcp://127.0.0.1:5559 server.index --ordered --json\n"
        "  backplane job palm+tcp://127.0.0.1:5559 server.split words.txt --messages 2",
        [this] {
          job_.reach = reached_server();
          if (!messages_.empty()) job_.reach.options.emplace_back("messages", messages_);
          if (job_.files.empty()) job_.files.emplace_back("-");
          return job_;
        });
    add_reach(*command, true);
    command->add_option("FILE", job_.files, "Files whose lines are the items; - or none is standard input");
    command->add_flag("--ordered", job_.ordered, "Print results in the order of the lines");
    command->add_option("--window", job_.window, "How many items may wait for their results (default: 1000)")
        ->type_name("N")
        ->check(CLI::Range(1u, 1'000'000u));
    command
        ->add_option("--messages", messages_, "How many results an item has, short for --option messages=N")
        ->type_name("N");
    command->add_flag("--json", job_.json, "Print lines {\"index\": N, \"result\": ...}, N counted from 0");
  }

  void add_version() {
    auto* command = add("version", "Print the version, the plugin ABI, libzmq and the compiler",
                        "Examples:\n  backplane version --json", [this] { return version_; });
    add_json(*command, version_.json);
  }

  void add_completion() {
    auto* command = add("completion", "Print a script that completes commands and options in a shell",
                        "Examples:\n"
                        "  source <(backplane completion bash)\n"
                        "  backplane completion zsh > ~/.zfunc/_backplane\n"
                        "  backplane completion fish > ~/.config/fish/completions/backplane.fish",
                        [this] {
                          completion_.shell = chosen(shell_names, shell_);
                          return completion_;
                        });
    choice(*command, "SHELL", shell_, words_of(shell_names), "The shell")->required();
  }

  // ---- what they are made of ----

  CLI::App* add(const char* name, const char* says, const char* footer, std::function<Command()> finish) {
    return add_to(app_, name, says, footer, std::move(finish));
  }
  CLI::App* add_to(CLI::App& parent, const char* name, const char* says, const char* footer,
                   std::function<Command()> finish) {
    auto* command = parent.add_subcommand(name, says);
    command->footer(footer);
    command->callback([this, finish = std::move(finish)] { command_ = finish; });
    return command;
  }

  // CLI11 takes a text in brackets for several arguments and splits it at its commas. A zero byte behind it,
  // which no argument of a program has, hides the brackets.
  static void hide_brackets(std::string& argument) {
    if (argument.starts_with('[') && argument.ends_with(']')) argument += '\0';
  }
  static void show_brackets(std::string& argument) {
    if (argument.ends_with('\0')) argument.pop_back();
  }

  static void repeatable(CLI::Option* option, const char* type_name) {
    option->allow_extra_args(false)->type_name(type_name);  // one value per use, so that arguments may follow
  }

  CLI::Option* choice(CLI::App& command, const char* name, std::string& value,
                      const std::vector<std::string>& words, const char* help) {
    choices_[command.get_name() + name] = words;
    std::string listed;
    for (const auto& word : words) listed += (listed.empty() ? "" : "|") + word;
    return command.add_option(name, value, help)
        ->type_name(listed)
        ->check([words, listed](const std::string& given) {
          if (std::find(words.begin(), words.end(), given) != words.end()) return std::string();
          const auto near = nearest_name(given, words);
          return '"' + given + "\" is none of " + listed + (near ? "; did you mean \"" + *near + "\"?" : "");
        });
  }

  CLI::Option* add_json(CLI::App& command, bool& flag) {
    return command.add_flag("--json", flag, "Print one JSON document");
  }

  void add_values(CLI::App& command) {
    repeatable(command.add_option("--set", values_, "A value for ${NAME} in the manifest (repeatable)"),
               "NAME=VALUE");
  }

  GivenValues given_values() const {
    GivenValues given;
    for (const auto& text : values_) {
      const auto equals = text.find('=');
      if (equals == std::string::npos || equals == 0)
        throw UsageError("--set: \"" + text + "\" is not NAME=VALUE");
      given[text.substr(0, equals)] = text.substr(equals + 1);
    }
    return given;
  }

  void add_wire(CLI::App& command, WireArguments& wire, const std::vector<std::string>& sockets,
                std::string& timeout) {
    command.add_option("ENDPOINT", wire.endpoint, "tcp://ADDRESS:PORT or ipc://FILE")->required();
    choice(command, "--socket", wire.socket, sockets,
           ("The type of socket (default: " + wire.socket + ")").c_str());
    command.add_flag("--bind", wire.bind, "Bind the endpoint instead of connecting to it");
    command.add_option("--count", wire.count, "Stop after so many messages")->type_name("N");
    command
        .add_option("--timeout", timeout,
                    "Give up when nothing moves for so long (default: " + timeout + "; 0s: never)")
        ->type_name("DURATION")
        ->check([](const std::string& text) { return parse_duration(text).error; });
  }

  void add_reach(CLI::App& command, bool function_required) {
    command.add_option("ENDPOINT", reach_.endpoint, "SCHEME+ENDPOINT, such as palm+tcp://127.0.0.1:5559")
        ->required();
    command.add_option("FUNCTION", reach_.function, "The function, as its protocol names it")
        ->required(function_required);
    add_span(command, "--timeout", reach_timeout_,
             "How long a connection or an answer may take (default: " + reach_timeout_ + "; 0: for ever)");
    repeatable(
        command.add_option("--option", reach_options_, "An option of the protocol's client (repeatable)"),
        "NAME=VALUE");
  }

  // A time, where a plain number counts seconds.
  static void add_span(CLI::App& command, const char* name, std::string& value, const std::string& help) {
    command.add_option(name, value, help)->type_name("SPAN")->check([](const std::string& text) {
      return parse_span(text).error;
    });
  }

  ReachArguments reached_server() {
    reach_.plugin_path = plugin_path_;
    reach_.timeout = *parse_span(reach_timeout_).value;
    for (const auto& text : reach_options_) {
      const auto equals = text.find('=');
      if (equals == std::string::npos || equals == 0)
        throw UsageError("--option: \"" + text + "\" is not NAME=VALUE");
      reach_.options.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    return reach_;
  }

  // Of the command that was reached.
  std::string help() const {
    auto text = app_.help();
    if (!text.ends_with('\n')) text += '\n';
    return text;
  }

  // ---- saying what is wrong ----

  // The command that the arguments got to: the innermost one that was recognised.
  const CLI::App& reached() const {
    const CLI::App* at = &app_;
    while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
    return *at;
  }

  std::string explain(const std::string& what) const {
    const auto& at = reached();
    std::string name = at.get_display_name();
    for (const auto* parent = at.get_parent(); parent != nullptr; parent = parent->get_parent())
      name = parent->get_display_name() + " " + name;
    return "backplane: " + unknown_word(at).value_or(what) + "\nSee `" + name + " --help`.\n";
  }

  // The first argument that nothing takes, with what may have been meant.
  std::optional<std::string> unknown_word(const CLI::App& at) const {
    const auto left = app_.remaining(true);
    if (left.empty()) return std::nullopt;
    const auto& word = left.front();
    std::vector<std::string> known;
    const bool is_option = word.size() > 1 && word[0] == '-';
    const auto inner = at.get_subcommands(no_filter());
    if (is_option) {
      for (const auto* option : at.get_options()) add_names(known, *option);
      for (const auto* option : app_.get_options()) add_names(known, *option);
    } else {
      for (const auto* command : inner) known.push_back(command->get_name());
    }
    const auto given = word.substr(0, is_option ? word.find('=') : std::string::npos);
    const auto near = nearest_name(given, known);
    const std::string what = is_option       ? "unknown option"
                             : inner.empty() ? "unexpected argument"
                                             : "unknown command";
    return what + " \"" + given + '"' + (near ? "; did you mean \"" + *near + "\"?" : "");
  }

  static std::function<bool(const CLI::App*)> no_filter() {
    return [](const CLI::App*) { return true; };
  }
  static void add_names(std::vector<std::string>& names, const CLI::Option& option) {
    for (const auto& name : option.get_lnames()) names.push_back("--" + name);
  }

  void add_options(CommandShape& shape, const CLI::App& command) const {
    for (const auto* option : command.get_options()) {
      const bool is_word = option->get_lnames().empty();
      const auto found = choices_.find(command.get_name() + option->get_name());
      const auto choices = found == choices_.end() ? std::vector<std::string>() : found->second;
      if (is_word) {
        shape.words.insert(shape.words.end(), choices.begin(), choices.end());
        continue;
      }
      for (const auto& name : option->get_lnames()) {
        if (name == "version") continue;
        shape.options.push_back(
            {"--" + name, option->get_description(), option->get_items_expected_max() > 0, choices});
      }
    }
  }

  CLI::App app_{"Backplane, a plugin-based micro-service host.", "backplane"};
  std::function<Command()> command_;  // makes the arguments of the command that was named
  std::map<std::string, std::vector<std::string>> choices_;

  PluginPath plugin_path_;
  bool version_flag_ = false;
  std::vector<std::string> values_;
  std::string log_level_, log_format_, graph_format_, shell_;
  std::string send_timeout_ = "10s";
  std::string listen_timeout_ = "0s";
  std::string max_frame_ = "1GiB";
  std::string reach_timeout_ = "10s";
  std::vector<std::string> reach_options_;
  std::string named_, messages_, heartbeat_, pattern_;
  bool raw_ = false;
  bool lines_ = false;
  bool json_ = false;
  bool json_schema_ = false;
  bool markdown_ = false;

  RunArguments run_;
  CheckArguments check_;
  GraphArguments graph_;
  PluginsArguments plugins_;
  KindsArguments kinds_;
  InspectArguments inspect_;
  NewPluginArguments new_plugin_;
  SendArguments send_;
  ListenArguments listen_;
  ReachArguments reach_;
  CallArguments call_;
  JobArguments job_;
  VersionArguments version_;
  CompletionArguments completion_;
};

}  // namespace

std::variant<Command, Answer> parse(const std::vector<std::string>& arguments) {
  return Grammar().parse(arguments);
}

std::vector<CommandShape> command_shapes() { return Grammar().shapes(); }

}  // namespace backplane::host
