// The servers that a client has: those of the manifest, and those that a middleware finds by name. Which of
// them gets the next call. Belongs to the component's loop.
#pragma once

#include <backplane/host.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "middleware.hpp"
#include "remote.hpp"

namespace backplane::zerorpc {

class Remotes {
 public:
  enum class Balance {
    round_robin,   // one after the other
    least_loaded,  // the one with the fewest calls
  };
  struct Settings {
    Remote::Settings remote;
    Balance balance = Balance::round_robin;
    std::vector<std::string> addresses = {};
    std::vector<std::string> names = {};  // that the middleware turns into addresses
  };

  Remotes(Host host, Settings settings, Remote::Callbacks callbacks, Middleware& middleware);
  // Begins to connect to all. Throws Error for an address that cannot be one, and "BadOption" when there are
  // names, but no middleware that knows addresses.
  void start();
  void stop();

  // Where the next call should go; nullptr: no server is there.
  Remote* choose();

 private:
  struct Entry {
    std::string name;  // that led to it; empty: the manifest has the address
    std::unique_ptr<Remote> remote;
  };

  void look_at_names();
  bool wanted(const std::string& name) const;
  void resolve(const std::string& name);
  void take_answer(const std::string& name, const std::optional<Failure>& failure,
                   const std::vector<Value>& answers);
  void take_addresses(const std::string& name, const std::vector<std::string>& addresses);
  void look_later();
  void tell();

  Host host_;
  Settings settings_;
  Remote::Callbacks callbacks_;
  Middleware& middleware_;
  std::vector<Entry> entries_;
  std::size_t next_ = 0;
  std::set<std::string> asked_;  // names that the middleware was asked for
  Timer look_timer_;
  Gauge there_;
};

}  // namespace backplane::zerorpc
