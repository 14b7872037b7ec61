#include "manifests/manifest_test.hpp"

namespace backplane::test {
namespace {

class Pipeline : public ManifestTest {};

TEST_F(Pipeline, CarriesATextThroughThreeHosts) {
  std::string text;
  std::string expected;
  for (int i = 0; i < 20'000; ++i) {
    text += "line " + std::to_string(i) + "\n";
    expected += "LINE " + std::to_string(i) + "\n";
  }
  const auto results = folder_.file("results");
  const Environment environment{{"TWO", free_endpoint()},
                                {"THREE", free_endpoint()},
                                {"FILE", folder_.file("text", text)},
                                {"RESULTS", results}};
  auto& three = run("pipeline/three.yaml", environment);
  auto& two = run("pipeline/two.yaml", environment);
  HostProcess one(manifest("pipeline/one.yaml"), environment);
  expect_clean_end(one);

  EXPECT_TRUE(eventually([&] { return std::filesystem::file_size(results) == expected.size(); }));
  EXPECT_EQ(read_file(results), expected);
  expect_clean_stop(two);
  expect_clean_stop(three);
  EXPECT_EQ(one.ledger_count("route lines -> next", "out"), 20'000u);
  EXPECT_EQ(two.ledger_count("route previous -> upper", "out"), 20'000u);
  EXPECT_EQ(three.ledger_count("route previous -> results", "out"), 20'000u);
}

TEST_F(Pipeline, StartsInAnyOrder) {
  const auto results = folder_.file("results");
  const Environment environment{{"TWO", free_endpoint()},
                                {"THREE", free_endpoint()},
                                {"FILE", folder_.file("text", "hello\n")},
                                {"RESULTS", results}};
  HostProcess one(manifest("pipeline/one.yaml"), environment);
  auto& two = run("pipeline/two.yaml", environment);
  auto& three = run("pipeline/three.yaml", environment);
  expect_clean_end(one);
  EXPECT_TRUE(eventually([&] { return read_file(results) == "HELLO\n"; }));
  expect_clean_stop(two);
  expect_clean_stop(three);
}

}  // namespace
}  // namespace backplane::test
