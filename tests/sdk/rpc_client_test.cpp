// rpc::Client against a raw socket that plays the server.
#include <backplane/rpc/client.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <map>
#include <thread>
#include <vector>

#include "sdk/rpc_verbs.hpp"
#include "support/rpc_server.hpp"
#include "support/rpc_vectors.hpp"

namespace backplane::rpc {
namespace {

using test::eventually;
using test::RpcEvent;
using test::RpcServer;
using test::ServingRpcServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using namespace std::chrono_literals;

// Heartbeats of tests in which nobody is to be lost are slow enough for a busy machine.

class RpcClient : public ::testing::Test {
 protected:
  RpcServer server_;
};

// ---- the bytes ----

TEST_F(RpcClient, SendsRequestsAsRealClientsDo) {
  Client client(server_.endpoint());
  for (const auto& recording : test::all_recordings()) {
    SCOPED_TRACE(recording.name);
    const auto& first = recording.frames.front();
    if (!is_of_real_client(recording)) continue;
    Map context;
    if (const auto* trace_id = first.header().find("trace_id")) context = {{"trace_id", *trace_id}};
    const auto pending = client.begin({.context = context}, *first.name().get_if<std::string>(),
                                      *first.args().get_if<Array>());
    const auto request = server_.request();
    EXPECT_EQ(request.payload, with_id_of(request.payload, first.payload()));
  }
}

TEST_F(RpcClient, SendsCreditAndHeartbeatsOnTheChannel) {
  Client client(server_.endpoint(), {.heartbeat = 200ms});
  auto stream = client.stream<int>("count", 2);
  const auto request = server_.request();
  server_.send(request, "STREAM", 0);
  EXPECT_EQ(stream.next(), 0);
  auto reader = std::async(std::launch::async, [&] { return stream.next(); });
  const auto more = server_.receive({"_zpc_more"});
  EXPECT_EQ(more.response_to, request.id);
  EXPECT_EQ(encode(more.args), "\x91\x64");
  const auto beat = server_.receive({"_zpc_hb"});
  EXPECT_EQ(beat.response_to, request.id);
  EXPECT_EQ(encode(beat.args), std::string("\x91\x00", 2));
  server_.send(request, "STREAM_DONE", {});
  EXPECT_EQ(reader.get(), std::nullopt);
}

// ---- results and errors ----

TEST_F(RpcClient, CallsAndTakesTheResult) {
  Client client(server_.endpoint());
  auto sum = client.start<int>("add", 1, 2);
  const auto request = server_.request();
  EXPECT_EQ(request.name, "add");
  EXPECT_EQ(request.args, Value(Array{1, 2}));
  server_.ok(request, 3);
  EXPECT_EQ(sum.get(), 3);
}

// Answers every call with its first argument, or nil.
void echo(RpcServer& server, const RpcEvent& request) {
  const auto& args = *request.args.get_if<Array>();
  server.ok(request, args.empty() ? Value() : args[0]);
}

TEST(RpcClientCalls, ResultsAreOfTheTypeAskedFor) {
  ServingRpcServer server(echo);
  Client client(server.endpoint());
  EXPECT_EQ(client.call("echo", "text"), Value("text"));
  EXPECT_EQ(client.call<std::string>("echo", std::string("text")), "text");
  EXPECT_EQ(client.call<Bytes>("echo", Bytes{"\xff"}), Bytes{"\xff"});
  EXPECT_EQ(client.call<double>("echo", 1.0), 1.0);
  EXPECT_EQ(client.call("echo", 1.0).kind(), ValueKind::real);
  EXPECT_EQ(client.call<std::uint64_t>("echo", ~std::uint64_t{0}), ~std::uint64_t{0});
  EXPECT_THAT(client.call<std::vector<int>>("echo", std::vector<int>{1, 2}), ElementsAre(1, 2));
  EXPECT_EQ(client.call<std::optional<int>>("echo", nullptr), std::nullopt);
  client.call<void>("echo", 5);
  EXPECT_THAT(error_of([&] { client.call<int>("echo", "text"); }), HasSubstr("TypeError: expected int"));
}

TEST(RpcClientCalls, ThrowsWhatTheServerAnswersAndCanBeUsedOn) {
  ServingRpcServer server([](RpcServer& self, const RpcEvent& request) {
    if (request.name == "fail") return self.send(request, "ERR", Array{"DemoError", "no", "Traceback ..."});
    if (request.name == "old") return self.send(request, "ERR", RpcServer::list("KeyError('x')"));
    self.ok(request, 1);
  });
  Client client(server.endpoint());
  try {
    client.call("fail");
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.type(), "DemoError");
    EXPECT_STREQ(error.what(), "no");
    EXPECT_EQ(error.traceback(), "Traceback ...");
  }
  EXPECT_EQ(error_of([&] { client.call("old"); }), "RemoteError: KeyError('x')");
  EXPECT_EQ(client.call<int>("fine"), 1);
}

TEST_F(RpcClient, ACallWithoutAnswerExpiresAndTheLateOneIsDropped) {
  Client client(server_.endpoint());
  EXPECT_EQ(error_of([&] { client.call_within(50ms, "slow", 1); }),
            "TimeoutExpired: timeout after 0.05s, when calling remote method slow");
  const auto late = server_.request();
  auto pending = client.start<int>("next");
  const auto request = server_.request();
  server_.ok(late, 1);
  server_.ok(request, 2);
  EXPECT_EQ(pending.get(), 2);
  EXPECT_EQ(client.dropped(), 1u);
}

TEST_F(RpcClient, TheTimeoutMayBeThatOfTheClient) {
  Client client(server_.endpoint(), {.timeout = 20ms});
  EXPECT_THAT(error_of([&] { client.call("slow"); }), HasSubstr("TimeoutExpired"));
  EXPECT_EQ(error_of([&] { client.call<int>({.timeout = 10ms}, "slow"); }),
            "TimeoutExpired: timeout after 0.01s, when calling remote method slow");
}

TEST_F(RpcClient, AnAnswerThatIsNoneIsAProtocolError) {
  Client client(server_.endpoint());
  auto pending = client.start("add", 1);
  server_.send(server_.request(), "WHAT", nullptr);
  EXPECT_THAT(error_of([&] { pending.get(); }), HasSubstr("ProtocolError: the server's answer to \"add\""));
}

TEST_F(RpcClient, IgnoresWhatIsNoEvent) {
  Client client(server_.endpoint());
  auto pending = client.start<int>("add", 1);
  const auto request = server_.request();
  server_.send_payload(request, "");
  server_.send_payload(request, "\xc1\xff");
  server_.send_payload(request, std::string(100000, '\x91'));
  server_.ok(request, 5);
  EXPECT_EQ(pending.get(), 5);
  EXPECT_EQ(client.dropped(), 3u);
}

TEST_F(RpcClient, WhatAPeerCouldNotReadIsNotSent) {
  Client client(server_.endpoint());
  EXPECT_EQ(error_of([&] { client.call("echo", "\xff"); }),
            "TypeError: an argument of \"echo\" cannot be sent: text that is not UTF-8");
  EXPECT_THAT(error_of([&] { client.call("echo", Map{{1, "a"}}); }), HasSubstr("TypeError: an argument of"));
  EXPECT_THAT(error_of([&] { client.call("\xff"); }), HasSubstr("TypeError"));
  EXPECT_THAT(error_of([&] { client.call({.context = {{"v", 1}}}, "echo"); }), HasSubstr("TypeError"));
  EXPECT_THAT(error_of([&] { client.call({.context = {{"k", "\xff"}}}, "echo"); }), HasSubstr("TypeError"));
  const auto pending = client.start("fine");
  EXPECT_EQ(server_.request().name, "fine");
}

TEST(RpcClientOptions, RefusesAnAddressThatLibzmqRefuses) {
  EXPECT_THAT(error_of([] { Client("nonsense"); }), HasSubstr("ZmqError: cannot connect to \"nonsense\""));
  EXPECT_THAT(error_of([] { Client("tcp://127.0.0.1:1", {.context = {{"v", 1}}}); }), HasSubstr("TypeError"));
}

// ---- many at a time ----

TEST_F(RpcClient, TwoHundredCallsAreUnderWayAtOnce) {
  Client client(server_.endpoint());
  std::vector<Pending<int>> calls;
  std::vector<RpcEvent> requests;
  for (int i = 0; i < 200; ++i) calls.push_back(client.start<int>("twice", i));
  for (int i = 0; i < 200; ++i) requests.push_back(server_.request());
  for (auto request = requests.rbegin(); request != requests.rend(); ++request)
    server_.ok(*request, *(*request->args.get_if<Array>())[0].get_if<std::int64_t>() * 2);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(calls[static_cast<std::size_t>(i)].get(), 2 * i);
}

TEST(RpcClientCalls, ManyThreadsMayUseOneClient) {
  ServingRpcServer server(echo);
  Client client(server.endpoint());
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&client, &wrong, t] {
      for (int i = 0; i < 50; ++i)
        if (client.call<int>("echo", 1000 * t + i) != 1000 * t + i) ++wrong;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(RpcClientCalls, LargeArgumentsAndResultsTravel) {
  ServingRpcServer server(echo);
  Client client(server.endpoint());
  const Bytes large{std::string(3'000'000, 'x')};
  EXPECT_EQ(client.call<Bytes>("echo", large), large);
}

// ---- calls whose result is taken later ----

TEST_F(RpcClient, AResultMayBeWaitedForOrNot) {
  Client client(server_.endpoint());
  auto pending = client.start<int>("add");
  const auto request = server_.request();
  EXPECT_FALSE(pending.wait_for(1ms));
  server_.ok(request, 1);
  EXPECT_TRUE(pending.wait_for(test::kPatience));
  EXPECT_TRUE(pending.active());
  EXPECT_EQ(pending.get(), 1);
  EXPECT_FALSE(pending.active());
}

TEST_F(RpcClient, ACallMayBeMovedAndReplaced) {
  Client client(server_.endpoint());
  auto first = client.start<int>("first");
  auto pending = std::move(first);
  const auto request = server_.request();
  EXPECT_FALSE(first.active());
  server_.ok(request, 1);
  EXPECT_EQ(pending.get(), 1);
  pending = client.start<int>("second");
  server_.ok(server_.request(), 2);
  EXPECT_EQ(pending.get(), 2);
}

TEST_F(RpcClient, ACallThatIsGivenUpSendsNoHeartbeats) {
  Client client(server_.endpoint(), {.heartbeat = 200ms});
  auto kept = client.start<int>("kept");
  auto cancelled = client.start<int>("cancelled");
  { const auto dropped = client.start<int>("dropped"); }
  cancelled.cancel();
  EXPECT_FALSE(cancelled.active());
  const auto request = server_.receive({"kept"});
  for (int i = 0; i < 3; ++i) {
    const auto beat = server_.receive({"_zpc_hb"});
    EXPECT_EQ(beat.response_to, request.id);
    server_.beat(beat);
  }
}

TEST_F(RpcClient, WhatIsUnderWayFailsWhenTheClientIsClosed) {
  auto client = std::make_unique<Client>(server_.endpoint());
  auto pending = client->start<int>("slow");
  client.reset();
  EXPECT_THAT(error_of([&] { pending.get(); }), HasSubstr("ClientClosed: the client was closed"));
}

// ---- heartbeats ----

TEST_F(RpcClient, ASilentServerIsLost) {
  Client client(server_.endpoint(), {.heartbeat = 20ms});
  EXPECT_EQ(error_of([&] { client.call("slow"); }), "LostRemote: Lost remote after 0.04s heartbeat");
}

TEST(RpcClientHeartbeats, ASlowCallLivesByItsHeartbeats) {
  std::optional<RpcEvent> slow;
  ServingRpcServer server([&](RpcServer& self, const RpcEvent& event) {
    if (event.name == "slow") slow = event;
    if (event.name == "end") self.ok(*slow, "done");
  });
  Client client(server.endpoint(), {.heartbeat = 200ms});
  auto pending = client.start<std::string>("slow");
  EXPECT_TRUE(eventually([&] { return server.beats() > 3; }));
  client.signal("end");
  EXPECT_EQ(pending.get(), "done");
}

// This thread does not wait for the call: it is the server.
TEST_F(RpcClient, HeartbeatsGoOnWhileTheProgramIsBusy) {
  Client client(server_.endpoint(), {.heartbeat = 200ms});
  const auto pending = client.start("slow");
  const auto request = server_.request();
  for (int i = 0; i < 4; ++i) server_.beat(server_.receive({"_zpc_hb"}));
}

TEST_F(RpcClient, APassiveClientAnswersTheFirstHeartbeat) {
  Client client(server_.endpoint(), {.heartbeat = 10ms, .passive_heartbeat = true});
  auto pending = client.start<int>("slow");
  const auto request = server_.request();
  EXPECT_FALSE(server_.receive(50ms));
  server_.beat(request);
  EXPECT_EQ(server_.receive({"_zpc_hb"}).response_to, request.id);
  EXPECT_THAT(error_of([&] { pending.get(); }), HasSubstr("LostRemote"));
}

TEST_F(RpcClient, WithoutHeartbeatsNothingIsSentAndNobodyIsLost) {
  Client client(server_.endpoint(), {.heartbeat = 0s});
  auto pending = client.start<int>("slow");
  const auto request = server_.request();
  server_.beat(request);
  EXPECT_FALSE(server_.receive(100ms));
  server_.ok(request, 1);
  EXPECT_EQ(pending.get(), 1);
}

// ---- streams ----

// Answers a request with the numbers up to its argument as a stream, within the client's credit, then with
// `last`.
class Counter {
 public:
  explicit Counter(std::string last = "STREAM_DONE") : last_(std::move(last)) {}
  void operator()(RpcServer& server, const RpcEvent& event) {
    if (event.opens_channel()) {
      request_ = event;
      count_ = *(*event.args.get_if<Array>())[0].get_if<std::int64_t>();
      sent_ = 0;
      credit_ = 1;
      ended_ = false;
    } else if (event.name == "_zpc_more") {
      const auto more = *(*event.args.get_if<Array>())[0].get_if<std::int64_t>();
      granted.push_back(more);
      credit_ += more;
    }
    for (; credit_ > 0 && sent_ < count_; --credit_) server.send(*request_, "STREAM", sent_++);
    if (credit_ == 0 || ended_) return;
    ended_ = true;
    --credit_;
    server.send(*request_, last_,
                last_ == "ERR" ? Value(Array{"DemoError", "stream broken", nullptr}) : Value());
  }
  std::int64_t sent() const { return sent_; }
  std::vector<std::int64_t> granted;  // by the client, in order

 private:
  std::string last_;
  std::optional<RpcEvent> request_;
  std::int64_t count_ = 0;
  std::int64_t credit_ = 0;
  std::atomic<std::int64_t> sent_ = 0;
  bool ended_ = false;
};

TEST(RpcClientStreams, AreRangesOfItems) {
  Counter counter;
  ServingRpcServer server(std::ref(counter));
  Client client(server.endpoint());
  std::vector<int> items;
  for (const int item : client.stream<int>("count", 5)) items.push_back(item);
  EXPECT_THAT(items, ElementsAre(0, 1, 2, 3, 4));
}

TEST(RpcClientStreams, MayBeEmpty) {
  Counter counter;
  ServingRpcServer server(std::ref(counter));
  Client client(server.endpoint());
  auto stream = client.stream<int>("count", 0);
  EXPECT_EQ(stream.next(), std::nullopt);
  EXPECT_EQ(stream.next(), std::nullopt);
}

TEST(RpcClientStreams, GrantCreditAsTheRealClientDoes) {
  Counter counter;
  {
    ServingRpcServer server(std::ref(counter));
    Client client(server.endpoint());
    int count = 0;
    for ([[maybe_unused]] const int item : client.stream<int>("count", 160)) ++count;
    EXPECT_EQ(count, 160);
    client.stream<int>("count", 0).next();  // the server has read all that came before
  }
  counter.granted.resize(3);  // a fourth comes only when the reader wants it before the end is there
  EXPECT_THAT(counter.granted, ElementsAre(100, 51, 51));
}

TEST(RpcClientStreams, MayHaveOtherSlots) {
  Counter counter;
  {
    ServingRpcServer server(std::ref(counter));
    Client client(server.endpoint());
    int count = 0;
    for ([[maybe_unused]] const int item : client.stream<int>({.slots = 4}, "count", 12)) ++count;
    EXPECT_EQ(count, 12);
    client.stream<int>("count", 0).next();
  }
  counter.granted.resize(3);
  EXPECT_THAT(counter.granted, ElementsAre(4, 3, 3));
}

TEST(RpcClientStreams, AReaderWhoPausesStopsTheServer) {
  Counter counter;
  ServingRpcServer server(std::ref(counter));
  Client client(server.endpoint(), {.heartbeat = 200ms});
  auto stream = client.stream<int>({.slots = 10}, "count", 1000);
  EXPECT_EQ(stream.next(), 0);
  EXPECT_EQ(stream.next(), 1);
  EXPECT_TRUE(eventually([&] { return counter.sent() == 11; }));
  const auto before = server.beats();
  EXPECT_TRUE(eventually([&] { return server.beats() > before + 3; }));  // nobody is lost, nothing more comes
  EXPECT_EQ(counter.sent(), 11);
  int next = 2;
  while (const auto item = stream.next()) EXPECT_EQ(*item, next++);
  EXPECT_EQ(next, 1000);
}

TEST(RpcClientStreams, ThrowTheirErrorBehindTheItems) {
  Counter counter("ERR");
  ServingRpcServer server(std::ref(counter));
  Client client(server.endpoint());
  std::vector<int> items;
  EXPECT_EQ(error_of([&] {
              for (const int item : client.stream<int>("count", 3)) items.push_back(item);
            }),
            "DemoError: stream broken");
  EXPECT_THAT(items, ElementsAre(0, 1, 2));
  EXPECT_EQ(error_of([&] { client.stream<int>("count", 0).next(); }), "DemoError: stream broken");
}

TEST_F(RpcClient, AnAbandonedStreamFallsSilent) {
  Client client(server_.endpoint(), {.heartbeat = 200ms});
  {
    auto stream = client.stream<int>("count", 1000);
    server_.send(server_.request(), "STREAM", 0);
    EXPECT_EQ(stream.next(), 0);
  }
  const auto pending = client.start("next");
  const auto request = server_.request();
  for (int i = 0; i < 3; ++i) {
    const auto beat = server_.receive({"_zpc_hb"});
    EXPECT_EQ(beat.response_to, request.id);
    server_.beat(beat);
  }
}

TEST_F(RpcClient, AStreamWhoseServerDiesIsLostBehindItsItems) {
  Client client(server_.endpoint(), {.heartbeat = 20ms});
  auto stream = client.stream<int>("count", 1000);
  server_.send(server_.request(), "STREAM", 0);
  EXPECT_EQ(stream.next(), 0);
  EXPECT_THAT(error_of([&] { stream.next(); }), HasSubstr("LostRemote"));
}

TEST_F(RpcClient, AStreamBeyondItsCreditIsBrokenOffBehindItsItems) {
  Client client(server_.endpoint());
  auto stream = client.stream<int>("count", 1000);
  const auto request = server_.request();
  server_.send(request, "STREAM", 0);
  server_.send(request, "STREAM", 1);
  auto behind = client.start("behind");  // when it is answered, both items have come
  server_.ok(server_.request(), nullptr);
  behind.wait();
  EXPECT_EQ(stream.next(), 0);
  EXPECT_THAT(error_of([&] { stream.next(); }), HasSubstr("ProtocolError"));
}

TEST_F(RpcClient, AResultIsNoStreamAndAStreamNoResult) {
  Client client(server_.endpoint());
  auto stream = client.stream<int>("add");
  server_.ok(server_.request(), 1);
  EXPECT_EQ(error_of([&] { stream.next(); }),
            "ProtocolError: \"add\" answers with one result, not with a stream");
  auto pending = client.start<int>("count");
  server_.send(server_.request(), "STREAM", 1);
  EXPECT_EQ(error_of([&] { pending.get(); }),
            "ProtocolError: \"count\" answers with a stream, not with one result");
}

TEST_F(RpcClient, AnAnswerOfEitherKindCanBeTaken) {
  Client client(server_.endpoint());
  auto one = client.begin({}, "either", Array{1});
  server_.ok(server_.request(), 5);
  EXPECT_FALSE(one.streams());
  EXPECT_EQ(one.result(), Value(5));
  auto other = client.begin({}, "either", Array{2});
  server_.send(server_.request(), "STREAM", 6);
  EXPECT_TRUE(other.streams());
  EXPECT_EQ(other.next(), Value(6));
}

// ---- one way ----

TEST_F(RpcClient, ASignalIsSentAndItsAnswerIgnored) {
  Client client(server_.endpoint(), {.heartbeat = 200ms});
  client.signal("note", "x");
  const auto request = server_.request();
  EXPECT_EQ(request.name, "note");
  EXPECT_EQ(server_.receive({"_zpc_hb"}).response_to, request.id);
  server_.ok(request, 1);
  auto pending = client.start<int>("add");
  server_.ok(server_.request(), 2);
  EXPECT_EQ(pending.get(), 2);
}

TEST_F(RpcClient, ASignalLeavesBeforeTheClientIsGone) {
  { Client(server_.endpoint()).signal("note", Bytes{std::string(1'000'000, 'x')}); }
  EXPECT_EQ(server_.request().name, "note");
}

// ---- connections ----

TEST(RpcClientConnections, ACallWaitsForItsServer) {
  const auto endpoint = test::free_endpoint();
  Client client(endpoint);
  auto pending = client.start<int>("add");
  RpcServer server(endpoint);
  server.ok(server.request(), 1);
  EXPECT_EQ(pending.get(), 1);
}

TEST(RpcClientConnections, AServerThatComesBackIsUsedAgain) {
  auto server = std::make_unique<RpcServer>();
  const auto endpoint = server->endpoint();
  Client client(endpoint, {.heartbeat = 300ms});
  auto pending = client.start<int>("first");
  server->ok(server->request(), 1);
  EXPECT_EQ(pending.get(), 1);
  server.reset();
  EXPECT_THAT(error_of([&] { client.call("while it is away"); }), HasSubstr("LostRemote"));
  server = std::make_unique<RpcServer>(endpoint);
  pending = client.start<int>({.timeout = 0s}, "then");
  const auto request = server->receive({"then"});
  server->ok(request, 2);
  EXPECT_EQ(pending.get(), 2);
}

TEST(RpcClientConnections, FewCallsThatHaveEndedReachAServerThatComesLate) {
  const auto endpoint = test::free_endpoint();
  Client client(endpoint);
  constexpr int ended = 3 * Link::most_in_socket;
  for (int i = 0; i < ended; ++i) {
    const auto given_up = client.start<int>("ended");
  }
  EXPECT_THAT(error_of([&] { client.start<int>({.timeout = 1ms}, "ended").get(); }),
              HasSubstr("TimeoutExpired"));
  auto pending = client.start<int>("add");
  RpcServer server(endpoint);
  int late = 0;
  auto request = server.request();
  for (; request.name == "ended"; request = server.request()) ++late;
  EXPECT_LE(late, Link::most_in_socket);
  server.ok(request, 1);
  EXPECT_EQ(pending.get(), 1);
}

TEST(RpcClientConnections, AServerMayConnectToAClientThatBinds) {
  Client client("tcp://127.0.0.1:*", {.bind = true});
  EXPECT_THAT(client.address(), ::testing::MatchesRegex("tcp://127.0.0.1:[0-9]+"));
  auto pending = client.start<int>("add");
  RpcServer server(client.address(), RpcServer::Side::connects);
  server.ok(server.request(), 1);
  EXPECT_EQ(pending.get(), 1);
}

TEST(RpcClientConnections, MayShareAContext) {
  void* context = zmq_ctx_new();
  {
    Client one("tcp://127.0.0.1:1", {.zmq_context = context});
    Client two("tcp://127.0.0.1:1", {.zmq_context = context});
    const auto pending = one.start("never");
  }
  EXPECT_EQ(zmq_ctx_term(context), 0);
}

// A hook that knows one name.
ClientHooks knowing(const std::string& name, std::vector<std::string> addresses) {
  ClientHooks hooks;
  hooks.resolve_endpoint.push_back([=](const std::string& endpoint) {
    return endpoint == name ? ClientHooks::Addresses(addresses) : std::nullopt;
  });
  return hooks;
}

TEST(RpcClientConnections, ANameIsResolvedByAHook) {
  RpcServer server;
  Client client("calculator", {.hooks = knowing("calculator", {server.endpoint()})});
  EXPECT_EQ(client.address(), server.endpoint());
  auto pending = client.start<int>("add");
  server.ok(server.request(), 1);
  EXPECT_EQ(pending.get(), 1);
  EXPECT_THAT(error_of([&] { Client("unknown", {.hooks = knowing("calculator", {"x"})}); }),
              HasSubstr("ZmqError"));
  EXPECT_EQ(error_of([&] { Client("nowhere", {.hooks = knowing("nowhere", {})}); }),
            "NoAddress: \"nowhere\" has no address at present");
}

TEST(RpcClientConnections, OfSeveralAddressesTheFirstThatAcceptsIsUsed) {
  RpcServer second;
  RpcServer third;
  Client client("name",
                {.hooks = knowing("name", {test::free_endpoint(), second.endpoint(), third.endpoint()})});
  auto pending = client.start<int>("add");
  second.ok(second.request(), 1);
  EXPECT_EQ(pending.get(), 1);
}

TEST(RpcClientConnections, WhenAServerIsLostTheNextIsUsed) {
  auto first = std::make_unique<RpcServer>();
  RpcServer second;
  const auto endpoint = first->endpoint();
  Client client("name", {.hooks = knowing("name", {endpoint, second.endpoint()})});
  auto answered = client.start<int>("one");
  first->ok(first->request(), 1);
  EXPECT_EQ(answered.get(), 1);

  auto lost = client.start("two");
  first->request();
  first.reset();
  EXPECT_EQ(error_of([&] { lost.get(); }), "LostRemote: the connection to " + endpoint + " was lost");
  auto pending = client.start<int>("three");
  second.ok(second.request(), 3);
  EXPECT_EQ(pending.get(), 3);
}

TEST(RpcClientConnections, AServerThatHangsIsLeftToo) {
  RpcServer first;
  RpcServer second;
  Client client("name",
                {.heartbeat = 200ms, .hooks = knowing("name", {first.endpoint(), second.endpoint()})});
  EXPECT_THAT(error_of([&] { client.call("one"); }), HasSubstr("Lost remote after"));
  auto pending = client.start<int>("two");
  second.ok(second.request(), 2);
  EXPECT_EQ(pending.get(), 2);
}

TEST(RpcClientConnections, WhenAllAreAwayTheFirstToComeIsUsed) {
  const auto one = test::free_endpoint();
  const auto other = test::free_endpoint();
  Client client("name", {.hooks = knowing("name", {one, other})});
  auto pending = client.start<int>("add");
  EXPECT_FALSE(pending.wait_for(300ms));
  RpcServer server(other);
  server.ok(server.request(), 1);
  EXPECT_EQ(pending.get(), 1);
}

TEST(RpcClientConnections, ANameIsResolvedAgainWhenAllItsAddressesWereTriedInVain) {
  test::RpcServer server;
  std::atomic<int> asked = 0;
  ClientHooks hooks;
  hooks.resolve_endpoint.push_back([&](const std::string&) -> ClientHooks::Addresses {
    if (++asked == 1) return {{test::free_endpoint(), test::free_endpoint()}};
    if (asked == 2) throw Error("NoAnswer", "the directory is away");
    return {{server.endpoint()}};
  });
  Client client("name", {.hooks = hooks});
  auto pending = client.start<int>("add");
  server.ok(server.request(), 1);
  EXPECT_EQ(pending.get(), 1);
  EXPECT_EQ(asked, 3);
}

// ---- hooks ----

TEST_F(RpcClient, HooksSeeRequestsAndTheirAnswers) {
  std::vector<std::string> seen;
  ClientHooks hooks;
  hooks.task_context.push_back([] { return Map{{"trace_id", "task"}}; });
  hooks.before_request.push_back([&](const RequestInfo& request, const Array& arguments) {
    seen.push_back("before " + std::string(request.method) + " " + to_json(arguments) +
                   to_json(request.context));
  });
  hooks.after_request.push_back([&](const RequestInfo& request, const ReplyInfo& reply) {
    seen.push_back("after " + std::string(request.method) + " " +
                   (reply.error == nullptr ? "well" : reply.error->type()) + to_json(reply.context));
  });
  Client client(server_.endpoint(), {.context = {{"trace_id", "client"}, {"k", 1}}, .hooks = hooks});

  auto pending = client.start<int>("add", 1);
  const auto request = server_.request();
  EXPECT_EQ(request.trace_id, Value("task"));
  server_.send_payload(request, event({.id = "0123456789abcdef0123456789abcdef",
                                       .context = "\xa8trace_id\xa5reply",
                                       .context_pairs = 1,
                                       .response_to = request.id,
                                       .name = "OK",
                                       .args = "\x91\x01"}));
  EXPECT_EQ(pending.get(), 1);
  EXPECT_THAT(seen, ElementsAre(R"(before add [1]{"trace_id":"task","k":1})",
                                R"(after add well{"trace_id":"reply"})"));

  seen.clear();
  pending = client.start<int>({.context = {{"trace_id", "call"}}}, "fail");
  const auto failing = server_.request();
  EXPECT_EQ(failing.trace_id, Value("call"));
  server_.fail(failing, "DemoError", "no");
  EXPECT_THROW(pending.get(), RemoteError);
  EXPECT_THAT(seen, ElementsAre(R"(before fail []{"trace_id":"call","k":1})", "after fail DemoError{}"));

  seen.clear();
  EXPECT_THROW(client.call_within(10ms, "slow"), Error);
  EXPECT_EQ(seen.back(), "after slow TimeoutExpired{}");

  seen.clear();
  auto stream = client.stream<int>("count");
  server_.send(server_.receive({"count"}), "STREAM_DONE", {});
  EXPECT_EQ(stream.next(), std::nullopt);
  EXPECT_EQ(stream.next(), std::nullopt);
  EXPECT_THAT(seen, SizeIs(2));
  EXPECT_EQ(seen.back(), "after count well{}");
}

TEST_F(RpcClient, AHookThatThrowsStopsTheRequest) {
  ClientHooks hooks;
  hooks.before_request.push_back([](const RequestInfo& request, const Array&) {
    if (request.method == "forbidden") throw Error("Forbidden", "not that");
  });
  Client client(server_.endpoint(), {.hooks = hooks});
  EXPECT_EQ(error_of([&] { client.call("forbidden"); }), "Forbidden: not that");
  const auto pending = client.start("fine");
  EXPECT_EQ(server_.request().name, "fine");
}

struct MyError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

TEST(RpcClientHooks, MayReplaceTheErrorsOfServers) {
  ServingRpcServer server(
      [](RpcServer& self, const RpcEvent& request) { self.fail(request, request.name.c_str(), "no"); });
  ClientHooks hooks;
  hooks.handle_remote_error.push_back([](const RemoteError& error) {
    return error.type() == "Mine" ? std::make_exception_ptr(MyError(error.what())) : nullptr;
  });
  Client client(server.endpoint(), {.hooks = hooks});
  EXPECT_THROW(client.call("Mine"), MyError);
  EXPECT_THROW(client.call("Other"), RemoteError);
}

// ---- introspection ----

std::vector<std::string> signatures(const std::vector<RemoteFunction>& functions) {
  std::vector<std::string> all;
  for (const auto& function : functions) {
    auto line = function.name + "(";
    if (!function.parameters) line += "...";
    if (function.parameters)
      for (const auto& parameter : *function.parameters)
        line +=
            parameter.name + (parameter.default_value ? "=" + to_json(*parameter.default_value) : "") + ",";
    all.push_back(line + ") " + function.doc);
  }
  return all;
}

TEST(RpcClientIntrospection, TellsWhatTheServerOffers) {
  ServingRpcServer server([](RpcServer& self, const RpcEvent& request) {
    if (request.name != "_zerorpc_inspect") return self.fail(request, "NameError", request.name.c_str());
    const Array add{Map{{"name", "self"}}, Map{{"name", "a"}}, Map{{"name", "b"}, {"default", 1}}};
    self.ok(request, Map{{"name", "demo"},
                         {"methods", Map{{"add", Map{{"args", add}, {"doc", "Adds."}}},
                                         {"none", Map{{"args", Array{}}, {"doc", nullptr}}},
                                         {"what", Map{{"args", nullptr}, {"doc", nullptr}}}}}});
  });
  Client client(server.endpoint());
  const auto service = client.inspect();
  EXPECT_EQ(service.name, "demo");
  EXPECT_THAT(signatures(service.functions), ElementsAre("add(a,b=1,) Adds.", "none() ", "what(...) "));
}

TEST(RpcClientIntrospection, AsksOneByOneWhenItMust) {
  ServingRpcServer server([](RpcServer& self, const RpcEvent& request) {
    const auto& args = *request.args.get_if<Array>();
    if (request.name == "_zerorpc_name") return self.ok(request, "demo");
    if (request.name == "_zerorpc_list") return self.ok(request, Array{"add", "what"});
    const bool add = !args.empty() && args[0] == Value("add");
    if (request.name == "_zerorpc_help") return self.ok(request, add ? Value("Adds.") : Value());
    if (request.name == "_zerorpc_args")
      return self.ok(
          request,
          add ? Value(Array{Array{"self", "a", "b"}, nullptr, nullptr, RpcServer::list(1)}) : Value());
    self.fail(request, "NameError", request.name.c_str());
  });
  Client client(server.endpoint());
  const auto service = client.inspect();
  EXPECT_EQ(service.name, "demo");
  EXPECT_THAT(signatures(service.functions), ElementsAre("add(a,b=1,) Adds.", "what(...) "));
}

TEST(RpcClientIntrospection, AnAnswerOfAnotherShapeIsAProtocolError) {
  ServingRpcServer server([](RpcServer& self, const RpcEvent& request) { self.ok(request, 5); });
  Client client(server.endpoint());
  EXPECT_EQ(error_of([&] { client.functions(); }), "ProtocolError: the server describes itself as int 5");
}

}  // namespace
}  // namespace backplane::rpc
