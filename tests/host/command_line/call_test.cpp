// `backplane call`, with a client whose server is itself, and with PALM servers made of raw sockets.
#include <nlohmann/json.hpp>

#include "command_fixture.hpp"
#include "support/palm_server.hpp"

namespace backplane::test {
namespace {

using nlohmann::json;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Arguments with_sample(Arguments arguments) {
  arguments.insert(arguments.begin(), {"--plugin-path", SAMPLE_PLUGINS});
  return arguments;
}

// The program, because a plugin is described by a child of a process that has one thread.
Outcome call(Arguments arguments) {
  arguments.insert(arguments.begin(), "call");
  return run_backplane(with_sample(std::move(arguments)));
}

// What a call that works prints.
std::string result(const Arguments& arguments) {
  const auto outcome = call(arguments);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(outcome.errors, "");
  return outcome.output;
}

std::string refused(const Arguments& arguments) {
  const auto outcome = call(arguments);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.output, "");
  return outcome.errors;
}

TEST(Call, HandsArgumentsOverAndPrintsTheResult) {
  EXPECT_EQ(result({"sample+x", "echo"}), "[[],{}]\n");
  EXPECT_EQ(result({"sample+x", "echo", "[1, \"two\"]"}), "[[1,\"two\"],{}]\n");
  EXPECT_EQ(result({"sample+x", "echo", "a", "[1]", "--kwargs", "{\"b\": 1}"}), "[[\"a\",[1]],{\"b\":1}]\n");
  EXPECT_EQ(result({"sample+x", "echo", "--", "-5", "--list"}), "[[-5,\"--list\"],{}]\n");
  EXPECT_EQ(result({"sample+x", "keys"}), "{\"1\":\"one\",\"two\":{\"$ext\":5,\"$bin\":\"eA==\"}}\n");
}

TEST(Call, GivesTheClientWhatFollowsTheScheme) {
  EXPECT_EQ(result({"sample+tcp://127.0.0.1:1", "endpoint"}), "\"tcp://127.0.0.1:1\"\n");
  EXPECT_EQ(result({"sample://127.0.0.1/a+b", "endpoint"}), "\"sample://127.0.0.1/a+b\"\n");
}

TEST(Call, GivesTheClientOptionsAndTimeout) {
  EXPECT_EQ(result({"sample+x", "greet"}), "\"hello;\"\n");
  EXPECT_EQ(result({"sample+x", "greet", "--option", "greeting=a=b", "--option", "repeats=2", "--option",
                    "names=c", "--option", "names=d"}),
            "\"a=b;a=b;c;d;\"\n");
  EXPECT_EQ(result({"sample+x", "timeout", "--timeout", "250ms"}), "250000000\n");
  EXPECT_EQ(result({"sample+x", "timeout"}), "10000000000\n");
}

TEST(Call, TakesAPlainNumberAsSeconds) {
  EXPECT_EQ(result({"sample+x", "timeout", "--timeout", "1.5"}), "1500000000\n");
  EXPECT_EQ(result({"sample+x", "timeout", "--timeout", "2"}), "2000000000\n");
  EXPECT_EQ(result({"sample+x", "timeout", "--timeout", "0"}), "0\n");
  EXPECT_EQ(result({"sample+x", "timeout", "--timeout", "none"}), "0\n");
  EXPECT_EQ(result({"sample+x", "heartbeat", "--heartbeat", "0.25"}), "250000000\n");
}

TEST(Call, HasShortNamesForTheOptionsOfManyClients) {
  EXPECT_EQ(result({"sample+x", "heartbeat"}), "5000000000\n");
  EXPECT_EQ(result({"sample+x", "heartbeat", "--heartbeat", "250ms"}), "250000000\n");
  EXPECT_EQ(result({"sample+x", "heartbeat", "--heartbeat", "0"}), "0\n");
  EXPECT_EQ(result({"sample+x", "heartbeat", "--heartbeat", "none"}), "0\n");
  EXPECT_EQ(result({"sample+x", "pattern"}), "\"call\"\n");
  EXPECT_EQ(result({"sample+x", "pattern", "--pattern", "publish"}), "\"publish\"\n");
  EXPECT_THAT(refused({"sample+x", "pattern", "--pattern", "pull"}), HasSubstr("none of call|push|publish"));
  EXPECT_THAT(refused({"sample+x", "pattern", "--heartbeat", "often"}), HasSubstr("is not a duration"));
  EXPECT_THAT(refused({"sample+x", "pattern", "--heartbeat", "1s", "--option", "heartbeat=2s"}),
              HasSubstr("--option heartbeat takes one value"));
  EXPECT_THAT(refused({"palm+tcp://127.0.0.1:1", "server.foo", "--heartbeat", "2"}),
              HasSubstr("calls of palm have no option \"heartbeat\""));
}

TEST(Call, CarriesEveryValueThereAndBackUnchanged) {
  for (const std::string value : {"18446744073709551615",
                                  "9223372036854775808",
                                  "9223372036854775807",
                                  "-9223372036854775808",
                                  "4294967296",
                                  "-1",
                                  "17",
                                  "17.0",
                                  "-0.0",
                                  "1e+300",
                                  "0.1",
                                  "1.0",
                                  "true",
                                  "null",
                                  "\"1\"",
                                  "\"\"",
                                  "{\"$bin\":\"AP8=\"}",
                                  "{\"$bin\":\"\"}",
                                  "[17,17.0,{\"a\":[{\"$bin\":\"/w==\"},18446744073709551615]}]",
                                  "{\"b\":1,\"a\":{\"$bin\":\"AA==\"}}"})
    EXPECT_EQ(result({"sample+x", "first", "[" + value + "]"}), value + "\n");
  EXPECT_EQ(result({"sample+x", "echo", "--kwargs", "{\"x\":{\"$bin\":\"AP8=\"},\"n\":17.0}"}),
            "[[],{\"x\":{\"$bin\":\"AP8=\"},\"n\":17.0}]\n");
}

TEST(Call, PrintsAStreamAsAList) {
  EXPECT_EQ(result({"sample+x", "count", "3"}), "[0,1,2]\n");
  EXPECT_EQ(result({"sample+x", "count", "1"}), "[0]\n");
  EXPECT_EQ(result({"sample+x", "count", "0"}), "[]\n");
  EXPECT_EQ(result({"sample+x", "count", "3", "--lines"}), "0\n1\n2\n");
}

TEST(Call, PrintsBytes) {
  const TemporaryFolder folder;
  const std::string bytes("\0\xff\n", 3);
  const auto file = folder.file("bytes", bytes).string();
  EXPECT_EQ(result({"sample+x", "raw", "--file", file}), "{\"$bin\":\"AP8K\"}\n");
  EXPECT_EQ(result({"sample+x", "raw", "--file", file, "--raw"}), bytes);
  EXPECT_EQ(result({"sample+x", "first", "{\"$bin\": \"AP8K\"}", "--raw"}), bytes);
  EXPECT_EQ(result({"sample+x", "first", "text", "--raw"}), "text");
  EXPECT_EQ(result({"sample+x", "first", "[[1]]", "--raw"}), "[1]");
}

TEST(Call, PrintsNothingOfACallThatHasNoAnswer) {
  const auto outcome = call({"sample+x", "echo", "--signal"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.output, "");
  EXPECT_EQ(outcome.errors, "backplane: signalled\n");
}

TEST(Call, PrintsAnAnswerWithoutAResultAsNull) { EXPECT_EQ(result({"sample+x", "nothing"}), "null\n"); }

TEST(Call, PrintsTheTokenOfADeferred) {
  EXPECT_EQ(result({"sample+x", "later", "--async"}), "{\"$deferred\":\"token\"}\n");
}

TEST(Call, ListsWhatCanBeCalled) {
  EXPECT_THAT(result({"sample+x", "--list"}),
              ContainsRegex("count\\(n: int, step: int = 1\\) -> int +stream +Counts"));
  const auto document = json::parse(result({"sample+x", "--list", "--json"}));
  EXPECT_EQ(document[0]["name"], "count");
  EXPECT_EQ(document.size(), 2u);
  const auto one = json::parse(result({"sample+x", "greet", "--describe", "--json"}));
  EXPECT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0]["max_response_time"], "2s");
  EXPECT_FALSE(document[0].contains("max_response_time")) << "the wire's own";
  const auto none = call({"sample+x", "gret", "--describe"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.errors, HasSubstr("no function \"gret\"; did you mean \"greet\"?"));
}

// ---- errors ----

TEST(Call, TellsTheErrorOfTheOtherSide) {
  const auto outcome = call({"sample+x", "absent"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.output, R"({"error":{"name":"NameError","message":"no function\nabsent"}})"
                            "\n");
  EXPECT_EQ(outcome.errors, "backplane: NameError: no function\\nabsent\n  first line\n  second line\n");
}

TEST(Call, TellsThatTheOtherSideCannotBeReached) {
  const auto outcome = call({"sample+nowhere", "echo"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.errors, "backplane: Unreachable: nobody is nowhere\n");
  EXPECT_EQ(outcome.output, R"({"error":{"name":"Unreachable","message":"nobody is nowhere"}})"
                            "\n");
}

TEST(Call, PrintsAFailureAsOneDocumentWhateverItsText) {
  const auto outcome = call({"sample+x", "fail"});
  EXPECT_EQ(outcome.exit_code, 1);
  const auto document = json::parse(outcome.output);
  EXPECT_EQ(document,
            (json{{"error", {{"name", "DemoError"}, {"message", "\"quoted\" caf\xc3\xa9 \xef\xbf\xbd"}}}}));
  EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), 1);
}

TEST(Call, PrintsOnlyTheErrorOfAStreamThatFails) {
  const auto outcome = call({"sample+x", "broken_stream"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.output, R"({"error":{"name":"DemoError","message":"stream broken"}})"
                            "\n");
  EXPECT_EQ(outcome.errors, "backplane: DemoError: stream broken\n");
}

TEST(Call, PrintsNoErrorAmongLinesAndRawResults) {
  EXPECT_EQ(call({"sample+x", "broken_stream", "--lines"}).output, "0\n1\n2\n");
  EXPECT_EQ(call({"sample+x", "fail", "--raw"}).output, "");
  EXPECT_EQ(call({"sample+x", "gret", "--describe"}).output, "");
  const auto listed = json::parse(call({"sample+x", "gret", "--describe", "--json"}).output);
  EXPECT_EQ(listed["error"]["name"], "Error");
}

TEST(Call, RefusesOptionsThatTheClientDoesNotHave) {
  EXPECT_THAT(refused({"sample+x", "greet", "--option", "greting=x"}),
              HasSubstr("no option \"greting\"; did you mean \"greeting\"?"));
  EXPECT_THAT(refused({"sample+x", "greet", "--option", "repeats=10"}), HasSubstr("--option repeats: "));
  EXPECT_THAT(refused({"sample+x", "greet", "--option", "repeats=1", "--option", "repeats=2"}),
              HasSubstr("takes one value"));
  EXPECT_THAT(refused({"sample+x", "greet", "--option", "greeting"}), HasSubstr("is not NAME=VALUE"));
  EXPECT_THAT(refused({"one_by_one+x", "greet"}),
              HasSubstr("--option key=... is required: what opens the door"));
}

TEST(Call, RefusesAddressesThatItDoesNotKnow) {
  EXPECT_THAT(refused({"smple+x", "echo"}),
              HasSubstr("no installed plugin calls \"smple\"; did you mean \"sample\"?"));
  EXPECT_THAT(refused({"tcp://127.0.0.1:1", "echo"}), HasSubstr("does not say which protocol"));
  EXPECT_THAT(refused({"127.0.0.1:1", "echo"}), HasSubstr("is no address"));
  EXPECT_THAT(refused({"+x", "echo"}), HasSubstr("is no address"));
}

TEST(Call, RefusesWhatIsNoCall) {
  EXPECT_THAT(refused({"sample+x"}), HasSubstr("which FUNCTION?"));
  EXPECT_THAT(refused({"sample+x", "echo", "--kwargs", "[1]"}),
              HasSubstr("--kwargs: \"[1]\" is not a JSON object"));
  EXPECT_THAT(refused({"sample+x", "echo", "--file", "/no/such/file"}),
              HasSubstr("cannot open /no/such/file"));
  EXPECT_THAT(refused({"sample+x", "echo", "1", "--file", "x"}), HasSubstr("--file"));
  EXPECT_THAT(refused({"sample+x", "echo", "--raw", "--lines"}), HasSubstr("--"));
  EXPECT_THAT(refused({"sample+x", "echo", "--timeout", "soon"}), HasSubstr("--timeout"));
  EXPECT_THAT(refused({"one_by_one+x", "--list", "--option", "key=k"}), HasSubstr("cannot be asked"));
}

// ---- PALM ----

TEST(CallPalm, CallsAFunction) {
  PalmServer server(PalmServer::foo);
  const auto endpoint = "palm+" + server.db_address();
  EXPECT_EQ(result({endpoint, "server.foo", "a message"}), "\"you sent me a message\"\n");
  EXPECT_EQ(result({endpoint, "server.foo", "5"}), "\"you sent me 5\"\n");
  EXPECT_EQ(result({endpoint, "server.foo"}), "\"you sent me \"\n");
  EXPECT_EQ(result({endpoint, "server.foo", "{\"$bin\": \"/w==\"}", "--raw"}), "you sent me \xff");
}

TEST(CallPalm, TakesSeveralReplies) {
  PalmServer server([](const PalmMessage& message) { return PalmServer::Replies{message, message}; });
  EXPECT_EQ(result({"palm+" + server.db_address(), "a.f b.g", "x", "--option", "messages=2"}),
            "[\"x\",\"x\"]\n");
}

TEST(CallPalm, SendsWhatTheOptionsSay) {
  PalmServer server([](const PalmMessage& message) {
    return PalmServer::Replies{PalmServer::with(message, message.pipeline + " " + message.cache)};
  });
  EXPECT_EQ(result({"palm+" + server.db_address(), "server.foo", "--option", "cache=c", "--option",
                    "session=s", "--option", "server=server"}),
            "\"s c\"\n");
}

TEST(CallPalm, AsksTheCache) {
  PalmServer server(PalmServer::foo);
  const auto endpoint = "palm+" + server.db_address();
  EXPECT_EQ(result({endpoint, "set", "key", "value"}), "\"key\"\n");
  EXPECT_EQ(result({endpoint, "get", "key"}), "\"value\"\n");
  EXPECT_EQ(result({endpoint, "delete", "key"}), "\"key\"\n");
  EXPECT_EQ(result({endpoint, "set", "value"}), "\"made-up-key\"\n");
  EXPECT_EQ(result({endpoint, "set", "k", "v", "--option", "session=s"}), "\"sk\"\n");
  EXPECT_THAT(call({endpoint, "delete", "key"}).errors, HasSubstr("KeyError: the server has no key \"key\""));
  EXPECT_THAT(call({endpoint, "get"}).errors, HasSubstr("InvalidCallArguments: expected get KEY"));
  EXPECT_THAT(call({endpoint, "fetch", "x"}).errors, HasSubstr("NameError: \"fetch\" is neither"));
}

TEST(CallPalm, TellsTheErrorOfAServer) {
  PalmServer server([](const PalmMessage& message) {
    return PalmServer::Replies{PalmServer::failing(message, "function_failed: ValueError: no")};
  });
  const auto outcome = call({"palm+" + server.db_address(), "server.foo", "x"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.errors, "backplane: function_failed: ValueError: no\n");
}

TEST(CallPalm, TellsThatNobodyAnswers) {
  const auto outcome = call({"palm+" + free_endpoint(), "server.foo", "x", "--timeout", "200ms"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.errors, StartsWith("backplane: TimeoutExpired: "));
}

TEST(CallPalm, RefusesAServerOfAnotherName) {
  PalmServer server(PalmServer::foo);
  const auto outcome = call({"palm+" + server.db_address(), "server.foo", "x", "--option", "server=other"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.errors, StartsWith("backplane: WrongServer: "));
}

TEST(CallPalm, RefusesArgumentsThatAreNoPayload) {
  PalmServer server(PalmServer::foo);
  const auto endpoint = "palm+" + server.db_address();
  EXPECT_THAT(call({endpoint, "server.foo", "[1, 2]"}).errors, HasSubstr("InvalidCallArguments"));
  EXPECT_THAT(call({endpoint, "server.foo", "--kwargs", "{\"a\": 1}"}).errors,
              HasSubstr("no named arguments"));
}

}  // namespace
}  // namespace backplane::test
