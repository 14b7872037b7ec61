// Every key a manifest may have, with type, default, bounds and help: one table per section. The reader, the
// JSON Schema and docs/manifest.md are all made from these. Constant; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "loader/kind_info.hpp"

namespace backplane::host {

// How the value of a key looks.
enum class Shape {
  value,     // as its type says
  balance,   // a word, or {hash: FIELD}
  text_map,  // names and texts
  section,   // keys of its own, described in another table
  sections,  // a list of such
  any,       // whatever YAML can say
};

// A key. Keys of a map inside the section have a dot: "shutdown.timeout".
struct KeyInfo : OptionInfo {
  Shape shape = Shape::value;
  std::string default_help;  // what happens without it, when that is no value: "number of cores"
};

const std::vector<KeyInfo>& top_keys();        // host, plugins, include, parameters, components, routes
const std::vector<KeyInfo>& host_keys();       // of host
const std::vector<KeyInfo>& component_keys();  // of every component, beside the options of its kind
const std::vector<KeyInfo>& route_keys();      // of a route
const std::vector<KeyInfo>& include_keys();    // of an include
const std::vector<KeyInfo>& parameter_keys();  // of a parameter of a template

// nullptr: no such key.
const KeyInfo* find_key(const std::vector<KeyInfo>& keys, std::string_view name);
// The names at the level below `prefix` ("" or "shutdown."), without repetition.
std::vector<std::string> key_names(const std::vector<KeyInfo>& keys, std::string_view prefix);

// A name for components, templates and loops: a letter or '_', then letters, digits, '_', '-'; at most 64.
bool is_valid_name(std::string_view name);
inline constexpr std::string_view name_rule =
    "a name begins with a letter or \"_\", goes on with letters, digits, \"_\" and \"-\", at most 64 "
    "characters";

}  // namespace backplane::host
