// Every error that the server itself answers, its limits, and clients that are slow or many.
#include <sys/resource.h>

#include "verbs.hpp"

namespace backplane::http {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Wrong {
  const char* what;
  const char* bytes;
  const char* status;
};

void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.what; }

class Refusals : public ServerTest, public testing::WithParamInterface<Wrong> {};

TEST_P(Refusals, AreAnsweredAndClose) {
  start({{"max_body", "10"}, {"max_header", "256"}});
  const auto got = exchange(GetParam().bytes);
  EXPECT_THAT(got, StartsWith("HTTP/1.1 " + std::string(GetParam().status) + "\r\n"));
  EXPECT_THAT(got, HasSubstr("Content-Length: "));
  EXPECT_THAT(got, HasSubstr(closing));
  EXPECT_EQ(host().metric("bad_requests"), 1);
  EXPECT_TRUE(probe().seen.empty());
  EXPECT_EQ(host().holding(), 0u);
}

#define HOST "Host: h\r\n"
INSTANTIATE_TEST_SUITE_P(
    Of, Refusals,
    testing::Values(
        Wrong{"no HTTP at all", "hello\r\n\r\n", "400 Bad Request"},
        Wrong{"a TLS greeting", "\x16\x03\x01\x02", "400 Bad Request"},
        Wrong{"no target", "GET HTTP/1.1\r\n" HOST "\r\n", "400 Bad Request"},
        Wrong{"a space in a header's name", "GET / HTTP/1.1\r\n" HOST "A b: c\r\n\r\n", "400 Bad Request"},
        Wrong{"no Host", "GET / HTTP/1.1\r\n\r\n", "400 Bad Request"},
        Wrong{"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 Bad Request"},
        Wrong{"a length that is no number", "POST / HTTP/1.1\r\n" HOST "Content-Length: x\r\n\r\n",
              "400 Bad Request"},
        Wrong{"a negative length", "POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n",
              "400 Bad Request"},
        Wrong{"two lengths", "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
              "400 Bad Request"},
        Wrong{"a length and chunks",
              "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
              "400 Bad Request"},
        Wrong{"a chunk's length that is no number",
              "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n", "400 Bad Request"},
        Wrong{"a trailer with a bare carriage return",
              "POST / HTTP/1.1\r\n" HOST
              "Transfer-Encoding: chunked\r\n\r\n0\r\nok\r\n0\rGET =/ \n\r\nH: h\r\n\r\n",
              "400 Bad Request"},
        Wrong{"bad percent-encoding", "GET /%zz HTTP/1.1\r\n" HOST "\r\n", "400 Bad Request"},
        Wrong{"a NUL in the path", "GET /a%00 HTTP/1.1\r\n" HOST "\r\n", "400 Bad Request"},
        Wrong{"a body too large", "POST / HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n",
              "413 Content Too Large"},
        Wrong{"chunks too large", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nb\r\n",
              "413 Content Too Large"},
        Wrong{"an expectation", "POST / HTTP/1.1\r\n" HOST "Expect: cake\r\n\r\n", "417 Expectation Failed"},
        Wrong{"a coding", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n",
              "501 Not Implemented"},
        Wrong{"a coding and chunks", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n",
              "501 Not Implemented"},
        Wrong{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 HTTP Version Not Supported"},
        Wrong{"HTTP/0.9 with a number", "GET / HTTP/0.9\r\n\r\n", "505 HTTP Version Not Supported"}));
#undef HOST

TEST_F(ServerTest, HeadersTooLargeAre431) {
  start();
  const std::string request = "GET / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(exchange(request + "X: " + std::string(20'000, 'x') + "\r\n\r\n"),
            answer("431 Request Header Fields Too Large", "the request's headers are too large\n", closing));
  std::string many = request;
  for (int i = 0; i < 2000; ++i) many += "A" + std::to_string(i) + ": 12345\r\n";
  EXPECT_THAT(exchange(many + "\r\n"), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(exchange("GET /" + std::string(20'000, 'x') + " HTTP/1.1\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
}

TEST_F(ServerTest, AnErrorReachesAClientThatStillSends) {
  start({{"max_body", "10"}});
  TcpPeer client = peer();
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n");
  const std::string part(100'000, 'x');
  ASSERT_TRUE(until([&] {
    client.send_some(part);
    return client.has("too large\n");
  }));
}

TEST_F(ServerTest, APipelinedRequestBehindAnErrorIsNotHandled) {
  start();
  exchange("GET /%zz HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(probe().seen.empty());
}

TEST_F(ServerTest, OneConnectionTooManyIsToldSo) {
  start({{"max_connections", "2"}});
  TcpPeer first = peer();
  TcpPeer second = peer();
  ASSERT_TRUE(until([&] { return probe().server.connections() == 2; }));
  EXPECT_EQ(exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
            answer("503 Service Unavailable", "too many connections\n", "Retry-After: 1\r\n" + closing));
  first.close();
  ASSERT_TRUE(until([&] { return probe().server.connections() <= 1; }));
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 200 "));
}

// ---- slow clients ----

TEST_F(ServerTest, ARequestThatDripsInIsAnswered408) {
  start({{"header_timeout", "80ms"}, {"max_header", "100MiB"}});
  TcpPeer client = peer();
  client.send("GET / HTTP/1.1\r\n");
  int header = 0;
  ASSERT_TRUE(until([&] {
    client.send_some("X" + std::to_string(header++ % 10) + ": y\r\n");
    return client.closed();
  }));
  EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
}

TEST_F(ServerTest, AClientThatSaysNothingIsClosedSilently) {
  start({{"header_timeout", "50ms"}});
  EXPECT_EQ(exchange(""), "");
}

TEST_F(ServerTest, AnIdleConnectionIsClosed) {
  start({{"idle_timeout", "50ms"}});
  EXPECT_EQ(exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), answer("200 OK", "GET /||"));
}

TEST_F(ServerTest, ARequestThatIsHandledForLongIsNotTimedOut) {
  start({{"idle_timeout", "20ms"}, {"header_timeout", "20ms"}, {"send_timeout", "20ms"}});
  hold_replies();
  TcpPeer client = peer();
  client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(until([&] { return held().size() == 1; }));
  EXPECT_FALSE(until([&] { return client.closed(); }, 100ms));
  held()[0].send({.body = "late"});
  EXPECT_TRUE(until([&] { return client.has("late"); }));
}

TEST_F(ServerTest, AClientThatDoesNotReadIsDisconnected) {
  start({{"send_timeout", "80ms"}});
  probe().handle = [](Request, Reply reply) { reply.send({.body = std::string(50'000'000, 'x')}); };
  TcpPeer client = peer();
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(until([&] { return host().holding() == 1; }));
  EXPECT_TRUE(until([&] { return probe().server.connections() == 0; }));
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(ServerTest, AClientThatReadsNothingIsNotReadFromForEver) {
  start();
  hold_replies();
  TcpPeer client = peer();
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(until([&] { return held().size() == 1; }));
  const std::string part(65536, '\n');
  std::size_t sent = 0;
  std::size_t last = 1;
  while (sent != last) {
    last = sent;
    until([&] { return (sent += client.send_some(part)) != last; }, 100ms);
  }
  EXPECT_LT(sent, std::size_t{64} << 20) << "the system's buffers fill up, and the client has to wait";
}

// ---- many clients ----

TEST_F(ServerTest, TwoThousandClientsKeepTheirConnections) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < 4200) GTEST_SKIP() << "only " << files.rlim_cur << " open files are allowed";

  start();
  std::vector<TcpPeer> clients;
  clients.reserve(2000);
  for (int i = 0; i < 2000; ++i) {
    clients.push_back(peer());
    if (i % 100 == 0) host().run_ready();
  }
  ASSERT_TRUE(until([&] { return host().metric("connections") == 2000; }));
  for (int round = 0; round < 3; ++round) {
    const auto expected = answer("200 OK", "GET /" + std::to_string(round) + "||");
    for (auto& client : clients)
      client.send("GET /" + std::to_string(round) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    for (auto& client : clients) {
      ASSERT_TRUE(until([&] { return client.received().size() >= expected.size(); }));
      ASSERT_EQ(client.take(), expected);
    }
  }
  EXPECT_EQ(probe().seen.size(), 6000u);
  clients.clear();
  EXPECT_TRUE(until([&] { return host().metric("connections") == 0; }));
}

}  // namespace
}  // namespace backplane::http
