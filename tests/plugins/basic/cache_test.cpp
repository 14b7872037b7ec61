#include "cache.hpp"

#include <backplane/testing/fake_host.hpp>

#include <gmock/gmock.h>

#include "support/peer.hpp"

namespace backplane::basic {
namespace {

using std::chrono::milliseconds;
using test::Frames;
using test::Peer;
using testing::HasSubstr;

class CacheSocket : public testing::Test {
 protected:
  void start(OptionTexts options = {}) {
    endpoint_ = test::free_endpoint();
    options.all.emplace_back("bind", endpoint_);
    cache_.emplace(options);
    cache_->start();
  }
  Frames ask(Peer& peer, const Frames& request) {
    if (!peer.send(request)) return {"the request was not sent"};
    std::optional<Frames> answer;
    const bool answered = cache_->run_until([&] { return (answer = peer.receive_now()).has_value(); });
    return answered ? *answer : Frames{"no answer"};
  }
  Frames ask(const Frames& request) {
    if (!peer_) peer_.emplace(ZMQ_REQ).connect(endpoint_);
    return ask(*peer_, request);
  }

  std::string endpoint_;
  std::optional<FakeComponent<Cache>> cache_;
  std::optional<Peer> peer_;
};

TEST_F(CacheSocket, KeepsAndForgetsValues) {
  start();
  EXPECT_EQ(ask({"get", "k"}), (Frames{"missing"}));
  EXPECT_EQ(ask({"set", "k", "value"}), (Frames{"ok"}));
  EXPECT_EQ(ask({"get", "k"}), (Frames{"ok", "value"}));
  EXPECT_EQ(ask({"size"}), (Frames{"ok", "1"}));
  EXPECT_EQ(ask({"delete", "k"}), (Frames{"ok"}));
  EXPECT_EQ(ask({"delete", "k"}), (Frames{"missing"}));
  EXPECT_EQ(ask({"size"}), (Frames{"ok", "0"}));
}

TEST_F(CacheSocket, AnEmptyValueIsAValue) {
  start();
  EXPECT_EQ(ask({"set", "k", ""}), (Frames{"ok"}));
  EXPECT_EQ(ask({"get", "k"}), (Frames{"ok", ""}));
}

TEST_F(CacheSocket, ADealerNeedsNoEmptyFrame) {
  start();
  Peer dealer(ZMQ_DEALER);
  dealer.connect(endpoint_);
  EXPECT_EQ(ask(dealer, {"set", "k", "v"}), (Frames{"ok"}));
  EXPECT_EQ(ask(dealer, {"", "get", "k"}), (Frames{"", "ok", "v"}));
}

TEST_F(CacheSocket, BadRequestsAreAnsweredAndCounted) {
  start();
  Peer dealer(ZMQ_DEALER);
  dealer.connect(endpoint_);
  const std::vector<Frames> bad = {
      {""},          {"", ""},       {"get"},    {"get", "a", "b"},        {"set", "k"},
      {"size", "x"}, {"GET", "key"}, {"delete"}, {"set", "k", "v", "soon"}};
  for (const auto& request : bad) {
    const auto answer = ask(dealer, request);
    ASSERT_GE(answer.size(), 2u);
    EXPECT_EQ(answer[answer.size() - 2], "error");
  }
  EXPECT_EQ(ask(dealer, {"size"}), (Frames{"ok", "0"}));
  EXPECT_EQ(cache_->metric("bad_requests"), static_cast<std::int64_t>(bad.size()));
}

TEST_F(CacheSocket, AnEntryEndsAtTheTimeItsSetterSays) {
  start();
  cache_->stop_clock();
  EXPECT_EQ(ask({"set", "k", "v", "1500"}), (Frames{"ok"}));
  cache_->advance(milliseconds(1499));
  EXPECT_EQ(ask({"get", "k"}), (Frames{"ok", "v"}));
  cache_->advance(milliseconds(1));
  EXPECT_EQ(ask({"get", "k"}), (Frames{"missing"}));
}

TEST_F(CacheSocket, EntriesEndAtTheTimeTheManifestSays) {
  start({{"ttl", "1s"}});
  cache_->stop_clock();
  EXPECT_EQ(ask({"set", "k", "v"}), (Frames{"ok"}));
  EXPECT_EQ(ask({"set", "for good", "v", "0"}), (Frames{"ok"}));
  cache_->advance(milliseconds(2000));
  EXPECT_EQ(ask({"size"}), (Frames{"ok", "1"}));
  EXPECT_EQ(cache_->metric("entries"), 1);
  EXPECT_EQ(cache_->metric("expired"), 1);
}

TEST_F(CacheSocket, FullItRefusesWhenTold) {
  start({{"full", "refuse"}, {"max_entries", "1"}});
  EXPECT_EQ(ask({"set", "a", "1"}), (Frames{"ok"}));
  EXPECT_EQ(ask({"set", "b", "2"}), (Frames{"full"}));
  EXPECT_EQ(ask({"get", "a"}), (Frames{"ok", "1"}));
}

TEST_F(CacheSocket, APeerThatGoesBeforeItsAnswerStopsNothing) {
  start();
  for (int i = 0; i < 20; ++i) {
    Peer peer(ZMQ_DEALER);
    peer.connect(endpoint_).set(ZMQ_LINGER, 1000);
    peer.send({"set", std::to_string(i), "v"});
  }
  EXPECT_TRUE(cache_->run_until([&] { return cache_->metric("requests") >= 1; }));
  EXPECT_EQ(ask({"get", "none"}), (Frames{"missing"}));
}

TEST_F(CacheSocket, ATakenAddressRefusesTheStartByName) {
  start();
  FakeComponent<Cache> second({{"bind", endpoint_}});
  try {
    second.start();
    FAIL() << "it started";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(endpoint_));
  }
}

TEST(CacheAddress, OtherMachinesMayReachItOnlyWhenTold) {
  FakeComponent<Cache> open_to_all({{"bind", "tcp://0.0.0.0:0"}});
  EXPECT_THROW(open_to_all.start(), Error);
  FakeComponent<Cache> told({{"bind", "tcp://0.0.0.0:0"}, {"insecure", "true"}});
  told.start();
  EXPECT_TRUE(told.logged("nothing protects it"));
}

class CacheFunctions : public testing::Test {
 protected:
  void SetUp() override {
    cache_.stop_clock();
    cache_.start();
  }
  FakeReply call(const char* function, const Array& arguments) {
    cache_.deliver(cache_.request(function, {encode(Value(arguments))}, BP_MSGPACK));
    cache_.run_ready();
    return cache_.take_reply();
  }
  Value result(const char* function, const Array& arguments) {
    const auto reply = call(function, arguments);
    return reply.is_error() ? Value(reply.error_type) : decode(reply.message[0]);
  }

  FakeComponent<Cache> cache_;
};

TEST_F(CacheFunctions, KeepAndForgetValues) {
  EXPECT_EQ(result("get", {"k"}), Value());
  EXPECT_EQ(result("set", {"k", "value"}), Value(true));
  EXPECT_EQ(result("get", {"k"}), Value(Bytes{"value"}));
  EXPECT_EQ(result("get", {Bytes{"k"}}), Value(Bytes{"value"}));
  EXPECT_EQ(result("size", {}), Value(1));
  EXPECT_EQ(result("delete", {"k"}), Value(true));
  EXPECT_EQ(result("delete", {"k"}), Value(false));
  EXPECT_EQ(result("size", {}), Value(0));
}

TEST_F(CacheFunctions, AnEntryEndsAtTheTimeItsSetterSays) {
  EXPECT_EQ(result("set", {"k", "v", 1.5}), Value(true));
  EXPECT_EQ(result("set", {"for good", "v", 0}), Value(true));
  cache_.advance(milliseconds(1499));
  EXPECT_EQ(result("size", {}), Value(2));
  cache_.advance(milliseconds(1));
  EXPECT_EQ(result("get", {"k"}), Value());
  EXPECT_EQ(result("get", {"for good"}), Value(Bytes{"v"}));
}

TEST_F(CacheFunctions, TakeTextAndBytesOnly) {
  EXPECT_EQ(result("set", {1, "v"}), Value("InvalidCallArguments"));
  EXPECT_EQ(result("set", {"k", Array{}}), Value("InvalidCallArguments"));
  EXPECT_EQ(result("set", {"k", "v", -1}), Value("InvalidCallArguments"));
  EXPECT_EQ(result("get", {nullptr}), Value("InvalidCallArguments"));
  EXPECT_EQ(result("size", {}), Value(0));
}

}  // namespace
}  // namespace backplane::basic
