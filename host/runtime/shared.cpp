#include "runtime/shared.hpp"

#include <algorithm>

namespace backplane::host {

namespace {

void add_once(std::vector<std::string>& list, const std::string& name) {
  if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
}

}  // namespace

void FunctionDirectory::publish(const std::string& component, const std::string& function) {
  const std::lock_guard lock(mutex_);
  add_once(by_component_[component], function);
  add_once(by_function_[function], component);
}

std::string FunctionDirectory::find(std::string_view target, std::string& function, std::string& why) const {
  const std::lock_guard lock(mutex_);
  // A component's name may hold dots, and so may a function's: the longest component name wins.
  for (auto dot = target.rfind('.'); dot != std::string_view::npos && dot > 0;
       dot = target.rfind('.', dot - 1)) {
    const auto component = by_component_.find(target.substr(0, dot));
    if (component == by_component_.end()) continue;
    function = target.substr(dot + 1);
    if (std::find(component->second.begin(), component->second.end(), function) != component->second.end())
      return component->first;
  }
  const auto found = by_function_.find(target);
  if (found == by_function_.end()) {
    why = "no component publishes a function \"" + std::string(target) + "\"";
    return {};
  }
  if (found->second.size() > 1) {
    why = "several components publish \"" + std::string(target) + "\": say \"" + found->second.front() + "." +
          std::string(target) + "\", for one of them";
    return {};
  }
  function = target;
  return found->second.front();
}

std::map<std::string, std::vector<std::string>> FunctionDirectory::all() const {
  const std::lock_guard lock(mutex_);
  return {by_component_.begin(), by_component_.end()};
}

}  // namespace backplane::host
