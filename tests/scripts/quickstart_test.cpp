// scripts/quickstart, as a newcomer types it.
#include <gmock/gmock.h>

#include "examples/tool.hpp"
#include "examples/words_table.hpp"

namespace backplane::test {
namespace {

using ::testing::HasSubstr;

// Runs quickstart in `folder`, with the rest as its arguments.
Outcome quickstart_in(const std::filesystem::path& folder, const std::string& file) {
  return run_tool({"env", "-C", folder.string(), BACKPLANE_SOURCE_DIR "/scripts/quickstart", file});
}

TEST(Quickstart, CountsTheWordsOfTheLicence) {
  const std::filesystem::path licence = "/usr/share/common-licenses/GPL-3";
  if (!std::filesystem::exists(licence)) GTEST_SKIP() << licence << " is absent";
  const auto outcome = run_tool({BACKPLANE_SOURCE_DIR "/scripts/quickstart"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(word_table(outcome.output), words_counted_by_the_shell(licence, 20));
  EXPECT_THAT(outcome.output + outcome.errors, HasSubstr("ledger"));
}

TEST(Quickstart, TakesAFileWithBlanksInItsNameFromWhereItWasTyped) {
  TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 50'000; ++i)
    text += std::string(1, static_cast<char>('a' + i % 26)) + "b, It's NOT-1 \xc3\xa4 line\n";
  const auto file = folder.file("my text.txt", text + "no line break at the end");
  const auto outcome = quickstart_in(folder.path(), "my text.txt");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(word_table(outcome.output), words_counted_by_the_shell(file, 20));
}

TEST(Quickstart, MayBeTypedTwiceAtOnce) {
  const std::string build = BACKPLANE_SOURCE_DIR "/build";
  must_run({"flock", build + "/quickstart.lock", "rm", "-f", build + "/release/words/CMakeCache.txt"});
  TemporaryFolder folder;
  const std::vector<std::string> command{BACKPLANE_SOURCE_DIR "/scripts/quickstart",
                                         folder.file("a.txt", "twice at once").string()};
  Child first(command);
  Child second(command);
  for (auto* child : {&first, &second}) {
    EXPECT_EQ(child->wait(kBuildPatience), 0) << child->errors();
    EXPECT_THAT(child->output(), HasSubstr("twice"));
  }
}

TEST(Quickstart, TakesAnEmptyFile) {
  TemporaryFolder folder;
  folder.file("empty.txt", "");
  const auto outcome = quickstart_in(folder.path(), "empty.txt");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(word_table(outcome.output), "");
}

}  // namespace
}  // namespace backplane::test
