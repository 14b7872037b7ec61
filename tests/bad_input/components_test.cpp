// Components and functions that go wrong: the asker is told, the host goes on.
#include "bad_input/fixture.hpp"

namespace backplane::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class WrongFunctions : public BadInput {
 protected:
  void SetUp() override {
    run_text(
        "host: {name: wrong, stall: 50ms}\n"
        "plugins: [zmq, \"" +
        plugin("awkward") +
        "\"]\n"
        "components:\n"
        "  peers: {kind: zmq.rep, bind: \"" +
        endpoint_ +
        "\"}\n"
        "  bridge: {kind: awkward.bridge, deadline: 300ms}\n"
        "  functions: {kind: awkward.functions, loop: theirs}\n"
        "routes:\n"
        "  - {from: peers, to: bridge}\n");
    peer_.connect(endpoint_);
  }
  std::string call(const std::string& function, const std::string& arguments = "\x90") {
    if (!peer_.send({function, arguments})) return "not sent";
    const auto answer = peer_.receive();
    return answer ? answer->at(0) : "no answer";
  }
  void expect_works() { EXPECT_EQ(call("functions.fine"), "\x2a"); }

  std::string endpoint_ = free_endpoint();
  Peer peer_{ZMQ_REQ};
};

TEST_F(WrongFunctions, AnExceptionIsTheCallersError) {
  EXPECT_EQ(call("functions.throws"), "error std::runtime_error: thrown on purpose");
  expect_works();
  expect_clean_stop(*host_);
}

TEST_F(WrongFunctions, WhatIsNoExceptionIsTheCallersErrorToo) {
  EXPECT_THAT(call("functions.throws_int"), AllOf(HasSubstr("error"), HasSubstr("int")));
  expect_works();
}

TEST_F(WrongFunctions, MoreMemoryThanThereIsIsTheCallersError) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer ends the program where new would throw";
#endif
  // A list of one number, 2^62.
  EXPECT_THAT(call("functions.allocates", std::string("\x91\xcf\x40\0\0\0\0\0\0\0", 10)),
              HasSubstr("error std::"));
  expect_works();
}

TEST_F(WrongFunctions, OneThatRunsForEverEndsAtItsDeadlineForTheCaller) {
  EXPECT_THAT(call("functions.forever"), HasSubstr("error"));
  expect_works();
  expect_clean_stop(*host_);
}

TEST_F(WrongFunctions, OneThatBlocksItsLoopIsReportedByName) {
  EXPECT_THAT(call("functions.blocks", "\x91\xcd\x03\xe8"), HasSubstr("error")) << "a second is too long";
  EXPECT_TRUE(host_->says("holds up loop theirs")) << host_->errors();
  EXPECT_THAT(host_->errors(), HasSubstr("functions"));
  EXPECT_TRUE(host_->says("went on after"));
  expect_works();
}

TEST_F(WrongFunctions, AnUnknownOneIsTheCallersError) {
  EXPECT_THAT(call("functions.nothing"), HasSubstr("error NameError"));
  expect_works();
}

TEST_F(WrongFunctions, ArgumentsThatAreNoMsgpackStopNothing) {
  for (const auto* bytes : {"", "\xc1", "\x92\x01", "\xdf\xff\xff\xff\xff", "plain text"})
    EXPECT_THAT(call("functions.throws", bytes), HasSubstr("error")) << bytes;
  expect_works();
  expect_clean_stop(*host_);
}

TEST_F(BadInput, AComponentWhoseConstructorThrowsIsNamedAndNothingRuns) {
  auto host = start_text("plugins: [\"" + plugin("awkward") +
                         "\"]\n"
                         "components:\n"
                         "  unwilling: {kind: awkward.refuses}\n");
  EXPECT_EQ(host->wait(), 2);
  EXPECT_THAT(host->errors(), AllOf(HasSubstr("unwilling"), HasSubstr("does not want to live")));
}

TEST_F(BadInput, ATakenPortIsNamedAndTheHostFails) {
  Peer owner(ZMQ_PULL);
  const auto endpoint = owner.bind();
  auto host = start_text(
      "plugins: [zmq]\n"
      "components:\n"
      "  jobs: {kind: zmq.pull, bind: \"" +
      endpoint +
      "\"}\n"
      "  sink: {kind: null.sink}\n"
      "routes:\n"
      "  - {from: jobs, to: sink}\n");
  EXPECT_EQ(host->wait(), 1);
  EXPECT_THAT(host->errors(), AllOf(HasSubstr("jobs"), HasSubstr(endpoint)));
}

TEST_F(BadInput, AThousandComponentsRun) {
  std::string text = "plugins: [zmq]\ncomponents:\n";
  std::string routes = "routes:\n";
  for (int i = 0; i < 500; ++i) {
    const auto number = std::to_string(i);
    text += "  tick" + number + ": {kind: timer.tick, every: 1h}\n  sink" + number + ": {kind: null.sink}\n";
    routes += "  - {from: tick" + number + ", to: sink" + number + "}\n";
  }
  auto& host = run_text(text + routes);
  expect_clean_stop(host);
}

TEST_F(BadInput, ALogOnAFullDiskStopsNothing) {
  const auto jobs = free_endpoint();
  const auto results = free_endpoint();
  auto& host = run_text(
      "host: {log: {file: /dev/full, level: debug}}\n"
      "plugins: [zmq]\n"
      "components:\n"
      "  jobs: {kind: zmq.pull, bind: \"" +
      jobs +
      "\"}\n"
      "  results: {kind: zmq.push, bind: \"" +
      results +
      "\"}\n"
      "routes:\n"
      "  - {from: jobs, to: results}\n");
  Peer source(ZMQ_PUSH);
  Peer sink(ZMQ_PULL);
  source.connect(jobs);
  sink.connect(results);
  ASSERT_TRUE(send_all(source, numbered(1000)));
  EXPECT_EQ(sink.receive_texts(1000), numbered(1000));
  EXPECT_EQ(host.stop(), 0);
}

}  // namespace
}  // namespace backplane::test
