#include "command_line/command_line.hpp"

int main(int argument_count, char** arguments) {
  auto console = backplane::host::standard_console();
  return backplane::host::command_line({arguments + 1, arguments + argument_count}, console);
}
