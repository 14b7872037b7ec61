#include "manifest/section.hpp"

#include <unordered_map>

#include "manifest/suggest.hpp"

namespace backplane::host {
namespace {

class KeyReader {
 public:
  KeyReader(const std::vector<KeyInfo>& table, const std::string& of, Problems& problems)
      : table_(table), of_(of), problems_(problems) {}

  void read(const Node& map, const std::string& prefix) {
    const auto inside = prefix.empty() ? of_ : of_ + ": " + prefix.substr(0, prefix.size() - 1);
    check_duplicates(map, inside, problems_);
    for (const auto& entry : map.entries) {
      if (entry.key.broken) continue;
      const auto name = prefix + entry.key.text;
      if (find_key(table_, name) != nullptr) {
        keep(name, entry);
      } else if (!key_names(table_, name + ".").empty()) {
        descend(name, entry, inside);
      } else {
        problems_.error(entry.key.place,
                        inside + ": unknown key " + in_quotes(entry.key.text) + unknown_hint(entry, prefix));
      }
    }
  }

  GivenKeys take() { return std::move(given_); }

 private:
  void keep(const std::string& name, const Entry& entry) {
    if (entry.value.is_null()) {
      problems_.error(entry.key.place,
                      of_ + ": " + in_quotes(name) + " has no value; give one, or leave it out");
      return;
    }
    given_.try_emplace(name, Given{&entry.key, &entry.value});
  }

  void descend(const std::string& name, const Entry& entry, const std::string& inside) {
    if (check_inner_map(entry, inside, key_names(table_, name + "."), problems_) &&
        visited_.insert({name, true}).second)
      read(entry.value, name + ".");
  }

  std::string unknown_hint(const Entry& entry, const std::string& prefix) const {
    if (entry.key.text == "<<")
      return "; YAML's merge key is not understood; write the keys out, or use a template";
    if (entry.key.text == "with" && of_ == "manifest")
      return "; write include: {file: FILE, with: {NAME: VALUE}}";
    return name_hint(entry.key.text, key_names(table_, prefix));
  }

  const std::vector<KeyInfo>& table_;
  const std::string& of_;
  Problems& problems_;
  GivenKeys given_;
  std::map<std::string, bool> visited_;
};

std::optional<std::vector<std::string>> texts_of(const Node& list, const std::string& label,
                                                 Problems& problems) {
  std::vector<std::string> texts;
  for (const auto& item : list.items) {
    if (item.broken) return std::nullopt;
    if (!item.is_text()) {
      problems.error(item.place, label + ": expected a text, found " + std::string(type_name(item)));
      return std::nullopt;
    }
    texts.push_back(item.text);
  }
  return texts;
}

// The part of a wrong value that is wrong: the first such item of a list, else the value.
const Node& wrong_item(const Node& value, const OptionInfo& info) {
  for (const auto& item : value.items)
    if (!convert_option(info, item.text).value) return item;
  return value;
}

}  // namespace

void check_duplicates(const Node& map, const std::string& of, Problems& problems) {
  std::unordered_map<std::string_view, const Place*> seen;
  for (const auto& entry : map.entries) {
    if (entry.key.broken) continue;
    const auto [first, is_new] = seen.try_emplace(entry.key.text, &entry.key.place);
    if (is_new) continue;
    problems.error(entry.key.place, of + ": the key " + in_quotes(entry.key.text) + " is already given at " +
                                        to_text(*first->second));
  }
}

bool check_inner_map(const Entry& entry, const std::string& inside, const std::vector<std::string>& names,
                     Problems& problems) {
  const auto& value = entry.value;
  if (value.broken) return false;
  if (value.is_map() && !value.entries.empty()) return true;
  const auto found = value.is_map() ? "an empty map" : std::string(type_name(value));
  problems.error(value.is_null() ? entry.key.place : value.place,
                 inside + ": " + in_quotes(entry.key.text) + " is " + found + "; expected a map with " +
                     name_list(names));
  return false;
}

GivenKeys read_keys(const Node& map, const std::vector<KeyInfo>& table, const std::string& of,
                    Problems& problems) {
  KeyReader reader(table, of, problems);
  reader.read(map, {});
  return reader.take();
}

std::optional<OptionSetting> read_setting(const Node& value, const OptionInfo& info, const std::string& label,
                                          Problems& problems) {
  if (value.broken) return std::nullopt;
  Parsed<OptionSetting> converted;
  if (value.is_text()) {
    converted = convert_option(info, value.text);
  } else if (value.is_list() && takes_list(info)) {
    const auto texts = texts_of(value, label, problems);
    if (!texts) return std::nullopt;
    converted = convert_option(info, *texts);
  } else {
    converted.error = "expected " + type_text(info) + ", found " + std::string(type_name(value));
  }
  if (!converted.value) {
    problems.error(wrong_item(value, info).place, label + ": " + converted.error);
    return std::nullopt;
  }
  if (info.type == BP_PATH)
    converted.value->text = path_in(value.place.source->folder(), converted.value->text);
  return std::move(converted.value);
}

std::string path_in(const std::filesystem::path& folder, const std::string& path) {
  if (path.empty() || path == "-" || path.starts_with('/')) return path;
  return (folder / path).lexically_normal().string();
}

}  // namespace backplane::host
