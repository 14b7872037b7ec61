// Functions of other components that look at each call, and may refuse it: tracing, auditing, rights. The
// points at which they are called are those of Python's middleware. Belongs to the component's loop.
#pragma once

#include <backplane/host.hpp>
#include <backplane/published.hpp>
#include <backplane/value.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "errors.hpp"
#include "zmq/slots.hpp"

namespace backplane::zerorpc {

// A component takes part in those points whose name a function of it has. Each function has one argument, a
// map; what it throws goes to the client as the call's error.
enum class Hook {
  resolve_endpoint,            // {name}: the addresses, a list of texts
  get_task_context,            // {method}: further keys for the header, a map
  load_task_context,           // {header}
  server_before_exec,          // {method, args, header}
  server_after_exec,           // {method, result}; of a stream without the result
  server_inspect_exception,    // {method, error: {name, message}}
  client_before_request,       // {method, args}
  client_after_request,        // {method, result} or {method, error}
  client_handle_remote_error,  // {method, error}: what it throws is the error instead
};
inline constexpr std::size_t hook_count = 9;
const char* name_of(Hook hook);
// What a function of a middleware is told of arguments or a result; nil for what cannot be decoded.
Value decoded_or_nil(std::string_view encoded);

class Middleware {
 public:
  // What its cookies have in common.
  static constexpr std::uint64_t cookie_mark = std::uint64_t{1} << 61;
  // Called on the loop, once: what went wrong, or what the functions returned.
  using Done = std::function<void(std::optional<Failure> failure, std::vector<Value> results)>;

  Middleware(Host host, std::vector<std::string> components);
  // Finds the functions. In start(). Throws Error "BadOption" for a component that has none.
  void start();

  // There is one; else nothing needs to be asked of it.
  bool any() const { return !components_.empty(); }
  bool has(Hook hook) const { return !targets_[static_cast<std::size_t>(hook)].empty(); }
  // It is one of the functions that take part here.
  bool is_hook(const PublishedFunction& function) const;
  // Calls the functions of a point one after another, each with `event`; the first error ends it.
  void run(Hook hook, const Value& event, Done done);
  void take_outcome(const Message& outcome);

 private:
  struct Run {
    Hook hook{};
    std::string event;  // encoded arguments
    std::size_t next = 0;
    std::vector<Value> results;
    Done done;
  };

  void go_on(std::uint64_t number);
  void finish(std::uint64_t number, std::optional<Failure> failure);

  Host host_;
  std::vector<std::string> components_;
  std::array<std::vector<std::string>, hook_count> targets_;  // "component.function", in order
  zmq::Slots<Run> runs_;
};

}  // namespace backplane::zerorpc
