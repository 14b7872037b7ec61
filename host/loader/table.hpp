// Checks the table of a plugin field by field and copies it out. Any thread.
#pragma once

#include <backplane/abi.h>

#include "loader/kind_info.hpp"

namespace backplane::host {

enum class AskFunctions { yes, no };  // call bp_kind.functions, which runs code of the plugin

// Fills `plugin` from `table`, as far as it is sound: when a field is not as <backplane/abi.h> wants it,
// throws Refused naming kind, field and what was expected. Leaves `plugin.file` alone. With AskFunctions::no
// the functions of all kinds are absent.
void read_table(const bp_plugin& table, PluginInfo& plugin, AskFunctions ask);

// A function as a client of a plugin tells it. Throws Refused likewise.
FunctionInfo read_function(const bp_function* table);

}  // namespace backplane::host
