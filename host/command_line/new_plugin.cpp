#include "command_line/new_plugin_files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <ostream>

#include "command_line/commands.hpp"
#include "manifest/units.hpp"

namespace backplane::host {

namespace {

// Plugins that come with the host, targets that CMake makes itself, and words of C++ that a namespace or a
// test's name cannot be.
constexpr std::string_view taken_names[] = {
    "all",      "and",           "asm",      "auto",     "backplane", "basic",     "bool",
    "break",    "case",          "catch",    "char",     "class",     "clean",     "concept",
    "const",    "default",       "delete",   "demo",     "do",        "double",    "edit_cache",
    "else",     "enum",          "explicit", "export",   "extern",    "false",     "float",
    "for",      "friend",        "goto",     "help",     "if",        "inline",    "install",
    "int",      "kinds",         "long",     "main",     "mutable",   "namespace", "new",
    "not",      "operator",      "or",       "package",  "plugin",    "private",   "protected",
    "public",   "rebuild_cache", "register", "requires", "return",    "short",     "signed",
    "sizeof",   "static",        "std",      "struct",   "switch",    "template",  "test",
    "this",     "throw",         "true",     "try",      "typedef",   "typename",  "union",
    "unsigned", "using",         "virtual",  "void",     "volatile",  "while",     "xor",
    "zmq"};

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool may_follow(char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; }

void check_name(const std::string& name) {
  const bool well_formed = !name.empty() && name.size() <= 64 && is_letter(name[0]) &&
                           std::all_of(name.begin(), name.end(), may_follow) &&
                           name.find("__") == std::string::npos;
  if (!well_formed)
    throw UsageError(
        in_quotes(name) +
        " cannot be a plugin's name; expected small letters, digits and single '_', a letter first, "
        "at most 64, such as my_filters");
  if (std::find(std::begin(taken_names), std::end(taken_names), name) != std::end(taken_names))
    throw UsageError("the name " + in_quotes(name) +
                     " is taken (by the host, CMake or C++); choose another one");
}

std::string filled_in(std::string_view text, const std::string& name) {
  constexpr std::string_view mark = "@NAME@";
  std::string filled;
  for (;;) {
    const auto at = text.find(mark);
    filled += text.substr(0, at);
    if (at == std::string_view::npos) return filled;
    filled += name;
    text.remove_prefix(at + mark.size());
  }
}

void write(const std::filesystem::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text;
  if (!out.flush()) throw std::runtime_error("cannot write " + file.string() + ": " + std::strerror(errno));
}

}  // namespace

int new_plugin(const NewPluginArguments& arguments, Console& console) {
  check_name(arguments.name);
  const auto folder = (arguments.folder / arguments.name).lexically_normal();
  std::error_code error;
  if (!std::filesystem::is_directory(arguments.folder, error))
    throw UsageError(arguments.folder.string() + " is no folder to make " + arguments.name + " in");
  if (!std::filesystem::create_directory(folder, error))
    throw UsageError("cannot make the folder " + folder.string() + ": " +
                     (error ? error.message() : "it exists; nothing was changed"));
  try {
    for (const auto& file : new_plugin_files())
      write(folder / filled_in(file.name, arguments.name), filled_in(file.text, arguments.name));
  } catch (...) {
    std::filesystem::remove_all(folder, error);
    throw;
  }
  for (const auto& file : new_plugin_files())
    console.out << (folder / filled_in(file.name, arguments.name)).string() << '\n';
  console.out << "\nNext:\n"
              << "  cmake -S " << folder.string() << " -B " << (folder / "build").string() << '\n'
              << "  cmake --build " << (folder / "build").string() << '\n'
              << "  ctest --test-dir " << (folder / "build").string() << '\n';
  return kDone;
}

}  // namespace backplane::host
