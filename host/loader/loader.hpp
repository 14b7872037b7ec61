// Finds plugin files, refuses bad ones with a sentence, keeps good ones loaded until the process ends.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loader/describe.hpp"
#include "loader/elf.hpp"
#include "loader/kind_info.hpp"

namespace backplane::host {

class PrivateFolder;

struct LoaderSettings {
  std::vector<std::filesystem::path> folders;  // searched before all others
  // Load every plugin in a helper process first (a few milliseconds each): one whose constructors crash is
  // then refused and takes nothing with it.
  bool probe = true;
};

// A plugin file that could be opened by its name.
struct AvailablePlugin {
  std::string name;  // of the file, without ".so"
  std::filesystem::path file;
};

// What can be told of a file, whether it can be loaded or not.
struct Inspection {
  std::filesystem::path file;
  bool loadable = false;
  std::string reason;  // why not, beginning with the file's name
  ElfFacts elf;
  Description description;  // what its table says; empty when the file was not worth loading
};

// Inspects `file` in a helper process; this process loads nothing. Never fails: a missing file is a reason.
// REQUIRES: this process has one thread.
Inspection inspect(const std::filesystem::path& file);

// The folders in which a plugin's name is searched: `first`, those of the environment variable
// BACKPLANE_PLUGIN_PATH (separated by ':'), those beside the executable (../plugins of a build tree,
// ../lib/backplane/plugins of an installed one), then the one it was configured to be installed in.
std::vector<std::filesystem::path> plugin_search_path(const std::vector<std::filesystem::path>& first);

// The plugins this process has opened. Not thread-safe: belongs to the main thread. What it returns stays
// valid as long as the loader does; the plugins themselves stay mapped until the process ends.
class Loader : public KindCatalog {
 public:
  explicit Loader(const LoaderSettings& settings = {});
  ~Loader() override;
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // As KindCatalog says. The file is copied to a private folder and loaded from there, so that it may be
  // replaced while this process runs. On a refusal nothing has changed.
  // REQUIRES: with `probe`, this process has one thread.
  std::optional<std::string> open(const std::string& plugin, const std::filesystem::path& folder) override;
  const KindInfo* find(std::string_view kind) const override;
  std::vector<std::string> kind_names() const override;

  // The client of an open plugin; nullptr: none offers it. Of several the one that was opened first.
  const ClientInfo* find_client(std::string_view scheme) const;
  // The open plugins, in the order they were opened.
  const std::deque<PluginInfo>& plugins() const { return plugins_; }
  const std::vector<std::filesystem::path>& search_path() const { return search_path_; }
  // The plugin files on the search path, sorted; of two with one name the one that is found first.
  std::vector<AvailablePlugin> available() const;
  // The file that `open` would take. Throws std::runtime_error saying where it was searched.
  std::filesystem::path locate(const std::string& plugin, const std::filesystem::path& folder) const;

 private:
  // A file as the system knows it, whatever it is called.
  struct Identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::int64_t modified = 0;  // nanoseconds
    auto operator<=>(const Identity&) const = default;
  };

  struct Known {
    const PluginInfo* plugin = nullptr;
    const KindInfo* kind = nullptr;
  };

  static Identity identify(const std::filesystem::path& file);
  void open_file(const std::filesystem::path& file);
  PluginInfo load(const std::filesystem::path& file);
  PluginInfo load_copy(const std::filesystem::path& copy, const std::filesystem::path& original);
  void refuse_known_kinds(const PluginInfo& plugin) const;
  void add(PluginInfo plugin);

  std::vector<std::filesystem::path> search_path_;
  bool probe_;
  std::unique_ptr<PrivateFolder> copies_;  // made with the first plugin
  std::deque<PluginInfo> plugins_;         // never moved: kinds_ points into it
  std::map<std::string, Known, std::less<>> kinds_;
  std::map<Identity, std::filesystem::path> opened_;
};

}  // namespace backplane::host
