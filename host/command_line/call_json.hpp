// Arguments and results of calls as JSON: bytes that are no text are {"$bin": "BASE64"}. Pure functions, any
// thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::host {

// The frames of a call in msgpack: the list of positional arguments and, when there are any, the map of named
// ones. One argument that is a JSON list is the list of arguments; otherwise each is one, as JSON, or, when
// it is none, as text. Throws UsageError: `named` is no JSON object, a "$bin" is no base64.
std::vector<std::string> call_frames(const std::vector<std::string>& arguments,
                                     const std::optional<std::string>& named);

// A result as JSON; `encoding` is BP_RAW or BP_MSGPACK. Keys that are no text become the JSON of them as
// text, extensions {"$ext": TYPE, "$bin": "BASE64"}. Throws std::runtime_error: not msgpack, nested deeper
// than 512.
nlohmann::ordered_json result_json(std::uint32_t encoding, std::string_view content);

// A result as bytes: raw ones, texts and bytes as they are, all else as JSON.
std::string result_bytes(std::uint32_t encoding, std::string_view content);

// In one line, without a line break.
std::string to_line(const nlohmann::ordered_json& json);

}  // namespace backplane::host
