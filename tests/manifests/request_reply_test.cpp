#include <set>

#include "manifests/manifest_test.hpp"

namespace backplane::test {
namespace {

class RequestReply : public ManifestTest {
 protected:
  std::string first_ = free_endpoint();
  std::string second_ = free_endpoint();
};

TEST_F(RequestReply, EveryPeerGetsItsOwnAnswer) {
  auto& host = run("request_reply/functions.yaml", {{"REP", first_}, {"ROUTER", second_}});
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 10; ++i) {
    peers.push_back(std::make_unique<Peer>(ZMQ_REQ));
    peers.back()->connect(first_);
  }
  for (int round = 0; round < 5; ++round) {
    for (std::size_t i = 0; i < peers.size(); ++i) ASSERT_TRUE(peers[i]->send({"peer " + std::to_string(i)}));
    for (std::size_t i = 0; i < peers.size(); ++i)
      EXPECT_EQ(peers[i]->receive(), (Frames{"PEER " + std::to_string(i)}));
  }
  expect_clean_stop(host);
}

TEST_F(RequestReply, ManyRequestsAreInFlightAtOnce) {
  auto& host = run("request_reply/functions.yaml", {{"REP", first_}, {"ROUTER", second_}});
  Peer one(ZMQ_DEALER);
  Peer two(ZMQ_DEALER);
  one.connect(second_);
  two.connect(second_);
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(one.send({"", "one " + std::to_string(i)}));
    ASSERT_TRUE(two.send({"", "two " + std::to_string(i)}));
  }
  const auto answers = [](Peer& peer) {
    std::set<std::string> all;
    for (const auto& frames : peer.receive_many(500)) all.insert(frames.back());
    return all;
  };
  std::set<std::string> expected_one;
  std::set<std::string> expected_two;
  for (int i = 0; i < 500; ++i) {
    expected_one.insert("ONE " + std::to_string(i));
    expected_two.insert("TWO " + std::to_string(i));
  }
  EXPECT_EQ(answers(one), expected_one);
  EXPECT_EQ(answers(two), expected_two);
  expect_clean_stop(host);
  EXPECT_EQ(host.ledger_count("route many -> upper", "out"), 1000u);
}

TEST_F(RequestReply, WorkersOutsideAnswerThroughTheHost) {
  auto& host = run("request_reply/workers.yaml", {{"CLIENTS", first_}, {"WORKERS", second_}});
  Peer workers[] = {Peer(ZMQ_REP), Peer(ZMQ_REP)};
  for (auto& worker : workers) worker.connect(second_);
  Peer client(ZMQ_REQ);
  client.connect(first_);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(client.send({"job " + std::to_string(i)}));
    std::optional<Frames> answer;
    ASSERT_TRUE(eventually([&] {
      for (auto& worker : workers)
        if (const auto job = worker.receive_now()) worker.send({"done " + job->front()});
      answer = client.receive_now();
      return answer.has_value();
    }));
    EXPECT_EQ(answer, (Frames{"done job " + std::to_string(i)}));
  }
  expect_clean_stop(host);
}

TEST_F(RequestReply, PeersKeepValuesInTheCache) {
  auto& host = run("cache.yaml", {{"CACHE", first_}});
  Peer peer(ZMQ_REQ);
  peer.connect(first_);
  const auto ask = [&](const Frames& request) {
    EXPECT_TRUE(peer.send(request));
    return peer.receive();
  };
  EXPECT_EQ(ask({"get", "colour"}), (Frames{"missing"}));
  EXPECT_EQ(ask({"set", "colour", "blue"}), (Frames{"ok"}));
  EXPECT_EQ(ask({"get", "colour"}), (Frames{"ok", "blue"}));
  EXPECT_EQ(host.stop(), 0) << host.errors();
}

}  // namespace
}  // namespace backplane::test
