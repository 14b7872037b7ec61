#include <zmq.h>

#include <nlohmann/json.hpp>

#include "command_fixture.hpp"

namespace backplane::test {
namespace {

using ::testing::ContainsRegex;

TEST(Version, TellsProgramAbiLibzmqAndCompiler) {
  const auto outcome = command({"version"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.output, ContainsRegex("^backplane [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  EXPECT_THAT(outcome.output, ContainsRegex("plugin ABI +1\\.0\n"));
  EXPECT_THAT(outcome.output, ContainsRegex("libzmq +4\\."));
  EXPECT_THAT(outcome.output, ContainsRegex("compiler +(g\\+\\+|clang) "));
  EXPECT_EQ(command({"--version"}).output, outcome.output);
}

TEST(Version, PrintsOneJsonDocument) {
  const auto document = nlohmann::json::parse(command({"version", "--json"}).output);
  int major = 0;
  int minor = 0;
  int patch = 0;
  zmq_version(&major, &minor, &patch);
  EXPECT_EQ(document["abi"], "1.0");
  EXPECT_EQ(document["libzmq"],
            std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch));
}

}  // namespace
}  // namespace backplane::test
