// The files of `new_plugin/`, put into the program by the build.
#pragma once

#include <string_view>

namespace backplane::host {

struct TemplateFile {
  std::string_view name;  // @NAME@ stands for the plugin's name, here and in the text
  std::string_view text;
};

struct TemplateFiles {
  const TemplateFile* first;
  const TemplateFile* last;
  const TemplateFile* begin() const { return first; }
  const TemplateFile* end() const { return last; }
};
TemplateFiles new_plugin_files();

}  // namespace backplane::host
