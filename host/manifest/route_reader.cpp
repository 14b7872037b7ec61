#include "manifest/route_reader.hpp"

#include <algorithm>

#include "manifest/suggest.hpp"

namespace backplane::host {
namespace {

const KeyInfo& key(std::string_view name) { return *find_key(route_keys(), name); }

template <typename Value>
Value nth(const OptionSetting& setting, const KeyInfo& info) {
  for (std::size_t i = 0; i < info.choices.size(); ++i)
    if (info.choices[i] == setting.text) return static_cast<Value>(i);
  return Value{};
}

// A text that is equal exactly when the conditions are; empty for none.
std::string conditions_text(const std::optional<When>& when) {
  if (!when) return {};
  auto headers = when->headers;
  std::sort(headers.begin(), headers.end());
  std::string text = "when";
  const auto add = [&](const std::string& part) { text += "\n" + std::to_string(part.size()) + ":" + part; };
  add(when->function ? "=" + *when->function : "");
  add(when->topic ? "=" + *when->topic : "");
  for (const auto& [name, pattern] : headers) {
    add(name);
    add(pattern);
  }
  return text;
}

}  // namespace

void RouteReader::read(const std::deque<LoadedFile>& files) {
  std::size_t number = 0;
  for (const auto& file : files) {
    const auto routes = file.keys.find("routes");
    if (routes == file.keys.end() || routes->second.value->broken) continue;
    const auto& list = *routes->second.value;
    if (!list.is_list()) {
      problems_.error(list.place, "routes: expected a list such as - {from: NAME, to: NAME}, found " +
                                      std::string(type_name(list)));
      continue;
    }
    for (const auto& node : list.items) {
      if (++number > route_limit) {
        problems_.error(node.place, "more than " + std::to_string(route_limit) + " routes");
        return;
      }
      read_route(node, number);
    }
  }
}

void RouteReader::read_route(const Node& node, std::size_t number) {
  if (node.broken) return;
  label_ = "route " + std::to_string(number);
  if (!node.is_map()) {
    problems_.error(node.place,
                    label_ + ": expected {from: NAME, to: NAME}, found " + std::string(type_name(node)));
    return;
  }
  if (const auto* from = node.find("from");
      from != nullptr && from->is_text() && !from->broken && !from->text.empty())
    label_ = "route from " + in_quotes(from->text);
  const auto keys = read_keys(node, route_keys(), label_, problems_);
  RouteSettings route;
  route.position = {node.place.source->file.string(), node.place.line, node.place.column};
  read_from(keys, route, node);
  read_to(keys, route, node);
  read_when(keys, route);
  read_balance(keys, route);
  read_policies(keys, route);
  read_dead_letters(keys, route);
  check_reachable(route, node.place);
  routes_.push_back(std::move(route));
}

const RouteReader::Declared* RouteReader::resolve(const Node& name, const std::string& what) {
  return components_.resolve(name, label_, what);
}

void RouteReader::read_from(const GivenKeys& keys, RouteSettings& route, const Node& node) {
  const auto from = keys.find("from");
  if (from == keys.end()) {
    if (node.find("from") == nullptr)
      problems_.error(node.place, label_ + ": \"from\" is required: " + key("from").help);
    return;
  }
  const auto& value = *from->second.value;
  const auto* component = resolve(value, "from");
  if (component == nullptr) return;
  if (component->has(BP_BYPASS)) {
    problems_.error(value.place,
                    label_ + ": " + component->label() + " is bypass: it never touches the router");
  } else if (component->kind != nullptr && !component->has(BP_INBOUND | BP_OUTBOUND | BP_FUNCTIONS)) {
    problems_.error(value.place, label_ + ": " + component->label() + " sends no messages");
  }
  route.from = component->settings.name;
  origins_.insert(route.from);
}

void RouteReader::read_to(const GivenKeys& keys, RouteSettings& route, const Node& node) {
  const auto to = keys.find("to");
  if (to == keys.end()) {
    if (node.find("to") == nullptr)
      problems_.error(node.place, label_ + ": \"to\" is required: " + key("to").help);
    return;
  }
  const auto& value = *to->second.value;
  std::unordered_set<std::string> seen;
  if (!value.is_list()) {
    read_target(value, route, seen);
    return;
  }
  if (value.items.empty()) problems_.error(value.place, label_ + ": to: the list is empty; name a component");
  for (const auto& item : value.items) read_target(item, route, seen);
}

void RouteReader::read_target(const Node& name, RouteSettings& route, std::unordered_set<std::string>& seen) {
  const auto* component = resolve(name, "to");
  if (component == nullptr) return;
  if (!seen.insert(component->settings.name).second) {
    problems_.error(name.place, label_ + ": to: " + in_quotes(name.text) +
                                    " is listed twice; it would get every message twice");
    return;
  }
  if (component->has(BP_BYPASS)) {
    problems_.error(name.place,
                    label_ + ": " + component->label() + " is bypass: it never touches the router");
  } else if (component->kind != nullptr && !component->has(BP_OUTBOUND)) {
    problems_.error(name.place,
                    label_ + ": " + component->label() + " takes no messages; it only brings them");
  }
  route.to.push_back(component->settings.name);
  destinations_.insert(component->settings.name);
}

std::optional<OptionSetting> RouteReader::setting(const GivenKeys& keys, std::string_view name) {
  const auto& info = key(name);
  const auto given = keys.find(name);
  if (given == keys.end()) return convert_default(info).value;
  return read_setting(*given->second.value, info, label_ + ": " + info.name, problems_);
}

void RouteReader::read_when(const GivenKeys& keys, RouteSettings& route) {
  const bool has_conditions = std::any_of(keys.begin(), keys.end(),
                                          [](const auto& given) { return given.first.starts_with("when."); });
  if (!has_conditions) return;
  When when;
  if (const auto value = setting(keys, "when.function")) when.function = value->text;
  if (const auto value = setting(keys, "when.topic")) when.topic = value->text;
  if (const auto headers = keys.find("when.header"); headers != keys.end())
    read_headers(*headers->second.value, when);
  route.when = std::move(when);
}

void RouteReader::read_headers(const Node& map, When& when) {
  if (map.broken) return;
  if (!map.is_map() || map.entries.empty()) {
    problems_.error(map.place, label_ +
                                   ": when.header: expected names and patterns, {NAME: PATTERN}; found " +
                                   (map.is_map() ? "none" : std::string(type_name(map))));
    return;
  }
  check_duplicates(map, label_ + ": when.header", problems_);
  for (const auto& entry : map.entries) {
    if (entry.key.broken || entry.value.broken) continue;
    if (entry.key.text.empty() || entry.key.text.find_first_of(":\n") != std::string::npos) {
      problems_.error(entry.key.place,
                      label_ + ": when.header: " + in_quotes(entry.key.text) + " is not a header's name");
    } else if (!entry.value.is_text()) {
      problems_.error(entry.value.is_null() ? entry.key.place : entry.value.place,
                      label_ + ": when.header: " + in_quotes(entry.key.text) +
                          ": expected a pattern, found " + std::string(type_name(entry.value)));
    } else {
      when.headers.emplace_back(entry.key.text, entry.value.text);
    }
  }
}

void RouteReader::read_balance(const GivenKeys& keys, RouteSettings& route) {
  constexpr auto expected = "; expected round_robin, least_loaded or {hash: FIELD}";
  const auto given = keys.find("balance");
  if (given == keys.end() || given->second.value->broken) return;
  const auto& value = *given->second.value;
  if (value.is_map()) {
    const bool is_hash = value.entries.size() == 1 && value.entries.front().key.text == "hash";
    if (!is_hash) {
      problems_.error(value.place, label_ + ": balance: not understood" + expected);
    } else if (const auto& field = value.entries.front().value; !field.is_text()) {
      problems_.error(field.is_null() ? value.place : field.place,
                      label_ + ": balance: hash needs one field" + expected);
    } else if (!field.broken) {
      read_hash(field, field.text, route);
    }
    return;
  }
  if (!value.is_text()) {
    problems_.error(value.place, label_ + ": balance: found " + std::string(type_name(value)) + expected);
  } else if (value.text == "round_robin") {
    route.balance = Balance::round_robin;
  } else if (value.text == "least_loaded") {
    route.balance = Balance::least_loaded;
  } else if (value.text == "hash" || value.text.starts_with("hash:")) {
    const auto begin = value.text.find_first_not_of(' ', std::min<std::size_t>(5, value.text.size()));
    read_hash(value, begin == std::string::npos ? "" : value.text.substr(begin), route);
  } else {
    const auto near = nearest_name(value.text, {"round_robin", "least_loaded", "hash"});
    problems_.error(value.place,
                    label_ + ": balance: " + in_quotes(value.text) + " is unknown" +
                        (near ? "; did you mean " + in_quotes(*near) + "?" : std::string(expected)));
  }
}

void RouteReader::read_hash(const Node& field, const std::string& name, RouteSettings& route) {
  const bool is_header = name.starts_with("header:") && name.size() > 7;
  if (!is_header && name != "function" && name != "topic" && name != "origin") {
    problems_.error(
        field.place,
        label_ + ": balance: " + (name.empty() ? "hash needs a field" : "cannot hash " + in_quotes(name)) +
            "; expected function, topic, origin or header:NAME");
    return;
  }
  route.balance = Balance::hash;
  route.hash_field = name;
}

void RouteReader::read_policies(const GivenKeys& keys, RouteSettings& route) {
  if (const auto value = setting(keys, "overflow")) route.overflow = nth<Overflow>(*value, key("overflow"));
  if (const auto value = setting(keys, "window")) route.window = static_cast<std::uint32_t>(value->integer);
  if (const auto value = setting(keys, "spill_limit"))
    route.spill_limit = static_cast<std::uint64_t>(value->integer);
  if (const auto value = setting(keys, "rate")) route.rate = value->number;
  if (const auto value = setting(keys, "ttl")) route.ttl = Nanoseconds(value->integer);
  const auto limit = keys.find("spill_limit");
  if (limit != keys.end() && route.overflow != Overflow::spill)
    problems_.warning(limit->second.key->place,
                      label_ + ": spill_limit has no effect without overflow: spill");
}

void RouteReader::read_dead_letters(const GivenKeys& keys, RouteSettings& route) {
  const auto given = keys.find("dead_letters");
  if (given == keys.end()) return;
  const auto& value = *given->second.value;
  const auto* component = resolve(value, "dead_letters");
  if (component == nullptr) return;
  if (component->has(BP_BYPASS) || (component->kind != nullptr && !component->has(BP_OUTBOUND))) {
    problems_.error(value.place, label_ + ": dead_letters: " + component->label() + " takes no messages");
  } else if (std::find(route.to.begin(), route.to.end(), component->settings.name) != route.to.end()) {
    problems_.error(value.place, label_ + ": dead_letters: " + in_quotes(value.text) +
                                     " is where these messages could not go; name another component");
  }
  route.dead_letters = component->settings.name;
  destinations_.insert(route.dead_letters);
}

void RouteReader::check_reachable(const RouteSettings& route, const Place& place) {
  const bool unreadable =
      route.when && !route.when->function && !route.when->topic && route.when->headers.empty();
  if (route.from.empty() || unreadable) return;
  auto& earlier = earlier_[route.from].by_conditions;
  const auto conditions = conditions_text(route.when);
  if (const auto all = earlier.find(""); all != earlier.end()) {
    auto text = label_ + ": never matches, since the route at " + to_text(all->second) +
                " takes everything; put this one before it";
    if (!route.when)
      text = label_ + ": never matches, since the route at " + to_text(all->second) +
             " takes everything; for several destinations write to: [a, b] there";
    problems_.error(place, text);
  } else if (const auto same = earlier.find(conditions); same != earlier.end()) {
    problems_.error(place, label_ + ": never matches, since the route at " + to_text(same->second) +
                               " has the same conditions; for several destinations write to: [a, b] there");
  }
  earlier.try_emplace(conditions, place);
}

void RouteReader::check_components() {
  const auto& all = components_.all();
  const bool has_functions = std::any_of(
      all.begin(), all.end(), [](const Declared& component) { return component.has(BP_FUNCTIONS); });
  for (const auto& component : all) {
    if (component.kind == nullptr || component.has(BP_BYPASS | BP_FUNCTIONS)) continue;
    const auto& name = component.settings.name;
    if (component.has(BP_INBOUND) && !has_functions && !origins_.contains(name)) {
      problems_.warning(component.place,
                        component.label() + ": no route starts from it; what it brings is dropped");
    } else if (component.has(BP_OUTBOUND) && !component.has(BP_INBOUND) && !destinations_.contains(name)) {
      problems_.warning(component.place, component.label() + ": no route leads to it; it gets no messages");
    }
  }
}

}  // namespace backplane::host
