// Binding and connecting, for all kinds alike: what is refused, and in which words.
#include "answering.hpp"
#include "asking.hpp"
#include "bypass.hpp"
#include "inbound.hpp"
#include "outbound.hpp"
#include "support/temporary_folder.hpp"
#include "verbs.hpp"

namespace backplane::zmq {
namespace {

using testing::HasSubstr;

TEST(Endpoints, NeitherBindNorConnectIsRefused) {
  EXPECT_THAT(start_refusal<Pull>({}),
              HasSubstr("give \"bind: ENDPOINT\" to listen, or \"connect: ENDPOINT\""));
}

TEST(Endpoints, BindAndConnectTogetherAreRefused) {
  EXPECT_THAT(start_refusal<Push>({{"bind", any_port}, {"connect", "tcp://127.0.0.1:1"}}),
              HasSubstr("\"bind\" and \"connect\" are both given"));
}

TEST(Endpoints, AnEmptyListIsRefused) {
  EXPECT_THAT(start_refusal<Pull>({{"bind", "[]"}}), HasSubstr("option \"bind\": names no endpoint"));
}

TEST(Endpoints, ATakenPortIsNamed) {
  Peer other(ZMQ_PULL);
  const auto taken = other.bind();
  EXPECT_THAT(start_refusal<Pull>({{"bind", taken}}),
              HasSubstr("BindFailed: cannot bind " + taken + ": the address is taken; another program"));
}

TEST(Endpoints, ASecondInstanceLearnsThatOnlyOneCanBind) {
  Peer other(ZMQ_PULL);
  FakeSettings second;
  second.instance = 1;
  second.instances = 2;
  EXPECT_THAT(start_refusal<Pull>({{"bind", other.bind()}}, second),
              HasSubstr("only one instance of a component can bind it"));
}

TEST(Endpoints, AfterAFailedStartThePortsBoundBeforeAreFreeAgain) {
  Peer other(ZMQ_PULL);
  const auto taken = other.bind();
  const auto free = test::free_endpoint();
  EXPECT_THAT(start_refusal<Pull>({{"bind", "[" + free + ", " + taken + "]"}}), HasSubstr(taken));
  FakeComponent<Pull> pull({{"bind", free}});
  EXPECT_TRUE(test::eventually([&] { return refusal([&] { pull.start(); }).empty(); }));
}

TEST(Endpoints, ASillyEndpointIsExplained) {
  EXPECT_THAT(start_refusal<Pull>({{"bind", "tcp://127.0.0.1"}}), HasSubstr("expected tcp://ADDRESS:PORT"));
  EXPECT_THAT(start_refusal<Push>({{"connect", "tcp://127.0.0.1:http"}}),
              HasSubstr("expected tcp://HOST:PORT"));
  EXPECT_THAT(start_refusal<Push>({{"connect", "127.0.0.1:80"}}), HasSubstr("expected tcp://HOST:PORT"));
  EXPECT_THAT(start_refusal<Push>({{"connect", "smoke://signal:80"}}),
              HasSubstr("does not know this transport"));
}

TEST(Endpoints, AnAddressOfAnotherMachineCannotBeBound) {
  EXPECT_THAT(start_refusal<Pull>({{"bind", "tcp://192.0.2.1:5555"}, {"insecure", "true"}}),
              HasSubstr("no network interface of this machine has this address"));
}

TEST(Endpoints, AFolderThatDoesNotExistIsNamed) {
  EXPECT_THAT(start_refusal<Pull>({{"bind", "ipc:///no/such/folder/socket"}}), HasSubstr("no such folder"));
}

TEST(Endpoints, ANameThatDoesNotResolveIsRefusedOrWarnedOf) {
  FakeComponent<Push> push({{"connect", "tcp://no-such-name.invalid:5555"}, {"linger", "0ms"}});
  const auto why = refusal([&] { push.start(); });
  EXPECT_THAT(why.empty() ? push.log_lines().front().line : why, HasSubstr("no-such-name.invalid"));
}

TEST(Endpoints, AWildcardPortIsToldInTheLog) {
  FakeComponent<Pull> pull({{"bind", any_port}});
  pull.start();
  EXPECT_THAT(endpoint_of(pull), testing::MatchesRegex("tcp://127\\.0\\.0\\.1:[0-9]+"));
}

TEST(Endpoints, SeveralEndpointsAreAllServed) {
  FakeComponent<Pull> pull({{"bind", "[" + any_port + ", " + any_port + "]"}});
  pull.start();
  Peer first(ZMQ_PUSH);
  Peer second(ZMQ_PUSH);
  first.connect(endpoint_of(pull, 0)).send({"one"});
  EXPECT_EQ(next_sent(pull), Frames{"one"});
  second.connect(endpoint_of(pull, 1)).send({"two"});
  EXPECT_EQ(next_sent(pull), Frames{"two"});
}

TEST(Endpoints, IpcWorks) {
  const test::TemporaryFolder folder;
  const std::string endpoint = "ipc://" + folder.file("socket").string();
  FakeComponent<Pull> pull({{"bind", endpoint}});
  pull.start();
  Peer peer(ZMQ_PUSH);
  peer.connect(endpoint).send({"hello"});
  EXPECT_EQ(next_sent(pull), Frames{"hello"});
}

TEST(Endpoints, AnOptionThatLibzmqRefusesIsNamed) {
  EXPECT_THAT(start_refusal<Dealer>({{"connect", "tcp://127.0.0.1:1"}, {"identity", std::string(256, 'x')}}),
              HasSubstr("option \"identity\": libzmq refuses"));
}

template <typename T>
class EveryKind : public testing::Test {};
using Kinds = testing::Types<Pull, Sub, Xsub, Rep, Router, Push, Pub, Xpub, Req, Dealer, PushBypass,
                             PullBypass, RepBypass>;
TYPED_TEST_SUITE(EveryKind, Kinds);

TYPED_TEST(EveryKind, StartsAndStopsBound) {
  FakeComponent<TypeParam> component({{"bind", any_port}});
  component.start();
  EXPECT_NE(endpoint_of(component), "nowhere");
  component.run_ready();
  component.stop();
}

TYPED_TEST(EveryKind, StartsAndStopsConnected) {
  FakeComponent<TypeParam> component({{"connect", "tcp://127.0.0.1:1"}, {"linger", "0ms"}});
  component.start();
  EXPECT_TRUE(component.logged("connecting to tcp://127.0.0.1:1"));
  component.run_ready();
  component.stop();
}

TYPED_TEST(EveryKind, EveryOptionReachesLibzmq) {
  OptionTexts texts({{"bind", any_port}});
  for (const auto& option : TypeParam::options) {
    const std::string name = option.name;
    if (option.type == BP_BOOLEAN && name != "conflate") texts.all.emplace_back(name, "true");
    if (option.type == BP_DURATION && name != "every" && name != "timeout")
      texts.all.emplace_back(name, "2s");
    if (option.type == BP_SIZE) texts.all.emplace_back(name, "16KiB");
    if (name == "identity") texts.all.emplace_back(name, "me");
  }
  FakeComponent<TypeParam> component(texts);
  EXPECT_EQ(refusal([&] { component.start(); }), "");
}

TYPED_TEST(EveryKind, HelpIsThereForEveryOption) {
  std::set<std::string> names;
  for (const auto& option : TypeParam::options) {
    EXPECT_TRUE(names.insert(option.name).second) << option.name << " is there twice";
    EXPECT_GT(std::string(option.help).size(), 4u) << option.name;
  }
}

}  // namespace
}  // namespace backplane::zmq
