#include <gtest/gtest.h>

#include "json.hpp"

namespace backplane::http {
namespace {

std::string back(std::string_view text) { return to_json(from_json(text)); }

std::string refusal(std::string_view text, const DecodeLimits& limits = {}) {
  try {
    from_json(text, limits);
    return "taken";
  } catch (const Malformed& failure) {
    return failure.what();
  }
}

TEST(Json, EveryTypeComesBack) {
  for (const auto* text : {"null", "true", "false", "0", "-9223372036854775808", "18446744073709551615",
                           "1.5", "1.0", R"("")", R"("a\"\\b")", "[]", "{}", "[[1],{\"b\":2,\"a\":[null]}]",
                           R"({"$bin":"AAECAw=="})", R"([{"$bin":""}])", R"({"$bin":1,"x":2})"})
    EXPECT_EQ(back(text), text);
}

TEST(Json, BytesAreBytes) {
  EXPECT_EQ(from_json(R"({"$bin": "AAH/"})"), Value(Bytes{std::string("\0\1\xff", 3)}));
  EXPECT_EQ(from_json(R"({"$bin": "YQ=="})"), Value(Bytes{"a"}));
}

TEST(Json, ObjectsKeepTheirOrder) { EXPECT_EQ(back(R"({"z":1,"a":2,"m":3})"), R"({"z":1,"a":2,"m":3})"); }

TEST(Json, WhatIsNotJsonIsRefusedWithItsPlace) {
  for (const auto* text :
       {"", "[", "[1,]", "{\"a\"}", "nul", "1 2", "'a'", "\"\xff\"", "01", "NaN", "// c\n1"})
    EXPECT_TRUE(refusal(text).starts_with("not JSON at byte ")) << text << ": " << refusal(text);
  EXPECT_EQ(refusal("[1,}"), "not JSON at byte 4");
}

TEST(Json, BadBase64IsRefused) {
  for (const auto* text : {"1", "\"A\"", "\"AA\"", "\"AA=A\"", "\"A===\"", "\"AA*=\"", "null"})
    EXPECT_EQ(refusal(std::string(R"({"$bin":)") + text + "}"), "\"$bin\" must be base64 in a text") << text;
}

TEST(Json, LimitsHold) {
  EXPECT_EQ(refusal(std::string(513, '[')), "nested too deeply");
  EXPECT_EQ(refusal("[[[]]]", {.depth = 2}), "nested too deeply");
  EXPECT_EQ(refusal("[1,2,3]", {.values = 3}), "too many values");
  EXPECT_EQ(refusal("[1,2]", {.values = 3}), "taken");
}

}  // namespace
}  // namespace backplane::http
