// `backplane plugins` and `backplane inspect`.
#include <nlohmann/json.hpp>

#include "command_fixture.hpp"

namespace backplane::test {
namespace {

using nlohmann::json;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

const std::string kSample = std::string(SAMPLE_PLUGINS) + "/sample.so";

TEST(Plugins, AreListedWithVersionAndFile) {
  const auto outcome = command({"plugins", "--plugin-path", SAMPLE_PLUGINS});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_THAT(outcome.output,
              ContainsRegex("sample +2\\.5\\.0 +4 kinds, calls sample, one_by_one +" + kSample));
  EXPECT_THAT(outcome.output, ContainsRegex("zmq +[0-9]"));
}

TEST(Plugins, ThatAreRefusedAreListedWithTheReason) {
  const TemporaryFolder folder;
  const auto broken = folder.file("broken.so", "not an ELF file").string();
  const auto outcome = command({"plugins", "--plugin-path", folder.path().string()});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.output, HasSubstr("refused: " + broken));
}

TEST(Plugins, ArePrintedAsOneJsonDocument) {
  const TemporaryFolder folder;
  const auto broken = folder.file("broken.so", "not an ELF file").string();
  const auto outcome = command(
      {"plugins", "--json", "--plugin-path", folder.path().string(), "--plugin-path", SAMPLE_PLUGINS});
  const auto document = json::parse(outcome.output);
  EXPECT_EQ(document["search_path"][0], folder.path().string());
  std::map<std::string, json> by_file;
  for (const auto& plugin : document["plugins"]) by_file[plugin["file"]] = plugin;
  EXPECT_EQ(by_file.at(broken)["loadable"], false);
  EXPECT_NE(by_file.at(broken)["reason"], "");
  EXPECT_EQ(by_file.at(kSample)["loadable"], true);
  EXPECT_EQ(by_file.at(kSample)["plugin"]["version"], "2.5.0");
}

TEST(Inspect, TellsWhatAPluginContains) {
  const auto outcome = command({"inspect", kSample});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_THAT(outcome.output, ::testing::StartsWith(kSample + ": can be loaded\n"));
  EXPECT_THAT(outcome.output, ContainsRegex("plugin +sample 2\\.5\\.0"));
  EXPECT_THAT(outcome.output, ContainsRegex("ABI +1\\.0"));
  EXPECT_THAT(outcome.output, ContainsRegex("libzmq +4\\."));
  EXPECT_THAT(outcome.output, ContainsRegex("needs +.*libzmq"));
  EXPECT_THAT(outcome.output, ContainsRegex("sample\\.sums +outbound, functions +Adds\\."));
  EXPECT_THAT(outcome.output, ContainsRegex("sample\\+ENDPOINT +Calls itself\\."));
  EXPECT_THAT(outcome.output, ContainsRegex("greeting +what greet says"));
}

TEST(Inspect, PrintsOneJsonDocument) {
  const auto document = json::parse(command({"inspect", kSample, "--json"}).output);
  EXPECT_EQ(document["loadable"], true);
  EXPECT_EQ(document["elf"]["exports_table"], true);
  EXPECT_EQ(document["plugin"]["abi"], "1.0");
  EXPECT_EQ(document["plugin"]["kinds"][0]["name"], "sample.echo");
  EXPECT_EQ(document["plugin"]["clients"][0]["scheme"], "sample");
  EXPECT_EQ(document["plugin"]["clients"][0]["jobs"], true);
  EXPECT_EQ(document["plugin"]["clients"][1]["jobs"], false);
}

// ---- what cannot be loaded ----

struct Refusal {
  Outcome text;
  json document;
};

Refusal refused(const std::string& file) {
  const Refusal refusal{command({"inspect", file}), json::parse(command({"inspect", file, "--json"}).output)};
  EXPECT_EQ(refusal.text.exit_code, 2);
  EXPECT_THAT(refusal.text.output, HasSubstr(file));
  EXPECT_EQ(refusal.document["loadable"], false);
  EXPECT_NE(refusal.document["reason"], "");
  return refusal;
}

TEST(Inspect, SaysWhyAFileCannotBeLoaded) {
  const TemporaryFolder folder;
  refused(folder.file("missing.so").string());
  refused(folder.file("text.so", "hello").string());
  refused(folder.file("empty.so", "").string());
  const auto whole = read_file(kSample);
  refused(folder.file("cut.so", whole.substr(0, whole.size() / 2)).string());
  refused(folder.path().string());
}

TEST(Inspect, SaysThatALibraryIsNoPlugin) {
  const TemporaryFolder folder;
  const auto source = folder.file("plain.c", "int answer(void) { return 42; }\n").string();
  const auto library = folder.file("plain.so").string();
  Child compiler({"cc", "-shared", "-fPIC", "-o", library, source});
  ASSERT_EQ(compiler.wait(), 0) << compiler.errors();
  EXPECT_THAT(refused(library).text.output, HasSubstr("backplane_plugin"));
}

TEST(Inspect, NamesAMissingSymbol) {
  const TemporaryFolder folder;
  const auto source = folder
                          .file("needy.c",
                                "extern int nobody_has_this(void);\n"
                                "int backplane_plugin(void) { return nobody_has_this(); }\n")
                          .string();
  const auto library = folder.file("needy.so").string();
  Child compiler({"cc", "-shared", "-fPIC", "-o", library, source});
  ASSERT_EQ(compiler.wait(), 0) << compiler.errors();
  EXPECT_THAT(refused(library).text.output, HasSubstr("nobody_has_this"));
}

TEST(Inspect, SurvivesALibraryThatCrashesWhileLoading) {
  const TemporaryFolder folder;
  const auto source =
      folder
          .file("crash.c",
                "const char backplane_plugin[512];\n"
                "__attribute__((constructor)) static void crash(void) { __builtin_trap(); }\n")
          .string();
  const auto library = folder.file("crash.so").string();
  Child compiler({"cc", "-shared", "-fPIC", "-o", library, source});
  ASSERT_EQ(compiler.wait(), 0) << compiler.errors();
  const auto outcome = run_backplane({"inspect", library});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.output, HasSubstr(library));
}

}  // namespace
}  // namespace backplane::test
