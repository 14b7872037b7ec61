#include "function_index.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "json.hpp"

namespace backplane::http {

namespace {

std::string encoded(std::string_view segment) {
  constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char letter : segment) {
    if (plain.find(letter) != plain.npos) {
      out += letter;
    } else {
      const auto byte = static_cast<unsigned char>(letter);
      out += {'%', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return out;
}

// How many letters must be put in, left out or replaced to make one of the other.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= from.size(); ++i) {
    auto diagonal = std::exchange(row[0], i);
    for (std::size_t k = 1; k <= to.size(); ++k) {
      const auto replaced = diagonal + (from[i - 1] == to[k - 1] ? 0 : 1);
      diagonal = row[k];
      row[k] = std::min({replaced, row[k] + 1, row[k - 1] + 1});
    }
  }
  return row.back();
}

Map object(std::initializer_list<MapEntry> entries) { return {entries}; }

// The JSON Schema of a function's type; an empty one takes everything.
Map schema_of(std::string_view type) {
  const auto typed = [](const char* name) { return object({{"type", name}}); };
  if (type == "int") return typed("integer");
  if (type == "double") return typed("number");
  if (type == "bool") return typed("boolean");
  if (type == "text") return typed("string");
  if (type == "list") return typed("array");
  if (type == "map") return typed("object");
  if (type != "bytes") return {};
  const auto content = object({{"type", "string"}, {"contentEncoding", "base64"}});
  return object({{"type", "object"},
                 {"properties", object({{"$bin", content}})},
                 {"required", Array{"$bin"}},
                 {"additionalProperties", false}});
}

Map schema_of(const PublishedFunction::Parameter& parameter) {
  auto schema = schema_of(parameter.type);
  if (parameter.default_json) schema.push_back({"default", from_json(*parameter.default_json)});
  return schema;
}

std::int64_t required_count(const PublishedFunction& function) {
  return std::count_if(function.parameters.begin(), function.parameters.end(),
                       [](const auto& parameter) { return !parameter.default_json; });
}

Map positional_schema(const PublishedFunction& function) {
  Array items;
  for (const auto& parameter : function.parameters) {
    auto schema = schema_of(parameter);
    schema.insert(schema.begin(), {"title", parameter.name});
    items.emplace_back(std::move(schema));
  }
  auto made = object({{"type", "array"}});
  if (!items.empty()) made.push_back({"prefixItems", std::move(items)});
  made.push_back({"minItems", required_count(function)});
  made.push_back({"maxItems", function.parameters.size()});
  return made;
}

Map named_schema(const PublishedFunction& function) {
  Map properties;
  Array needed;
  for (const auto& parameter : function.parameters) {
    properties.push_back({parameter.name, schema_of(parameter)});
    if (!parameter.default_json) needed.emplace_back(parameter.name);
  }
  auto made = object({{"type", "object"}, {"properties", std::move(properties)}});
  if (!needed.empty()) made.push_back({"required", std::move(needed)});
  made.push_back({"additionalProperties", false});
  return made;
}

Map json_content(Value schema) {
  return object({{"application/json", object({{"schema", std::move(schema)}})}});
}

Map responses_of(const PublishedFunction& function) {
  const auto failed = object({{"$ref", "#/components/responses/Error"}});
  if (function.manner == BP_SIGNAL_MANNER)
    return object(
        {{"202", object({{"description", "It was taken; there is no result."}})}, {"default", failed}});
  const auto result = function.manner == BP_STREAM_MANNER
                          ? object({{"type", "array"}, {"items", schema_of(function.result)}})
                          : schema_of(function.result);
  return object({{"200", object({{"description", "The result."}, {"content", json_content(result)}})},
                 {"default", failed}});
}

Map operation_of(const PublishedFunction& function) {
  const auto arguments = object({{"oneOf", Array{positional_schema(function), named_schema(function)}}});
  const auto body =
      object({{"required", required_count(function) > 0}, {"content", json_content(arguments)}});
  return object({{"operationId", function.component + '.' + function.name},
                 {"summary", function.help},
                 {"tags", Array{function.component}},
                 {"requestBody", body},
                 {"responses", responses_of(function)}});
}

Map error_response() {
  const auto text = object({{"type", "string"}});
  const auto parts = object({{"type", text}, {"message", text}});
  const auto error =
      object({{"type", "object"}, {"properties", parts}, {"required", Array{"type", "message"}}});
  const auto schema =
      object({{"type", "object"}, {"properties", object({{"error", error}})}, {"required", Array{"error"}}});
  return object({{"description", "What went wrong."}, {"content", json_content(schema)}});
}

}  // namespace

std::string path_of(const PublishedFunction& function) {
  return '/' + encoded(function.component) + '/' + encoded(function.name);
}

FunctionIndex::FunctionIndex(std::vector<PublishedFunction> all, const std::vector<std::string>& components) {
  for (auto& function : all) {
    const bool named =
        std::find(components.begin(), components.end(), function.component) != components.end();
    const bool wanted = components.empty() ? !is_control(function) : named;
    if (!wanted || function.name == "deferred_result") continue;
    by_path_.emplace('/' + function.component + '/' + function.name, functions_.size());
    by_name_[function.name].push_back(functions_.size());
    functions_.push_back(std::move(function));
  }
}

const PublishedFunction* FunctionIndex::find(std::string_view path) const {
  if (const auto found = by_path_.find(path); found != by_path_.end()) return &functions_[found->second];
  if (!path.starts_with('/')) return nullptr;
  const auto named = by_name_.find(path.substr(1));
  if (named == by_name_.end() || named->second.size() != 1) return nullptr;
  return &functions_[named->second.front()];
}

std::string FunctionIndex::why_unknown(std::string_view path) const {
  constexpr std::size_t longest = 200;
  constexpr std::size_t most_named = 3;
  const auto shown = path.substr(0, longest);
  const auto name = shown.substr(shown.rfind('/') + 1);
  std::vector<std::pair<std::size_t, std::string>> close;
  for (const auto& function : functions_) {
    const auto steps = std::min(distance(name, function.name), distance(shown, path_of(function)));
    if (steps <= std::max<std::size_t>(1, function.name.size() / 3))
      close.emplace_back(steps, path_of(function));
  }
  std::stable_sort(close.begin(), close.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string why = "no function at " + std::string(shown);
  for (std::size_t i = 0; i < std::min(close.size(), most_named); ++i)
    why += (i == 0 ? "; did you mean " : ", ") + close[i].second;
  return why + (close.empty() ? "; GET / lists what there is" : "?");
}

Value FunctionIndex::overview(std::string_view host_name) const {
  Array functions;
  for (const auto& function : functions_) {
    Array parameters;
    for (const auto& parameter : function.parameters) {
      auto described = object({{"name", parameter.name}, {"type", parameter.type}});
      if (parameter.default_json) described.push_back({"default", from_json(*parameter.default_json)});
      parameters.emplace_back(std::move(described));
    }
    functions.emplace_back(object({{"path", path_of(function)},
                                   {"help", function.help},
                                   {"parameters", std::move(parameters)},
                                   {"result", function.result}}));
  }
  return object({{"host", host_name}, {"openapi", "/openapi.json"}, {"functions", std::move(functions)}});
}

Value FunctionIndex::openapi(std::string_view host_name) const {
  Map paths;
  for (const auto& function : functions_)
    paths.push_back({path_of(function), object({{"post", operation_of(function)}})});
  return object({{"openapi", "3.1.0"},
                 {"info", object({{"title", host_name}, {"version", "1"}})},
                 {"paths", std::move(paths)},
                 {"components", object({{"responses", object({{"Error", error_response()}})}})}});
}

}  // namespace backplane::http
