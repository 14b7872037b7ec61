// Options: the table of a kind, values as a manifest writes them, C++ types as a component reads them.
#include <gtest/gtest.h>

#include <backplane/testing/fake_host.hpp>

namespace backplane {
namespace {

using namespace std::chrono_literals;

struct Reader {
  static constexpr auto kind = "test.reader";
  static constexpr auto says = "Reads its options.";
  static constexpr Option options[] = {
      {"bind", endpoint, required, "endpoint"},
      {"count", integer.between(1, 10), "3", "an integer"},
      {"ratio", number, "0.5", "a number"},
      {"fast", boolean, "false", "a flag"},
      {"wait", duration, "250ms", "a time"},
      {"limit", size, "64KiB", "bytes"},
      {"pace", rate, "10k/s", "a rate"},
      {"level", choice("low|high"), "low", "a word"},
      {"topics", text_list, optional, "words"},
      {"key", secret, optional, "a secret"},
      {"results.path", path, optional, "a file"},
      {"results.store", choice("memory|sqlite"), "memory", "where"},
  };
  explicit Reader(Host host) : host_(host), wait_(host.option("wait")), bind_(host.option("bind")) {}
  Host host_;
  std::chrono::milliseconds wait_;
  std::string bind_;
};

std::string refusal(const OptionTexts& options) {
  try {
    FakeComponent<Reader> reader(options);
  } catch (const Error& failure) {
    return failure.what();
  }
  return "accepted";
}

TEST(Options, HaveTheirDefaults) {
  FakeComponent<Reader> reader({{"bind", "tcp://127.0.0.1:*"}});
  reader.create();
  const Host host = reader.host();
  EXPECT_EQ(reader->bind_, "tcp://127.0.0.1:*");
  EXPECT_EQ(reader->wait_, 250ms) << "initialised from the option, not counted from it";
  EXPECT_EQ(static_cast<int>(host.option("count")), 3);
  EXPECT_EQ(static_cast<double>(host.option("ratio")), 0.5);
  EXPECT_FALSE(host.option("fast"));
  EXPECT_EQ(static_cast<std::size_t>(host.option("limit")), 65536u);
  EXPECT_EQ(static_cast<double>(host.option("pace")), 10'000.0);
  EXPECT_TRUE(host.option("level") == "low");
  EXPECT_FALSE(host.option("count").given());
  EXPECT_FALSE(host.option("topics").present());
  EXPECT_TRUE(host.option("topics").list().empty());
  EXPECT_FALSE(host.option("nonsense").present());
}

TEST(Options, AreConvertedAsAManifestWritesThem) {
  FakeComponent<Reader> reader({{"bind", "inproc://x"},
                                {"count", "10"},
                                {"ratio", "-1e3"},
                                {"fast", "true"},
                                {"wait", "1.5s"},
                                {"limit", "2MB"},
                                {"pace", "7/s"},
                                {"level", "high"},
                                {"topics", "[a, \"b c\"]"}});
  const Host host = reader.host();
  EXPECT_EQ(static_cast<int>(host.option("count")), 10);
  EXPECT_TRUE(host.option("count").given());
  EXPECT_EQ(static_cast<double>(host.option("ratio")), -1000.0);
  EXPECT_TRUE(host.option("fast"));
  EXPECT_EQ(std::chrono::milliseconds(host.option("wait")), 1500ms);
  EXPECT_EQ(static_cast<double>(host.option("wait")), 1.5e9);
  EXPECT_EQ(static_cast<int>(host.option("limit")), 2'000'000);
  EXPECT_EQ(static_cast<int>(static_cast<double>(host.option("pace"))), 7);
  EXPECT_EQ(host.option("topics").list(), (std::vector<std::string>{"a", "b c"}));
}

TEST(Options, OfASectionAreGivenAndReadByTheirWholeName) {
  FakeComponent<Reader> reader({{"bind", "inproc://x"}, {"results.path", "kept.db"}});
  reader.create();
  EXPECT_TRUE(reader.host().option("results.path") == "kept.db");
  EXPECT_TRUE(reader.host().option("results.store") == "memory");
  EXPECT_EQ(refusal({{"bind", "inproc://x"}, {"results.store", "disk"}}),
            "option \"results.store\": \"disk\" is not one of memory|sqlite");
  EXPECT_EQ(refusal({{"bind", "inproc://x"}, {"results", "disk"}}), "test.reader has no option \"results\"");
}

TEST(Options, AWordIsAListOfOne) {
  FakeComponent<Reader> reader({{"bind", "x"}, {"topics", "only"}});
  const std::vector<std::string> topics = reader.host().option("topics");
  EXPECT_EQ(topics, std::vector<std::string>{"only"});
}

TEST(Options, AreRefusedWithTheirName) {
  EXPECT_EQ(refusal({}), "option \"bind\": is required");
  EXPECT_EQ(refusal({{"bind", "x"}, {"bnd", "y"}}), "test.reader has no option \"bnd\"");
  EXPECT_EQ(refusal({{"bind", "x"}, {"count", "11"}}), "option \"count\": out of bounds");
  EXPECT_EQ(refusal({{"bind", "x"}, {"count", "1x"}}), "option \"count\": \"1x\" is not an integer");
  EXPECT_EQ(refusal({{"bind", "x"}, {"wait", "5"}}), "option \"wait\": \"5\" is not what its type asks for");
  EXPECT_EQ(refusal({{"bind", "x"}, {"fast", "yes"}}), "option \"fast\": \"yes\" is neither true nor false");
  EXPECT_EQ(refusal({{"bind", "x"}, {"level", "mid"}}), "option \"level\": \"mid\" is not one of low|high");
  EXPECT_EQ(refusal({{"bind", "x"}, {"limit", "1e30GB"}}), "option \"limit\": too large");
}

}  // namespace
}  // namespace backplane
