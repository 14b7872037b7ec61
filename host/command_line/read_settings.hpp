// What ${NAME} in a manifest stands for.
#pragma once

#include "command_line/run.hpp"
#include "manifest/reader.hpp"

namespace backplane::host {

// How a manifest is read: ${NAME} is looked up among the values of --set, then in the environment of this
// process.
inline ReadSettings settings_with(GivenValues values) {
  ReadSettings settings;
  settings.environment = [values = std::move(values),
                          process = settings.environment](const std::string& name) {
    const auto found = values.find(name);
    return found == values.end() ? process(name) : std::optional<std::string>(found->second);
  };
  return settings;
}

}  // namespace backplane::host
