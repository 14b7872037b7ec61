// `check`, `graph` and what `run` says of a manifest that it refuses.
#include <nlohmann/json.hpp>

#include "command_fixture.hpp"

namespace backplane::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr auto kGood =
    "plugins: [sample]\n"
    "components:\n"
    "  in:  {kind: sample.echo, bind: \"tcp://127.0.0.1:${PORT:-*}\"}\n"
    "  out: {kind: sample.sink}\n"
    "routes:\n"
    "  - {from: in, to: out}\n";
constexpr auto kBad =
    "plugins: [sample]\n"
    "components:\n"
    "  in:  {kind: sample.echo, bnd: \"tcp://127.0.0.1:1\"}\n"
    "  out: {kind: sample.sink}\n"
    "routes:\n"
    "  - {from: in, to: ut}\n";

class ManifestCommands : public ::testing::Test {
 protected:
  Outcome on(const std::string& name, Arguments more) {
    more.insert(more.begin(), name);
    more.insert(more.end(), {"--plugin-path", SAMPLE_PLUGINS});
    return command(more);
  }
  TemporaryFolder folder_;
  std::string good_ = folder_.file("good.yaml", kGood).string();
  std::string bad_ = folder_.file("bad.yaml", kBad).string();
};

TEST_F(ManifestCommands, CheckSaysOk) {
  const auto outcome = on("check", {good_});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(outcome.output, good_ + ": ok, 2 components, 1 route\n");
}

TEST_F(ManifestCommands, CheckTellsEveryMistakeOfEveryFile) {
  const auto outcome = on("check", {bad_, good_, "nowhere.yaml"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.output, good_ + ": ok, 2 components, 1 route\n");
  EXPECT_THAT(outcome.errors,
              HasSubstr(bad_ + ":3:28: component \"in\" (sample.echo): unknown option \"bnd\""));
  EXPECT_THAT(outcome.errors, HasSubstr(bad_ + ":6:20: "));
  EXPECT_THAT(outcome.errors, HasSubstr("nowhere.yaml"));
  EXPECT_THAT(outcome.errors, ::testing::EndsWith(" errors; nothing was started\n"));
}

TEST_F(ManifestCommands, IncludesAreFoundAmongTheManifestsInstalledWithTheProgram) {
  const auto file = folder_.file("uses.yaml",
                                 "include:\n"
                                 "  - {file: templates/stage.yaml, as: a,\n"
                                 "     with: {bind: \"tcp://127.0.0.1:*\", output: sink}}\n"
                                 "components:\n"
                                 "  sink: {kind: null.sink}\n");
  const auto outcome = run_backplane({"check", file.string()});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(outcome.output, file.string() + ": ok, 3 components, 2 routes\n");
}

TEST_F(ManifestCommands, CheckPrintsOneJsonDocument) {
  const auto outcome = on("check", {good_, bad_, "--json"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.errors, "");
  const auto document = json::parse(outcome.output);
  EXPECT_EQ(document["ok"], false);
  EXPECT_GE(document["errors"], 2);
  ASSERT_EQ(document["manifests"].size(), 2u);
  EXPECT_EQ(document["manifests"][0]["components"], 2);
  EXPECT_EQ(document["manifests"][0]["routes"], 1);
  const auto& error = document["manifests"][1]["errors"][0];
  EXPECT_EQ(error["file"], bad_);
  EXPECT_EQ(error["line"], 3);
  EXPECT_GT(error["column"], 0);
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("sample.echo"));
}

TEST_F(ManifestCommands, CheckFillsInGivenValues) {
  EXPECT_EQ(on("check", {good_, "--set", "PORT=5555"}).exit_code, 0);
  const auto outcome = on("check", {good_, "--set", "PORT=a port"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr("a port"));
}

TEST_F(ManifestCommands, AManifestDoesNotSeeThePluginsOfAnother) {
  const TemporaryFolder folder;
  const auto without = folder.file("without.yaml", "components:\n  out: {kind: sample.sink}\n").string();
  const auto outcome = on("check", {good_, without});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr("sample.sink"));
}

TEST_F(ManifestCommands, GraphDrawsDotAndMermaid) {
  const auto dot = on("graph", {good_});
  EXPECT_EQ(dot.exit_code, 0) << dot.errors;
  EXPECT_THAT(dot.output, StartsWith("digraph \"backplane\" {\n"));
  EXPECT_THAT(dot.output, HasSubstr("c1 [label=\"in\\nsample.echo\\nbind tcp://127.0.0.1:*\", shape=cds];"));
  EXPECT_THAT(dot.output, HasSubstr("c1 -> c2;"));
  const auto mermaid = on("graph", {good_, "--format", "mermaid"});
  EXPECT_THAT(mermaid.output, StartsWith("flowchart LR\n"));
  EXPECT_THAT(mermaid.output, HasSubstr("c1 --> c2"));
}

TEST_F(ManifestCommands, GraphvizUnderstandsTheGraph) {
  if (std::system("command -v dot > /dev/null") != 0) GTEST_SKIP() << "dot (Graphviz) is not installed";
  const TemporaryFolder folder;
  const auto dot = folder.file("graph.dot", on("graph", {good_}).output).string();
  Child graphviz({"dot", "-Tsvg", dot});
  EXPECT_EQ(graphviz.wait(), 0) << graphviz.errors();
}

TEST_F(ManifestCommands, GraphAndRunRefuseABadManifest) {
  const auto drawn = on("graph", {bad_});
  EXPECT_EQ(drawn.exit_code, 2);
  EXPECT_EQ(drawn.output, "");
  EXPECT_THAT(drawn.errors, HasSubstr("errors; nothing was started"));

  const auto run = run_backplane({"run", bad_, "--plugin-path", SAMPLE_PLUGINS});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_EQ(run.output, "");
  EXPECT_THAT(run.errors, HasSubstr(bad_ + ":3:28: "));
  EXPECT_THAT(run.errors, HasSubstr("errors; nothing was started"));
}

TEST_F(ManifestCommands, TheProgramSaysTheSame) {
  const auto in_process = on("check", {bad_});
  const auto program = run_backplane({"check", bad_, "--plugin-path", SAMPLE_PLUGINS});
  EXPECT_EQ(program.exit_code, in_process.exit_code);
  EXPECT_EQ(program.errors, in_process.errors);
}

TEST_F(ManifestCommands, AnUnwritableOutputIsAFailure) {
  Child checking({"/bin/sh", "-c",
                  backplane_program().string() + " check " + good_ + " --plugin-path " + SAMPLE_PLUGINS +
                      " > /dev/full"});
  EXPECT_EQ(checking.wait(), 1);
  EXPECT_THAT(checking.errors(), HasSubstr("cannot write to standard output"));
}

}  // namespace
}  // namespace backplane::test
