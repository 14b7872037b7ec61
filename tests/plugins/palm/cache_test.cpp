// palm.cache: the exchanges of a real cache service, and what the host promises beyond them.
#include "palm/cache.hpp"

#include "plugins/palm/verbs.hpp"
#include "support/temporary_folder.hpp"
#include "support/vectors.hpp"

namespace backplane::palm {
namespace {

class CacheService : public testing::Test {
 protected:
  void start(std::vector<OptionText> options = {}, std::string preset = "[name=srv, present=here]") {
    options.emplace_back("bind", any_port);
    options.emplace_back("preset", std::move(preset));
    asker_.reset();
    host_.emplace(options);
    host_->start();
    asker_.emplace(ZMQ_REQ).connect(endpoint_of(*host_));
  }
  // The bytes of the only frame of the answer.
  std::string raw(const Frames& request) {
    asker_->send(request);
    const auto answer = receives(*host_, *asker_);
    return answer.size() == 1 ? answer[0] : "not one frame";
  }
  std::string ask(const char* instruction, std::string key, std::string payload) {
    PalmMessage request;
    request.function = std::string("srv.") + instruction;
    request.cache = std::move(key);
    request.payload = std::move(payload);
    return raw({bytes_of(request)});
  }
  std::string get(const std::string& key) { return ask("get", "", key); }
  std::string set(const std::string& key, const std::string& value) { return ask("set", key, value); }
  std::string remove(const std::string& key) { return ask("delete", "", key); }
  // A function of the component: its value, or the type of its error.
  Value call(const char* function, const Array& arguments) {
    host_->deliver(host_->request(function, {backplane::encode(Value(arguments))}, BP_MSGPACK));
    host_->run_ready();
    const auto reply = host_->take_reply();
    return reply.is_error() ? Value(reply.error_type) : backplane::decode(reply.message[0]);
  }
  FakeHost& host() { return *host_; }
  Peer& asker() { return *asker_; }

 private:
  std::optional<FakeComponent<Cache>> host_;
  std::optional<Peer> asker_;
};

// ---- requests ---------------------------------------------------------------------------------------

TEST_F(CacheService, AnswersAsTheRealOneAndGoesOnWhereThatOneDies) {
  for (const auto& each : test::vectors("palm/cache.json", "exchanges")) {
    start();
    const auto answer = raw({test::from_hex(each["request_hex"].get<std::string>())});
    if (each["fresh_key"].get<bool>()) {
      EXPECT_EQ(answer.size(), 36u) << answer;
      EXPECT_EQ(get(answer), "v1");
    } else {
      EXPECT_EQ(answer, test::from_hex(each["reply_hex"].get<std::string>())) << each["name"];
    }
    EXPECT_EQ(get("name"), "srv") << "after " << each["name"];
  }
}

TEST_F(CacheService, KeepsAndForgets) {
  start();
  EXPECT_EQ(set("k", "value"), "k");
  EXPECT_EQ(get("k"), "value");
  EXPECT_EQ(remove("k"), "k");
  EXPECT_EQ(get("k"), "");
  EXPECT_EQ(remove("k"), "");
}

TEST_F(CacheService, KeysAndValuesAreAnyTextAndAnyBytes) {
  start();
  const auto key = "gr\xC3\xBC\xC3\x9F\0e"s;
  const auto value = "\xFF\0\x01"s;
  EXPECT_EQ(set(key, value), key);
  EXPECT_EQ(get(key), value);
}

TEST_F(CacheService, ARequestOfSeveralFramesIsAnsweredWithNothing) {
  start();
  PalmMessage request;
  request.function = "srv.get";
  request.payload = "name";
  EXPECT_EQ(raw({bytes_of(request), "second"}), "");
  EXPECT_EQ(get("name"), "srv");
  EXPECT_EQ(host().metric("bad_requests"), 1);
}

TEST_F(CacheService, PeersThatDoNotAskAsReqDoGetNoAnswer) {
  start();
  Peer dealer(ZMQ_DEALER);
  dealer.connect(endpoint_of(host()));
  dealer.send({"no envelope"});
  EXPECT_TRUE(silent(host(), dealer));
  EXPECT_EQ(get("name"), "srv");
}

TEST_F(CacheService, AClientThatComesBackUnderItsIdentityIsAnswered) {
  start();
  Peer first(ZMQ_REQ);
  first.set(ZMQ_ROUTING_ID, "the client").connect(endpoint_of(host()));
  PalmMessage request;
  request.function = "srv.get";
  request.payload = "name";
  first.send({bytes_of(request)});
  EXPECT_EQ(receives(host(), first), Frames{"srv"});
  Peer again(ZMQ_REQ);
  again.set(ZMQ_ROUTING_ID, "the client").connect(endpoint_of(host()));
  again.send({bytes_of(request)});
  EXPECT_EQ(receives(host(), again), Frames{"srv"});
}

TEST_F(CacheService, AnswersWhenTheHostIsFull) {
  start();
  host().answer_sends(BP_PAUSED);
  EXPECT_EQ(get("name"), "srv");
}

// ---- preset keys ------------------------------------------------------------------------------------

TEST_F(CacheService, PresetKeysMayBeChangedAndDeleted) {
  start();
  EXPECT_EQ(set("name", "other"), "name");
  EXPECT_EQ(get("name"), "other");
  EXPECT_EQ(remove("name"), "name");
  EXPECT_EQ(get("name"), "");
}

TEST_F(CacheService, ProtectedOnesMayNot) {
  start({{"protect_preset", "true"}});
  EXPECT_EQ(set("name", "other"), "");
  EXPECT_EQ(remove("name"), "");
  EXPECT_EQ(get("name"), "srv");
  EXPECT_EQ(set("mine", "x"), "mine");
  EXPECT_EQ(call("clean", {""}), Value(1));
  EXPECT_EQ(get("name"), "srv");
}

TEST_F(CacheService, AddressesOfAllInterfacesAreAdvertisedAsOneToConnectTo) {
  start({{"advertise", "master.example"}, {"sub_addresses", "[tcp://0.0.0.0:1, tcp://10.0.0.1:2]"}},
        "[\"pull_address=tcp://*:5555\", \"pub_address=tcp://[::]:5556\", other=tcp://127.0.0.1:5557]");
  EXPECT_EQ(get("pull_address"), "tcp://master.example:5555");
  EXPECT_EQ(get("pub_address"), "tcp://master.example:5556");
  EXPECT_EQ(get("other"), "tcp://127.0.0.1:5557");
  EXPECT_EQ(get("sub_address_0"), "tcp://master.example:1");
  EXPECT_EQ(get("sub_address_1"), "tcp://10.0.0.1:2");
}

TEST(CachePreset, AnAddressThatNobodyCanConnectToIsRefused) {
  for (const auto* preset : {"pull_address=tcp://127.0.0.1:*", "pull_address=tcp://*:*"}) {
    const auto refusal = zmq::start_refusal<Cache>({{"bind", any_port}, {"preset", preset}});
    EXPECT_NE(refusal.find("peers cannot connect to"), std::string::npos) << refusal;
  }
}

TEST(CachePreset, IsKeyAndValue) {
  for (const auto* preset : {"novalue", "=x"})
    EXPECT_NE(zmq::start_refusal<Cache>({{"bind", any_port}, {"preset", preset}}), "") << preset;
}

// ---- limits -----------------------------------------------------------------------------------------

TEST_F(CacheService, WhatDoesNotFitIsAnsweredWithNothing) {
  start({{"max_entries", "2"}, {"max_bytes", "100"}});
  EXPECT_EQ(set("a", "1"), "a");
  EXPECT_EQ(set("large", std::string(200, 'x')), "");
  EXPECT_EQ(set("b", "2"), "b");
  EXPECT_EQ(set("c", "3"), "");
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(get("c"), "");
  EXPECT_EQ(set("a", "4"), "a");
}

TEST_F(CacheService, OrTheEntryNotUsedForLongestMakesRoom) {
  start({{"max_entries", "2"}, {"full", "evict"}});
  set("a", "1");
  set("b", "2");
  get("a");
  EXPECT_EQ(set("c", "3"), "c");
  EXPECT_EQ(get("b"), "");
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(get("name"), "srv");
}

TEST_F(CacheService, EntriesEndWithTheirTimePresetOnesDoNot) {
  start({{"ttl", "200ms"}});
  set("k", "v");
  EXPECT_EQ(get("k"), "v");
  host().run_for(250ms);
  EXPECT_EQ(get("k"), "");
  EXPECT_EQ(get("name"), "srv");
}

// ---- through a restart ------------------------------------------------------------------------------

class KeptCache : public CacheService {
 protected:
  std::string path() const { return folder_.file("cache.db").string(); }
  void start_kept(std::vector<OptionText> options = {}) {
    options.emplace_back("path", path());
    start(options);
  }
  test::TemporaryFolder folder_;
};

TEST_F(KeptCache, EntriesSurviveARestart) {
  start_kept();
  set("k", "value\0\xFF"s);
  set("changed", "1");
  set("changed", "2");
  set("gone", "x");
  remove("gone");
  call("set", {"by function", "f"});
  start_kept();
  EXPECT_EQ(get("k"), "value\0\xFF"s);
  EXPECT_EQ(get("changed"), "2");
  EXPECT_EQ(get("gone"), "");
  EXPECT_EQ(get("f"), "by function");
}

TEST_F(KeptCache, AnAnsweredChangeIsOnDisk) {
  start_kept();
  EXPECT_EQ(set("k", "value"), "k");
  std::map<std::string, std::string> found;
  CacheFile copy(path(), [](std::string_view) {});
  copy.load([&](std::string_view key, std::string_view value, std::int64_t) { found.emplace(key, value); });
  EXPECT_EQ(found, (std::map<std::string, std::string>{{"k", "value"}}));
}

TEST_F(KeptCache, WhatIsCleanedEvictedOrOutOfTimeIsGoneFromTheFileToo) {
  start_kept({{"max_entries", "3"}, {"full", "evict"}});
  for (const auto* key : {"a1", "a2", "b1", "b2"}) set(key, "v");
  call("clean", {"a"});
  start_kept();
  EXPECT_EQ(get("a1") + get("a2"), "");
  EXPECT_EQ(get("b1") + get("b2"), "vv");
  start_kept({{"ttl", "1ms"}});
  set("short", "v");
  host().run_for(10ms);
  start_kept();
  EXPECT_EQ(get("short"), "");
}

TEST_F(KeptCache, ProtectedPresetKeysAreNotHiddenByAnOldFile) {
  start_kept();
  set("name", "an old name");
  start_kept({{"protect_preset", "true"}});
  EXPECT_EQ(get("name"), "srv");
  EXPECT_EQ(call("get", {"name"}), Value(Bytes{"srv"}));
}

TEST_F(KeptCache, AFileThatIsNoDatabaseIsPutAside) {
  test::write_file(path(), "this is no database, whatever its name says: " + std::string(5000, 'x'));
  start_kept();
  EXPECT_TRUE(host().logged("is damaged"));
  EXPECT_EQ(set("k", "v"), "k");
  start_kept();
  EXPECT_EQ(get("k"), "v");
  EXPECT_TRUE(std::filesystem::exists(path() + ".damaged"));
}

TEST_F(KeptCache, AFileThatIsDamagedInsideIsPutAside) {
  start_kept();
  for (int i = 0; i < 300; ++i) call("set", {std::string(200, 'x'), "key " + std::to_string(i)});
  host().stop();
  auto bytes = test::read_file(path());
  ASSERT_GT(bytes.size(), 16'384u);
  for (std::size_t at = 8192; at < 16'384; ++at) bytes[at] = '\xA5';
  test::write_file(path(), bytes);
  start_kept();
  EXPECT_TRUE(host().logged("is damaged"));
  EXPECT_EQ(set("k", "v"), "k");
}

TEST_F(KeptCache, AFileCutShortIsPutAside) {
  start_kept();
  for (int i = 0; i < 300; ++i) call("set", {std::string(200, 'x'), "key " + std::to_string(i)});
  host().stop();
  std::filesystem::resize_file(path(), 9000);
  start_kept();
  EXPECT_TRUE(host().logged("is damaged"));
  EXPECT_EQ(set("k", "v"), "k");
}

TEST(CachePath, AFolderThatIsNotThereRefusesTheStart) {
  const auto refusal = zmq::start_refusal<Cache>({{"bind", any_port}, {"path", "/no/such/folder/cache.db"}});
  EXPECT_NE(refusal.find("StoreFailed"), std::string::npos) << refusal;
}

// ---- functions --------------------------------------------------------------------------------------

TEST_F(CacheService, FunctionsSeeAndChangeTheSameEntries) {
  start();
  EXPECT_EQ(call("get", {"present"}), Value(Bytes{"here"}));
  EXPECT_EQ(call("get", {"k"}), Value());
  EXPECT_EQ(call("set", {"text", "k"}), Value("k"));
  EXPECT_EQ(get("k"), "text");
  EXPECT_EQ(call("set", {Bytes{"\xFF"}, "k"}), Value("k"));
  EXPECT_EQ(get("k"), "\xFF");
  EXPECT_EQ(call("contains", {"k"}), Value(true));
  EXPECT_EQ(call("delete", {"k"}), Value(true));
  EXPECT_EQ(call("delete", {"k"}), Value(false));
  EXPECT_EQ(call("contains", {"k"}), Value(false));
}

TEST_F(CacheService, AFunctionMayLeaveTheKeyToTheCache) {
  start();
  const auto key = call("set", {"value"});
  ASSERT_NE(key.get_if<std::string>(), nullptr);
  EXPECT_EQ(get(*key.get_if<std::string>()), "value");
}

TEST_F(CacheService, CleanForgetsAllThatBeginsWithAPrefix) {
  start();
  for (const auto* key : {"job/1", "job/2", "other"}) set(key, "v");
  EXPECT_EQ(call("clean", {"job/"}), Value(2));
  EXPECT_EQ(get("job/1"), "");
  EXPECT_EQ(get("other"), "v");
  EXPECT_EQ(call("clean", {"present"}), Value(1));
}

TEST_F(CacheService, AFunctionIsToldWhatDoesNotFit) {
  start({{"max_bytes", "10"}});
  EXPECT_EQ(call("set", {std::string(50, 'x'), "k"}), Value("CacheFull"));
  EXPECT_EQ(call("set", {5, "k"}), Value("InvalidCallArguments"));
}

}  // namespace
}  // namespace backplane::palm
