// Text of a manifest -> checked value of an option. The one place that knows how each type is written.
// Pure functions, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loader/kind_info.hpp"
#include "manifest/manifest.hpp"
#include "manifest/units.hpp"

namespace backplane::host {

// Converts one text by type, choices and bounds of `info`; for the list types it is a list of one. The
// setting is marked as given. The error never shows the value of a secret. A path stays as written.
Parsed<OptionSetting> convert_option(const OptionInfo& info, std::string_view text);

// Converts a list; an error for types that take one value.
Parsed<OptionSetting> convert_option(const OptionInfo& info, const std::vector<std::string>& texts);

// The default, marked as not given; nothing when the option has none. An error is the plugin's fault.
Parsed<OptionSetting> convert_default(const OptionInfo& info);

// For people: "duration", "list of endpoints", "one of lf, crlf".
std::string type_text(const OptionInfo& info);
// "1 to 10000", in the unit of the type; empty when unbounded.
std::string bounds_text(const OptionInfo& info);
// Whether the manifest may give a list.
bool takes_list(const OptionInfo& info);
// Whether its texts are names of components, still as written.
bool names_components(const OptionInfo& info);
// Whether minimum and maximum apply.
bool is_bounded(const OptionInfo& info);

}  // namespace backplane::host
