// The `plugins` and `components` sections of a manifest and its includes. Inner header of this folder.
#pragma once

#include <deque>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "manifest/files.hpp"

namespace backplane::host {

class ComponentReader {
 public:
  // A component as it stands in the manifest. One with mistakes is here too, so that routes to it are none.
  struct Declared {
    ComponentSettings settings;
    Place place;                     // of its name
    const KindInfo* kind = nullptr;  // nullptr: unknown, which was reported
    bool has(std::uint32_t property) const { return kind != nullptr && (kind->properties & property) != 0; }
    // `component "jobs" (zmq.pull)`
    std::string label() const;
  };

  ComponentReader(KindCatalog& catalog, Problems& problems) : catalog_(catalog), problems_(problems) {}

  void open_plugins(const std::deque<LoadedFile>& files, const Source& main);
  void read(const std::deque<LoadedFile>& files, const Source& main);

  // The component that `name`, written in `source`, means: of the same template first, then of the including
  // files, outwards. nullptr: none.
  const Declared* find(std::string_view name, const Source& source) const;
  // The same for a name in a manifest; that there is none such is reported, beginning with `label` and, when
  // it is not even a text, `what`.
  const Declared* resolve(const Node& name, const std::string& label, const std::string& what) const;
  const std::deque<Declared>& all() const { return declared_; }
  // All names as one would write them in `source`.
  std::vector<std::string> names_seen_from(const Source& source) const;

  std::vector<PluginReference> take_plugins() { return std::move(plugins_); }
  std::vector<ComponentSettings> take();

 private:
  void open_plugin(const Node& item);
  void read_section(const LoadedFile& file);
  void read_component(const Entry& entry, const LoadedFile& file);
  void report_duplicate(const Entry& entry, const std::string& name, const Declared& held);
  bool read_kind(const Entry& entry, Declared& component);
  void leave_bounds_to_kind(Declared& component);
  void report_unknown_kind(const Declared& component, const Node& kind);
  // The keys of a component, or of a section of its options: `prefix` is "results." then.
  void read_entries(const Node& map, const std::string& prefix, Declared& component);
  void read_section_of_options(const Entry& entry, Declared& component);
  void report_unknown_option(const Entry& entry, const std::string& prefix, const Declared& component);
  std::string hint_for_key(const std::string& key, const KindInfo& kind);
  std::string hint_in_section(const std::string& name, const KindInfo& kind);
  void read_option(const Entry& entry, const OptionInfo& info, Declared& component);
  void resolve_references();
  void read_common(const Entry& entry, const KeyInfo& info, Declared& component);
  void fill_defaults(const Entry& entry, Declared& component);
  void check_blocking(const Entry& entry, Declared& component);
  void check_ends(const Entry& entry, const Declared& component);
  void check_exposure(const Entry& entry, const Declared& component);
  void check_loops();
  void check_limits(const Source& main);

  KindCatalog& catalog_;
  Problems& problems_;
  std::vector<PluginReference> plugins_;
  std::set<std::string> listed_plugins_;
  std::set<std::string, std::less<>> refused_plugins_;
  std::set<std::string, std::less<>>
      misspelt_;  // options that unknown keys of this component were meant to be
  std::deque<Declared> declared_;
  std::unordered_map<std::string, Declared*> by_name_;
  std::unordered_map<const Declared*, Place> loop_places_;
  struct Reference {  // an option whose value names components
    Declared* component;
    std::string option;
    const Node* value;
  };
  std::vector<Reference> references_;
};

}  // namespace backplane::host
