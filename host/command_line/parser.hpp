// Arguments as texts -> arguments as values.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "command_line/arguments.hpp"

namespace backplane::host {

// Help (exit code 0), or why the arguments are no command (exit code 2).
struct Answer {
  int exit_code;
  std::string text;
};

// `arguments` without the program's name.
std::variant<Command, Answer> parse(const std::vector<std::string>& arguments);

// What a shell can complete.
struct OptionShape {
  std::string name;  // "--json"
  std::string help;
  bool takes_value = false;
  std::vector<std::string> choices;  // of the value
};
struct CommandShape {
  std::string name;  // "check"
  std::string help;
  std::vector<OptionShape> options;
  std::vector<std::string> words;  // that may follow: "plugin" after "new", "bash" after "completion"
};
// All commands, with the options that work everywhere included in each.
std::vector<CommandShape> command_shapes();

}  // namespace backplane::host
