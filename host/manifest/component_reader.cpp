#include "manifest/component_reader.hpp"

#include <algorithm>
#include <span>

#include "manifest/option_names.hpp"
#include "manifest/suggest.hpp"

namespace backplane::host {
namespace {

constexpr std::string_view always_open = "basic";

const KeyInfo* common_key(const KindInfo& kind, std::string_view name) {
  const bool is_own = find_option(kind, name) != nullptr || has_section(kind, name);
  return is_own ? nullptr : find_key(component_keys(), name);
}

// What may stand in a component of this kind.
std::vector<std::string> allowed_keys(const KindInfo& kind) {
  auto names = option_keys(kind);
  for (const auto& key : component_keys())
    if (common_key(kind, key.name) != nullptr) names.push_back(key.name);
  return names;
}

// The option that stands under `key` of a component, or of the section that `prefix` ("results.") names.
// A key is one word: "results.path: x" is not how that option is written.
const OptionInfo* option_under(const KindInfo& kind, const std::string& prefix, const std::string& key) {
  return section_of(key).empty() ? find_option(kind, prefix + key) : nullptr;
}

// The option of a section that `name` in it was probably meant to be. nullptr: none is near.
const OptionInfo* nearest_in(const KindInfo& kind, std::string_view section, std::string_view name) {
  std::vector<std::string> names;
  for (const auto& option : options_in(kind, section)) names.emplace_back(name_in_section(option));
  const auto near = nearest_name(name, names);
  return near ? find_option(kind, std::string(section) + "." + *near) : nullptr;
}

// The option that a key outside of its section was meant to be: "results.path", "results.pth" or "path".
const OptionInfo* meant_by(const KindInfo& kind, const std::string& key) {
  if (has_section(kind, section_of(key))) return nearest_in(kind, section_of(key), name_in_section(key));
  for (const auto& option : kind.options)
    if (name_in_section(option.name) == key) return &option;
  return nullptr;
}

// `results: {path: ...}`
std::string as_written(const OptionInfo& option) {
  return std::string(section_of(option.name)) + ": {" + std::string(name_in_section(option.name)) + ": ...}";
}

// Whether something stands in `component` for this option, right or wrong.
bool stands_in(const Node& component, const OptionInfo& option) {
  const auto section = section_of(option.name);
  if (section.empty()) return component.find(option.name) != nullptr;
  const auto* inner = component.find(section);
  if (inner == nullptr) return false;
  const bool is_section = inner->is_map() && !inner->entries.empty() && !inner->broken;
  return !is_section || inner->find(name_in_section(option.name)) != nullptr;
}

// By the names that options for it have, here and in plugins of others.
bool is_protected(const std::map<std::string, OptionSetting, std::less<>>& options) {
  return std::any_of(options.begin(), options.end(), [](const auto& option) {
    const auto& [name, setting] = option;
    const bool protects = name.starts_with("server_secret_key") || name.starts_with("allow") ||
                          name.starts_with("curve") || name.starts_with("tls");
    return protects && setting.given;
  });
}

std::string prefix_of(std::string_view kind) { return std::string(kind.substr(0, kind.find('.'))); }

}  // namespace

std::string ComponentReader::Declared::label() const {
  auto text = "component " + in_quotes(settings.name);
  if (!settings.kind.empty()) text += " (" + settings.kind + ")";
  return text;
}

void ComponentReader::open_plugins(const std::deque<LoadedFile>& files, const Source& main) {
  if (const auto reason = catalog_.open(std::string(always_open), main.folder())) {
    refused_plugins_.insert(std::string(always_open));
    problems_.warning({&main, 1, 1}, "the plugin \"basic\", which is always opened, is missing: " + *reason);
  }
  for (const auto& file : files) {
    const auto plugins = file.keys.find("plugins");
    if (plugins == file.keys.end()) continue;
    const auto& list = *plugins->second.value;
    if (!read_setting(list, *find_key(top_keys(), "plugins"), "plugins", problems_)) continue;
    std::set<std::string_view> seen;
    const auto open_once = [&](const Node& item) {
      if (!seen.insert(item.text).second) {
        problems_.error(item.place, "plugins: " + in_quotes(item.text) + " is listed twice");
      } else {
        open_plugin(item);
      }
    };
    if (list.is_text()) open_once(list);
    for (const auto& item : list.items) open_once(item);
  }
}

void ComponentReader::open_plugin(const Node& item) {
  if (item.text.empty()) {
    problems_.error(item.place, "plugins: the name of a plugin is empty");
    return;
  }
  const bool is_path = item.text.find('/') != std::string::npos;
  const auto identity = is_path ? path_in(item.place.source->folder(), item.text) : item.text;
  if (!listed_plugins_.insert(identity).second) return;  // by another file
  plugins_.push_back({item.text, {item.place.source->file.string(), item.place.line, item.place.column}});
  if (item.text == always_open) return;
  if (const auto reason = catalog_.open(item.text, item.place.source->folder())) {
    refused_plugins_.insert(item.text);
    problems_.error(item.place, "plugin " + in_quotes(item.text) + ": " + *reason);
  }
}

void ComponentReader::read(const std::deque<LoadedFile>& files, const Source& main) {
  for (const auto& file : files) read_section(file);
  resolve_references();
  check_limits(main);
  check_loops();
}

void ComponentReader::read_section(const LoadedFile& file) {
  const auto components = file.keys.find("components");
  if (components == file.keys.end() || components->second.value->broken) return;
  const auto& section = *components->second.value;
  if (!section.is_map() || section.entries.empty()) {
    problems_.error(section.place, "components: expected names, each with {kind: ...}; found " +
                                       (section.is_map() ? "none" : std::string(type_name(section))));
    return;
  }
  check_duplicates(section, "components", problems_);
  for (const auto& entry : section.entries)
    if (!entry.key.broken) read_component(entry, file);
}

void ComponentReader::read_component(const Entry& entry, const LoadedFile& file) {
  if (declared_.size() >= component_limit) {
    if (declared_.size() == component_limit)
      problems_.error(entry.key.place, "more than " + std::to_string(component_limit) + " components");
    return;
  }
  const auto name = file.source->prefix + entry.key.text;
  if (!is_valid_name(entry.key.text))
    problems_.error(entry.key.place,
                    "component " + in_quotes(entry.key.text) + ": not a name; " + std::string(name_rule));
  if (const auto held = by_name_.find(name); held != by_name_.end()) {
    report_duplicate(entry, name, *held->second);
    return;
  }
  auto& component = declared_.emplace_back();
  by_name_[name] = &component;
  component.place = entry.key.place;
  component.settings.name = name;
  component.settings.position = {file.source->file.string(), entry.key.place.line, entry.key.place.column};
  if (!read_kind(entry, component)) return;
  leave_bounds_to_kind(component);
  misspelt_.clear();
  read_entries(entry.value, {}, component);
  fill_defaults(entry, component);
  check_blocking(entry, component);
  check_ends(entry, component);
  check_exposure(entry, component);
}

// A key that stands twice in one map was reported as such.
void ComponentReader::report_duplicate(const Entry& entry, const std::string& name, const Declared& held) {
  const auto& source = *entry.key.place.source;
  const auto& other = *held.place.source;
  if (&source == &other) return;
  const bool is_same_file = source.file == other.file;
  problems_.error(entry.key.place,
                  "component " + in_quotes(name) + " is already declared at " + to_text(held.place) +
                      (is_same_file ? "; include that file once, or each time with another as: NAME" : ""));
}

bool ComponentReader::read_kind(const Entry& entry, Declared& component) {
  if (entry.value.broken) return false;
  if (!entry.value.is_map()) {
    const bool missing = entry.value.is_null();
    problems_.error(missing ? entry.key.place : entry.value.place,
                    component.label() +
                        (missing ? " has no value" : " is " + std::string(type_name(entry.value))) +
                        "; expected {kind: ...} and options");
    return false;
  }
  const auto* kind = entry.value.find("kind");
  if (kind == nullptr) {
    problems_.error(entry.key.place,
                    component.label() + ": \"kind\" is required: what it is, e.g. kind: log.sink");
    return false;
  }
  if (kind->broken) return false;
  if (!kind->is_text() || kind->text.empty()) {
    problems_.error(kind->is_null() ? entry.key.place : kind->place,
                    component.label() + ": kind: expected the name of a kind, found " +
                        (kind->is_text() ? "an empty text" : std::string(type_name(*kind))));
    return false;
  }
  component.kind = catalog_.find(kind->text);
  if (component.kind == nullptr) {
    report_unknown_kind(component, *kind);
    return false;
  }
  component.settings.kind = kind->text;
  return true;
}

// A kind that has an option of its own for a common key sees to it itself: then the host sets no bound.
void ComponentReader::leave_bounds_to_kind(Declared& component) {
  auto& settings = component.settings;
  if (common_key(*component.kind, "timeout") == nullptr) settings.timeout = Nanoseconds(0);
  if (common_key(*component.kind, "in_flight") == nullptr)
    settings.in_flight = static_cast<std::uint32_t>(find_key(component_keys(), "in_flight")->maximum);
}

void ComponentReader::report_unknown_kind(const Declared& component, const Node& kind) {
  const auto prefix = prefix_of(kind.text);
  if (refused_plugins_.contains(prefix)) return;  // that is why, and it was said
  const auto known = catalog_.kind_names();
  const bool offered = std::any_of(known.begin(), known.end(),
                                   [&](const std::string& name) { return prefix_of(name) == prefix; });
  auto text = component.label() + ": unknown kind " + in_quotes(kind.text);
  const bool listed = std::any_of(plugins_.begin(), plugins_.end(),
                                  [&](const auto& plugin) { return plugin.name == prefix; });
  if (!offered && !listed && is_valid_name(prefix) && prefix != kind.text) {
    const auto near = nearest_name(kind.text, known);
    text += near ? "; did you mean " + in_quotes(*near) + "? If the plugin " : "; if the plugin ";
    text += in_quotes(prefix) + " offers it, add it: plugins: [" + prefix + "]";
  } else {
    text += name_hint(kind.text, known);
  }
  problems_.error(kind.place, text);
}

void ComponentReader::read_entries(const Node& map, const std::string& prefix, Declared& component) {
  const auto& kind = *component.kind;
  check_duplicates(map, component.label() + (prefix.empty() ? "" : ": " + std::string(section_of(prefix))),
                   problems_);
  std::set<std::string_view> seen;
  for (const auto& item : map.entries) {
    const auto& key = item.key.text;
    if (item.key.broken || !seen.insert(key).second) continue;
    const auto* option = option_under(kind, prefix, key);
    const auto* common = prefix.empty() ? common_key(kind, key) : nullptr;
    if (prefix.empty() && has_section(kind, key)) {
      read_section_of_options(item, component);
    } else if (option == nullptr && common == nullptr) {
      report_unknown_option(item, prefix, component);
    } else if (item.value.is_null()) {
      problems_.error(item.key.place, component.label() + ": " + in_quotes(prefix + key) +
                                          " has no value; give one, or leave it out");
    } else if (option != nullptr) {
      read_option(item, *option, component);
    } else if (common->name != "kind") {
      read_common(item, *common, component);
    }
  }
}

void ComponentReader::read_section_of_options(const Entry& entry, Declared& component) {
  std::vector<std::string> names;
  for (const auto& option : options_in(*component.kind, entry.key.text))
    names.emplace_back(name_in_section(option));
  if (check_inner_map(entry, component.label(), names, problems_))
    read_entries(entry.value, entry.key.text + ".", component);
}

void ComponentReader::report_unknown_option(const Entry& entry, const std::string& prefix,
                                            const Declared& component) {
  const auto& kind = *component.kind;
  const auto name = prefix + entry.key.text;
  auto text = component.label() + ": unknown option " + in_quotes(name);
  if (entry.key.text == "<<") {
    text += "; YAML's merge key is not understood; write the options out, or use a template";
  } else {
    text += prefix.empty() ? hint_for_key(name, kind) : hint_in_section(name, kind);
  }
  problems_.error(entry.key.place, text);
}

// What an unknown key of a component may have been meant to be.
std::string ComponentReader::hint_for_key(const std::string& key, const KindInfo& kind) {
  const auto known = allowed_keys(kind);
  if (const auto near = nearest_name(key, known)) {
    misspelt_.insert(*near);
  } else if (const auto* meant = meant_by(kind, key)) {
    misspelt_.insert(meant->name);
    return meant->name == key ? "; write " + as_written(*meant)
                              : "; did you mean " + as_written(*meant) + "?";
  }
  return name_hint(key, known);
}

// The same of a key in a section; `name` is its whole name.
std::string ComponentReader::hint_in_section(const std::string& name, const KindInfo& kind) {
  const auto* near = nearest_in(kind, section_of(name), name_in_section(name));
  if (near == nullptr) return "; known: " + name_list(options_in(kind, section_of(name)));
  misspelt_.insert(near->name);
  return "; did you mean " + in_quotes(near->name) + "?";
}

void ComponentReader::read_option(const Entry& entry, const OptionInfo& info, Declared& component) {
  auto setting =
      read_setting(entry.value, info, component.label() + ": option " + in_quotes(info.name), problems_);
  if (!setting) return;
  component.settings.options[info.name] = std::move(*setting);
  if (names_components(info)) references_.push_back({&component, info.name, &entry.value});
}

// Puts full names in the place of those written, now that all components are known.
void ComponentReader::resolve_references() {
  for (const auto& [component, option, value] : references_) {
    const auto label = component->label() + ": option " + in_quotes(option);
    auto& setting = component->settings.options.at(option);
    setting.list.clear();
    setting.text.clear();
    const auto names =
        value->is_list() ? std::span<const Node>(value->items) : std::span<const Node>(value, 1);
    for (const auto& written : names) {
      const auto* found = resolve(written, label, "its value");
      if (found == nullptr) continue;
      const auto& name = found->settings.name;
      setting.text += (setting.text.empty() ? "" : ", ") + name;
      if (setting.type == BP_COMPONENT_LIST) setting.list.push_back(name);
    }
  }
}

void ComponentReader::read_common(const Entry& entry, const KeyInfo& info, Declared& component) {
  const auto setting = read_setting(entry.value, info, component.label() + ": " + info.name, problems_);
  if (!setting) return;
  auto& settings = component.settings;
  if (info.name == "instances") settings.instances = static_cast<unsigned>(setting->integer);
  if (info.name == "blocking") settings.blocking = setting->integer != 0;
  if (info.name == "in_flight") settings.in_flight = static_cast<std::uint32_t>(setting->integer);
  if (info.name == "timeout") settings.timeout = Nanoseconds(setting->integer);
  if (info.name == "loop") {
    if (!is_valid_name(setting->text))
      problems_.error(entry.value.place, component.label() + ": loop: " + in_quotes(setting->text) +
                                             " is not a name; " + std::string(name_rule));
    settings.loop = setting->text;
    loop_places_[&component] = entry.value.place;
  }
}

void ComponentReader::fill_defaults(const Entry& entry, Declared& component) {
  for (const auto& info : component.kind->options) {
    if (stands_in(entry.value, info)) continue;
    if (misspelt_.contains(info.name) || misspelt_.contains(section_of(info.name))) continue;
    if (info.required) {
      problems_.error(component.place, component.label() + ": option " + in_quotes(info.name) +
                                           " is required" + (info.help.empty() ? "" : ": " + info.help));
      continue;
    }
    auto converted = convert_default(info);
    if (converted.value) {
      if (info.type == BP_PATH)
        converted.value->text = path_in(component.place.source->folder(), converted.value->text);
      component.settings.options[info.name] = std::move(*converted.value);
    } else if (!converted.error.empty()) {
      problems_.error(component.place, component.label() + ": the plugin's own default of option " +
                                           in_quotes(info.name) +
                                           " is wrong (tell its author): " + converted.error);
    }
  }
}

void ComponentReader::check_blocking(const Entry& entry, Declared& component) {
  auto& settings = component.settings;
  if (!component.has(BP_BLOCKING)) return;
  const auto* said =
      common_key(*component.kind, "blocking") != nullptr ? entry.value.find("blocking") : nullptr;
  if (said != nullptr && said->is_text() && parse_boolean(said->text).value == false)
    problems_.error(said->place,
                    component.label() + ": blocking: this kind blocks, which the manifest cannot change");
  settings.blocking = true;
}

// A kind that can be a service or a connection is one of them: it has either "bind" or "connect".
void ComponentReader::check_ends(const Entry& entry, const Declared& component) {
  const bool chooses = component.has(BP_SERVICE) && component.has(BP_CONNECTION) &&
                       find_option(*component.kind, "bind") != nullptr &&
                       find_option(*component.kind, "connect") != nullptr;
  if (!chooses) return;
  const auto has = [&](const char* end) {
    return entry.value.find(end) != nullptr || misspelt_.contains(end);
  };
  const bool binds = has("bind");
  const bool connects = has("connect");
  if (binds && connects)
    problems_.error(component.place, component.label() +
                                         ": \"bind\" and \"connect\" are both given; it either listens or "
                                         "connects");
  if (!binds && !connects)
    problems_.error(component.place,
                    component.label() +
                        ": give \"bind: ENDPOINT\" to listen, or \"connect: ENDPOINT\" to connect to a peer");
}

// A service that other machines can reach is protected, or says `insecure: true` where its kind has that.
void ComponentReader::check_exposure(const Entry& entry, const Declared& component) {
  const auto& options = component.settings.options;
  const auto bind = options.find("bind");
  if (!component.has(BP_SERVICE) || bind == options.end() || !bind->second.given || is_protected(options))
    return;
  auto endpoints = bind->second.list;
  if (bind->second.type == BP_ENDPOINT) endpoints.push_back(bind->second.text);
  const auto open = std::find_if(endpoints.begin(), endpoints.end(), reachable_from_outside);
  if (open == endpoints.end()) return;
  const auto& place = entry.value.find("bind")->place;
  const auto text =
      component.label() + ": other machines can reach " + in_quotes(*open) + " and nothing protects it";
  const auto insecure = options.find("insecure");
  if (insecure != options.end() && insecure->second.integer == 0) {
    problems_.error(place, text + "; set up CURVE or an allow-list, bind 127.0.0.1, or say insecure: true");
  } else {
    problems_.warning(place, text);
  }
}

void ComponentReader::check_loops() {
  std::map<std::string, std::vector<const Declared*>> loops;
  for (const auto& component : declared_)
    if (!component.settings.loop.empty()) loops[component.settings.loop].push_back(&component);
  std::vector<std::string> shared;
  for (const auto& [name, users] : loops)
    if (users.size() > 1) shared.push_back(name);
  for (const auto& [name, users] : loops) {
    const auto blocking =
        std::find_if(users.begin(), users.end(), [](const auto* user) { return user->settings.blocking; });
    if (users.size() == 1) {
      const auto near = nearest_name(name, shared);
      if (near)
        problems_.warning(loop_places_.at(users.front()),
                          users.front()->label() + ": nobody else is on the loop " + in_quotes(name) +
                              "; did you mean " + in_quotes(*near) + "?");
      if (blocking != users.end() && users.front()->settings.instances > 1)
        problems_.error(loop_places_.at(users.front()),
                        users.front()->label() +
                            ": its instances may wait and would delay each other on the loop " +
                            in_quotes(name) + "; leave \"loop\" out, and each gets its own");
    } else if (blocking != users.end()) {
      for (const auto* user : users)
        if (user->settings.blocking)
          problems_.error(loop_places_.at(user),
                          user->label() + ": it may wait, and would delay the others on the loop " +
                              in_quotes(name) + "; leave \"loop\" out, and it gets its own");
    }
  }
}

void ComponentReader::check_limits(const Source& main) {
  if (declared_.empty() && !problems_.any_errors())
    problems_.error({&main, 1, 1}, "no components; a manifest needs at least one, under \"components\"");
  std::size_t instances = 0;
  for (const auto& component : declared_) {
    instances += component.settings.instances;
    if (instances <= instance_limit) continue;
    problems_.error(component.place, component.label() + ": with it there are more than " +
                                         std::to_string(instance_limit) + " instances in all");
    return;
  }
}

const ComponentReader::Declared* ComponentReader::find(std::string_view name, const Source& source) const {
  for (const auto* scope = &source; scope != nullptr; scope = scope->includer) {
    const auto found = by_name_.find(scope->prefix + std::string(name));
    if (found != by_name_.end()) return found->second;
  }
  return nullptr;
}

const ComponentReader::Declared* ComponentReader::resolve(const Node& name, const std::string& label,
                                                          const std::string& what) const {
  if (name.broken) return nullptr;
  if (!name.is_text()) {
    problems_.error(name.place, label + ": " + what + ": expected the name of a component, found " +
                                    std::string(type_name(name)));
    return nullptr;
  }
  if (const auto* component = find(name.text, *name.place.source)) return component;
  const auto known = names_seen_from(*name.place.source);
  auto text = label + ": no component is named " + in_quotes(name.text);
  if (const auto near = nearest_name(name.text, known)) {
    text += "; did you mean " + in_quotes(*near) + "? known: " + name_list(known);
  } else {
    text += "; known: " + name_list(known);
  }
  problems_.error(name.place, text);
  return nullptr;
}

std::vector<std::string> ComponentReader::names_seen_from(const Source& source) const {
  std::vector<std::string> names;
  for (const auto& component : declared_) {
    const auto& name = component.settings.name;
    names.push_back(name.starts_with(source.prefix) ? name.substr(source.prefix.size()) : name);
  }
  return names;
}

std::vector<ComponentSettings> ComponentReader::take() {
  std::vector<ComponentSettings> settings;
  for (auto& component : declared_) settings.push_back(std::move(component.settings));
  return settings;
}

}  // namespace backplane::host
