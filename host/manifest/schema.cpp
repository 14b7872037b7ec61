#include "manifest/schema.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "manifest/convert_option.hpp"
#include "manifest/keys.hpp"
#include "manifest/option_names.hpp"

namespace backplane::host {
namespace {

using Json = nlohmann::ordered_json;

constexpr auto draft = "http://json-schema.org/draft-07/schema#";
constexpr auto decimals = "[0-9]+(\\.[0-9]+)?";

// A text of this form, or one whose value comes from the environment or a parameter.
Json text_like(const std::string& pattern) { return {{"type", "string"}, {"pattern", pattern + "|\\$\\{"}}; }

Json bounded(const OptionInfo& info, Json schema) {
  if (is_bounded(info)) {
    schema["minimum"] = info.minimum;
    schema["maximum"] = info.maximum;
  }
  return schema;
}

Json endpoint_schema() { return text_like("^(tcp|ipc|inproc)://."); }
Json scalar_schema() { return {{"type", Json::array({"string", "number", "boolean"})}}; }

Json one_or_list(const Json& item) {
  return {{"anyOf", Json::array({item, Json{{"type", "array"}, {"items", item}}})}};
}

Json any_of(std::initializer_list<Json> schemas) { return {{"anyOf", Json(schemas)}}; }

Json type_schema(const OptionInfo& info) {
  switch (info.type) {
    case BP_INTEGER:
      return any_of({bounded(info, {{"type", "integer"}}), text_like("^[+-]?[0-9]+$")});
    case BP_NUMBER:
      return any_of({bounded(info, {{"type", "number"}}), text_like("^-?[0-9.]+([eE][+-]?[0-9]+)?$")});
    case BP_BOOLEAN:
      return any_of({{{"type", "boolean"}}, text_like("^(true|false|yes|no|on|off)$")});
    case BP_DURATION:
      return any_of({{{"const", 0}}, text_like(std::string("^(") + decimals + "(ns|us|ms|s|m|h|d))+$|^0$")});
    case BP_SIZE:
      return any_of({{{"type", "integer"}, {"minimum", 0}},
                     text_like(std::string("^") + decimals + "(B|KiB|MiB|GiB|TiB|kB|KB|MB|GB|TB)?$")});
    case BP_RATE:
      return text_like(std::string("^") + decimals + "[kMG]?/(ns|us|ms|s|m|h|d)$");
    case BP_CHOICE:
      return any_of({{{"enum", info.choices}}, text_like("^$")});
    case BP_ENDPOINT:
      return endpoint_schema();
    case BP_ENDPOINT_LIST:
      return one_or_list(endpoint_schema());
    case BP_TEXT_LIST:
    case BP_COMPONENT_LIST:
      return one_or_list(scalar_schema());
    default:
      return scalar_schema();
  }
}

Json balance_schema() {
  constexpr auto field = "(function|topic|origin|header:.+)$";
  Json hash = {{"type", "object"},
               {"properties", {{"hash", text_like(std::string("^") + field)}}},
               {"required", {"hash"}},
               {"additionalProperties", false}};
  return any_of({{{"enum", {"round_robin", "least_loaded"}}},
                 text_like(std::string("^hash: *") + field),
                 std::move(hash)});
}

Json shape_schema(const KeyInfo& info) {
  switch (info.shape) {
    case Shape::value:
      return type_schema(info);
    case Shape::balance:
      return balance_schema();
    case Shape::text_map:
      return {{"type", "object"}, {"additionalProperties", scalar_schema()}, {"minProperties", 1}};
    default:
      return Json::object();
  }
}

Json described(Json schema, const OptionInfo& info, const std::string& default_help) {
  auto help = info.help;
  const auto bounds = bounds_text(info);
  if (!bounds.empty()) help += " (" + bounds + ")";
  if (!default_help.empty()) help += "; without it: " + default_help;
  schema["description"] = help;
  if (info.default_text) schema["default"] = *info.default_text;
  return schema;
}

// An object with the keys of a table from `prefix` on.
Json section_schema(const std::vector<KeyInfo>& keys, const std::string& prefix) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const auto& name : key_names(keys, prefix)) {
    const auto* info = find_key(keys, prefix + name);
    if (info == nullptr) {
      properties[name] = section_schema(keys, prefix + name + ".");
      continue;
    }
    properties[name] = described(shape_schema(*info), *info, info->default_help);
    if (info->required) required.push_back(name);
  }
  Json schema = {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = required;
  return schema;
}

void require(Json& schema, const std::string& name) {
  auto& required = schema["required"];
  if (std::find(required.begin(), required.end(), name) == required.end()) required.push_back(name);
}

// `schema` describes a component, or, made here, a section of it.
void add_option(Json& schema, const std::string& name, const OptionInfo& option) {
  if (schema.is_null()) schema = {{"type", "object"}, {"additionalProperties", false}};
  schema["properties"][name] = described(type_schema(option), option, {});
  if (option.required) require(schema, name);
}

Json kind_schema(const KindInfo& kind) {
  auto schema = section_schema(component_keys(), "");
  schema["description"] = kind.says;
  schema["properties"]["kind"] = {{"const", kind.name}, {"description", kind.says}};
  for (const auto& key : option_keys(kind))
    if (has_section(kind, key)) schema["properties"].erase(key);  // a common key that the kind has otherwise
  for (const auto& option : kind.options) {
    const std::string section(section_of(option.name));
    if (section.empty()) {
      add_option(schema, option.name, option);
    } else {
      add_option(schema["properties"][section], std::string(name_in_section(option.name)), option);
      if (option.required) require(schema, section);
    }
  }
  return schema;
}

// The names known, and whatever a plugin may offer that is not known here.
Json kind_name_schema(const std::vector<std::string>& kinds) {
  std::set<std::string> prefixes;
  for (const auto& kind : kinds) prefixes.insert(kind.substr(0, kind.find('.')));
  std::string known;
  for (const auto& prefix : prefixes) known += (known.empty() ? "" : "|") + prefix;
  const auto others = known.empty() ? std::string("^.") : "^(?!(" + known + ")\\.).";
  return any_of({{{"enum", kinds}}, {{"type", "string"}, {"pattern", others}}});
}

Json component_schema(const std::vector<std::string>& kinds) {
  Json schema = {
      {"type", "object"}, {"required", {"kind"}}, {"properties", {{"kind", kind_name_schema(kinds)}}}};
  if (const auto* info = find_key(component_keys(), "kind"))
    schema["properties"]["kind"]["description"] = info->help;
  Json cases = Json::array();
  for (const auto& kind : kinds)
    cases.push_back({{"if", {{"properties", {{"kind", {{"const", kind}}}}}, {"required", {"kind"}}}},
                     {"then", {{"$ref", "#/definitions/kind " + kind}}}});
  if (!cases.empty()) schema["allOf"] = cases;
  return schema;
}

Json include_schema() {
  const auto item = any_of({{{"type", "string"}}, section_schema(include_keys(), "")});
  return one_or_list(item);
}

Json parameters_schema() {
  return {{"type", "object"},
          {"additionalProperties", any_of({{{"const", "required"}}, section_schema(parameter_keys(), "")})}};
}

}  // namespace

std::string manifest_json_schema(const KindCatalog& catalog) {
  const auto kinds = catalog.kind_names();
  Json definitions = Json::object();
  for (const auto& name : kinds)
    if (const auto* kind = catalog.find(name)) definitions["kind " + name] = kind_schema(*kind);
  definitions["component"] = component_schema(kinds);
  definitions["route"] = section_schema(route_keys(), "");

  Json properties = Json::object();
  for (const auto& info : top_keys()) properties[info.name] = described(shape_schema(info), info, {});
  const auto refine = [&](const char* name, const Json& schema) { properties[name].update(schema); };
  refine("host", section_schema(host_keys(), ""));
  refine("include", include_schema());
  refine("parameters", parameters_schema());
  refine("components", {{"type", "object"},
                        {"minProperties", 1},
                        {"propertyNames", {{"pattern", "^[A-Za-z_][A-Za-z0-9_-]{0,63}$|\\$\\{"}}},
                        {"additionalProperties", {{"$ref", "#/definitions/component"}}}});
  refine("routes", {{"type", "array"}, {"items", {{"$ref", "#/definitions/route"}}}});

  const Json schema = {
      {"$schema", draft},         {"title", "Backplane manifest"}, {"type", "object"},
      {"properties", properties}, {"additionalProperties", false}, {"definitions", definitions}};
  return schema.dump(2) + "\n";
}

std::string kind_json_schema(const KindInfo& kind) {
  Json schema = {{"$schema", draft}, {"title", kind.name}};
  schema.update(kind_schema(kind));
  return schema.dump(2) + "\n";
}

}  // namespace backplane::host
