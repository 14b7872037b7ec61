#include "manifest/option_names.hpp"

#include <algorithm>

namespace backplane::host {

std::string_view section_of(std::string_view option) {
  const auto dot = option.find('.');
  return dot == option.npos ? std::string_view{} : option.substr(0, dot);
}

std::string_view name_in_section(std::string_view option) { return option.substr(option.find('.') + 1); }

const OptionInfo* find_option(const KindInfo& kind, std::string_view name) {
  for (const auto& option : kind.options)
    if (option.name == name) return &option;
  return nullptr;
}

bool has_section(const KindInfo& kind, std::string_view section) {
  return !section.empty() && std::any_of(kind.options.begin(), kind.options.end(), [&](const auto& option) {
    return section_of(option.name) == section;
  });
}

std::vector<std::string> option_keys(const KindInfo& kind) {
  std::vector<std::string> keys;
  for (const auto& option : kind.options) {
    const std::string key(section_of(option.name).empty() ? option.name : section_of(option.name));
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  }
  return keys;
}

std::vector<std::string> options_in(const KindInfo& kind, std::string_view section) {
  std::vector<std::string> names;
  for (const auto& option : kind.options)
    if (section_of(option.name) == section) names.push_back(option.name);
  return names;
}

}  // namespace backplane::host
