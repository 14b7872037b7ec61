#include "loader/library.hpp"

#include <dlfcn.h>

#include <boost/dll/shared_library.hpp>
#include <string>
#include <string_view>

#include "loader/refused.hpp"

namespace backplane::host {

namespace {

namespace fs = std::filesystem;
namespace mode = boost::dll::load_mode;

constexpr auto load_mode = static_cast<mode::type>(static_cast<unsigned>(mode::rtld_now) | RTLD_NODELETE);

// The text of the dynamic linker within Boost's: "... (dlerror system message: TEXT): ...", with the name
// of the original file for that of its copy.
std::string linker_text(std::string_view text, const fs::path& file, const fs::path& original) {
  constexpr std::string_view begin = "(dlerror system message: ";
  if (const auto found = text.find(begin); found != text.npos) text.remove_prefix(found + begin.size());
  if (const auto found = text.rfind("): "); found != text.npos) text = text.substr(0, found);
  const auto name = file.string() + ": ";
  if (text.starts_with(name)) return std::string(text.substr(name.size()));
  std::string shown(text);
  for (auto at = shown.find(file.string()); at != shown.npos; at = shown.find(file.string(), at + 1))
    shown.replace(at, file.string().size(), original.string());
  return shown;
}

// `folder` of a run path with $ORIGIN filled in; empty when it does not begin with it.
fs::path beside(std::string_view folder, const fs::path& original) {
  for (const std::string_view origin : {"$ORIGIN", "${ORIGIN}"})
    if (folder.starts_with(origin))
      return original.parent_path().string() + std::string(folder.substr(origin.size()));
  return {};
}

// The dynamic linker resolves $ORIGIN by where the copy is; what is already loaded it does not look for.
void load_libraries_beside(const fs::path& original, const ElfFacts& facts) {
  for (const auto& folder : facts.run_path) {
    const auto place = beside(folder, original);
    if (place.empty()) continue;
    for (const auto& name : facts.needed) {
      const auto library = place / name;
      std::error_code ignored;
      if (fs::is_regular_file(library, ignored)) boost::dll::shared_library(library, load_mode);
    }
  }
}

}  // namespace

const bp_plugin& load_library(const fs::path& file, const fs::path& original, const ElfFacts& facts) {
  try {
    load_libraries_beside(original, facts);
    const boost::dll::shared_library library(file, load_mode);
    if (!library.has(BP_PLUGIN_SYMBOL))
      throw Refused("not a plugin: it exports no table \"" BP_PLUGIN_SYMBOL "\"");
    return library.get<const bp_plugin>(BP_PLUGIN_SYMBOL);
  } catch (const fs::filesystem_error& failure) {
    throw Refused(std::string("cannot be loaded: ") + failure.what());
  } catch (const std::system_error& failure) {
    throw Refused("cannot be loaded: " + linker_text(failure.what(), file, original));
  } catch (const Refused&) {
    throw;
  } catch (const std::exception& failure) {
    throw Refused(std::string("a constructor of it threw: ") + failure.what());
  } catch (...) {
    throw Refused("a constructor of it threw something that is no std::exception");
  }
}

}  // namespace backplane::host
