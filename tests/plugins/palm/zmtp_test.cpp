// The side that pushes, against bytes of a real PULL socket and against such a socket itself.
#include "palm/zmtp.hpp"

#include "plugins/palm/verbs.hpp"
#include "support/tcp_peer.hpp"

namespace backplane::palm {
namespace {

using State = PushPeer::State;

// What libzmq 4.3.4 sends from a PULL socket: its greeting, and READY with socket type and identity.
const std::string pull_greeting =
    "\xFF\0\0\0\0\0\0\0\x01\x7F\x03\x01NULL"s + std::string(16, '\0') + std::string(32, '\0');
const std::string push_greeting = pull_greeting;
const std::string pull_ready = "\x04\x1A\x05READY\x0BSocket-Type\0\0\0\x04PULL"s;
const std::string push_ready = "\x04\x1A\x05READY\x0BSocket-Type\0\0\0\x04PUSH"s;

std::string ready_of(const std::string& type) {
  return "\x04"s + static_cast<char>(22 + type.size()) + "\x05READY\x0BSocket-Type\0\0\0"s +
         static_cast<char>(type.size()) + type;
}

// A peer that has heard all this; its answers in `answers`.
PushPeer after(const std::string& bytes, std::string* answers = nullptr) {
  PushPeer peer;
  const auto answer = peer.take(bytes);
  if (answers != nullptr) *answers = answer;
  return peer;
}

std::string complaint(const std::string& bytes) {
  const auto peer = after(bytes);
  EXPECT_EQ(peer.state(), State::failed);
  return peer.why();
}

TEST(PushPeer, GreetsAsLibzmqDoes) {
  EXPECT_EQ(PushPeer::greeting(), push_greeting);
  EXPECT_EQ(PushPeer::greeting().size(), 64u);
}

TEST(PushPeer, SaysReadyAfterTheGreetingAndIsReadyAfterTheOthersReady) {
  PushPeer peer;
  EXPECT_EQ(peer.take(pull_greeting), push_ready);
  EXPECT_EQ(peer.state(), State::ready_awaited);
  EXPECT_EQ(peer.take(pull_ready), "");
  EXPECT_EQ(peer.state(), State::ready);
}

TEST(PushPeer, TakesTheHandshakeCutAtEveryByte) {
  const auto ping = "\x04\x0B\x04PING\0\0ctxt"s;
  const auto all = pull_greeting + pull_ready + ping;
  std::string expected;
  after(all, &expected);
  EXPECT_EQ(expected, push_ready + "\x04\x09\x04PONGctxt"s);
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    PushPeer peer;
    auto answer = peer.take(all.substr(0, cut));
    answer += peer.take(all.substr(cut));
    EXPECT_EQ(answer, expected) << cut;
    EXPECT_EQ(peer.state(), State::ready) << cut;
  }
  PushPeer slow;
  std::string answer;
  for (const char byte : all) answer += slow.take({&byte, 1});
  EXPECT_EQ(answer, expected);
}

TEST(PushPeer, TalksToARealPullSocket) {
  test::TcpListener listener;
  test::Peer pull(ZMQ_PULL);
  pull.connect("tcp://" + listener.address());
  auto link = listener.accept();
  ASSERT_TRUE(link);
  PushPeer peer;
  link->send(PushPeer::greeting());
  ASSERT_TRUE(test::eventually([&] {
    link->received();
    link->send(peer.take(link->take()));
    return peer.state() == State::ready || peer.state() == State::failed;
  }));
  ASSERT_EQ(peer.state(), State::ready) << peer.why();
  const std::string large(100'000, 'x');
  for (const std::string& job : {"small"s, ""s, std::string(255, 's'), std::string(256, 'l'), large}) {
    link->send(std::string(FrameHeader(job.size(), false).view()) + job);
    EXPECT_EQ(pull.receive(), test::Frames{job});
  }
  link->send(std::string(FrameHeader(1, true).view()) + "a" + std::string(FrameHeader(1, false).view()) +
             "b");
  EXPECT_EQ(pull.receive(), (test::Frames{"a", "b"}));
  link->send(PushPeer::ping());
  EXPECT_EQ(link->receive(7), "\x04\x05\x04PONG"s);
}

TEST(PushPeer, ARealSocketOfAnotherTypeIsRefused) {
  test::TcpListener listener;
  test::Peer req(ZMQ_DEALER);
  req.connect("tcp://" + listener.address());
  auto link = listener.accept();
  ASSERT_TRUE(link);
  PushPeer peer;
  link->send(PushPeer::greeting());
  ASSERT_TRUE(test::eventually([&] {
    link->received();
    const auto answer = peer.take(link->take());
    return peer.state() == State::failed;
  }));
  EXPECT_EQ(peer.why(), "it is a DEALER socket, expected PULL");
}

// ---- what is refused --------------------------------------------------------------------------------

TEST(PushPeer, RefusesWhatIsNotZeroMqAtItsFirstByte) {
  EXPECT_EQ(complaint("G"), "it does not speak ZeroMQ 4");
  EXPECT_EQ(complaint("GET / HTTP/1.1\r\n\r\n"), "it does not speak ZeroMQ 4");
  EXPECT_EQ(complaint("\x01\x00"s), "it does not speak ZeroMQ 4");
}

TEST(PushPeer, RefusesAGreetingOfAnOldPeer) {
  EXPECT_EQ(complaint("\xFF\0\0\0\0\0\0\0\x01\x7E"s), "it does not speak ZeroMQ 4");
  for (int version = 0; version < 3; ++version) {
    auto greeting = pull_greeting;
    greeting[10] = static_cast<char>(version);
    EXPECT_EQ(complaint(greeting.substr(0, 11)),
              "it speaks ZMTP " + std::to_string(version) + ", expected 3");
  }
}

TEST(PushPeer, TakesAPeerOfALaterVersion) {
  auto greeting = pull_greeting;
  greeting[10] = '\x04';
  EXPECT_EQ(after(greeting).state(), State::ready_awaited);
  greeting[10] = '\xF0';
  EXPECT_EQ(after(greeting).state(), State::ready_awaited);
}

TEST(PushPeer, RefusesAnotherMechanism) {
  for (const auto& mechanism : {"CURVE"s, "PLAIN"s, "NULLX"s, ""s, std::string(20, 'N')}) {
    auto greeting = pull_greeting;
    greeting.replace(12, 20, std::string(mechanism).append(20 - mechanism.size(), '\0'));
    EXPECT_EQ(complaint(greeting), "it wants a mechanism other than NULL") << mechanism;
  }
}

TEST(PushPeer, RefusesEverySocketThatDoesNotPull) {
  for (const auto* type : {"PUSH", "DEALER", "REQ", "SUB", "", "pull"})
    EXPECT_EQ(complaint(pull_greeting + ready_of(type)),
              "it is a " + std::string(type) + " socket, expected PULL");
}

TEST(PushPeer, NamesOfPropertiesMayBeWrittenAnyhowAndOthersAreIgnored) {
  auto odd = pull_ready;
  odd.replace(odd.find("Socket-Type"), 11, "sOCKET-tYPE");
  EXPECT_EQ(after(pull_greeting + odd).state(), State::ready);
  const auto identity = "\x04\x29\x05READY\x0BSocket-Type\0\0\0\x04PULL\x08Identity\0\0\0\x02id"s;
  EXPECT_EQ(after(pull_greeting + identity).state(), State::ready);
}

TEST(PushPeer, AReadyThatEndsInsideAPropertyIsRefused) {
  const std::string body = "\x05READY\x0BSocket-Type\0\0\0\x04PULL"s;
  for (std::size_t size = 7; size < body.size(); ++size)
    EXPECT_EQ(complaint(pull_greeting + "\x04"s + static_cast<char>(size) + body.substr(0, size)),
              "it sends a malformed READY")
        << size;
}

TEST(PushPeer, MalformedCommandsAreRefused) {
  for (const auto& body : {""s, "\0"s, "\x05REA"s, "\xFFPING"s})
    EXPECT_EQ(complaint(pull_greeting + "\x04"s + static_cast<char>(body.size()) + body),
              "it sends a malformed command");
}

TEST(PushPeer, CommandsThatAreTooLongAreRefusedBeforeTheyCome) {
  const auto huge = "\x06\0\0\0\0\0\x01\0\x01"s;
  EXPECT_EQ(complaint(pull_greeting + huge), "it sends a command that is too long");
  EXPECT_EQ(complaint(pull_greeting + "\x06\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s),
            "it sends a command that is too long");
}

TEST(PushPeer, LongCommandsWithinTheLimitAreTaken) {
  const std::string body = "\x07UNKNOWN" + std::string(65000, 'x');
  auto header = "\x06\0\0\0\0\0\0"s;
  header += static_cast<char>(body.size() >> 8U);
  header += static_cast<char>(body.size() & 0xFFU);
  EXPECT_EQ(after(pull_greeting + header + body + pull_ready).state(), State::ready);
}

TEST(PushPeer, MessagesOfAPeerThatPullsAreRefused) {
  EXPECT_EQ(complaint(pull_greeting + pull_ready + "\0\x01x"s),
            "it sends messages, but we push and it pulls");
  EXPECT_EQ(complaint(pull_greeting + "\x01\0"s), "it sends messages, but we push and it pulls");
}

TEST(PushPeer, AnErrorOfThePeerEndsIt) {
  EXPECT_EQ(complaint(pull_greeting + "\x04\x09\x05"s + "ERROR\x02no"s), "it refuses us");
}

TEST(PushPeer, AfterAFailureItHearsNothing) {
  auto peer = after("G");
  EXPECT_EQ(peer.take(pull_greeting + pull_ready), "");
  EXPECT_EQ(peer.state(), State::failed);
}

// ---- heartbeats -------------------------------------------------------------------------------------

TEST(PushPeer, AnswersAPingWithItsContext) {
  auto peer = after(pull_greeting + pull_ready);
  EXPECT_EQ(peer.take("\x04\x07\x04PING\0\x0A"s), "\x04\x05\x04PONG"s);
  EXPECT_EQ(peer.take("\x04\x17\x04PING\0\0"
                      "0123456789abcdef"s),
            "\x04\x15\x04PONG0123456789abcdef"s);
}

TEST(PushPeer, IgnoresPongsAndCommandsItDoesNotKnow) {
  auto peer = after(pull_greeting + pull_ready);
  EXPECT_EQ(peer.take("\x04\x05\x04PONG\x04\x04\x03NEW\x04\x05\x04PING"s), "");
  EXPECT_EQ(peer.state(), State::ready);
}

// ---- frames -----------------------------------------------------------------------------------------

TEST(FrameHeader, IsShortUpTo255Bytes) {
  EXPECT_EQ(FrameHeader(0, false).view(), "\0\0"s);
  EXPECT_EQ(FrameHeader(255, true).view(), "\x01\xFF"s);
  EXPECT_EQ(FrameHeader(256, false).view(), "\x02\0\0\0\0\0\0\x01\0"s);
  EXPECT_EQ(FrameHeader(0x0102030405, true).view(), "\x03\0\0\0\x01\x02\x03\x04\x05"s);
}

}  // namespace
}  // namespace backplane::palm
