// The tree of a YAML file with the place of everything. Inner header of this folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "manifest/source.hpp"

namespace backplane::host {

struct Entry;

// A value. All scalars are texts: their type is decided by where they are used.
struct Node {
  enum class Type { null, text, list, map };
  Type type = Type::null;
  Place place;
  std::string text;
  bool broken = false;  // a ${} in it could not be replaced; that was reported, nothing more is to be said
  std::vector<Node> items;     // of a list
  std::vector<Entry> entries;  // of a map, in file order; duplicates are still there

  bool is_text() const { return type == Type::text; }
  bool is_list() const { return type == Type::list; }
  bool is_map() const { return type == Type::map; }
  bool is_null() const { return type == Type::null; }
  // The first value under `key`, or nullptr.
  const Node* find(std::string_view key) const;
};

struct Entry {
  Node key;  // always a text
  Node value;
};

// "a text", "a list", "a map", "nothing"
std::string_view type_name(const Node& node);

// Parses text that holds one YAML document with a map at its root. Reports what is wrong to `problems` and
// then returns nothing. Aliases are expanded, within `budget`; tags are refused.
std::optional<Node> parse_yaml(std::string_view text, const Source& source, Budget& budget,
                               Problems& problems);

}  // namespace backplane::host
