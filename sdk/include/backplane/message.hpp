// A message as C++ sees it: an envelope and an ordered list of frames, owned by one Message.
//
// Threading: a Message belongs to one thread at a time; it may be moved to another one.
#pragma once

#include <backplane/abi.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace backplane {

inline bp_text to_text(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view to_view(bp_text text) { return {text.data, text.size}; }
inline std::string_view frame_view(const zmq_msg_t& frame) {
  auto* raw = const_cast<zmq_msg_t*>(&frame);  // libzmq takes no const, and changes nothing
  return {static_cast<const char*>(zmq_msg_data(raw)), zmq_msg_size(raw)};
}

// Replaces the content of an initialised frame by a copy of `bytes`. Throws std::bad_alloc.
inline void assign_frame(zmq_msg_t& frame, std::string_view bytes) {
  zmq_msg_t fresh;
  if (zmq_msg_init_size(&fresh, bytes.size()) != 0) throw std::bad_alloc();
  if (!bytes.empty()) std::memcpy(zmq_msg_data(&fresh), bytes.data(), bytes.size());
  zmq_msg_move(&frame, &fresh);
  zmq_msg_close(&fresh);
}

// The value of a header in lines "name: value", or empty. Names are compared byte by byte.
inline std::string_view header_in(std::string_view lines, std::string_view name) {
  while (!lines.empty()) {
    auto line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(line.size() < lines.size() ? line.size() + 1 : lines.size());
    if (line.size() > name.size() + 1 && line.substr(0, name.size()) == name &&
        line.substr(name.size(), 2) == ": ")
      return line.substr(name.size() + 2);
  }
  return {};
}

namespace detail {

// What stands in a header as it is; everything else becomes %XX, so that any text fits into a line.
inline bool is_plain(char each) { return static_cast<unsigned char>(each) >= 0x20 && each != '%'; }
inline bool is_plain_in_name(char each) { return is_plain(each) && each != ':'; }

inline void append_escaped(std::string& out, std::string_view plain_text, bool (*plain)(char)) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char each : plain_text) {
    if (plain(each)) {
      out += each;
    } else {
      const auto byte = static_cast<unsigned char>(each);
      out += '%';
      out += digits[byte >> 4U];
      out += digits[byte & 15U];
    }
  }
}

inline std::string unescaped(std::string_view escaped) {
  std::string plain;
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    unsigned byte = 0;
    const auto* digits = escaped.data() + i + 1;
    if (escaped[i] == '%' && i + 2 < escaped.size() &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      plain += static_cast<char>(byte);
      i += 2;
    } else {
      plain += escaped[i];
    }
  }
  return plain;
}

// Adds a line "name: value" with any text as the value; none when that is empty. `unescaped` reads it.
inline void append_header(std::string& lines, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  lines.append(name).append(": ");
  append_escaped(lines, value, is_plain);
  lines += '\n';
}

}  // namespace detail

// Owns one message; empty after it was moved away. Frames are views of libzmq's memory: valid as long as
// the message is neither changed nor sent.
class Message {
 public:
  Message() = default;
  // Adopts `message`, which `host` made.
  Message(const bp_host* host, bp_message* message) : host_(host), message_(message) {}
  // Adopts `message`; when an exception destroys this very object, the message is put into `*rescued`.
  Message(const bp_host* host, bp_message* message, bp_message** rescued)
      : host_(host), message_(message), rescued_(rescued) {}
  Message(Message&& other) noexcept : host_(other.host_), message_(std::exchange(other.message_, nullptr)) {}
  Message& operator=(Message&& other) noexcept {
    if (this != &other) {
      reset();
      host_ = other.host_;
      message_ = std::exchange(other.message_, nullptr);
    }
    return *this;
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  ~Message() {
    if (rescued_ != nullptr && message_ != nullptr && std::uncaught_exceptions() > 0) {
      *rescued_ = release();
    } else {
      reset();
    }
  }

  explicit operator bool() const { return message_ != nullptr; }

  std::size_t size() const { return message_ == nullptr ? 0 : message_->frame_count; }
  bool empty() const { return size() == 0; }
  // The bytes of one frame. REQUIRES: index < size().
  std::string_view operator[](std::size_t index) const { return frame_view(message_->frames[index]); }
  // The first frame, which is what a topic pattern of a route looks at; empty when there is none.
  std::string_view topic() const { return empty() ? std::string_view{} : (*this)[0]; }

  // Adds a frame with a copy of `bytes`. Throws std::bad_alloc.
  Message& append(std::string_view bytes) {
    zmq_msg_t* slot = add_empty();
    assign_frame(*slot, bytes);
    return *this;
  }
  // Adds a frame that takes `bytes` over: large ones are not copied. Throws std::bad_alloc.
  Message& append_moved(std::string bytes) {
    constexpr std::size_t worth_keeping = 1024;
    if (bytes.size() < worth_keeping) return append(bytes);
    auto kept = std::make_unique<std::string>(std::move(bytes));
    const auto release = [](void*, void* hint) { delete static_cast<std::string*>(hint); };
    zmq_msg_t fresh;
    if (zmq_msg_init_data(&fresh, kept->data(), kept->size(), release, kept.get()) != 0)
      throw std::bad_alloc();
    kept.release();
    append(&fresh);
    zmq_msg_close(&fresh);
    return *this;
  }
  // Adds a frame that shows `part` of the frame `whole`, whose content it keeps alive; a short one is copied.
  // Throws std::bad_alloc.
  Message& append_part(zmq_msg_t* whole, std::string_view part) {
    constexpr std::size_t worth_sharing = 4096;
    if (part.size() < worth_sharing) return append(part);
    auto kept = std::make_unique<zmq_msg_t>();
    zmq_msg_init(kept.get());
    zmq_msg_copy(kept.get(), whole);
    const auto release = [](void*, void* hint) {
      auto* frame = static_cast<zmq_msg_t*>(hint);
      zmq_msg_close(frame);
      delete frame;
    };
    zmq_msg_t shown;
    if (zmq_msg_init_data(&shown, const_cast<char*>(part.data()), part.size(), release, kept.get()) != 0) {
      zmq_msg_close(kept.get());
      throw std::bad_alloc();
    }
    kept.release();
    append(&shown);
    zmq_msg_close(&shown);
    return *this;
  }
  // Adds a frame by moving `frame` into the message; it is left empty, still initialised.
  Message& append(zmq_msg_t* frame) {
    zmq_msg_move(add_empty(), frame);
    return *this;
  }
  // Adds an initialised empty frame and returns it, to receive or build in place. Throws std::bad_alloc.
  zmq_msg_t* add_empty() {
    if (message_->frame_count == message_->frame_capacity &&
        host_->message_reserve(host_, message_, message_->frame_count + 4) != 0)
      throw std::bad_alloc();
    zmq_msg_t* slot = &message_->frames[message_->frame_count];
    zmq_msg_init(slot);
    ++message_->frame_count;
    return slot;
  }
  // Removes the first `count` frames. REQUIRES: count <= size().
  void remove_front(std::size_t count) {
    if (count == 0) return;  // libzmq empties a frame that is moved onto itself
    for (std::size_t i = count; i < message_->frame_count; ++i)
      zmq_msg_move(&message_->frames[i - count], &message_->frames[i]);
    truncate(message_->frame_count - count);
  }
  // Removes all frames behind the first `count`.
  void truncate(std::size_t count) {
    while (message_->frame_count > count) zmq_msg_close(&message_->frames[--message_->frame_count]);
  }
  // libzmq's own frame, for zmq_msg_send and zmq_msg_recv.
  zmq_msg_t* raw(std::size_t index) { return &message_->frames[index]; }

  // The name of the function to call; empty when the message is no call.
  std::string_view function() const { return frame_view(message_->function); }
  void set_function(std::string_view name) { assign_frame(message_->function, name); }

  // A header's value, or empty.
  std::string_view header(std::string_view name) const { return header_in(headers(), name); }
  // All headers, as lines "name: value".
  std::string_view headers() const { return frame_view(message_->headers); }
  void set_headers(std::string_view lines) { assign_frame(message_->headers, lines); }
  // Adds a header. REQUIRES: neither part holds a line break, the name holds no colon.
  void add_header(std::string_view name, std::string_view value) {
    std::string all(headers());
    all.append(name).append(": ").append(value).append("\n");
    set_headers(all);
  }

  bp_envelope& envelope() { return message_->envelope; }
  const bp_envelope& envelope() const { return message_->envelope; }
  bool has(std::uint32_t flag) const { return (message_->envelope.flags & flag) != 0; }
  void set(std::uint32_t flag) { message_->envelope.flags |= flag; }
  // Somebody waits for an answer to this message.
  bool wants_reply() const { return message_->envelope.reply_to != 0 && !has(BP_REPLY); }
  bool is_error() const { return has(BP_ERROR); }

  // Another message with the same envelope and frames; contents are shared, not copied.
  Message copy() const { return {host_, host_->message_copy(host_, message_)}; }
  // Gives the message away. The receiver frees it.
  bp_message* release() { return std::exchange(message_, nullptr); }
  const bp_message* get() const { return message_; }

 private:
  void reset() {
    if (message_ != nullptr) host_->message_free(host_, std::exchange(message_, nullptr));
  }

  const bp_host* host_ = nullptr;
  bp_message* message_ = nullptr;
  bp_message** rescued_ = nullptr;  // stays with this object: it points into the caller's frame
};

}  // namespace backplane
