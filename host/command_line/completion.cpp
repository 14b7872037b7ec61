// Scripts for shells, made from the grammar of the command line, so that they cannot disagree with it.
#include <ostream>

#include "command_line/commands.hpp"
#include "command_line/parser.hpp"

namespace backplane::host {

namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string option_names(const CommandShape& command) {
  std::vector<std::string> names;
  for (const auto& option : command.options) names.push_back(option.name);
  return joined(names);
}

std::string command_names(const std::vector<CommandShape>& commands) {
  std::vector<std::string> names;
  for (const auto& command : commands) names.push_back(command.name);
  return joined(names);
}

// `text` inside single quotes of any of the three shells, up to what may not stand there.
std::string safe(const std::string& text, std::string_view forbidden) {
  std::string kept;
  for (const char c : text)
    if (forbidden.find(c) == std::string_view::npos) kept += c;
  return kept;
}

void print_bash(const std::vector<CommandShape>& commands, std::ostream& out) {
  out << "# bash completion of backplane: source <(backplane completion bash)\n"
         "_backplane() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= index\n"
         "  for ((index = 1; index < COMP_CWORD; ++index)); do\n"
         "    case ${COMP_WORDS[index]} in\n"
         "      --plugin-path) ((++index)) ;;\n"
         "      -*) ;;\n"
         "      *) command=${COMP_WORDS[index]}; break ;;\n"
         "    esac\n"
         "  done\n"
         "  COMPREPLY=()\n"
         "  case $command,$before in\n";
  for (const auto& command : commands)
    for (const auto& option : command.options)
      if (!option.choices.empty())
        out << "    " << command.name << "," << option.name << ") COMPREPLY=($(compgen -W '"
            << joined(option.choices) << "' -- \"$word\")); return ;;\n";
  out << "    *,--plugin-path|*,--in) COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n"
         "  esac\n"
         "  case $command in\n"
         "    '') COMPREPLY=($(compgen -W '"
      << command_names(commands) << " --help --version --plugin-path' -- \"$word\")) ;;\n";
  for (const auto& command : commands) {
    out << "    " << command.name << ")\n"
        << "      if [[ $word == -* ]]; then COMPREPLY=($(compgen -W '" << option_names(command)
        << "' -- \"$word\"))\n";
    if (command.words.empty()) {
      out << "      else COMPREPLY=($(compgen -f -- \"$word\")); fi ;;\n";
    } else {
      out << "      else COMPREPLY=($(compgen -W '" << joined(command.words) << "' -- \"$word\")); fi ;;\n";
    }
  }
  out << "  esac\n"
         "}\n"
         "complete -o filenames -o bashdefault -F _backplane backplane\n";
}

void print_zsh(const std::vector<CommandShape>& commands, std::ostream& out) {
  const std::string_view forbidden = "'[]:\\";
  out << "#compdef backplane\n"
         "# zsh completion of backplane: backplane completion zsh > a folder of $fpath, named _backplane\n"
         "_backplane() {\n"
         "  local context state line\n"
         "  _arguments -C '*--plugin-path[A folder to search for plugins first]:folder:_files -/' "
         "'--help[Print the help]' '--version[Print the version]' '1: :->command' '*:: :->arguments'\n"
         "  case $state in\n"
         "    command)\n"
         "      local -a commands=(\n";
  for (const auto& command : commands)
    out << "        '" << command.name << ":" << safe(command.help, forbidden) << "'\n";
  out << "      )\n"
         "      _describe command commands ;;\n"
         "    arguments)\n"
         "      case $line[1] in\n";
  for (const auto& command : commands) {
    out << "        " << command.name << ") _arguments";
    for (const auto& option : command.options) {
      out << " '*" << option.name << "[" << safe(option.help, forbidden) << "]";
      if (option.takes_value)
        out << ":value:" << (option.choices.empty() ? "_files" : "(" + joined(option.choices) + ")");
      out << "'";
    }
    out << " '*: :" << (command.words.empty() ? "_files" : "(" + joined(command.words) + ")") << "' ;;\n";
  }
  out << "      esac ;;\n"
         "  esac\n"
         "}\n"
         "if [[ $funcstack[1] == _backplane ]]; then _backplane \"$@\"; else compdef _backplane backplane; "
         "fi\n";
}

void print_fish(const std::vector<CommandShape>& commands, std::ostream& out) {
  const std::string_view forbidden = "'\\";
  out << "# fish completion of backplane: backplane completion fish > "
         "~/.config/fish/completions/backplane.fish\n";
  for (const auto& command : commands)
    out << "complete -c backplane -n __fish_use_subcommand -f -a " << command.name << " -d '"
        << safe(command.help, forbidden) << "'\n";
  for (const auto& command : commands) {
    const auto begin = "complete -c backplane -n '__fish_seen_subcommand_from " + command.name + "'";
    for (const auto& option : command.options) {
      out << begin << " -l " << option.name.substr(2) << " -d '" << safe(option.help, forbidden) << "'";
      if (option.takes_value) out << " -r";
      if (!option.choices.empty()) out << " -f -a '" << joined(option.choices) << "'";
      out << '\n';
    }
    if (!command.words.empty()) out << begin << " -f -a '" << joined(command.words) << "'\n";
  }
}

}  // namespace

int completion(const CompletionArguments& arguments, Console& console) {
  const auto commands = command_shapes();
  switch (arguments.shell) {
    case Shell::bash:
      print_bash(commands, console.out);
      break;
    case Shell::zsh:
      print_zsh(commands, console.out);
      break;
    case Shell::fish:
      print_fish(commands, console.out);
      break;
  }
  return kDone;
}

}  // namespace backplane::host
