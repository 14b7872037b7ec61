#include "command_line/kinds_page.hpp"

#include <algorithm>

#include "command_line/installed.hpp"
#include "manifest/convert_option.hpp"

namespace backplane::host {

namespace {

// Text of a plugin as text of Markdown, safe inside a table.
std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == '\n') {
      safe += "<br>";
    } else if (c == '<') {
      safe += "&lt;";
    } else {
      if (std::string_view("\\`*_|[]").find(c) != std::string_view::npos) safe += '\\';
      safe += c;
    }
  }
  return safe;
}

// Text shown as it is. A backtick cannot stand in a span of one backtick, a bar ends a cell.
std::string code(const std::string& text) {
  const bool has_backtick = text.find('`') != std::string::npos;
  std::string cell = text;
  for (auto bar = cell.find('|'); bar != std::string::npos; bar = cell.find('|', bar + 2))
    cell.insert(bar, "\\");
  std::replace(cell.begin(), cell.end(), '\n', ' ');
  return has_backtick ? "`` " + cell + " ``" : "`" + cell + "`";
}

std::string options_table(const KindInfo& kind) {
  std::string text = "\n| option | type | default | meaning |\n|---|---|---|---|\n";
  for (const auto& option : kind.options) {
    const auto bounds = bounds_text(option);
    const std::string value = option.required ? "**required**"
                              : option.default_text && !option.default_text->empty()
                                  ? code(*option.default_text)
                              : option.default_text ? "empty"
                                                    : "none";
    text += "| " + code(option.name) + " | " + escaped(type_text(option)) +
            (bounds.empty() ? "" : ", " + escaped(bounds)) + " | " + value + " | " + escaped(option.help) +
            " |\n";
  }
  if (const auto note = sections_note(kind); !note.empty()) text += "\n" + escaped(note) + "\n";
  return text;
}

std::string functions_table(const KindInfo& kind) {
  if (!kind.functions) return "\nIts functions are known only to a running component.\n";
  if (kind.functions->empty()) return {};
  std::string text = "\n| function | manner | meaning |\n|---|---|---|\n";
  for (const auto& function : *kind.functions)
    text += "| " + code(signature(function)) + " | " + manner_text(function.manner) + " | " +
            escaped(function.help) + " |\n";
  return text;
}

}  // namespace

std::string kind_section(const KindInfo& kind) {
  std::string text = "### " + code(kind.name) + "\n\n" + escaped(kind.says) + "\n";
  if (const auto properties = properties_text(kind.properties); !properties.empty())
    text += "\nProperties: " + properties + ".\n";
  if (!kind.options.empty()) text += options_table(kind);
  if ((kind.properties & BP_FUNCTIONS) != 0) text += functions_table(kind);
  return text;
}

std::string kinds_page(const std::vector<const PluginInfo*>& plugins) {
  auto sorted = plugins;
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  std::string text =
      "# Kinds of component\n\n"
      "What can stand behind `kind:` in a manifest. Printed from the option tables of the plugins by\n"
      "`backplane kinds --markdown`; `backplane kinds KIND` tells the same of one kind in a terminal.\n";
  for (const auto* plugin : sorted) {
    auto kinds = plugin->kinds;
    if (kinds.empty()) continue;
    std::sort(kinds.begin(), kinds.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    text += "\n## Plugin " + code(plugin->name) + "\n";
    for (const auto& kind : kinds) text += "\n" + kind_section(kind);
  }
  return text;
}

}  // namespace backplane::host
