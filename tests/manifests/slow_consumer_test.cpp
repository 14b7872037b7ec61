// One story per overflow policy: 100 messages at once for a worker that is slow, with a window of 10.
#include "manifests/manifest_test.hpp"

namespace backplane::test {
namespace {

using testing::ElementsAreArray;

constexpr int kMessages = 100;
constexpr auto kRoute = "route source -> worker";

class SlowConsumer : public ManifestTest {
 protected:
  HostProcess& run_policy(const std::string& policy, const std::string& delay) {
    auto& host = run("slow_consumer/" + policy + ".yaml",
                     {{"SOURCE", source_}, {"RESULTS", results_}, {"DELAY", delay}});
    sender_.connect(source_);
    receiver_.connect(results_);
    return host;
  }
  // What comes out until a last message has come through; it is sent again until it does, because a policy
  // may drop it.
  std::vector<std::string> receive_to_the_end() {
    std::vector<std::string> texts;
    bool ended = false;
    eventually([&] {
      sender_.send({"end"});
      ++ends_sent_;
      while (const auto frames = receiver_.receive(milliseconds(100))) {
        if (frames->front() != "end") {
          texts.push_back(frames->front());
        } else {
          ++ends_received_;
          ended = true;
        }
      }
      return ended;
    });
    EXPECT_TRUE(ended);
    return texts;
  }
  std::uint64_t ends_lost() const { return ends_sent_ - ends_received_; }

  std::string source_ = free_endpoint();
  std::string results_ = free_endpoint();
  Peer sender_{ZMQ_PUSH};
  Peer receiver_{ZMQ_PULL};
  std::uint64_t ends_sent_ = 0;
  std::uint64_t ends_received_ = 0;
};

bool in_order(const std::vector<std::string>& texts) {
  return std::is_sorted(texts.begin(), texts.end(), [](const auto& left, const auto& right) {
    return std::stoi(left) < std::stoi(right);
  });
}

TEST_F(SlowConsumer, BlockLosesNothing) {
  auto& host = run_policy("block", "2ms");
  ASSERT_TRUE(send_all(sender_, numbered(kMessages)));
  EXPECT_THAT(receiver_.receive_texts(kMessages), ElementsAreArray(numbered(kMessages)));
  expect_clean_stop(host);
  EXPECT_EQ(host.ledger_count(kRoute, "out"), std::uint64_t{kMessages});
  EXPECT_EQ(host.ledger_count(kRoute, "dropped"), 0u);
}

TEST_F(SlowConsumer, SpillLosesNothing) {
  auto& host = run_policy("spill", "2ms");
  ASSERT_TRUE(send_all(sender_, numbered(kMessages)));
  EXPECT_THAT(receiver_.receive_texts(kMessages), ElementsAreArray(numbered(kMessages)));
  expect_clean_stop(host);
  EXPECT_EQ(host.ledger_count(kRoute, "out"), std::uint64_t{kMessages});
  EXPECT_EQ(host.ledger_count(kRoute, "dropped"), 0u);
}

TEST_F(SlowConsumer, DropOldestKeepsTheNewest) {
  auto& host = run_policy("drop_oldest", "30ms");
  ASSERT_TRUE(send_all(sender_, numbered(kMessages)));
  std::vector<std::string> texts;
  while (texts.empty() || texts.back() != "99") {
    const auto frames = receiver_.receive();
    ASSERT_TRUE(frames.has_value()) << "the newest message never came";
    texts.push_back(frames->front());
  }
  EXPECT_TRUE(in_order(texts));
  EXPECT_LT(texts.size(), 60u);
  ASSERT_GE(texts.size(), 9u);
  EXPECT_THAT(std::vector<std::string>(texts.end() - 9, texts.end()),
              ElementsAreArray({"91", "92", "93", "94", "95", "96", "97", "98", "99"}));
  expect_clean_stop(host);
  EXPECT_EQ(host.ledger_count(kRoute, "out"), texts.size());
  EXPECT_EQ(host.ledger_count(kRoute, "dropped"), kMessages - texts.size());
}

TEST_F(SlowConsumer, DropNewestKeepsTheOldest) {
  auto& host = run_policy("drop_newest", "30ms");
  ASSERT_TRUE(send_all(sender_, numbered(kMessages)));
  const auto texts = receive_to_the_end();
  EXPECT_TRUE(in_order(texts));
  EXPECT_LT(texts.size(), 60u);
  ASSERT_GE(texts.size(), 10u);
  EXPECT_THAT(std::vector<std::string>(texts.begin(), texts.begin() + 10), ElementsAreArray(numbered(10)));
  expect_clean_stop(host);
  while (receiver_.receive(milliseconds(500))) ++ends_received_;  // what the drain delivered
  EXPECT_EQ(host.ledger_count(kRoute, "in"), kMessages + ends_sent_);
  EXPECT_EQ(host.ledger_count(kRoute, "dropped"), kMessages - texts.size() + ends_lost());
}

TEST_F(SlowConsumer, RejectAnswersWhatItDoesNotTake) {
  auto& host = run("slow_consumer/reject.yaml", {{"SOURCE", source_}, {"DELAY", "30ms"}});
  Peer asker(ZMQ_DEALER);
  asker.connect(source_);
  for (const auto& text : numbered(kMessages)) ASSERT_TRUE(asker.send({"", "job " + text}));
  const auto answers = asker.receive_many(kMessages);
  ASSERT_EQ(answers.size(), std::size_t{kMessages}) << "not every request was answered";
  const auto is_error = [](const Frames& frames) { return frames.back() == "0"; };
  const auto rejected = static_cast<std::uint64_t>(std::count_if(answers.begin(), answers.end(), is_error));
  EXPECT_GT(rejected, 0u);
  EXPECT_GE(kMessages - rejected, 10u);
  expect_clean_stop(host);
  EXPECT_EQ(host.ledger_count(kRoute, "refused"), rejected);
}

}  // namespace
}  // namespace backplane::test
