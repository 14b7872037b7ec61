// Signals, while everything is busy.
#include <atomic>
#include <thread>

#include "bad_input/fixture.hpp"

namespace backplane::test {
namespace {

using testing::HasSubstr;

TEST_F(BadInput, SigtermUnderFullLoadDrainsInTimeAndLosesNothing) {
  const auto jobs = free_endpoint();
  const auto results = free_endpoint();
  auto& host = run_text(
      "host: {shutdown: {timeout: 20s}}\n"
      "plugins: [zmq, demo]\n"
      "components:\n"
      "  jobs: {kind: zmq.pull, bind: \"" +
      jobs +
      "\", loop: a}\n"
      "  upper: {kind: demo.upper, instances: 3}\n"
      "  results: {kind: zmq.push, bind: \"" +
      results +
      "\", loop: b}\n"
      "routes:\n"
      "  - {from: jobs, to: upper}\n"
      "  - {from: upper, to: results}\n");
  std::atomic<bool> stop{false};
  std::thread load([&] {
    Peer source(ZMQ_PUSH);
    source.connect(jobs).set(ZMQ_LINGER, 0);
    for (int i = 0; i < 2'000'000 && !stop; ++i)
      if (!source.send({"message"}, std::chrono::milliseconds(100))) break;
  });
  Peer sink(ZMQ_PULL);
  sink.connect(results);
  std::size_t received = sink.receive_texts(5000).size();
  host.terminate();
  while (true) {
    const auto more = sink.receive_many(1000, std::chrono::milliseconds(500));
    received += more.size();
    if (more.empty() && !host.running()) break;
  }
  stop = true;
  load.join();
  EXPECT_EQ(host.wait(), 0) << host.errors();
  expect_balance(host);
  const auto taken = host.ledger_count("sent by jobs", "in");
  EXPECT_EQ(host.ledger_count("received by results", "out"), taken);
  EXPECT_EQ(received, taken) << "what the host took reached the reader";
}

TEST_F(BadInput, ASecondSignalStopsAtOnceAndSaysSo) {
  const auto jobs = free_endpoint();
  const auto witness = free_endpoint();
  auto& host = run_text(
      "host: {shutdown: {timeout: 60s}}\n"
      "plugins: [zmq]\n"
      "components:\n"
      "  jobs: {kind: zmq.pull, bind: \"" +
      jobs +
      "\"}\n"
      "  results: {kind: zmq.push, bind: \"" +
      free_endpoint() +
      "\"}\n"
      "  witness: {kind: zmq.push, bind: \"" +
      witness +
      "\"}\n"
      "routes:\n"
      "  - {from: jobs, to: [results, witness]}\n");
  Peer source(ZMQ_PUSH);
  Peer sink(ZMQ_PULL);
  sink.connect(witness);
  source.connect(jobs);
  ASSERT_TRUE(source.send({"nobody takes it"}));
  // Once the witness has told of it, the host holds the copy that nobody pulls, and the drain waits for it.
  ASSERT_TRUE(sink.receive());
  host.terminate();
  ASSERT_TRUE(host.says("stopping: SIGTERM"));
  host.signal(SIGINT);
  EXPECT_EQ(host.wait(), 128 + SIGINT) << host.errors();
  expect_balance(host);
}

TEST_F(BadInput, AComponentThatNeverComesBackCannotKeepTheHostFromEnding) {
  auto& host = run_text(
      "host: {shutdown: {timeout: 200ms}}\n"
      "plugins: [\"" +
      plugin("awkward") +
      "\"]\n"
      "components:\n"
      "  tick: {kind: timer.tick, every: 1ms}\n"
      "  hangs: {kind: awkward.hangs}\n"
      "routes:\n"
      "  - {from: tick, to: hangs}\n");
  ASSERT_TRUE(host.says("hangs from now on"));
  host.terminate();
  EXPECT_EQ(host.wait(), 1) << host.errors();
  EXPECT_THAT(host.errors(), HasSubstr("hangs"));
}

}  // namespace
}  // namespace backplane::test
