#include "runtime/shared.hpp"

#include <algorithm>
#include <cstddef>

namespace backplane::host {

namespace {

std::string text_or_empty(const char* text) { return text == nullptr ? "" : text; }

template <typename Descriptions>
auto description_in(Descriptions& list, std::string_view function) {
  return std::find_if(list.begin(), list.end(), [&](const auto& each) { return each->name() == function; });
}

}  // namespace

FunctionDescription::FunctionDescription(const bp_function& told)
    : name_(text_or_empty(told.name)),
      help_(text_or_empty(told.help)),
      result_(text_or_empty(told.result)),
      group_(text_or_empty(told.group)) {
  for (std::size_t i = 0; i < told.parameter_count; ++i) {
    const auto& parameter = told.parameters[i];
    parameters_.push_back({text_or_empty(parameter.name), text_or_empty(parameter.type), {}});
    if (parameter.default_json != nullptr) parameters_.back().default_json = parameter.default_json;
  }
  for (const auto& parameter : parameters_)
    parameter_views_.push_back({parameter.name.c_str(), parameter.type.c_str(),
                                parameter.default_json ? parameter.default_json->c_str() : nullptr});
  const bool timed =
      told.size >= offsetof(bp_function, max_response_time) + sizeof(bp_function::max_response_time);
  view_ = {sizeof view_,
           told.manner,
           name_.c_str(),
           help_.c_str(),
           result_.c_str(),
           group_.c_str(),
           parameter_views_.data(),
           parameter_views_.size(),
           timed ? told.max_response_time : 0};
}

void FunctionDirectory::publish(const std::string& component, const bp_function& function) {
  const std::lock_guard lock(mutex_);
  auto& functions = by_component_[component];
  auto description = std::make_shared<FunctionDescription>(function);
  const auto known = description_in(functions, function.name);
  if (known != functions.end()) {
    *known = std::move(description);  // who lists them now goes on with the one it has
    return;
  }
  functions.push_back(std::move(description));
  by_function_[function.name].push_back(component);
}

std::string FunctionDirectory::find(std::string_view target, std::string& function, std::string& why) const {
  const std::lock_guard lock(mutex_);
  // A component's name may hold dots, and so may a function's: the longest component name wins.
  for (auto dot = target.rfind('.'); dot != std::string_view::npos && dot > 0;
       dot = target.rfind('.', dot - 1)) {
    const auto component = by_component_.find(target.substr(0, dot));
    if (component == by_component_.end()) continue;
    function = target.substr(dot + 1);
    if (description_in(component->second, function) != component->second.end()) return component->first;
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

std::vector<FunctionDirectory::Entry> FunctionDirectory::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<Entry> entries;
  for (const auto& [component, functions] : by_component_)
    for (const auto& function : functions) entries.emplace_back(component, function);
  return entries;
}

}  // namespace backplane::host
