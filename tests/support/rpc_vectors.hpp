// What real ZeroRPC and infi.rpc programs said to each other: tests/vectors/zerorpc.
#pragma once

#include <backplane/value.hpp>

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "support/vectors.hpp"

namespace backplane {

// Values in the output of a failing test.
inline void PrintTo(const Value& value, std::ostream* out) { *out << to_json(value); }

namespace test {

// The value that JSON writes; {"$bin": hexadecimal digits} stands for bytes.
inline Value value_of(const nlohmann::ordered_json& json) {
  switch (json.type()) {
    case nlohmann::ordered_json::value_t::boolean:
      return json.get<bool>();
    case nlohmann::ordered_json::value_t::number_integer:
      return json.get<std::int64_t>();
    case nlohmann::ordered_json::value_t::number_unsigned:
      return json.get<std::uint64_t>();
    case nlohmann::ordered_json::value_t::number_float:
      return json.get<double>();
    case nlohmann::ordered_json::value_t::string:
      return json.get<std::string>();
    case nlohmann::ordered_json::value_t::array: {
      Array array;
      for (const auto& item : json) array.push_back(value_of(item));
      return array;
    }
    case nlohmann::ordered_json::value_t::object: {
      if (json.size() == 1 && json.contains("$bin")) return Bytes{from_hex(json["$bin"].get<std::string>())};
      Map map;
      for (const auto& [key, item] : json.items()) map.push_back({key, value_of(item)});
      return map;
    }
    default:
      return nullptr;
  }
}
// The same of a text: json("[1, 2.0]").
inline Value json(std::string_view text) { return value_of(nlohmann::ordered_json::parse(text)); }

// One message of a recording.
struct RecordedFrame {
  bool sent = false;  // by the socket that recorded it
  std::vector<std::string> parts;
  Value event;  // the last part: [header, name, args]

  const std::string& payload() const { return parts.back(); }
  const Value& header() const { return (*event.get_if<Array>())[0]; }
  const Value& name() const { return (*event.get_if<Array>())[1]; }
  const Value& args() const { return (*event.get_if<Array>())[2]; }
};

// A conversation from its first message on.
struct Recording {
  std::string name;
  std::string says;
  std::string seen_by;  // the type of the socket: DEALER, ROUTER, PUSH, PUB
  std::vector<RecordedFrame> frames;
};

inline std::vector<Recording> recordings(const std::string& file) {
  std::vector<Recording> all;
  for (const auto& each : vectors<nlohmann::ordered_json>("zerorpc/" + file + ".json", "scenarios")) {
    Recording made{each["name"], each["says"], each["seen_by"], {}};
    for (const auto& frame : each["frames"]) {
      RecordedFrame one;
      one.sent = frame["direction"] == "sent";
      for (const auto& part : frame["parts_hex"]) one.parts.push_back(from_hex(part.get<std::string>()));
      const auto& event = frame["event"];
      one.event = Array{value_of(event["header"]), value_of(event["name"]), value_of(event["args"])};
      made.frames.push_back(std::move(one));
    }
    all.push_back(std::move(made));
  }
  return all;
}
inline std::vector<Recording> all_recordings() {
  std::vector<Recording> all;
  for (const auto* file : {"calls", "streams", "heartbeats", "versions", "one_way", "infi"})
    for (auto& each : recordings(file)) all.push_back(std::move(each));
  return all;
}

// A payload that a server must survive.
struct MalformedCase {
  std::string says;
  std::string payload;
  std::string outcome;  // drop, ERR NAME, OK VALUE, either
};

inline std::vector<MalformedCase> malformed_cases() {
  std::vector<MalformedCase> all;
  for (const auto& each : vectors("zerorpc/malformed.json", "cases")) {
    std::string payload;
    if (each.contains("repeat_byte")) {
      const auto byte = from_hex(each["repeat_byte"].get<std::string>());
      payload.assign(each["repeat_count"].get<std::size_t>(), byte[0]);
    } else {
      payload = from_hex(each["payload_hex"].get<std::string>());
    }
    all.push_back({each["says"], std::move(payload), each["outcome"]});
  }
  return all;
}

}  // namespace test
}  // namespace backplane
