// What `backplane new plugin` writes is complete: it builds against an install tree, its tests pass, its
// manifest runs.
#include <gmock/gmock.h>

#include "examples/tool.hpp"

namespace backplane::test {
namespace {

using ::testing::HasSubstr;

TEST(NewPluginBuild, TheResultBuildsAgainstAnInstallTreeAndWorks) {
  const TemporaryFolder folder;
  const auto prefix = folder.file("installed").string();
  const auto host = prefix + "/bin/backplane";
  const auto source = folder.file("my_filter").string();
  const auto build = folder.file("build").string();
  must_run({"cmake", "--install", BACKPLANE_BUILD_DIR, "--prefix", prefix});
  must_run({host, "new", "plugin", "my_filter", "--in", folder.path().string()});

  std::vector<std::string> configure{"cmake",
                                     "-S",
                                     source,
                                     "-B",
                                     build,
                                     "-G",
                                     "Ninja",
                                     "-DCMAKE_CXX_COMPILER=" CXX_COMPILER,
                                     "-DCMAKE_PREFIX_PATH=" + prefix,
                                     "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Werror"};
  if (std::string_view(BACKPLANE_SANITIZE) != "")
    configure.back() += " -fsanitize=" BACKPLANE_SANITIZE;  // plugins for a sanitized host are sanitized too
  must_run(configure);
  must_run({"cmake", "--build", build, "-j", "2"});
  const auto tested = must_run({"ctest", "--test-dir", build, "--no-tests=error", "--output-on-failure"});
  EXPECT_THAT(tested, HasSubstr("100% tests passed, 0 tests failed out of 2"));
  EXPECT_THAT(must_run({host, "inspect", build + "/my_filter.so"}), HasSubstr("my_filter.upper"));
  EXPECT_THAT(must_run({host, "kinds", "my_filter.upper", "--plugin-path", build}),
              HasSubstr("upper(text: "));

  const auto input = folder.file("input", "hello\nworld\n");
  const auto run = run_tool({host, "run", source + "/manifest.yaml", "--plugin-path", build}, {}, input);
  EXPECT_EQ(run.exit_code, 0) << run.errors;
  EXPECT_EQ(run.output, "HELLO!\nWORLD!\n");
}

}  // namespace
}  // namespace backplane::test
