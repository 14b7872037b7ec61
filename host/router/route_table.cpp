#include "router/route_table.hpp"

#include <algorithm>
#include <utility>

#include "router/pattern.hpp"

namespace backplane::host {

namespace {

std::string_view topic_of(const bp_message& message) {
  return message.frame_count == 0 ? std::string_view{} : bytes_of(message.frames[0]);
}

// Headers are lines "name: value".
std::string_view header_of(const bp_message& message, std::string_view name) {
  std::string_view rest = bytes_of(message.headers);
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.starts_with(name) && line.substr(name.size()).starts_with(": "))
      return line.substr(name.size() + 2);
  }
  return {};
}

}  // namespace

bool Route::takes(const bp_message& message) const {
  if (!settings.when) return true;
  const When& when = *settings.when;
  if (when.function && !matches(*when.function, bytes_of(message.function))) return false;
  if (when.topic && !matches(*when.topic, topic_of(message))) return false;
  return std::all_of(when.headers.begin(), when.headers.end(), [&](const auto& header) {
    return matches(header.second, header_of(message, header.first));
  });
}

RouteTable::RouteTable(const std::vector<RouteSettings>& routes, std::vector<Place> places,
                       std::unordered_map<std::string, std::vector<ComponentId>> instances)
    : places_(std::move(places)), instances_(std::move(instances)) {
  for (const auto& settings : routes) {
    Route route{settings, {}, {}, static_cast<unsigned>(this->instances(settings.from).size())};
    for (const auto& name : settings.to) route.targets.push_back({name, this->instances(name)});
    route.dead_letters = this->instances(settings.dead_letters);
    routes_.push_back(std::move(route));
  }
}

std::vector<const Route*> RouteTable::from(std::string_view component) const {
  std::vector<const Route*> found;
  for (const auto& route : routes_)
    if (route.settings.from == component) found.push_back(&route);
  return found;
}

const std::vector<ComponentId>& RouteTable::instances(const std::string& component) const {
  static const std::vector<ComponentId> none;
  const auto found = instances_.find(component);
  return found == instances_.end() ? none : found->second;
}

std::string_view hash_field(const std::string& field, const bp_message& message) {
  if (field == "function") return bytes_of(message.function);
  if (field == "topic") return topic_of(message);
  if (field == "origin")
    return {reinterpret_cast<const char*>(&message.envelope.origin), sizeof message.envelope.origin};
  constexpr std::string_view header = "header:";
  return field.starts_with(header) ? header_of(message, std::string_view(field).substr(header.size()))
                                   : std::string_view{};
}

std::uint64_t hash_of(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char byte : bytes) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= 0x100000001b3u;
  }
  return hash;
}

}  // namespace backplane::host
