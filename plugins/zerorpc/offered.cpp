#include "offered.hpp"

#include <backplane/function_server.hpp>

#include <algorithm>
#include <set>
#include <utility>

#include "http/json.hpp"

namespace backplane::zerorpc {

namespace {

bool is_offered(const PublishedFunction& function, const std::vector<std::string>& components) {
  if (function.name.starts_with('_') || function.name == deferred_result_name) return false;
  if (components.empty()) return !is_control(function);
  return std::find(components.begin(), components.end(), function.component) != components.end();
}

bool takes_anything(const PublishedFunction& function) {
  return function.parameters.size() == 1 && function.parameters[0].name == "arguments" &&
         function.parameters[0].type == "any";
}

Value documentation(const PublishedFunction& function) {
  return function.help.empty() ? Value() : Value(function.help);
}

Value default_of(const PublishedFunction::Parameter& parameter) {
  return http::from_json(*parameter.default_json, {});
}

Array names_of(const PublishedFunction& function) {
  Array names;
  if (!takes_anything(function))
    for (const auto& parameter : function.parameters) names.emplace_back(parameter.name);
  return names;
}

// The defaults of the last parameters; nil when there are none.
Value defaults_of(const PublishedFunction& function) {
  Array defaults;
  for (const auto& parameter : function.parameters)
    if (parameter.default_json) defaults.push_back(default_of(parameter));
  return defaults.empty() ? Value() : Value(std::move(defaults));
}

// The names of the parameters that take what is left over.
Value rest_of(const PublishedFunction& function, const char* name) {
  return takes_anything(function) ? Value(name) : Value();
}

}  // namespace

Offered::Offered(std::vector<PublishedFunction> all, const std::vector<std::string>& components) {
  std::erase_if(all, [&](const auto& function) { return !is_offered(function, components); });
  std::map<std::string, int> owners;
  for (const auto& function : all) ++owners[function.name];
  for (auto& function : all) {
    auto full_name = function.component + '.' + function.name;
    const auto& name = owners[function.name] == 1 ? function.name : full_name;
    const auto [place, fresh] = listed_.try_emplace(name, Method{function, full_name});
    if (fresh) by_full_name_.emplace(std::move(full_name), &place->second);
  }
}

const Method* Offered::find(std::string_view method) const {
  if (const auto found = listed_.find(method); found != listed_.end()) return &found->second;
  const auto found = by_full_name_.find(method);
  return found == by_full_name_.end() ? nullptr : found->second;
}

bool Offered::has_component(std::string_view component) const {
  return std::any_of(listed_.begin(), listed_.end(),
                     [&](const auto& line) { return line.second.function.component == component; });
}

std::vector<std::string> Offered::names() const {
  std::vector<std::string> names;
  for (const auto& [name, method] : listed_) names.push_back(name);
  return names;
}

Value Offered::help(const Method& method) { return documentation(method.function); }

Value Offered::arguments(const Method& method) {
  const auto& function = method.function;
  return Array{names_of(function), rest_of(function, "args"), rest_of(function, "kwargs"),
               defaults_of(function)};
}

Value Offered::inspect(std::string_view service) const {
  Map methods;
  for (const auto& [name, method] : listed_) {
    Array parameters;
    if (!takes_anything(method.function))
      for (const auto& parameter : method.function.parameters) {
        Map described{{"name", parameter.name}};
        if (parameter.default_json) described.push_back({"default", default_of(parameter)});
        parameters.emplace_back(std::move(described));
      }
    methods.push_back({name, Map{{"args", std::move(parameters)}, {"doc", documentation(method.function)}}});
  }
  return Map{{"name", service}, {"methods", std::move(methods)}};
}

Value Offered::argument_specification(const Method& method) {
  const auto& function = method.function;
  auto names = names_of(function);
  names.insert(names.begin(), "self");
  return Array{std::move(names),
               rest_of(function, "args"),
               rest_of(function, "kwargs"),
               defaults_of(function),
               Array(),
               Value(),
               Map()};
}

}  // namespace backplane::zerorpc
