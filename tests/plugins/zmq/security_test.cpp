#include "security.hpp"

#include <fstream>

#include "inbound.hpp"
#include "outbound.hpp"
#include "support/temporary_folder.hpp"
#include "verbs.hpp"

namespace backplane::zmq {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Endpoints, AreLocalWhenOnlyThisMachineReachesThem) {
  for (const auto* endpoint :
       {"tcp://127.0.0.1:5555", "tcp://127.9.9.9:*", "tcp://[::1]:5555", "tcp://::1:5555",
        "tcp://localhost:5555", "tcp://lo:5555", "ipc:///tmp/x", "inproc://x"})
    EXPECT_TRUE(is_local(endpoint)) << endpoint;
  for (const auto* endpoint :
       {"tcp://*:5555", "tcp://0.0.0.0:5555", "tcp://[::]:5555", "tcp://192.168.0.1:5555", "tcp://eth0:5555",
        "tcp://localhost.example.org:1", "tcp://128.0.0.1:1", "udp://127.0.0.1:1", "tcp://", ""})
    EXPECT_FALSE(is_local(endpoint)) << endpoint;
}

TEST(Networks, HoldTheirAddresses) {
  EXPECT_TRUE(Network::parse("10.0.0.0/8")->holds("10.255.0.1"));
  EXPECT_FALSE(Network::parse("10.0.0.0/8")->holds("11.0.0.1"));
  EXPECT_TRUE(Network::parse("192.168.4.0/22")->holds("192.168.7.255"));
  EXPECT_FALSE(Network::parse("192.168.4.0/22")->holds("192.168.8.0"));
  EXPECT_TRUE(Network::parse("127.0.0.1")->holds("127.0.0.1"));
  EXPECT_FALSE(Network::parse("127.0.0.1")->holds("127.0.0.2"));
  EXPECT_TRUE(Network::parse("127.0.0.1")->holds("::ffff:127.0.0.1"));
  EXPECT_TRUE(Network::parse("fe80::/10")->holds("febf::1"));
  EXPECT_FALSE(Network::parse("fe80::/10")->holds("fec0::1"));
  EXPECT_TRUE(Network::parse("0.0.0.0/0")->holds("1.2.3.4"));
  EXPECT_FALSE(Network::parse("0.0.0.0/0")->holds("::1"));
  EXPECT_FALSE(Network::parse("0.0.0.0/0")->holds(""));
}

TEST(Networks, AreRefusedWhenTheyAreNone) {
  for (const auto* written : {"", "localhost", "10.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/8x",
                              "10.0.0.0/-1", "1.2.3.4.5"})
    EXPECT_FALSE(Network::parse(written).has_value()) << written;
}

TEST(Exposure, ABindThatOthersReachNeedsProtection) {
  EXPECT_THAT(start_refusal<Pull>({{"bind", "tcp://*:*"}}),
              HasSubstr("tcp://*:* can be reached from other machines and nothing protects it; give"));
}

TEST(Exposure, OneOpenEndpointAmongLocalOnesIsRefused) {
  EXPECT_THAT(start_refusal<Pull>({{"bind", "[" + any_port + ", tcp://0.0.0.0:*]"}}),
              HasSubstr("tcp://0.0.0.0:*"));
}

TEST(Exposure, InsecureIsAllowedWithAWarning) {
  FakeComponent<Pull> pull({{"bind", "tcp://*:*"}, {"insecure", "true"}});
  pull.start();
  EXPECT_TRUE(pull.logged("nothing protects it (insecure: true)"));
}

TEST(Exposure, CurveOrAnAllowListIsProtection) {
  EXPECT_EQ(start_refusal<Pull>({{"bind", "tcp://*:*"}, {"server_secret_key", Curve().secret_key}}), "");
  EXPECT_EQ(start_refusal<Pull>({{"bind", "tcp://*:*"}, {"allow_addresses", "127.0.0.1"}}), "");
}

TEST(Exposure, AConnectionNeedsNone) {
  EXPECT_EQ(start_refusal<Push>({{"connect", "tcp://192.0.2.1:5555"}, {"linger", "0ms"}}), "");
}

TEST(Keys, AWrongKeyIsRefusedAndNeverShown) {
  const auto why = start_refusal<Pull>({{"bind", any_port}, {"server_secret_key", "too-short"}});
  EXPECT_THAT(why,
              HasSubstr("option \"server_secret_key\": a CURVE key is 40 characters of Z85, this has 9"));
  EXPECT_THAT(why, Not(HasSubstr("too-short")));
  EXPECT_THAT(start_refusal<Pull>({{"bind", any_port}, {"server_secret_key", std::string(40, '\\')}}),
              HasSubstr("characters that Z85 does not use"));
}

TEST(Keys, ASocketIsServerOrClient) {
  EXPECT_THAT(start_refusal<Pull>({{"bind", any_port},
                                   {"server_secret_key", Curve().secret_key},
                                   {"server_key", Curve().public_key}}),
              HasSubstr("a socket is one of them"));
}

TEST(Keys, ClientKeysNeedTheKeyOfTheServer) {
  EXPECT_THAT(start_refusal<Push>({{"connect", any_port}, {"secret_key", Curve().secret_key}}),
              HasSubstr("needs \"server_key\" too"));
}

TEST(Keys, APublicKeyMustBelongToItsSecret) {
  EXPECT_THAT(start_refusal<Push>({{"connect", "tcp://127.0.0.1:1"},
                                   {"server_key", Curve().public_key},
                                   {"secret_key", Curve().secret_key},
                                   {"public_key", Curve().public_key}}),
              HasSubstr("does not belong to the secret key"));
}

TEST(Keys, AFileAndAValueTogetherAreRefused) {
  EXPECT_THAT(start_refusal<Pull>({{"bind", any_port},
                                   {"server_secret_key", Curve().secret_key},
                                   {"server_secret_key_file", "/dev/null"}}),
              HasSubstr("not both"));
}

TEST(Keys, AFileThatCannotBeReadIsNamed) {
  EXPECT_THAT(start_refusal<Pull>({{"bind", any_port}, {"server_secret_key_file", "/no/such/key"}}),
              HasSubstr("cannot read /no/such/key: No such file"));
}

TEST(AllowLists, NeedCurveForKeys) {
  EXPECT_THAT(start_refusal<Pull>({{"bind", any_port}, {"allow", Curve().public_key}}),
              HasSubstr("needs \"server_secret_key\""));
}

TEST(AllowLists, EmptyOnesAreRefused) {
  EXPECT_THAT(start_refusal<Pull>({{"bind", any_port}, {"allow_addresses", "[]"}}),
              HasSubstr("lock everybody out"));
}

TEST(AllowLists, ANameIsNoAddress) {
  EXPECT_THAT(start_refusal<Pull>({{"bind", any_port}, {"allow_addresses", "[127.0.0.1, localhost]"}}),
              HasSubstr("\"localhost\" is neither an IP address nor a network"));
}

// A pull with CURVE, and pushers with and without keys.
class CurveServer : public testing::Test {
 protected:
  void serve(std::vector<OptionText> options = {}) {
    options.emplace_back("bind", any_port);
    options.emplace_back("server_secret_key", server_.secret_key);
    options.emplace_back("monitor", "true");
    pull_.emplace(options);
    pull_->start();
  }
  std::unique_ptr<Peer> pusher(const Curve& keys, const std::string& server_key) {
    auto peer = std::make_unique<Peer>(ZMQ_PUSH);
    peer->set(ZMQ_LINGER, 0)
        .set(ZMQ_CURVE_SERVERKEY, server_key)
        .set(ZMQ_CURVE_PUBLICKEY, keys.public_key)
        .set(ZMQ_CURVE_SECRETKEY, keys.secret_key)
        .connect(endpoint_of(*pull_));
    return peer;
  }
  bool somebody_is_refused() {
    return pull_->run_until([&] { return pull_->metric("handshakes_failed") > 0; }, kPatience);
  }

  Curve server_;
  Curve client_;
  std::optional<FakeComponent<Pull>> pull_;
};

TEST_F(CurveServer, TakesMessagesOfThoseWhoKnowItsKey) {
  serve();
  const auto peer = pusher(client_, server_.public_key);
  peer->send({"secret"});
  EXPECT_EQ(next_sent(*pull_), Frames{"secret"});
}

TEST_F(CurveServer, RefusesThoseWhoDoNot) {
  serve();
  const auto peer = pusher(client_, Curve().public_key);
  peer->send({"wrong key"});
  EXPECT_TRUE(somebody_is_refused());
  EXPECT_TRUE(pull_->sent().empty());
}

TEST_F(CurveServer, RefusesThoseWithoutCurve) {
  serve();
  Peer plain(ZMQ_PUSH);
  plain.set(ZMQ_LINGER, 0).connect(endpoint_of(*pull_)).send({"plain"});
  EXPECT_TRUE(somebody_is_refused());
  EXPECT_TRUE(pull_->sent().empty());
}

TEST_F(CurveServer, TakesMessagesOfThoseOnTheAllowList) {
  serve({{"allow", "[\"" + Curve().public_key + "\", \"" + client_.public_key + "\"]"}});
  const auto peer = pusher(client_, server_.public_key);
  peer->send({"known"});
  EXPECT_EQ(next_sent(*pull_), Frames{"known"});
}

TEST_F(CurveServer, RefusesAndNamesThoseWhoAreNot) {
  serve({{"allow", client_.public_key}});
  const Curve stranger;
  const auto peer = pusher(stranger, server_.public_key);
  peer->send({"unknown"});
  EXPECT_TRUE(pull_->run_until([&] { return pull_->metric("refused_peers") > 0; }, kPatience));
  EXPECT_TRUE(pull_->logged("refused a peer at 127.0.0.1: key " + stranger.public_key));
  EXPECT_TRUE(pull_->sent().empty());
  const auto friendly = pusher(client_, server_.public_key);
  friendly->send({"known"});
  EXPECT_EQ(next_sent(*pull_), Frames{"known"});
}

TEST_F(CurveServer, KeysMayComeFromAFile) {
  const test::TemporaryFolder folder;
  const auto file = folder.file("key");
  std::ofstream(file) << server_.secret_key << "\n";
  FakeComponent<Pull> pull({{"bind", any_port}, {"server_secret_key_file", file.string()}});
  pull.start();
  FakeComponent<Push> push({{"connect", endpoint_of(pull)}, {"server_key", server_.public_key}});
  push.start();
  push.deliver(push.message({"hello"}));
  EXPECT_EQ(next_sent(pull), Frames{"hello"});
}

TEST_F(CurveServer, AComponentWithItsOwnKeysIsKnown) {
  serve({{"allow", client_.public_key}});
  FakeComponent<Push> push({{"connect", endpoint_of(*pull_)},
                            {"server_key", server_.public_key},
                            {"secret_key", client_.secret_key}});
  push.start();
  push.deliver(push.message({"hello"}));
  EXPECT_EQ(next_sent(*pull_), Frames{"hello"});
}

TEST(AllowedAddresses, LetTheirPeersIn) {
  FakeComponent<Pull> pull({{"bind", any_port}, {"allow_addresses", "[10.0.0.0/8, 127.0.0.1]"}});
  pull.start();
  Peer peer(ZMQ_PUSH);
  peer.connect(endpoint_of(pull)).send({"hello"});
  EXPECT_EQ(next_sent(pull), Frames{"hello"});
}

TEST(AllowedAddresses, KeepOthersOut) {
  FakeComponent<Pull> pull({{"bind", any_port}, {"allow_addresses", "10.0.0.0/8"}});
  pull.start();
  Peer peer(ZMQ_PUSH);
  peer.set(ZMQ_LINGER, 0).connect(endpoint_of(pull)).send({"hello"});
  EXPECT_TRUE(pull.run_until([&] { return pull.metric("refused_peers") > 0; }, kPatience));
  EXPECT_TRUE(pull.logged("refused a peer at 127.0.0.1: its address is not in allow_addresses"));
  EXPECT_TRUE(pull.sent().empty());
}

TEST(AllowLists, OfOneComponentDoNotConcernAnother) {
  FakeComponent<Pull> closed({{"bind", any_port}, {"allow_addresses", "10.0.0.0/8"}});
  FakeComponent<Pull> open({{"bind", any_port}, {"allow_addresses", "127.0.0.0/8"}});
  closed.start();
  open.start();
  Peer peer(ZMQ_PUSH);
  peer.connect(endpoint_of(open)).send({"hello"});
  EXPECT_EQ(next_sent(open), Frames{"hello"});
}

TEST(AllowLists, ComponentsThatComeAndGoShareOneHandler) {
  FakeComponent<Pull> first({{"bind", any_port}, {"allow_addresses", "127.0.0.0/8"}});
  void* const context = first.zmq_context();
  const Network everyone = *Network::parse("0.0.0.0/0");
  for (int i = 0; i < 50; ++i) {
    const Admission one(context, {{}, {everyone}}, [](auto, auto) {});
    const Admission two(context, {{}, {everyone}}, [](auto, auto) {});
    EXPECT_NE(one.domain(), two.domain());
  }
}

TEST(AllowLists, AHandlerOfSomebodyElseIsReported) {
  FakeComponent<Pull> pull({{"bind", any_port}, {"allow_addresses", "127.0.0.1"}});
  void* const other = zmq_socket(pull.zmq_context(), ZMQ_REP);
  ASSERT_EQ(zmq_bind(other, "inproc://zeromq.zap.01"), 0);
  EXPECT_THAT(refusal([&] { pull.start(); }), HasSubstr("another ZAP handler runs in this process"));
  zmq_close(other);
}

}  // namespace
}  // namespace backplane::zmq
