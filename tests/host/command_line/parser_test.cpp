// What is a command and what is not, and what the program says then.
#include "command_line/parser.hpp"

#include "command_fixture.hpp"

namespace backplane::test {
namespace {

using namespace host;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

template <typename Wanted>
Wanted parsed(const Arguments& arguments) {
  const auto result = parse(arguments);
  if (const auto* answer = std::get_if<Answer>(&result)) {
    ADD_FAILURE() << answer->text;
    return {};
  }
  return std::get<Wanted>(std::get<Command>(result));
}

std::string refusal(const Arguments& arguments) {
  const auto outcome = command(arguments);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.output, "");
  return outcome.errors;
}

TEST(Parser, ReadsRun) {
  const auto run = parsed<RunArguments>({"run", "a.yaml", "--set", "PORT=1", "--set", "EMPTY=", "--log-level",
                                         "debug", "--log-format", "json", "--progress"});
  EXPECT_EQ(run.manifest, "a.yaml");
  EXPECT_THAT(run.values, ElementsAre(std::pair("EMPTY", ""), std::pair("PORT", "1")));
  EXPECT_EQ(run.log_level, LogLevel::debug);
  EXPECT_EQ(run.log_format, LogFormat::json);
  EXPECT_TRUE(run.progress);
}

TEST(Parser, LeavesTheLogToTheManifest) {
  const auto run = parsed<RunArguments>({"run", "a.yaml"});
  EXPECT_EQ(run.log_level, std::nullopt);
  EXPECT_EQ(run.log_format, std::nullopt);
}

TEST(Parser, TakesPluginPathsBeforeAndAfterTheCommand) {
  const auto check =
      parsed<CheckArguments>({"--plugin-path", "one", "check", "a.yaml", "--plugin-path", "two", "b.yaml"});
  EXPECT_THAT(check.plugin_path, ElementsAre("one", "two"));
  EXPECT_THAT(check.manifests, ElementsAre("a.yaml", "b.yaml"));
}

TEST(Parser, ReadsCall) {
  const auto call = parsed<CallArguments>({"call", "palm+tcp://127.0.0.1:1", "a.f b.g", "[1, 2]", "text",
                                           "--kwargs", "{}", "--timeout", "250ms", "--option", "a=b=c",
                                           "--option", "d=", "--lines", "--async"});
  EXPECT_EQ(call.reach.endpoint, "palm+tcp://127.0.0.1:1");
  EXPECT_EQ(call.reach.function, "a.f b.g");
  EXPECT_THAT(call.arguments, ElementsAre("[1, 2]", "text"));
  EXPECT_EQ(call.named, "{}");
  EXPECT_EQ(call.reach.timeout, std::chrono::milliseconds(250));
  EXPECT_THAT(call.reach.options, ElementsAre(std::pair("a", "b=c"), std::pair("d", "")));
  EXPECT_EQ(call.output, CallOutput::lines);
  EXPECT_TRUE(call.deferred);
  EXPECT_FALSE(call.signal);
}

TEST(Parser, CallHasDefaults) {
  const auto call = parsed<CallArguments>({"call", "palm+x", "f"});
  EXPECT_TRUE(call.arguments.empty());
  EXPECT_EQ(call.named, std::nullopt);
  EXPECT_EQ(call.reach.timeout, std::chrono::seconds(10));
  EXPECT_EQ(call.output, CallOutput::json);
  EXPECT_FALSE(call.list || call.signal || call.deferred);
}

TEST(Parser, ReadsJob) {
  const auto job = parsed<JobArguments>(
      {"job", "palm+x", "s.f", "one", "-", "--window", "7", "--messages", "2", "--ordered", "--json"});
  EXPECT_THAT(job.files, ElementsAre("one", "-"));
  EXPECT_EQ(job.window, 7u);
  EXPECT_THAT(job.reach.options, ElementsAre(std::pair("messages", "2")));
  EXPECT_TRUE(job.ordered);
  EXPECT_TRUE(job.json);
}

TEST(Parser, JobHasDefaults) {
  const auto job = parsed<JobArguments>({"job", "palm+x", "s.f"});
  EXPECT_THAT(job.files, ElementsAre("-"));
  EXPECT_EQ(job.window, 1000u);
  EXPECT_TRUE(job.reach.options.empty());
  EXPECT_FALSE(job.ordered || job.json);
}

TEST(Parser, SendHasDefaults) {
  const auto send = parsed<SendArguments>({"send", "tcp://127.0.0.1:5555"});
  EXPECT_EQ(send.wire.socket, "push");
  EXPECT_EQ(send.wire.timeout, std::chrono::seconds(10));
  EXPECT_FALSE(send.wire.bind);
  EXPECT_THAT(send.files, ElementsAre("-"));
}

TEST(Parser, ListenHasDefaults) {
  const auto listen = parsed<ListenArguments>({"listen", "tcp://127.0.0.1:5555"});
  EXPECT_EQ(listen.wire.socket, "pull");
  EXPECT_EQ(listen.wire.timeout.count(), 0);
  EXPECT_EQ(listen.wire.count, 0u);
  EXPECT_EQ(listen.max_frame, std::uint64_t{1} << 30);
}

TEST(Parser, ListenTakesSeveralTopics) {
  const auto listen = parsed<ListenArguments>({"listen", "--socket", "sub", "--topic", "a", "--topic", "b",
                                               "tcp://127.0.0.1:5555", "--timeout", "250ms", "--count", "3"});
  EXPECT_THAT(listen.wire.topics, ElementsAre("a", "b"));
  EXPECT_EQ(listen.wire.timeout, std::chrono::milliseconds(250));
  EXPECT_EQ(listen.wire.count, 3u);
  EXPECT_EQ(listen.wire.endpoint, "tcp://127.0.0.1:5555");
}

TEST(Parser, KnowsTheFormatsOfKinds) {
  EXPECT_EQ(parsed<KindsArguments>({"kinds"}).format, KindsFormat::text);
  EXPECT_EQ(parsed<KindsArguments>({"kinds", "zmq.pull", "--json"}).kind, "zmq.pull");
  EXPECT_EQ(parsed<KindsArguments>({"kinds", "--json-schema"}).format, KindsFormat::json_schema);
  EXPECT_EQ(parsed<KindsArguments>({"kinds", "--markdown"}).format, KindsFormat::markdown);
  EXPECT_THAT(refusal({"kinds", "--json", "--markdown"}), HasSubstr("--markdown"));
}

// ---- help ----

TEST(Help, IsThereForTheProgramAndEveryCommand) {
  EXPECT_THAT(command({"--help"}).output, HasSubstr("Exit codes: 0 done; 1 failed at run time; 2 usage"));
  for (const auto& shape : command_shapes()) {
    const auto outcome = command({shape.name, "--help"});
    EXPECT_EQ(outcome.exit_code, 0) << shape.name;
    EXPECT_THAT(outcome.output, HasSubstr("Examples:")) << shape.name;
    EXPECT_THAT(outcome.output, HasSubstr("backplane " + shape.name)) << shape.name;
    EXPECT_THAT(command({"--help"}).output, HasSubstr("  " + shape.name)) << shape.name;
    EXPECT_EQ(outcome.errors, "");
  }
  EXPECT_THAT(command({"new", "plugin", "--help"}).output, HasSubstr("NAME"));
}

TEST(Help, IsShownWhenNothingIsAsked) {
  const auto outcome = command({});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr("Usage"));
}

// ---- all mistakes ----

TEST(Mistakes, AnUnknownCommandNamesTheNearest) {
  EXPECT_EQ(refusal({"chek", "a.yaml"}),
            "backplane: unknown command \"chek\"; did you mean \"check\"?\nSee `backplane --help`.\n");
  EXPECT_EQ(refusal({"frobnicate"}), "backplane: unknown command \"frobnicate\"\nSee `backplane --help`.\n");
  EXPECT_EQ(refusal({"new", "plugn", "x"}),
            "backplane: unknown command \"plugn\"; did you mean \"plugin\"?\nSee `backplane new --help`.\n");
}

TEST(Mistakes, AnUnknownOptionNamesTheNearest) {
  EXPECT_EQ(refusal({"check", "a.yaml", "--jsn"}),
            "backplane: unknown option \"--jsn\"; did you mean \"--json\"?\nSee `backplane check --help`.\n");
  EXPECT_THAT(refusal({"--plugin-pth", "x", "plugins"}),
              StartsWith("backplane: unknown option \"--plugin-pth\""));
}

TEST(Mistakes, AnArgumentTooManyIsNamed) {
  EXPECT_THAT(refusal({"inspect", "a.so", "b.so"}), StartsWith("backplane: unexpected argument \"b.so\""));
}

TEST(Mistakes, AMissingArgumentIsNamed) {
  EXPECT_THAT(refusal({"check"}), HasSubstr("MANIFEST"));
  EXPECT_THAT(refusal({"run"}), HasSubstr("MANIFEST"));
  EXPECT_THAT(refusal({"inspect"}), HasSubstr("FILE"));
  EXPECT_THAT(refusal({"new"}), HasSubstr("Known: plugin"));
  EXPECT_THAT(refusal({"new", "plugin"}), HasSubstr("NAME"));
  EXPECT_THAT(refusal({"completion"}), HasSubstr("SHELL"));
}

TEST(Mistakes, AWordThatIsNoChoiceNamesTheChoices) {
  const auto text = refusal({"send", "tcp://127.0.0.1:1", "--socket", "pus"});
  EXPECT_THAT(text, HasSubstr("\"pus\" is none of push|pub|req|dealer|router|pair"));
  EXPECT_THAT(text, HasSubstr("did you mean \"push\"?"));
  EXPECT_THAT(refusal({"graph", "a.yaml", "--format", "png"}), HasSubstr("dot|mermaid"));
}

TEST(Mistakes, AValueOfTheWrongTypeSaysWhatIsExpected) {
  EXPECT_THAT(refusal({"send", "tcp://127.0.0.1:1", "--timeout", "10"}), HasSubstr("\"10\" has no unit"));
  EXPECT_THAT(refusal({"listen", "tcp://127.0.0.1:1", "--count", "many"}), HasSubstr("--count"));
  EXPECT_THAT(refusal({"listen", "tcp://127.0.0.1:1", "--max-frame", "big"}), HasSubstr("--max-frame"));
  EXPECT_THAT(refusal({"check", "a.yaml", "--set", "PORT"}), HasSubstr("\"PORT\" is not NAME=VALUE"));
}

TEST(Mistakes, TheProgramExitsWithTwo) {
  const auto outcome = run_backplane({"chek"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr("did you mean \"check\"?"));
}

}  // namespace
}  // namespace backplane::test
