// What ${NAME} in a manifest stands for, and where its includes are.
#pragma once

#include <filesystem>
#include <system_error>

#include "command_line/run.hpp"
#include "manifest/reader.hpp"

namespace backplane::host {

// How a manifest is read: ${NAME} is looked up among the values of --set, then in the environment of this
// process; included files beside the manifest, then among those installed with this program.
inline ReadSettings settings_with(GivenValues values) {
  ReadSettings settings;
  settings.environment = [values = std::move(values),
                          process = settings.environment](const std::string& name) {
    const auto found = values.find(name);
    return found == values.end() ? process(name) : std::optional<std::string>(found->second);
  };
  std::error_code unknown;
  if (const auto program = std::filesystem::read_symlink("/proc/self/exe", unknown); !unknown)
    settings.include_folders.push_back(program.parent_path().parent_path() / "share/backplane/manifests");
  return settings;
}

}  // namespace backplane::host
