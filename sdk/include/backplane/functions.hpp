// Functions that a component publishes.
#pragma once

#include <backplane/abi.h>
#include <backplane/host.hpp>
#include <backplane/message.hpp>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace backplane {

// A parameter of a function: its name, and later its default.
struct Parameter {
  Parameter(const char* called) : name(called) {}
  std::string name;
};

// What `publish(Functions&)` fills.
class Functions {
 public:
  template <typename Callable>
  Functions& add(std::string name, Callable, std::string help,
                 std::initializer_list<Parameter> parameters = {}) {
    entries_.push_back({std::move(name), std::move(help), parameters});
    return *this;
  }

  // Tells every function in the order of adding. The tables live during each call.
  void tell(void (*tell_one)(void*, const bp_function*), void* context) const {
    for (const auto& entry : entries_) {
      std::vector<bp_parameter> parameters;
      for (const auto& parameter : entry.parameters)
        parameters.push_back({parameter.name.c_str(), "any", nullptr});
      const bp_function told{
          sizeof(bp_function), BP_ORDINARY,      entry.name.c_str(), entry.help.c_str(), "any", "",
          parameters.data(),   parameters.size()};
      tell_one(context, &told);
    }
  }

 private:
  struct Entry {
    std::string name;
    std::string help;
    std::vector<Parameter> parameters;
  };
  std::vector<Entry> entries_;
};

// Serves the functions of one component.
class FunctionServer {
 public:
  explicit FunctionServer(Host host) : host_(host) {}
  Functions& functions() { return functions_; }
  template <typename T>
  void bind(T*) {}
  void publish() {
    functions_.tell(
        [](void* host, const bp_function* function) {
          const auto* abi = static_cast<const bp_host*>(host);
          abi->publish(abi, function);
        },
        const_cast<bp_host*>(host_.abi()));
  }
  void start() {}
  void handle(Message message) { host_.reply_error(message.envelope(), "NameError", message.function()); }
  bool on_reply(Message&) { return false; }
  void stop() {}

 private:
  Host host_;
  Functions functions_;
};

}  // namespace backplane
