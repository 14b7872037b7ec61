// The schema is tested by use: a small validator of the part of JSON Schema that it is written in, the golden
// manifests without mistakes, which must pass, and mistakes a schema can see, which must not.
#include "manifest/schema.hpp"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "host/manifest/fake_catalog.hpp"
#include "manifest/keys.hpp"

namespace backplane::host {
namespace {

using Json = nlohmann::json;

// As an editor sees a YAML value.
Json to_json(const YAML::Node& node) {
  if (node.IsMap()) {
    Json map = Json::object();
    for (const auto& entry : node) map[entry.first.as<std::string>()] = to_json(entry.second);
    return map;
  }
  if (node.IsSequence()) {
    Json list = Json::array();
    for (const auto& item : node) list.push_back(to_json(item));
    return list;
  }
  if (!node.IsScalar()) return nullptr;
  const auto text = node.as<std::string>();
  if (node.Tag() == "!") return text;
  static const std::regex integer("[+-]?[0-9]+");
  static const std::regex number("[+-]?[0-9]+\\.[0-9]*");
  if (text == "true" || text == "false") return text == "true";
  if (std::regex_match(text, integer)) return std::stoll(text);
  if (std::regex_match(text, number)) return std::stod(text);
  return text;
}

class Validator {
 public:
  explicit Validator(Json schema) : schema_(std::move(schema)) {}

  bool accepts(const Json& value) const { return matches(value, schema_); }

 private:
  static bool has_type(const Json& value, const std::string& type) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "integer") return value.is_number_integer();
    if (type == "number") return value.is_number();
    if (type == "boolean") return value.is_boolean();
    throw std::runtime_error("type " + type);
  }

  bool matches(const Json& value, const Json& schema) const {
    static const std::set<std::string> notes = {"$schema", "title",       "description",
                                                "default", "definitions", "then"};
    for (const auto& [word, rule] : schema.items())
      if (!notes.contains(word) && !obeys(value, schema, word, rule)) return false;
    return true;
  }

  bool obeys(const Json& value, const Json& schema, const std::string& word, const Json& rule) const {
    const auto all = [](const Json& rules, const auto& check) {
      return std::all_of(rules.begin(), rules.end(), check);
    };
    const auto any = [](const Json& rules, const auto& check) {
      return std::any_of(rules.begin(), rules.end(), check);
    };
    const auto fits = [&](const Json& inner) { return matches(value, inner); };
    if (word == "$ref")
      return matches(value, schema_.at(Json::json_pointer(rule.get<std::string>().substr(1))));
    if (word == "anyOf") return any(rule, fits);
    if (word == "allOf") return all(rule, fits);
    if (word == "if") return !fits(rule) || fits(schema.at("then"));
    if (word == "const") return value == rule;
    if (word == "enum") return any(rule, [&](const Json& choice) { return value == choice; });
    if (word == "type")
      return rule.is_array() ? any(rule, [&](const Json& type) { return has_type(value, type); })
                             : has_type(value, rule);
    if (word == "pattern")
      return !value.is_string() ||
             std::regex_search(value.get<std::string>(), std::regex(rule.get<std::string>()));
    if (word == "minimum") return !value.is_number() || value.get<double>() >= rule.get<double>();
    if (word == "maximum") return !value.is_number() || value.get<double>() <= rule.get<double>();
    if (word == "items")
      return !value.is_array() || all(value, [&](const Json& item) { return matches(item, rule); });
    if (!value.is_object()) return true;
    if (word == "required")
      return all(rule, [&](const Json& name) { return value.contains(name.get<std::string>()); });
    if (word == "minProperties") return value.size() >= rule.get<std::size_t>();
    if (word == "properties") return obeys_properties(value, rule);
    if (word == "additionalProperties") return obeys_additional(value, schema, rule);
    if (word == "propertyNames") {
      for (const auto& [name, ignored] : value.items())
        if (!matches(name, rule)) return false;
      return true;
    }
    throw std::runtime_error("the schema uses " + word);
  }

  bool obeys_properties(const Json& value, const Json& rule) const {
    for (const auto& [name, inner] : rule.items())
      if (value.contains(name) && !matches(value.at(name), inner)) return false;
    return true;
  }

  bool obeys_additional(const Json& value, const Json& schema, const Json& rule) const {
    for (const auto& [name, item] : value.items()) {
      if (schema.contains("properties") && schema.at("properties").contains(name)) continue;
      if (rule.is_boolean() ? !rule.get<bool>() : !matches(item, rule)) return false;
    }
    return true;
  }

  Json schema_;
};

class Schema : public testing::Test {
 protected:
  Schema() : validator_(Json::parse(manifest_json_schema(FakeCatalog().open_all()))) {}
  bool accepts(const std::string& yaml) const { return validator_.accepts(to_json(YAML::Load(yaml))); }
  // A manifest with one component.
  bool accepts_component(const std::string& yaml) const { return accepts("components: {it: " + yaml + "}"); }
  bool accepts_route(const std::string& yaml) const { return accepts("routes: [" + yaml + "]"); }
  const Validator validator_;
};

TEST_F(Schema, AcceptsEveryManifestWithoutMistakes) {
  const auto folder = std::filesystem::path(BACKPLANE_SOURCE_DIR) / "tests/manifests/golden/good";
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream stream(entry.path());
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    EXPECT_TRUE(accepts(text)) << entry.path();
    ++count;
  }
  EXPECT_GT(count, 10);
}

TEST_F(Schema, RefusesUnknownKeys) {
  EXPECT_FALSE(accepts("compnents: {}"));
  EXPECT_FALSE(accepts("host: {nme: x}"));
  EXPECT_FALSE(accepts("host: {shutdown: {timout: 1s}}"));
  EXPECT_FALSE(accepts_component("{kind: zmq.pull, bnd: 'tcp://127.0.0.1:1'}"));
  EXPECT_FALSE(accepts_route("{from: a, to: b, windw: 1}"));
  EXPECT_FALSE(accepts_route("{from: a, to: b, when: {subject: x}}"));
  EXPECT_FALSE(accepts("include: {file: a.yaml, wth: {}}"));
}

TEST_F(Schema, RefusesMissingKeys) {
  EXPECT_FALSE(accepts_component("{level: info}"));
  EXPECT_FALSE(accepts_component("{kind: timer.tick}"));
  EXPECT_FALSE(accepts_route("{from: a}"));
  EXPECT_FALSE(accepts("include: {as: a}"));
}

TEST_F(Schema, KnowsTheTypesOfOptions) {
  EXPECT_TRUE(accepts_component("{kind: timer.tick, every: 1h30m, at_once: true, count: 5}"));
  EXPECT_TRUE(accepts_component("{kind: timer.tick, every: '${EVERY}', at_once: '${X:-no}', count: '5'}"));
  EXPECT_FALSE(accepts_component("{kind: timer.tick, every: 10}"));
  EXPECT_FALSE(accepts_component("{kind: timer.tick, every: 1s, at_once: maybe}"));
  EXPECT_FALSE(accepts_component("{kind: timer.tick, every: 1s, count: -1}"));
  EXPECT_FALSE(accepts_component("{kind: timer.tick, every: [1s]}"));
  EXPECT_FALSE(accepts_component("{kind: log.sink, level: loud}"));
  EXPECT_FALSE(accepts_component("{kind: log.sink, max_bytes: 64k}"));
  EXPECT_FALSE(accepts_component("{kind: zmq.pull, bind: '127.0.0.1:5555'}"));
  EXPECT_FALSE(accepts_component("{kind: zmq.pull, bind: ['tcp://127.0.0.1:1', nonsense]}"));
  EXPECT_FALSE(accepts_component("{kind: log.sink, instances: 0}"));
}

TEST_F(Schema, KnowsTheTypesOfRoutes) {
  EXPECT_TRUE(
      accepts_route("{from: a, to: [b, c], balance: {hash: topic}, rate: 10k/s, ttl: 5s, window: 5}"));
  EXPECT_TRUE(accepts_route("{from: a, to: b, balance: 'hash: header:user'}"));
  EXPECT_FALSE(accepts_route("{from: a, to: b, balance: random}"));
  EXPECT_FALSE(accepts_route("{from: a, to: b, balance: {hash: colour}}"));
  EXPECT_FALSE(accepts_route("{from: a, to: b, overflow: drop}"));
  EXPECT_FALSE(accepts_route("{from: a, to: b, rate: 10k}"));
  EXPECT_FALSE(accepts_route("{from: a, to: b, window: 0}"));
  EXPECT_FALSE(accepts_route("{from: a, to: b, when: {header: {}}}"));
}

TEST_F(Schema, RefusesUnknownKindsOfKnownPluginsOnly) {
  EXPECT_FALSE(accepts_component("{kind: zmq.pul}"));
  EXPECT_TRUE(accepts_component("{kind: palm.master, anything: {goes: here}}"));
}

TEST_F(Schema, LetsAKindsOwnOptionWinOverACommonKey) {
  EXPECT_TRUE(accepts_component("{kind: lab.own, timeout: 2KiB}"));
  EXPECT_FALSE(accepts_component("{kind: lab.own, timeout: 2s}"));
}

TEST_F(Schema, NestsTheOptionsOfASection) {
  EXPECT_TRUE(accepts_component("{kind: lab.sections, results: {store: sqlite}, peers: {callees: [a, b]}}"));
  EXPECT_FALSE(accepts_component("{kind: lab.sections, results: {stor: sqlite}}"));
  EXPECT_FALSE(accepts_component("{kind: lab.sections, results: {store: disk}}"));
  EXPECT_FALSE(accepts_component("{kind: lab.sections, results: sqlite}"));
  EXPECT_FALSE(accepts_component("{kind: lab.sections, results.store: sqlite}"));
  EXPECT_FALSE(accepts_component("{kind: lab.needy}")) << "what a section needs, the component needs";
  EXPECT_FALSE(accepts_component("{kind: lab.needy, store: {size: 1KiB}}"));
  EXPECT_TRUE(accepts_component("{kind: lab.needy, store: {path: a}, timeout: {connect: 2s}}"));
  EXPECT_FALSE(accepts_component("{kind: lab.needy, store: {path: a}, timeout: 2s}"));
}

TEST_F(Schema, DescribesEveryKey) {
  const auto schema = Json::parse(manifest_json_schema(FakeCatalog().open_all()));
  EXPECT_EQ(schema.at("$schema"), "http://json-schema.org/draft-07/schema#");
  for (const auto& key : top_keys())
    EXPECT_EQ(schema.at("properties").at(key.name).at("description"), key.help) << key.name;
  const auto& sink = schema.at("definitions").at("kind log.sink").at("properties");
  EXPECT_EQ(sink.at("max_bytes").at("description"), "help (1 to 64KiB)");
  EXPECT_EQ(sink.at("max_bytes").at("default"), "256");
}

TEST(KindSchema, IsThatOfOneComponent) {
  FakeCatalog catalog;
  catalog.open_all();
  const Validator validator(Json::parse(kind_json_schema(*catalog.find("log.sink"))));
  EXPECT_TRUE(validator.accepts(to_json(YAML::Load("{kind: log.sink, level: info, instances: 3}"))));
  EXPECT_FALSE(validator.accepts(to_json(YAML::Load("{kind: log.sink, levl: info}"))));
  EXPECT_FALSE(validator.accepts(to_json(YAML::Load("{kind: null.sink}"))));
}

}  // namespace
}  // namespace backplane::host
