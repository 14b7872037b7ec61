// palm.http_connection, with web workers played by raw TCP servers: good, slow and broken ones.
#include "http_connection.hpp"

#include <list>

#include "http_verbs.hpp"

namespace backplane::palm {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class HttpConnectionTest : public testing::Test {
 protected:
  FakeComponent<HttpConnection>& start(OptionTexts options = {}, FakeSettings settings = {}) {
    options.all.emplace_back("url", "http://" + worker_.address() + "/work");
    host_ = std::make_unique<FakeComponent<HttpConnection>>(options, std::move(settings));
    host_->start();
    return *host_;
  }
  FakeComponent<HttpConnection>& host() { return *host_; }
  bool until(const FakeHost::Condition& condition) { return host_->run_until(condition, kPatience); }

  std::int32_t deliver(std::string_view bytes = message_bytes()) {
    return host_->deliver(host_->message({bytes}));
  }
  // The next connection of the component.
  TcpPeer& accept() {
    std::optional<TcpPeer> peer;
    if (!until([&] { return (peer = worker_.accept_now()).has_value(); })) ADD_FAILURE() << "no connection";
    return peers_.emplace_back(std::move(*peer));
  }
  bool no_connection() {
    return !host_->run_until([&] { return worker_.accept_now().has_value(); }, 50ms);
  }
  // The message that was posted on this connection next.
  std::string posted(TcpPeer& peer) {
    const auto whole = [&] {
      const auto& bytes = peer.received();
      const auto end = bytes.find("\r\n\r\n");
      const auto length = bytes.find("Content-Length: ");
      return end != std::string::npos && length < end &&
             bytes.size() == end + 4 + std::stoul(bytes.substr(length + 16));
    };
    if (!until(whole)) return "nothing";
    const auto bytes = peer.take();
    return bytes.substr(bytes.find("\r\n\r\n") + 4);
  }
  static void answer(TcpPeer& peer, const std::string& body, const std::string& status = "200 OK") {
    peer.send("HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
              body);
  }
  PalmMessage next_result() {
    if (!until([&] { return !host_->sent().empty(); })) return {};
    return palm(host_->take_sent()[0]);
  }
  // The error mark of what a message becomes that the worker answers with `bytes`, and then closes.
  std::string mark_after(const std::string& bytes) {
    deliver();
    TcpPeer& peer = accept();
    posted(peer);
    if (!bytes.empty()) peer.send(bytes);
    peer.close();
    const auto result = next_result();
    EXPECT_EQ(result.payload, "0");
    EXPECT_EQ(result.client, "c1");
    EXPECT_EQ(result.cache, "k1");
    EXPECT_EQ(host_->holding(), 0u);
    return result.error.value_or("none");
  }
  TcpListener& worker() { return worker_; }

 private:
  TcpListener worker_;
  std::list<TcpPeer> peers_;
  std::unique_ptr<FakeComponent<HttpConnection>> host_;
};

TEST_F(HttpConnectionTest, PostsTheMessageAndPassesTheAnswerOn) {
  const auto golden = vectors("http_parts");
  start();
  deliver(bytes_of(golden["message"]));
  TcpPeer& peer = accept();
  ASSERT_TRUE(until([&] { return peer.has(bytes_of(golden["message"])); }));
  EXPECT_EQ(peer.take(), "POST /work HTTP/1.1\r\nHost: " + worker().address() +
                             "\r\nAccept-Encoding: identity\r\nContent-Type: "
                             "application/x-www-form-urlencoded\r\nContent-Length: 28\r\n\r\n" +
                             bytes_of(golden["message"]));
  EXPECT_EQ(host().holding(), 1u);
  peer.send(bytes_of(golden["worker_answer"]));
  ASSERT_TRUE(until([&] { return !host().sent().empty(); }));
  const auto result = host().take_sent();
  EXPECT_EQ(result.size(), 1u);
  EXPECT_EQ(result[0], bytes_of(golden["feedback"]));
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(HttpConnectionTest, TheAnswerIsPassedOnAsItCame) {
  start();
  deliver();
  TcpPeer& peer = accept();
  posted(peer);
  const auto unusual = message_bytes() + test::from_hex("d03e01") + test::from_hex("3200");
  answer(peer, unusual);
  ASSERT_TRUE(until([&] { return !host().sent().empty(); }));
  EXPECT_EQ(host().take_sent()[0], unusual);
}

TEST_F(HttpConnectionTest, WhoeverAskedGetsTheFeedbackAndTheRoutesToo) {
  start();
  host().deliver(host().request("", {message_bytes()}));
  TcpPeer& peer = accept();
  posted(peer);
  answer(peer, message_bytes("done"));
  ASSERT_TRUE(until([&] { return !host().replies().empty(); }));
  EXPECT_EQ(host().take_reply().message[0], message_bytes("done"));
  const auto routed = host().take_sent();
  EXPECT_EQ(routed[0], message_bytes("done"));
  EXPECT_FALSE(routed.wants_reply());
}

TEST_F(HttpConnectionTest, WithoutARouteOnlyTheAskerGetsIt) {
  start({}, {.routed = false});
  host().deliver(host().request("", {message_bytes()}));
  TcpPeer& peer = accept();
  posted(peer);
  answer(peer, "", "500 Internal Server Error");
  ASSERT_TRUE(until([&] { return !host().replies().empty(); }));
  const auto reply = host().take_reply();
  EXPECT_FALSE(reply.is_error());
  EXPECT_THAT(*palm(reply.message[0]).error, StartsWith("http_failed: "));
  EXPECT_TRUE(host().sent().empty());
}

TEST_F(HttpConnectionTest, AMessageThatFailedBeforeIsPassedOnWithoutAPost) {
  start();
  const auto failed = message_bytes("0", "k1", "function_failed: early");
  deliver(failed);
  EXPECT_EQ(host().take_sent()[0], failed);
  EXPECT_TRUE(no_connection());
}

// ---- how many at once ----

TEST_F(HttpConnectionTest, IsBusyWhileMaxWorkersRequestsAreUnderWay) {
  start({{"max_workers", "2"}});
  EXPECT_EQ(deliver(message_bytes("1")), BP_TAKEN);
  EXPECT_EQ(deliver(message_bytes("2")), BP_TAKEN);
  EXPECT_EQ(deliver(message_bytes("3")), BP_BUSY);
  TcpPeer& first = accept();
  TcpPeer& second = accept();
  EXPECT_EQ(palm(posted(first)).payload, "1");
  EXPECT_EQ(palm(posted(second)).payload, "2");
  EXPECT_EQ(host().holding(), 2u);
  answer(second, message_bytes("two"));
  EXPECT_EQ(next_result().payload, "two");
  EXPECT_EQ(palm(posted(second)).payload, "3");
  answer(first, message_bytes("one"));
  EXPECT_EQ(next_result().payload, "one");
  answer(second, message_bytes("three"));
  EXPECT_EQ(next_result().payload, "three");
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(HttpConnectionTest, WithOneWorkerResultsKeepTheOrder) {
  start({{"max_workers", "1"}});
  deliver(message_bytes("1"));
  deliver(message_bytes("2", "k1", "function_failed: early"));
  deliver(message_bytes("3"));
  TcpPeer& peer = accept();
  for (const auto* payload : {"1", "2", "3"}) {
    if (std::string(payload) != "2") answer(peer, posted(peer));
    EXPECT_EQ(next_result().payload, payload);
  }
}

TEST_F(HttpConnectionTest, WhileResultsAreNotWelcomeItTakesNoMessage) {
  start();
  deliver();
  TcpPeer& peer = accept();
  posted(peer);
  host().answer_sends(BP_PAUSED);
  answer(peer, message_bytes("done"));
  next_result();
  EXPECT_EQ(deliver(), BP_BUSY);
  host().answer_sends(BP_SENT);
  host().resume();
  ASSERT_TRUE(until([&] { return host().busy_messages() == 0; }));
}

// ---- workers that fail ----

TEST_F(HttpConnectionTest, WhatTheWorkerRefusesIsAnError) {
  start();
  const auto golden = vectors("http_parts");
  EXPECT_EQ(mark_after(bytes_of(golden["worker_failure"])),
            "http_failed: the worker answered 500 Internal Server Error");
  EXPECT_THAT(mark_after("HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"),
              StartsWith("http_failed: the worker answered 301"));
  EXPECT_THAT(mark_after("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"),
              StartsWith("http_failed: the worker answered 404"));
  EXPECT_EQ(host().metric("failures"), 3);
}

TEST_F(HttpConnectionTest, AnAnswerThatIsNoMessageIsAnError) {
  start();
  EXPECT_THAT(mark_after("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ngarbage"),
              StartsWith("http_failed: the worker's answer is not a PALM message"));
  EXPECT_EQ(mark_after("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            "http_failed: the worker answered nothing");
  EXPECT_EQ(mark_after("HTTP/1.1 204 No Content\r\n\r\n"), "http_failed: the worker answered nothing");
}

TEST_F(HttpConnectionTest, AnAnswerThatIsNotHttpOrEndsEarlyIsAnError) {
  start();
  EXPECT_THAT(mark_after("SSH-2.0-OpenSSH\r\n"), StartsWith("http_failed: "));
  EXPECT_THAT(mark_after(""), StartsWith("http_failed: no answer came"));
  const std::string whole = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(message_bytes().size()) +
                            "\r\n\r\n" + message_bytes();
  for (std::size_t cut = 1; cut < whole.size(); cut += 5)
    EXPECT_THAT(mark_after(whole.substr(0, cut)), StartsWith("http_failed: ")) << cut;
}

TEST_F(HttpConnectionTest, AnAnswerArrivesWhereverItsBytesAreCut) {
  start();
  const std::string whole = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(message_bytes().size()) +
                            "\r\n\r\n" + message_bytes();
  deliver();
  TcpPeer& peer = accept();
  for (std::size_t cut = 1; cut < whole.size(); cut += 4) {
    posted(peer);
    peer.send(whole.substr(0, cut));
    host().run_ready();
    peer.send(whole.substr(cut));
    EXPECT_EQ(next_result(), palm(message_bytes())) << cut;
    deliver();
  }
}

TEST_F(HttpConnectionTest, AWorkerThatIsNotThereIsAnError) {
  start();
  worker().close();
  deliver();
  EXPECT_THAT(*next_result().error, StartsWith("http_failed: cannot connect to "));
}

TEST_F(HttpConnectionTest, ASlowWorkerIsAnError) {
  start({{"timeout", "50ms"}, {"error_payload", "broken"}});
  deliver();
  posted(accept());
  const auto result = next_result();
  EXPECT_EQ(result.payload, "broken");
  EXPECT_THAT(*result.error, StartsWith("http_failed: no whole answer came in time"));
}

TEST_F(HttpConnectionTest, OneFailureDoesNotTouchTheOthers) {
  start();
  deliver(message_bytes("1"));
  deliver(message_bytes("2"));
  TcpPeer& first = accept();
  TcpPeer& second = accept();
  posted(first);
  posted(second);
  first.reset();
  EXPECT_TRUE(next_result().error);
  answer(second, message_bytes("two"));
  EXPECT_EQ(next_result().payload, "two");
}

// ---- messages and options that are wrong ----

TEST_F(HttpConnectionTest, WhatIsNoMessageIsRefused) {
  start();
  EXPECT_EQ(deliver("garbage"), BP_MALFORMED);
  EXPECT_EQ(host().deliver(host().message()), BP_MALFORMED);
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(HttpConnectionTest, AUrlThatIsNoneIsRefused) {
  for (const auto* url : {"https://127.0.0.1", "127.0.0.1:80", "http://"}) {
    FakeComponent<HttpConnection> component({{"url", url}});
    EXPECT_THROW(component.start(), Error) << url;
  }
}

TEST_F(HttpConnectionTest, AStopTellsThoseWhoAsked) {
  start();
  deliver();
  host().deliver(host().request("", {message_bytes()}));
  posted(accept());
  host().stop();
  ASSERT_EQ(host().replies().size(), 1u);
  EXPECT_EQ(host().take_reply().error_type, "Stopped");
}

}  // namespace
}  // namespace backplane::palm
