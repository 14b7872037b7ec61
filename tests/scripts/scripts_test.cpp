// The scripts: what they accept, how they count tests, what they say when something is wrong.
#include <gmock/gmock.h>

#include "examples/tool.hpp"

namespace backplane::test {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

std::string script(const std::string& name) { return BACKPLANE_SOURCE_DIR "/scripts/" + name; }

class TestCount : public ::testing::Test {
 public:
  TestCount& has(const std::string& name, const std::string& status, const std::string& inside = "") {
    cases_ += "\t<testcase name=\"" + name + "\" classname=\"" + name + "\" time=\"0.1\" status=\"" + status +
              "\">\n\t\t" + inside + "\n\t</testcase>\n";
    return *this;
  }
  TestCount& passed(const std::string& name) { return has(name, "run", "<system-out>fine</system-out>"); }
  TestCount& failed(const std::string& name) { return has(name, "fail", "<failure message=\"\"/>"); }
  TestCount& skipped(const std::string& name, const std::string& reason) {
    return has(name, "notrun",
               "<skipped message=\"SKIP_REGULAR_EXPRESSION_MATCHED\"/>\n\t\t<system-out>[ RUN      ] " +
                   name + "\n/a/file.cpp:12: Skipped\n" + reason + "\n[  SKIPPED ] " + name +
                   " (0 ms)\n</system-out>");
  }
  // Counts the tests told so far.
  Outcome count() {
    return count_text(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"all\"\n\ttests=\"1\"\n\t>\n" + cases_ +
        "</testsuite>\n");
  }
  Outcome count_text(const std::string& text) {
    return run_tool({script("count-tests"), folder_.file("tests.xml", text).string()});
  }

 private:
  TemporaryFolder folder_;
  std::string cases_;
};

TEST_F(TestCount, SaysHowManyPassed) {
  const auto outcome = passed("A.One").passed("A.Two").count();
  EXPECT_EQ(outcome.output, "2 passed, 0 failed\n");
  EXPECT_EQ(outcome.exit_code, 0);
}

TEST_F(TestCount, NamesTheFailedAndFails) {
  const auto outcome = passed("A.One").failed("A.Two").count();
  EXPECT_EQ(outcome.output, "failed: A.Two\n1 passed, 1 failed\n");
  EXPECT_EQ(outcome.exit_code, 1);
}

TEST_F(TestCount, TellsWhySomethingWasSkipped) {
  const auto outcome =
      passed("A.One").skipped("A.Two", "clang-16 is absent; install &lt;it&gt; &amp; go").count();
  EXPECT_EQ(outcome.output,
            "skipped: A.Two: clang-16 is absent; install <it> & go\n1 passed, 0 failed, 1 skipped\n");
  EXPECT_EQ(outcome.exit_code, 0);
}

TEST_F(TestCount, CountsADisabledTestAsSkipped) {
  EXPECT_EQ(passed("A.One").has("A.Off", "disabled").count().output,
            "skipped: A.Off: disabled\n1 passed, 0 failed, 1 skipped\n");
}

TEST_F(TestCount, CountsATestThatCouldNotRunAsFailed) {
  const auto outcome =
      passed("A.One").has("A.Gone", "notrun", "<skipped message=\"Unable to find executable\"/>").count();
  EXPECT_EQ(outcome.output, "failed: A.Gone\n1 passed, 1 failed\n");
  EXPECT_EQ(outcome.exit_code, 1);
}

TEST_F(TestCount, IsNotFooledByWhatATestPrints) {
  EXPECT_EQ(has("A.One", "run",
                "<system-out>&lt;testcase name=\"x\" status=\"fail\"&gt; 7 passed, 3 failed</system-out>")
                .count()
                .output,
            "1 passed, 0 failed\n");
}

TEST_F(TestCount, ReadsNamesWithQuotesAndBrackets) {
  EXPECT_EQ(failed("I/P.X/&quot;a&lt;b&quot;").passed("A.One").count().output,
            "failed: I/P.X/\"a<b\"\n1 passed, 1 failed\n");
}

TEST_F(TestCount, NoTestAtAllIsAFailure) {
  const auto outcome = count();
  EXPECT_EQ(outcome.output, "0 passed, 0 failed\n");
  EXPECT_EQ(outcome.exit_code, 1);
}

TEST_F(TestCount, RefusesAFileThatWasCutShort) {
  const auto outcome =
      count_text("<?xml version=\"1.0\"?>\n<testsuite>\n<testcase name=\"A\" status=\"run\">");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr("not a complete JUnit file"));
}

TEST_F(TestCount, RefusesAFileThatIsNotThere) {
  const auto outcome = run_tool({script("count-tests"), "/no/such/file"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr("/no/such/file: no such file"));
}

class Help : public ::testing::TestWithParam<const char*> {};

TEST_P(Help, IsGivenWithoutDoingAnything) {
  const auto outcome = run_tool({script(GetParam()), "--help"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_THAT(outcome.output, ::testing::StartsWith("Usage: "));
  EXPECT_THAT(outcome.output, HasSubstr(std::filesystem::path(GetParam()).filename().string() + " ["));
}

INSTANTIATE_TEST_SUITE_P(Scripts, Help, ::testing::Values("setup", "quickstart", "test", "../.ci/run"),
                         [](const auto& name) {
                           const std::string text(name.param);
                           return text.substr(text.rfind('/') + 1);
                         });

TEST(Quickstart, RefusesAFileItCannotReadBeforeBuilding) {
  const auto outcome = run_tool({script("quickstart"), "/no/such text"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr("cannot read /no/such text"));
}

TEST(Quickstart, RefusesAnUnknownFlag) { EXPECT_EQ(run_tool({script("quickstart"), "--fast"}).exit_code, 2); }

class Snippets : public ::testing::Test {
 protected:
  Outcome fill(const std::string& text) {
    return run_tool({script("include-code"), folder_.file("page.md", text).string()});
  }
  TemporaryFolder folder_;
};

TEST_F(Snippets, AreTakenFromTheFileThatIsNamed) {
  const std::string mark =
      "<!-- code: examples/first/CMakeLists.txt from \"project\" to \"find_package\" -->\n";
  const auto outcome = fill("# A page\n" + mark + "```cmake\nan old line\n```\n");
  EXPECT_EQ(outcome.output,
            "# A page\n" + mark +
                "```cmake\nproject(first LANGUAGES CXX)\nfind_package(Backplane REQUIRED)\n```\n");
}

TEST_F(Snippets, ThatAreNoLongerThereAreMistakes) {
  const std::string file = "<!-- code: examples/first/CMakeLists.txt from ";
  EXPECT_EQ(fill(file + "\"nothing\" to \"find_package\" -->\n```cmake\n```\n").exit_code, 1);
  const auto outcome = fill(file + "\"project\" to \"nothing\" -->\n```cmake\n```\n");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.errors,
              HasSubstr("page.md:2: examples/first/CMakeLists.txt has no line with \"nothing\""));
}

TEST_F(Snippets, OfCppThatNameNoFileAreMistakes) {
  const auto outcome = fill("Look:\n\n```cpp\nint x;\n```\n");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("page.md:3: a block of C++ must follow a line that names its file"));
}

TEST(Gates, AreNamedWhenOneIsUnknown) {
  const auto outcome = run_tool({BACKPLANE_SOURCE_DIR "/.ci/run", "--only", "nonsense"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("tests format tidy asan tsan fuzz docs"));
}

TEST(Setup, FindsEverythingInstalledOrNamesWhatIsNot) {
  const auto outcome = run_tool({script("setup"), "--list"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  // This was compiled and tested here, so the packages that it takes are there.
  for (const auto* package : {"cmake\n", "libzmq3-dev\n", "libgtest-dev\n"})
    EXPECT_EQ(("\n" + outcome.output).find(std::string("\n") + package), std::string::npos) << outcome.output;
}

}  // namespace
}  // namespace backplane::test
