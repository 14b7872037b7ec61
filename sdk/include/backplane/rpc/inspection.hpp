// What servers tell about their functions.
#pragma once

#include <backplane/host.hpp>
#include <backplane/value.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace backplane::rpc {

// A function that a server offers.
struct RemoteParameter {
  std::string name;
  std::optional<Value> default_value = {};
};
struct RemoteFunction {
  std::string name;
  std::string doc;
  std::optional<std::vector<RemoteParameter>> parameters = {};  // nothing: not known
};
struct RemoteService {
  std::string name;
  std::vector<RemoteFunction> functions;
};

namespace detail {

// The content of a text or of bytes; empty for anything else, or nothing.
inline std::string text_in(const Value* value) {
  if (value == nullptr) return {};
  if (const auto* content = value->get_if<std::string>()) return *content;
  const auto* bytes = value->get_if<Bytes>();
  return bytes == nullptr ? std::string() : bytes->content;
}

inline RemoteParameter parameter_of(const Value& told) {
  RemoteParameter parameter{text_in(told.find("name")), {}};
  if (const auto* value = told.find("default")) parameter.default_value = *value;
  return parameter;
}
// Python's methods tell it, and add it themselves.
inline void leave_out_self(RemoteFunction& function) {
  auto& all = *function.parameters;
  if (!all.empty() && all.front().name == "self") all.erase(all.begin());
}

// {"name": ..., "methods": {name: {"args": [{"name": ..., "default": ...}], "doc": ...}}}
inline RemoteService described(const Value& told) {
  RemoteService service{text_in(told.find("name")), {}};
  const auto* methods = told.find("methods");
  const auto* all = methods == nullptr ? nullptr : methods->get_if<Map>();
  if (all == nullptr) throw Error("ProtocolError", "the server describes itself as " + describe(told));
  for (const auto& [name, method] : *all) {
    RemoteFunction function{text_in(&name), text_in(method.find("doc")), {}};
    const auto* args = method.find("args");
    if (const auto* list = args == nullptr ? nullptr : args->get_if<Array>()) {
      function.parameters.emplace();
      for (const auto& parameter : *list) function.parameters->push_back(parameter_of(parameter));
      leave_out_self(function);
    }
    service.functions.push_back(std::move(function));
  }
  return service;
}

// [names, name of the rest or nil, name of the named rest or nil, defaults of the last ones or nil]
inline void add_signature(RemoteFunction& function, const Value& told) {
  const auto* parts = told.get_if<Array>();
  const auto* names = parts == nullptr || parts->empty() ? nullptr : (*parts)[0].get_if<Array>();
  if (names == nullptr) return;
  const auto* defaults = parts->size() > 3 ? (*parts)[3].get_if<Array>() : nullptr;
  const auto with_default = defaults == nullptr ? 0 : std::min(defaults->size(), names->size());
  function.parameters.emplace();
  for (std::size_t i = 0; i < names->size(); ++i) {
    RemoteParameter parameter{text_in(&(*names)[i]), {}};
    const auto left = names->size() - i;
    if (left <= with_default) parameter.default_value = (*defaults)[defaults->size() - left];
    function.parameters->push_back(std::move(parameter));
  }
  leave_out_self(function);
}

}  // namespace detail

}  // namespace backplane::rpc
