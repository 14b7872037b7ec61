#include "host/manifest/dump.hpp"

#include <array>
#include <sstream>

#include "manifest/units.hpp"

namespace backplane::host {
namespace {

template <typename Value, std::size_t Count>
const char* word(Value value, const std::array<const char*, Count>& words) {
  return words.at(static_cast<std::size_t>(value));
}

std::string value_text(const OptionSetting& setting) {
  switch (setting.type) {
    case BP_INTEGER:
      return std::to_string(setting.integer);
    case BP_BOOLEAN:
      return setting.integer != 0 ? "true" : "false";
    case BP_DURATION:
      return duration_text(Nanoseconds(setting.integer));
    case BP_SIZE:
      return size_text(setting.integer);
    case BP_NUMBER:
      return number_text(setting.number);
    case BP_RATE:
      return number_text(setting.number) + "/s";
    case BP_SECRET:
      return "***";
    case BP_TEXT_LIST:
    case BP_ENDPOINT_LIST: {
      std::string list;
      for (const auto& item : setting.list) list += (list.empty() ? "" : ", ") + in_quotes(item);
      return "[" + list + "]";
    }
    default:
      return in_quotes(setting.text);
  }
}

void write_host(std::ostream& out, const HostSettings& host) {
  out << "host " << host.name << " loops=" << host.loops
      << " shutdown=" << word(host.shutdown_strategy, std::array{"drain", "stop"}) << "/"
      << duration_text(host.shutdown_timeout)
      << " log=" << word(host.log_level, std::array{"trace", "debug", "info", "warning", "error", "off"})
      << "/" << word(host.log_format, std::array{"text", "json"}) << "/" << in_quotes(host.log_file)
      << " admin=" << in_quotes(host.admin_bind) << " stall=" << duration_text(host.stall)
      << " spill_folder=" << in_quotes(host.spill_folder);
  if (host.spin.count() > 0) out << " spin=" << duration_text(host.spin);
  out << "\n";
}

void write_component(std::ostream& out, const ComponentSettings& component) {
  out << "component " << component.name << " " << component.kind << " instances=" << component.instances
      << " loop=" << in_quotes(component.loop) << " blocking=" << component.blocking
      << " in_flight=" << component.in_flight << " timeout=" << duration_text(component.timeout) << "\n";
  for (const auto& [name, setting] : component.options)
    out << "  " << name << ": " << value_text(setting) << (setting.given ? "" : " (default)") << "\n";
}

void write_route(std::ostream& out, const RouteSettings& route) {
  out << "route " << route.from << " ->";
  for (const auto& to : route.to) out << " " << to;
  out << " balance=" << word(route.balance, std::array{"round_robin", "least_loaded", "hash"});
  if (!route.hash_field.empty()) out << "(" << route.hash_field << ")";
  out << " overflow="
      << word(route.overflow, std::array{"block", "drop_oldest", "drop_newest", "spill", "reject"})
      << " window=" << route.window
      << " spill_limit=" << size_text(static_cast<std::int64_t>(route.spill_limit));
  if (route.rate) out << " rate=" << number_text(*route.rate) << "/s";
  if (route.ttl) out << " ttl=" << duration_text(*route.ttl);
  if (!route.dead_letters.empty()) out << " dead_letters=" << route.dead_letters;
  out << "\n";
  if (!route.when) return;
  if (route.when->function) out << "  when function " << in_quotes(*route.when->function) << "\n";
  if (route.when->topic) out << "  when topic " << in_quotes(*route.when->topic) << "\n";
  for (const auto& [name, pattern] : route.when->headers)
    out << "  when header " << in_quotes(name) << " " << in_quotes(pattern) << "\n";
}

}  // namespace

std::string dump(const Manifest& manifest) {
  std::ostringstream out;
  write_host(out, manifest.host);
  for (const auto& plugin : manifest.plugins) out << "plugin " << plugin.name << "\n";
  for (const auto& component : manifest.components) write_component(out, component);
  for (const auto& route : manifest.routes) write_route(out, route);
  return out.str();
}

}  // namespace backplane::host
