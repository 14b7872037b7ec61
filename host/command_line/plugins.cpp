// `plugins` and `inspect`: what plugin files contain.
#include <nlohmann/json.hpp>
#include <ostream>

#include "command_line/commands.hpp"
#include "command_line/installed.hpp"

namespace backplane::host {

namespace {

using nlohmann::ordered_json;

ordered_json to_json(const Inspection& inspection) {
  ordered_json entry{{"file", inspection.file.string()}, {"loadable", inspection.loadable}};
  if (!inspection.loadable) entry["reason"] = inspection.reason;
  entry["size"] = inspection.elf.size;
  if (inspection.elf.elf)
    entry["elf"] = {{"bits", inspection.elf.bits},     {"machine", inspection.elf.machine},
                    {"type", inspection.elf.type},     {"exports_table", inspection.elf.exports_table},
                    {"needed", inspection.elf.needed}, {"run_path", inspection.elf.run_path}};
  if (!inspection.loadable) {
    entry["missing_symbols"] = inspection.description.missing_symbols;
    entry["missing_libraries"] = inspection.description.missing_libraries;
  }
  entry["plugin"] = inspection.description.plugin ? to_json(*inspection.description.plugin) : ordered_json();
  return entry;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// "3 kinds", "3 kinds, calls palm".
std::string offers(const PluginInfo& plugin) {
  std::vector<std::string> schemes;
  for (const auto& client : plugin.clients) schemes.push_back(client.scheme);
  std::vector<std::string> words;
  if (!plugin.kinds.empty()) words.push_back(quantity(plugin.kinds.size(), "kind"));
  if (!schemes.empty()) words.push_back("calls " + joined(schemes));
  return joined(words);
}

void print_facts(const Inspection& inspection, Console& console) {
  std::vector<std::vector<std::string>> rows;
  if (const auto& plugin = inspection.description.plugin) {
    rows.push_back({"plugin", plugin->name + " " + plugin->version});
    rows.push_back({"ABI", std::to_string(plugin->abi_major) + "." + std::to_string(plugin->abi_minor)});
    rows.push_back({"libzmq", plugin->zmq_version});
    rows.push_back({"compiler", plugin->compiler});
  }
  const auto& elf = inspection.elf;
  if (elf.elf)
    rows.push_back({"file", std::to_string(elf.size) + " bytes, " + std::to_string(elf.bits) + "-bit " +
                                elf.machine + " " + elf.type});
  if (!elf.needed.empty()) rows.push_back({"needs", joined(elf.needed)});
  if (!elf.run_path.empty()) rows.push_back({"searches", joined(elf.run_path)});
  const auto& description = inspection.description;
  if (!description.missing_libraries.empty())
    rows.push_back({"missing libraries", joined(description.missing_libraries)});
  if (!description.missing_symbols.empty())
    rows.push_back({"missing symbols", joined(description.missing_symbols)});
  console.out << aligned(rows, "  ");
}

void print_kinds(const PluginInfo& plugin, Console& console) {
  if (plugin.kinds.empty()) return;
  console.out << '\n' << bold(console, "kinds") << '\n';
  std::vector<std::vector<std::string>> rows;
  for (const auto& kind : plugin.kinds)
    rows.push_back({kind.name, properties_text(kind.properties), kind.says});
  console.out << aligned(rows, "  ");
}

void print_clients(const PluginInfo& plugin, Console& console) {
  if (plugin.clients.empty()) return;
  console.out << '\n' << bold(console, "clients of backplane call") << '\n';
  std::vector<std::vector<std::string>> rows;
  for (const auto& client : plugin.clients) {
    rows.push_back({client.scheme + "+ENDPOINT", client.says});
    for (const auto& option : client.options) rows.push_back({"  " + option.name, option.help});
  }
  console.out << aligned(rows, "  ");
}

}  // namespace

int plugins(const PluginsArguments& arguments, Console& console) {
  const InstalledPlugins installed(arguments.plugin_path);
  if (arguments.json) {
    std::vector<std::string> folders;
    for (const auto& folder : installed.search_path()) folders.push_back(folder.string());
    auto list = ordered_json::array();
    for (const auto& inspection : installed.all()) list.push_back(to_json(inspection));
    print(console, {{"search_path", folders}, {"plugins", list}});
    return kDone;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto* plugin : installed.usable())
    rows.push_back({plugin->name, plugin->version, offers(*plugin), plugin->file.string()});
  console.out << aligned(rows);
  for (const auto& inspection : installed.all())
    if (!inspection.loadable) console.out << "refused: " << inspection.reason << '\n';
  if (installed.all().empty()) {
    console.err << "no plugins found; searched:\n";
    for (const auto& folder : installed.search_path()) console.err << "  " << folder.string() << '\n';
  }
  return kDone;
}

int inspect(const InspectArguments& arguments, Console& console) {
  const auto inspection = inspect(arguments.file);
  const int exit_code = inspection.loadable ? kDone : kRefused;
  if (arguments.json) {
    print(console, to_json(inspection));
    return exit_code;
  }
  if (inspection.loadable) {
    console.out << bold(console, arguments.file.string()) << ": can be loaded\n";
  } else {
    console.out << inspection.reason << '\n';
  }
  print_facts(inspection, console);
  if (inspection.description.plugin) {
    print_kinds(*inspection.description.plugin, console);
    print_clients(*inspection.description.plugin, console);
  }
  return exit_code;
}

}  // namespace backplane::host
