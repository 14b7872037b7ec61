// Requests and answers of HTTP, whatever the bytes: read whole, in two parts or byte by byte, they are the
// same. JSON bodies are a value or Malformed.
#include <algorithm>
#include <string>

#include "fuzz.hpp"
#include "json.hpp"
#include "wire.hpp"

using backplane::fuzz::must;

namespace {

namespace http = backplane::http;

constexpr std::size_t max_header = 512;
constexpr std::size_t max_body = 1024;
const std::string none;  // no message: refused, or cut short

std::string shown(const http::Headers& headers) {
  std::string all;
  for (const auto& header : headers) all += header.name + '=' + header.value + ';';
  return all;
}

// What a reader of requests makes of the bytes when they come in parts of `part` bytes.
std::string request_of(const std::string& bytes, std::size_t part) {
  http::RequestReader reader(max_header, max_body);
  http::Input input;
  for (std::size_t at = 0; at < bytes.size(); at += part) {
    input.append(std::string_view(bytes).substr(at, part));
    const auto read = reader.read(input);
    if (read == http::Read::refused) {
      must(reader.status() >= 400 && !reader.reason().empty(), "a refusal has a status and a reason");
      return none;
    }
    if (read == http::Read::more) continue;
    const auto request = reader.take();
    must(request.body.size() <= max_body, "a limit on the body holds");
    must(!request.path.empty(), "a request has a path");
    return request.method + ' ' + request.path + '?' + request.query + ' ' + shown(request.headers) +
           request.body;
  }
  return none;
}

std::string response_of(const std::string& bytes, std::size_t part) {
  http::ResponseReader reader(max_body, false);
  http::Input input;
  for (std::size_t at = 0; at < bytes.size(); at += part) {
    input.append(std::string_view(bytes).substr(at, part));
    const auto read = reader.read(input);
    if (read == http::Read::refused) return none;
    if (read == http::Read::complete)
      return std::to_string(reader.status()) + ' ' + shown(reader.take_headers()) + reader.take_body();
  }
  return reader.end() == http::Read::complete ? "ended " + reader.take_body() : none;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(backplane::fuzz::text_of(data, size));
  const auto whole = std::max<std::size_t>(bytes.size(), 1);
  const auto request = request_of(bytes, whole);
  must(request_of(bytes, 1) == request, "a request is the same however it is cut");
  must(request_of(bytes, whole / 2 + 1) == request, "a request is the same in two parts");
  const auto response = response_of(bytes, whole);
  must(response_of(bytes, 1) == response, "an answer is the same however it is cut");
  try {
    const auto value = http::from_json(bytes);
    must(backplane::to_json(http::from_json(backplane::to_json(value))) == backplane::to_json(value),
         "JSON survives the way out and back");
  } catch (const backplane::Malformed&) {
  }
  return 0;
}
