// palm.http_service and palm.web_worker: messages that HTTP clients post.
#include "http_service.hpp"

#include "http_verbs.hpp"

namespace backplane::palm {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class HttpServiceTest : public HttpServerTest<HttpService> {};
class WebWorkerTest : public HttpServerTest<WebWorker> {};

std::string post(const std::string& body, const std::string& path = "/") {
  return http_request("POST", path, body);
}

// ---- the way into a server ----

TEST_F(HttpServiceTest, AnswersOneAsSoonAsARouteHasTakenTheMessage) {
  start();
  auto [client, message] = asks(post(message_bytes(), "/any/path?x"));
  EXPECT_EQ(message.size(), 1u);
  EXPECT_EQ(message[0], message_bytes());
  EXPECT_FALSE(message.wants_reply());
  EXPECT_EQ(answer_to(client), "200 1");
}

TEST_F(HttpServiceTest, TheAcceptedReplyIsAnOption) {
  start({{"accepted_reply", "thanks"}});
  auto [client, message] = asks(post(message_bytes()));
  EXPECT_EQ(answer_to(client), "200 thanks");
}

TEST_F(HttpServiceTest, WithBlockTheAnswerIsTheFeedback) {
  const auto golden = vectors("http_parts");
  start({{"block", "true"}});
  auto [client, message] = asks(bytes_of(golden["service_request"]));
  EXPECT_EQ(message[0], bytes_of(golden["message"]));
  EXPECT_TRUE(message.wants_reply());
  EXPECT_GT(message.envelope().deadline, 0);
  host().answer(message.envelope(), {bytes_of(golden["feedback"])});
  ASSERT_TRUE(until([&] { return client.has("processed online"); }));
  EXPECT_THAT(client.received(), HasSubstr("Content-Length: 45\r\n"));
  EXPECT_EQ(short_form(client.received()), "200 " + bytes_of(golden["service_body"]));
}

TEST_F(HttpServiceTest, AFeedbackWithoutFramesIsEmpty) {
  start({{"block", "true"}});
  auto [client, message] = asks(post(message_bytes()));
  host().answer(message.envelope(), {});
  EXPECT_EQ(answer_to(client), "200 ");
}

TEST_F(HttpServiceTest, AnEmptyCacheFieldIsFilled) {
  start();
  auto [client, message] = asks(post(message_bytes("hi", "")));
  auto filled = palm(message[0]);
  EXPECT_EQ(std::exchange(filled.cache, {}).size(), 36u);
  EXPECT_EQ(filled, palm(message_bytes("hi", "")));
}

TEST_F(HttpServiceTest, FillingIsAnOption) {
  start({{"fill_cache", "false"}});
  auto [client, message] = asks(post(message_bytes("hi", "")));
  EXPECT_EQ(message[0], message_bytes("hi", ""));
}

TEST_F(HttpServiceTest, AMessageArrivesWhereverItsBytesAreCut) {
  start();
  const auto bytes = post(message_bytes());
  for (std::size_t cut = 1; cut < bytes.size(); cut += 3) {
    TcpPeer client = peer();
    client.send(std::string_view(bytes).substr(0, cut));
    host().run_ready();
    client.send(std::string_view(bytes).substr(cut));
    EXPECT_EQ(answer_to(client), "200 1") << cut;
  }
  for (const auto& sent : host().sent()) EXPECT_EQ(sent.message[0], message_bytes());
}

TEST_F(HttpServiceTest, AChunkedBodyIsAMessage) {
  start();
  auto [client, message] = asks(
      "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\n\x12\x01"
      "c\r\n4\r\n2\x02hi\r\n0\r\n\r\n");
  EXPECT_EQ(palm(message[0]).payload, "hi");
  EXPECT_EQ(answer_to(client), "200 1");
}

TEST_F(HttpServiceTest, ManyClientsAreServedSideBySide) {
  start({{"block", "true"}});
  std::vector<TcpPeer> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(peer());
    clients.back().send(post(message_bytes(std::to_string(i))));
  }
  ASSERT_TRUE(until([&] { return host().sent().size() == clients.size(); }));
  auto& sent = host().sent();
  for (auto each = sent.rbegin(); each != sent.rend(); ++each)
    host().answer(each->message.envelope(), {palm(each->message[0]).payload});
  for (std::size_t i = 0; i < clients.size(); ++i)
    EXPECT_EQ(answer_to(clients[i]), "200 " + std::to_string(i));
}

// ---- every error ----

TEST_F(HttpServiceTest, WhatIsNoMessageIs400) {
  start();
  EXPECT_THAT(refused(post("garbage")), StartsWith("400 not a PALM message"));
  EXPECT_THAT(refused(post("\x0a\x05p")), StartsWith("400 not a PALM message"));
  EXPECT_THAT(refused(post("")), StartsWith("400 there is no message"));
  EXPECT_EQ(host().metric("malformed"), 2);
}

TEST_F(HttpServiceTest, TheRecordedGarbageIs400) {
  start();
  TcpPeer client = peer();
  client.send(bytes_of(vectors("http_parts")["garbage_request"]));
  ASSERT_TRUE(until([&] { return client.has("\r\n\r\nnot a PALM message"); }));
  EXPECT_THAT(client.received(), StartsWith("HTTP/1.1 400 "));
}

TEST_F(HttpServiceTest, OtherMethodsAre501) {
  start();
  for (const auto* method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"})
    EXPECT_THAT(refused(http_request(method, "/")), StartsWith("501 ")) << method;
}

TEST_F(HttpServiceTest, ABodyThatIsTooLongIs413) {
  start({{"max_body", "10B"}});
  EXPECT_THAT(refused(post(message_bytes())), StartsWith("413 "));
}

TEST_F(HttpServiceTest, WhatNothingTakesIs503) {
  for (const auto* block : {"false", "true"}) {
    start({{"block", block}});
    host().answer_sends(BP_NO_ROUTE);
    EXPECT_THAT(refused(post(message_bytes())), StartsWith("503 "));
    host().answer_sends(BP_REJECTED);
    EXPECT_THAT(refused(post(message_bytes())), StartsWith("503 "));
    EXPECT_EQ(host().holding(), 0u);
  }
}

TEST_F(HttpServiceTest, OutcomesHaveTheirStatus) {
  start({{"block", "true"}});
  const std::pair<const char*, const char*> expected[] = {
      {"NoRoute", "503"},        {"Overloaded", "503"},       {"ShuttingDown", "503"}, {"Stopped", "503"},
      {"TimeoutExpired", "504"}, {"DeadlineExceeded", "504"}, {"Expired", "504"},      {"ValueError", "500"}};
  for (const auto& [type, status] : expected)
    EXPECT_EQ(failed(post(message_bytes()), type), std::string(status) + " why\n") << type;
  EXPECT_EQ(host().metric("failed"), 8);
}

// ---- back pressure ----

TEST_F(HttpServiceTest, WhileTheHostWantsNoMoreClientsWait) {
  start();
  host().answer_sends(BP_PAUSED);
  TcpPeer first = peer();
  first.send(post(message_bytes("1")));
  EXPECT_EQ(answer_to(first), "200 1");
  host().answer_sends(BP_SENT);
  TcpPeer second = peer();
  second.send(post(message_bytes("2")));
  host().run_for(50ms);
  EXPECT_EQ(second.received(), "");
  host().resume();
  EXPECT_EQ(answer_to(second), "200 1");
  ASSERT_EQ(host().sent().size(), 2u);
  EXPECT_EQ(palm(host().sent()[1].message[0]).payload, "2");
}

TEST_F(HttpServiceTest, AClientThatGoesWhileItWaitsSendsNothing) {
  start();
  host().answer_sends(BP_PAUSED);
  TcpPeer first = peer();
  first.send(post(message_bytes("1")));
  EXPECT_EQ(answer_to(first), "200 1");
  {
    TcpPeer second = peer();
    second.send(post(message_bytes("2")));
    ASSERT_TRUE(until([&] { return host().holding() == 1; }));
  }
  ASSERT_TRUE(until([&] { return host().holding() == 0; }));
  host().resume();
  EXPECT_EQ(host().sent().size(), 1u);
}

TEST_F(HttpServiceTest, WhoWaitsTooLongGets504) {
  start({{"timeout", "50ms"}});
  host().answer_sends(BP_PAUSED);
  TcpPeer first = peer();
  first.send(post(message_bytes("1")));
  EXPECT_EQ(answer_to(first), "200 1");
  TcpPeer second = peer();
  second.send(post(message_bytes("2")));
  EXPECT_THAT(answer_to(second), StartsWith("504 "));
  host().resume();
  EXPECT_EQ(host().sent().size(), 1u);
}

// ---- clients that go ----

TEST_F(HttpServiceTest, AClientThatGoesCancelsItsRequest) {
  start({{"block", "true"}});
  std::optional<Message> message;
  {
    auto [client, request] = asks(post(message_bytes()));
    message = std::move(request);
  }
  ASSERT_TRUE(until([&] { return !host().cancelled().empty(); }));
  EXPECT_EQ(host().cancelled(), std::vector{message->envelope().correlation});
  host().answer(message->envelope(), {"late"});
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(HttpServiceTest, AStopWithRequestsUnderWayIsQuiet) {
  start({{"block", "true"}});
  auto [client, message] = asks(post(message_bytes()));
  host().stop();
  EXPECT_TRUE(client.closed());
  EXPECT_TRUE(host().cancelled().empty());
}

// ---- the worker ----

TEST_F(WebWorkerTest, TheResultIsTheAnswer) {
  const auto golden = vectors("http_parts");
  start();
  auto [client, message] = asks(bytes_of(golden["posted"]));
  EXPECT_EQ(message[0], bytes_of(golden["message"]));
  EXPECT_TRUE(message.wants_reply());
  host().answer(message.envelope(), {bytes_of(golden["feedback"])});
  const auto answer = answer_to(client);
  EXPECT_EQ(answer, short_form(bytes_of(golden["worker_answer"])));
}

TEST_F(WebWorkerTest, TheAnswerIsAnOctetStream) {
  start();
  auto [client, message] = asks(post(message_bytes(), "/some/where"));
  host().answer(message.envelope(), {message_bytes("done")});
  ASSERT_TRUE(until([&] { return client.closed(); }));
  EXPECT_THAT(client.received(), HasSubstr("Content-Type: application/octet-stream\r\n"));
  EXPECT_EQ(short_form(client.received()), "200 " + message_bytes("done"));
}

TEST_F(WebWorkerTest, WhateverFailsIs500WithoutABody) {
  start();
  EXPECT_EQ(refused(post("garbage")), "500 ");
  for (const auto* type : {"NameError", "TimeoutExpired", "Overloaded", "NoRoute"})
    EXPECT_EQ(failed(post(message_bytes()), type), "500 ") << type;
  const auto answered = [&](const std::string& with) {
    auto [client, message] = asks(post(message_bytes()));
    host().answer(message.envelope(), {with});
    return answer_to(client);
  };
  EXPECT_EQ(answered(message_bytes("0", "k1", "function_failed: no")), "500 ");
  EXPECT_EQ(answered("garbage"), "500 ");
  host().answer_sends(BP_NO_ROUTE);
  EXPECT_EQ(refused(post(message_bytes())), "500 ");
  EXPECT_TRUE(host().logged("a message was answered with 500: NameError: why"));
  EXPECT_EQ(host().metric("failures"), 7);
}

TEST_F(WebWorkerTest, OtherMethodsAre405WithoutABody) {
  start();
  for (const auto* method : {"GET", "HEAD", "PUT", "DELETE"})
    EXPECT_EQ(refused(http_request(method, "/")), "405 ") << method;
}

}  // namespace
}  // namespace backplane::palm
