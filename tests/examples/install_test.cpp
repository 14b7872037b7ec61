// The install tree: what `cmake --install` leaves is all that a plugin author needs, wherever it is moved.
#include <gmock/gmock.h>

#include "examples/tool.hpp"

namespace backplane::test {
namespace {

using ::testing::HasSubstr;

class InstallTree : public ::testing::Test {
 protected:
  // Installs, then moves the tree: nothing in it may name the place it was installed to.
  void SetUp() override {
    const auto first = folder_.path() / "installed here";
    must_run({"cmake", "--install", BACKPLANE_BUILD_DIR, "--prefix", first.string()});
    std::filesystem::rename(first, prefix_);
  }

  // Configures `source` against the install tree.
  Outcome configure(const std::filesystem::path& source, std::vector<std::string> settings = {}) {
    std::vector<std::string> arguments{"cmake",
                                       "-S",
                                       source.string(),
                                       "-B",
                                       build_.string(),
                                       "-G",
                                       "Ninja",
                                       "-DCMAKE_CXX_COMPILER=" CXX_COMPILER,
                                       "-DCMAKE_PREFIX_PATH=" + prefix_.string()};
    // Plugins for a sanitized host are sanitized too.
    if (std::string_view(BACKPLANE_SANITIZE) != "") {
      arguments.push_back("-DCMAKE_BUILD_TYPE=Debug");
      arguments.push_back("-DCMAKE_CXX_FLAGS=-fsanitize=" BACKPLANE_SANITIZE);
    }
    arguments.insert(arguments.end(), settings.begin(), settings.end());
    return run_tool(arguments);
  }
  void build() { must_run({"cmake", "--build", build_.string(), "-j", "2"}); }

  // A project of one CMakeLists.txt.
  std::filesystem::path project(const std::string& lines) {
    std::filesystem::create_directory(folder_.path() / "project");
    write_file(folder_.path() / "project/CMakeLists.txt",
               "cmake_minimum_required(VERSION 3.25)\nproject(user LANGUAGES C CXX)\n" + lines);
    return folder_.path() / "project";
  }

  TemporaryFolder folder_;
  std::filesystem::path prefix_ = folder_.path() / "moved there";
  std::filesystem::path build_ = folder_.path() / "build";
  std::filesystem::path host_ = prefix_ / "bin/backplane";
};

TEST_F(InstallTree, BuildsTheWordsExampleOutOfTree) {
  const auto configured = configure(BACKPLANE_SOURCE_DIR "/examples/words");
  ASSERT_EQ(configured.exit_code, 0) << configured.errors;
  build();
  const auto words = (build_ / "words.so").string();

  EXPECT_THAT(must_run({"ctest", "--test-dir", build_.string(), "--no-tests=error", "--output-on-failure"}),
              HasSubstr("100% tests passed"));
  const auto inspected = must_run({host_.string(), "inspect", words});
  EXPECT_THAT(inspected, HasSubstr("words.count"));
  EXPECT_THAT(inspected, HasSubstr("words.top"));
}

TEST_F(InstallTree, HostFindsItsPluginsWithoutBeingTold) {
  const auto kinds = must_run({host_.string(), "kinds"});
  for (const auto* kind : {"zmq.pull", "zmq.push", "file.lines", "demo.functions"})
    EXPECT_THAT(kinds, HasSubstr(kind));
}

TEST_F(InstallTree, PackageTellsWhereHostPluginsAndManifestsAre) {
  const auto source = project(
      "find_package(Backplane 0.1 REQUIRED)\n"
      "foreach(name EXECUTABLE PLUGIN_DIR MANIFEST_DIR)\n"
      "  message(STATUS \"${name}=${Backplane_${name}}\")\n"
      "endforeach()\n");
  const auto configured = configure(source);
  ASSERT_EQ(configured.exit_code, 0) << configured.errors;
  EXPECT_THAT(configured.output, HasSubstr("EXECUTABLE=" + host_.string()));
  EXPECT_THAT(configured.output, HasSubstr("PLUGIN_DIR=" + prefix_.string()));
  EXPECT_THAT(configured.output, HasSubstr("MANIFEST_DIR=" + prefix_.string()));
  EXPECT_TRUE(std::filesystem::exists(prefix_ / "share/backplane/manifests/quickstart.yaml"));
}

TEST_F(InstallTree, NamesTheMissingPackage) {
  const auto configured =
      configure(project("find_package(Backplane REQUIRED)\n"), {"-DBACKPLANE_MSGPACK_INCLUDE_DIR="});
  EXPECT_NE(configured.exit_code, 0);
  EXPECT_THAT(configured.errors, HasSubstr("libmsgpack-cxx-dev"));
}

TEST_F(InstallTree, RefusesToServeAnotherMinorVersion) {
  const auto configured = configure(project("find_package(Backplane 0.99 REQUIRED)\n"));
  EXPECT_NE(configured.exit_code, 0);
  EXPECT_THAT(configured.errors, HasSubstr("version"));
}

TEST_F(InstallTree, HeaderOfTheBoundaryIsPlainC11) {
  const auto source = folder_.file("main.c",
                                   "#include <backplane/abi.h>\n"
                                   "int main(void) { return sizeof(bp_plugin) == 0; }\n");
  must_run({"cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I",
            (prefix_ / "include").string(), source.string()});
}

}  // namespace
}  // namespace backplane::test
