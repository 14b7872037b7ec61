// Completion scripts agree with the grammar, and bash runs them.
#include "command_fixture.hpp"
#include "command_line/parser.hpp"

namespace backplane::test {
namespace {

using ::testing::HasSubstr;

// What bash offers after `words`, the last one being typed; one per line.
std::string completed(const std::vector<std::string>& words) {
  const TemporaryFolder folder;
  const auto script = folder.file("script", command({"completion", "bash"}).output).string();
  std::string line = "source " + script + "; COMP_WORDS=(backplane";
  for (const auto& word : words) line += " '" + word + "'";
  line +=
      "); COMP_CWORD=" + std::to_string(words.size()) + "; _backplane; printf '%s\\n' \"${COMPREPLY[@]}\"";
  Child bash({"bash", "-c", line});
  EXPECT_EQ(bash.wait(), 0) << bash.errors();
  EXPECT_EQ(bash.errors(), "");
  return bash.output();
}

TEST(Completion, BashCompletesCommands) {
  EXPECT_EQ(completed({"ch"}), "check\n");
  EXPECT_EQ(completed({"--plugin-path", "dir", "gr"}), "graph\n");
}

TEST(Completion, BashCompletesOptionsAndTheirValues) {
  EXPECT_EQ(completed({"kinds", "--json-"}), "--json-schema\n");
  EXPECT_EQ(completed({"send", "tcp://x", "--socket", "pu"}), "push\npub\n");
  EXPECT_EQ(completed({"listen", "tcp://x", "--socket", "pu"}), "pull\n");
  EXPECT_EQ(completed({"graph", "--format", ""}), "dot\nmermaid\n");
  EXPECT_THAT(completed({"check", "--pl"}), HasSubstr("--plugin-path"));
}

TEST(Completion, BashCompletesWordsThatMayFollow) {
  EXPECT_EQ(completed({"completion", ""}), "bash\nzsh\nfish\n");
  EXPECT_EQ(completed({"new", "p"}), "plugin\n");
}

TEST(Completion, EveryShellKnowsEveryCommandAndOption) {
  for (const auto* shell : {"bash", "zsh", "fish"}) {
    const auto outcome = command({"completion", shell});
    EXPECT_EQ(outcome.exit_code, 0);
    for (const auto& shape : host::command_shapes()) {
      EXPECT_THAT(outcome.output, HasSubstr(shape.name)) << shell;
      for (const auto& option : shape.options)
        EXPECT_THAT(outcome.output, HasSubstr(option.name.substr(2))) << shell;
    }
  }
}

TEST(Completion, OtherShellsAcceptTheirScripts) {
  bool any = false;
  for (const std::string shell : {"zsh", "fish"}) {
    if (std::system(("command -v " + shell + " > /dev/null").c_str()) != 0) continue;
    any = true;
    const TemporaryFolder folder;
    Child checking({shell, "-n", folder.file("script", command({"completion", shell}).output).string()});
    EXPECT_EQ(checking.wait(), 0) << checking.errors();
  }
  if (!any) GTEST_SKIP() << "neither zsh nor fish is installed";
}

}  // namespace
}  // namespace backplane::test
