#include "manifest/reader.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "manifest/component_reader.hpp"
#include "manifest/files.hpp"
#include "manifest/host_reader.hpp"
#include "manifest/route_reader.hpp"
#include "manifest/units.hpp"

namespace backplane::host {
namespace {

ReadResult check(FileSet& files, const std::filesystem::path& file, KindCatalog& catalog,
                 Problems& problems) {
  Manifest manifest;
  manifest.file = file.string();
  if (!files.files().empty()) {
    manifest.host = read_host(files.files(), problems);
    ComponentReader components(catalog, problems);
    components.open_plugins(files.files(), files.main());
    components.read(files.files(), files.main());
    RouteReader routes(components, problems);
    routes.read(files.files());
    if (!problems.any_errors()) routes.check_components();
    manifest.plugins = components.take_plugins();
    manifest.routes = routes.take();
    manifest.components = components.take();
  }
  ReadResult result;
  if (!problems.any_errors()) result.manifest = std::move(manifest);
  problems.deliver(result);
  return result;
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

FileText read_file(const std::filesystem::path& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (status.type() == std::filesystem::file_type::not_found)
    return {std::nullopt, "there is no such file", true};
  if (std::filesystem::is_directory(status)) return {std::nullopt, "is a folder, not a file", false};
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  std::string text;
  std::array<char, 65536> part{};
  while (stream && text.size() <= manifest_size_limit) {
    stream.read(part.data(), part.size());
    text.append(part.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (stream.bad() || !stream.is_open()) {
    const int reason = errno;
    return {std::nullopt, "cannot be read" + (reason != 0 ? ": " + std::string(std::strerror(reason)) : ""),
            false};
  }
  return {std::move(text), {}, false};
}

ReadResult read_manifest(const std::filesystem::path& file, KindCatalog& catalog,
                         const ReadSettings& settings) {
  Problems problems;
  FileSet files(settings, problems);
  files.read(file);
  return check(files, file, catalog, problems);
}

ReadResult read_manifest_text(std::string_view text, const std::filesystem::path& name, KindCatalog& catalog,
                              const ReadSettings& settings) {
  Problems problems;
  FileSet files(settings, problems);
  files.read_text(text, name);
  return check(files, name, catalog, problems);
}

std::string to_text(const Problem& problem) {
  return problem.position.file + ":" + std::to_string(problem.position.line) + ":" +
         std::to_string(problem.position.column) + ": " + problem.text;
}

std::string error_report(const ReadResult& result) {
  const auto count = result.errors.size() + result.more_errors;
  if (count == 0) return {};
  std::string report;
  for (const auto& error : result.errors) report += to_text(error) + "\n";
  if (result.more_errors > 0) report += "... and " + std::to_string(result.more_errors) + " more\n";
  return report + std::to_string(count) + (count == 1 ? " error" : " errors") + "; nothing was started\n";
}

std::string warning_report(const ReadResult& result) {
  std::string report;
  for (const auto& warning : result.warnings)
    report += to_text(Problem{warning.position, "warning: " + warning.text}) + "\n";
  return report;
}

}  // namespace backplane::host
