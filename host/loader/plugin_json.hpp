// Descriptions of plugins as JSON, to send them from the helper process to the host. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "loader/describe.hpp"

namespace backplane::host {

// All of `description` but PluginInfo::file and the tables of kinds and clients.
std::string to_json(const Description& description);

// Throws std::exception when `json` is nothing that to_json has written.
Description from_json(std::string_view json);

}  // namespace backplane::host
