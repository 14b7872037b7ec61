// palm.worker with the sockets of a master on the other side.
#include "palm/worker.hpp"

#include "plugins/palm/verbs.hpp"

namespace backplane::palm {
namespace {

// The sockets of a master; its cache answers what the test sets.
class MasterSockets {
 public:
  MasterSockets() : MasterSockets(any_port) {}
  explicit MasterSockets(const std::string& db) {
    db_address = db_.bind(db);
    keys["worker_push_address"] = jobs_.bind();
    keys["worker_pull_address"] = results_.bind();
  }
  // Answers a cache request, if there is one now.
  void serve() {
    const auto request = db_.receive_now();
    if (!request) return;
    requests.push_back(message_in(*request));
    const auto& asked = requests.back();
    const bool sets = asked.function.ends_with(".set");
    if (sets) keys[asked.cache.empty() ? "fresh" : asked.cache] = asked.payload;
    if (sets) {
      db_.send({asked.cache.empty() ? "fresh" : asked.cache});
    } else if (asked.function.ends_with(".delete")) {
      db_.send({keys.erase(asked.payload) > 0 ? asked.payload : ""});
    } else {
      db_.send({keys[asked.payload]});
    }
  }
  Peer& jobs() { return jobs_; }
  Peer& results() { return results_; }

  std::map<std::string, std::string> keys;
  std::vector<PalmMessage> requests;
  std::string db_address;

 private:
  Peer db_{ZMQ_REP};
  Peer jobs_{ZMQ_PUSH};
  Peer results_{ZMQ_PULL};
};

class WorkerOfAMaster : public testing::Test {
 protected:
  void start(std::vector<OptionText> options = {}) {
    options.emplace_back("connect", master_->db_address);
    options.emplace_back("reconnect_interval", "10ms");
    host_.emplace(options);
    host_->start();
  }
  template <typename Condition>
  bool until(Condition condition) {
    return host_->run_until(
        [&] {
          if (master_) master_->serve();
          return condition();
        },
        kPatience);
  }
  // The master pushes a job, and the worker sends it along its routes.
  bool takes(const PalmMessage& job) {
    std::size_t pushed = 0;
    return until([&] {
             if (pushed == 0 && master_->jobs().send({bytes_of(job)}, 0s)) ++pushed;
             return !host_->sent().empty();
           }) &&
           message_in(frames(host_->take_sent())) == job;
  }
  Frames result() {
    std::optional<Frames> got;
    until([&] { return (got = master_->results().receive_now()).has_value(); });
    return got.value_or(Frames{"nothing"});
  }
  Value call(const char* function, const Array& arguments) {
    host_->deliver(host_->request(function, {backplane::encode(Value(arguments))}, BP_MSGPACK));
    if (!until([&] { return !host_->replies().empty(); })) return Value("no reply");
    const auto reply = host_->take_reply();
    return reply.is_error() ? Value(reply.error_type) : backplane::decode(reply.message[0]);
  }

  std::optional<MasterSockets> master_{std::in_place};
  std::optional<FakeComponent<Worker>> host_;
};

TEST_F(WorkerOfAMaster, FindsItsAddressesInTheMastersCache) {
  start();
  EXPECT_TRUE(takes(request_of("c", "job")));
  ASSERT_EQ(master_->requests.size(), 2u);
  EXPECT_EQ(master_->requests[0].function, "_.get");
  EXPECT_EQ(master_->requests[0].payload, "worker_push_address");
  EXPECT_EQ(master_->requests[1].payload, "worker_pull_address");
  EXPECT_EQ(master_->requests[0].client.size(), 36u);
  EXPECT_EQ(master_->requests[0].client, master_->requests[1].client);
}

TEST_F(WorkerOfAMaster, GivesTheMasterTheResults) {
  start();
  ASSERT_TRUE(takes(request_of("c", "job")));
  const auto done = request_of("c", "done");
  deliver(*host_, done);
  EXPECT_EQ(result(), Frames{bytes_of(done)});
}

TEST_F(WorkerOfAMaster, IsToldItsAddressesAndAsksForNone) {
  start({{"push_address", master_->keys["worker_push_address"]},
         {"pull_address", master_->keys["worker_pull_address"]}});
  EXPECT_TRUE(takes(request_of("c", "job")));
  EXPECT_TRUE(master_->requests.empty());
}

TEST_F(WorkerOfAMaster, WaitsWithResultsUntilItKnowsWhere) {
  start();
  EXPECT_EQ(deliver(*host_, request_of("c", "early")), BP_BUSY);
  EXPECT_EQ(message_in(result()).payload, "early");
}

TEST_F(WorkerOfAMaster, AsksAgainWhenTheMasterDoesNotKnowYet) {
  const auto address = std::exchange(master_->keys["worker_push_address"], "");
  start();
  ASSERT_TRUE(until([&] { return host_->logged("it is no master; asking again"); }));
  master_->keys["worker_push_address"] = address;
  EXPECT_TRUE(takes(request_of("c", "job")));
}

TEST_F(WorkerOfAMaster, AddressesThatCannotBeUsedAreWarnedAboutAndReplacedLater) {
  const auto address = std::exchange(master_->keys["worker_push_address"], "nonsense");
  start();
  ASSERT_TRUE(until([&] { return host_->logged("cannot be used"); }));
  const auto db = master_->db_address;
  const auto results = master_->keys["worker_pull_address"];
  master_.reset();
  master_.emplace(db);
  EXPECT_TRUE(takes(request_of("c", "job")));
}

TEST_F(WorkerOfAMaster, FindsAMasterThatComesBackAtOtherAddresses) {
  start();
  ASSERT_TRUE(takes(request_of("c", "1")));
  const auto db = master_->db_address;
  master_.reset();
  host_->run_for(50ms);
  master_.emplace(db);
  EXPECT_TRUE(takes(request_of("c", "2")));
  const auto done = request_of("c", "done");
  deliver(*host_, done);
  EXPECT_EQ(result(), Frames{bytes_of(done)});
}

TEST_F(WorkerOfAMaster, DropsWhatIsNoJobAndSendsNoResultThatIsNone) {
  start();
  ASSERT_TRUE(takes(request_of("c", "first")));
  master_->jobs().send({"garbage"});
  master_->jobs().send({bytes_of(request_of("c", "x")), "second"});
  EXPECT_TRUE(takes(request_of("c", "job")));
  EXPECT_EQ(host_->metric("malformed"), 2);
  EXPECT_EQ(host_->deliver(host_->message({"garbage"})), BP_MALFORMED);
  EXPECT_EQ(host_->deliver(host_->message()), BP_MALFORMED);
}

TEST_F(WorkerOfAMaster, ReachesTheMastersCache) {
  start();
  EXPECT_EQ(call("get", {"absent"}), Value());
  EXPECT_EQ(call("set", {Bytes{"value"}, "k"}), Value("k"));
  EXPECT_EQ(call("get", {"k"}), Value(Bytes{"value"}));
  EXPECT_EQ(call("set", {"text"}), Value("fresh"));
  EXPECT_EQ(call("delete", {"k"}), Value(true));
  EXPECT_EQ(call("delete", {"k"}), Value(false));
  EXPECT_EQ(call("set", {5}), Value("InvalidCallArguments"));
  EXPECT_EQ(master_->requests.back().function, "_.delete");
}

TEST_F(WorkerOfAMaster, ACacheRequestThatItsMasterNeverAnsweredIsAskedAgainOfTheNextOne) {
  const auto db = master_->db_address;
  start();
  ASSERT_TRUE(takes(request_of("c", "1")));
  host_->deliver(host_->request("get", {backplane::encode(Value(Array{"k"}))}, BP_MSGPACK));
  host_->run_for(20ms);
  master_.reset();
  host_->run_for(50ms);
  master_.emplace(db).keys["k"] = "value";
  ASSERT_TRUE(until([&] { return !host_->replies().empty(); }));
  EXPECT_EQ(backplane::decode(host_->take_reply().message[0]), Value(Bytes{"value"}));
}

TEST_F(WorkerOfAMaster, DrainingItTakesNoJobsAndStillSendsResults) {
  start();
  ASSERT_TRUE(takes(request_of("c", "1")));
  host_->drain();
  const auto done = request_of("c", "done");
  deliver(*host_, done);
  EXPECT_EQ(result(), Frames{bytes_of(done)});
  EXPECT_TRUE(test::eventually([&] { return !master_->jobs().send({bytes_of(request_of("c", "2"))}, 0s); }));
}

}  // namespace
}  // namespace backplane::palm
