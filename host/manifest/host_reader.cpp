#include "manifest/host_reader.hpp"

namespace backplane::host {
namespace {

GivenKeys gather(const std::deque<LoadedFile>& files, Problems& problems) {
  GivenKeys all;
  for (const auto& file : files) {
    const auto host = file.keys.find("host");
    if (host == file.keys.end() || host->second.value->broken) continue;
    const auto& section = *host->second.value;
    if (!section.is_map() || section.entries.empty()) {
      problems.error(section.place,
                     "host: expected a map such as {name: NAME}, found " +
                         (section.is_map() ? "an empty one" : std::string(type_name(section))));
      continue;
    }
    for (const auto& [name, given] : read_keys(section, host_keys(), "host", problems)) {
      const auto [held, is_new] = all.try_emplace(name, given);
      if (is_new || held->second.key->place.source->is_includer_of(*file.source)) continue;
      problems.error(given.key->place, "host." + name + " is already given at " +
                                           to_text(held->second.key->place) +
                                           "; give it once, or in the file that includes both");
    }
  }
  return all;
}

template <typename Value>
Value nth(const OptionSetting& setting, const KeyInfo& info) {
  for (std::size_t i = 0; i < info.choices.size(); ++i)
    if (info.choices[i] == setting.text) return static_cast<Value>(i);
  return Value{};
}

class HostReader {
 public:
  HostReader(GivenKeys given, Problems& problems) : given_(std::move(given)), problems_(problems) {}

  HostSettings read() {
    HostSettings host;
    if (const auto value = setting("name")) host.name = value->text;
    if (host.name.empty() || host.name.size() > 255)
      problems_.error(given_.at("name").value->place, "host.name: a name has 1 to 255 bytes");
    if (const auto value = setting("loops")) host.loops = static_cast<unsigned>(value->integer);
    // The choices of the key table stand in the order of the enumerations.
    if (const auto value = setting("shutdown.strategy"))
      host.shutdown_strategy = nth<ShutdownStrategy>(*value, key("shutdown.strategy"));
    if (const auto value = setting("shutdown.timeout")) host.shutdown_timeout = Nanoseconds(value->integer);
    read_admin(host);
    if (const auto value = setting("log.level")) host.log_level = nth<LogLevel>(*value, key("log.level"));
    if (const auto value = setting("log.format")) host.log_format = nth<LogFormat>(*value, key("log.format"));
    if (const auto value = setting("log.file")) host.log_file = value->text;
    if (const auto value = setting("stall")) host.stall = Nanoseconds(value->integer);
    if (const auto value = setting("spin")) host.spin = Nanoseconds(value->integer);
    if (const auto value = setting("spill_folder")) host.spill_folder = value->text;
    return host;
  }

 private:
  static const KeyInfo& key(std::string_view name) { return *find_key(host_keys(), name); }

  // As given, else the default of the table, else nothing.
  std::optional<OptionSetting> setting(std::string_view name) {
    const auto& info = key(name);
    const auto given = given_.find(name);
    if (given != given_.end())
      return read_setting(*given->second.value, info, "host." + info.name, problems_);
    return convert_default(info).value;
  }

  void read_admin(HostSettings& host) {
    const auto value = setting("admin.bind");
    if (!value) return;
    const auto& given = given_.at("admin.bind");
    if (const auto error = admin_address_error(value->text))
      problems_.error(given.value->place, "host.admin.bind: " + *error);
    problems_.warning(given.key->place, "host.admin is accepted, but this version serves no admin address");
    host.admin_bind = value->text;
  }

  GivenKeys given_;
  Problems& problems_;
};

}  // namespace

HostSettings read_host(const std::deque<LoadedFile>& files, Problems& problems) {
  return HostReader(gather(files, problems), problems).read();
}

}  // namespace backplane::host
