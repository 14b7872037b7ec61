#include "cache.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace backplane::basic {

namespace {

void set_option(void* socket, int option, std::int64_t value) {
  if (option == ZMQ_MAXMSGSIZE) {
    zmq_setsockopt(socket, option, &value, sizeof value);
  } else {
    const int narrow = static_cast<int>(value);
    zmq_setsockopt(socket, option, &narrow, sizeof narrow);
  }
}

constexpr double kLongestTtlSeconds = 3600.0 * 24 * 36500;

// Milliseconds written in digits; -1: not that.
std::int64_t milliseconds_of(std::string_view text) {
  std::int64_t value = -1;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  constexpr auto most = static_cast<std::int64_t>(kLongestTtlSeconds * 1000);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() && value <= most ? value : -1;
}

std::string_view content_of(const Value& value, const char* parameter) {
  if (const auto* content = value.get_if<std::string>()) return *content;
  if (const auto* bytes = value.get_if<Bytes>()) return bytes->content;
  throw Error("InvalidCallArguments",
              std::string(parameter) + " must be text or bytes, got " + describe(value));
}

// True when only programs of this machine can reach `endpoint`.
bool is_local(std::string_view endpoint) {
  constexpr std::string_view prefixes[] = {"ipc://",           "inproc://",    "tcp://127.",
                                           "tcp://localhost:", "tcp://[::1]:", "tcp://lo:"};
  return std::any_of(std::begin(prefixes), std::end(prefixes),
                     [&](std::string_view prefix) { return endpoint.starts_with(prefix); });
}

constexpr int kRequestsPerTurn = 256;

}  // namespace

Cache::Cache(Host host)
    : host_(host),
      store_({.max_entries = host.option("max_entries"),
              .max_bytes = host.option("max_bytes"),
              .evict = host.option("full") == "evict"}),
      ttl_(std::chrono::nanoseconds(host.option("ttl")).count()) {}

void Cache::publish(Functions& functions) {
  functions.add("get", &Cache::get, "The value of a key, nil when there is none.", {"key"});
  functions.add("set", &Cache::set, "Keeps a value, for ttl seconds when given; false: it does not fit.",
                {"key", "value", "ttl"});
  functions.add("delete", &Cache::remove, "Forgets a key; false: there was none.", {"key"});
  functions.add("size", &Cache::count, "The number of keys held.");
}

std::optional<Bytes> Cache::get(const Value& key) {
  const auto value = store_.get(content_of(key, "key"), host_.now());
  if (!value) return std::nullopt;
  return Bytes{std::string(*value)};
}

bool Cache::set(const Value& key, const Value& value, std::optional<double> ttl) {
  if (ttl && !(*ttl >= 0 && *ttl <= kLongestTtlSeconds))
    throw Error("InvalidCallArguments", "ttl must be a number of seconds, 0 for good");
  const auto nanoseconds = ttl ? static_cast<std::int64_t>(*ttl * 1e9) : ttl_;
  return store(content_of(key, "key"), content_of(value, "value"), nanoseconds);
}

bool Cache::remove(const Value& key) { return store_.remove(content_of(key, "key"), host_.now()); }

std::int64_t Cache::count() { return static_cast<std::int64_t>(store_.expire(host_.now())); }

void Cache::start() {
  requests_ = host_.counter("requests", "requests of peers");
  bad_requests_ = host_.counter("bad_requests", "requests of peers that were answered with an error");
  lost_answers_ = host_.counter("answers_lost", "answers whose peer had gone or did not read");
  entries_ = host_.gauge("entries", "keys held");
  bytes_ = host_.gauge("bytes", "bytes of all keys and values held");
  evicted_ = host_.gauge("evicted", "entries that made room for others");
  expired_ = host_.gauge("expired", "entries whose time was over");
  if (const auto endpoint = host_.option("bind"); endpoint.present()) bind(endpoint);
  sweep_ = host_.every(std::chrono::seconds(1), [this] {
    store_.expire(host_.now());
    tell_numbers();
  });
}

void Cache::bind(const std::string& endpoint) {
  if (!is_local(endpoint)) {
    if (!host_.option("insecure"))
      throw Error("Insecure", "other machines could read and write this cache at " + endpoint +
                                  ": bind 127.0.0.1, or say \"insecure: true\"");
    host_.warn(endpoint + " can be reached from other machines and nothing protects it (insecure: true)");
  }
  socket_.reset(zmq_socket(host_.zmq_context(), ZMQ_ROUTER));
  if (!socket_) throw Error("SocketError", zmq_strerror(zmq_errno()));
  set_option(socket_.get(), ZMQ_LINGER, 0);
  set_option(socket_.get(), ZMQ_ROUTER_MANDATORY, 1);
  set_option(socket_.get(), ZMQ_ROUTER_HANDOVER, 1);
  set_option(socket_.get(), ZMQ_MAXMSGSIZE, host_.option("max_message"));
  if (zmq_bind(socket_.get(), endpoint.c_str()) != 0)
    throw Error("BindError", "cannot bind " + endpoint + ": " + zmq_strerror(zmq_errno()));
  char bound[256];
  std::size_t size = sizeof bound;
  if (zmq_getsockopt(socket_.get(), ZMQ_LAST_ENDPOINT, bound, &size) == 0)
    host_.info(std::string("bound to ") + bound);
  watch_ = host_.watch_socket(socket_.get(), BP_READABLE | BP_ALWAYS, [this](std::uint32_t) { serve(); });
}

void Cache::serve() {
  for (int budget = kRequestsPerTurn; budget > 0; --budget) {
    Message request = host_.message();
    do {
      if (zmq_msg_recv(request.add_empty(), socket_.get(), ZMQ_DONTWAIT) < 0) return;
    } while (zmq_msg_more(request.raw(request.size() - 1)) != 0);
    serve_one(request);
  }
}

// [peer, operation...], or [peer, empty, operation...] from a REQ socket.
void Cache::serve_one(const Message& request) {
  requests_.add();
  const bool delimited = request.size() > 1 && request[1].empty();
  const auto said = answer(request, delimited ? 2 : 1);
  if (said.status == "error") bad_requests_.add();

  const std::string_view frames[] = {request[0], {}, said.status, said.value};
  const std::size_t count = said.has_value ? 4 : 3;
  for (std::size_t i = 0; i < count; ++i) {
    if (i == 1 && !delimited) continue;
    const int more = i + 1 < count ? ZMQ_SNDMORE : 0;
    if (zmq_send(socket_.get(), frames[i].data(), frames[i].size(), ZMQ_DONTWAIT | more) < 0) {
      lost_answers_.add();
      return;
    }
  }
}

Cache::Answer Cache::answer(const Message& request, std::size_t first) {
  const auto count = request.size() - std::min(first, request.size());
  const auto frame = [&](std::size_t index) { return request[first + index]; };
  const auto is = [&](std::string_view operation, std::size_t frames) {
    return count == frames && frame(0) == operation;
  };
  if (is("get", 2)) {
    const auto value = store_.get(frame(1), host_.now());
    return value ? Answer{"ok", std::string(*value), true} : Answer{"missing", {}};
  }
  if (is("set", 3)) return {store(frame(1), frame(2), ttl_) ? "ok" : "full", {}};
  if (is("set", 4)) {
    const auto milliseconds = milliseconds_of(frame(3));
    if (milliseconds < 0) return {"error", "the time to live must be a number of milliseconds", true};
    return {store(frame(1), frame(2), milliseconds * 1'000'000) ? "ok" : "full", {}};
  }
  if (is("delete", 2)) return {store_.remove(frame(1), host_.now()) ? "ok" : "missing", {}};
  if (is("size", 1)) return {"ok", std::to_string(store_.expire(host_.now())), true};
  return {"error", "expected: get KEY, set KEY VALUE [TTL_MS], delete KEY, or size", true};
}

bool Cache::store(std::string_view key, std::string_view value, std::int64_t ttl) {
  const auto now = host_.now();
  return store_.set(key, value, now, ttl > 0 ? now + ttl : 0);
}

void Cache::tell_numbers() {
  entries_.set(static_cast<std::int64_t>(store_.size()));
  bytes_.set(static_cast<std::int64_t>(store_.bytes()));
  evicted_.set(static_cast<std::int64_t>(store_.evicted()));
  expired_.set(static_cast<std::int64_t>(store_.expired()));
}

void Cache::stop() {
  sweep_.end();
  watch_.end();
  socket_.reset();
}

}  // namespace backplane::basic
