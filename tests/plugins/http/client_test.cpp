// The client, with a raw TCP server on the other side.
#include <list>

#include "client.hpp"
#include "verbs.hpp"

namespace backplane::http {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// A component that is only there for its loop.
struct Asker {
  static constexpr auto kind = "test.asker";
  static constexpr auto says = "Asks.";
};

class ClientTest : public testing::Test {
 protected:
  ClientTest() { host_.start(); }
  ~ClientTest() override {
    if (client_) client_->stop();
  }

  Client& start(ClientLimits limits = {}, const std::string& path = "") {
    client_.emplace(host_.host(), "http://" + server_.address() + path, limits);
    client_->start();
    return *client_;
  }
  // Asks, and keeps the outcome at the end of results().
  std::uint64_t ask(std::string method, const std::string& target, std::string body = {},
                    std::optional<std::chrono::nanoseconds> timeout = std::nullopt) {
    return client_->request(
        std::move(method), target, {{"X-Test", "yes"}}, std::move(body),
        [this](Result result) { results_.push_back(std::move(result)); }, timeout);
  }
  std::uint64_t get(const std::string& target = "/") { return ask("GET", target); }
  bool until(const FakeHost::Condition& condition) { return host_.run_until(condition, kPatience); }

  // The next connection of the client.
  TcpPeer& accept() {
    std::optional<TcpPeer> peer;
    if (!until([&] { return (peer = server_.accept_now()).has_value(); })) ADD_FAILURE() << "no connection";
    return peers_.emplace_back(std::move(*peer));
  }
  bool no_connection() {
    return !host_.run_until([&] { return server_.accept_now().has_value(); }, 50ms);
  }
  // What the client sent up to the end of the headers.
  std::string request_at(TcpPeer& peer) {
    EXPECT_TRUE(until([&] { return peer.has("\r\n\r\n"); }));
    return peer.take();
  }
  void answer(TcpPeer& peer, const std::string& body, const std::string& more = {}) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more + "\r\n" +
              body);
  }
  // The outcome that comes next.
  Result outcome() {
    if (!until([&] { return !results_.empty(); })) return {.failure = Failure::none, .error = "no outcome"};
    auto first = std::move(results_.front());
    results_.erase(results_.begin());
    return first;
  }
  std::vector<Result>& results() { return results_; }
  TcpListener& server() { return server_; }
  FakeComponent<Asker>& host() { return host_; }

 private:
  FakeComponent<Asker> host_;
  TcpListener server_;
  std::list<TcpPeer> peers_;
  std::optional<Client> client_;
  std::vector<Result> results_;
};

TEST_F(ClientTest, SendsARequestAndTellsTheAnswer) {
  start({}, "/api/");
  ask("POST", "/x?y=1", "hello");
  TcpPeer& peer = accept();
  ASSERT_TRUE(until([&] { return peer.has("hello"); }));
  EXPECT_EQ(peer.take(), "POST /api/x?y=1 HTTP/1.1\r\nHost: " + server().address() +
                             "\r\nX-Test: yes\r\nContent-Length: 5\r\n\r\nhello");
  peer.send("HTTP/1.1 404 Not Found\r\nContent-Type: a/b\r\nContent-Length: 4\r\n\r\nnone");
  const auto result = outcome();
  EXPECT_TRUE(result.answered());
  EXPECT_EQ(result.status, 404u);
  EXPECT_EQ(result.header("content-TYPE"), "a/b");
  EXPECT_EQ(result.body, "none");
}

TEST_F(ClientTest, AnEmptyTargetIsTheBaseItself) {
  start({}, "/api");
  get("");
  EXPECT_THAT(request_at(accept()), StartsWith("GET /api HTTP/1.1"));
}

TEST_F(ClientTest, KeepsItsConnection) {
  start();
  get("/1");
  TcpPeer& peer = accept();
  request_at(peer);
  answer(peer, "one");
  EXPECT_EQ(outcome().body, "one");
  get("/2");
  EXPECT_THAT(request_at(peer), StartsWith("GET /2 "));
  answer(peer, "two");
  EXPECT_EQ(outcome().body, "two");
  EXPECT_TRUE(no_connection());
}

TEST_F(ClientTest, DoesNotKeepAConnectionThatTheServerCloses) {
  start();
  get("/1");
  TcpPeer& peer = accept();
  request_at(peer);
  answer(peer, "one", closing);
  EXPECT_EQ(outcome().body, "one");
  EXPECT_TRUE(until([&] { return peer.closed(); }));
  get("/2");
  EXPECT_THAT(request_at(accept()), StartsWith("GET /2 "));
}

TEST_F(ClientTest, AnswersMayComeByteByByte) {
  start();
  const std::string bytes =
      "HTTP/1.1 100 Continue\r\n\r\n"
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  get();
  TcpPeer& peer = accept();
  request_at(peer);
  for (const char byte : bytes) {
    EXPECT_TRUE(results().empty());
    peer.send({&byte, 1});
    host().run_ready();
  }
  EXPECT_EQ(outcome().body, "abcde");
}

TEST_F(ClientTest, AnAnswerMayEndWithTheConnection) {
  start();
  get();
  TcpPeer& peer = accept();
  request_at(peer);
  peer.send("HTTP/1.0 200 OK\r\n\r\nall of it");
  peer.close();
  EXPECT_EQ(outcome().body, "all of it");
}

TEST_F(ClientTest, HeadHasNoBody) {
  start();
  ask("HEAD", "/");
  TcpPeer& peer = accept();
  request_at(peer);
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  EXPECT_EQ(outcome().header("Content-Length"), "1000");
}

TEST_F(ClientTest, LargeBodiesGoAndCome) {
  start();
  const std::string body(10'000'000, 'x');
  ask("PUT", "/", body);
  TcpPeer& peer = accept();
  ASSERT_TRUE(until([&] { return peer.received().size() > body.size(); }));
  const auto reply = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  std::size_t sent = 0;
  ASSERT_TRUE(until([&] {
    sent += peer.send_some(std::string_view(reply).substr(sent));
    return !results().empty();
  }));
  EXPECT_EQ(outcome().body, body);
}

TEST_F(ClientTest, MoreRequestsThanConnectionsWaitInOrder) {
  auto& client = start({.max_connections = 2});
  for (const auto* target : {"/1", "/2", "/3", "/4"}) get(target);
  TcpPeer& first = accept();
  TcpPeer& second = accept();
  EXPECT_THAT(request_at(first), StartsWith("GET /1 "));
  EXPECT_THAT(request_at(second), StartsWith("GET /2 "));
  EXPECT_TRUE(no_connection());
  EXPECT_EQ(client.under_way(), 2u);
  EXPECT_EQ(client.waiting(), 2u);
  answer(second, "two");
  EXPECT_THAT(request_at(second), StartsWith("GET /3 "));
  answer(first, "one");
  EXPECT_THAT(request_at(first), StartsWith("GET /4 "));
}

// ---- what goes wrong ----

TEST_F(ClientTest, AKeptConnectionThatWasClosedIsReplacedOnce) {
  start();
  get("/1");
  TcpPeer& peer = accept();
  request_at(peer);
  answer(peer, "one");
  EXPECT_EQ(outcome().body, "one");
  get("/2");
  request_at(peer);
  peer.close();
  TcpPeer& fresh = accept();
  EXPECT_THAT(request_at(fresh), StartsWith("GET /2 "));
  fresh.close();
  EXPECT_EQ(outcome().failure, Failure::closed);
}

TEST_F(ClientTest, AnIdleConnectionThatTheServerClosedIsForgotten) {
  start();
  get("/1");
  TcpPeer& peer = accept();
  request_at(peer);
  answer(peer, "one");
  outcome();
  peer.close();
  ASSERT_TRUE(until([&] { return host().active_watches() == 0; }));
  get("/2");
  EXPECT_THAT(request_at(accept()), StartsWith("GET /2 "));
}

TEST_F(ClientTest, ACloseInsteadOfAnAnswerIsTold) {
  start();
  get();
  TcpPeer& peer = accept();
  request_at(peer);
  peer.close();
  const auto result = outcome();
  EXPECT_EQ(result.failure, Failure::closed);
  EXPECT_THAT(result.error, HasSubstr("no answer came"));
}

TEST_F(ClientTest, ACloseInsideAnAnswerIsTold) {
  const std::string bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
  start();
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    get();
    TcpPeer& peer = accept();
    request_at(peer);
    peer.send(bytes.substr(0, cut));
    peer.finish();
    ASSERT_EQ(outcome().failure, Failure::closed) << "cut at " << cut;
  }
}

TEST_F(ClientTest, WhatIsNotHttpIsTold) {
  start({.max_body = 10});
  for (const auto* bytes :
       {"hello\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"}) {
    get();
    TcpPeer& peer = accept();
    request_at(peer);
    peer.send(bytes);
    EXPECT_EQ(outcome().failure, Failure::malformed) << bytes;
    EXPECT_TRUE(until([&] { return peer.closed(); }));
  }
}

TEST_F(ClientTest, NobodyThereIsTold) {
  start();
  server().close();
  get();
  const auto result = outcome();
  EXPECT_EQ(result.failure, Failure::connect);
  EXPECT_EQ(result.error, "cannot connect to " + server().address() + ": Connection refused");
}

TEST_F(ClientTest, ANameThatDoesNotResolveIsTold) {
  Client client(host().host(), "http://no-such-name.invalid", {});
  client.start();
  EXPECT_TRUE(host().logged("no-such-name.invalid"));
  std::vector<Result> got;
  client.request("GET", "/", {}, {}, [&](Result result) { got.push_back(std::move(result)); });
  ASSERT_TRUE(until([&] { return !got.empty(); }));
  EXPECT_EQ(got[0].failure, Failure::connect);
}

TEST_F(ClientTest, NoAnswerInTimeIsTold) {
  start({.max_connections = 1, .timeout = 50ms});
  get("/1");
  get("/2");
  TcpPeer& peer = accept();
  EXPECT_EQ(outcome().failure, Failure::timeout);
  EXPECT_EQ(outcome().failure, Failure::timeout) << "the one that waited";
  EXPECT_TRUE(until([&] { return peer.closed(); }));
}

TEST_F(ClientTest, ARequestMayHaveItsOwnTime) {
  start({.timeout = 50ms});
  ask("GET", "/long", {}, 0ns);
  TcpPeer& peer = accept();
  request_at(peer);
  EXPECT_FALSE(host().run_until([&] { return !results().empty(); }, 150ms));
  answer(peer, "at last");
  EXPECT_EQ(outcome().body, "at last");
  EXPECT_EQ(host().running_timers(), 0u);
}

TEST_F(ClientTest, ACancelledRequestIsNotToldOf) {
  auto& client = start({.max_connections = 1});
  const auto first = get("/1");
  const auto second = get("/2");
  get("/3");
  TcpPeer& peer = accept();
  request_at(peer);
  client.cancel(second);
  client.cancel(first);
  client.cancel(99);
  EXPECT_TRUE(until([&] { return peer.closed(); }));
  TcpPeer& next = accept();
  EXPECT_THAT(request_at(next), StartsWith("GET /3 "));
  answer(next, "three");
  EXPECT_EQ(outcome().body, "three");
  EXPECT_TRUE(results().empty());
}

TEST_F(ClientTest, AStopForgetsEverything) {
  auto& client = start({.max_connections = 1});
  get("/1");
  get("/2");
  TcpPeer& peer = accept();
  client.stop();
  EXPECT_TRUE(until([&] { return peer.closed(); }));
  host().run_ready();
  EXPECT_TRUE(results().empty());
  EXPECT_EQ(host().running_timers(), 0u);
  EXPECT_EQ(client.under_way() + client.waiting(), 0u);
}

TEST_F(ClientTest, AnAnswerBeforeTheWholeRequestCounts) {
  start();
  ask("POST", "/", std::string(50'000'000, 'x'));
  TcpPeer& peer = accept();
  request_at(peer);
  peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!");
  EXPECT_EQ(outcome().status, 413u);
}

// ---- bases ----

TEST(ClientBase, WhatIsNotHttpIsRefused) {
  FakeComponent<Asker> host;
  host.create();
  const auto refusal = [&](const std::string& base) -> std::string {
    try {
      Client client(host.host(), base);
      return "accepted";
    } catch (const Error& error) {
      return error.type() + ": " + error.what();
    }
  };
  EXPECT_THAT(refusal("https://x"), StartsWith("BadOption: \"https://x\" is https, which is not spoken"));
  EXPECT_THAT(refusal("x:80"), HasSubstr("is not a URL"));
  EXPECT_THAT(refusal("http://"), HasSubstr("names no host and port"));
  EXPECT_THAT(refusal("http://h:0"), HasSubstr("names no host and port"));
  EXPECT_THAT(refusal("http://h:port"), HasSubstr("names no host and port"));
  EXPECT_THAT(refusal("http://u:secret@h"), HasSubstr("names a user"));
  EXPECT_THAT(refusal("http://u:secret@h"), testing::Not(HasSubstr("secret")));
  EXPECT_THAT(refusal("http://h/?x"), HasSubstr("neither a query"));
  for (const auto* good : {"http://h", "http://h:8080/a/b/", "http://[::1]:80", "http://127.0.0.1/"})
    EXPECT_EQ(refusal(good), "accepted") << good;
}

}  // namespace
}  // namespace backplane::http
