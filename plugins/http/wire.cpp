#include "wire.hpp"

// Beast 1.74 asserts some of what a peer's bytes decide, such as where a chunked body's trailer ends. Here
// that is a malformed message, in every build.
#define BOOST_ENABLE_ASSERT_HANDLER
#include <boost/beast/http/parser.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

namespace backplane::http {

namespace beast = boost::beast;

namespace {

struct BrokenAssertion {};

}  // namespace
}  // namespace backplane::http

// The handlers that Boost declares and wants its user to define.
namespace boost {

void assertion_failed(const char* expression, const char*, const char*, long) {
  // Does not hold, and does no harm, when a chunked body is empty and its end comes in parts.
  if (std::string_view(expression) == "n >= 5") return;
  throw backplane::http::BrokenAssertion();
}
void assertion_failed_msg(const char*, const char*, const char*, const char*, long) {
  throw backplane::http::BrokenAssertion();
}

}  // namespace boost

namespace backplane::http {

namespace {

// A body as text that grows with what comes. Beast's own would reserve the length that a peer announces.
struct GrowingBody {
  using value_type = std::string;

  class reader {
   public:
    template <bool isRequest, class Fields>
    reader(beast::http::header<isRequest, Fields>&, value_type& body) : body_(body) {}
    void init(const boost::optional<std::uint64_t>&, beast::error_code& error) { error = {}; }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, beast::error_code& error) {
      error = {};
      std::size_t taken = 0;
      for (auto next = boost::asio::buffer_sequence_begin(buffers);
           next != boost::asio::buffer_sequence_end(buffers); ++next) {
        const boost::asio::const_buffer buffer(*next);
        body_.append(static_cast<const char*>(buffer.data()), buffer.size());
        taken += buffer.size();
      }
      return taken;
    }
    void finish(beast::error_code& error) { error = {}; }

   private:
    value_type& body_;
  };
};

using beast::http::error;
using beast::http::field;

// Longest line of a chunk's length that is waited for: Beast has no limit of its own.
constexpr std::size_t kMaxChunkLine = 4096;

// Gives a parser bytes; returns how many it took.
template <typename Parser>
std::size_t put(Parser& parser, std::string_view bytes, beast::error_code& failed) {
  try {
    return parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), failed);
  } catch (const BrokenAssertion&) {
    failed = error::bad_value;
    return 0;
  }
}

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

template <typename Fields>
Headers headers_of(const Fields& fields) {
  Headers headers;
  for (const auto& entry : fields)
    headers.push_back({std::string(view(entry.name_string())), std::string(view(entry.value()))});
  return headers;
}

// True when a request line ends as "HTTP/2.0" does: a version, but none of ours.
bool names_a_version(std::string_view bytes) {
  const auto line = bytes.substr(0, bytes.find_first_of("\r\n"));
  const auto word = line.substr(std::min(line.rfind(' ') + 1, line.size()));
  return word.size() == 8 && word.starts_with("HTTP/") && word[5] >= '0' && word[5] <= '9' &&
         word[6] == '.' && word[7] >= '0' && word[7] <= '9';
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  const auto begin = out.size();
  out.append(name).append(": ").append(value);
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(),
      [](char letter) { return letter == '\r' || letter == '\n' || letter == '\0'; }, ' ');
  out += "\r\n";
}

}  // namespace

// ---- input ----

void Input::append(std::string_view bytes) {
  if (begin_ > 0) bytes_.erase(0, std::exchange(begin_, 0));
  bytes_.append(bytes);
}

void Input::consume(std::size_t count) {
  begin_ += count;
  if (begin_ < bytes_.size()) return;
  bytes_ = std::string();  // an idle connection keeps no buffer
  begin_ = 0;
}

// ---- requests ----

struct RequestReader::Parser : beast::http::request_parser<GrowingBody> {};

RequestReader::RequestReader(std::size_t max_header, std::size_t max_body)
    : parser_(std::make_unique<Parser>()), max_header_(max_header) {
  parser_->header_limit(static_cast<std::uint32_t>(
      std::min<std::size_t>(max_header, std::numeric_limits<std::uint32_t>::max())));
  parser_->body_limit(max_body);
}

RequestReader::~RequestReader() = default;

Read RequestReader::refuse(unsigned status, std::string reason) {
  status_ = status;
  reason_ = std::move(reason);
  return Read::refused;
}

Read RequestReader::read(Input& input) {
  while (!input.empty()) {
    const auto bytes = input.view();
    beast::error_code failed;
    const auto used = put(*parser_, bytes, failed);
    const bool version = failed == error::bad_version && names_a_version(bytes);
    input.consume(used);
    if (failed == error::header_limit) return refuse(431, "the request's headers are too large");
    if (failed == error::body_limit) return refuse(413, "the request's body is too large");
    if (version) return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    if (failed && failed != error::need_more) return refuse(400, "malformed request: " + failed.message());
    if (parser_->is_header_done() && !header_checked_ && check_header() == Read::refused)
      return Read::refused;
    if (parser_->is_done()) return Read::complete;
    if (used == 0) {
      if (input.size() > max_header_ + kMaxChunkLine)
        return refuse(400, "malformed request: a chunk's length does not end");
      return Read::more;
    }
  }
  return Read::more;
}

// What Beast leaves to its user: codings and expectations that are not known, a missing Host, the target.
Read RequestReader::check_header() {
  header_checked_ = true;
  const auto& request = parser_->get();
  const auto coding = request.find(field::transfer_encoding);
  if (coding != request.end() && !same_word(view(coding->value()), "chunked"))
    return refuse(501, "the only transfer coding known here is chunked");
  const bool http_1_1 = request.version() == 11;
  if (http_1_1 && request.count(field::host) != 1) return refuse(400, "a request needs one Host header");
  const auto expected = request.find(field::expect);
  if (http_1_1 && expected != request.end()) {
    if (!same_word(view(expected->value()), "100-continue"))
      return refuse(417, "the only expectation known here is 100-continue");
    expects_ = true;
  }
  return check_target();
}

Read RequestReader::check_target() {
  auto target = view(parser_->get().target());
  if (const auto scheme = target.find("://");
      scheme != 0 && !target.starts_with('/') && scheme != target.npos) {
    const auto path = target.find_first_of("/?", scheme + 3);
    target = path == target.npos ? std::string_view("/") : target.substr(path);
  }
  target = target.substr(0, target.find('#'));
  const auto question = std::min(target.find('?'), target.size());
  query_ = target.substr(std::min(question + 1, target.size()));
  const auto path = percent_decode(target.substr(0, question));
  if (!path) return refuse(400, "the target's percent-encoding is malformed");
  path_ = path->empty() ? "/" : *path;
  return Read::more;
}

bool RequestReader::wants_continue() {
  return std::exchange(expects_, false) && !parser_->is_done() && parser_->get().body().empty();
}

Request RequestReader::take() {
  auto message = parser_->release();
  Request request;
  request.method = view(message.method_string());
  request.target = view(message.target());
  request.path = std::move(path_);
  request.query = std::move(query_);
  request.headers = headers_of(message);
  request.body = std::move(message.body());
  request.http_1_0 = message.version() == 10;
  request.keep_alive = message.keep_alive();
  request.has_content_length = message.count(field::content_length) > 0;
  request.head = request.method == "HEAD";
  if (request.head) request.method = "GET";
  return request;
}

// ---- responses ----

struct ResponseReader::Parser : beast::http::response_parser<GrowingBody> {};

ResponseReader::ResponseReader(std::size_t max_body, bool bodiless)
    : max_body_(max_body), bodiless_(bodiless), parser_(make_parser()) {}

ResponseReader::~ResponseReader() = default;

std::unique_ptr<ResponseReader::Parser> ResponseReader::make_parser() const {
  constexpr std::uint32_t max_header = 256 * 1024;
  auto parser = std::make_unique<Parser>();
  parser->header_limit(max_header);
  parser->body_limit(max_body_);
  parser->skip(bodiless_);
  return parser;
}

Read ResponseReader::read(Input& input) {
  while (!input.empty()) {
    started_ = true;
    const auto bytes = input.view();
    beast::error_code failed;
    const auto used = put(*parser_, bytes, failed);
    input.consume(used);
    if (failed && failed != error::need_more) {
      reason_ = failed == error::body_limit
                    ? "the answer is longer than " + std::to_string(max_body_) + " bytes"
                    : "the answer is not HTTP: " + failed.message();
      return Read::refused;
    }
    if (parser_->is_done()) {
      if (status() >= 200 || status() == 101) return Read::complete;
      parser_ = make_parser();
    } else if (used == 0) {
      return Read::more;
    }
  }
  return Read::more;
}

Read ResponseReader::end() {
  beast::error_code failed;
  if (parser_->is_header_done()) parser_->put_eof(failed);
  if (!failed && parser_->is_done()) return Read::complete;
  reason_ = "the connection ended in the middle of the answer";
  return Read::refused;
}

bool ResponseReader::started() const { return started_; }
bool ResponseReader::keep_alive() const { return parser_->get().keep_alive() && !parser_->need_eof(); }
unsigned ResponseReader::status() const { return parser_->get().result_int(); }
Headers ResponseReader::take_headers() { return headers_of(parser_->get()); }
std::string ResponseReader::take_body() { return std::move(parser_->get().body()); }

// ---- bytes ----

std::string head_of(const Response& response, const Framing& framing) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  out.append(reason_of(response.status)).append("\r\n");
  const bool bodiless = response.status < 200 || response.status == 204;
  if (!bodiless && !response.content_type.empty()) append_header(out, "Content-Type", response.content_type);
  if (!bodiless) append_header(out, "Content-Length", std::to_string(response.body.size()));
  for (const auto& header : response.headers) append_header(out, header.name, header.value);
  if (framing.close) {
    append_header(out, "Connection", "close");
  } else if (framing.http_1_0) {
    append_header(out, "Connection", "keep-alive");
  }
  return out += "\r\n";
}

std::string head_of(std::string_view method, std::string_view target, std::string_view host,
                    const Headers& headers, std::size_t body_size) {
  std::string out(method);
  out.append(" ").append(target).append(" HTTP/1.1\r\n");
  append_header(out, "Host", host);
  for (const auto& header : headers) append_header(out, header.name, header.value);
  const bool has_body = method == "POST" || method == "PUT" || method == "PATCH";
  if (body_size > 0 || has_body) append_header(out, "Content-Length", std::to_string(body_size));
  return out += "\r\n";
}

}  // namespace backplane::http
