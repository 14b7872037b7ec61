// Checks a manifest while a host runs.
#pragma once

#include <optional>
#include <string>

#include "command_line/run.hpp"

namespace backplane::host {

// Runs `backplane check` of this program on the manifest of `arguments`, in a process of its own: plugins
// that the manifest names are not loaded here, and a crashing one does no harm. Returns what it says of
// mistakes, one per line; nothing when there are none. Waits for its end. Any thread.
std::optional<std::string> check_in_child(const RunArguments& arguments);

}  // namespace backplane::host
