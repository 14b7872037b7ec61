// The plugins on the search path, described in helper processes: nothing of them is loaded here.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "command_line/arguments.hpp"
#include "command_line/console.hpp"
#include "loader/loader.hpp"

namespace backplane::host {

// As a catalog it knows the kinds of all installed plugins; open() succeeds for those and opens nothing.
// Main thread, the only one.
class InstalledPlugins : public KindCatalog {
 public:
  explicit InstalledPlugins(const PluginPath& first);

  const std::vector<std::filesystem::path>& search_path() const { return search_path_; }
  // In order of their names, refused ones included.
  const std::vector<Inspection>& all() const { return all_; }
  // Those that can be loaded.
  std::vector<const PluginInfo*> usable() const;

  std::optional<std::string> open(const std::string& plugin, const std::filesystem::path& folder) override;
  const KindInfo* find(std::string_view kind) const override;
  std::vector<std::string> kind_names() const override;
  // nullptr: no installed plugin offers it.
  const ClientInfo* find_client(std::string_view scheme) const;
  std::vector<std::string> schemes() const;

 private:
  std::vector<std::filesystem::path> search_path_;
  std::vector<Inspection> all_;
  std::map<std::string, const KindInfo*, std::less<>> kinds_;
};

// "inbound, service"; empty when there is nothing to say.
std::string properties_text(std::uint32_t properties);
// How the options of sections are written, by an example; empty: the kind has none.
std::string sections_note(const KindInfo& kind);
// "add(a: int, b: int = 1) -> int"
std::string signature(const FunctionInfo& function);
std::string manner_text(bp_manner manner);

nlohmann::ordered_json to_json(const KindInfo& kind);
nlohmann::ordered_json to_json(const FunctionInfo& function);
nlohmann::ordered_json to_json(const ClientInfo& client);
// Kinds and clients in full.
nlohmann::ordered_json to_json(const PluginInfo& plugin);
// One JSON document, with a line break. Bytes that are no UTF-8 are replaced.
void print(Console& console, const nlohmann::ordered_json& document);

}  // namespace backplane::host
