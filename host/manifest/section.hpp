// Reading maps against the key tables: the same strictness everywhere. Inner header of this folder.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "manifest/convert_option.hpp"
#include "manifest/keys.hpp"
#include "manifest/node.hpp"

namespace backplane::host {

// A value that stands in the manifest and where.
struct Given {
  const Node* key = nullptr;
  const Node* value = nullptr;
};
using GivenKeys = std::map<std::string, Given, std::less<>>;  // by full name: "shutdown.timeout"

// Reports the keys of a map that stand there twice. `of` reads like "component \"jobs\"".
void check_duplicates(const Node& map, const std::string& of, Problems& problems);

// Whether the value of `entry` is a map with something in it. That it is not is reported, after `inside`
// ("host"), with the names that may stand there.
bool check_inner_map(const Entry& entry, const std::string& inside, const std::vector<std::string>& names,
                     Problems& problems);

// Sorts the entries of `map` by the keys of `table`; descends into inner maps ("shutdown"). Unknown and
// duplicate keys and keys without a value are reported and left out. `of` names the map: `host`.
GivenKeys read_keys(const Node& map, const std::vector<KeyInfo>& table, const std::string& of,
                    Problems& problems);

// Converts a value; a mistake is reported at the value, after `label` ("host.stall"), and there is none.
// A relative path is taken from the folder of the file it stands in.
std::optional<OptionSetting> read_setting(const Node& value, const OptionInfo& info, const std::string& label,
                                          Problems& problems);

// The folder and a path in it, as one path; "-" and absolute paths stay as they are.
std::string path_in(const std::filesystem::path& folder, const std::string& path);

}  // namespace backplane::host
