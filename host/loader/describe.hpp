// Describes a plugin file in a helper process, so that a plugin that crashes, hangs or exits while loading
// takes the helper with it and nobody else.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "loader/kind_info.hpp"

namespace backplane::host {

// How long a plugin may take to load and to tell what it offers.
inline constexpr std::chrono::milliseconds loading_limit{5000};

// Option tables may be left out by who reads them in its own process later: large ones take milliseconds.
enum class OptionTables { include, leave_out };

struct Description {
  std::string reason;                // why the file is refused, without its name; empty: it can be loaded
  std::optional<PluginInfo> plugin;  // complete when `reason` is empty; otherwise as far as it could be read
  std::vector<std::string> missing_symbols;    // nobody offers them, when that is why it cannot be loaded
  std::vector<std::string> missing_libraries;  // likewise
};

// Loads `file` in a child process and returns what its table says; `PluginInfo::file` and `$ORIGIN` are
// those of `original`, of which `file` may be a copy. The child has no input and no output, at most 4 GiB
// more memory than this process, leaves no core dump, and is killed, with all it started, after `limit`.
// Whatever it does becomes a reason. Tables of kinds and clients (`KindInfo::table`) are null.
// REQUIRES: this process has one thread; what another one holds locked would stay locked in the child.
Description describe_in_helper(const std::filesystem::path& file, const std::filesystem::path& original,
                               std::chrono::milliseconds limit = loading_limit,
                               OptionTables options = OptionTables::include);

}  // namespace backplane::host
