// Peers that misbehave: what they send is counted, others are served, nothing stops.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bad_input/fixture.hpp"

namespace backplane::test {
namespace {

using testing::HasSubstr;

// A plain TCP connection to tcp://127.0.0.1:PORT.
class Link {
 public:
  explicit Link(const std::string& endpoint) : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
    connected_ = ::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Link() {
    if (abort_) {
      const linger hard{1, 0};
      ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    ::close(descriptor_);
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  bool connected() const { return connected_; }
  void send(std::string_view bytes) {
    [[maybe_unused]] const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  void end_with_reset() { abort_ = true; }

 private:
  int descriptor_;
  bool connected_ = false;
  bool abort_ = false;
};

// The greeting of ZMTP 3.0 with the NULL mechanism: 10 bytes of signature, version 3.0, mechanism, filler.
std::string greeting() {
  std::string bytes("\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL", 16);
  bytes.resize(64, '\0');
  return bytes;
}

// The READY command of a socket of a type.
std::string ready(const std::string& type) {
  std::string body = std::string("\5READY\x0bSocket-Type") + std::string("\0\0\0", 3);
  body += static_cast<char>(type.size());
  body += type;
  return std::string("\4") + static_cast<char>(body.size()) + body;
}

class BadPeers : public BadInput {
 protected:
  void SetUp() override {
    run_text(
        "plugins: [zmq]\n"
        "components:\n"
        "  jobs: {kind: zmq.pull, bind: \"" +
        jobs_ +
        "\", max_message_size: 1MiB, backlog: 4096}\n"
        "  results: {kind: zmq.push, bind: \"" +
        results_ +
        "\"}\n"
        "routes:\n"
        "  - {from: jobs, to: results}\n");
    sink_.connect(results_);
  }
  void expect_works() {
    Peer source(ZMQ_PUSH);
    source.connect(jobs_);
    ASSERT_TRUE(source.send({"still here"}));
    EXPECT_EQ(sink_.receive(), (Frames{"still here"}));
  }

  std::string jobs_ = free_endpoint();
  std::string results_ = free_endpoint();
  Peer sink_{ZMQ_PULL};
};

TEST_F(BadPeers, BytesThatAreNoZeroMqStopNothing) {
  for (const auto& bytes :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(10000, '\0'), std::string(64, '\xff'),
        greeting() + std::string(1000, '\xff'), greeting() + ready("NONSENSE")}) {
    Link link(jobs_);
    ASSERT_TRUE(link.connected());
    link.send(bytes);
  }
  expect_works();
  expect_clean_stop(*host_);
}

TEST_F(BadPeers, AFrameBeyondTheLimitEndsThatPeerOnly) {
  {
    Peer source(ZMQ_PUSH);
    source.connect(jobs_);
    ASSERT_TRUE(source.send({std::string(2 << 20, 'x')}));
    Link link(jobs_);
    // A long frame that says it has 2^62 bytes.
    link.send(greeting() + ready("PUSH") + std::string("\2\x40\0\0\0\0\0\0\0", 9));
    expect_works();
  }
  expect_clean_stop(*host_);
}

TEST_F(BadPeers, EmptyFramesAreMessages) {
  Peer source(ZMQ_PUSH);
  source.connect(jobs_);
  ASSERT_TRUE(source.send({""}));
  ASSERT_TRUE(source.send({"", "", ""}));
  EXPECT_EQ(sink_.receive(), (Frames{""}));
  EXPECT_EQ(sink_.receive(), (Frames{"", "", ""}));
  expect_clean_stop(*host_);
}

TEST_F(BadPeers, APeerThatVanishesInTheMiddleOfAMessageLeavesNoHalf) {
  for (const bool reset : {false, true}) {
    Link link(jobs_);
    // The first frame of two, and a part of the second.
    link.send(greeting() + ready("PUSH") + std::string("\1\5first\0\xff", 9) + "only a bit");
    if (reset) link.end_with_reset();
  }
  expect_works();
  expect_clean_stop(*host_);
  EXPECT_EQ(host_->ledger_count("route jobs -> results", "in"), 1u);
}

TEST_F(BadPeers, APeerThatConnectsAndNeverReadsDelaysNobodyElse) {
  expect_works();  // so the reader is connected: otherwise the silent one might get everything
  Peer silent(ZMQ_PULL);
  silent.set(ZMQ_RCVHWM, 1);
  silent.connect(results_);
  Peer source(ZMQ_PUSH);
  source.connect(jobs_);
  // PUSH deals to both in turn, up to what the silent one's buffers take; the reader gets the others.
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(source.send({std::to_string(i)}));
  EXPECT_GE(sink_.receive_texts(900).size(), 900u);
  EXPECT_TRUE(host_->running());
}

TEST_F(BadPeers, TenThousandConnectionsComeAndGo) {
  for (int i = 0; i < 10'000; ++i) {
    Link link(jobs_);
    ASSERT_TRUE(link.connected()) << i;
    if (i % 3 == 1) link.send(greeting());
    // Without a reset the system would keep all 10,000 ports for a minute.
    link.end_with_reset();
  }
  expect_works();
  expect_clean_stop(*host_);
}

}  // namespace
}  // namespace backplane::test
