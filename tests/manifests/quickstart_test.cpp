#include "manifests/manifest_test.hpp"

namespace backplane::test {
namespace {

constexpr auto kLicence = "/usr/share/common-licenses/GPL-3";

class Quickstart : public ManifestTest {
 protected:
  // The table of the `show` most frequent words (0: all), as the host prints it.
  std::string count(const std::filesystem::path& text, const std::string& show) {
    HostProcess host(manifest("quickstart.yaml"),
                     {{"WORDS_PLUGIN", WORDS_PLUGIN}, {"FILE", text.string()}, {"SHOW", show}});
    expect_clean_end(host);
    return host.output();
  }
  // The same by the shell; the empty word, which tr makes of a text that begins with a gap, is none.
  std::string count_by_shell(const std::filesystem::path& text, const std::string& show) {
    const std::string command =
        "export LC_ALL=C; tr -cs A-Za-z '\\n' < \"$1\" | tr A-Z a-z | sort | uniq -c | grep '[a-z]' |"
        " sort -k1,1nr -k2,2 | if [ \"$2\" = 0 ]; then cat; else head -n \"$2\"; fi";
    Child shell({"bash", "-c", command, "count", text.string(), show});
    EXPECT_TRUE(shell.wait().has_value());
    return shell.output();
  }
  void expect_same_counts(const std::filesystem::path& text) {
    const auto expected = count_by_shell(text, "0");
    const auto counted = count(text, "0");
    ASSERT_EQ(counted.size(), expected.size());
    EXPECT_EQ(counted, expected);
  }
};

TEST_F(Quickstart, PrintsTheTwentyMostFrequentWords) {
  if (!std::filesystem::exists(kLicence)) GTEST_SKIP() << kLicence << " is not installed";
  const auto table = count(kLicence, "20");
  EXPECT_EQ(table, count_by_shell(kLicence, "20"));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 20);
}

TEST_F(Quickstart, CountsAsTheShellDoes) {
  if (!std::filesystem::exists(kLicence)) GTEST_SKIP() << kLicence << " is not installed";
  expect_same_counts(kLicence);
}

TEST_F(Quickstart, CountsAwkwardTextAsTheShellDoes) {
  std::string text =
      "\xef\xbb\xbf  Leading gaps\r\nCRLF line\r\n\r\n\r\nna\xc3\xafve caf\xc3\xa9 x2y Don't\n";
  text += std::string("zero\0bytes\0Zero\0", 16);
  text += "\n" + std::string(3'000'000, 'w') + "\n";  // a word longer than a line may be
  for (int i = 0; i < 300'000; ++i) text += "long line ";
  text += "\n\xff\xfe\x80 broken utf-8 \xc3\n";
  text += "no line break at the end";
  expect_same_counts(folder_.file("awkward", text));
}

TEST_F(Quickstart, CountsManyLinesAsTheShellDoes) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) {
    text += "line ";
    for (int left = i; left > 0; left /= 10) text += static_cast<char>('a' + left % 10);
    text += i % 7 == 0 ? "\r\n" : "\n";
  }
  expect_same_counts(folder_.file("lines", text));
}

TEST_F(Quickstart, AnEmptyFileHasNoWords) { EXPECT_EQ(count(folder_.file("empty", ""), "20"), ""); }

TEST_F(Quickstart, AMissingFileIsNamed) {
  HostProcess host(manifest("quickstart.yaml"),
                   {{"WORDS_PLUGIN", WORDS_PLUGIN}, {"FILE", "/nowhere/at/all"}});
  EXPECT_EQ(host.wait(), 1);
  EXPECT_THAT(host.errors(), testing::HasSubstr("/nowhere/at/all"));
}

TEST_F(Quickstart, ReadsStandardInput) {
  const auto text = folder_.file("text", "b a\na\n");
  HostProcess host(manifest("quickstart.yaml"), {{"WORDS_PLUGIN", WORDS_PLUGIN}, {"FILE", "-"}}, text);
  expect_clean_end(host);
  EXPECT_EQ(host.output(), "      2 a\n      1 b\n");
}

}  // namespace
}  // namespace backplane::test
