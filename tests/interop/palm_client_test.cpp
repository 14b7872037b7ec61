// palm::Client with servers, masters and workers of the Python package pylm, taken from
// $BACKPLANE_PEERS/pylm.
#include <backplane/palm/client.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <set>

#include "support/host_process.hpp"
#include "support/peer.hpp"

namespace backplane::palm {
namespace {

using test::Child;
using test::free_endpoint;

constexpr auto server_script = R"(import sys
from pylm.servers import Server

class Greeter(Server):
    def greet(self, payload):
        return b'hello ' + payload

    def fails(self, payload):
        raise ValueError('on purpose')

db, pull, pub = sys.argv[1:4]
Greeter('greeter', db, pull, pub).start()
)";

constexpr auto master_script = R"(import sys
from pylm.servers import Master

class Doubling(Master):
    def scatter(self, message):
        yield message
        if message.payload.startswith(b'twice'):
            yield message

db, pull, pub, worker_pull, worker_push = sys.argv[1:6]
Doubling(name='boss', pull_address=pull, pub_address=pub, worker_pull_address=worker_pull,
         worker_push_address=worker_push, db_address=db).start()
)";

constexpr auto worker_script = R"(import sys
from pylm.servers import Worker

class Upper(Worker):
    def upper(self, payload):
        return payload.upper()

    def stored(self, payload):
        return self.get(payload.decode())

Upper(sys.argv[2], sys.argv[1]).start()
)";

class PalmPeers : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("BACKPLANE_PEERS");
    if (folder == nullptr) GTEST_SKIP() << "skipped: BACKPLANE_PEERS does not say where pylm is";
    environment_ = {{"PYTHONPATH", std::string(folder) + "/pylm"},
                    {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python"},
                    {"PYTHONDONTWRITEBYTECODE", "1"}};
  }

  void run(const std::string& name, const std::string& script, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"/usr/bin/python3", folder_.file(name, script).string()});
    peers_.push_back(std::make_unique<Child>(arguments, environment_));
  }
  // Returns the address of its cache.
  std::string run_server() {
    const auto db = free_endpoint();
    run("server.py", server_script, {db, free_endpoint(), free_endpoint()});
    return db;
  }
  std::string run_master(int workers) {
    const auto db = free_endpoint();
    run("master.py", master_script, {db, free_endpoint(), free_endpoint(), free_endpoint(), free_endpoint()});
    for (int i = 0; i < workers; ++i) run("worker.py", worker_script, {db, "worker" + std::to_string(i)});
    return db;
  }
  std::string errors() const {
    std::string all;
    for (const auto& peer : peers_) all += peer->errors();
    return all;
  }

  static constexpr std::chrono::seconds patience{30};
  test::TemporaryFolder folder_;
  test::Environment environment_;
  std::vector<std::unique_ptr<Child>> peers_;
};

struct Numbers {
  int count;
  int next = 0;
  std::optional<std::string> operator()() {
    if (next == count) return std::nullopt;
    return "item " + std::to_string(next++);
  }
};

TEST_F(PalmPeers, AServerAnswersEveryCall) {
  Client client(run_server(), {.server = "greeter", .timeout = patience});
  for (int i = 0; i < 200; ++i)
    ASSERT_EQ(client.eval("greeter.greet", std::to_string(i)), "hello " + std::to_string(i)) << errors();
  EXPECT_EQ(client.eval("greeter.echo", std::string("\0\xff", 2)), std::string("\0\xff", 2));
  EXPECT_EQ(client.eval("greeter.fails", "x"), "0");
  EXPECT_EQ(client.eval("greeter.greet", "x", {.cache = "mine"}), "hello x");
  EXPECT_EQ(client.undecodable() + client.late(), 0u);
}

TEST_F(PalmPeers, EveryNewClientOfAServerGetsItsFirstReply) {
  const auto db = run_server();
  for (int i = 0; i < 20; ++i) {
    Client client(db, {.timeout = patience});
    ASSERT_EQ(client.eval("greeter.greet", "you"), "hello you") << i << errors();
  }
}

TEST_F(PalmPeers, AServerKeepsWhatIsStored) {
  Client client(run_server(), {.session = "s", .timeout = patience});
  EXPECT_EQ(client.set("value", "key"), "skey");
  EXPECT_EQ(client.get("skey"), "value");
  EXPECT_EQ(client.get("key"), "");
  EXPECT_TRUE(client.remove("skey"));
  EXPECT_EQ(client.set("value").size(), 36u);
}

TEST_F(PalmPeers, AServerOfAnotherNameIsRefused) {
  EXPECT_THROW(Client(run_server(), {.server = "other", .timeout = patience}), Error);
}

TEST_F(PalmPeers, AJobOnAServerIsWhole) {
  Client client(run_server(), {.timeout = patience});
  std::uint64_t next = 0;
  const auto counts = client.job("greeter.greet", Numbers{2000},
                                 [&](std::uint64_t index, const JobReply& reply) {
                                   EXPECT_EQ(index, next++);
                                   EXPECT_EQ(reply.payload, "hello item " + std::to_string(index));
                                 },
                                 {.window = 500, .ordered = true});
  EXPECT_EQ(counts.done, 2000u) << errors();
}

TEST_F(PalmPeers, AMasterSharesAJobAmongItsWorkers) {
  Client client(run_master(2), {.server = "boss", .timeout = patience});
  std::set<std::uint64_t> seen;
  const auto counts = client.job("boss.upper", Numbers{500},
                                 [&](std::uint64_t index, const JobReply& reply) {
                                   EXPECT_TRUE(seen.insert(index).second);
                                   EXPECT_EQ(reply.payload, "ITEM " + std::to_string(index));
                                 },
                                 {.window = 100});
  EXPECT_EQ(counts.done, 500u) << errors();
}

TEST_F(PalmPeers, AMasterThatScattersGivesAllReplies) {
  Client client(run_master(1), {.timeout = patience});
  EXPECT_THAT(client.eval_many("boss.upper", "twice", 2), ::testing::ElementsAre("TWICE", "TWICE"))
      << errors();
}

TEST_F(PalmPeers, AWorkerReadsWhatTheClientStored) {
  Client client(run_master(1), {.timeout = patience});
  client.set("treasure", "place");
  EXPECT_EQ(client.eval("boss.stored", "place"), "treasure") << errors();
}

// ---- the commands ----

TEST_F(PalmPeers, AreCalledFromTheCommandLine) {
  const auto endpoint = "palm+" + run_server();
  const auto greeted = test::run_backplane({"call", endpoint, "greeter.greet", "you"});
  EXPECT_EQ(greeted.output, "\"hello you\"\n") << greeted.errors;
  EXPECT_EQ(test::run_backplane({"call", endpoint, "set", "key", "value"}).output, "\"key\"\n");
  EXPECT_EQ(test::run_backplane({"call", endpoint, "get", "key"}).output, "\"value\"\n");
  EXPECT_EQ(test::run_backplane({"call", endpoint, "greeter.fails"}).output, "\"0\"\n");
}

TEST_F(PalmPeers, RunJobsFromTheCommandLine) {
  const auto endpoint = "palm+" + run_master(2);
  std::string lines;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    lines += "item " + std::to_string(i) + "\n";
    expected += "ITEM " + std::to_string(i) + "\n";
  }
  const auto done = test::run_backplane(
      {"job", endpoint, "boss.upper", folder_.file("lines", lines).string(), "--ordered", "--window", "50"});
  EXPECT_EQ(done.exit_code, 0) << done.errors << errors();
  EXPECT_EQ(done.output, expected);
}

}  // namespace
}  // namespace backplane::palm
