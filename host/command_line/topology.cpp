#include "command_line/topology.hpp"

#include <functional>
#include <map>
#include <vector>

#include "manifest/units.hpp"

namespace backplane::host {

namespace {

using Lines = std::vector<std::string>;
using Escape = std::string (*)(const std::string&);

std::string dot_escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '"' || c == '\\') escaped += '\\';
    if (c == '\n') {
      escaped += "\\n";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string mermaid_escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    // Mermaid's entities are written with '#'; everything that could be markup becomes one.
    if (std::string_view("\"#&<>;|`\\[]{}()*_~").find(c) != std::string_view::npos || c == '\n') {
      escaped += '#' + std::to_string(static_cast<unsigned char>(c)) + ';';
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string joined(const Lines& lines, Escape escape, const char* between) {
  std::string text;
  for (const auto& line : lines) text += (text.empty() ? "" : between) + escape(line);
  return text;
}

bool has_endpoint(const OptionSetting& setting) {
  return setting.type == BP_ENDPOINT || setting.type == BP_ENDPOINT_LIST;
}

Lines node_lines(const ComponentSettings& component) {
  std::string what = component.kind;
  if (component.instances > 1) what += " x" + std::to_string(component.instances);
  if (component.blocking) what += ", blocking";
  Lines lines{component.name, what};
  for (const auto& [name, setting] : component.options) {
    if (!setting.given || !has_endpoint(setting)) continue;
    const auto endpoints = setting.type == BP_ENDPOINT ? Lines{setting.text} : setting.list;
    for (const auto& endpoint : endpoints) lines.push_back(name + " " + endpoint);
  }
  return lines;
}

std::string balance_text(const RouteSettings& route) {
  switch (route.balance) {
    case Balance::round_robin:
      return {};
    case Balance::least_loaded:
      return "least loaded";
    case Balance::hash:
      return "hash " + route.hash_field;
  }
  return {};
}

std::string overflow_text(Overflow overflow) {
  switch (overflow) {
    case Overflow::block:
      return {};
    case Overflow::drop_oldest:
      return "drop oldest";
    case Overflow::drop_newest:
      return "drop newest";
    case Overflow::spill:
      return "spill";
    case Overflow::reject:
      return "reject";
  }
  return {};
}

// Conditions, then policies that are not the default, one per line.
Lines edge_lines(const RouteSettings& route) {
  Lines lines;
  const auto add = [&lines](const std::string& text) {
    if (!text.empty()) lines.push_back(text);
  };
  if (route.when) {
    if (route.when->function) add("function " + *route.when->function);
    if (route.when->topic) add("topic " + *route.when->topic);
    for (const auto& [name, pattern] : route.when->headers) add("header " + name + ": " + pattern);
  }
  add(balance_text(route));
  add(overflow_text(route.overflow));
  if (route.rate) add("at most " + number_text(*route.rate) + "/s");
  if (route.ttl) add("ttl " + duration_text(*route.ttl));
  return lines;
}

// Components by the loop they name; those without a name under "". In file order inside.
std::map<std::string, std::vector<std::size_t>> by_loop(const Manifest& manifest) {
  std::map<std::string, std::vector<std::size_t>> loops;
  for (std::size_t i = 0; i < manifest.components.size(); ++i)
    loops[manifest.components[i].loop].push_back(i);
  return loops;
}

std::map<std::string, std::string> node_names(const Manifest& manifest) {
  std::map<std::string, std::string> names;
  for (const auto& component : manifest.components)
    names.emplace(component.name, "c" + std::to_string(names.size() + 1));
  return names;
}

std::uint32_t properties(const ComponentSettings& component, const KindCatalog& kinds) {
  const auto* kind = kinds.find(component.kind);
  return kind == nullptr ? 0 : kind->properties;
}

using DrawEdge = std::function<void(const std::string& from, const std::string& to, const Lines& label,
                                    bool dead_letters)>;

void for_each_edge(const Manifest& manifest, const DrawEdge& draw) {
  const auto names = node_names(manifest);
  for (const auto& route : manifest.routes) {
    for (const auto& to : route.to) draw(names.at(route.from), names.at(to), edge_lines(route), false);
    if (!route.dead_letters.empty())
      draw(names.at(route.from), names.at(route.dead_letters), {"dead letters"}, true);
  }
}

}  // namespace

std::string to_dot(const Manifest& manifest, const KindCatalog& kinds) {
  const auto names = node_names(manifest);
  std::string text = "digraph \"" + dot_escaped(manifest.host.name) + "\" {\n" +
                     "  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n" +
                     "  edge [fontname=\"sans-serif\", fontsize=10];\n";
  std::size_t clusters = 0;
  for (const auto& [loop, members] : by_loop(manifest)) {
    const std::string indent = loop.empty() ? "  " : "    ";
    if (!loop.empty())
      text += "  subgraph cluster_" + std::to_string(++clusters) + " {\n    label=\"loop " +
              dot_escaped(loop) + "\";\n    style=dashed;\n";
    for (const auto index : members) {
      const auto& component = manifest.components[index];
      const auto has = properties(component, kinds);
      const char* shape = (has & BP_BYPASS) != 0                      ? ", shape=cylinder"
                          : (has & BP_FUNCTIONS) != 0                 ? ", shape=component"
                          : (has & (BP_SERVICE | BP_CONNECTION)) != 0 ? ", shape=cds"
                                                                      : "";
      text += indent + names.at(component.name) + " [label=\"" +
              joined(node_lines(component), dot_escaped, "\\n") + "\"" + shape + "];\n";
    }
    if (!loop.empty()) text += "  }\n";
  }
  for_each_edge(manifest, [&](const auto& from, const auto& to, const auto& label, bool dead_letters) {
    text += "  " + from + " -> " + to;
    std::string attributes;
    if (!label.empty()) attributes = "label=\"" + joined(label, dot_escaped, "\\n") + "\"";
    if (dead_letters) attributes += ", style=dashed";
    text += (attributes.empty() ? "" : " [" + attributes + "]") + ";\n";
  });
  return text + "}\n";
}

std::string to_mermaid(const Manifest& manifest, const KindCatalog& kinds) {
  const auto names = node_names(manifest);
  std::string text = "flowchart LR\n";
  std::size_t boxes = 0;
  for (const auto& [loop, members] : by_loop(manifest)) {
    const std::string indent = loop.empty() ? "  " : "    ";
    if (!loop.empty())
      text += "  subgraph l" + std::to_string(++boxes) + "[\"loop " + mermaid_escaped(loop) + "\"]\n";
    for (const auto index : members) {
      const auto& component = manifest.components[index];
      const auto has = properties(component, kinds);
      const bool outside = (has & (BP_SERVICE | BP_CONNECTION)) != 0;
      const char* open = (has & BP_BYPASS) != 0 ? "[(" : outside ? "([" : "[";
      const char* close = (has & BP_BYPASS) != 0 ? ")]" : outside ? "])" : "]";
      text += indent + names.at(component.name) + open + "\"" +
              joined(node_lines(component), mermaid_escaped, "<br/>") + "\"" + close + "\n";
    }
    if (!loop.empty()) text += "  end\n";
  }
  for_each_edge(manifest, [&](const auto& from, const auto& to, const auto& label, bool dead_letters) {
    text += "  " + from + (dead_letters ? " -.->" : " -->");
    if (!label.empty()) text += "|\"" + joined(label, mermaid_escaped, "<br/>") + "\"|";
    text += " " + to + "\n";
  });
  return text;
}

}  // namespace backplane::host
