// Calls of the host's components in the words of ZeroRPC and of infi.rpc, as clients say them, and what
// servers answer. Pure.
#pragma once

#include <backplane/message.hpp>
#include <backplane/rpc/inspection.hpp>
#include <backplane/value.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "errors.hpp"

namespace backplane::zerorpc {

// What a message asks for (functions.hpp): arguments that every peer can read, encoded.
class Request {
 public:
  Request() = default;
  // Throws Malformed for a message that is no call, Error "TypeError" for arguments that no peer could read.
  // `message` is left alone then.
  explicit Request(Message&& message);

  std::string_view method() const { return message_.function(); }
  std::string_view headers() const { return message_.headers(); }
  std::string_view arguments() const { return made_.empty() ? message_[0] : std::string_view(made_); }
  bool has_named() const;
  std::string_view named() const;  // a map
  // Gives the named arguments their places, for a protocol that has none. Throws Error
  // "InvalidCallArguments": they do not fit, or it is not known where they belong.
  void arrange(const rpc::RemoteFunction* function);

 private:
  Message message_;
  std::string made_;  // arguments that came in another form
  bool arranged_ = false;
};

// What a request's header has besides ZeroRPC's own keys, encoded.
struct HeaderPairs {
  std::string bytes;
  std::uint32_t count = 0;
  // Leaves out what is ZeroRPC's own, and values that peers cannot read.
  void add(std::string_view key, const Value& value);
};

// ---- infi.rpc -----------------------------------------------------------------------------------------

// The args of on_call. `tag` begins the server's log lines; empty: it makes one.
std::string infi_call(std::string_view method, std::string_view uuid, std::string_view tag,
                      std::string_view arguments, std::string_view named);

// What a server says of a call.
struct InfiAnswer {
  std::optional<std::string_view> result = {};  // it has ended: the value, encoded, a view of the answer
  std::optional<Failure> failure = {};          // it has failed, or this is no answer at all
  std::string token = {};                       // else: what its result can be asked for with
};
// REQUIRES: `encoded` was read over before.
InfiAnswer infi_answer(std::string_view encoded);

// ---- results ------------------------------------------------------------------------------------------

// The answer to a component: `encoded` is a view of the frame `payload`. Who asked in raw bytes gets texts
// and bytes as they are.
Message reply_with(const Host& host, bool raw, std::string_view encoded, zmq_msg_t* payload);
// What the asker of a call sees of an error.
void reply_with(const Host& host, const bp_envelope& request, const Failure& failure);

// A stream for an asker who takes one answer: the items as a list.
class Collected {
 public:
  // False: they are too many for one answer.
  bool add(std::string_view encoded);
  std::string list() &&;

 private:
  std::string items_;
  std::uint32_t count_ = 0;
};

// Who may send how much of a stream: the server gets what credit the asker has given, and one more, since the
// end costs credit on the wire and none in the host. So up to one item may have to wait here.
class StreamCredit {
 public:
  // `slots`: events that may be on their way at once. `unlimited`: the asker takes everything.
  StreamCredit(std::uint32_t slots, std::uint32_t first, bool unlimited)
      : slots_(std::max<std::uint32_t>(slots, 2)), asker_(first), unlimited_(unlimited) {}
  StreamCredit() : StreamCredit(2, 0, false) {}

  void granted(std::uint32_t items) { asker_ += items; }
  // An item has come. True: the asker takes it now; false: it waits.
  bool arrived() {
    if (on_way_ > 0) --on_way_;
    waits_ = !unlimited_ && asker_ == 0;
    if (!waits_ && !unlimited_) --asker_;
    return !waits_;
  }
  // True: the item that waited goes now.
  bool release() {
    if (!waits_ || asker_ == 0) return false;
    waits_ = false;
    --asker_;
    return true;
  }
  // The credit that the server should be given now; 0: none.
  std::uint32_t due() {
    const std::uint64_t room = unlimited_ ? slots_ : asker_ + (waits_ ? 0 : 1);
    const auto most = static_cast<std::uint32_t>(std::min<std::uint64_t>(slots_, room));
    if (on_way_ >= slots_ / 2 || on_way_ >= most) return 0;
    return most - std::exchange(on_way_, most);
  }

 private:
  std::uint32_t slots_;
  std::uint64_t asker_;
  bool unlimited_;
  bool waits_ = false;
  std::uint32_t on_way_ = 1;  // events that the server may still send; the first is free
};

}  // namespace backplane::zerorpc
