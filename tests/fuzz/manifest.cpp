// A whole manifest: whatever the text, it is a manifest in which every name is resolved, or a list of errors
// that each have a place in a file. The input may hold several files, parted by lines "=== NAME".
#include <algorithm>
#include <map>
#include <string>

#include "fuzz.hpp"
#include "manifest/reader.hpp"

using backplane::fuzz::must;
using namespace backplane::host;

namespace {

OptionInfo option(const std::string& name, bp_option_type type, bool required = false) {
  OptionInfo info;
  info.name = name;
  info.type = type;
  info.required = required;
  info.help = "for the fuzzer";
  if (type == BP_CHOICE) info.choices = {"first", "second"};
  return info;
}

KindInfo kind(const std::string& name, std::uint32_t properties, std::vector<OptionInfo> options) {
  KindInfo made;
  made.name = name;
  made.says = "For the fuzzer.";
  made.properties = properties;
  made.options = std::move(options);
  made.plugin = "fuzz";
  return made;
}

// Kinds without a plugin: a source, a sink with an option of every type, a blocking worker.
class Kinds : public KindCatalog {
 public:
  Kinds() {
    add(kind("fuzz.in", BP_INBOUND | BP_SERVICE,
             {option("bind", BP_ENDPOINT, true), option("topics", BP_TEXT_LIST)}));
    add(kind("fuzz.out", BP_OUTBOUND | BP_CONNECTION,
             {option("connect", BP_ENDPOINT_LIST, true), option("text", BP_TEXT), option("whole", BP_INTEGER),
              option("number", BP_NUMBER), option("truth", BP_BOOLEAN), option("wait", BP_DURATION),
              option("size", BP_SIZE), option("rate", BP_RATE), option("choice", BP_CHOICE),
              option("secret", BP_SECRET), option("path", BP_PATH)}));
    add(kind("fuzz.work", BP_INBOUND | BP_OUTBOUND | BP_BLOCKING, {}));
    add(kind("fuzz.cache", BP_BYPASS | BP_SERVICE, {}));
  }

  std::optional<std::string> open(const std::string& plugin, const std::filesystem::path&) override {
    if (plugin == "fuzz" || plugin == "basic") return std::nullopt;
    return "no such plugin";
  }
  const KindInfo* find(std::string_view name) const override {
    const auto found = kinds_.find(name);
    return found == kinds_.end() ? nullptr : &found->second;
  }
  std::vector<std::string> kind_names() const override {
    std::vector<std::string> names;
    for (const auto& [name, info] : kinds_) names.push_back(name);
    return names;
  }

 private:
  void add(KindInfo info) { kinds_.emplace(info.name, std::move(info)); }

  std::map<std::string, KindInfo, std::less<>> kinds_;
};

// The files of one input. The first has no name line: it is the manifest.
std::map<std::string, std::string> split(std::string_view input) {
  static constexpr std::string_view mark = "\n=== ";
  std::map<std::string, std::string> files;
  std::string name = "main.yaml";
  while (true) {
    const auto end = input.find(mark);
    files.emplace(name, input.substr(0, end));
    if (end == std::string_view::npos) return files;
    input.remove_prefix(end + mark.size());
    const auto line = std::min(input.find('\n'), input.size());
    name = input.substr(0, line);
    input.remove_prefix(std::min(line + 1, input.size()));
  }
}

bool names_a_component(const Manifest& manifest, const std::string& name) {
  return std::any_of(manifest.components.begin(), manifest.components.end(),
                     [&](const ComponentSettings& component) { return component.name == name; });
}

void check(const Manifest& manifest, const Kinds& kinds) {
  for (const auto& component : manifest.components) {
    must(!component.name.empty(), "a component has a name");
    must(component.instances > 0, "a component has instances");
    const auto* info = kinds.find(component.kind);
    must(info != nullptr, "a component's kind is known");
    for (const auto& wanted : info->options)
      must(!wanted.required || component.options.contains(wanted.name), "required options are there");
  }
  for (const auto& route : manifest.routes) {
    must(names_a_component(manifest, route.from), "a route comes from a component");
    must(!route.to.empty(), "a route leads somewhere");
    for (const auto& name : route.to) must(names_a_component(manifest, name), "a route leads to components");
    must(route.dead_letters.empty() || names_a_component(manifest, route.dead_letters),
         "dead letters go to a component");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto files = split(backplane::fuzz::text_of(data, size));
  ReadSettings settings;
  settings.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "HOME") return "/home/user";
    if (name == "EMPTY") return "";
    return std::nullopt;
  };
  settings.read = [&](const std::filesystem::path& file) {
    const auto found = files.find(file.lexically_normal().string());
    if (found == files.end()) return FileText{std::nullopt, "does not exist", true};
    return FileText{found->second, {}, false};
  };
  Kinds kinds;
  const auto result = read_manifest_text(files.at("main.yaml"), "main.yaml", kinds, settings);
  must(result.manifest.has_value() == result.errors.empty(), "either a manifest or errors");
  for (const auto& error : result.errors) {
    must(error.position.line >= 1 && error.position.column >= 1, "an error has a place");
    must(!error.text.empty() && error.text.find('\n') == std::string::npos, "an error is one line");
  }
  must(error_report(result).empty() == result.errors.empty(), "errors are reported");
  warning_report(result);
  if (result.manifest) check(*result.manifest, kinds);
  return 0;
}
