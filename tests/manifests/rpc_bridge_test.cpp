// manifests/rpc/bridge.yaml: the same functions on every wire, and workers of PALM behind ZeroRPC.
#include <algorithm>
#include <atomic>
#include <cctype>
#include <map>
#include <thread>

#include "manifests/manifest_test.hpp"
#include "support/palm_client.hpp"
#include "support/palm_worker.hpp"
#include "support/rpc_client.hpp"
#include "support/tcp_peer.hpp"

namespace backplane::test {
namespace {

using testing::StartsWith;

class RpcBridge : public ManifestTest {
 protected:
  void SetUp() override {
    host_ = &run_with_free_ports("rpc/bridge.yaml", [this] {
      return Environment{{"ZERORPC", at("ZERORPC")},
                         {"HTTP", address("HTTP")},
                         {"DB", at("DB")},
                         {"PULL", at("PULL")},
                         {"PUB", at("PUB")},
                         {"MASTER_PULL", at("MASTER_PULL")},
                         {"MASTER_PUB", at("MASTER_PUB")},
                         {"WORKER_PULL", at("WORKER_PULL")},
                         {"WORKER_PUSH", at("WORKER_PUSH")},
                         {"WORKER_DB", at("WORKER_DB")}};
    });
  }
  HostProcess& host() { return *host_; }
  // The body of what HTTP answers.
  std::string post(const std::string& path, const std::string& body) {
    TcpPeer peer(address("HTTP"));
    peer.send("POST " + path + " HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
    const auto answer = peer.receive_all().value_or("no answer");
    const auto end = answer.find("\r\n\r\n");
    return end == std::string::npos ? answer : answer.substr(end + 4);
  }

 private:
  HostProcess* host_ = nullptr;
};

TEST_F(RpcBridge, OneFunctionIsCalledThroughEveryWire) {
  RpcClient rpc(at("ZERORPC"));
  PalmClient palm(at("DB"));
  EXPECT_EQ(rpc.call("echo", Array{"hello"}), Value("hello"));
  EXPECT_EQ(to_json(rpc.infi("echo", Array{"hello"})), R"({"code":"success","result":"hello"})");
  EXPECT_EQ(palm.eval("demo.echo", "hello"), "hello");
  EXPECT_EQ(post("/demo/echo", "[\"hello\"]"), "\"hello\"\n");
  expect_clean_stop(host());
}

TEST_F(RpcBridge, AllWiresCallTheSameComponent) {
  RpcClient rpc(at("ZERORPC"));
  PalmClient palm(at("DB"));
  rpc.call("note", Array{"by ZeroRPC"});
  rpc.infi("note", Array{}, Map{{"x", "by infi.rpc"}});
  palm.push("demo.note", {"by PALM"});
  post("/demo/note", "[\"by HTTP\"]");
  EXPECT_TRUE(eventually([&] { return rpc.call("notes").get_if<Array>()->size() == 4; }));
  EXPECT_THAT(*rpc.call("notes").get_if<Array>(),
              testing::UnorderedElementsAre(Value("by ZeroRPC"), Value("by infi.rpc"),
                                            Value(Bytes{"by PALM"}), Value("by HTTP")));
  expect_clean_stop(host());
}

TEST_F(RpcBridge, EveryWireTellsAnErrorInItsOwnWords) {
  RpcClient rpc(at("ZERORPC"));
  PalmClient palm(at("DB"));
  try {
    rpc.call("fail", Array{"why"});
    ADD_FAILURE() << "no error";
  } catch (const RpcError& error) {
    EXPECT_EQ(error.name, "DemoError");
    EXPECT_EQ(error.message, "why");
  }
  EXPECT_EQ(*rpc.infi("fail", Array{"why"}).find("code"), Value("error"));
  const auto replies = palm.job("demo.fail", {"why"}, 1);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].error, "function_failed: fail: DemoError: why");
  EXPECT_THAT(post("/demo/fail", "[\"why\"]"), StartsWith(R"({"error":{"type":"DemoError","message":"why")"));
  expect_clean_stop(host());
}

// Workers that give back a payload in capitals, and the words they were called with.
class CapitalWorkers {
 public:
  CapitalWorkers(int count, const std::string& jobs, const std::string& results) {
    for (int i = 0; i < count; ++i) threads_.emplace_back([=, this] { work(jobs, results); });
  }
  ~CapitalWorkers() {
    stop_ = true;
    for (auto& thread : threads_) thread.join();
  }

 private:
  void work(const std::string& jobs, const std::string& results) {
    PalmWorker worker(jobs, results);
    while (!stop_) {
      auto job = worker.take(milliseconds(20));
      if (!job) continue;
      EXPECT_EQ(job->function, "master.upper");
      auto payload = job->payload;
      std::transform(payload.begin(), payload.end(), payload.begin(),
                     [](unsigned char letter) { return std::toupper(letter); });
      worker.give(std::move(*job), std::move(payload));
    }
  }
  std::atomic<bool> stop_ = false;
  std::vector<std::thread> threads_;
};

class RpcToPalm : public RpcBridge {
 protected:
  // The host's own client of the master needs a moment to find it.
  void wait_for_master() {
    RpcClient rpc(at("ZERORPC"));
    EXPECT_TRUE(eventually([&] {
      try {
        return rpc.call("master.upper", Array{"ready"}) == Value(Bytes{"READY"});
      } catch (const RpcError& error) {
        EXPECT_EQ(error.name, "Disconnected");
        return false;
      }
    }));
  }
};

TEST_F(RpcToPalm, AClientOfZeroRpcReachesAWorkerOfPalm) {
  const CapitalWorkers workers(1, at("WORKER_PUSH"), at("WORKER_PULL"));
  wait_for_master();
  RpcClient rpc(at("ZERORPC"));
  EXPECT_EQ(rpc.call("master.upper", Array{"text"}), Value(Bytes{"TEXT"}));
  EXPECT_EQ(rpc.call("master.upper", Array{Bytes{"bytes"}}), Value(Bytes{"BYTES"}));
  EXPECT_EQ(rpc.call("eval", Array{"master.upper", "any"}), Value(Bytes{"ANY"}));
  EXPECT_EQ(to_json(rpc.infi("master.upper", Array{"infi"})),
            R"({"code":"success","result":{"$bin":"SU5GSQ=="}})");
  expect_clean_stop(host());
}

TEST_F(RpcToPalm, SoDoesAClientOfHttp) {
  const CapitalWorkers workers(1, at("WORKER_PUSH"), at("WORKER_PULL"));
  wait_for_master();
  EXPECT_EQ(post("/workers/eval", R"(["master.upper", "http"])"), "{\"$bin\":\"SFRUUA==\"}\n");
  expect_clean_stop(host());
}

TEST_F(RpcToPalm, ManyCallsAreSharedOutAndEachFindsItsCallerAgain) {
  const CapitalWorkers workers(2, at("WORKER_PUSH"), at("WORKER_PULL"));
  wait_for_master();
  RpcClient rpc(at("ZERORPC"));
  std::map<std::string, std::string> expected;
  for (int i = 0; i < 200; ++i)
    expected[rpc.request("master.upper", Array{"a" + std::to_string(i)})] = "A" + std::to_string(i);
  for (const auto& [channel, result] : expected)
    EXPECT_EQ(rpc.answer(channel).args, Value(Array{Bytes{result}}));
  expect_clean_stop(host());
}

TEST_F(RpcToPalm, AnErrorOfAWorkerIsAnErrorOfTheCall) {
  PalmWorker worker(at("WORKER_PUSH"), at("WORKER_PULL"));
  RpcClient rpc(at("ZERORPC"));
  std::optional<palm::PalmMessage> job;
  std::string channel;
  ASSERT_TRUE(eventually([&] {
    channel = rpc.request("master.upper", Array{"x"});
    return (job = worker.take(milliseconds(200))).has_value();
  }));
  job->error = "function_failed: upper: ValueError: no";
  worker.give(*job, "0");
  const RpcError error(rpc.answer(channel));
  EXPECT_THAT(error.message, testing::HasSubstr("ValueError: no"));
  expect_clean_stop(host());
}

}  // namespace
}  // namespace backplane::test
