// The options of a kind by their names. One with a dot stands in a section: "results.path" is written
// `results: {path: ...}`. Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "loader/kind_info.hpp"

namespace backplane::host {

// "results" of "results.path"; empty: it stands in no section.
std::string_view section_of(std::string_view option);
// "path" of "results.path"; otherwise the whole name.
std::string_view name_in_section(std::string_view option);

// By its whole name. nullptr: the kind has no such option.
const OptionInfo* find_option(const KindInfo& kind, std::string_view name);
bool has_section(const KindInfo& kind, std::string_view section);
// What may stand in a component of this kind for its options: names of options and, once each, of sections.
std::vector<std::string> option_keys(const KindInfo& kind);
// The whole names of the options in a section.
std::vector<std::string> options_in(const KindInfo& kind, std::string_view section);

}  // namespace backplane::host
