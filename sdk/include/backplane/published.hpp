// What the components of a host publish, for a component that offers their functions to others.
#pragma once

#include <backplane/abi.h>
#include <backplane/host.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace backplane {

// A function as its component describes it. Plain data.
struct PublishedFunction {
  struct Parameter {
    std::string name;
    std::string type;                                        // "int", "text", ...: see binding.hpp
    std::optional<std::string> default_json = std::nullopt;  // absent: required
    bool operator==(const Parameter&) const = default;
  };
  std::string component;
  std::string name;
  std::string help = {};
  std::string result = {};  // type; empty: none
  std::string group = {};   // of a synchronized function; or control_group
  std::uint32_t manner = BP_ORDINARY;
  std::vector<Parameter> parameters = {};
  std::chrono::nanoseconds max_response_time = {};  // 0: the wire's own
  bool operator==(const PublishedFunction&) const = default;
};

// The group of functions that look at their component or end it. A component that offers functions of others
// to the outside leaves them out, unless the manifest names their component to it.
inline constexpr const char* control_group = "backplane.control";
inline bool is_control(const PublishedFunction& function) { return function.group == control_group; }

namespace detail {

inline std::string text_or_empty(const char* text) { return text == nullptr ? "" : text; }

inline PublishedFunction copy_of(std::string component, const bp_function& function) {
  PublishedFunction made{.component = std::move(component),
                         .name = text_or_empty(function.name),
                         .help = text_or_empty(function.help),
                         .result = text_or_empty(function.result),
                         .group = text_or_empty(function.group),
                         .manner = function.manner};
  for (std::size_t i = 0; i < function.parameter_count; ++i) {
    const auto& parameter = function.parameters[i];
    made.parameters.push_back({text_or_empty(parameter.name), text_or_empty(parameter.type)});
    if (parameter.default_json != nullptr) made.parameters.back().default_json = parameter.default_json;
  }
  if (function.size >= offsetof(bp_function, max_response_time) + sizeof function.max_response_time)
    made.max_response_time = std::chrono::nanoseconds(function.max_response_time);
  return made;
}

// Calls `use(const bp_function&)` with the function as the boundary shows it.
template <typename Use>
void with_descriptor(const PublishedFunction& function, Use&& use) {
  std::vector<bp_parameter> parameters;
  parameters.reserve(function.parameters.size());
  for (const auto& parameter : function.parameters)
    parameters.push_back({parameter.name.c_str(), parameter.type.c_str(),
                          parameter.default_json ? parameter.default_json->c_str() : nullptr});
  const bp_function descriptor{
      sizeof(bp_function),   function.manner,         function.name.c_str(),
      function.help.c_str(), function.result.c_str(), function.group.c_str(),
      parameters.data(),     parameters.size(),       function.max_response_time.count()};
  use(descriptor);
}

}  // namespace detail

// All of them: components by name, their functions in the order of publication. None when the host does not
// tell. From start() on it has all that components publish when they are created, as the SDK does; what a
// component learns later comes later. Any thread.
inline std::vector<PublishedFunction> published_functions(const Host& host) {
  std::vector<PublishedFunction> all;
  const auto* table = static_cast<const bp_functions_1*>(host.extension(BP_FUNCTIONS_1));
  if (table == nullptr) return all;
  const auto tell = [](void* context, bp_text component, const bp_function* function) {
    static_cast<std::vector<PublishedFunction>*>(context)->push_back(
        detail::copy_of(std::string(to_view(component)), *function));
  };
  table->list(host.abi(), tell, &all);
  return all;
}

// Tells a function that the component serves itself, in on_message: for one that has no publish(Functions&),
// because it learns what it offers while it runs. Its kind has the property `publishes`. `function.component`
// is ignored. A name that was told before gets the new description. Loop thread only, from the constructor
// on.
inline void publish_function(const Host& host, const PublishedFunction& function) {
  detail::with_descriptor(function, [&](const bp_function& descriptor) {
    if (host.abi()->publish(host.abi(), &descriptor) != 0)
      throw Error("BadFunction", "a function needs a name");
  });
}

}  // namespace backplane
