// The host's PALM templates with clients, workers, masters and pipelines of the Python package pylm, taken
// from $BACKPLANE_PEERS/pylm.
#include <backplane/palm/client.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>

#include "support/host_process.hpp"
#include "support/peer.hpp"

namespace backplane::palm {
namespace {

using test::Child;
using test::eventually;
using test::HostProcess;
using test::read_file;
using testing::HasSubstr;

// Calls a function in a row, then as a job, and says how many replies were right.
constexpr auto asking_script = R"(import sys
from pylm.clients import Client

server, db, sub, functions, row, job, messages, suffix = sys.argv[1:9]
client = Client(server, db, sub_address=sub or None)
functions = functions.split()
suffix = suffix.encode()
right = 0
for number in range(int(row)):
    reply = client.eval(functions, b'%d' % number)
    right += reply.endswith(suffix + b'%d' % number)
print('row', right)
items = (b'item' for _ in range(int(job)))
total = int(job) * int(messages)
print('job', sum(1 for _ in client.job(functions, items, messages=total)))
key = client.set(b'value', 'a key')
print('cache', client.get('a key'), client.delete('a key'))
)";

constexpr auto serving_script = R"(import sys, time
from pylm.servers import Worker, MuxWorker

class Tool(Worker):
    def work(self, payload):
        return self.name.encode() + b' did ' + payload

    def slow(self, payload):
        time.sleep(0.002)
        for progress in sys.argv[4:]:
            open(progress, 'ab').write(b'.')
        return self.name.encode() + b' did ' + payload

    def cached(self, payload):
        return self.get('shared') + payload

class Twice(MuxWorker):
    def work(self, payload):
        yield b'one ' + payload
        yield b'two ' + payload

kind, name, db = sys.argv[1:4]
{'Tool': Tool, 'Twice': Twice}[kind](name, db).start()
)";

constexpr auto boss_script = R"(import sys
from pylm.servers import Master

db, pull, pub, worker_pull, worker_push = sys.argv[1:6]
Master(name='boss', pull_address=pull, pub_address=pub, worker_pull_address=worker_pull,
       worker_push_address=worker_push, db_address=db).start()
)";

constexpr auto stage_script = R"(import sys
from pylm.servers import Pipeline

class Second(Pipeline):
    def finish(self, payload):
        return b'finished ' + payload

db, sub, pub = sys.argv[1:4]
Second('second', db, sub, pub, previous='my_server').start()
)";

class PalmHost : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("BACKPLANE_PEERS");
    if (folder == nullptr) GTEST_SKIP() << "skipped: BACKPLANE_PEERS does not say where pylm is";
    environment_ = {{"PYTHONPATH", std::string(folder) + "/pylm"},
                    {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python"},
                    {"PYTHONDONTWRITEBYTECODE", "1"}};
  }

  const std::string& at(const std::string& name) {
    auto& endpoint = endpoints_[name];
    if (endpoint.empty()) endpoint = test::free_endpoint();
    return endpoint;
  }
  // "name: ENDPOINT" for each.
  std::string parameters(const std::vector<std::string>& names) {
    std::string all;
    for (const auto& name : names) all += (all.empty() ? "" : ", ") + name + ": \"" + at(name) + "\"";
    return all;
  }
  HostProcess& host(const std::string& manifest) {
    host_ = std::make_unique<HostProcess>(folder_.file("manifest.yaml", manifest));
    host_->wait_until_ready();
    return *host_;
  }
  HostProcess& master(const std::string& more = {}) {
    return host("include: {file: palm/master.yaml, with: {" +
                parameters({"db", "pull", "pub", "worker_pull", "worker_push"}) + more + "}}\n");
  }
  HostProcess& server(const std::string& more = {}) {
    return host("include: {file: palm/server.yaml, with: {functions: own, " +
                parameters({"db", "pull", "pub"}) + more +
                "}}\nplugins: [palm_tour]\ncomponents: {own: {kind: palm_tour.server}}\n");
  }
  Child& run(const std::string& name, const std::string& script, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"/usr/bin/python3", folder_.file(name, script).string()});
    peers_.push_back(std::make_unique<Child>(arguments, environment_));
    return *peers_.back();
  }
  Child& worker(const std::string& name, const std::string& kind = "Tool") {
    return run("serving.py", serving_script, {kind, name, at("db")});
  }
  // What the asking script says.
  std::string asked(const std::string& server, const std::string& functions, int row, int job,
                    int messages = 1, const std::string& suffix = {}, const std::string& sub = {}) {
    auto& client = run("asking.py", asking_script,
                       {server, at("db"), sub, functions, std::to_string(row), std::to_string(job),
                        std::to_string(messages), suffix});
    EXPECT_EQ(client.wait(std::chrono::seconds(90)), 0) << client.errors();
    return said(client);
  }
  // The lines that our scripts print; pylm logs to the same stream.
  static std::string said(const Child& client) {
    std::istringstream lines(client.output());
    std::string all;
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with("row ") || line.starts_with("job ") || line.starts_with("cache "))
        all += line + "\n";
    return all;
  }

  test::TemporaryFolder folder_;
  test::Environment environment_;
  std::map<std::string, std::string> endpoints_;
  std::unique_ptr<HostProcess> host_;
  std::vector<std::unique_ptr<Child>> peers_;
};

constexpr auto cache_works = "cache b'value' a key\n";

TEST_F(PalmHost, IsAMasterForClientsAndWorkers) {
  auto& host = master();
  worker("one");
  worker("two");
  EXPECT_EQ(asked("server", "server.work", 300, 3000, 1, " did "),
            std::string("row 300\njob 3000\n") + cache_works);
  EXPECT_EQ(host.stop(), 0) << host.errors();
}

TEST_F(PalmHost, LosesNothingWhenAWorkerDies) {
  auto& host = master();
  const auto progress = folder_.file("progress");
  auto& first = run("serving.py", serving_script, {"Tool", "one", at("db"), progress.string()});
  worker("two");
  auto& client =
      run("asking.py", asking_script, {"server", at("db"), "", "server.slow", "0", "2000", "1", ""});
  ASSERT_TRUE(eventually([&] { return read_file(progress).size() > 100; }));
  first.signal(SIGKILL);
  EXPECT_EQ(client.wait(std::chrono::seconds(90)), 0) << client.errors();
  EXPECT_THAT(client.output(), HasSubstr("job 2000\n"));
  EXPECT_EQ(host.stop(), 0) << host.errors();
}

TEST_F(PalmHost, TakesEveryResultOfAMuxWorker) {
  auto& host = master(", answers: many");
  worker("one", "Twice");
  EXPECT_THAT(asked("server", "server.work", 0, 500, 2), HasSubstr("job 1000\n"));
  EXPECT_EQ(host.stop(), 0) << host.errors();
}

TEST_F(PalmHost, IsAServerForClients) {
  auto& host = server();
  EXPECT_EQ(asked("my_server", "my_server.foo", 300, 3000, 1, "you sent me "),
            std::string("row 300\njob 3000\n") + cache_works);
  EXPECT_EQ(host.stop(), 0) << host.errors();
}

TEST_F(PalmHost, IsAServerInFrontOfAPipeline) {
  auto& host = server(", pipelined: \"true\"");
  run("stage.py", stage_script, {at("stage_db"), at("pub"), at("stage_pub")});
  EXPECT_THAT(asked("my_server", "my_server.foo second.finish", 0, 500, 1, "", at("stage_pub")),
              HasSubstr("job 500\n"));
  EXPECT_EQ(host.stop(), 0) << host.errors();
}

TEST_F(PalmHost, IsAWorkerOfAMaster) {
  auto& host =
      this->host("include: {file: palm/worker.yaml, with: {functions: own, " + parameters({"db"}) +
                 "}}\nplugins: [palm_tour]\ncomponents: {own: {kind: palm_tour.worker, name: tool}}\n");
  run("boss.py", boss_script, {at("db"), at("pull"), at("pub"), at("worker_pull"), at("worker_push")});
  Client client(at("db"), {.server = "boss", .timeout = std::chrono::seconds(30)});
  EXPECT_EQ(client.eval("boss.foo", "a"), "tool processed a");
  EXPECT_THROW(client.eval("boss.boom", "a"), Error);  // the mark of the error has come through the master
  client.set(" shared ", "cached");
  EXPECT_EQ(client.eval("boss.cached", "a"), "tool shared a");
  EXPECT_THROW(client.eval("boss.missing", "a"), Error);
  EXPECT_EQ(host.stop(), 0) << host.errors();
}

TEST_F(PalmHost, IsAClientOfAMaster) {
  run("boss.py", boss_script, {at("db"), at("pull"), at("pub"), at("worker_pull"), at("worker_push")});
  worker("one");
  auto& host = this->host(
      "plugins: [palm, zmq]\n"
      "components:\n"
      "  asked: {kind: zmq.rep, bind: \"" +
      at("rep") +
      "\"}\n"
      "  boss: {kind: palm.client, connect: \"" +
      at("db") +
      "\", server: boss, function: boss.work}\n"
      "routes: [{from: asked, to: boss}]\n");
  test::Peer peer(ZMQ_REQ);
  peer.connect(at("rep"));
  for (const std::string text : {"a", "b", "c"}) {
    peer.send({text});
    EXPECT_EQ(peer.receive(), (test::Frames{"one did " + text}));
  }
  EXPECT_EQ(host.stop(), 0) << host.errors();
}

}  // namespace
}  // namespace backplane::palm
