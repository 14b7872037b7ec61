// The `routes` sections of a manifest and its includes, checked against its components. Inner header of this
// folder.
#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "manifest/component_reader.hpp"

namespace backplane::host {

class RouteReader {
 public:
  RouteReader(const ComponentReader& components, Problems& problems)
      : components_(components), problems_(problems) {}

  void read(const std::deque<LoadedFile>& files);
  // Warns of components that no route touches.
  void check_components();
  std::vector<RouteSettings> take() { return std::move(routes_); }

 private:
  using Declared = ComponentReader::Declared;

  void read_route(const Node& node, std::size_t number);
  void read_from(const GivenKeys& keys, RouteSettings& route, const Node& node);
  void read_to(const GivenKeys& keys, RouteSettings& route, const Node& node);
  void read_target(const Node& name, RouteSettings& route, std::unordered_set<std::string>& seen);
  void read_when(const GivenKeys& keys, RouteSettings& route);
  void read_headers(const Node& map, When& when);
  void read_balance(const GivenKeys& keys, RouteSettings& route);
  void read_hash(const Node& field, const std::string& name, RouteSettings& route);
  void read_policies(const GivenKeys& keys, RouteSettings& route);
  void read_dead_letters(const GivenKeys& keys, RouteSettings& route);
  void check_reachable(const RouteSettings& route, const Place& place);

  // The component named, or nullptr after a report.
  const Declared* resolve(const Node& name, const std::string& what);
  std::optional<OptionSetting> setting(const GivenKeys& keys, std::string_view name);

  const ComponentReader& components_;
  Problems& problems_;
  std::string label_;  // of the route being read: `route from "jobs"`
  std::vector<RouteSettings> routes_;
  std::unordered_set<std::string> origins_;
  std::unordered_set<std::string> destinations_;
  struct Earlier {
    std::unordered_map<std::string, Place> by_conditions;  // "": a route without `when`
  };
  std::unordered_map<std::string, Earlier> earlier_;  // by origin
};

}  // namespace backplane::host
