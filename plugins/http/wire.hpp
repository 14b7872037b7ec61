// Bytes of HTTP/1.1 to requests and responses, and back. Pure: no sockets, no host. One thread at a time.
#pragma once

#include "message.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace backplane::http {

// Bytes that came and are not used up yet.
class Input {
 public:
  std::string_view view() const { return std::string_view(bytes_).substr(begin_); }
  std::size_t size() const { return bytes_.size() - begin_; }
  bool empty() const { return size() == 0; }
  void append(std::string_view bytes);
  // Forgets the first `count`. Ends the life of views.
  void consume(std::size_t count);

 private:
  std::string bytes_;
  std::size_t begin_ = 0;
};

enum class Read {
  more,      // needs bytes that have not come
  complete,  // the message is whole
  refused,   // it never will be
};

// Reads one request, however its bytes are cut. What is wrong with it is a status and a sentence.
class RequestReader {
 public:
  RequestReader(std::size_t max_header, std::size_t max_body);
  ~RequestReader();

  // Takes bytes from the front of `input`; what follows the request stays in it. REQUIRES: it has said more.
  Read read(Input& input);
  // The client waits for "100 Continue" before it sends the body. True once.
  bool wants_continue();
  // REQUIRES: read() has said complete.
  Request take();

  // REQUIRES: read() has said refused.
  unsigned status() const { return status_; }
  const std::string& reason() const { return reason_; }

 private:
  struct Parser;

  Read refuse(unsigned status, std::string reason);
  Read check_header();
  Read check_target();

  std::unique_ptr<Parser> parser_;
  std::size_t max_header_;
  bool header_checked_ = false;
  bool expects_ = false;
  std::string path_;
  std::string query_;
  unsigned status_ = 0;
  std::string reason_;
};

// Reads one response; interim ones (1xx) are skipped.
class ResponseReader {
 public:
  // `bodiless`: it answers HEAD.
  ResponseReader(std::size_t max_body, bool bodiless);
  ~ResponseReader();

  Read read(Input& input);
  // No bytes will follow: complete, when that is how this response ends.
  Read end();
  bool started() const;     // a byte of it was taken
  bool keep_alive() const;  // another request may follow. REQUIRES: complete
  unsigned status() const;
  Headers take_headers();
  std::string take_body();
  // REQUIRES: refused.
  const std::string& reason() const { return reason_; }

 private:
  struct Parser;

  std::unique_ptr<Parser> make_parser() const;

  std::size_t max_body_;
  bool bodiless_;
  std::unique_ptr<Parser> parser_;
  bool started_ = false;
  std::string reason_;
};

// How an answer is framed, from the request it answers.
struct Framing {
  bool head = false;      // leave the body out
  bool http_1_0 = false;  // keep-alive must be said
  bool close = false;
};

// The status line and headers of a response, up to the empty line.
std::string head_of(const Response& response, const Framing& framing);

// The request line and headers. `host` is the value of Host; Content-Length is written when there is a body,
// or when the method is one that has it.
std::string head_of(std::string_view method, std::string_view target, std::string_view host,
                    const Headers& headers, std::size_t body_size);

}  // namespace backplane::http
