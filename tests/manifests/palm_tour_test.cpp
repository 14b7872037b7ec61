// The tour of manifests/palm: every row of it, with peers made of raw sockets. Its ports are fixed, so the
// test runs a copy with free ones.
#include <regex>
#include <set>

#include "manifests/manifest_test.hpp"
#include "support/palm_client.hpp"
#include "support/palm_worker.hpp"
#include "support/tcp_peer.hpp"

namespace backplane::test {
namespace {

using palm::Fields;
using palm::PalmMessage;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

class PalmTour : public ManifestTest {
 protected:
  // So many ports are asked for that somebody may take one before the host does: then others are tried.
  PalmTour() {
    for (int attempt = 0; host_ == nullptr; ++attempt) {
      addresses_.clear();
      auto host = std::make_unique<HostProcess>(folder_.file("tour.yaml", with_free_ports()));
      try {
        host->wait_until_ready();
        host_ = std::move(host);
      } catch (const std::runtime_error& error) {
        const bool taken = std::string(error.what()).find("the address is taken") != std::string::npos;
        if (attempt == 9 || !taken) throw;
      }
    }
  }

  std::string with_free_ports() {
    const auto text = read_file(manifest("palm/tour.yaml"));
    const std::regex port("127\\.0\\.0\\.1:(5[56][0-9][0-9])");
    std::set<std::string> free;
    std::string copy;
    std::size_t done = 0;
    for (std::sregex_iterator at(text.begin(), text.end(), port), end; at != end; ++at) {
      auto& address = addresses_[std::stoi((*at)[1])];
      while (address.empty()) {
        const auto candidate = free_endpoint().substr(std::string("tcp://").size());
        if (free.insert(candidate).second) address = candidate;
      }
      copy += text.substr(done, static_cast<std::size_t>(at->position()) - done) + address;
      done = static_cast<std::size_t>(at->position() + at->length());
    }
    copy += text.substr(done);
    return std::regex_replace(copy, std::regex("file: ([a-z-]+\\.yaml)"),
                              "file: " + manifest("palm").string() + "/$1");
  }

  const std::string& address(int port) const { return addresses_.at(port); }
  std::string at(int port) const { return "tcp://" + address(port); }
  HostProcess& host() { return *host_; }

  using Worker = PalmWorker;

  // Pushes payloads, lets `work` be done, and returns what comes back.
  std::vector<std::string> through(PalmClient& client, const std::vector<std::string>& payloads,
                                   std::size_t replies, const std::function<void()>& work) {
    std::thread working(work);
    const auto got = client.job("server.echo", payloads, replies);
    working.join();
    std::vector<std::string> all;
    for (const auto& message : got) all.push_back(message.payload);
    return all;
  }
  static std::string posted(const std::string& address, const std::string& path, const std::string& body) {
    TcpPeer peer(address);
    peer.send("POST " + path + " HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
    return peer.receive_all().value_or("no answer");
  }

 private:
  std::map<int, std::string> addresses_;
  std::unique_ptr<HostProcess> host_;
};

Fields message(std::string_view function, std::string_view payload) {
  Fields fields;
  fields.client = "a client";
  fields.function = function;
  fields.payload = payload;
  return fields;
}

TEST_F(PalmTour, MasterSharesOutWork) {
  PalmClient client(at(5559));
  EXPECT_EQ(client.get("worker_push_address"), at(5558));
  Worker worker(at(5558), at(5557));
  EXPECT_THAT(through(client, {"a", "b"}, 2, [&] { worker.echo(2); }), ElementsAre("a", "b"));
  expect_clean_stop(host());
}

TEST_F(PalmTour, TransformingMasterTriplesChangesDropsAndFails) {
  PalmClient client(at(5569));
  Worker worker(at(5568), at(5567));
  const auto work = [&] { worker.echo(3); };
  EXPECT_THAT(through(client, {"plain"}, 3, work), ElementsAre("plain", "plain", "plain"));
  EXPECT_THAT(through(client, {"change this"}, 3, work), ElementsAre("changed", "changed", "changed"));
  EXPECT_THAT(through(client, {"explode"}, 3, work), ElementsAre("0", "0", "0"));
  EXPECT_THAT(through(client, {"burst"}, 1, [] {}), ElementsAre("0"));
  EXPECT_THAT(through(client, {"drop", "after"}, 3, [&] { worker.echo(6); }),
              ElementsAre("after", "after", "after"));
  expect_clean_stop(host());
}

TEST_F(PalmTour, PipelinedMasterPublishesUnderItsName) {
  PalmClient client(at(5579));
  Worker worker(at(5578), at(5577));
  Peer next(ZMQ_SUB);
  next.subscribe("server").connect(at(5576));
  client.push("server.echo next.echo", {"a"});
  worker.echo(1);
  const auto published = next.receive();
  ASSERT_TRUE(published);
  EXPECT_EQ(published->at(0), "server");
  EXPECT_EQ(palm::read(published->at(1)).stage, 1);
  expect_clean_stop(host());
}

TEST_F(PalmTour, ServersAnswerToClientsServersAndStreams) {
  PalmClient client(at(5580));
  EXPECT_EQ(client.eval("my_server.foo", "a"), "you sent me a");
  EXPECT_EQ(client.eval("my_server.boom", "a"), "0");

  Peer next(ZMQ_SUB);
  next.subscribe("my_server").connect(at(5585));
  PalmClient piped(at(5583));
  piped.push("my_server.foo next.foo", {"b"});
  const auto published = next.receive();
  ASSERT_TRUE(published);
  EXPECT_EQ(published->at(0), "my_server");
  EXPECT_EQ(palm::read(published->at(1)).payload, "you sent me b");

  Peer odd(ZMQ_SUB);
  odd.subscribe("odd").connect(at(5588));
  PalmClient streamed(at(5586));
  streamed.push("my_server.foo next.foo", {"1", "2", "3", "4"});
  for (const auto* payload : {"you sent me 2", "you sent me 4"}) {
    const auto message = odd.receive();
    ASSERT_TRUE(message);
    EXPECT_EQ(palm::read(message->at(1)).payload, payload);
    EXPECT_EQ(palm::read(message->at(1)).stage, 1);
  }
  host().terminate();  // what went to the topic even waits for a subscriber
  EXPECT_TRUE(host().wait());
}

TEST_F(PalmTour, PipelineAndSinkGoOnWithWhatOthersPublish) {
  Peer server(ZMQ_XPUB);
  server.bind(at(5590));
  Peer client(ZMQ_SUB);
  client.subscribe("a client").connect(at(5592));
  ASSERT_EQ(server.receive(), Frames{std::string("\1my_server")});
  auto fields = message("my_server.foo my_pipeline.nothing", "dropped");
  fields.stage = 1;
  server.send({"my_server", palm::encode(fields)});
  fields.function = "my_server.foo my_pipeline.foo";
  fields.payload = "kept";
  server.send({"my_server", palm::encode(fields)});
  const auto published = client.receive();
  ASSERT_TRUE(published);
  EXPECT_EQ(palm::read(published->at(1)).payload, "and I pipelined kept");

  Peer first(ZMQ_XPUB);
  Peer second(ZMQ_XPUB);
  first.bind(at(5593));
  second.bind(at(5594));
  Peer last(ZMQ_SUB);
  last.subscribe("a client").connect(at(5596));
  for (auto* pipeline : {&first, &second}) {
    ASSERT_EQ(pipeline->receive(), Frames{std::string("\1my_pipeline")});
    pipeline->send({"my_pipeline", palm::encode(message("my_sink.echo", "a"))});
    const auto joined = last.receive();
    ASSERT_TRUE(joined);
    EXPECT_EQ(palm::read(joined->at(1)).payload, "a");
  }
  EXPECT_EQ(host().stop(), 0);
}

TEST_F(PalmTour, HubSharesOutWhatAServerPublishes) {
  Peer server(ZMQ_XPUB);
  server.bind(at(5597));
  ASSERT_EQ(server.receive(), Frames{std::string("\1my_server")});
  Worker worker(at(5601), at(5600));
  Peer client(ZMQ_SUB);
  client.subscribe("a client").connect(at(5599));
  auto fields = message("my_server.foo hub.foo", "a");
  fields.stage = 1;
  server.send({"my_server", palm::encode(fields)});
  const auto job = worker.take();
  ASSERT_TRUE(job);
  EXPECT_EQ(job->stage, 1);
  EXPECT_EQ(job->cache.size(), 36u);
  worker.give(*job, "done");
  const auto published = client.receive();
  ASSERT_TRUE(published);
  EXPECT_EQ(palm::read(published->at(1)).payload, "done");
  expect_clean_stop(host());
}

// A master of raw sockets, at an address that workers of the tour look for.
class Master {
 public:
  explicit Master(const std::string& db) : db_(ZMQ_ROUTER), jobs_(ZMQ_PUSH), results_(ZMQ_PULL) {
    addresses_["worker_push_address"] = jobs_.bind();
    addresses_["worker_pull_address"] = results_.bind();
    db_.bind(db);
  }
  // Answers until both addresses were asked for.
  bool tells_addresses() {
    for (std::set<std::string> told; told.size() < 2;) {
      auto request = db_.receive();
      if (!request) return false;
      const std::string key(palm::read(request->back()).payload);
      request->back() = addresses_[key];
      db_.send(*request);
      told.insert(key);
    }
    return true;
  }
  PalmMessage ask(std::string_view function, std::string_view payload) {
    jobs_.send({palm::encode(message(function, payload))});
    return result();
  }
  PalmMessage result() {
    const auto frames = results_.receive();
    return frames ? PalmMessage(palm::read(frames->front())) : PalmMessage();
  }

 private:
  Peer db_;
  Peer jobs_;
  Peer results_;
  std::map<std::string, std::string> addresses_;
};

TEST_F(PalmTour, WorkerWaitsForItsMasterAndFindsItAgain) {
  for (int life = 0; life < 2; ++life) {
    Master master(at(5602));
    ASSERT_TRUE(master.tells_addresses());
    EXPECT_EQ(master.ask("server.echo", "a").payload, "a");
    const auto failed = master.ask("server.boom", "a");
    EXPECT_EQ(failed.payload, "0");
    EXPECT_THAT(failed.error.value_or(""), StartsWith("function_failed"));
    EXPECT_EQ(master.ask("not a function", "a").payload, "0");
  }
  EXPECT_EQ(host().stop(), 0);
}

TEST_F(PalmTour, MuxWorkerAnswersTwice) {
  Master master(at(5603));
  ASSERT_TRUE(master.tells_addresses());
  EXPECT_EQ(master.ask("server.two", "a").payload, "worker first a");
  EXPECT_EQ(master.result().payload, "worker second a");
  EXPECT_EQ(host().stop(), 0);
}

TEST_F(PalmTour, GatewayAnswersHttpClientsAndPeers) {
  Worker worker(at(5607), at(5606));
  std::thread working([&] { worker.echo(2); });
  EXPECT_THAT(posted(address(5604), "/echo", "hello"), testing::EndsWith("\r\n\r\nhello"));
  Peer peer(ZMQ_REQ);
  peer.set(ZMQ_ROUTING_ID, "a client").connect(at(5608));
  peer.send({palm::encode(message("_.echo", "from a peer"))});
  const auto answer = peer.receive();
  working.join();
  ASSERT_TRUE(answer);
  EXPECT_EQ(palm::read(answer->front()).payload, "from a peer");
  EXPECT_THAT(posted(address(5604), "/", "x"), StartsWith("HTTP/1.1 404 "));
  expect_clean_stop(host());
}

TEST_F(PalmTour, MessagesAreAnsweredByAWebWorkerOneAfterTheOther) {
  PalmClient client(at(5613));
  // Nobody listens there: each message comes back as an error.
  const auto replies = client.job("server.echo", {"a", "b"}, 2);
  ASSERT_THAT(replies, SizeIs(2));
  EXPECT_EQ(replies[0].payload, "0");
  EXPECT_THAT(replies[0].error.value_or(""), StartsWith("http_failed"));
  expect_clean_stop(host());
}

TEST_F(PalmTour, WebWorkerOfTheHostRunsFunctions) {
  const auto answer = posted(address(5614), "/", palm::encode(message("server.echo", "a")));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, testing::EndsWith(palm::encode(message("server.echo", "a"))));
  EXPECT_THAT(posted(address(5614), "/", palm::encode(message("server.boom", "a"))),
              StartsWith("HTTP/1.1 500 "));
  expect_clean_stop(host());
}

TEST_F(PalmTour, RepAndHttpServicesAcceptAtOnce) {
  Peer worker(ZMQ_PULL);
  worker.connect(at(5617));
  Peer peer(ZMQ_REQ);
  peer.connect(at(5615));
  peer.send({palm::encode(message("server.foo", "from a peer"))});
  EXPECT_EQ(peer.receive(), Frames{"1"});
  EXPECT_THAT(posted(address(5616), "/", palm::encode(message("server.foo", "by http"))),
              testing::EndsWith("\r\n\r\n1"));
  for (const auto* payload : {"from a peer", "by http"}) {
    const auto job = worker.receive();
    ASSERT_TRUE(job);
    EXPECT_EQ(palm::read(job->front()).payload, payload);
  }
  peer.send({"garbage"});
  EXPECT_EQ(peer.receive(), Frames{"0"});
  EXPECT_THAT(posted(address(5616), "/", "garbage"), StartsWith("HTTP/1.1 400 "));
  expect_clean_stop(host());
}

}  // namespace
}  // namespace backplane::test
