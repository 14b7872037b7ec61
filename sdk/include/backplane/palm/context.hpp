// What a function can know of the PALM message that called it, and its server's cache.
//
//   Task<Bytes> greet(Bytes payload) {
//     const auto message = palm::current_message();
//     const auto name = co_await palm::cache_get(message, "name");
//     co_return Bytes{name.value_or("somebody") + " says " + payload.content};
//   }
#pragma once

#include <backplane/functions.hpp>
#include <backplane/palm/message.hpp>

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace backplane::palm {

// The message behind a call, without its payload, which is the function's argument. Empty when a caller that
// does not speak PALM has called.
struct CallingMessage {
  std::string server;  // name of the server the function runs for
  std::string pipeline;
  std::string client;
  std::int64_t stage = 0;
  std::string function;  // as the client wrote it, all words
  std::string cache;
  std::string cache_component;  // whose functions get, set and delete are the server's cache; may be empty
};

namespace detail {

// Names of the headers by which a call carries its message.
inline constexpr std::string_view server_header = "palm-server";
inline constexpr std::string_view pipeline_header = "palm-pipeline";
inline constexpr std::string_view client_header = "palm-client";
inline constexpr std::string_view stage_header = "palm-stage";
inline constexpr std::string_view function_header = "palm-function";
inline constexpr std::string_view cache_header = "palm-cache";
inline constexpr std::string_view cache_component_header = "palm-cache-component";

using backplane::detail::append_header;

inline std::string call_headers(const Fields& fields, std::string_view server,
                                std::string_view cache_component) {
  std::string lines;
  lines.reserve(160 + fields.function.size());
  append_header(lines, server_header, server);
  append_header(lines, pipeline_header, fields.pipeline);
  append_header(lines, client_header, fields.client);
  append_header(lines, stage_header, std::to_string(fields.stage));
  append_header(lines, function_header, fields.function);
  append_header(lines, cache_header, fields.cache);
  append_header(lines, cache_component_header, cache_component);
  return lines;
}

}  // namespace detail

// The message that called the function which runs now. Before the first co_await of a coroutine. Throws Error
// "NoCall" outside of one.
inline CallingMessage current_message() {
  const auto context = current_call();
  const auto value = [&](std::string_view name) {
    return backplane::detail::unescaped(context.header(name));
  };
  CallingMessage message{
      value(detail::server_header),   value(detail::pipeline_header), value(detail::client_header),         0,
      value(detail::function_header), value(detail::cache_header),    value(detail::cache_component_header)};
  const auto stage = context.header(detail::stage_header);
  std::from_chars(stage.data(), stage.data() + stage.size(), message.stage);
  return message;
}

namespace detail {

inline std::string cache_function(const CallingMessage& message, std::string_view function) {
  if (message.cache_component.empty())
    throw Error("NoCache",
                "the call came from no server with a cache: set the option \"cache\" of the "
                "component that calls, or call the cache's functions by its name");
  return message.cache_component + "." + std::string(function);
}

}  // namespace detail

// The cache of the calling message's server; of a worker: of its master. Nothing: no such key.
inline Task<std::optional<std::string>> cache_get(CallingMessage message, std::string key) {
  auto value = co_await call<std::optional<Bytes>>(detail::cache_function(message, "get"), key);
  if (!value) co_return std::nullopt;
  co_return std::move(value->content);
}
// Returns the key: `key`, or a fresh one when that is empty.
inline Task<std::string> cache_set(CallingMessage message, std::string value, std::string key = {}) {
  co_return co_await call<std::string>(detail::cache_function(message, "set"), Bytes{std::move(value)}, key);
}
// False: there was no such key.
inline Task<bool> cache_delete(CallingMessage message, std::string key) {
  co_return co_await call<bool>(detail::cache_function(message, "delete"), key);
}

}  // namespace backplane::palm
