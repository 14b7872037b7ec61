#include "command_line/run.hpp"

#include <iostream>

#include "command_line/console.hpp"
#include "command_line/read_settings.hpp"
#include "loader/loader.hpp"
#include "manifest/reader.hpp"

namespace backplane::host {

int run(const RunArguments& arguments) {
  Loader loader({.folders = arguments.plugin_path});
  const auto result = read_manifest(arguments.manifest, loader, settings_with(arguments.values));
  std::cerr << warning_report(result) << error_report(result);
  if (!result.manifest) return kRefused;
  throw std::runtime_error("this build cannot run a manifest");
}

}  // namespace backplane::host
