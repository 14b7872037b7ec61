// Requests and responses of HTTP/1.1 as plain data. Pure: no sockets, no host. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::http {

struct Header {
  std::string name;
  std::string value;
  bool operator==(const Header&) const = default;
};
using Headers = std::vector<Header>;

// The value of the first header of that name, whatever its case; nothing: there is none. Borrowed.
std::optional<std::string_view> find_header(const Headers& headers, std::string_view name);

// What a client asked. HEAD is given as GET with `head` set: the server leaves the body out of the answer.
struct Request {
  std::string method;
  std::string target;  // as it was sent
  std::string path;    // of the target, percent-decoded
  std::string query;   // what follows '?', as it was sent
  Headers headers;
  std::string body;
  bool head = false;
  bool http_1_0 = false;
  bool keep_alive = true;           // the client can take another answer on this connection
  bool has_content_length = false;  // false: no body, or a chunked one

  std::optional<std::string_view> header(std::string_view name) const { return find_header(headers, name); }
};

// What is answered. Content-Length and Connection are the server's to write. Line breaks in names and values
// of headers become spaces.
struct Response {
  unsigned status = 200;
  std::string content_type = "text/plain";  // empty: no such header
  std::string body = {};
  Headers headers = {};  // more than those
  bool close = false;    // end the connection after this answer
};

// "Not Found" for 404; "Unknown" for a number without a name.
std::string_view reason_of(unsigned status);

// `text` with its %XX put back; nothing: one of them is not two hexadecimal digits, or is a NUL.
std::optional<std::string> percent_decode(std::string_view text);

// True when both are the same but for the case of ASCII letters.
bool same_word(std::string_view left, std::string_view right);

// True when `token` is one of the words of a list such as "keep-alive, Upgrade".
bool lists_word(std::string_view list, std::string_view word);

}  // namespace backplane::http
