// Reads a manifest's file and everything it includes. Inner header of this folder.
#pragma once

#include <deque>
#include <string_view>
#include <vector>

#include "manifest/section.hpp"
#include "manifest/substitute.hpp"

namespace backplane::host {

// One reading of a file: parsed, ${} replaced, its keys looked at.
struct LoadedFile {
  const Source* source = nullptr;
  Node root;       // owns what `keys` points to
  GivenKeys keys;  // host, plugins, components, routes
};

// Reads files; keeps the sources that places point to.
class FileSet {
 public:
  FileSet(const ReadSettings& settings, Problems& problems) : settings_(settings), problems_(problems) {}

  // Reads the main file and all it includes. What could not be read was reported and is left out.
  void read(const std::filesystem::path& file);
  // Likewise, with the main file's text given.
  void read_text(std::string_view text, const std::filesystem::path& name);

  // In the order in which their contents count: every file before those it includes.
  const std::deque<LoadedFile>& files() const { return files_; }
  const Source& main() const { return sources_.front(); }

 private:
  struct Request;

  const Source& add_source(const std::filesystem::path& file, const Request& request);
  void read_source(std::string_view text, const Source& source, const Request& request);
  Parameters declare_parameters(const Node& root, const Source& source, const Request& request);
  std::optional<Parameter> declare_parameter(const Entry& entry, const Request& request);
  void check_given_parameters(const Parameters& parameters, const Source& source, const Request& request);
  void warn_of_unused(const Parameters& parameters, const Node& root);
  void read_includes(const Node& include, const Source& source);
  void read_include(const Node& include, const Source& source);
  void include_file(const Request& request, const Source& source);
  bool is_within_limits(const Source& includer, const Place& at);
  bool is_cycle(const std::filesystem::path& file, const Source& includer, const Place& at);

  const ReadSettings& settings_;
  Problems& problems_;
  Budget budget_;
  std::deque<Source> sources_;
  std::deque<LoadedFile> files_;
};

}  // namespace backplane::host
