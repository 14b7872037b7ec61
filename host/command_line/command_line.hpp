// The command line as a function.
#pragma once

#include <string>
#include <vector>

#include "command_line/console.hpp"

namespace backplane::host {

// Parses `arguments` (without the program's name), runs the command and returns the exit code: 0 done,
// 1 failed at run time, 2 usage, manifest or plugin refused. Throws nothing. Main thread.
int command_line(const std::vector<std::string>& arguments, Console& console) noexcept;

}  // namespace backplane::host
