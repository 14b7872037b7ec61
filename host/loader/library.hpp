// Maps a plugin file into this process, for good. Boost.DLL is used behind this header alone.
#pragma once

#include <backplane/abi.h>

#include <filesystem>

#include "loader/elf.hpp"

namespace backplane::host {

// Loads `file` with all symbols bound, seen by nobody else, never unloaded, and returns its table, which is
// not checked in any way. Libraries that it looks for beside itself ($ORIGIN) are taken from the folder of
// `original`, of which `file` may be a copy. Runs the plugin's constructors. Throws Refused.
const bp_plugin& load_library(const std::filesystem::path& file, const std::filesystem::path& original,
                              const ElfFacts& facts);

}  // namespace backplane::host
