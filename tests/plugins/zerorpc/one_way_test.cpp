// zerorpc.pull and zerorpc.sub with raw peers that send events, zerorpc.push and zerorpc.pub with raw peers
// that receive them.
#include "zerorpc/one_way.hpp"

#include <backplane/baggage.hpp>

#include "plugins/zmq/verbs.hpp"
#include "support/rpc_vectors.hpp"

namespace backplane::zerorpc {
namespace {

using test::Frames;
using test::kPatience;
using test::Peer;
using testing::HasSubstr;
using zmq::any_port;
using zmq::endpoint_of;
using zmq::receives;
using zmq::sends;
using namespace std::chrono_literals;

std::string note(std::string_view name, const Value& args, const Map& header = {}) {
  static rpc::EventIds ids;
  std::string context;
  for (const auto& [key, value] : header) context += encode(key) + encode(value);
  return rpc::event({.id = ids.next(),
                     .context = context,
                     .context_pairs = static_cast<std::uint32_t>(header.size()),
                     .name = name,
                     .args = encode(args)});
}

// "write [1,2]": what a message says to whom it comes.
std::string said(const Message& message) {
  return std::string(message.function()) + " " + to_json(decode(message[0]));
}

// ---- events that come in -------------------------------------------------------------------------------

// T: Pull, Sub. The other side: PUSH, PUB.
template <typename T>
class EventsThatCome : public testing::Test {
 protected:
  void start(std::vector<OptionText> options = {}) {
    options.emplace_back("connect", peer_.bind());
    host_.emplace(options);
    host_->start();
    // A subscription takes a while to arrive.
    ASSERT_TRUE(host_->run_until(
        [&] {
          peer_.send({note("hello", Array())});
          return !host_->sent().empty();
        },
        kPatience));
    ASSERT_TRUE(host_->run_until(
        [&] {
          while (!host_->sent().empty() && host_->sent().front().message.function() == "hello")
            host_->take_sent();
          if (!std::exchange(asked_, true)) peer_.send({note("ready", Array())});
          return !host_->sent().empty();
        },
        kPatience));
    host_->take_sent();
  }
  Message next() { return sends(*host_, 1) ? host_->take_sent() : host_->message(); }
  std::string next_said() {
    const auto message = next();
    return message.empty() ? "nothing" : said(message);
  }

  Peer peer_{std::is_same_v<T, Pull> ? ZMQ_PUSH : ZMQ_PUB};
  std::optional<FakeComponent<T>> host_;

 private:
  bool asked_ = false;
};
using Kinds = testing::Types<Pull, Sub>;
TYPED_TEST_SUITE(EventsThatCome, Kinds);

TYPED_TEST(EventsThatCome, AreCallsThatNobodyWaitsFor) {
  this->start();
  this->peer_.send({note("write", Array{1, "two"})});
  const auto call = this->next();
  EXPECT_EQ(said(call), R"(write [1,"two"])");
  EXPECT_TRUE(call.has(BP_SIGNAL));
  EXPECT_FALSE(call.wants_reply());
  EXPECT_EQ(call.envelope().encoding, BP_MSGPACK);
}

TYPED_TEST(EventsThatCome, ComeInOrder) {
  this->start();
  for (int i = 0; i < 500; ++i) this->peer_.send({note("write", Array{i})});
  for (int i = 0; i < 500; ++i) ASSERT_EQ(this->next_said(), "write [" + std::to_string(i) + "]");
}

TYPED_TEST(EventsThatCome, OfSeveralFramesTheLastCounts) {
  this->start();
  this->peer_.send({"from a proxy", "", note("write", Array{1})});
  EXPECT_EQ(this->next_said(), "write [1]");
}

TYPED_TEST(EventsThatCome, BringTheKeysInCarryAsBaggage) {
  this->start({{"carry", "[trace_id, tenant]"}});
  this->peer_.send({note("write", Array(), Map{{"trace_id", "4711"}, {"tenant", 5}, {"else", "x"}})});
  EXPECT_EQ(baggage_of(this->next().headers()), (std::vector<BaggageItem>{{"trace_id", "4711"}}))
      << "5 is no text, and nobody asked for the other";
}

TYPED_TEST(EventsThatCome, ThatAreNoneAreDroppedCountedAndTheNextIsTaken) {
  this->start();
  std::size_t sent = 0;
  for (const auto& each : test::malformed_cases()) {
    if (each.outcome == "either" || each.outcome.starts_with("OK") ||
        each.says == "response_to names no channel")
      continue;  // calls, to who asks for no answer
    this->peer_.send({each.payload});
    ++sent;
  }
  ASSERT_GT(sent, 15u);
  for (const auto* name : {"_zerorpc_list", ""}) this->peer_.send({note(name, Array())});
  this->peer_.send({note("write", Map{{"a", 1}})});
  this->peer_.send({note("write", Array{"good"})});
  EXPECT_EQ(this->next_said(), R"(write ["good"])");
  EXPECT_EQ(this->host_->metric("unreadable"), static_cast<std::int64_t>(sent + 3));
  EXPECT_TRUE(this->host_->logged("an event is dropped: "));
}

TYPED_TEST(EventsThatCome, BeyondTheLimitsAreDropped) {
  this->start({{"max_payload", "1KiB"}, {"max_depth", "8"}});
  Value deep = Array();
  for (int i = 0; i < 8; ++i) deep = Array{deep};
  this->peer_.send({note("write", Array{deep})});
  this->peer_.send({note("write", Array{std::string(1024, 'x')})});
  this->peer_.send({note("write", Array{"good"})});
  EXPECT_EQ(this->next_said(), R"(write ["good"])");
  EXPECT_EQ(this->host_->metric("unreadable"), 2);
}

TYPED_TEST(EventsThatCome, WaitWhenTheirRouteIsFull) {
  this->start();
  this->host_->answer_sends(BP_PAUSED);
  for (int i = 0; i < 20; ++i) this->peer_.send({note("write", Array{i})});
  ASSERT_TRUE(sends(*this->host_, 1));
  this->host_->run_for(20ms);
  EXPECT_EQ(this->host_->sent().size(), 1u);
  this->host_->answer_sends(BP_SENT);
  this->host_->resume();
  EXPECT_TRUE(sends(*this->host_, 20));
}

// ---- calls that go out ---------------------------------------------------------------------------------

// T: Push, Pub. The other side: PULL, SUB.
template <typename T>
class CallsThatGo : public testing::Test {
 protected:
  void start(std::vector<OptionText> options = {}) {
    options.emplace_back("bind", any_port);
    host_.emplace(options);
    host_->start();
    if constexpr (std::is_same_v<T, Pub>) peer_.subscribe();
    peer_.connect(endpoint_of(*host_));
    if constexpr (std::is_same_v<T, Pub>) await_subscription();
  }
  // It takes a while to arrive.
  void await_subscription() {
    ASSERT_TRUE(host_->run_until(
        [&] {
          host_->deliver(call("hello", Array()));
          return peer_.receive(1ms).has_value();
        },
        kPatience));
    host_->deliver(call("ready", Array()));
    while (arrived() == "hello []") continue;
    ids_.clear();
  }
  Message call(std::string_view function, const Value& args) {
    auto made = host_->message({encode(args)});
    made.set_function(function);
    made.envelope().encoding = BP_MSGPACK;
    return made;
  }
  // A call whose sender waits for the answer.
  Message asking(std::string_view function, std::initializer_list<std::string_view> frames) {
    return host_->request(function, frames, BP_MSGPACK);
  }
  // "write [1,2]": the event that came.
  std::string arrived() {
    const auto frames = receives(*host_, peer_);
    last_ = frames.back();
    rpc::Event event;
    if (const auto* wrong = rpc::read_event(last_, event)) return wrong;
    EXPECT_EQ(frames.size(), 1u);
    trace_id_ = rpc::text_of(rpc::header_value(event, "trace_id")).value_or("");
    ids_.emplace_back(event.message_id);
    return std::string(event.name) + " " + to_json(decode(event.args));
  }

  Peer peer_{std::is_same_v<T, Push> ? ZMQ_PULL : ZMQ_SUB};
  std::optional<FakeComponent<T>> host_;
  std::vector<std::string> ids_;
  std::string trace_id_;

 private:
  std::string last_;
};
using OutKinds = testing::Types<Push, Pub>;
TYPED_TEST_SUITE(CallsThatGo, OutKinds);

TYPED_TEST(CallsThatGo, AreEventsWithIdsOfTheirOwn) {
  this->start();
  for (int i = 0; i < 2; ++i) {
    this->host_->deliver(this->call("write", Array{1, "two"}));
    EXPECT_EQ(this->arrived(), R"(write [1,"two"])");
  }
  EXPECT_NE(this->ids_[0], this->ids_[1]);
  EXPECT_TRUE(this->host_->replies().empty());
}

TYPED_TEST(CallsThatGo, AreAnsweredWithNilWhenTheyAreOnTheirWay) {
  this->start();
  this->host_->deliver(this->asking("write", {encode(Array{5})}));
  EXPECT_EQ(this->arrived(), "write [5]");
  ASSERT_EQ(this->host_->replies().size(), 1u);
  const auto answer = this->host_->take_reply();
  EXPECT_FALSE(answer.is_error());
  EXPECT_TRUE(decode(answer.message[0]).is_nil());
}

TYPED_TEST(CallsThatGo, HaveNoNamedArguments) {
  this->start();
  this->host_->deliver(this->asking("write", {encode(Array{5}), encode(Map{{"loud", true}})}));
  ASSERT_EQ(this->host_->replies().size(), 1u);
  EXPECT_THAT(this->host_->take_reply().error_message, HasSubstr("has no named arguments"));
  this->host_->deliver(this->asking("write", {encode(Array{6}), encode(Map())}));
  EXPECT_EQ(this->arrived(), "write [6]") << "none are no arguments";
}

TYPED_TEST(CallsThatGo, OfAMessageWithoutFunctionAreOfTheOptionMethodWithItsFramesAsBytes) {
  this->start({{"method", "write"}});
  this->host_->deliver(this->host_->message({"a", "\xff"}));
  EXPECT_EQ(this->arrived(), R"(write [{"$bin":"YQ=="},{"$bin":"/w=="}])");
}

TYPED_TEST(CallsThatGo, NeedAMethodThatIsAText) {
  this->start();
  EXPECT_EQ(this->host_->deliver(this->host_->message({"a"})), BP_MALFORMED);
  EXPECT_THAT(this->host_->error().message, HasSubstr("give the option \"method\""));
  EXPECT_EQ(this->host_->deliver(this->call("\xff", Array())), BP_MALFORMED);
}

TYPED_TEST(CallsThatGo, ThatPeersCouldNotReadAreRefused) {
  this->start({{"max_payload", "1KiB"}, {"max_depth", "8"}});
  Value deep = Array();
  for (int i = 0; i < 8; ++i) deep = Array{deep};
  EXPECT_EQ(this->host_->deliver(this->call("write", Array{deep})), BP_MALFORMED);
  EXPECT_EQ(this->host_->deliver(this->call("write", Array{std::string(1024, 'x')})), BP_MALFORMED);
  EXPECT_EQ(this->host_->deliver(this->call("write", 5)), BP_MALFORMED);
  this->host_->deliver(this->call("write", Array{"good"}));
  EXPECT_EQ(this->arrived(), R"(write ["good"])");
}

TYPED_TEST(CallsThatGo, CarryBaggageAsKeysOfTheHeader) {
  this->start();
  auto call = this->call("write", Array());
  add_baggage(call, "trace_id", "4711");
  add_baggage(call, "else", "x");
  this->host_->deliver(std::move(call));
  EXPECT_EQ(this->arrived(), "write []");
  EXPECT_EQ(this->trace_id_, "4711");
}

TEST(PushedCalls, AreHeldBackWhileNobodyPulls) {
  FakeComponent<Push> host({{"bind", any_port}, {"method", "write"}});
  host.start();
  EXPECT_EQ(host.deliver(host.message({"a"})), BP_BUSY);
  Peer peer(ZMQ_PULL);
  peer.connect(endpoint_of(host));
  EXPECT_NE(receives(host, peer), Frames{"nothing"});
}

}  // namespace
}  // namespace backplane::zerorpc
