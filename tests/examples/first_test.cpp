// The example of the README: a plugin on one screen, its manifest, a client.
#include "bad_input/fixture.hpp"

namespace backplane::test {
namespace {

TEST_F(BadInput, TheFirstExampleAnswersEveryPeer) {
  const auto endpoint = free_endpoint();
  host_ =
      std::make_unique<HostProcess>(std::filesystem::path(BACKPLANE_SOURCE_DIR) / "examples/first/first.yaml",
                                    Environment{{"FIRST_PLUGIN", plugin("first")}, {"PEERS", endpoint}});
  host_->wait_until_ready();
  for (const auto& [text, answer] :
       {std::pair("stressed", "desserts"), std::pair("", ""), std::pair("ab", "ba")}) {
    Peer peer(ZMQ_REQ);
    peer.connect(endpoint);
    ASSERT_TRUE(peer.send({text}));
    EXPECT_EQ(peer.receive(), (Frames{answer}));
  }
  expect_clean_stop(*host_);
}

}  // namespace
}  // namespace backplane::test
