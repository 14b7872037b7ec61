// What servers tell about their functions: asked for when a server is there, and published, so that other
// components find them. Belongs to the component's loop.
#pragma once

#include <backplane/host.hpp>
#include <backplane/rpc/inspection.hpp>
#include <backplane/value.hpp>

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "remote.hpp"

namespace backplane::zerorpc {

class Lessons {
 public:
  // Takes the answer; nothing: there is none that can be used.
  using Learn = std::function<void(std::optional<Value> told)>;
  // Calls a method of a server, which lives until `learn` was called, once.
  using Ask = std::function<void(Remote& remote, std::string_view method, Array arguments, Learn learn)>;
  static constexpr std::size_t most_functions = 10000;  // that are published

  // Publishes the names in `only` at once. Empty: all functions that servers tell are published.
  Lessons(Host host, bool infi, std::vector<std::string> only, Ask ask);

  // Asks a server. REQUIRES: it is there.
  void begin(Remote& remote);
  // What is known of a function; nullptr: nothing.
  const rpc::RemoteFunction* find(std::string_view name) const;

 private:
  void ask_names(Remote& remote);
  void learn_all(const Value& told);
  void learn_names(Remote& remote, const Value& told);
  void learn_help(const std::string& name, const Value& told);
  void learn_signature(const std::string& name, const Value& told);
  void missed(const Remote& remote) const;
  bool is_wanted(const std::string& name) const;
  void publish(rpc::RemoteFunction function);

  Host host_;
  bool infi_;
  std::vector<std::string> only_;
  Ask ask_;
  std::map<std::string, rpc::RemoteFunction, std::less<>> known_;
  bool full_ = false;
};

}  // namespace backplane::zerorpc
