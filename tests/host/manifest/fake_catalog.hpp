// Kinds as the project's plugins offer them, without the plugins, and a few that only a test needs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "loader/kind_info.hpp"

namespace backplane::host {

class FakeCatalog : public KindCatalog {
 public:
  FakeCatalog();

  std::optional<std::string> open(const std::string& plugin, const std::filesystem::path& folder) override;
  const KindInfo* find(std::string_view kind) const override;
  std::vector<std::string> kind_names() const override;

  // Makes the kinds of all plugins known.
  FakeCatalog& open_all();
  // What was opened: "zmq", or for a path "folder|./libmine.so".
  std::vector<std::string> opened;

 private:
  std::map<std::string, std::vector<KindInfo>> plugins_;
  std::map<std::string, KindInfo, std::less<>> known_;
};

}  // namespace backplane::host
