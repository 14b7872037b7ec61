// The routes of a manifest with names resolved to component numbers. Made once, read by every loop.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "manifest/manifest.hpp"
#include "router/message_pool.hpp"

namespace backplane::host {

using ComponentId = std::uint32_t;  // from 1; 0: none

// Where a component instance lives.
struct Place {
  std::string name;  // with "#2" when it has several instances
  std::uint32_t loop = 0;
};

// One destination of a route.
struct Target {
  std::string name;
  std::vector<ComponentId> instances;
};

// A route with everything a loop needs to forward a message.
struct Route {
  RouteSettings settings;
  std::vector<Target> targets;
  std::vector<ComponentId> dead_letters;  // instances of that component; empty: nobody
  unsigned origins = 1;                   // instances that share `rate`

  bool takes(const bp_message& message) const;
};

class RouteTable {
 public:
  // `places` and `instances` describe the components: instances[name] are numbers into places (from 1).
  RouteTable(const std::vector<RouteSettings>& routes, std::vector<Place> places,
             std::unordered_map<std::string, std::vector<ComponentId>> instances);

  // The routes from a component (by its name in the manifest), in file order.
  std::vector<const Route*> from(std::string_view component) const;
  const Place& place(ComponentId component) const { return places_[component]; }
  // Empty: no such component.
  const std::vector<ComponentId>& instances(const std::string& component) const;
  std::size_t components() const { return places_.size() - 1; }

 private:
  std::vector<Route> routes_;
  std::vector<Place> places_;  // by number; [0] is nobody
  std::unordered_map<std::string, std::vector<ComponentId>> instances_;
};

// The bytes that `balance: {hash: FIELD}` looks at.
std::string_view hash_field(const std::string& field, const bp_message& message);
// FNV-1a, 64 bit: the same value in every run.
std::uint64_t hash_of(std::string_view bytes);

}  // namespace backplane::host
