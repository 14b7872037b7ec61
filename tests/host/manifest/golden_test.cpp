// tests/manifests/golden: one file per mistake, and files without mistakes in good/. Below a line "# ---"
// stands, as comments, what the host says: the error report, or the warnings and the manifest as read.
//
// A new case is a new file; BACKPLANE_WRITE_GOLDEN=1 writes what the host says into all of them, to be read
// before it is committed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "host/manifest/dump.hpp"
#include "host/manifest/fake_catalog.hpp"
#include "manifest/reader.hpp"

namespace backplane::host {
namespace {

constexpr std::string_view separator = "# ---\n";
const std::filesystem::path golden = std::filesystem::path(BACKPLANE_SOURCE_DIR) / "tests/manifests/golden";

std::string content(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string as_comments(const std::string& text) {
  std::istringstream lines(text);
  std::string comments;
  for (std::string line; std::getline(lines, line);) comments += "# " + line + "\n";
  return comments;
}

// What the host says of a file, read as if its folder were the current one.
std::string verdict_on(const std::filesystem::path& folder, const std::string& name) {
  FakeCatalog catalog;
  ReadSettings settings;
  settings.read = [&](const std::filesystem::path& file) { return read_file(folder / file); };
  settings.environment = [](const std::string& variable) -> std::optional<std::string> {
    if (variable == "HOME") return "/home/user";
    return std::nullopt;
  };
  const auto result = read_manifest(name + ".yaml", catalog, settings);
  EXPECT_EQ(result.manifest.has_value(), result.errors.empty());
  return warning_report(result) + (result.manifest ? dump(*result.manifest) : error_report(result));
}

void check(const std::filesystem::path& folder, const std::string& name, bool is_good) {
  const auto file = folder / (name + ".yaml");
  const auto text = content(file);
  const auto cut = text.rfind(separator);
  const auto verdict = verdict_on(folder, name);
  EXPECT_EQ(verdict.find("nothing was started") == std::string::npos, is_good) << verdict;
  if (std::getenv("BACKPLANE_WRITE_GOLDEN") != nullptr) {
    std::ofstream(file, std::ios::binary) << text.substr(0, cut) << separator << as_comments(verdict);
    return;
  }
  ASSERT_NE(cut, std::string::npos) << file << " does not say what is expected";
  EXPECT_EQ(text.substr(cut + separator.size()), as_comments(verdict)) << "in " << file;
}

class GoldenMistake : public testing::TestWithParam<std::string> {};
TEST_P(GoldenMistake, IsToldWithItsPlace) { check(golden, GetParam(), false); }
INSTANTIATE_TEST_SUITE_P(Manifests, GoldenMistake, testing::ValuesIn(names_in(golden)),
                         [](const auto& test) { return test.param; });

class GoldenManifest : public testing::TestWithParam<std::string> {};
TEST_P(GoldenManifest, IsReadWithoutErrors) { check(golden / "good", GetParam(), true); }
INSTANTIATE_TEST_SUITE_P(Manifests, GoldenManifest, testing::ValuesIn(names_in(golden / "good")),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace backplane::host
