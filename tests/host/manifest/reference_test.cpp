// docs/manifest.md is what the program prints, and its examples are manifests that can be started.
#include "manifest/reference.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "host/manifest/fake_catalog.hpp"
#include "manifest/convert_option.hpp"
#include "manifest/keys.hpp"
#include "manifest/reader.hpp"

namespace backplane::host {
namespace {

// The ```yaml blocks by the file name in their first line, "# NAME".
std::map<std::string, std::string> examples() {
  std::map<std::string, std::string> blocks;
  std::istringstream page(manifest_reference_markdown());
  std::string name;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line == "```yaml") {
      inside = true;
      std::getline(page, name);
      EXPECT_TRUE(name.starts_with("# ")) << "an example without a name: " << name;
      name.erase(0, 2);
      blocks[name] = "# " + name + "\n";
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      blocks[name] += line + "\n";
    }
  }
  return blocks;
}

TEST(ManifestPage, IsFresh) {
  std::ifstream stream(std::string(BACKPLANE_SOURCE_DIR) + "/docs/manifest.md");
  const std::string page{std::istreambuf_iterator<char>(stream), {}};
  EXPECT_EQ(page, manifest_reference_markdown())
      << "print it again: print_manifest_reference > docs/manifest.md";
}

TEST(ManifestPage, NamesEveryKey) {
  for (const auto* keys :
       {&top_keys(), &host_keys(), &component_keys(), &route_keys(), &include_keys(), &parameter_keys()})
    for (const auto& key : *keys) {
      EXPECT_THAT(manifest_reference_markdown(), testing::HasSubstr("| `" + key.name + "` |"));
      EXPECT_FALSE(key.help.empty()) << key.name;
    }
}

TEST(ManifestPage, HasExamplesThatCanBeStarted) {
  const auto blocks = examples();
  EXPECT_GE(blocks.size(), 5u);
  for (const auto& [name, text] : blocks) {
    if (text.find("parameters:") != std::string::npos) continue;  // a template: read by those that include it
    FakeCatalog catalog;
    ReadSettings settings;
    settings.environment = [](const std::string&) { return std::nullopt; };
    settings.read = [&](const std::filesystem::path& file) -> FileText {
      const auto found = blocks.find(file.string());
      if (found == blocks.end()) return {std::nullopt, "there is no such file", true};
      return {found->second, {}, false};
    };
    const auto result = read_manifest(name, catalog, settings);
    EXPECT_EQ(error_report(result), "") << name;
    EXPECT_EQ(warning_report(result), "") << name;
  }
}

TEST(ManifestPage, ShowsMistakesAsTheyAreTold) {
  FakeCatalog catalog;
  const auto result = read_manifest_text(
      "plugins: [zmq]\ncomponents:\n  jobs:    {kind: zmq.pull,    bnd: \"tcp://127.0.0.1:5555\"}\n"
      "  results: {kind: zmq.push, connect: \"tcp://127.0.0.1:5556\"}\nroutes:\n  - {from: jobs, to: "
      "result}\n",
      "pipeline.yaml", catalog, {});
  EXPECT_THAT(manifest_reference_markdown(), testing::HasSubstr(error_report(result)));
}

TEST(KeyTables, HaveDefaultsOfTheirOwnType) {
  for (const auto* keys : {&host_keys(), &component_keys(), &route_keys()})
    for (const auto& key : *keys)
      if (key.shape == Shape::value) {
        EXPECT_EQ(convert_default(key).error, "") << key.name;
      }
}

TEST(KeyTables, SayTheDefaultsOfTheValuesTheyFill) {
  FakeCatalog catalog;
  const auto result =
      read_manifest_text("components: {a: {kind: demo.upper}}\nplugins: demo\nroutes: [{from: a, to: a}]\n",
                         "m.yaml", catalog, {});
  ASSERT_TRUE(result.manifest) << error_report(result);
  const HostSettings host;
  EXPECT_EQ(result.manifest->host.name, host.name);
  EXPECT_EQ(result.manifest->host.shutdown_timeout, host.shutdown_timeout);
  EXPECT_EQ(result.manifest->host.shutdown_strategy, host.shutdown_strategy);
  EXPECT_EQ(result.manifest->host.log_level, host.log_level);
  EXPECT_EQ(result.manifest->host.stall, host.stall);
  EXPECT_EQ(result.manifest->host.spin, host.spin);
  const auto defaults_of = [](const std::vector<KeyInfo>& keys, const char* name) {
    const auto setting = convert_default(*find_key(keys, name)).value;
    return setting ? setting->integer : -1;
  };
  const ComponentSettings component;
  EXPECT_EQ(defaults_of(component_keys(), "instances"), component.instances);
  EXPECT_EQ(defaults_of(component_keys(), "in_flight"), component.in_flight);
  EXPECT_EQ(defaults_of(component_keys(), "timeout"), component.timeout.count());
  const RouteSettings route;
  const auto& read = result.manifest->routes.front();
  EXPECT_EQ(read.window, route.window);
  EXPECT_EQ(read.spill_limit, route.spill_limit);
  EXPECT_EQ(read.overflow, route.overflow);
  EXPECT_EQ(read.balance, route.balance);
}

}  // namespace
}  // namespace backplane::host
