// `backplane run`: from a manifest to a running host and back.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "manifest/manifest.hpp"

namespace backplane::host {

// Values that `--set NAME=VALUE` gave: they come before the environment's.
using GivenValues = std::map<std::string, std::string>;

struct RunArguments {
  std::filesystem::path manifest;
  std::vector<std::filesystem::path> plugin_path;  // folders searched before the usual ones
  GivenValues values;
  std::optional<LogLevel> log_level;    // instead of the manifest's
  std::optional<LogFormat> log_format;  // likewise
  bool progress = false;                // show how much of its input the host has read
};

// Runs in the foreground until a signal or until all work is done. Returns the exit code; what is wrong is
// on standard error. Main thread.
int run(const RunArguments& arguments);

}  // namespace backplane::host
