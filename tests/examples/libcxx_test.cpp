// A plugin from another compiler with another C++ standard library, in this host: only C crosses the
// boundary, so it must work.
#include <gmock/gmock.h>

#include "examples/tool.hpp"
#include "examples/words_table.hpp"

namespace backplane::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class LibcxxPlugin : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(CLANG_16))
      GTEST_SKIP() << "clang++-16 is absent; install clang-16 libc++-16-dev libc++abi-16-dev";
    const auto probe = folder_.file("probe.cpp", "#include <string>\nint main() { return 0; }\n");
    if (run_tool({CLANG_16, "-stdlib=libc++", "-fsyntax-only", probe.string()}).exit_code != 0)
      GTEST_SKIP() << "clang++-16 has no libc++; install libc++-16-dev libc++abi-16-dev";
  }

  // Compiles a plugin with clang-16 and libc++, without CMake, and returns its file.
  std::filesystem::path compile(const std::string& name, const std::vector<std::string>& sources) {
    const auto file = folder_.file(name + ".so");
    std::vector<std::string> arguments{CLANG_16,
                                       "-std=c++20",
                                       "-stdlib=libc++",
                                       "-O1",
                                       "-fPIC",
                                       "-shared",
                                       "-fvisibility=hidden",
                                       "-DMSGPACK_NO_BOOST",
                                       "-I" BACKPLANE_SOURCE_DIR "/sdk/include",
                                       "-o",
                                       file.string()};
    for (const auto& source : sources) arguments.push_back(BACKPLANE_SOURCE_DIR "/" + source);
    arguments.push_back("-lzmq");
    must_run(arguments);
    return file;
  }

  TemporaryFolder folder_;
};

TEST_F(LibcxxPlugin, IsReallyOfLibcxx) {
  const auto words = compile("words", {"examples/words/plugin.cpp", "examples/words/words.cpp"});
  const auto needed = must_run({"readelf", "--dynamic", words.string()});
  EXPECT_THAT(needed, HasSubstr("libc++.so"));
  EXPECT_THAT(needed, Not(HasSubstr("libstdc++.so")));
}

TEST_F(LibcxxPlugin, CountsTheWordsOfAText) {
  const auto words = compile("words", {"examples/words/plugin.cpp", "examples/words/words.cpp"});
  std::string text;
  for (int i = 0; i < 20'000; ++i)
    text += "the number " + std::string(static_cast<std::size_t>(i % 26 + 1), 'x') + " comes THE time\n";
  const auto input = folder_.file("a text.txt", text);
  const auto manifest = folder_.file("words.yaml",
                                     "host: {name: libcxx, loops: 2}\n"
                                     "plugins: [\"" +
                                         words.string() +
                                         "\"]\n"
                                         "components:\n"
                                         "  lines: {kind: file.lines, path: \"" +
                                         input.string() +
                                         "\"}\n"
                                         "  count: {kind: words.count, instances: 3}\n"
                                         "  top: {kind: words.top, show: 0}\n"
                                         "routes:\n"
                                         "  - {from: lines, to: count}\n"
                                         "  - {from: count, to: top}\n");
  const auto outcome = run_backplane({"run", manifest.string()}, {}, seconds(120));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(word_table(outcome.output), words_counted_by_the_shell(input));
}

TEST_F(LibcxxPlugin, TellsItsFunctionsAndWhatBuiltIt) {
  const auto demo = compile("other", {"tests/examples/other_compiler.cpp"});
  const auto inspected = run_backplane({"inspect", "--json", demo.string()});
  EXPECT_EQ(inspected.exit_code, 0) << inspected.errors;
  EXPECT_THAT(inspected.output, HasSubstr("clang 16"));
  EXPECT_THAT(inspected.output, HasSubstr("\"name\": \"add\""));
}

// An exception inside becomes a failed message, not the end of a host that has another runtime for them.
TEST_F(LibcxxPlugin, ThrowsWithoutHarm) {
  const auto other = compile("other", {"tests/examples/other_compiler.cpp"});
  const auto input = folder_.file("lines.txt", "one\nthrow\nthree\n");
  const auto output = folder_.file("out.txt");
  const auto manifest = folder_.file("throws.yaml", "plugins: [\"" + other.string() +
                                                        "\"]\n"
                                                        "components:\n"
                                                        "  lines: {kind: file.lines, path: \"" +
                                                        input.string() +
                                                        "\"}\n"
                                                        "  echo: {kind: other.echo}\n"
                                                        "  out: {kind: file.writer, path: \"" +
                                                        output.string() +
                                                        "\"}\n"
                                                        "routes:\n"
                                                        "  - {from: lines, to: echo}\n"
                                                        "  - {from: echo, to: out}\n");
  const auto outcome = run_backplane({"run", manifest.string()}, {}, seconds(60));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(read_file(output), "one\nthree\n");
}

}  // namespace
}  // namespace backplane::test
