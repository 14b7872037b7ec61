// palm::Client against raw sockets that play the server.
#include <backplane/palm/client.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <map>
#include <set>

#include "support/palm_server.hpp"
#include "support/vectors.hpp"

namespace backplane::palm {
namespace {

using test::Frames;
using test::PalmServer;
using test::Peer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

// What `body` throws, as "type: text"; empty: nothing.
template <typename Body>
std::string error_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.type() + ": " + error.what();
  }
  return {};
}

// Items as a source; the same object says how many were taken.
struct Numbers {
  int count;
  int* taken = nullptr;
  int next = 0;
  std::optional<std::string> operator()() {
    if (next == count) return std::nullopt;
    if (taken != nullptr) ++*taken;
    return std::to_string(next++);
  }
};

// ---- the frames, as programs of pylm exchange them ----

// The server's side, played by the test step by step.
class PalmClientFrames : public ::testing::Test {
 protected:
  // A recorded message as the client under test must write it: with its own identifiers.
  std::string expected(const std::string& name, const PalmMessage& sent) const {
    const auto bytes = golden(name);
    PalmMessage message(read(bytes));
    message.client = sent.client;
    message.pipeline = sent.pipeline;
    return encode(message.fields());
  }

  // Checks a request to the cache against a recorded one and answers it.
  PalmMessage answer(const std::string& name, const std::string& reply) {
    const auto frames = db_.receive();
    EXPECT_TRUE(frames && frames->size() == 1) << name;
    if (!frames) return {};
    PalmMessage request(read(frames->at(0)));
    EXPECT_EQ(frames->at(0), expected(name, request)) << name;
    db_.send({reply});
    return request;
  }

  std::future<std::unique_ptr<Client>> construct(ClientOptions options) {
    options.server = "my_server";
    return std::async(std::launch::async,
                      [this, options] { return std::make_unique<Client>(db_address_, options); });
  }
  std::unique_ptr<Client> constructed(const ClientOptions& options = {}) {
    auto client = construct(options);
    answer("get_name", golden("name"));
    answer("get_pub_address", pub_address_);
    answer("get_pull_address", pull_address_);
    return client.get();
  }

  // A frame of a real run, by its name.
  std::string golden(const std::string& name) const {
    return test::from_hex(frames_.at(name).at("hex").get<std::string>());
  }

  const nlohmann::json frames_ = test::vectors("palm/client.json", "frames");
  Peer db_{ZMQ_REP};
  Peer pull_{ZMQ_PULL};
  Peer publisher_{ZMQ_XPUB};
  std::string db_address_ = db_.bind();
  std::string pull_address_ = pull_.bind();
  std::string pub_address_ = publisher_.bind();
};

TEST_F(PalmClientFrames, AsksForNameAndAddressesAndSubscribesBeforeItIsReady) {
  const auto client = constructed();
  EXPECT_EQ(publisher_.receive(), (Frames{"\1" + client->uuid()}));
  EXPECT_EQ(client->server(), "my_server");
  EXPECT_EQ(client->push_address(), pull_address_);
  EXPECT_EQ(client->sub_address(), pub_address_);
}

TEST_F(PalmClientFrames, AsksOnlyForWhatItWasNotGiven) {
  auto client = construct({.push_address = pull_address_, .sub_address = pub_address_});
  answer("get_name", "my_server");
  EXPECT_EQ(client.get()->push_address(), pull_address_);
  EXPECT_EQ(db_.receive_now(), std::nullopt);
}

TEST_F(PalmClientFrames, CallsAndTakesTheReply) {
  const auto client = constructed();
  publisher_.receive();
  auto result = std::async(std::launch::async,
                           [&] { return client->eval("my_server.foo", "a message", {.cache = "a-key"}); });
  const auto frames = pull_.receive();
  ASSERT_TRUE(frames && frames->size() == 1);
  const PalmMessage sent(read(frames->at(0)));
  EXPECT_EQ(sent.client, client->uuid());
  EXPECT_EQ(frames->at(0), expected("call", sent));
  publisher_.send({client->uuid(), expected("call_reply", sent)});
  EXPECT_EQ(result.get(), "you sent me a message");
}

TEST_F(PalmClientFrames, APayloadOfZeroIsData) {
  const auto client = constructed();
  publisher_.receive();
  auto result = std::async(std::launch::async, [&] { return client->eval("my_server.boom", "a message"); });
  const PalmMessage sent(read(pull_.receive().value().at(0)));
  publisher_.send({client->uuid(), expected("failed_reply", sent)});
  EXPECT_EQ(result.get(), "0");
}

TEST_F(PalmClientFrames, TakesAReplyWhoseKeyTheServerChose) {
  const auto client = constructed();
  publisher_.receive();
  auto result = std::async(std::launch::async, [&] { return client->eval("my_server.foo", "rewrite"); });
  const PalmMessage sent(read(pull_.receive().value().at(0)));
  publisher_.send({client->uuid(), expected("gathered_reply", sent)});
  EXPECT_EQ(result.get(), "final message");
}

TEST_F(PalmClientFrames, SetsGetsAndRemoves) {
  const auto client = constructed();
  auto done = std::async(std::launch::async, [&] {
    EXPECT_EQ(client->set("value", "key"), "key");
    EXPECT_EQ(client->get("key"), "value");
    EXPECT_TRUE(client->remove("key"));
  });
  answer("set", "key");
  answer("get", "value");
  answer("delete", "key");
  done.get();
}

TEST_F(PalmClientFrames, ASessionPrefixesTheKeysThatAreSet) {
  const auto client = constructed({.session = "sess-1"});
  auto done = std::async(std::launch::async, [&] {
    EXPECT_EQ(client->set("value", "key"), "sess-1key");
    EXPECT_EQ(client->get("key"), "");
  });
  answer("session_set", "sess-1key");
  answer("session_get", "");
  done.get();
}

TEST_F(PalmClientFrames, ASymmetricSessionPrefixesAllKeys) {
  const auto client = constructed({.session = "sess-1", .symmetric_session = true});
  auto value = std::async(std::launch::async, [&] { return client->get("key"); });
  const PalmMessage request(read(db_.receive().value().at(0)));
  EXPECT_EQ(request.payload, "sess-1key");
  db_.send({"value"});
  EXPECT_EQ(value.get(), "value");
}

TEST_F(PalmClientFrames, ASessionIsThePipelineOfItsMessages) {
  const auto client = constructed({.session = "sess-1"});
  publisher_.receive();
  auto result = std::async(std::launch::async, [&] { return client->eval("my_server.foo", "x"); });
  PalmMessage sent(read(pull_.receive().value().at(0)));
  EXPECT_EQ(sent.cache.size(), 36u);
  publisher_.send({client->uuid(), encode(sent.fields())});
  result.get();
  sent.cache.clear();
  EXPECT_EQ(encode(sent.fields()), expected("session_call", sent));
  EXPECT_EQ(sent.pipeline, "sess-1");
}

TEST_F(PalmClientFrames, IgnoresAndCountsWhatIsNoReply) {
  const auto client = constructed();
  publisher_.receive();
  auto result = std::async(std::launch::async, [&] { return client->eval("my_server.foo", "x"); });
  const PalmMessage sent(read(pull_.receive().value().at(0)));
  const auto reply = encode(PalmServer::with(sent, "good").fields());
  publisher_.send({client->uuid(), "\x0a\xff"});
  publisher_.send({client->uuid() + "longer", reply});
  publisher_.send({client->uuid(), reply, "more"});
  publisher_.send({client->uuid(), reply});
  EXPECT_EQ(result.get(), "good");
  EXPECT_EQ(client->undecodable(), 3u);
}

// ---- calls ----

TEST(PalmClient, TakesTheServersNameWhenNoneIsWanted) {
  PalmServer server(PalmServer::foo);
  Client client(server.db_address());
  EXPECT_EQ(client.server(), "server");
  EXPECT_EQ(client.eval("server.foo", "a"), "you sent me a");
  EXPECT_EQ(client.eval("server.foo", ""), "you sent me ");
}

TEST(PalmClient, JoinsTheStepsOfACall) {
  PalmServer server([](const PalmMessage& message) {
    return PalmServer::Replies{PalmServer::with(message, message.function)};
  });
  Client client(server.db_address());
  EXPECT_EQ(client.eval({"a.f", "b.g"}, ""), "a.f b.g");
  EXPECT_EQ(client.eval(std::vector<std::string>{"a.f"}, ""), "a.f");
  EXPECT_EQ(client.eval("a.f b.g", ""), "a.f b.g");
}

TEST(PalmClient, WaitsForAllRepliesOfACall) {
  PalmServer server([](const PalmMessage& message) {
    return PalmServer::Replies{PalmServer::with(message, "1"), PalmServer::with(message, "2"), message};
  });
  Client client(server.db_address());
  EXPECT_THAT(client.eval_many("server.foo", "3", 3), ElementsAre("1", "2", "3"));
  EXPECT_THAT(client.eval_many("server.foo", "3", 0), ElementsAre());
}

TEST(PalmClient, ThrowsTheErrorOfAMarkedReply) {
  PalmServer server([](const PalmMessage& message) {
    return PalmServer::Replies{PalmServer::failing(message, "unknown_function: there is no \"nothing\"")};
  });
  Client client(server.db_address());
  EXPECT_EQ(error_of([&] { client.eval("server.nothing", ""); }),
            "unknown_function: there is no \"nothing\"");
}

TEST(PalmClient, ALateReplyIsNotTakenForThatOfTheNextCall) {
  std::vector<PalmMessage> kept;
  PalmServer server([&kept](const PalmMessage& message) {
    kept.push_back(message);
    if (message.payload == "first") return PalmServer::Replies{};
    return PalmServer::Replies{kept.front(), message};
  });
  Client client(server.db_address(), {.timeout = 300ms});
  EXPECT_THAT(error_of([&] { client.eval("server.foo", "first"); }), HasSubstr("TimeoutExpired: no reply"));
  EXPECT_EQ(client.eval("server.foo", "second"), "second");
  EXPECT_EQ(client.late(), 1u);
}

TEST(PalmClient, TwoClientsOfOneServerGetTheirOwnReplies) {
  PalmServer server(PalmServer::foo);
  Client one(server.db_address());
  Client two(server.db_address());
  EXPECT_EQ(one.eval("server.foo", "1"), "you sent me 1");
  EXPECT_EQ(two.eval("server.foo", "2"), "you sent me 2");
}

TEST(PalmClient, TwoClientsMayShareAContext) {
  void* context = zmq_ctx_new();
  {
    PalmServer server(PalmServer::foo);
    Client one(server.db_address(), {.zmq_context = context});
    Client two(server.db_address(), {.zmq_context = context});
    EXPECT_EQ(one.eval("server.foo", "1") + two.eval("server.foo", "2"), "you sent me 1you sent me 2");
  }
  EXPECT_EQ(zmq_ctx_term(context), 0);
}

TEST(PalmClient, ReachesAServerThatAdvertisesAllInterfaces) {
  EXPECT_EQ(client_detail::reachable("tcp://*:5555", "tcp://127.0.0.1:5559"), "tcp://127.0.0.1:5555");
  EXPECT_EQ(client_detail::reachable("tcp://0.0.0.0:5555", "tcp://[::1]:5559"), "tcp://[::1]:5555");
  EXPECT_EQ(client_detail::reachable("tcp://10.0.0.1:1", "tcp://127.0.0.1:5559"), "tcp://10.0.0.1:1");
  EXPECT_EQ(client_detail::reachable("tcp://*:1", "ipc://here"), "tcp://*:1");
}

// ---- jobs ----

TEST(PalmClient, AJobGetsTheReplyToEveryItem) {
  PalmServer server(PalmServer::foo);
  Client client(server.db_address());
  std::map<std::uint64_t, std::string> replies;
  const auto counts =
      client.job("server.foo", Numbers{5000}, [&](std::uint64_t index, const JobReply& reply) {
        EXPECT_TRUE(replies.emplace(index, reply.payload).second);
      });
  ASSERT_EQ(replies.size(), 5000u);
  for (const auto& [index, reply] : replies) ASSERT_EQ(reply, "you sent me " + std::to_string(index));
  EXPECT_EQ(counts.sent, 5000u);
  EXPECT_EQ(counts.replies, 5000u);
  EXPECT_EQ(counts.done, 5000u);
  EXPECT_EQ(counts.failed, 0u);
}

// Answers in pairs, the later one first.
PalmServer::Function swapping() {
  return [kept = std::make_shared<PalmServer::Replies>()](const PalmMessage& message) {
    kept->insert(kept->begin(), message);
    return kept->size() < 2 ? PalmServer::Replies{} : std::exchange(*kept, {});
  };
}

TEST(PalmClient, AJobHandsRepliesOverAsTheyCome) {
  PalmServer server(swapping());
  Client client(server.db_address());
  std::vector<std::uint64_t> order;
  client.job("server.foo", Numbers{6}, [&](std::uint64_t index, const JobReply&) { order.push_back(index); });
  EXPECT_THAT(order, ElementsAre(1, 0, 3, 2, 5, 4));
}

TEST(PalmClient, AnOrderedJobHandsThemOverInTheOrderOfItsItems) {
  PalmServer server(swapping());
  Client client(server.db_address());
  std::vector<std::string> order;
  client.job("server.foo", Numbers{6},
             [&](std::uint64_t, const JobReply& reply) { order.push_back(reply.payload); },
             {.ordered = true});
  EXPECT_THAT(order, ElementsAre("0", "1", "2", "3", "4", "5"));
}

TEST(PalmClient, AJobMayHaveSeveralRepliesToAnItem) {
  PalmServer server([](const PalmMessage& message) { return PalmServer::Replies{message, message}; });
  Client client(server.db_address());
  std::vector<std::uint64_t> order;
  const auto counts = client.job("server.foo", Numbers{3},
                                 [&](std::uint64_t index, const JobReply&) { order.push_back(index); },
                                 {.messages = 2, .ordered = true});
  EXPECT_THAT(order, ElementsAre(0, 0, 1, 1, 2, 2));
  EXPECT_EQ(counts.done, 3u);
  EXPECT_EQ(counts.replies, 6u);
}

TEST(PalmClient, AJobKeepsNoMoreThanItsWindowInFlight) {
  std::atomic<int> seen = 0;
  PalmServer server([&seen](const PalmMessage& message) {
    ++seen;
    return PalmServer::Replies{message};
  });
  Client client(server.db_address());
  int taken = 0;
  int done = 0;
  client.job("server.foo", Numbers{50, &taken},
             [&](std::uint64_t, const JobReply&) {
               ++done;
               EXPECT_LE(taken - done, 4);
             },
             {.window = 4});
  EXPECT_EQ(seen, 50);
}

TEST(PalmClient, AJobWithAKeyOfTheUsersMatchesByOrder) {
  PalmServer server([](const PalmMessage& message) {
    return PalmServer::Replies{PalmServer::with(message, message.cache + message.payload)};
  });
  Client client(server.db_address());
  std::vector<std::string> replies;
  client.job("server.foo", Numbers{3},
             [&](std::uint64_t index, const JobReply& reply) {
               replies.push_back(std::to_string(index) + reply.payload);
             },
             {.cache = "k"});
  EXPECT_THAT(replies, ElementsAre("0k0", "1k1", "2k2"));
}

TEST(PalmClient, AJobToldOfErrorsGoesOn) {
  PalmServer server([](const PalmMessage& message) {
    return message.payload == "1" ? PalmServer::Replies{PalmServer::failing(message, "function_failed: no")}
                                  : PalmServer::Replies{message};
  });
  Client client(server.db_address());
  std::vector<std::string> failed;
  const auto counts = client.job("server.foo", Numbers{3}, [&](std::uint64_t index, const JobReply& reply) {
    if (!reply.ok())
      failed.push_back(std::to_string(index) + " " + reply.error->type() + " " + reply.error->what());
  });
  EXPECT_THAT(failed, ElementsAre("1 function_failed no"));
  EXPECT_EQ(counts.done, 2u);
  EXPECT_EQ(counts.failed, 1u);
}

TEST(PalmClient, AJobGivesUpWhatIsNeverAnswered) {
  PalmServer server([](const PalmMessage& message) {
    return message.payload == "1" ? PalmServer::Replies{} : PalmServer::Replies{message};
  });
  Client client(server.db_address(), {.timeout = 300ms});
  std::vector<std::string> order;
  const auto counts = client.job("server.foo", Numbers{10},
                                 [&](std::uint64_t, const JobReply& reply) {
                                   order.push_back(reply.ok() ? reply.payload : reply.error->type());
                                 },
                                 {.window = 3, .ordered = true});
  EXPECT_THAT(order, ElementsAre("0", "TimeoutExpired", "2", "3", "4", "5", "6", "7", "8", "9"));
  EXPECT_EQ(counts.failed, 1u);
}

TEST(PalmClient, AJobEndsWhenTheServerIsSilent) {
  PalmServer server([](const PalmMessage&) { return PalmServer::Replies{}; });
  Client client(server.db_address(), {.timeout = 200ms});
  int taken = 0;
  const auto counts =
      client.job("server.foo", Numbers{100, &taken},
                 [](std::uint64_t, const JobReply& reply) { EXPECT_FALSE(reply.ok()); }, {.window = 5});
  EXPECT_EQ(taken, 5);
  EXPECT_EQ(counts.failed, 5u);
}

TEST(PalmClient, AJobThatIsInterruptedCountsWhatItLeaves) {
  PalmServer server([](const PalmMessage&) { return PalmServer::Replies{}; });
  Client client(server.db_address());
  int asked = 0;
  const auto counts = client.job("server.foo", Numbers{3}, [](std::uint64_t, const JobReply&) { FAIL(); },
                                 {.interrupted = [&] { return ++asked == 3; }});
  EXPECT_EQ(counts.sent, 3u);
  EXPECT_EQ(counts.abandoned, 3u);
}

TEST(PalmClient, AJobWaitsForItsSourceAndTakesRepliesMeanwhile) {
  PalmServer server(PalmServer::foo);
  Client client(server.db_address());
  int replies = 0;
  int sent = 0;
  const JobSource source = [&](std::string& payload) {
    if (sent == 3) return Supply::end;
    if (replies < sent) return Supply::later;  // the next item is made of the reply before
    payload = std::to_string(sent++);
    return Supply::item;
  };
  const auto counts = client.job("server.foo", source, [&](std::uint64_t, const JobReply&) { ++replies; });
  EXPECT_EQ(counts.done, 3u);
}

TEST(PalmClient, AJobSurvivesAServerThatTakesNothingForAWhile) {
  PalmServer server(PalmServer::foo);
  Client client(server.db_address());
  server.hold(true);
  auto release = std::async(std::launch::async, [&] {
    std::this_thread::sleep_for(500ms);
    server.hold(false);
  });
  const std::string large(100'000, 'x');
  int left = 3000;
  int replies = 0;
  client.job(
      "server.foo",
      [&]() -> std::optional<std::string> { return left-- > 0 ? std::optional(large) : std::nullopt; },
      [&](std::uint64_t, const JobReply& reply) { replies += reply.ok() ? 1 : 0; }, {.window = 3000});
  EXPECT_EQ(replies, 3000);
}

TEST(PalmClient, AfterAJobWhoseSinkThrewTheClientWorksOn) {
  PalmServer server(PalmServer::foo);
  Client client(server.db_address());
  EXPECT_THROW(client.job("server.foo", Numbers{10},
                          [](std::uint64_t, const JobReply&) { throw std::runtime_error("no"); }),
               std::runtime_error);
  EXPECT_EQ(client.eval("server.foo", "after"), "you sent me after");
}

// ---- every error path ----

TEST(PalmClient, RefusesAServerOfAnotherName) {
  PalmServer server(PalmServer::foo);
  EXPECT_THAT(error_of([&] { Client(server.db_address(), {.server = "other"}); }),
              HasSubstr("is \"server\", not \"other\""));
}

TEST(PalmClient, SaysThatTheCacheDoesNotAnswerAndIsUsableAfterwards) {
  Peer db(ZMQ_REP);
  const auto address = db.bind();
  Client client(address, {.fetch_configuration = false, .timeout = 200ms});
  EXPECT_EQ(error_of([&] { client.get("key"); }), "TimeoutExpired: no answer to \"get\" from " + address);
  ASSERT_TRUE(db.receive());
  db.send({"too late"});
  auto value = std::async(std::launch::async, [&] { return client.get("key"); });
  ASSERT_TRUE(db.receive());
  db.send({"in time"});
  EXPECT_EQ(value.get(), "in time");
}

TEST(PalmClient, SaysThatNobodyIsThere) {
  EXPECT_THAT(error_of([] { Client(test::free_endpoint(), {.timeout = 100ms}); }),
              HasSubstr("TimeoutExpired"));
}

TEST(PalmClient, StopsWaitingWhenItIsInterrupted) {
  int asked = 0;
  const auto interrupted = [&asked] { return ++asked == 2; };
  EXPECT_THAT(error_of([&] { Client(test::free_endpoint(), {.timeout = 0s, .interrupted = interrupted}); }),
              HasSubstr("Interrupted: "));
  PalmServer server([](const PalmMessage&) { return PalmServer::Replies{}; });
  asked = 0;
  Client client(server.db_address(), {.timeout = 0s, .interrupted = interrupted});
  EXPECT_THAT(error_of([&] { client.eval("server.foo", ""); }), HasSubstr("Interrupted: "));
}

TEST(PalmClient, SaysThatAnAddressOfTheServerLeadsNowhere) {
  const auto nowhere = test::free_endpoint();
  PalmServer server(PalmServer::foo, {{"name", "server"}, {"pull_address", nowhere}});
  EXPECT_EQ(error_of([&] { Client(server.db_address(), {.timeout = 200ms}); }),
            "TimeoutExpired: no connection to " + nowhere);
}

TEST(PalmClient, UsesTheCacheOfAServerThatTakesNoMessages) {
  PalmServer server(PalmServer::foo, {{"name", "server"}, {"pull_address", ""}});
  Client client(server.db_address());
  EXPECT_EQ(client.set("value"), "made-up-key");
  EXPECT_EQ(client.get("made-up-key"), "value");
  EXPECT_FALSE(client.remove("missing"));
  EXPECT_THAT(error_of([&] { client.eval("server.foo", ""); }), HasSubstr("NoAddress: "));
  EXPECT_THAT(error_of([&] { client.job("server.foo", Numbers{1}, [](std::uint64_t, const JobReply&) {}); }),
              HasSubstr("NoAddress: "));
}

TEST(PalmClient, NamesAnAddressThatIsNone) {
  EXPECT_EQ(error_of([] { Client("nonsense"); }),
            "ZmqError: cannot connect to \"nonsense\": Invalid argument");
}

}  // namespace
}  // namespace backplane::palm
