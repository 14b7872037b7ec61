#include "loader/loader.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "loader/library.hpp"
#include "loader/private_folder.hpp"
#include "loader/refused.hpp"
#include "loader/table.hpp"
#include "log/escape.hpp"

namespace backplane::host {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view suffix = ".so";

void add_list(std::vector<fs::path>& folders, std::string_view list) {
  while (!list.empty()) {
    const auto folder = list.substr(0, list.find(':'));
    if (!folder.empty()) folders.emplace_back(folder);
    list.remove_prefix(std::min(list.size(), folder.size() + 1));
  }
}

std::string joined(const std::vector<fs::path>& folders) {
  std::string text;
  for (const auto& folder : folders) text += (text.empty() ? "" : ", ") + folder.string();
  return text;
}

// Changes of one letter that lead from one to the other.
std::size_t edits(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  for (std::size_t column = 0; column < row.size(); ++column) row[column] = column;
  for (const char letter : left) {
    auto diagonal = row.front()++;
    for (std::size_t column = 1; column < row.size(); ++column) {
      const auto change = diagonal + (letter == right[column - 1] ? 0 : 1);
      diagonal = row[column];
      row[column] = std::min({change, row[column] + 1, row[column - 1] + 1});
    }
  }
  return row.back();
}

// "; did you mean ...?", or what there is.
std::string hint(const std::string& name, const std::vector<AvailablePlugin>& available) {
  constexpr std::size_t longest = 100;
  std::string all;
  const AvailablePlugin* nearest = nullptr;
  auto best = name.size() / 3 + 2;
  for (const auto& plugin : available) {
    all += (all.empty() ? "" : ", ") + plugin.name;
    if (name.size() > longest || plugin.name.size() > longest) continue;
    if (const auto distance = edits(name, plugin.name); distance < best && distance < name.size()) {
      best = distance;
      nearest = &plugin;
    }
  }
  if (nearest != nullptr) return "; did you mean \"" + nearest->name + "\"?";
  return all.empty() ? "; there are no plugins at all" : "; there are: " + all;
}

// Why `file` is not worth loading; empty: it is.
std::string fault_of(const ElfFacts& facts) {
  if (!facts.fault.empty()) return facts.fault;
  if (facts.symbols_known && !facts.exports_table)
    return "not a plugin: it exports no table \"" BP_PLUGIN_SYMBOL
           "\"; end one of its sources with BACKPLANE_PLUGIN(...)";
  return {};
}

// `reason`, and what else is missing beside the one thing it names.
std::string full_reason(const Description& description) {
  constexpr std::size_t shown = 10;
  const auto& missing =
      description.missing_libraries.empty() ? description.missing_symbols : description.missing_libraries;
  auto text = description.reason;
  if (missing.size() < 2) return text;
  text += "; missing in all:";
  for (std::size_t index = 0; index < std::min(shown, missing.size()); ++index)
    text += (index == 0 ? " " : ", ") + missing[index];
  if (missing.size() > shown) text += " and " + std::to_string(missing.size() - shown) + " more";
  return text;
}

std::string sentence(const fs::path& file, std::string_view reason) {
  return escaped(file.string()) + ": " + escaped(reason);
}

// Kinds as this process sees them, with functions as the helper was told.
void take_functions(PluginInfo& plugin, PluginInfo described) {
  for (auto& kind : plugin.kinds) {
    const auto same = [&kind](const KindInfo& other) { return other.name == kind.name; };
    const auto found = std::find_if(described.kinds.begin(), described.kinds.end(), same);
    if (found != described.kinds.end()) kind.functions = std::move(found->functions);
  }
}

}  // namespace

Inspection inspect(const fs::path& file) {
  Inspection inspection;
  inspection.file = file;
  inspection.elf = read_elf(file);
  auto reason = fault_of(inspection.elf);
  if (reason.empty()) {
    std::error_code ignored;
    const auto absolute = fs::absolute(file, ignored);
    inspection.description = describe_in_helper(absolute, absolute);
    reason = full_reason(inspection.description);
  }
  inspection.loadable = reason.empty();
  if (!inspection.loadable) inspection.reason = sentence(file, reason);
  return inspection;
}

std::vector<fs::path> plugin_search_path(const std::vector<fs::path>& first) {
  auto folders = first;
  if (const char* list = std::getenv("BACKPLANE_PLUGIN_PATH")) add_list(folders, list);
  std::error_code failure;
  if (const auto program = fs::read_symlink("/proc/self/exe", failure); !failure) {
    const auto above = program.parent_path().parent_path();
    folders.push_back(above / "plugins");
    for (const char* place : {"lib", BACKPLANE_LIBDIR, BACKPLANE_MULTIARCH_LIBDIR})
      folders.push_back(above / place / "backplane/plugins");
  }
  folders.push_back(fs::path(BACKPLANE_FULL_LIBDIR) / "backplane/plugins");
  std::vector<fs::path> once;
  for (auto& folder : folders)
    if (std::find(once.begin(), once.end(), folder) == once.end()) once.push_back(std::move(folder));
  return once;
}

Loader::Loader(const LoaderSettings& settings)
    : search_path_(plugin_search_path(settings.folders)), probe_(settings.probe) {}
Loader::~Loader() = default;

std::vector<AvailablePlugin> Loader::available() const {
  std::map<std::string, fs::path> found;
  for (const auto& folder : search_path_) {
    std::error_code failure;
    for (fs::directory_iterator next(folder, failure), end; !failure && next != end;
         next.increment(failure)) {
      std::error_code ignored;
      const auto& file = next->path();
      if (file.extension() == suffix && next->is_regular_file(ignored)) found.try_emplace(file.stem(), file);
    }
  }
  std::vector<AvailablePlugin> all;
  for (auto& [name, file] : found) all.push_back({name, file});
  return all;
}

fs::path Loader::locate(const std::string& plugin, const fs::path& folder) const {
  if (plugin.find('/') != plugin.npos) return folder / plugin;
  for (const auto& place : search_path_) {
    std::error_code ignored;
    const auto file = place / (plugin + std::string(suffix));
    if (fs::exists(file, ignored)) return file;
  }
  if (plugin.ends_with(suffix))
    throw std::runtime_error("no plugin is named \"" + escaped(plugin) + "\": names have no \"" +
                             std::string(suffix) + "\", and a file is given with a '/', like ./" +
                             escaped(plugin));
  throw std::runtime_error("no plugin \"" + escaped(plugin) + "\" in " + joined(search_path_) +
                           hint(plugin, available()));
}

std::optional<std::string> Loader::open(const std::string& plugin, const fs::path& folder) {
  fs::path file;
  try {
    file = locate(plugin, folder);
    open_file(file);
    return std::nullopt;
  } catch (const std::exception& refusal) {
    return file.empty() ? refusal.what() : sentence(file, refusal.what());
  }
}

Loader::Identity Loader::identify(const fs::path& file) {
  struct stat facts {};
  if (::stat(file.c_str(), &facts) != 0) throw Refused(fault_of(read_elf(file)));
  return {facts.st_dev, facts.st_ino, static_cast<std::uint64_t>(facts.st_size),
          std::int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec};
}

void Loader::open_file(const fs::path& file) {
  const auto identity = identify(file);
  if (opened_.contains(identity)) return;
  add(load(file));
  opened_.emplace(identity, file);
}

PluginInfo Loader::load(const fs::path& file) {
  // A folder or a device cannot be copied.
  if (const auto fault = fault_of(read_elf(file)); !fault.empty()) throw Refused(fault);
  if (!copies_) copies_ = std::make_unique<PrivateFolder>();
  const auto copy = copies_->copy(file);
  try {
    auto plugin = load_copy(copy, fs::absolute(file));
    plugin.file = file;
    return plugin;
  } catch (...) {
    std::error_code ignored;
    fs::remove(copy, ignored);
    throw;
  }
}

PluginInfo Loader::load_copy(const fs::path& copy, const fs::path& original) {
  const auto facts = read_elf(copy);
  if (const auto fault = fault_of(facts); !fault.empty()) throw Refused(fault);
  PluginInfo described;
  if (probe_) {
    auto description = describe_in_helper(copy, original, loading_limit, OptionTables::leave_out);
    if (!description.reason.empty()) throw Refused(full_reason(description));
    described = std::move(*description.plugin);
    refuse_known_kinds(described);
  }
  PluginInfo plugin;
  read_table(load_library(copy, original, facts), plugin, probe_ ? AskFunctions::no : AskFunctions::yes);
  refuse_known_kinds(plugin);
  take_functions(plugin, std::move(described));
  return plugin;
}

void Loader::refuse_known_kinds(const PluginInfo& plugin) const {
  for (const auto& kind : plugin.kinds) {
    const auto found = kinds_.find(kind.name);
    if (found == kinds_.end()) continue;
    const auto& other = *found->second.plugin;
    throw Refused("plugin \"" + plugin.name + "\" offers the kind \"" + kind.name + "\", which plugin \"" +
                  other.name + "\" (" + other.file.string() + ") offers already");
  }
}

void Loader::add(PluginInfo plugin) {
  const auto& added = plugins_.emplace_back(std::move(plugin));
  for (const auto& kind : added.kinds) kinds_.emplace(kind.name, Known{&added, &kind});
}

const KindInfo* Loader::find(std::string_view kind) const {
  const auto found = kinds_.find(kind);
  return found == kinds_.end() ? nullptr : found->second.kind;
}

const ClientInfo* Loader::find_client(std::string_view scheme) const {
  for (const auto& plugin : plugins_)
    for (const auto& client : plugin.clients)
      if (client.scheme == scheme) return &client;
  return nullptr;
}

std::vector<std::string> Loader::kind_names() const {
  std::vector<std::string> names;
  for (const auto& [name, known] : kinds_) names.push_back(name);
  return names;
}

}  // namespace backplane::host
