// The functions that a service offers, by the names under which its clients call them, and what it tells
// about them. Pure. One thread at a time.
#pragma once

#include <backplane/published.hpp>
#include <backplane/value.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::zerorpc {

// A function behind a method.
struct Method {
  PublishedFunction function;
  std::string target;  // "component.function"
};

class Offered {
 public:
  Offered() = default;
  // Of `all`, those of `components`, or of every component when it is empty, but those of control_group. A
  // function that several of them have is called "component.function", as any other may be, too. Names that
  // begin with an underscore are not offered, nor is the SDK's own deferred_result.
  Offered(std::vector<PublishedFunction> all, const std::vector<std::string>& components);

  // nullptr: there is no such method.
  const Method* find(std::string_view method) const;
  // A function of this component is offered.
  bool has_component(std::string_view component) const;
  // The names to be listed, in the order of the alphabet.
  std::vector<std::string> names() const;

  // What ZeroRPC's introspection answers. Methods that are unknown are nullptr: see find().
  static Value help(const Method& method);
  static Value arguments(const Method& method);
  Value inspect(std::string_view service) const;
  // What infi.rpc's get_rpc_ipython_argspec answers, as Python 3 does.
  static Value argument_specification(const Method& method);

 private:
  std::map<std::string, Method, std::less<>> listed_;
  std::map<std::string, const Method*, std::less<>> by_full_name_;
};

}  // namespace backplane::zerorpc
