// palm.client with the sockets of a server on the other side, one that publishes with a plain PUB.
#include "palm/client.hpp"

#include "plugins/palm/verbs.hpp"

namespace backplane::palm {
namespace {

class ServerSockets {
 public:
  explicit ServerSockets(const std::string& db = any_port, const std::string& pull = any_port,
                         const std::string& pub = any_port) {
    db_address = db_.bind(db);
    pub_.set(ZMQ_SNDHWM, 0);
    keys["name"] = "server";
    keys["pull_address"] = pull_.bind(pull);
    keys["pub_address"] = pub_.bind(pub);
  }
  void serve() {
    if (const auto asked = db_.receive_now()) {
      asked_for.push_back(message_in(*asked).payload);
      db_.send({keys[asked_for.back()]});
    }
    while (const auto next = pull_.receive_now()) {
      requests.push_back(message_in(*next));
      answer(requests.back());
    }
  }
  void publish(const PalmMessage& message) { pub_.send({message.client, bytes_of(message)}); }

  std::map<std::string, std::string> keys;
  std::vector<std::string> asked_for;
  std::vector<PalmMessage> requests;
  std::string db_address;
  // What the server does with a request.
  std::function<void(const PalmMessage&)> answer = [this](const PalmMessage& request) {
    publish(change_payload(request, "re: " + request.payload));
  };

 private:
  Peer db_{ZMQ_REP};
  Peer pull_{ZMQ_PULL};
  Peer pub_{ZMQ_PUB};
};

class ClientOfAServer : public testing::Test {
 protected:
  void start(std::vector<OptionText> options = {}) {
    options.emplace_back("connect", server_->db_address);
    options.emplace_back("reconnect_interval", "10ms");
    host_.emplace(options);
    host_->start();
  }
  template <typename Condition>
  bool until(Condition condition) {
    return host_->run_until(
        [&] {
          if (server_) server_->serve();
          return condition();
        },
        kPatience);
  }
  PalmMessage next() {
    if (!until([&] { return !host_->sent().empty(); })) return request_of("nobody", "nothing");
    return message_in(frames(host_->take_sent()));
  }
  FakeReply call(const char* function, const Array& arguments) {
    host_->deliver(host_->request(function, {backplane::encode(Value(arguments))}, BP_MSGPACK));
    EXPECT_TRUE(until([&] { return !host_->replies().empty(); }));
    return host_->take_reply();
  }
  // A first message has been answered: all stands.
  void ask_once() {
    deliver(*host_, request_of("c", "first"));
    EXPECT_EQ(next().payload, "re: first");
  }

  std::optional<ServerSockets> server_{std::in_place};
  std::optional<FakeComponent<Asker>> host_;
};

TEST_F(ClientOfAServer, FindsTheServerAsPylmsClientDoesAndGivesTheAnswersBack) {
  start({{"server", "server"}});
  auto asked = request_of("their client", "hello");
  asked.cache = "their key";
  asked.stage = 2;
  asked.unknown = "\x78\x05";
  EXPECT_EQ(deliver(*host_, asked), BP_BUSY) << "nothing stands yet";
  const auto got = next();
  EXPECT_EQ(server_->asked_for, (std::vector<std::string>{"name", "pub_address", "pull_address"}));
  EXPECT_EQ(got, change_payload(asked, "re: hello"));
  const auto& seen = server_->requests.at(0);
  EXPECT_EQ(seen.pipeline, "stream");
  EXPECT_EQ(seen.function, "server.foo");
  EXPECT_EQ(seen.client.size(), 36u);
}

TEST_F(ClientOfAServer, LosesNoAnswerOfAPlainPublisherThatAnswersAtOnce) {
  start();
  for (int i = 0; i < 500; ++i) deliver(*host_, request_of("c", std::to_string(i)));
  for (int i = 0; i < 500; ++i) ASSERT_EQ(next().payload, "re: " + std::to_string(i));
  EXPECT_TRUE(until([&] { return host_->holding() == 0; }));
}

TEST_F(ClientOfAServer, WithAFunctionPayloadsComeAndGo) {
  start({{"function", "server.bar"}, {"session", "my session"}});
  host_->deliver(host_->message({"plain"}));
  EXPECT_TRUE(until([&] { return !host_->sent().empty(); }));
  EXPECT_EQ(frames(host_->take_sent()), Frames{"re: plain"});
  EXPECT_EQ(server_->requests.at(0).function, "server.bar");
  EXPECT_EQ(server_->requests.at(0).pipeline, "my session");
}

TEST_F(ClientOfAServer, AMessageMayHaveSeveralAnswers) {
  start({{"messages", "3"}});
  server_->answer = [&](const PalmMessage& request) {
    for (const auto* payload : {"a", "b", "c", "d"}) server_->publish(change_payload(request, payload));
  };
  deliver(*host_, request_of("c", "x"));
  for (const auto* payload : {"a", "b", "c"}) EXPECT_EQ(next().payload, payload);
  EXPECT_TRUE(until([&] { return host_->metric("unexpected") == 1; }));
}

TEST_F(ClientOfAServer, WhoeverAskedGetsTheFirstAnswer) {
  start();
  host_->deliver(host_->request("", {bytes_of(request_of("c", "x"))}));
  ASSERT_TRUE(until([&] { return !host_->replies().empty(); }));
  EXPECT_EQ(message_in(frames(host_->replies()[0].message)).payload, "re: x");
}

TEST_F(ClientOfAServer, ItsFunctionsCallThoseOfTheServer) {
  start({{"functions", "[server.foo]"}});
  ask_once();
  const auto evaluated = call("eval", {"server.bar", Bytes{"x"}});
  ASSERT_FALSE(evaluated.is_error()) << evaluated.error_message;
  EXPECT_EQ(server_->requests.back().function, "server.bar");
  const auto named = call("server.foo", {Bytes{"y"}});
  ASSERT_FALSE(named.is_error()) << named.error_message;
  EXPECT_EQ(server_->requests.back().function, "server.foo");
}

TEST_F(ClientOfAServer, APayloadMayBeText) {
  start({{"functions", "[server.foo]"}});
  ask_once();
  for (const auto* function : {"eval", "server.foo"}) {
    const auto named = std::string(function) == "eval" ? Array{"server.foo", "x"} : Array{"x"};
    ASSERT_FALSE(call(function, named).is_error());
    EXPECT_EQ(server_->requests.back().payload, "x");
  }
  EXPECT_EQ(call("server.foo", {5}).error_type, "InvalidCallArguments");
}

TEST_F(ClientOfAServer, AFunctionIsAnsweredWithTheFirstOfSeveralAnswers) {
  start({{"messages", "2"}});
  server_->answer = [&](const PalmMessage& request) {
    for (const auto* payload : {"a", "b"}) server_->publish(change_payload(request, payload));
  };
  deliver(*host_, request_of("c", "x"));
  EXPECT_EQ(next().payload, "a");
  EXPECT_EQ(next().payload, "b");
  const auto reply = call("eval", {"server.foo", Bytes{"x"}});
  EXPECT_EQ(backplane::decode(reply.message[0]), Value(Bytes{"a"}));
  EXPECT_TRUE(until([&] { return host_->metric("unexpected") == 1; }));
}

TEST_F(ClientOfAServer, AnErrorOfTheServerIsAnErrorOfTheCall) {
  start();
  ask_once();
  server_->answer = [&](const PalmMessage& request) {
    auto failed = change_payload(request, "0");
    failed.error = "function_failed: no";
    server_->publish(failed);
  };
  const auto reply = call("eval", {"server.foo", Bytes{"x"}});
  EXPECT_EQ(reply.error_type, "function_failed");
  EXPECT_EQ(reply.error_message, "no");
  deliver(*host_, request_of("c", "x"));
  EXPECT_EQ(next().error, "function_failed: no");
}

TEST_F(ClientOfAServer, WithoutAnAnswerInTimeWhoeverAskedIsTold) {
  start({{"timeout", "100ms"}});
  server_->answer = [](const PalmMessage&) {};
  host_->deliver(host_->request("", {bytes_of(request_of("c", "x"))}));
  ASSERT_TRUE(until([&] { return !host_->replies().empty(); }));
  EXPECT_EQ(host_->take_reply().error_type, "TimeoutExpired");
  EXPECT_EQ(call("eval", {"server.foo", Bytes{"x"}}).error_type, "TimeoutExpired");
  EXPECT_EQ(host_->metric("unanswered"), 2);
}

TEST_F(ClientOfAServer, TakesNoMoreThanMayWait) {
  start({{"max_waiting", "2"}});
  std::vector<PalmMessage> held;
  server_->answer = [&](const PalmMessage& request) { held.push_back(request); };
  for (int i = 0; i < 3; ++i) deliver(*host_, request_of("c", std::to_string(i)));
  ASSERT_TRUE(until([&] { return held.size() == 2; }));
  EXPECT_EQ(host_->busy_messages(), 1u);
  server_->publish(held[0]);
  EXPECT_TRUE(until([&] { return held.size() == 3; }));
}

TEST_F(ClientOfAServer, AServerOfAnotherNameEndsIt) {
  start({{"server", "other"}});
  ASSERT_TRUE(until([&] { return host_->failure().has_value(); }));
  EXPECT_EQ(host_->failure()->type(), "WrongServer");
}

TEST_F(ClientOfAServer, AddressesThatCannotBeUsedAreWarnedAboutAndReplacedLater) {
  server_->keys["pull_address"] = "nonsense";
  start();
  ASSERT_TRUE(until([&] { return host_->logged("cannot be used"); }));
  const auto db = server_->db_address;
  server_.reset();
  server_.emplace(db);
  ask_once();
}

TEST_F(ClientOfAServer, GarbageOnItsTopicIsDropped) {
  start();
  ask_once();
  const auto& uuid = server_->requests.at(0).client;
  auto stranger = request_of(uuid, "x");
  stranger.cache = "no such question";
  server_->publish(stranger);
  ASSERT_TRUE(until([&] { return host_->metric("unexpected") == 1; }));
  ask_once();
}

TEST_F(ClientOfAServer, FindsAServerThatComesBackAtTheSameAddresses) {
  start();
  ask_once();
  const auto db = server_->db_address;
  const auto pull = server_->keys["pull_address"];
  const auto pub = server_->keys["pub_address"];
  server_.reset();
  host_->run_for(100ms);
  server_.emplace(db, pull, pub);
  for (int i = 0; i < 20; ++i) deliver(*host_, request_of("c", std::to_string(i)));
  for (int i = 0; i < 20; ++i) ASSERT_EQ(next().payload, "re: " + std::to_string(i));
}

TEST_F(ClientOfAServer, FindsAServerThatComesBackAtOtherAddresses) {
  start();
  ask_once();
  const auto db = server_->db_address;
  server_.reset();
  host_->run_for(100ms);
  server_.emplace(db);
  ASSERT_TRUE(until([&] { return server_->asked_for.size() >= 2; }));
  host_->run_for(100ms);
  ask_once();
}

TEST_F(ClientOfAServer, StoppingTellsThoseWhoWait) {
  start();
  server_->answer = [](const PalmMessage&) {};
  host_->deliver(host_->request("", {bytes_of(request_of("c", "x"))}));
  ASSERT_TRUE(until([&] { return !server_->requests.empty(); }));
  host_->stop();
  ASSERT_EQ(host_->replies().size(), 1u);
  EXPECT_TRUE(host_->replies()[0].is_error());
}

}  // namespace
}  // namespace backplane::palm
