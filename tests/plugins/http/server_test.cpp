// Transcripts of the server, every split point, order, and clients that go.
#include "verbs.hpp"

namespace backplane::http {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;
using testing::MatchesRegex;

// ---- transcripts ----

TEST_F(ServerTest, AnswersARequest) {
  start();
  EXPECT_EQ(
      exchange("GET /a%20b?x=1&y=%20 HTTP/1.1\r\nHost: here\r\nX-Word: one\r\nConnection: close\r\n\r\n"),
      answer("200 OK", "GET /a b|x=1&y=%20|", closing));
  const auto& request = probe().seen.at(0);
  EXPECT_EQ(request.target, "/a%20b?x=1&y=%20");
  EXPECT_EQ(request.header("x-word"), "one");
  EXPECT_FALSE(request.keep_alive);
  EXPECT_FALSE(request.has_content_length);
}

TEST_F(ServerTest, TellsWhereItListens) {
  start();
  EXPECT_THAT(probe().server.endpoint(), MatchesRegex("http://127\\.0\\.0\\.1:[0-9]+"));
  EXPECT_TRUE(host().logged("listening on " + probe().server.endpoint()));
}

TEST_F(ServerTest, KeepsTheConnectionForTheNextRequest) {
  start();
  TcpPeer client = peer();
  for (const std::string path : {"/1", "/2", "/3"}) {
    client.send("POST " + path + " HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
    const auto expected = answer("200 OK", "POST " + path + "||hi");
    ASSERT_TRUE(until([&] { return client.received().size() >= expected.size(); }));
    EXPECT_EQ(client.take(), expected);
  }
  EXPECT_TRUE(probe().seen[0].has_content_length);
  EXPECT_EQ(host().metric("requests"), 3);
  EXPECT_EQ(host().metric("connections"), 1);
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  std::string bytes;
  std::string expected;
  for (int i = 0; i < 500; ++i) {
    bytes += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n" + (i == 499 ? closing : "") + "\r\n";
    expected += answer("200 OK", "GET /" + std::to_string(i) + "||", i == 499 ? closing : "");
  }
  EXPECT_EQ(exchange(bytes), expected);
}

TEST_F(ServerTest, HandlesTheNextRequestAfterTheAnswerToTheOneBefore) {
  start();
  hold_replies();
  TcpPeer client = peer();
  client.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(until([&] { return held().size() == 1; }));
  host().run_ready();
  EXPECT_EQ(probe().seen.size(), 1u);
  EXPECT_EQ(host().holding(), 1u);
  held()[0].send({.body = "one"});
  EXPECT_TRUE(until([&] { return held().size() == 2 && client.has("one"); }));
  held()[1].send({.body = "two"});
  EXPECT_TRUE(until([&] { return client.has("two"); }));
  EXPECT_EQ(client.take(), answer("200 OK", "one") + answer("200 OK", "two"));
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(ServerTest, Http10ClosesUnlessAskedToKeepAlive) {
  start();
  EXPECT_EQ(exchange("GET / HTTP/1.0\r\n\r\n"), answer("200 OK", "GET /||", closing));
  TcpPeer client = peer();
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const auto expected = answer("200 OK", "GET /||", "Connection: keep-alive\r\n");
  EXPECT_TRUE(until([&] { return client.received() == expected; })) << client.received();
  EXPECT_FALSE(client.closed());
}

TEST_F(ServerTest, TakesAChunkedBody) {
  start();
  EXPECT_EQ(exchange("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                     "5;why=not\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nTrailer: x\r\n\r\n"),
            answer("200 OK", "POST /||hello world", closing));
  EXPECT_FALSE(probe().seen.at(0).has_content_length);
}

TEST_F(ServerTest, SaysContinueToAClientThatWaitsForIt) {
  start();
  TcpPeer client = peer();
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  ASSERT_TRUE(until([&] { return client.received() == go_on; }));
  client.send("hi");
  EXPECT_TRUE(until([&] { return client.received() == go_on + answer("200 OK", "POST /||hi"); }));
}

TEST_F(ServerTest, SaysNoContinueWhenTheBodyIsThere) {
  start();
  EXPECT_EQ(exchange("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
                     "Connection: close\r\n\r\nhi"),
            answer("200 OK", "POST /||hi", closing));
}

TEST_F(ServerTest, AnswersHeadAsGetWithoutTheBody) {
  start();
  EXPECT_EQ(exchange("HEAD /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(probe().seen.at(0).head);
}

TEST_F(ServerTest, ATargetMayBeAWholeUrl) {
  start();
  EXPECT_THAT(exchange("GET http://h/x?y HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
              HasSubstr("GET /x|y|"));
  EXPECT_THAT(exchange("GET http://h HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
              HasSubstr("GET /||"));
}

TEST_F(ServerTest, EmptyLinesBeforeARequestAreIgnored) {
  start();
  EXPECT_THAT(exchange("\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
              HasSubstr("GET /x||"));
}

TEST_F(ServerTest, ALargeAnswerArrivesWhole) {
  start();
  std::string body(20'000'000, 'x');
  for (std::size_t i = 0; i < body.size(); i += 1000) body[i] = static_cast<char>('a' + i / 1000 % 26);
  probe().handle = [&](Request, Reply reply) { reply.send({.body = body}); };
  EXPECT_EQ(exchange("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
            answer("200 OK", body, closing));
}

TEST_F(ServerTest, ALargeBodyArrivesWhole) {
  start();
  const std::string body(10'000'000, 'y');
  TcpPeer client = peer();
  const auto bytes = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n" + body;
  std::size_t sent = 0;
  ASSERT_TRUE(until([&] {
    sent += client.send_some(std::string_view(bytes).substr(sent));
    return !probe().seen.empty();
  }));
  EXPECT_EQ(probe().seen[0].body, body);
}

TEST_F(ServerTest, TakesAnIpv6Address) {
  FakeComponent<Probe> host({{"bind", "[::1]:0"}});
  try {
    host.start();
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  EXPECT_TRUE(host.logged("listening on http://[::1]:"));
}

// ---- every split point ----

const std::string two_requests =
    "POST /first?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
    "PUT /second HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
const std::string two_answers =
    answer("200 OK", "POST /first|a=b|hello") + answer("200 OK", "PUT /second||abcde", closing);

TEST_F(ServerTest, RequestsMayComeByteByByte) {
  start();
  TcpPeer client = peer();
  for (const char byte : two_requests) {
    client.send({&byte, 1});
    host().run_ready();
  }
  ASSERT_TRUE(until([&] { return client.closed(); }));
  EXPECT_EQ(client.take(), two_answers);
}

TEST_F(ServerTest, AnEmptyChunkedBodyMayComeByteByByte) {
  start();
  TcpPeer client = peer();
  for (const char byte :
       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
       "0\r\nTrailer: x\r\n\r\n"s) {
    client.send({&byte, 1});
    host().run_ready();
  }
  ASSERT_TRUE(until([&] { return client.closed(); }));
  EXPECT_EQ(client.take(), answer("200 OK", "POST /||", closing));
}

TEST_F(ServerTest, RequestsMayBeCutAnywhere) {
  start();
  for (std::size_t cut = 1; cut < two_requests.size(); ++cut) {
    TcpPeer client = peer();
    client.send(two_requests.substr(0, cut));
    ASSERT_TRUE(until([&] { return probe().server.in_progress() == 1 || client.has("|hello"); }));
    client.send(two_requests.substr(cut));
    ASSERT_TRUE(until([&] { return client.closed(); }));
    ASSERT_EQ(client.take(), two_answers) << "cut at " << cut;
  }
}

TEST_F(ServerTest, ARequestThatIsCutShortIsForgotten) {
  start();
  for (std::size_t cut = 0; cut < two_requests.find("PUT") - 1; ++cut) {
    TcpPeer client = peer();
    client.send(two_requests.substr(0, cut));
    client.finish();
    ASSERT_TRUE(until([&] { return client.closed(); })) << cut;
    ASSERT_EQ(client.take(), "");
  }
  EXPECT_TRUE(probe().seen.empty());
  EXPECT_EQ(host().holding(), 0u);
  EXPECT_EQ(host().metric("connections"), 0);
}

// ---- replies ----

TEST_F(ServerTest, AReplyThatIsDroppedIsAnswered500) {
  start();
  probe().handle = [](Request, Reply) {};
  EXPECT_EQ(exchange("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
            answer("500 Internal Server Error", "the request was not answered\n", closing));
}

TEST_F(ServerTest, AHandlerThatThrowsIsAnswered500AndLogged) {
  start();
  probe().handle = [](Request, const Reply&) { throw Error("Oops", "no idea"); };
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), HasSubstr("500 "));
  EXPECT_TRUE(host().logged("Oops: no idea"));
}

TEST_F(ServerTest, OnlyTheFirstAnswerCounts) {
  start();
  probe().handle = [](Request, Reply reply) {
    reply.send({.body = "one"});
    reply.send({.body = "two"});
  };
  EXPECT_EQ(exchange("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
            answer("200 OK", "one", closing));
}

TEST_F(ServerTest, AnAnswerMayCloseTheConnection) {
  start();
  probe().handle = [](Request, Reply reply) { reply.send({.body = "bye", .close = true}); };
  EXPECT_EQ(exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), answer("200 OK", "bye", closing));
}

TEST_F(ServerTest, AHandlerLearnsThatItsClientHasGone) {
  for (const bool by_reset : {false, true}) {
    start();
    held().clear();
    hold_replies();
    TcpPeer client = peer();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_TRUE(until([&] { return held().size() == 1; }));
    int told = 0;
    held()[0].on_gone([&] { ++told; });
    EXPECT_FALSE(held()[0].gone());
    by_reset ? client.reset() : client.close();
    EXPECT_TRUE(until([&] { return told == 1; }));
    EXPECT_TRUE(held()[0].gone());
    held()[0].on_gone([&] { ++told; });
    EXPECT_EQ(told, 2) << "one that has gone is told at once";
    held()[0].send({.body = "nobody"});
    EXPECT_EQ(host().holding(), 0u);
    EXPECT_EQ(probe().server.connections(), 0u);
  }
}

TEST_F(ServerTest, AHalfClosedClientGetsWhatIsAnsweredAtOnce) {
  start();
  TcpPeer client = peer();
  client.send("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
  client.finish();
  ASSERT_TRUE(until([&] { return client.closed(); }));
  EXPECT_EQ(client.take(), answer("200 OK", "GET /x||"));
}

TEST_F(ServerTest, AReplyMayOutliveTheServer) {
  start();
  hold_replies();
  TcpPeer client = peer();
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(until([&] { return held().size() == 1; }));
  host().stop();
  EXPECT_TRUE(held()[0].gone());
  held()[0].send({});
  EXPECT_TRUE(client.closed());
}

// ---- draining ----

TEST_F(ServerTest, ADrainFinishesWhatHasBegunAndClosesTheRest) {
  start();
  hold_replies();
  TcpPeer idle = peer();
  TcpPeer waiting = peer();
  TcpPeer sending = peer();
  waiting.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  sending.send("POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab");
  ASSERT_TRUE(until([&] { return probe().server.in_progress() == 2 && probe().server.connections() == 3; }));

  host().drain();
  EXPECT_TRUE(until([&] { return idle.closed(); }));
  EXPECT_THROW(peer(), std::runtime_error);
  EXPECT_EQ(host().holding(), 2u);
  sending.send("cd");
  ASSERT_TRUE(until([&] { return held().size() == 2; }));
  for (auto& reply : held()) reply.send({.body = "done"});
  EXPECT_TRUE(until([&] { return waiting.closed() && sending.closed(); }));
  EXPECT_EQ(waiting.take(), answer("200 OK", "done", closing));
  EXPECT_EQ(sending.take(), answer("200 OK", "done", closing));
  EXPECT_EQ(host().holding(), 0u);
}

// ---- addresses ----

std::string refusal(const OptionTexts& options) {
  try {
    FakeComponent<Probe> host(options);
    host.start();
    return "accepted";
  } catch (const Error& error) {
    return error.type() + ": " + error.what();
  }
}

TEST_F(ServerTest, AnAddressThatOtherMachinesReachIsRefused) {
  EXPECT_THAT(refusal({{"bind", "0.0.0.0:0"}}), HasSubstr("say \"insecure: true\""));
  EXPECT_THAT(refusal({{"bind", "*:0"}}), HasSubstr("BadOption: option \"bind\": *:0 can be reached"));
  FakeComponent<Probe> host({{"bind", "0.0.0.0:0"}, {"insecure", "true"}});
  host.start();
  EXPECT_TRUE(host.logged("nothing protects it (insecure: true)"));
}

TEST_F(ServerTest, ASillyAddressIsExplained) {
  for (const auto* bind : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", ":80",
                           "::1:80", "[::1]80", "[::1"})
    EXPECT_THAT(refusal({{"bind", bind}}), HasSubstr("is not ADDRESS:PORT")) << bind;
  EXPECT_THAT(refusal({{"bind", "192.0.2.1:0"}, {"insecure", "true"}}), HasSubstr("no network interface"));
}

TEST_F(ServerTest, ATakenPortIsNamed) {
  TcpListener other;
  EXPECT_EQ(refusal({{"bind", other.address()}}),
            "BindFailed: cannot bind " + other.address() +
                ": the address is taken; another program or component listens there");
  EXPECT_EQ(refusal({{"bind", "tcp://127.0.0.1:*"}}), "accepted");
}

}  // namespace
}  // namespace backplane::http
