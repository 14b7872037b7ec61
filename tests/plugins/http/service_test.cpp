// http.service: what a client sends becomes a call, and the outcome an answer.
#include "functions_service.hpp"
#include "json.hpp"
#include "verbs.hpp"

namespace backplane::http {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ServiceTest : public testing::Test {
 protected:
  FakeComponent<FunctionsService>& start(OptionTexts options = {}) {
    options.all.emplace_back("bind", "127.0.0.1:*");
    host_ = std::make_unique<FakeComponent<FunctionsService>>(options);
    host_->offer_functions(
        {{.component = "math", .name = "add", .parameters = {{"a", "int"}, {"b", "int", "1"}}},
         {.component = "sums", .name = "add"},
         {.component = "math", .name = "half"},
         {.component = "notes", .name = "note", .manner = BP_SIGNAL_MANNER}});
    host_->start();
    return *host_;
  }
  bool until(const FakeHost::Condition& condition) { return host_->run_until(condition, kPatience); }
  TcpPeer peer() {
    constexpr std::string_view mark = "listening on ";
    for (const auto& entry : host_->log_lines())
      if (entry.line.starts_with(mark)) return TcpPeer(entry.line.substr(mark.size()));
    throw std::runtime_error("it does not listen");
  }
  static std::string request(const std::string& method, const std::string& path,
                             const std::string& body = {}) {
    return method + ' ' + path +
           " HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  }
  // Status and body of an answer that needs no call.
  std::string refused(const std::string& bytes) {
    TcpPeer client = peer();
    client.send(bytes);
    EXPECT_TRUE(until([&] { return client.closed(); }));
    EXPECT_TRUE(host_->calls().empty());
    return short_form(client.take());
  }
  static std::string short_form(const std::string& answer) {
    return answer.substr(9, 3) + ' ' + answer.substr(answer.find("\r\n\r\n") + 4);
  }
  // Sends a request; `outcome` answers the call that it becomes. Status and body of what comes back.
  std::string called(const std::string& path, const std::string& body,
                     const std::function<void(const FakeSent&)>& outcome) {
    TcpPeer client = peer();
    client.send(request("POST", path, body));
    if (!until([&] { return !host_->calls().empty(); })) return "no call";
    const auto call = std::move(host_->calls().front());
    host_->calls().clear();
    outcome(call);
    EXPECT_TRUE(until([&] { return client.closed(); }));
    return short_form(client.take());
  }
  std::string failed(const std::string& type) {
    return called("/math/half", "",
                  [&](const FakeSent& call) { host_->answer_error(call.message.envelope(), type, "why"); });
  }
  static std::string arguments(const FakeSent& call) {
    std::string all = call.target;
    for (std::size_t i = 0; i < call.message.size(); ++i) all += ' ' + to_json(decode(call.message[i]));
    return all;
  }

  std::unique_ptr<FakeComponent<FunctionsService>> host_;
};

TEST_F(ServiceTest, AnArrayIsPositionalArguments) {
  start();
  EXPECT_EQ(called("/math/add", "[1, \"x\"]",
                   [&](const FakeSent& call) {
                     EXPECT_EQ(arguments(call), "math.add [1,\"x\"]");
                     EXPECT_TRUE(call.message.has(BP_REQUEST));
                     EXPECT_FALSE(call.message.has(BP_DEFERRED) || call.message.has(BP_STREAM));
                     EXPECT_GT(call.message.envelope().deadline, 0);
                     host_->answer(call.message.envelope(), {encode(Value(3))}, BP_MSGPACK);
                   }),
            "200 3\n");
}

TEST_F(ServiceTest, AnObjectIsNamedArguments) {
  start();
  EXPECT_EQ(called("/math/add", R"({"b": 2, "a": 1})",
                   [&](const FakeSent& call) {
                     EXPECT_EQ(arguments(call), R"(math.add [] {"b":2,"a":1})");
                     host_->answer(call.message.envelope(), {encode(Value(Bytes{"a"}))}, BP_MSGPACK);
                   }),
            "200 {\"$bin\":\"YQ==\"}\n");
}

TEST_F(ServiceTest, NoBodyIsNoArguments) {
  start();
  for (const auto* body : {"", " \r\n"})
    EXPECT_EQ(called("/half", body,
                     [&](const FakeSent& call) {
                       EXPECT_EQ(arguments(call), "math.half");
                       host_->answer(call.message.envelope(), {encode(Value())}, BP_MSGPACK);
                     }),
              "200 null\n");
}

TEST_F(ServiceTest, ASignalIsAnswered202) {
  start();
  EXPECT_EQ(called("/note", "[1]",
                   [&](const FakeSent& call) {
                     host_->answer(call.message.envelope(), {encode(Value())}, BP_MSGPACK);
                   }),
            "202 ");
}

// ---- every error ----

TEST_F(ServiceTest, OutcomesHaveTheirStatus) {
  start();
  const std::pair<const char*, const char*> expected[] = {
      {"InvalidCallArguments", "400"}, {"NameError", "404"},    {"UnknownFunction", "404"},
      {"Overloaded", "503"},           {"ShuttingDown", "503"}, {"DeadlineExceeded", "504"},
      {"TimeoutExpired", "504"},       {"ValueError", "500"}};
  for (const auto& [type, status] : expected)
    EXPECT_EQ(failed(type),
              std::string(status) + R"( {"error":{"type":")" + type + R"(","message":"why"}})" + '\n');
  EXPECT_EQ(host_->metric("failed_calls"), 8);
}

TEST_F(ServiceTest, AReplyThatIsNotMsgpackIs500) {
  start();
  EXPECT_THAT(
      called("/half", "",
             [&](const FakeSent& call) { host_->answer(call.message.envelope(), {"\xc1"}, BP_MSGPACK); }),
      StartsWith(R"(500 {"error":{"type":"Malformed")"));
}

TEST_F(ServiceTest, ABodyThatIsNotArgumentsIs400) {
  start();
  EXPECT_EQ(refused(request("POST", "/half", "[1")),
            "400 {\"error\":{\"type\":\"MalformedJson\",\"message\":\"not JSON at byte 3\"}}\n");
  for (const auto* body : {"1", "\"x\"", "null", R"({"$bin": "AAA="})"})
    EXPECT_THAT(refused(request("POST", "/half", body)),
                StartsWith(R"(400 {"error":{"type":"InvalidCallArguments")"));
  EXPECT_THAT(refused(request("POST", "/half", std::string(10'000, '['))), HasSubstr("nested too deeply"));
}

TEST_F(ServiceTest, UnknownFunctionsAre404) {
  start({{"functions", "math"}});
  EXPECT_THAT(refused(request("POST", "/math/hald")), HasSubstr("did you mean /math/half?"));
  for (const auto* path : {"/sums/add", "/note", "/math", "/x%22y"})
    EXPECT_THAT(refused(request("POST", path)), StartsWith(R"(404 {"error":{"type":"UnknownFunction")"))
        << path;
}

TEST_F(ServiceTest, ANameOfTwoComponentsIs404) {
  start();
  EXPECT_THAT(refused(request("POST", "/add")), HasSubstr("did you mean /math/add, /sums/add?"));
}

TEST_F(ServiceTest, OtherMethodsAre405) {
  start();
  for (const auto* method : {"GET", "PUT", "DELETE", "OPTIONS", "PATCH"})
    EXPECT_THAT(refused(request(method, "/math/half?a=1")), StartsWith("405 ")) << method;
  TcpPeer client = peer();
  client.send(request("GET", "/math/half"));
  ASSERT_TRUE(until([&] { return client.closed(); }));
  EXPECT_TRUE(client.has("Allow: POST\r\n"));
  EXPECT_THAT(refused(request("POST", "/")), StartsWith("405 "));
  EXPECT_THAT(refused(request("POST", "/openapi.json")), StartsWith("405 "));
}

TEST_F(ServiceTest, TheServersOwnErrorsAreJsonToo) {
  start({{"max_body", "3B"}});
  EXPECT_EQ(
      refused(request("POST", "/half", "[1,2]")),
      "413 {\"error\":{\"type\":\"ContentTooLarge\",\"message\":\"the request's body is too large\"}}\n");
}

TEST_F(ServiceTest, ACallThatTheHostRejectsIs503) {
  start();
  host_->answer_sends(BP_REJECTED);
  EXPECT_THAT(refused(request("POST", "/half")), StartsWith(R"(503 {"error":{"type":"Overloaded")"));
  host_->answer_sends(BP_NO_ROUTE);
  EXPECT_THAT(refused(request("POST", "/half")), StartsWith("404 "));
  EXPECT_EQ(host_->holding(), 0u);
}

// ---- clients that go ----

TEST_F(ServiceTest, AClientThatGoesCancelsItsCall) {
  start();
  std::optional<TcpPeer> client = peer();
  client->send(request("POST", "/half"));
  ASSERT_TRUE(until([&] { return !host_->calls().empty(); }));
  client.reset();
  ASSERT_TRUE(until([&] { return !host_->cancelled().empty(); }));
  const auto& envelope = host_->calls().front().message.envelope();
  EXPECT_EQ(host_->cancelled(), std::vector{envelope.correlation});
  host_->answer(envelope, {encode(Value(1))}, BP_MSGPACK);
  EXPECT_EQ(host_->holding(), 0u);
}

TEST_F(ServiceTest, AStopWithCallsUnderWayIsQuiet) {
  start();
  TcpPeer client = peer();
  client.send(request("POST", "/half"));
  ASSERT_TRUE(until([&] { return !host_->calls().empty(); }));
  host_->stop();
  EXPECT_TRUE(client.closed());
  EXPECT_TRUE(host_->cancelled().empty());
}

// ---- documents ----

TEST_F(ServiceTest, TellsWhatThereIs) {
  start();
  EXPECT_THAT(refused(request("GET", "/")), StartsWith(R"(200 {"host":"test","openapi":"/openapi.json",)"));
  const auto document = refused(request("GET", "/openapi.json"));
  EXPECT_THAT(document, StartsWith(R"(200 {"openapi":"3.1.0")"));
  EXPECT_NE(from_json(document.substr(4)).find("paths")->find("/math/add"), nullptr);
}

TEST_F(ServiceTest, LearnsWhatIsPublishedLater) {
  auto& host = start();
  host.offer_functions({{.component = "late", .name = "comer"}});
  EXPECT_EQ(called("/late/comer", "",
                   [&](const FakeSent& call) {
                     host_->answer(call.message.envelope(), {encode(Value(1))}, BP_MSGPACK);
                   }),
            "200 1\n");
}

TEST_F(ServiceTest, AComponentThatPublishesNothingIsWarnedOf) {
  auto& host = start({{"functions", "[math, moth]"}});
  EXPECT_TRUE(host.logged("no component \"moth\" publishes functions"));
  EXPECT_FALSE(host.logged("\"math\""));
}

}  // namespace
}  // namespace backplane::http
