// palm.etcd_poller and palm.etcd, with an etcd played by a raw TCP server.
#include "etcd.hpp"

#include <list>

#include "http_verbs.hpp"

namespace backplane::palm {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

template <typename T>
class EtcdTestOf : public testing::Test {
 protected:
  FakeComponent<T>& start(OptionTexts options = {}) {
    options.all.emplace_back("url", "http://" + server_.address());
    host_ = std::make_unique<FakeComponent<T>>(options);
    host_->start();
    return *host_;
  }
  FakeComponent<T>& host() { return *host_; }
  bool until(const FakeHost::Condition& condition) { return host_->run_until(condition, kPatience); }
  TcpPeer& accept() {
    std::optional<TcpPeer> peer;
    if (!until([&] { return (peer = server_.accept_now()).has_value(); })) ADD_FAILURE() << "no connection";
    return peers_.emplace_back(std::move(*peer));
  }
  bool no_connection() {
    return !host_->run_until([&] { return server_.accept_now().has_value(); }, 50ms);
  }
  // "GET /path": what was asked next on this connection.
  std::string asked(TcpPeer& peer) {
    if (!until([&] { return peer.has("\r\n\r\n"); })) return "nothing";
    const auto bytes = peer.take();
    return bytes.substr(0, bytes.find(" HTTP/1.1\r\n"));
  }
  static void answer(TcpPeer& peer, const std::string& body, const std::string& status = "200 OK") {
    peer.send("HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
              body);
  }
  TcpListener& server() { return server_; }

 private:
  TcpListener server_;
  std::list<TcpPeer> peers_;
  std::unique_ptr<FakeComponent<T>> host_;
};

std::string change(int index) { return R"({"node":{"modifiedIndex":)" + std::to_string(index) + "}}"; }

// ---- JSON ---------------------------------------------------------------------------------------------

TEST(EtcdText, IsWhatPythonPrints) {
  EXPECT_EQ(etcd_text(R"({"b":1,"a":[1,2.5,-3,true,null,{}],"c":[]})"),
            R"({"b": 1, "a": [1, 2.5, -3, true, null, {}], "c": []})");
  EXPECT_EQ(etcd_text(R"("\u00e4ö€😀\n\"\\\/\u0001\u007f")"),
            R"("\u00e4\u00f6\u20ac\ud83d\ude00\n\"\\/\u0001\u007f")");
  EXPECT_EQ(etcd_text("18446744073709551615"), "18446744073709551615");
}

TEST(EtcdText, WhatIsNotJsonIsMalformed) {
  EXPECT_THROW(etcd_text("{"), Malformed);
  EXPECT_THROW(etcd_text(""), Malformed);
  EXPECT_THROW(etcd_text("\"\xff\""), Malformed);
  EXPECT_THROW(etcd_text(std::string(100'000, '[') + std::string(100'000, ']')), Malformed);
  EXPECT_THROW(etcd_value(std::string(100'000, '[') + std::string(100'000, ']')), Malformed);
}

TEST(EtcdPath, EncodesWhatIsNoPath) {
  EXPECT_EQ(etcd_path("/conf/a-b_c.d~"), "/conf/a-b_c.d~");
  EXPECT_EQ(etcd_path("conf"), "/conf");
  EXPECT_EQ(etcd_path("/a b?c#ä%"), "/a%20b%3Fc%23%C3%A4%25");
}

TEST(BackOff, DoublesFromATenthToTenSeconds) {
  BackOff back_off;
  EXPECT_EQ(back_off.next(), 100ms);
  EXPECT_EQ(back_off.next(), 200ms);
  for (int i = 0; i < 10; ++i) back_off.next();
  EXPECT_EQ(back_off.next(), 10s);
  back_off.reset();
  EXPECT_EQ(back_off.next(), 100ms);
}

// ---- the poller ---------------------------------------------------------------------------------------

class EtcdPollerTest : public EtcdTestOf<EtcdPoller> {
 protected:
  FakeComponent<EtcdPoller>& start(OptionTexts options = {}) {
    options.all.emplace_back("key", "/conf");
    return EtcdTestOf<EtcdPoller>::start(options);
  }
  std::string next_payload() {
    if (!until([&] { return !host().sent().empty(); })) return "nothing";
    return palm(host().take_sent()[0]).payload;
  }
};

TEST_F(EtcdPollerTest, SpeaksAsRecorded) {
  const auto golden = vectors("etcd");
  start();
  TcpPeer& etcd = accept();
  EXPECT_EQ(asked(etcd), golden["polls"][0]);
  answer(etcd, golden["answer"]);
  ASSERT_TRUE(until([&] { return !host().sent().empty(); }));
  EXPECT_EQ(host().take_sent()[0], bytes_of(golden["message"]));
  EXPECT_EQ(asked(etcd), golden["polls"][1]);
}

TEST_F(EtcdPollerTest, TheFunctionIsAnOption) {
  start({{"function", "server.changed"}});
  TcpPeer& etcd = accept();
  asked(etcd);
  answer(etcd, change(1));
  ASSERT_TRUE(until([&] { return !host().sent().empty(); }));
  EXPECT_EQ(palm(host().take_sent()[0]).function, "server.changed");
}

TEST_F(EtcdPollerTest, AWaitHasNoTimeLimit) {
  start();
  TcpPeer& etcd = accept();
  asked(etcd);
  host().run_for(100ms);
  EXPECT_EQ(host().running_timers(), 0u);
  EXPECT_FALSE(etcd.closed());
}

TEST_F(EtcdPollerTest, AsksAgainAfterThePollTimeout) {
  start({{"poll_timeout", "50ms"}});
  TcpPeer& first = accept();
  asked(first);
  TcpPeer& second = accept();
  EXPECT_EQ(asked(second), "GET /v2/keys/conf?recursive=true&wait=true");
  EXPECT_TRUE(until([&] { return first.closed(); }));
  EXPECT_EQ(host().metric("failures"), 0);
}

TEST_F(EtcdPollerTest, TriesOnWhenEtcdIsNotThere) {
  const auto address = server().address();
  server().close();
  start();
  ASSERT_TRUE(until([&] { return host().metric("failures") >= 2; }));
  EXPECT_TRUE(host().logged("cannot connect to " + address));
  EXPECT_FALSE(host().failure());
}

TEST_F(EtcdPollerTest, TriesOnAfterEveryBadAnswer) {
  start();
  host().stop_clock();
  const auto after = [&](const std::string& bytes) {
    TcpPeer& etcd = accept();
    const auto request = asked(etcd);
    const auto failures = host().metric("failures");
    if (!bytes.empty()) etcd.send(bytes);
    etcd.close();
    EXPECT_TRUE(until([&] { return host().metric("failures") > failures; }));
    host().advance(10s);
    return request;
  };
  const std::string first = "GET /v2/keys/conf?recursive=true&wait=true";
  EXPECT_EQ(after(""), first);
  EXPECT_EQ(after("SSH-2.0\r\n"), first);
  EXPECT_EQ(after("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), first);
  EXPECT_EQ(after("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{"), first);
  EXPECT_EQ(after("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"node\": []}"), first);
  EXPECT_EQ(host().metric("failures"), 5);
  TcpPeer& etcd = accept();
  asked(etcd);
  answer(etcd, change(5));
  EXPECT_EQ(next_payload(), R"({"node": {"modifiedIndex": 5}})");
}

TEST_F(EtcdPollerTest, AFailureKeepsTheIndex) {
  start();
  TcpPeer& etcd = accept();
  asked(etcd);
  answer(etcd, change(5));
  EXPECT_EQ(next_payload(), R"({"node": {"modifiedIndex": 5}})");
  EXPECT_THAT(asked(etcd), HasSubstr("&waitIndex=6"));
  answer(etcd, "down", "503 Service Unavailable");
  EXPECT_THAT(asked(etcd), HasSubstr("&waitIndex=6"));
}

TEST_F(EtcdPollerTest, AnIndexThatIsForgottenIsGivenUp) {
  start();
  TcpPeer& etcd = accept();
  asked(etcd);
  answer(etcd, change(5));
  next_payload();
  asked(etcd);
  answer(etcd, R"({"errorCode": 401, "message": "The event in requested index is outdated and cleared"})",
         "400 Bad Request");
  EXPECT_EQ(asked(etcd), "GET /v2/keys/conf?recursive=true&wait=true");
  EXPECT_TRUE(host().logged("outdated and cleared"));
}

TEST_F(EtcdPollerTest, WhileTheHostWantsNoMoreItDoesNotAsk) {
  start();
  host().answer_sends(BP_PAUSED);
  TcpPeer& etcd = accept();
  asked(etcd);
  answer(etcd, change(1));
  next_payload();
  host().run_for(50ms);
  EXPECT_EQ(etcd.received(), "");
  host().resume();
  EXPECT_THAT(asked(etcd), HasSubstr("&waitIndex=2"));
}

TEST_F(EtcdPollerTest, ADrainEndsTheWait) {
  start();
  TcpPeer& etcd = accept();
  asked(etcd);
  host().drain();
  EXPECT_TRUE(until([&] { return etcd.closed(); }));
  host().resume();
  EXPECT_TRUE(no_connection());
}

// ---- functions ----------------------------------------------------------------------------------------

class EtcdTest : public EtcdTestOf<Etcd> {
 protected:
  bp_envelope call(const std::string& function, std::initializer_list<std::string_view> arguments) {
    auto request = host().request(function, arguments);
    const auto envelope = request.envelope();
    host().deliver(std::move(request));
    return envelope;
  }
  FakeReply next_reply() {
    if (!until([&] { return !host().replies().empty(); })) throw std::runtime_error("no reply");
    return host().take_reply();
  }
  // The error that etcd's answer becomes.
  std::string failure_of(const std::string& body, const std::string& status) {
    call("list", {"/a"});
    TcpPeer& etcd = accept();
    asked(etcd);
    answer(etcd, body, status);
    const auto reply = next_reply();
    etcd.close();
    host().run_ready();
    return reply.error_type + ": " + reply.error_message;
  }
};

TEST_F(EtcdTest, SpeaksAsRecorded) {
  const auto requests = vectors("etcd")["client"];
  start();
  const auto request_of = [&](const std::string& function,
                              std::initializer_list<std::string_view> arguments) {
    call(function, arguments);
    TcpPeer& etcd = accept();
    const auto request = asked(etcd);
    answer(etcd, "{}");
    EXPECT_FALSE(next_reply().is_error()) << function;
    etcd.close();
    host().run_ready();
    return request;
  };
  EXPECT_EQ(request_of("put", {"/a", "v"}), requests["put(/a, v)"]);
  EXPECT_EQ(request_of("put_directory", {"/d"}), requests["put(/d, directory)"]);
  EXPECT_EQ(request_of("get", {"/a"}), requests["get(/a)"]);
  EXPECT_EQ(request_of("list", {"/a"}), requests["list(/a)"]);
  EXPECT_EQ(request_of("delete_key", {"/a"}), requests["delete(/a)"]);
  EXPECT_EQ(request_of("delete_directory", {"/d"}), requests["delete(/d, directory)"]);
  EXPECT_EQ(request_of("wait", {"/a"}), "GET /v2/keys/a?recursive=true&wait=true");
  EXPECT_EQ(request_of("put", {"/a", "x y&z=/ä"}), "PUT /v2/keys/a?value=x%20y%26z%3D%2F%C3%A4");
}

TEST_F(EtcdTest, AWaitMayBeginAtAnIndex) {
  start();
  host().deliver(host().request("wait", {encode(Array{Value("/a"), Value(7)})}, BP_MSGPACK));
  EXPECT_EQ(asked(accept()), "GET /v2/keys/a?recursive=true&wait=true&waitIndex=7");
}

TEST_F(EtcdTest, AnswersAreValuesOrText) {
  start();
  host().deliver(host().request("get", {encode(Array{Value("/a")})}, BP_MSGPACK));
  TcpPeer& etcd = accept();
  asked(etcd);
  answer(etcd, R"({"node":{"value":"v","modifiedIndex":3}})", "201 Created");
  EXPECT_EQ(to_json(decode(next_reply().message[0])), R"({"node":{"value":"v","modifiedIndex":3}})");

  start({{"answers", "text"}});
  call("get", {"/a"});
  TcpPeer& other = accept();
  asked(other);
  answer(other, R"({"node":{"value":"v"}})");
  EXPECT_EQ(next_reply().message[0], R"({"node": {"value": "v"}})");
}

TEST_F(EtcdTest, AMissingKeyIsAskedForSixTimes) {
  start();
  const auto began = host().now();
  call("get", {"/a"});
  TcpPeer& etcd = accept();
  for (int i = 0; i < 6; ++i) {
    ASSERT_EQ(asked(etcd), "GET /v2/keys/a") << i;
    answer(etcd, R"({"errorCode":100,"message":"Key not found","cause":"/a"})", "404 Not Found");
  }
  const auto reply = next_reply();
  EXPECT_EQ(reply.error_type, "KeyNotFound");
  EXPECT_EQ(reply.error_message, "etcd answered 404 Not Found: Key not found: /a");
  EXPECT_GE(host().now() - began, std::chrono::nanoseconds(5 * 250ms).count());
}

TEST_F(EtcdTest, AKeyThatComesInTimeIsFound) {
  start();
  call("get", {"/a"});
  TcpPeer& etcd = accept();
  asked(etcd);
  answer(etcd, "", "404 Not Found");
  asked(etcd);
  answer(etcd, "{}");
  EXPECT_FALSE(next_reply().is_error());
}

TEST_F(EtcdTest, WhatEtcdRefusesIsAnError) {
  start();
  EXPECT_EQ(failure_of(R"({"errorCode":100,"message":"Key not found"})", "404 Not Found"),
            "KeyNotFound: etcd answered 404 Not Found: Key not found");
  EXPECT_EQ(failure_of("oops", "500 Internal Server Error"),
            "EtcdError: etcd answered 500 Internal Server Error");
  EXPECT_EQ(failure_of("{", "200 OK"), "Malformed: etcd's answer is not JSON");
}

TEST_F(EtcdTest, TriesToConnectUntilTheTimeout) {
  server().close();
  start({{"timeout", "400ms"}});
  const auto began = host().now();
  call("put", {"/a", "v"});
  EXPECT_EQ(next_reply().error_type, "Unreachable");
  EXPECT_GE(host().now() - began, std::chrono::nanoseconds(300ms).count());
}

TEST_F(EtcdTest, AnEtcdThatDoesNotAnswerIsAnError) {
  start({{"timeout", "50ms"}});
  call("put", {"/a", "v"});
  asked(accept());
  EXPECT_EQ(next_reply().error_type, "Unreachable");
}

TEST_F(EtcdTest, AWaitThatIsGivenUpIsEndedAtEtcdToo) {
  start();
  const auto envelope = call("wait", {"/a"});
  TcpPeer& etcd = accept();
  asked(etcd);
  host().give_up(envelope);
  EXPECT_TRUE(until([&] { return etcd.closed(); }));
}

TEST_F(EtcdTest, WaitsHoldUpNothing) {
  start({{"max_connections", "1"}});
  for (int i = 0; i < 5; ++i) call("wait", {"/a"});
  for (int i = 0; i < 5; ++i) asked(accept());
  call("put", {"/a", "v"});
  TcpPeer& etcd = accept();
  EXPECT_EQ(asked(etcd), "PUT /v2/keys/a?value=v");
  answer(etcd, "{}");
  EXPECT_FALSE(next_reply().is_error());
}

TEST_F(EtcdTest, AStopEndsCallsThatAreUnderWay) {
  start();
  call("wait", {"/a"});
  call("get", {"/a"});
  asked(accept());
  host().stop();
  EXPECT_EQ(host().replies().size(), 2u);
  for (const auto& reply : host().replies()) EXPECT_TRUE(reply.is_error());
}

}  // namespace
}  // namespace backplane::palm
