#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "function_index.hpp"
#include "json.hpp"

namespace backplane::http {
namespace {

const PublishedFunction add = {.component = "math",
                               .name = "add",
                               .help = "Adds.",
                               .result = "int",
                               .parameters = {{"a", "int"}, {"b", "int", "1"}}};
const PublishedFunction other_add = {.component = "sums", .name = "add", .result = "any"};
const PublishedFunction put = {
    .component = "notes", .name = "put", .manner = BP_SIGNAL_MANNER, .parameters = {{"x", "bytes"}}};
const PublishedFunction count = {
    .component = "notes", .name = "count/all", .result = "text", .manner = BP_STREAM_MANNER};
const PublishedFunction built_in = {.component = "notes", .name = "deferred_result"};

const std::vector<PublishedFunction> everything = {add, put, count, built_in, other_add};

TEST(FunctionIndex, FindsByComponentAndName) {
  const FunctionIndex index(everything, {});
  EXPECT_EQ(*index.find("/math/add"), add);
  EXPECT_EQ(*index.find("/sums/add"), other_add);
  EXPECT_EQ(*index.find("/notes/count/all"), count);
  for (const auto* path : {"", "/", "/math", "/math/", "math/add", "/math/add/", "/notes/deferred_result"})
    EXPECT_EQ(index.find(path), nullptr) << path;
}

TEST(FunctionIndex, FindsByNameWhenOneComponentHasIt) {
  const FunctionIndex index(everything, {});
  EXPECT_EQ(*index.find("/put"), put);
  EXPECT_EQ(index.find("/add"), nullptr);
  EXPECT_EQ(*FunctionIndex(everything, {"sums"}).find("/add"), other_add);
}

TEST(FunctionIndex, OffersTheComponentsThatAreNamed) {
  const FunctionIndex index(everything, {"math", "nobody"});
  EXPECT_EQ(index.all(), std::vector{add});
}

TEST(FunctionIndex, OffersFunctionsThatEndAComponentOnlyWhenItIsNamed) {
  const PublishedFunction unbind = {.component = "rpc", .name = "unbind", .group = control_group};
  EXPECT_EQ(FunctionIndex({add, unbind}, {}).all(), std::vector{add});
  EXPECT_EQ(FunctionIndex({add, unbind}, {"rpc"}).all(), std::vector{unbind});
}

TEST(FunctionIndex, NamesNearOnes) {
  const FunctionIndex index(everything, {});
  EXPECT_EQ(index.why_unknown("/math/ad"), "no function at /math/ad; did you mean /math/add, /sums/add?");
  EXPECT_EQ(index.why_unknown("/pit"), "no function at /pit; did you mean /notes/put?");
  EXPECT_EQ(index.why_unknown("/smoke/signals"), "no function at /smoke/signals; GET / lists what there is");
  EXPECT_LT(index.why_unknown('/' + std::string(100'000, 'x')).size(), 300u);
}

TEST(FunctionIndex, TellsWhatThereIs) {
  const FunctionIndex index(everything, {"math"});
  EXPECT_EQ(
      to_json(index.overview("here")),
      R"({"host":"here","openapi":"/openapi.json","functions":[{"path":"/math/add","help":"Adds.",)"
      R"("parameters":[{"name":"a","type":"int"},{"name":"b","type":"int","default":1}],"result":"int"}]})");
}

TEST(FunctionIndex, DescribesAFunctionAsOpenApi) {
  const auto document = FunctionIndex(everything, {}).openapi("here");
  EXPECT_EQ(to_json(*document.find("openapi")), "\"3.1.0\"");
  const auto& paths = *document.find("paths");
  const auto& operation = *paths.find("/math/add")->find("post");
  EXPECT_EQ(to_json(*operation.find("operationId")), "\"math.add\"");
  EXPECT_EQ(to_json(*operation.find("requestBody")),
            R"({"required":true,"content":{"application/json":{"schema":{"oneOf":[)"
            R"({"type":"array","prefixItems":[{"title":"a","type":"integer"},)"
            R"({"title":"b","type":"integer","default":1}],"minItems":1,"maxItems":2},)"
            R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer","default":1}},)"
            R"("required":["a"],"additionalProperties":false}]}}}})");
  EXPECT_EQ(
      to_json(*operation.find("responses")),
      R"({"200":{"description":"The result.","content":{"application/json":{"schema":{"type":"integer"}}}},)"
      R"("default":{"$ref":"#/components/responses/Error"}})");
}

TEST(FunctionIndex, DescribesSignalsAndStreams) {
  const auto document = FunctionIndex(everything, {}).openapi("here");
  const auto& paths = *document.find("paths");
  EXPECT_NE(paths.find("/notes/put")->find("post")->find("responses")->find("202"), nullptr);
  const auto& stream = *paths.find("/notes/count%2Fall")->find("post");
  EXPECT_THAT(to_json(*stream.find("responses")),
              testing::HasSubstr(R"({"type":"array","items":{"type":"string"}})"));
  EXPECT_EQ(to_json(*stream.find("requestBody")->find("required")), "false");
}

TEST(FunctionIndex, DescribesTheSameTwice) {
  EXPECT_EQ(to_json(FunctionIndex(everything, {}).openapi("h")),
            to_json(FunctionIndex(everything, {}).openapi("h")));
}

}  // namespace
}  // namespace backplane::http
