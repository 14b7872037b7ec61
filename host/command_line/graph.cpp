#include <ostream>

#include "command_line/commands.hpp"
#include "command_line/read_settings.hpp"
#include "command_line/topology.hpp"
#include "loader/loader.hpp"
#include "manifest/reader.hpp"

namespace backplane::host {

int graph(const GraphArguments& arguments, Console& console) {
  Loader loader({.folders = arguments.plugin_path});
  const auto result = read_manifest(arguments.manifest, loader, settings_with(arguments.values));
  console.err << warning_report(result) << error_report(result) << std::flush;
  if (!result.manifest) return kRefused;
  console.out << (arguments.format == GraphFormat::dot ? to_dot(*result.manifest, loader)
                                                       : to_mermaid(*result.manifest, loader));
  return kDone;
}

}  // namespace backplane::host
