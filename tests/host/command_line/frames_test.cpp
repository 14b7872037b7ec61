// Messages as lines of text and of JSON.
#include "command_line/frames.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace backplane::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string error_of(std::string_view line) {
  try {
    frames_from_json(line);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Frames, AreAListOfTexts) {
  EXPECT_THAT(frames_from_json(R"(["a", "", "\u00e4\n"])"), ElementsAre("a", "", "\xc3\xa4\n"));
  EXPECT_THAT(frames_from_json(R"({"frames": ["a"]})"), ElementsAre("a"));
}

TEST(Frames, MayBeHexOrBase64) {
  EXPECT_THAT(frames_from_json(R"([{"hex": "00fFa1"}, {"base64": "AP8="}, {"base64": ""}])"),
              ElementsAre(std::string("\0\xff\xa1", 3), std::string("\0\xff", 2), ""));
}

TEST(Frames, AreWrittenAsTextOrBase64) {
  EXPECT_EQ(frames_to_json({"a", "", "\xc3\xa4\t"}), R"(["a","","ä\t"])");
  EXPECT_EQ(frames_to_json({std::string("\0\xff", 2)}), R"([{"base64":"AP8="}])");
}

TEST(Frames, SurviveTheWayOutAndBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    bytes += static_cast<char>(i);
    const Frames frames{bytes, "text", bytes.substr(bytes.size() / 2)};
    ASSERT_EQ(frames_from_json(frames_to_json(frames)), frames) << i;
  }
}

TEST(Frames, ThatAreNotUtf8AreNeverWrittenAsText) {
  for (const auto* bytes :
       {"\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\xaf", "a\xff"})
    EXPECT_THAT(frames_to_json({bytes}), HasSubstr("base64")) << bytes;
  EXPECT_THAT(frames_to_json({"\xf0\x9f\x98\x80\xe2\x82\xac"}), ::testing::Not(HasSubstr("base64")));
}

TEST(Frames, MistakesNameTheFrame) {
  EXPECT_THAT(error_of("hello"), HasSubstr("expected a list of frames"));
  EXPECT_THAT(error_of(R"("hello")"), HasSubstr("expected a list of frames"));
  EXPECT_THAT(error_of(""), HasSubstr("expected a list of frames"));
  EXPECT_THAT(error_of("[]"), HasSubstr("at least one frame"));
  EXPECT_THAT(error_of(R"(["a", 1])"), HasSubstr("frame 2: expected a text"));
  EXPECT_THAT(error_of(R"([{"hex": "0"}])"), HasSubstr("frame 1: \"0\" is not hex"));
  EXPECT_THAT(error_of(R"([{"hex": "0g"}])"), HasSubstr("is not hex"));
  EXPECT_THAT(error_of(R"([{"base64": "AP8"}])"), HasSubstr("is not base64"));
  EXPECT_THAT(error_of(R"([{"base64": "A==="}])"), HasSubstr("is not base64"));
  EXPECT_THAT(error_of(R"([{"base64": "A!=="}])"), HasSubstr("is not base64"));
  EXPECT_THAT(error_of(R"([{"octal": "7"}])"), HasSubstr("frame 1: expected"));
}

TEST(FramesAsText, AreSeparatedByTabs) { EXPECT_EQ(frames_to_text({"a", "", "b\x01"}, false), "a\t\tb\x01"); }

TEST(FramesAsText, CannotControlATerminal) {
  EXPECT_EQ(frames_to_text({"a\033[2J", "\xc3\xa4\xff\x7f"}, true), "a\\x1b[2J\t\xc3\xa4\\xff\\x7f");
  EXPECT_EQ(frames_to_text({"\xc2\x9b"}, true), "\\xc2\\x9b");
}

}  // namespace
}  // namespace backplane::host
