#include "manifests/manifest_test.hpp"

namespace backplane::test {
namespace {

// Every manifest that runs by itself: all but the templates.
std::vector<std::string> all_manifests() {
  std::vector<std::string> names;
  const auto root = manifest("");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const auto name = std::filesystem::relative(entry.path(), root).string();
    if (entry.path().extension() == ".yaml" &&
        read_file(entry.path()).find("\nparameters:") == std::string::npos)
      names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  auto name = info.param.substr(0, info.param.size() - std::string(".yaml").size());
  std::replace_if(
      name.begin(), name.end(), [](char each) { return each == '/' || each == '-'; }, '_');
  return name;
}

class EveryManifest : public testing::TestWithParam<std::string> {};

TEST_P(EveryManifest, PassesTheCheckWithoutAWarning) {
  const auto checked = run_backplane({"check", manifest(GetParam())}, {{"WORDS_PLUGIN", WORDS_PLUGIN}});
  EXPECT_EQ(checked.exit_code, 0);
  EXPECT_EQ(checked.errors, "");
}

TEST_P(EveryManifest, BeginsWithItsStory) { EXPECT_TRUE(read_file(manifest(GetParam())).starts_with("# ")); }

INSTANTIATE_TEST_SUITE_P(Manifests, EveryManifest, testing::ValuesIn(all_manifests()), test_name);

}  // namespace
}  // namespace backplane::test
