// The table of a plugin is checked field by field: each refusal names kind, field and what was expected.
#include "loader/table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "loader/refused.hpp"

namespace backplane::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

void* create(const bp_host*, bp_error*) { return nullptr; }
void destroy(void*) {}
std::int32_t on_message(void*, bp_message*, bp_error*) { return BP_TAKEN; }

// What a plugin's `functions` tells; changed by a test.
bp_function told{};
std::int32_t tell_once(void (*tell)(void*, const bp_function*), void* context) {
  tell(context, &told);
  return 0;
}
std::int32_t tell_twice(void (*tell)(void*, const bp_function*), void* context) {
  tell(context, &told);
  tell(context, &told);
  return 0;
}
std::int32_t tell_null(void (*tell)(void*, const bp_function*), void* context) {
  tell(context, nullptr);
  return 0;
}
std::int32_t known_when_running(void (*)(void*, const bp_function*), void*) { return -1; }
std::int32_t answer_seven(void (*)(void*, const bp_function*), void*) { return 7; }

void* open_client(const bp_caller*, bp_text, bp_error*) { return nullptr; }
std::int32_t call(void*, const bp_client_call*, bp_take_result, void*, bp_error*) { return -1; }
std::int32_t job(void*, const bp_client_job*, bp_take_result, void*, bp_error*) { return -1; }

// A sound table, for a test to change one thing.
struct Tables {
  std::array<bp_option, 2> options{{{"bind", BP_ENDPOINT, 1, nullptr, nullptr, "where", 0, 0},
                                    {"mode", BP_CHOICE, 0, "fast", "fast|safe", "how", 0, 0}}};
  std::array<bp_parameter, 2> parameters{{{"a", "int", nullptr}, {"b", "int", "[1, 2]"}}};
  bp_kind kind{};
  bp_kind other{};
  std::array<const bp_kind*, 2> kinds{&kind, &other};
  bp_client client{};
  bp_client plain_client{};
  std::array<const bp_client*, 2> clients{&client, &plain_client};
  bp_plugin plugin{};

  Tables() {
    kind.size = sizeof kind;
    kind.properties = BP_INBOUND | BP_OUTBOUND | BP_SERVICE | BP_FUNCTIONS;
    kind.name = "test.kind";
    kind.says = "A kind.";
    kind.options = options.data();
    kind.option_count = options.size();
    kind.option_size = sizeof(bp_option);
    kind.functions = tell_once;
    kind.create = create;
    kind.on_message = on_message;
    kind.destroy = destroy;
    other = kind;
    other.name = "test.other.kind_2";
    other.functions = nullptr;
    client.size = sizeof client;
    client.scheme = "test";
    client.says = "A client.";
    client.options = options.data();
    client.option_count = options.size();
    client.option_size = sizeof(bp_option);
    client.open = open_client;
    client.call = call;
    client.job = job;
    client.close = destroy;
    plain_client = client;
    plain_client.scheme = "plain";
    plain_client.option_count = 0;
    plain_client.job = nullptr;
    told = {sizeof(bp_function), BP_ORDINARY,       "add",        "Adds.", "int", "",
            parameters.data(),   parameters.size(), 2'000'000'000};
    int major = 0, minor = 0, patch = 0;
    zmq_version(&major, &minor, &patch);
    plugin = {sizeof plugin,
              BP_ABI_MAJOR,
              BP_ABI_MINOR,
              static_cast<std::uint32_t>(major),
              0,
              0,
              "test",
              "1.0",
              "g++",
              kinds.data(),
              kinds.size(),
              clients.data(),
              clients.size()};
  }

  PluginInfo read(AskFunctions ask = AskFunctions::yes) const {
    PluginInfo info;
    read_table(plugin, info, ask);
    return info;
  }
};

TEST(PluginTable, ThatIsSoundIsCopied) {
  const Tables tables;
  const auto info = tables.read();
  EXPECT_EQ(info.name, "test");
  ASSERT_EQ(info.kinds.size(), 2u);
  EXPECT_EQ(info.kinds[0].table, &tables.kind);
  EXPECT_EQ(info.kinds[0].options[0].name, "bind");
  EXPECT_TRUE(info.kinds[0].options[0].required);
  EXPECT_THAT(info.kinds[0].options[1].choices, ElementsAre("fast", "safe"));
  EXPECT_EQ(info.kinds[0].functions->at(0).parameters.at(1).default_json, "[1, 2]");
  EXPECT_EQ(info.kinds[0].functions->at(0).max_response_time, 2'000'000'000);
  EXPECT_FALSE(info.kinds[1].functions);
}

TEST(PluginTable, OfAClientIsCopied) {
  const Tables tables;
  const auto clients = tables.read().clients;
  ASSERT_EQ(clients.size(), 2u);
  EXPECT_EQ(clients[0].scheme, "test");
  EXPECT_EQ(clients[0].says, "A client.");
  EXPECT_EQ(clients[0].options[1].name, "mode");
  EXPECT_EQ(clients[0].table, &tables.client);
  EXPECT_EQ(clients[0].plugin, "test");
  EXPECT_TRUE(clients[0].runs_jobs);
  EXPECT_FALSE(clients[0].tells_functions);
  EXPECT_FALSE(clients[1].runs_jobs);
}

TEST(PluginTable, FromBeforeThereWereClientsHasNone) {
  Tables tables;
  tables.plugin.size = offsetof(bp_plugin, clients);
  tables.plugin.client_count = 1'000'000;  // is not looked at
  EXPECT_EQ(tables.read().clients.size(), 0u);
}

TEST(PluginTable, FromBeforeFunctionsHadAResponseTimeHasNone) {
  const Tables tables;
  told.size = offsetof(bp_function, max_response_time);
  told.max_response_time = -1;  // is not looked at
  EXPECT_EQ(tables.read().kinds[0].functions->at(0).max_response_time, 0);
}

TEST(PluginTable, MayOfferClientsAlone) {
  Tables tables;
  tables.plugin.kind_count = 0;
  EXPECT_EQ(tables.read().clients.size(), 2u);
}

TEST(PluginTable, MayHaveOptionsInSections) {
  Tables tables;
  tables.options[0].name = "results.path";
  tables.options[1].name = "results.store_2";
  EXPECT_EQ(tables.read().kinds[0].options[0].name, "results.path");
}

TEST(PluginTable, IsReadWithoutRunningThePluginWhenAskedSo) {
  EXPECT_FALSE(Tables().read(AskFunctions::no).kinds[0].functions);
}

TEST(PluginTable, MaySayThatFunctionsAreKnownWhenRunning) {
  Tables tables;
  tables.kind.functions = known_when_running;
  EXPECT_FALSE(tables.read().kinds[0].functions);
}

TEST(PluginTable, MayHaveAnyKnownProperty) {
  for (const std::uint32_t property : {BP_INBOUND, BP_OUTBOUND, BP_SERVICE, BP_CONNECTION, BP_BYPASS,
                                       BP_BLOCKING, BP_FUNCTIONS, BP_OWN_LOOP}) {
    Tables tables;
    tables.kind.properties = property;
    EXPECT_EQ(tables.read().kinds[0].properties, property);
  }
}

TEST(PluginTable, OfALaterMinorIsReadByItsOwnSizes) {
  // Options and kinds have grown by fields that this host does not know.
  struct LongerOption {
    bp_option option;
    double more[3];
  };
  std::array<LongerOption, 2> options{};
  Tables tables;
  options[0].option = tables.options[0];
  options[1].option = tables.options[1];
  std::memset(options[0].more, 0xff, sizeof options[0].more);
  tables.plugin.abi_minor = BP_ABI_MINOR + 3;
  tables.plugin.size += 64;
  tables.kind.size += 128;
  tables.kind.properties |= 0x1000u;
  tables.kind.options = &options[0].option;
  tables.kind.option_size = sizeof(LongerOption);
  const auto info = tables.read();
  EXPECT_EQ(info.kinds[0].options[1].name, "mode");
}

struct Mistake {
  const char* name;
  std::function<void(Tables&)> make;
  const char* expected;  // part of the refusal
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

class WrongTable : public testing::TestWithParam<Mistake> {};

TEST_P(WrongTable, IsRefusedWithASentence) {
  Tables tables;
  GetParam().make(tables);
  try {
    tables.read();
    FAIL() << "taken; expected: " << GetParam().expected;
  } catch (const Refused& refusal) {
    EXPECT_THAT(refusal.what(), HasSubstr(GetParam().expected));
  }
}

std::string name_of(const testing::TestParamInfo<Mistake>& info) { return info.param.name; }

constexpr const char* bad_utf8 = "caf\xe9";

const std::vector<Mistake> in_plugin{
    Mistake{"OtherAbi", [](Tables& t) { t.plugin.abi_major = 2; }, "built for ABI 2, this host speaks 1"},
    Mistake{"OlderAbi", [](Tables& t) { t.plugin.abi_major = 0; }, "built for ABI 0, this host speaks 1"},
    Mistake{"SmallTable", [](Tables& t) { t.plugin.size = 16; }, "bp_plugin.size is 16, expected 64"},
    Mistake{"HugeTable", [](Tables& t) { t.plugin.size = 1u << 30; }, "bp_plugin.size is 1073741824"},
    Mistake{"OtherZmq", [](Tables& t) { t.plugin.zmq_major = 9; },
            "built with libzmq 9.0.0, this host runs libzmq 4."},
    Mistake{"NoName", [](Tables& t) { t.plugin.name = nullptr; }, "name is null, expected text"},
    Mistake{"EmptyName", [](Tables& t) { t.plugin.name = ""; }, "name is empty"},
    Mistake{"OddName", [](Tables& t) { t.plugin.name = "../x"; }, "name is \"../x\", expected a word"},
    Mistake{"NoVersion", [](Tables& t) { t.plugin.version = nullptr; }, "version is null"},
    Mistake{"VersionOfTwoLines", [](Tables& t) { t.plugin.version = "1\n2"; },
            "version has a control character: \"1\\n2\""},
    Mistake{"NoCompiler", [](Tables& t) { t.plugin.compiler = nullptr; }, "compiler is null"},
    Mistake{"NothingOffered", [](Tables& t) { t.plugin.kind_count = t.plugin.client_count = 0; },
            "kind_count is 0, expected at least one kind, or a client"},
    Mistake{"KindListNull", [](Tables& t) { t.plugin.kinds = nullptr; },
            "kind_count is 2, but the list is null"},
    Mistake{"TooManyKinds", [](Tables& t) { t.plugin.kind_count = 5000; },
            "kind_count is 5000, expected at most 1000"}};
INSTANTIATE_TEST_SUITE_P(Plugin, WrongTable, testing::ValuesIn(in_plugin), name_of);

const std::vector<Mistake> in_kind{
    Mistake{"Null", [](Tables& t) { t.kinds[1] = nullptr; }, "kind 2: the pointer to it is null"},
    Mistake{"Small", [](Tables& t) { t.kind.size = 40; }, "kind 1: bp_kind.size is 40, expected 120"},
    Mistake{"NoName", [](Tables& t) { t.kind.name = nullptr; }, "kind 1: name is null"},
    Mistake{"NameNotUtf8", [](Tables& t) { t.kind.name = bad_utf8; },
            "kind 1: name is not UTF-8: \"caf\\xe9\""},
    Mistake{"NameWithoutPoint", [](Tables& t) { t.kind.name = "kind"; },
            "kind 1: name is \"kind\", expected"},
    Mistake{"NameWithCapital", [](Tables& t) { t.kind.name = "Test.kind"; }, "name is \"Test.kind\""},
    Mistake{"NameWithEmptyWord", [](Tables& t) { t.kind.name = "test..kind"; }, "name is \"test..kind\""},
    Mistake{"NameEndsWithPoint", [](Tables& t) { t.kind.name = "test."; }, "name is \"test.\""},
    Mistake{"NameBeginsWithDigit", [](Tables& t) { t.kind.name = "test.1"; }, "name is \"test.1\""},
    Mistake{"NameTooLong",
            [](Tables& t) {
              static const std::string name = "test." + std::string(300, 'x');
              t.kind.name = name.c_str();
            },
            "name is longer than 255 bytes"},
    Mistake{"Twice", [](Tables& t) { t.other.name = "test.kind"; }, "kind \"test.kind\" is there twice"},
    Mistake{"NoSays", [](Tables& t) { t.kind.says = nullptr; }, "kind \"test.kind\": says is null"},
    Mistake{"UnknownProperty", [](Tables& t) { t.kind.properties |= 0x1000u; }, "unknown bits: 4096"},
    Mistake{"BypassInbound", [](Tables& t) { t.kind.properties = BP_BYPASS | BP_INBOUND; }, "BP_BYPASS with"},
    Mistake{"BypassOutbound", [](Tables& t) { t.kind.properties = BP_BYPASS | BP_OUTBOUND; },
            "BP_BYPASS with"},
    Mistake{"NoCreate", [](Tables& t) { t.kind.create = nullptr; },
            "kind \"test.kind\": create is null, expected a function"},
    Mistake{"NoDestroy", [](Tables& t) { t.kind.destroy = nullptr; }, "destroy is null"},
    Mistake{"OutboundWithoutOnMessage", [](Tables& t) { t.kind.on_message = nullptr; },
            "on_message is null, expected a function in an outbound kind"},
    Mistake{"FunctionsWithoutOnMessage",
            [](Tables& t) {
              t.kind.properties = BP_FUNCTIONS;
              t.kind.on_message = nullptr;
            },
            "on_message is null, expected a function in a kind that publishes functions"}};
INSTANTIATE_TEST_SUITE_P(Kind, WrongTable, testing::ValuesIn(in_kind), name_of);

const std::vector<Mistake> in_client{
    Mistake{"ListNull", [](Tables& t) { t.plugin.clients = nullptr; },
            "client_count is 2, but the list is null"},
    Mistake{"TooMany", [](Tables& t) { t.plugin.client_count = 101; }, "client_count is 101"},
    Mistake{"Null", [](Tables& t) { t.clients[1] = nullptr; }, "client 2: the pointer to it is null"},
    Mistake{"SmallTable", [](Tables& t) { t.client.size = 8; }, "client 1: bp_client.size is 8"},
    Mistake{"SchemeNull", [](Tables& t) { t.client.scheme = nullptr; }, "client 1: scheme is null"},
    Mistake{"SchemeNoWord", [](Tables& t) { t.client.scheme = "palm+tcp"; },
            "client 1: scheme is \"palm+tcp\", expected a word"},
    Mistake{"Twice", [](Tables& t) { t.plain_client.scheme = "test"; }, "client \"test\" is there twice"},
    Mistake{"SaysNothing", [](Tables& t) { t.client.says = ""; }, "client \"test\": says is empty"},
    Mistake{"OpenNull", [](Tables& t) { t.client.open = nullptr; }, "client \"test\": open is null"},
    Mistake{"CallNull", [](Tables& t) { t.client.call = nullptr; }, "client \"test\": call is null"},
    Mistake{"CloseNull", [](Tables& t) { t.client.close = nullptr; }, "client \"test\": close is null"},
    Mistake{"OptionSize", [](Tables& t) { t.client.option_size = 4; }, "client \"test\": option_size is 4"},
};
INSTANTIATE_TEST_SUITE_P(Client, WrongTable, testing::ValuesIn(in_client), name_of);

const std::vector<Mistake> in_option{
    Mistake{"ListNull", [](Tables& t) { t.kind.options = nullptr; },
            "option_count is 2, but the list is null"},
    Mistake{"TooMany", [](Tables& t) { t.kind.option_count = 100000; }, "option_count is 100000"},
    Mistake{"SmallStride", [](Tables& t) { t.kind.option_size = 48; }, "option_size is 48, expected 56"},
    Mistake{"NoStride", [](Tables& t) { t.kind.option_size = 0; }, "option_size is 0"},
    Mistake{"OddStride", [](Tables& t) { t.kind.option_size = sizeof(bp_option) + 1; },
            "option_size is 57, expected a multiple of 8"},
    Mistake{"NoName", [](Tables& t) { t.options[1].name = nullptr; },
            "kind \"test.kind\": option 2: name is null"},
    Mistake{"NameWithSpace", [](Tables& t) { t.options[0].name = "a b"; },
            "option 1: name is \"a b\", expected a word"},
    Mistake{"Twice", [](Tables& t) { t.options[1].name = "bind"; }, "option \"bind\" is there twice"},
    Mistake{"UnknownType", [](Tables& t) { t.options[0].type = 99; },
            "option \"bind\": type is 99, expected a bp_option_type from 0 to 14"},
    Mistake{"RequiredIsNeither", [](Tables& t) { t.options[0].required = 2; },
            "required is 2, expected 0 or 1"},
    Mistake{"RequiredWithDefault", [](Tables& t) { t.options[0].default_text = "tcp://*:1"; },
            "it is required and has a default_text"},
    Mistake{"NoHelp", [](Tables& t) { t.options[0].help = nullptr; }, "option \"bind\": help is null"},
    Mistake{"HelpNotUtf8", [](Tables& t) { t.options[0].help = bad_utf8; }, "help is not UTF-8"},
    Mistake{"NoChoices", [](Tables& t) { t.options[1].choices = nullptr; },
            "option \"mode\": choices is null"},
    Mistake{"EmptyChoice", [](Tables& t) { t.options[1].choices = "fast||safe"; },
            "choices has an empty word"},
    Mistake{"ChoiceTwice", [](Tables& t) { t.options[1].choices = "fast|fast"; },
            "choices has \"fast\" twice"},
    Mistake{"DefaultIsNoChoice", [](Tables& t) { t.options[1].default_text = "slow"; },
            "default_text \"slow\" is not one of the choices \"fast|safe\""},
    Mistake{"ChoicesOfAText", [](Tables& t) { t.options[0].choices = "a|b"; }, "the type is not BP_CHOICE"},
    Mistake{"NameOfThreeParts", [](Tables& t) { t.options[0].name = "a.b.c"; },
            "name is \"a.b.c\", expected a word of a-z, 0-9 and '_', or two joined by a point"},
    Mistake{"NameWithoutASection", [](Tables& t) { t.options[0].name = ".path"; }, "name is \".path\""},
    Mistake{"NameOfASectionAlone", [](Tables& t) { t.options[0].name = "results."; }, "name is \"results.\""},
    Mistake{"NameWithAnOddPart", [](Tables& t) { t.options[0].name = "results.a b"; },
            "name is \"results.a b\""},
    Mistake{"SectionIsAnOption", [](Tables& t) { t.options[0].name = "mode.bind"; },
            "option \"mode.bind\" stands in the section \"mode\", which is the name of an option, too"},
    Mistake{"BoundsExchanged",
            [](Tables& t) {
              t.options[0].minimum = 5;
              t.options[0].maximum = 1;
            },
            "minimum 5.000000 is above maximum 1.000000"},
    Mistake{"BoundsNotFinite",
            [](Tables& t) { t.options[0].maximum = std::numeric_limits<double>::infinity(); },
            "must be finite"}};
INSTANTIATE_TEST_SUITE_P(Option, WrongTable, testing::ValuesIn(in_option), name_of);

const std::vector<Mistake> in_function{
    Mistake{"Null", [](Tables& t) { t.kind.functions = tell_null; },
            "functions tells a function that is null"},
    Mistake{"Small", [](Tables&) { told.size = 8; }, "a function: bp_function.size is 8, expected 56"},
    Mistake{"NoName", [](Tables&) { told.name = nullptr; }, "kind \"test.kind\": a function: name is null"},
    Mistake{"Twice", [](Tables& t) { t.kind.functions = tell_twice; }, "function \"add\" is there twice"},
    Mistake{"UnknownManner", [](Tables&) { told.manner = 6; }, "function \"add\": manner is 6, expected"},
    Mistake{"NoHelp", [](Tables&) { told.help = nullptr; }, "help is null"},
    Mistake{"NoResult", [](Tables&) { told.result = nullptr; }, "result is null"},
    Mistake{"NoGroup", [](Tables&) { told.group = nullptr; }, "group is null"},
    Mistake{"NegativeResponseTime", [](Tables&) { told.max_response_time = -1; },
            "function \"add\": max_response_time is -1, expected"},
    Mistake{"ParameterListNull", [](Tables&) { told.parameters = nullptr; },
            "parameter_count is 2, but the list is null"},
    Mistake{"TooManyParameters", [](Tables&) { told.parameter_count = 1000; }, "parameter_count is 1000"},
    Mistake{"ParameterWithoutName", [](Tables& t) { t.parameters[1].name = nullptr; },
            "function \"add\": parameter 2: name is null"},
    Mistake{"ParameterWithoutType", [](Tables& t) { t.parameters[0].type = ""; },
            "parameter 1: type is empty"},
    Mistake{"ParameterTwice", [](Tables& t) { t.parameters[1].name = "a"; },
            "parameter \"a\" is there twice"},
    Mistake{"DefaultIsNotJson", [](Tables& t) { t.parameters[1].default_json = "{1"; },
            "default_json is not JSON: \"{1\""},
    Mistake{"OddAnswer", [](Tables& t) { t.kind.functions = answer_seven; },
            "functions returned 7, expected 0 or -1"}};
INSTANTIATE_TEST_SUITE_P(Function, WrongTable, testing::ValuesIn(in_function), name_of);

}  // namespace
}  // namespace backplane::host
