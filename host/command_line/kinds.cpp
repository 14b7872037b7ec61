#include <nlohmann/json.hpp>
#include <ostream>

#include "command_line/commands.hpp"
#include "command_line/installed.hpp"
#include "command_line/kinds_page.hpp"
#include "manifest/convert_option.hpp"
#include "manifest/schema.hpp"
#include "manifest/suggest.hpp"
#include "manifest/units.hpp"

namespace backplane::host {

namespace {

using nlohmann::ordered_json;

void print_list(const InstalledPlugins& installed, Console& console) {
  std::vector<std::vector<std::string>> rows;
  for (const auto* plugin : installed.usable())
    for (const auto& kind : plugin->kinds)
      rows.push_back({kind.name, properties_text(kind.properties), kind.says});
  console.out << aligned(rows);
}

std::string range(const OptionInfo& option) {
  const auto bounds = bounds_text(option);
  return bounds.empty() ? type_text(option) : type_text(option) + ", " + bounds;
}

void print_options(const KindInfo& kind, Console& console) {
  if (kind.options.empty()) return;
  std::vector<std::vector<std::string>> rows;
  for (const auto& option : kind.options) {
    const std::string value = option.required       ? "required"
                              : option.default_text ? "= " + *option.default_text
                                                    : "-";
    rows.push_back({option.name, range(option), value, option.help});
  }
  console.out << '\n' << bold(console, "options") << '\n' << aligned(rows, "  ");
  if (const auto note = sections_note(kind); !note.empty()) console.out << '\n' << note << '\n';
}

void print_functions(const KindInfo& kind, Console& console) {
  if (!kind.functions) {
    console.out << "\nIts functions are known only to a running component.\n";
    return;
  }
  if (kind.functions->empty()) return;
  std::vector<std::vector<std::string>> rows;
  for (const auto& function : *kind.functions)
    rows.push_back({signature(function), manner_text(function.manner), function.help});
  console.out << '\n' << bold(console, "functions") << '\n' << aligned(rows, "  ");
}

void print_one(const KindInfo& kind, Console& console) {
  console.out << bold(console, kind.name) << ": " << kind.says << '\n';
  console.out << "plugin " << kind.plugin;
  if (const auto properties = properties_text(kind.properties); !properties.empty())
    console.out << "; " << properties;
  console.out << '\n';
  print_options(kind, console);
  if ((kind.properties & BP_FUNCTIONS) != 0) print_functions(kind, console);
}

const KindInfo& find_kind(const InstalledPlugins& installed, const std::string& name) {
  const auto* kind = installed.find(name);
  if (kind == nullptr)
    throw UsageError("no installed plugin offers the kind " + in_quotes(name) +
                     name_hint(name, installed.kind_names()));
  return *kind;
}

}  // namespace

int kinds(const KindsArguments& arguments, Console& console) {
  const InstalledPlugins installed(arguments.plugin_path);
  for (const auto& inspection : installed.all())
    if (!inspection.loadable) console.err << "refused: " << inspection.reason << '\n';
  const KindInfo* kind = arguments.kind.empty() ? nullptr : &find_kind(installed, arguments.kind);
  switch (arguments.format) {
    case KindsFormat::text:
      kind == nullptr ? print_list(installed, console) : print_one(*kind, console);
      break;
    case KindsFormat::json: {
      auto list = ordered_json::array();
      for (const auto& name : installed.kind_names()) list.push_back(to_json(*installed.find(name)));
      print(console, kind == nullptr ? list : to_json(*kind));
      break;
    }
    case KindsFormat::json_schema:
      console.out << (kind == nullptr ? manifest_json_schema(installed) : kind_json_schema(*kind)) << '\n';
      break;
    case KindsFormat::markdown:
      console.out << (kind == nullptr ? kinds_page(installed.usable()) : kind_section(*kind));
      break;
  }
  return kDone;
}

}  // namespace backplane::host
