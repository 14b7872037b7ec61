// The reference of kinds in Markdown (docs/kinds.md). Pure functions, any thread.
#pragma once

#include <string>
#include <vector>

#include "loader/kind_info.hpp"

namespace backplane::host {

// A page with all kinds of `plugins`, by plugin and name.
std::string kinds_page(const std::vector<const PluginInfo*>& plugins);
// The section of one kind.
std::string kind_section(const KindInfo& kind);

}  // namespace backplane::host
