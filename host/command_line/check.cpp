#include <nlohmann/json.hpp>
#include <ostream>

#include "command_line/commands.hpp"
#include "command_line/read_settings.hpp"
#include "loader/loader.hpp"
#include "manifest/reader.hpp"

namespace backplane::host {

namespace {

using nlohmann::ordered_json;

struct Checked {
  std::filesystem::path file;
  ReadResult result;
  std::size_t errors() const { return result.errors.size() + result.more_errors; }
};

// Each manifest has a loader of its own: what one names as a plugin must not help another.
Checked check_one(const std::filesystem::path& file, const CheckArguments& arguments) {
  Loader loader({.folders = arguments.plugin_path});
  return {file, read_manifest(file, loader, settings_with(arguments.values))};
}

void print_text(const Checked& checked, Console& console) {
  console.err << warning_report(checked.result);
  for (const auto& problem : checked.result.errors) console.err << to_text(problem) << '\n';
  if (checked.result.more_errors > 0)
    console.err << checked.file.string() << ": " << quantity(checked.result.more_errors, "further error")
                << '\n';
  console.err.flush();
  if (!checked.result.manifest) return;
  const auto& manifest = *checked.result.manifest;
  console.out << checked.file.string() << ": ok, " << quantity(manifest.components.size(), "component")
              << ", " << quantity(manifest.routes.size(), "route") << '\n'
              << std::flush;
}

ordered_json to_json(const std::vector<Problem>& problems) {
  auto list = ordered_json::array();
  for (const auto& problem : problems)
    list.push_back({{"file", problem.position.file},
                    {"line", problem.position.line},
                    {"column", problem.position.column},
                    {"message", problem.text}});
  return list;
}

ordered_json to_json(const Checked& checked) {
  ordered_json entry{{"file", checked.file.string()}, {"ok", checked.result.manifest.has_value()}};
  if (checked.result.manifest) {
    entry["components"] = checked.result.manifest->components.size();
    entry["routes"] = checked.result.manifest->routes.size();
  }
  entry["errors"] = to_json(checked.result.errors);
  entry["more_errors"] = checked.result.more_errors;
  entry["warnings"] = to_json(checked.result.warnings);
  return entry;
}

}  // namespace

int check(const CheckArguments& arguments, Console& console) {
  std::size_t errors = 0;
  auto list = ordered_json::array();
  for (const auto& file : arguments.manifests) {
    const auto checked = check_one(file, arguments);
    errors += checked.errors();
    if (arguments.json) {
      list.push_back(to_json(checked));
    } else {
      print_text(checked, console);
    }
  }
  if (arguments.json) {
    console.out << ordered_json{{"ok", errors == 0}, {"errors", errors}, {"manifests", list}}.dump(
                       2, ' ', false, ordered_json::error_handler_t::replace)
                << '\n';
  } else if (errors > 0) {
    console.err << quantity(errors, "error") << "; nothing was started\n";
  }
  return errors == 0 ? kDone : kRefused;
}

}  // namespace backplane::host
