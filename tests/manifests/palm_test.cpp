// The scenes of manifests/palm, each with a client made of raw sockets.
#include <set>

#include "manifests/manifest_test.hpp"
#include "support/palm_client.hpp"
#include "support/tcp_peer.hpp"
#include "support/vectors.hpp"

namespace backplane::test {
namespace {

using palm::PalmMessage;
using testing::AnyOf;
using testing::Each;
using testing::SizeIs;

// What a real client sent in a scene, and what was published for it.
struct Transcript {
  std::string says;
  std::string client;
  std::vector<std::string> sent;
  std::vector<Frames> published;
};

std::vector<Transcript> transcripts_of(const std::string& scene) {
  const auto transcripts = vectors("palm/scenes.json", "transcripts");
  std::vector<Transcript> all;
  for (const auto& entry : transcripts) {
    if (entry.at("scene") != scene) continue;
    Transcript made{entry.at("says"), entry.at("client"), {}, {}};
    for (const std::string hex : entry.at("send")) made.sent.push_back(from_hex(hex));
    for (const std::vector<std::string> frames : entry.at("publish"))
      made.published.push_back({from_hex(frames.at(0)), from_hex(frames.at(1))});
    all.push_back(std::move(made));
  }
  return all;
}

std::vector<std::string> payloads(const std::vector<PalmMessage>& messages) {
  std::vector<std::string> all;
  for (const auto& message : messages) all.push_back(message.payload);
  return all;
}

class PalmScene : public ManifestTest {
 protected:
  // Runs a scene with free endpoints in the place of its default ones.
  HostProcess& play(const std::string& name) {
    return run_with_free_ports("palm/scenes/" + name + ".yaml", [this] {
      return Environment{{"DB", at("DB")},
                         {"PULL", at("PULL")},
                         {"PUB", at("PUB")},
                         {"WORKER_PULL", at("WORKER_PULL")},
                         {"WORKER_PUSH", at("WORKER_PUSH")},
                         {"PIPELINE_DB", at("PIPELINE_DB")},
                         {"PIPELINE_PUB", at("PIPELINE_PUB")},
                         {"SILENT_DB", at("SILENT_DB")},
                         {"SILENT_PUB", at("SILENT_PUB")},
                         {"ODD_DB", at("ODD_DB")},
                         {"ODD_PUB", at("ODD_PUB")},
                         {"SINK_DB", at("SINK_DB")},
                         {"SINK_PUB", at("SINK_PUB")},
                         {"HUB_DB", at("HUB_DB")},
                         {"HUB_PUB", at("HUB_PUB")},
                         {"HTTP", address("HTTP")},
                         {"WEB", address("WEB")},
                         {"URL", "http://" + address("WEB")}};
    });
  }

  void expect_transcripts(const std::string& scene, const std::string& sub_address = {}) {
    const auto all = transcripts_of(scene);
    ASSERT_FALSE(all.empty());
    for (const auto& [says, uuid, sent, published] : all) {
      PalmClient client(at("DB"), sub_address, uuid);
      EXPECT_EQ(client.exchange(sent, published.size()), published) << says;
    }
  }
};

TEST_F(PalmScene, SingleAnswersByteForByteAsThePythonSystem) {
  auto& host = play("single");
  PalmClient client(at("DB"));
  EXPECT_EQ(client.name(), "my_server");
  EXPECT_EQ(client.get("db_address"), at("DB"));
  expect_transcripts("single");
  expect_clean_stop(host);
}

TEST_F(PalmScene, SingleAnswersEveryCallOfARow) {
  auto& host = play("single");
  PalmClient client(at("DB"));
  for (int i = 0; i < 300; ++i)
    ASSERT_EQ(client.eval("my_server.foo", "a message"), "you sent me a message") << i;
  expect_clean_stop(host);
}

TEST_F(PalmScene, AServerWithALimitStopsByItselfWhenItHasAnswered) {
  HostProcess host(folder_.file(
      "limited.yaml", "include: {file: palm/server.yaml, with: {functions: own, messages: 3, db: \"" +
                          at("DB") + "\", pull: \"" + at("PULL") + "\", pub: \"" + at("PUB") +
                          "\"}}\nplugins: [palm_tour]\ncomponents: {own: {kind: palm_tour.server}}\n"));
  host.wait_until_ready();
  PalmClient client(at("DB"));
  EXPECT_THAT(client.job("my_server.foo", {"a", "b", "c"}, 3), SizeIs(3));
  EXPECT_EQ(host.wait(), 0) << host.errors();
}

TEST_F(PalmScene, ErrorGivesTheErrorPayloadAndTheReason) {
  auto& host = play("error");
  PalmClient client(at("DB"));
  const auto replies = client.job("my_server.foo", {"a message"}, 1);
  ASSERT_THAT(replies, SizeIs(1));
  EXPECT_EQ(replies[0].payload, "0");
  EXPECT_EQ(replies[0].error, "function_failed: foo: std::runtime_error: foo fails here");
  EXPECT_EQ(client.eval("my_server.echo", "still there"), "still there");
  EXPECT_EQ(host.lines_with("function_failed").size(), 1u);
  expect_clean_stop(host);
}

TEST_F(PalmScene, ParallelSharesOutAJobAmongWorkers) {
  auto& host = play("parallel");
  PalmClient client(at("DB"));
  const auto replies = client.job("server.foo", std::vector<std::string>(10, "a message"), 10);
  EXPECT_THAT(payloads(replies), SizeIs(10));
  EXPECT_THAT(payloads(replies), Each(AnyOf("worker1 processed a message", "worker2 processed a message")));
  for (const auto& reply : replies) EXPECT_EQ(reply.cache.size(), 36u);
  expect_clean_stop(host);
}

TEST_F(PalmScene, CacheIsSharedByClientsAndWorkers) {
  auto& host = play("cache");
  PalmClient client(at("DB"));
  EXPECT_EQ(client.set(" cached data ", "cached"), "cached");
  EXPECT_THAT(client.eval("server.cached", "a message"),
              AnyOf("worker1 cached data a message", "worker2 cached data a message"));
  EXPECT_EQ(client.remove("cached"), "cached");
  EXPECT_EQ(client.remove("cached"), "");
  EXPECT_EQ(client.get("cached"), "");
  EXPECT_EQ(client.set("value").size(), 36u);
  expect_clean_stop(host);
}

TEST_F(PalmScene, ScatterSendsThreeMessagesForOne) {
  auto& host = play("scatter");
  PalmClient client(at("DB"));
  const auto replies = client.job("server.foo", std::vector<std::string>(10, "a message"), 30);
  EXPECT_THAT(replies, SizeIs(30));
  EXPECT_THAT(payloads(replies), Each(testing::EndsWith(" processed a message")));
  const auto failed = client.job("server.foo", {"burst"}, 1);
  ASSERT_THAT(failed, SizeIs(1));
  EXPECT_EQ(failed[0].payload, "0");
  EXPECT_EQ(failed[0].error, "scatter_failed: std::runtime_error: it burst");
  expect_clean_stop(host);
}

TEST_F(PalmScene, GatherReplacesTheLastResult) {
  auto& host = play("gather");
  PalmClient client(at("DB"));
  const auto replies = payloads(client.job("server.foo", std::vector<std::string>(10, "a message"), 30));
  ASSERT_THAT(replies, SizeIs(30));
  EXPECT_EQ(replies.back(), "final message");
  expect_clean_stop(host);
}

TEST_F(PalmScene, MuxParallelGivesTwoResultsForEachMessage) {
  auto& host = play("mux_parallel");
  PalmClient client(at("DB"));
  const auto replies = payloads(client.job("server.two", std::vector<std::string>(10, "a message"), 20));
  EXPECT_THAT(replies, SizeIs(20));
  EXPECT_EQ(std::count_if(replies.begin(), replies.end(),
                          [](const auto& each) { return each.ends_with(" second a message"); }),
            10);
  expect_clean_stop(host);
}

TEST_F(PalmScene, PipelineAnswersByteForByteAsThePythonSystem) {
  auto& host = play("pipeline");
  expect_transcripts("pipeline", at("PIPELINE_PUB"));
  expect_clean_stop(host);
}

TEST_F(PalmScene, PipelineIsSilentWhenTheFunctionReturnsNothing) {
  auto& host = play("pipeline");
  PalmClient client(at("DB"), at("PIPELINE_PUB"));
  EXPECT_THAT(client.job("my_server.foo my_pipeline.nothing", {"a", "b"}, 1, milliseconds(300)), SizeIs(0));
  EXPECT_EQ(client.eval("my_server.foo my_pipeline.foo", "c"), "and I pipelined you sent me c");
  expect_clean_stop(host);
}

TEST_F(PalmScene, PipelinePassesAnErrorOfTheServerOn) {
  auto& host = play("pipeline");
  PalmClient client(at("DB"), at("PIPELINE_PUB"));
  const auto replies = client.job("my_server.boom my_pipeline.foo", {"a message"}, 1);
  ASSERT_THAT(replies, SizeIs(1));
  EXPECT_EQ(replies[0].payload, "0");
  EXPECT_EQ(replies[0].stage, 1);
  EXPECT_THAT(replies[0].error.value_or(""), testing::StartsWith("function_failed: boom"));
  expect_clean_stop(host);
}

TEST_F(PalmScene, TeeGivesEveryMessageToBothPipelines) {
  auto& host = play("tee");
  PalmClient client(at("DB"), at("PIPELINE_PUB"));
  const auto replies =
      payloads(client.job("my_server.foo my_pipeline.foo", {"a message"}, 2, milliseconds(300)));
  EXPECT_EQ(replies, std::vector<std::string>{"and I pipelined you sent me a message"});
  expect_clean_stop(host);
}

TEST_F(PalmScene, StreamIsDividedByTopics) {
  auto& host = play("stream");
  PalmClient client(at("DB"), at("PIPELINE_PUB"));
  const auto replies = client.job("my_server.foo my_pipeline.foo", numbered(10), 5);
  EXPECT_THAT(payloads(replies),
              testing::ElementsAre("and I pipelined you sent me 0", "and I pipelined you sent me 2",
                                   "and I pipelined you sent me 4", "and I pipelined you sent me 6",
                                   "and I pipelined you sent me 8"));
  expect_clean_stop(host);
}

TEST_F(PalmScene, StreamSinkJoinsTheStreamsAgain) {
  auto& host = play("stream_sink");
  PalmClient client(at("DB"), at("SINK_PUB"));
  const auto replies = client.job("my_server.foo my_pipeline.foo my_sink.foo", numbered(10), 10);
  std::set<std::string> expected;
  for (const auto& number : numbered(10)) expected.insert("and I sank and I pipelined you sent me " + number);
  const auto got = payloads(replies);
  EXPECT_EQ(std::set<std::string>(got.begin(), got.end()), expected);
  for (const auto& reply : replies) EXPECT_EQ(reply.stage, 2);
  expect_clean_stop(host);
}

TEST_F(PalmScene, SinkStandsInForAPipeline) {
  auto& host = play("sink");
  PalmClient client(at("DB"), at("PIPELINE_PUB"));
  EXPECT_EQ(client.eval("my_server.foo my_pipeline.foo", "a message"),
            "and I pipelined you sent me a message");
  PalmClient asking(at("PIPELINE_DB"));
  EXPECT_EQ(asking.get("sub_address_0"), at("PUB"));
  expect_clean_stop(host);
}

TEST_F(PalmScene, MasterPipelineGoesOnWithTheWorkersResults) {
  auto& host = play("master_pipeline");
  PalmClient client(at("DB"), at("PIPELINE_PUB"));
  EXPECT_THAT(
      client.eval("server.foo my_pipeline.foo", "a message"),
      AnyOf("and I pipelined worker1 processed a message", "and I pipelined worker2 processed a message"));
  expect_clean_stop(host);
}

TEST_F(PalmScene, ServerHubSharesOutTheServersResults) {
  auto& host = play("server_hub");
  PalmClient client(at("DB"), at("HUB_PUB"));
  const auto replies = client.job("server.foo hub.foo", {"a message"}, 1);
  ASSERT_THAT(replies, SizeIs(1));
  EXPECT_THAT(replies[0].payload,
              AnyOf("worker1 processed you sent me a message", "worker2 processed you sent me a message"));
  EXPECT_EQ(replies[0].stage, 1);
  EXPECT_EQ(replies[0].cache.size(), 36u);
  expect_clean_stop(host);
}

TEST_F(PalmScene, TemplateIsAMasterMadeOfParts) {
  auto& host = play("template");
  PalmClient client(at("DB"));
  EXPECT_EQ(client.name(), "server");
  EXPECT_THAT(client.job("server.foo", std::vector<std::string>(10, "a message"), 10), SizeIs(10));
  EXPECT_EQ(client.eval("no dot", "what no worker can run"), "0");
  expect_clean_stop(host);
}

TEST_F(PalmScene, GatewayBringsHttpRequestsToWorkers) {
  auto& host = play("gateway");
  TcpPeer browser(address("HTTP"));
  browser.send("POST /foo HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\na message");
  const auto answer = browser.receive_until("processed a message").value_or("nothing");
  EXPECT_THAT(answer, testing::StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, testing::HasSubstr("Content-Length: 27\r\n"));
  expect_clean_stop(host);
}

TEST_F(PalmScene, HttpAsksAWebWorker) {
  auto& host = play("http");
  PalmClient client(at("DB"));
  EXPECT_EQ(client.eval("server.foo", "a message"), "a message processed online");
  EXPECT_EQ(client.eval("server.boom", "a message"), "0");
  expect_clean_stop(host);
}

}  // namespace
}  // namespace backplane::test
