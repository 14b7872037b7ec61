// SIGHUP: a running host takes its manifest as it is now, or goes on as it was.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zmq.h>

#include <fstream>
#include <memory>
#include <string>

#include "manifests/manifest_test.hpp"
#include "support/peer.hpp"

namespace backplane::test {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

// A host that writes what it is sent to a file; a peer that stays connected all the time.
class Reload : public ManifestTest {
 protected:
  void start() {
    write_manifest(in_, "first");
    host_ = std::make_unique<HostProcess>(manifest_);
    host_->wait_until_ready();
    sender_.connect(in_);
  }
  void write_manifest(const std::string& endpoint, const std::string& file) {
    write_file(manifest_,
               "plugins: [zmq]\n"
               "components:\n"
               "  in: {kind: zmq.pull, bind: \"" +
                   endpoint +
                   "\"}\n"
                   "  out: {kind: file.writer, path: \"" +
                   folder_.file(file).string() +
                   "\", flush: 0ms}\n"
                   "routes:\n"
                   "  - {from: in, to: out}\n");
  }
  bool arrives(const std::string& text, const std::string& file) {
    if (!sender_.send({text})) return false;
    return eventually([&] { return read_file(folder_.file(file)).find(text + "\n") != std::string::npos; });
  }
  bool ready_again() {
    return eventually([&] { return host_->lines_with("ready: host").size() == 2; });
  }

  const std::string in_ = free_endpoint();
  const std::filesystem::path manifest_ = folder_.file("host.yaml");
  Peer sender_{ZMQ_PUSH};
  std::unique_ptr<HostProcess> host_;
};

TEST_F(Reload, TakesTheManifestAsItIsNow) {
  start();
  EXPECT_TRUE(arrives("one", "first"));
  write_manifest(in_, "second");
  host_->signal(SIGHUP);
  ASSERT_TRUE(ready_again()) << host_->errors();
  EXPECT_THAT(host_->lines_with("ledger route in -> out"), SizeIs(1)) << "what ended has its ledger";
  EXPECT_TRUE(arrives("two", "second"));
  EXPECT_EQ(read_file(folder_.file("first")), "one\n");
  expect_clean_stop(*host_);
}

TEST_F(Reload, AManifestWithMistakesChangesNothing) {
  start();
  write_file(manifest_, "components:\n  in: {kind: zmq.pul}\n");
  host_->signal(SIGHUP);
  ASSERT_TRUE(host_->says("the host goes on as it was"));
  EXPECT_TRUE(host_->says(manifest_.string() + ":2:"));
  EXPECT_TRUE(arrives("one", "first"));
  EXPECT_THAT(host_->lines_with("reloading"), SizeIs(0));
  expect_clean_stop(*host_);
}

TEST_F(Reload, AManifestThatDoesNotStartBringsTheOneBeforeBack) {
  start();
  Peer other(ZMQ_PULL);
  write_manifest(other.bind(), "second");
  host_->signal(SIGHUP);
  ASSERT_TRUE(ready_again()) << host_->errors();
  EXPECT_THAT(host_->errors(), HasSubstr("goes back to the manifest"));
  EXPECT_TRUE(arrives("one", "first"));
  expect_clean_stop(*host_);
}

// A component that holds something longer than the host's timeout, and says so or not.
class SlowDrain : public ManifestTest {
 protected:
  SlowDrain() { write_manifest("60s"); }
  void write_manifest(const std::string& drain_time) {
    write_file(manifest_,
               "host: {shutdown: {timeout: 1ms}}\n"
               "plugins: [" SAMPLE_PLUGINS
               "/sample.so]\n"
               "components:\n"
               "  holder: {kind: sample.holder, drain: {takes: 100ms, limit: " +
                   drain_time + "}}\n");
  }
  const std::filesystem::path manifest_ = folder_.file("host.yaml");
};

TEST_F(SlowDrain, IsWaitedForByAReloadAsByAStop) {
  HostProcess host(manifest_);
  host.wait_until_ready();
  write_manifest("0");
  host.signal(SIGHUP);
  ASSERT_TRUE(eventually([&] { return host.lines_with("ready: host").size() == 2; })) << host.errors();
  EXPECT_TRUE(host.says("reloading: SIGHUP; draining for at most 61000 ms"));
  EXPECT_THAT(host.lines_with("not drained"), SizeIs(0));
  host.signal(SIGTERM);
  EXPECT_EQ(host.wait(), 1);
  EXPECT_TRUE(host.says("stopping: SIGTERM; draining for at most 1 ms"));
  EXPECT_THAT(host.lines_with("not drained: 1 request or message held by holder"), SizeIs(1))
      << "this one has not said how long it takes";
}

TEST_F(Reload, TheEndOfTheHostComesFirst) {
  write_file(manifest_,
             "host: {shutdown: {timeout: 1s}}\n"
             "plugins: [zmq]\n"
             "components:\n"
             "  tick: {kind: timer.tick, every: 1ms}\n"
             "  nobody: {kind: zmq.push, bind: \"" +
                 in_ +
                 "\"}\n"
                 "routes:\n"
                 "  - {from: tick, to: nobody}\n");
  host_ = std::make_unique<HostProcess>(manifest_);
  host_->wait_until_ready();
  host_->signal(SIGHUP);
  ASSERT_TRUE(host_->says("reloading: SIGHUP"));
  host_->signal(SIGTERM);
  ASSERT_TRUE(host_->says("SIGTERM instead of reloading"));
  EXPECT_EQ(host_->wait(), 1) << "what it held was not drained" << host_->errors();
  EXPECT_THAT(host_->lines_with("ready: host"), SizeIs(1));
}

}  // namespace
}  // namespace backplane::test
