// `backplane kinds`: the tables of plugins as text, JSON, JSON Schema and Markdown.
#include <nlohmann/json.hpp>

#include "command_fixture.hpp"
#include "command_line/kinds_page.hpp"

namespace backplane::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

Outcome kinds(Arguments more = {}) {
  more.insert(more.begin(), {"kinds", "--plugin-path", SAMPLE_PLUGINS});
  return command(more);
}

TEST(Kinds, AreListedWithALineEach) {
  const auto outcome = kinds();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  for (const auto* kind : {"zmq.pull", "file.lines", "demo.functions", "sample.echo"})
    EXPECT_THAT(outcome.output, HasSubstr(kind));
  EXPECT_THAT(outcome.output, HasSubstr("Answers every message with itself.\n"));
}

TEST(Kinds, OneIsToldWithItsOptions) {
  EXPECT_EQ(kinds({"sample.echo"}).output,
            "sample.echo: Answers every message with itself.\n"
            "plugin sample; inbound, service\n"
            "\n"
            "options\n"
            "  bind    endpoint            required  endpoint to bind\n"
            "  linger  duration, 0 to 1m   = 10ms    how long unsent replies survive a stop\n"
            "  mode    one of plain, loud  = plain   how it speaks\n"
            "  key     secret text         -         what nobody may see\n");
}

TEST(Kinds, OptionsInSectionsAreToldWithHowTheyAreWritten) {
  EXPECT_EQ(kinds({"sample.holder"}).output,
            "sample.holder: Takes its time to drain.\n"
            "plugin sample; outbound\n"
            "\n"
            "options\n"
            "  drain.takes  duration, 0 to 1m  = 0       how long its drain takes\n"
            "  drain.limit  duration           required  how long it says that may be\n"
            "\n"
            "A dot stands for a map: drain.takes is written drain: {takes: ...}.\n");
  const auto in_json = json::parse(kinds({"sample.holder", "--json"}).output);
  EXPECT_EQ(in_json["options"][0]["name"], "drain.takes");
  EXPECT_THAT(kinds({"sample.holder", "--markdown"}).output,
              HasSubstr("\nA dot stands for a map: drain.takes is written drain: {takes: ...}.\n"));
  const auto schema = json::parse(kinds({"sample.holder", "--json-schema"}).output);
  const auto& section = schema["properties"]["drain"];
  EXPECT_EQ(section["type"], "object");
  EXPECT_EQ(section["additionalProperties"], false);
  EXPECT_EQ(section["required"], json{"limit"});
  EXPECT_EQ(section["properties"]["takes"]["description"], "how long its drain takes (0 to 1m)");
  EXPECT_EQ(schema["required"], (json{"kind", "drain"}));
}

TEST(Kinds, OneIsToldWithItsFunctions) {
  EXPECT_EQ(kinds({"sample.sums"}).output,
            "sample.sums: Adds.\n"
            "plugin sample; outbound, functions\n"
            "\n"
            "functions\n"
            "  add(a: int, b: int = 1) -> int  ordinary  Adds two integers.\n");
}

TEST(Kinds, OneIsPrintedInJson) {
  const auto kind = json::parse(kinds({"sample.echo", "--json"}).output);
  EXPECT_EQ(kind["name"], "sample.echo");
  EXPECT_EQ(kind["plugin"], "sample");
  EXPECT_EQ(kind["properties"], (json{"inbound", "service"}));
  EXPECT_EQ(kind["options"][0], (json{{"name", "bind"},
                                      {"type", "endpoint"},
                                      {"required", true},
                                      {"default", nullptr},
                                      {"help", "endpoint to bind"}}));
  EXPECT_EQ(kind["options"][1]["default"], "10ms");
  EXPECT_EQ(kind["options"][1]["maximum"], 60e9);
  EXPECT_EQ(kind["options"][2]["choices"], (json{"plain", "loud"}));
}

TEST(Kinds, FunctionsArePrintedInJson) {
  const auto kind = json::parse(kinds({"sample.sums", "--json"}).output);
  const auto& add = kind["functions"][0];
  EXPECT_EQ(add["name"], "add");
  EXPECT_EQ(add["manner"], "ordinary");
  EXPECT_EQ(add["parameters"][0],
            (json{{"name", "a"}, {"type", "int"}, {"required", true}, {"default", nullptr}}));
  EXPECT_EQ(add["parameters"][1],
            (json{{"name", "b"}, {"type", "int"}, {"required", false}, {"default", 1}}));
}

TEST(Kinds, AllArePrintedAsOneJsonDocument) {
  const auto all = json::parse(kinds({"--json"}).output);
  ASSERT_TRUE(all.is_array());
  EXPECT_GT(all.size(), 10u);
}

TEST(Kinds, SchemaKnowsTheKindsOfAllPlugins) {
  const auto outcome = kinds({"--json-schema"});
  EXPECT_EQ(outcome.exit_code, 0);
  const auto schema = json::parse(outcome.output);
  EXPECT_TRUE(schema.is_object());
  for (const auto* kind : {"zmq.pull", "sample.echo"}) EXPECT_THAT(outcome.output, HasSubstr(kind));
}

TEST(Kinds, SchemaOfOneKindHasItsOptions) {
  const auto schema = kinds({"sample.echo", "--json-schema"}).output;
  EXPECT_TRUE(json::accept(schema));
  EXPECT_THAT(schema, HasSubstr("linger"));
}

TEST(Kinds, AnUnknownOneNamesTheNearest) {
  const auto outcome = kinds({"sample.ecko"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.output, "");
  EXPECT_EQ(
      outcome.errors,
      "backplane: no installed plugin offers the kind \"sample.ecko\"; did you mean \"sample.echo\"?\n");
}

TEST(Kinds, TellWhichPluginWasRefused) {
  const TemporaryFolder folder;
  folder.file("broken.so", "not an ELF file");
  const auto outcome = command({"kinds", "--plugin-path", folder.path().string()});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.errors, HasSubstr("refused: " + folder.file("broken.so").string()));
  EXPECT_THAT(outcome.output, HasSubstr("zmq.pull"));
}

TEST(KindsPage, PrintsAPluginAsMarkdown) {
  host::KindInfo kind;
  kind.name = "my.kind";
  kind.says = "Says *a* lot.";
  kind.properties = BP_INBOUND | BP_FUNCTIONS;
  host::OptionInfo mode;
  mode.name = "mode";
  mode.type = BP_CHOICE;
  mode.choices = {"a", "b"};
  mode.default_text = "a|b";
  mode.help = "a pipe | and a <tag>";
  host::OptionInfo bind;
  bind.name = "bind";
  bind.type = BP_ENDPOINT;
  bind.required = true;
  bind.help = "where";
  kind.options = {mode, bind};
  host::FunctionInfo add;
  add.name = "add";
  add.help = "Adds.";
  add.result = "int";
  add.parameters = {{"a", "int", std::nullopt}, {"b", "int", "1"}};
  kind.functions = {add};
  host::PluginInfo plugin;
  plugin.name = "my";
  plugin.kinds = {kind};
  EXPECT_THAT(host::kinds_page({&plugin}), HasSubstr(R"(
## Plugin `my`

### `my.kind`

Says \*a\* lot.

Properties: inbound, functions.

| option | type | default | meaning |
|---|---|---|---|
| `mode` | one of a, b | `a\|b` | a pipe \| and a &lt;tag> |
| `bind` | endpoint | **required** | where |

| function | manner | meaning |
|---|---|---|
| `add(a: int, b: int = 1) -> int` | ordinary | Adds. |
)"));
}

TEST(KindsPage, ListsEveryPlugin) {
  const auto page = kinds({"--markdown"}).output;
  EXPECT_THAT(page, ::testing::StartsWith("# Kinds of component\n"));
  for (const auto* heading : {"## Plugin `basic`", "## Plugin `zmq`", "### `zmq.pull`"})
    EXPECT_THAT(page, HasSubstr(heading));
  EXPECT_LT(page.find("## Plugin `basic`"), page.find("## Plugin `zmq`"));
}

}  // namespace
}  // namespace backplane::test
