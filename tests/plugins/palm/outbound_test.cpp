// palm.push, palm.worker_push, palm.pub: raw peers on the other side, and clients that do what pylm's do.
#include "palm/outbound.hpp"

#include <list>

#include "palm/inbound.hpp"
#include "plugins/palm/verbs.hpp"

namespace backplane::palm {
namespace {

// ---- palm.push, palm.worker_push --------------------------------------------------------------------

TEST(PalmPush, SendsTheLastFrameAndAcknowledgesWithAnEmptyFeedback) {
  Peer pull(ZMQ_PULL);
  FakeComponent<Push> push({{"connect", pull.bind()}});
  push.start();
  push.deliver(push.request("", {"topic", "message"}));
  EXPECT_EQ(receives(push, pull), Frames{"message"});
  ASSERT_EQ(push.replies().size(), 1u);
  EXPECT_EQ(frames(push.replies()[0].message), Frames{""});
}

TEST(PalmPush, IsBusyWithoutAPeer) {
  FakeComponent<Push> push({{"bind", any_port}});
  push.start();
  EXPECT_EQ(deliver(push, request_of("c", "1")), BP_BUSY);
  Peer pull(ZMQ_PULL);
  pull.connect(endpoint_of(push));
  EXPECT_EQ(message_in(receives(push, pull)).payload, "1");
}

// The error that a worker push gives back for a message, which no worker gets.
std::string turned_back(const PalmMessage& message) {
  Peer pull(ZMQ_PULL);
  FakeComponent<WorkerPush> push({{"connect", pull.bind()}, {"error_payload", "E"}});
  push.start();
  EXPECT_EQ(deliver(push, message), BP_TAKEN);
  auto got = next_message(push);
  auto expected = message;
  expected.payload = got.payload;
  expected.error = got.error;
  EXPECT_EQ(got, expected);
  EXPECT_EQ(got.payload, message.error ? message.payload : "E");
  EXPECT_TRUE(silent(push, pull));
  return got.error.value_or("none");
}

TEST(PalmWorkerPush, TurnsBackWhatNoWorkerCanRun) {
  for (const auto* bad : {"", "foo", ".foo", "server."})
    EXPECT_TRUE(turned_back(request_of("c", "x", bad)).starts_with("bad_function: ")) << bad;
  auto late = request_of("c", "x", "a.f b.g");
  late.stage = 2;
  EXPECT_TRUE(turned_back(late).starts_with("stage_out_of_range: "));
}

TEST(PalmWorkerPush, TurnsBackWhatSaysAnErrorAlready) {
  auto failed = request_of("c", "0");
  failed.error = "scatter_failed: no";
  EXPECT_EQ(turned_back(failed), "scatter_failed: no");
}

TEST(PalmWorkerPush, DropsWhatNamesNeitherFunctionNorClient) {
  FakeComponent<WorkerPush> push({{"bind", any_port}});
  push.start();
  EXPECT_EQ(deliver(push, request_of("", "x", "")), BP_FAILED);
  EXPECT_EQ(push.deliver(push.message({"garbage"})), BP_MALFORMED);
  EXPECT_TRUE(push.sent().empty());
}

TEST(PalmWorkerPush, GivesWorkersWhatTheyCanRun) {
  Peer pull(ZMQ_PULL);
  FakeComponent<WorkerPush> push({{"connect", pull.bind()}});
  push.start();
  const auto job = request_of("c", "x", "any.foo");
  deliver(push, job);
  EXPECT_EQ(receives(push, pull), Frames{bytes_of(job)});
}

// ---- palm.pub ---------------------------------------------------------------------------------------

// A publisher on its own; subscriptions are known before the test goes on.
class Publisher : public testing::Test {
 protected:
  void start(std::vector<OptionText> options = {}, FakeSettings settings = {}) {
    options.emplace_back("bind", any_port);
    host_.emplace(options, std::move(settings));
    host_->start();
  }
  Peer& subscriber(std::string_view topic) {
    const auto before = host_->metric("topics");
    auto& peer = peers_.emplace_back(ZMQ_SUB);
    peer.set(ZMQ_RCVHWM, 0).subscribe(topic).connect(endpoint_of(*host_));
    EXPECT_TRUE(host_->run_until([&] { return host_->metric("topics") > before; }, kPatience));
    return peer;
  }
  std::int32_t publish(const PalmMessage& message) { return deliver(*host_, message); }
  std::int32_t publish(std::string_view topic, const PalmMessage& message) {
    return host_->deliver(host_->message({topic, bytes_of(message)}));
  }
  Frames got(Peer& peer) { return receives(*host_, peer); }
  FakeHost& host() { return *host_; }

 private:
  std::optional<FakeComponent<Pub>> host_;
  std::list<Peer> peers_;
};

TEST_F(Publisher, SendsAResultToItsClient) {
  start();
  auto& client = subscriber("c");
  auto& other = subscriber("d");
  const auto result = request_of("c", "result");
  publish(result);
  EXPECT_EQ(got(client), (Frames{"c", bytes_of(result)}));
  EXPECT_TRUE(silent(host(), other));
}

TEST_F(Publisher, PipelinedSendsUnderItsNameWithTheNextStage) {
  start({{"pipelined", "true"}, {"server", "my_server"}});
  auto& next = subscriber("my_server");
  auto result = request_of("c", "result", "a.f b.g");
  result.unknown = "\x78\x05";
  publish(result);
  result.stage = 1;
  EXPECT_EQ(got(next), (Frames{"my_server", bytes_of(result)}));
}

TEST_F(Publisher, IsCalledAsItsHostByDefault) {
  FakeSettings settings;
  settings.host_name = "tour";
  start({{"to_client", "false"}}, settings);
  auto& next = subscriber("tour");
  publish(request_of("c", "x"));
  EXPECT_EQ(got(next).front(), "tour");
}

TEST_F(Publisher, TheGreatestStageWrapsAndBreaksNothing) {
  start({{"pipelined", "true"}, {"server", "s"}});
  auto& next = subscriber("s");
  auto result = request_of("c", "x");
  result.stage = std::numeric_limits<std::int64_t>::max();
  publish(result);
  EXPECT_EQ(message_in(got(next)).stage, std::numeric_limits<std::int64_t>::min());
}

TEST_F(Publisher, PublishesUnderTheTopicThatAMessageBrings) {
  start({{"pipelined", "true"}, {"server", "s"}});
  auto& even = subscriber("even");
  publish("even", request_of("c", "x"));
  EXPECT_EQ(got(even), (Frames{"even", bytes_of(request_of("c", "x"))}));
}

TEST_F(Publisher, AMessageOfMoreThanTopicAndMessageIsMalformed) {
  start();
  const auto bytes = bytes_of(request_of("c", "x"));
  EXPECT_EQ(host().deliver(host().message({"even", "more", bytes})), BP_MALFORMED);
  EXPECT_EQ(host().deliver(host().message({"garbage"})), BP_MALFORMED);
  EXPECT_EQ(host().deliver(host().message()), BP_MALFORMED);
}

TEST_F(Publisher, HoldsAResultUntilItsClientSubscribes) {
  start();
  publish(request_of("c", "1"));
  publish(request_of("c", "2"));
  EXPECT_EQ(host().holding(), 2u);
  auto& client = subscriber("c");
  EXPECT_EQ(message_in(got(client)).payload, "1");
  EXPECT_EQ(message_in(got(client)).payload, "2");
  EXPECT_TRUE(host().run_until([&] { return host().holding() == 0; }));
}

TEST_F(Publisher, WhatNobodyWantsGoesAlongItsRoutesWithItsTopic) {
  start({{"hold", "20ms"}});
  publish(request_of("c", "1"));
  EXPECT_EQ(next_sent(host()), (Frames{"c", bytes_of(request_of("c", "1"))}));
  EXPECT_EQ(host().metric("unwanted"), 1);
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(Publisher, ARequestThatNobodyWantsIsNoRequestAnyMore) {
  start({{"hold", "20ms"}});
  host().deliver(host().request("", {bytes_of(request_of("c", "1"))}));
  ASSERT_TRUE(sends(host(), 1));
  EXPECT_EQ(host().replies().size(), 1u) << "it was acknowledged when it was taken";
  EXPECT_FALSE(host().take_sent().has(BP_REQUEST));
}

TEST_F(Publisher, BeyondItsBoundTheOldestIsGivenUp) {
  start({{"max_held", "2"}});
  for (const auto* payload : {"1", "2", "3"}) publish(request_of("c", payload));
  EXPECT_EQ(message_in(next_sent(host())).payload, "1");
  EXPECT_EQ(host().metric("held"), 2);
}

TEST_F(Publisher, AMonitorOfEverythingGetsWhatNobodyElseWants) {
  start({{"hold", "20ms"}});
  auto& monitor = subscriber("");
  publish(request_of("c", "x"));
  EXPECT_EQ(got(monitor).front(), "c");
  EXPECT_EQ(host().metric("unwanted"), 0);
}

TEST_F(Publisher, AMessageWithoutAClientGoesToSubscribersOfEverythingAndIsNotHeld) {
  start();
  auto& monitor = subscriber("");
  publish(request_of("", "x"));
  EXPECT_EQ(got(monitor), (Frames{"", bytes_of(request_of("", "x"))}));
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(Publisher, AMonitorOfAPrefixDoesNotTakeTheClientsResult) {
  start({{"grace", "100ms"}});
  auto& monitor = subscriber("cl");
  publish(request_of("client", "x"));
  EXPECT_EQ(host().holding(), 1u);
  auto& client = subscriber("client");
  EXPECT_EQ(message_in(got(client)).payload, "x");
  EXPECT_EQ(message_in(got(monitor)).payload, "x");
}

TEST_F(Publisher, AcknowledgesARequestWithAnEmptyFeedback) {
  start();
  host().deliver(host().request("", {bytes_of(request_of("c", "x"))}));
  ASSERT_EQ(host().replies().size(), 1u);
  EXPECT_EQ(frames(host().replies()[0].message), Frames{""});
}

TEST_F(Publisher, ASlowSubscriberOfTwelveThousandResultsMissesNone) {
  start();
  auto& slow = subscriber("c");
  const std::string filling(8192, 'x');
  constexpr int count = 12'000;
  for (int i = 0; i < count; ++i) publish(request_of("c", std::to_string(i) + " " + filling));
  for (int i = 0; i < count; ++i)
    ASSERT_TRUE(message_in(got(slow)).payload.starts_with(std::to_string(i) + " "));
}

TEST_F(Publisher, ASubscriberSlowerThanItsQueueHoldsBackTheSendersAndMissesNone) {
  start({{"send_hwm", "5"}, {"send_buffer", "4KiB"}});
  auto& slow = subscriber("c");
  slow.set(ZMQ_RCVHWM, 5);
  const std::string filling(50'000, 'x');
  int busy = 0;
  for (int i = 0; i < 500; ++i)
    if (publish(request_of("c", std::to_string(i) + " " + filling)) == BP_BUSY) ++busy;
  EXPECT_GT(busy, 0);
  for (int i = 0; i < 500; ++i)
    ASSERT_TRUE(message_in(got(slow)).payload.starts_with(std::to_string(i) + " ")) << i;
}

// ---- clients as pylm has them -----------------------------------------------------------------------

// A server that answers at once: a palm.pull and a palm.pub of one host on one loop.
class EvalServer {
 public:
  EvalServer() {
    pull_.start();
    pub_.start();
  }
  // Runs both until the client has its answer.
  template <typename Subscriber>
  std::optional<Frames> answer_of(Subscriber& subscriber) {
    std::optional<Frames> got;
    test::eventually([&] {
      pull_.run_ready();
      while (!pull_.sent().empty()) {
        auto message = message_in(frames(pull_.take_sent()));
        pub_.deliver(pub_.message({bytes_of(change_payload(message, "re: " + message.payload))}));
      }
      pub_.run_ready();
      return (got = subscriber.receive_now()).has_value();
    });
    return got;
  }
  std::string pull_address() { return endpoint_of(pull_); }
  std::string pub_address() { return endpoint_of(pub_); }
  FakeHost& pub() { return pub_; }

 private:
  FakeComponent<Pull> pull_{{{"bind", any_port}, {"fill_cache", "false"}}};
  FakeComponent<Pub> pub_{{{"bind", any_port}}, same_host()};

  FakeSettings same_host() {
    FakeSettings settings;
    settings.zmq_context = pull_.zmq_context();
    return settings;
  }
};

// The sockets of one call as a pylm client has them: PUSH, then SUB, of one libzmq context.
class CallSockets {
 public:
  CallSockets(const std::string& push_address, const std::string& pub_address) {
    const int no_linger = 0;
    for (void* socket : {push_, sub_}) zmq_setsockopt(socket, ZMQ_LINGER, &no_linger, sizeof no_linger);
    zmq_connect(push_, push_address.c_str());
    zmq_setsockopt(sub_, ZMQ_SUBSCRIBE, "client", 6);
    zmq_connect(sub_, pub_address.c_str());
  }
  CallSockets(const CallSockets&) = delete;
  CallSockets& operator=(const CallSockets&) = delete;
  ~CallSockets() {
    zmq_close(push_);
    zmq_close(sub_);
    zmq_ctx_term(context_);
  }
  void send(const std::string& bytes) { zmq_send(push_, bytes.data(), bytes.size(), 0); }
  std::optional<Frames> receive_now() {
    Frames all;
    zmq::Frame frame;
    while (zmq_msg_recv(frame.raw(), sub_, all.empty() ? ZMQ_DONTWAIT : 0) >= 0) {
      all.emplace_back(frame.view());
      if (zmq_msg_more(frame.raw()) == 0) return all;
    }
    return std::nullopt;
  }

 private:
  void* context_ = zmq_ctx_new();
  void* push_ = zmq_socket(context_, ZMQ_PUSH);
  void* sub_ = zmq_socket(context_, ZMQ_SUB);
};

TEST(PalmClients, TwoHundredCallsEachWithNewSocketsGetEveryAnswer) {
  EvalServer server;
  std::optional<CallSockets> sockets;
  for (int i = 0; i < 200; ++i) {
    const auto body = std::to_string(i);
    sockets.emplace(server.pull_address(), server.pub_address());
    sockets->send(bytes_of(request_of("client", body)));
    const auto got = server.answer_of(*sockets);
    ASSERT_TRUE(got) << i;
    ASSERT_EQ(message_in(*got).payload, "re: " + body);
  }
}

TEST(PalmClients, ASubscriptionThatComesAfterTheAnswerIsMadeGetsIt) {
  EvalServer server;
  Peer push(ZMQ_PUSH);
  push.connect(server.pull_address());
  push.send({bytes_of(request_of("client", "early"))});
  server.pub().run_for(20ms);
  Peer sub(ZMQ_SUB);
  sub.subscribe("client").connect(server.pub_address());
  EXPECT_EQ(message_in(server.answer_of(sub).value_or(Frames{})).payload, "re: early");
}

}  // namespace
}  // namespace backplane::palm
