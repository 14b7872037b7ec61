// `backplane new plugin`: the folder it writes. new_plugin_build_test builds it.
#include "command_fixture.hpp"

namespace backplane::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class NewPlugin : public ::testing::Test {
 protected:
  Outcome make(const std::string& name) {
    return command({"new", "plugin", name, "--in", folder_.path().string()});
  }
  TemporaryFolder folder_;
};

TEST_F(NewPlugin, IsAFolderWithEverything) {
  const auto outcome = make("my_filter");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.file("my_filter"))) {
    names.push_back(entry.path().filename());
    EXPECT_THAT(outcome.output, HasSubstr(entry.path().string()));
    EXPECT_THAT(read_file(entry.path()), Not(HasSubstr("@NAME@")));
  }
  EXPECT_THAT(names, UnorderedElementsAre("CMakeLists.txt", "README.md", "kinds.hpp", "manifest.yaml",
                                          "my_filter_test.cpp", "plugin.cpp"));
  EXPECT_THAT(read_file(folder_.file("my_filter/plugin.cpp")),
              HasSubstr("BACKPLANE_PLUGIN(\"my_filter\", \"0.1.0\", my_filter::Upper)"));
  EXPECT_THAT(read_file(folder_.file("my_filter/CMakeLists.txt")), HasSubstr("${Backplane_EXECUTABLE}"));
}

TEST_F(NewPlugin, LeavesAnExistingFolderAlone) {
  std::filesystem::create_directory(folder_.file("mine"));
  folder_.file("mine/precious", "data");
  const auto outcome = make("mine");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr(folder_.file("mine").string()));
  EXPECT_THAT(outcome.errors, HasSubstr("exists"));
  EXPECT_EQ(read_file(folder_.file("mine/precious")), "data");
  EXPECT_FALSE(std::filesystem::exists(folder_.file("mine/plugin.cpp")));
}

TEST_F(NewPlugin, LeavesAnExistingFileAlone) {
  folder_.file("mine", "data");
  EXPECT_EQ(make("mine").exit_code, 2);
  EXPECT_EQ(read_file(folder_.file("mine")), "data");
}

TEST_F(NewPlugin, RefusesANameThatCannotBeOne) {
  for (const auto* name : {"", "Words", "1st", "a-b", "a.b", "../up", "a/b", "_a", "a__b", "w\xc3\xb6rter"}) {
    const auto outcome = make(name);
    EXPECT_EQ(outcome.exit_code, 2) << name;
    EXPECT_EQ(outcome.output, "");
  }
  EXPECT_EQ(make(std::string(65, 'a')).exit_code, 2);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(NewPlugin, RefusesANameThatIsTaken) {
  for (const auto* name : {"zmq", "basic", "demo", "test", "class", "namespace", "std", "all"}) {
    const auto outcome = make(name);
    EXPECT_EQ(outcome.exit_code, 2) << name;
    EXPECT_THAT(outcome.errors, HasSubstr("is taken"));
  }
}

TEST_F(NewPlugin, SaysWhereItCannotBeMade) {
  const auto nowhere = folder_.file("nowhere").string();
  const auto outcome = command({"new", "plugin", "mine", "--in", nowhere});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr(nowhere + " is no folder"));
}

}  // namespace
}  // namespace backplane::test
