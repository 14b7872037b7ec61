// What all loops and components of one running host share.
#pragma once

#include <backplane/abi.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "log/log.hpp"
#include "manifest/manifest.hpp"
#include "router/route_table.hpp"

namespace backplane::host {

class Component;
class Loop;

// A component that could not be made (its options do not go together) or started (the world refuses).
class StartError : public std::runtime_error {
 public:
  StartError(const std::string& text, bool refused) : std::runtime_error(text), refused_(refused) {}
  // True: made wrong by the manifest or the plugin; false: failed at run time.
  bool refused() const { return refused_; }

 private:
  bool refused_;
};

// A published function: a copy of what its component told.
class FunctionDescription {
 public:
  explicit FunctionDescription(const bp_function& told);
  FunctionDescription(const FunctionDescription&) = delete;
  FunctionDescription& operator=(const FunctionDescription&) = delete;

  const std::string& name() const { return name_; }
  // As the boundary shows it; lives as long as this object.
  const bp_function& view() const { return view_; }

 private:
  struct Parameter {
    std::string name;
    std::string type;
    std::optional<std::string> default_json;
  };
  std::string name_;
  std::string help_;
  std::string result_;
  std::string group_;
  std::vector<Parameter> parameters_;
  std::vector<bp_parameter> parameter_views_;
  bp_function view_{};
};

// Who publishes which function. Any thread.
class FunctionDirectory {
 public:
  // What is told last of a function counts; instances of a component publish the same.
  void publish(const std::string& component, const bp_function& function);
  // Splits "component.function", or finds the one component that publishes a name. Returns the component's
  // name and leaves the plain function in `function`; an empty text, and the reason in `why`, otherwise.
  std::string find(std::string_view target, std::string& function, std::string& why) const;
  // Components by name, their functions in the order of publication.
  using Entry = std::pair<std::string, std::shared_ptr<const FunctionDescription>>;
  std::vector<Entry> all() const;

 private:
  using Descriptions = std::vector<std::shared_ptr<const FunctionDescription>>;

  mutable std::mutex mutex_;
  std::map<std::string, Descriptions, std::less<>> by_component_;
  std::map<std::string, std::vector<std::string>, std::less<>> by_function_;
};

struct Shared {
  Log& log;
  const Manifest& manifest;
  void* zmq_context = nullptr;
  std::unique_ptr<RouteTable> routes;
  std::vector<Loop*> loops;            // by number
  std::vector<Component*> components;  // by ComponentId; [0] is nobody
  FunctionDirectory functions;
  // Called from loops. An inbound component has brought all it will; a component cannot go on.
  std::function<void(Component&)> on_finished;
  std::function<void(Component&, std::string)> on_failed;
};

}  // namespace backplane::host
