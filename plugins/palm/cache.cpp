#include "cache.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <zmq.h>

#include <chrono>
#include <utility>

namespace backplane::palm {

namespace {

constexpr std::int64_t nanoseconds_per_millisecond = 1'000'000;

// An address of this machine that others can reach; the loopback address when it has no other.
std::string own_address() {
  std::string found = "127.0.0.1";
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return found;
  for (const auto* each = all; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
    if ((each->ifa_flags & IFF_LOOPBACK) != 0 || (each->ifa_flags & IFF_UP) == 0) continue;
    std::array<char, INET_ADDRSTRLEN> text{};
    const auto* address = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
    if (inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size()) != nullptr) found = text.data();
    break;
  }
  freeifaddrs(all);
  return found;
}

// Milliseconds since 1970, which mean the same after a restart.
std::int64_t wall_clock() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

// The instruction of a cache request: the last word of its function, or, as pylm has it, the second one.
std::string_view instruction_of(std::string_view function) {
  const auto known = [](std::string_view word) { return word == "get" || word == "set" || word == "delete"; };
  const auto last_dot = function.rfind('.');
  if (last_dot == std::string_view::npos) return {};
  const auto last = function.substr(last_dot + 1);
  if (known(last)) return last;
  const auto behind_first = function.substr(function.find('.') + 1);
  const auto second = behind_first.substr(0, behind_first.find('.'));
  return known(second) ? second : std::string_view{};
}

}  // namespace

std::string connectable(const std::string& value, const std::string& host) {
  for (const std::string_view wildcard : {"tcp://*:", "tcp://0.0.0.0:", "tcp://[::]:"}) {
    if (!value.starts_with(wildcard)) continue;
    return connectable("tcp://" + host + ":" + value.substr(wildcard.size()), host);
  }
  if (value.starts_with("tcp://") && value.ends_with(":*"))
    throw Error("BadOption", "option \"preset\": peers cannot connect to " + value +
                                 ": give the address a port, or preset another one");
  return value;
}

std::map<std::string, std::string, std::less<>> read_preset(const Host& host) {
  std::map<std::string, std::string, std::less<>> preset;
  const auto given = host.option("advertise");
  const std::string advertised = given.view().empty() ? own_address() : std::string(given);
  for (const auto& line : host.option("preset").list()) {
    const auto equals = line.find('=');
    if (equals == std::string::npos || equals == 0)
      throw Error("BadOption", "option \"preset\": \"" + line + "\" is not \"key=value\"");
    preset[line.substr(0, equals)] = connectable(line.substr(equals + 1), advertised);
  }
  std::size_t number = 0;
  for (const auto& address : host.option("sub_addresses").list())
    preset["sub_address_" + std::to_string(number++)] = connectable(address, advertised);
  return preset;
}

Cache::Cache(Host host)
    : host_(host),
      plan_(host),
      preset_(read_preset(host)),
      protect_preset_(host.option("protect_preset")),
      ttl_(std::chrono::nanoseconds(host.option("ttl")).count()),
      store_({.max_entries = host.option("max_entries"),
              .max_bytes = host.option("max_bytes"),
              .evict = host.option("full") == "evict"}),
      receiver_(host),
      requests_(host.counter("requests", "requests of peers")),
      bad_requests_(host, "bad_requests", "requests of peers that were answered with nothing"),
      undelivered_(host.counter("undelivered", "answers whose peer had gone or did not read")),
      refused_(host, "refused", "values that were not kept, because of their limits or a protected key"),
      store_failures_(host, "store_failures", "changes that could not be written to the file"),
      entries_(host.gauge("entries", "keys held, beside the preset ones")),
      bytes_(host.gauge("bytes", "bytes of their keys and values")) {}

void Cache::publish(Functions& functions) {
  functions.add("get", &Cache::get, "The value of a key, nil when there is none.", {"key"});
  functions.add("set", &Cache::set, "Keeps a value and returns its key, a fresh UUID when none is given.",
                {"value", {"key", ""}});
  functions.add("delete", &Cache::remove, "Forgets a key; false: there was none.", {"key"});
  functions.add("contains", &Cache::contains, "Whether there is a key.", {"key"});
  functions.add("clean", &Cache::clean, "Forgets all keys that begin with a prefix; returns how many.",
                {"prefix"});
}

void Cache::start() {
  if (const auto path = host_.option("path"); path.present()) {
    file_ = std::make_unique<CacheFile>(path, [this](std::string_view why) { host_.warn(why); });
    load();
    store_.on_lost([this](std::string_view key) { file_->remove(key); });
  }
  socket_.emplace(host_, ZMQ_ROUTER, plan_, [](void* socket) {
    zmq::make_mandatory(socket);
    zmq::set_option(socket, "identity", ZMQ_ROUTER_HANDOVER, 1);  // a client comes back under its UUID
  });
  watch_ = host_.watch_socket(socket_->get(), BP_READABLE | BP_ALWAYS | BP_ALONE,
                              [this](std::uint32_t) { serve(); });
  sweep_ = host_.every(std::chrono::seconds(1), [this] {
    store_.expire(host_.now());
    commit();
    tell();
  });
}

void Cache::load() {
  const auto wall = wall_clock();
  const auto now = host_.now();
  std::vector<std::string> expired;
  file_->load([&](std::string_view key, std::string_view value, std::int64_t expires) {
    if (expires != 0 && expires <= wall) {
      expired.emplace_back(key);
      return;
    }
    if (protect_preset_ && preset_.find(key) != preset_.end())
      return;  // of a time before they were protected
    const auto left = (expires - wall) * nanoseconds_per_millisecond;
    store_.set(key, value, now, expires == 0 ? 0 : now + left);
  });
  for (const auto& key : expired) file_->remove(key);
  commit();
}

void Cache::stop() {
  sweep_.end();
  watch_.end();
  socket_.reset();
  commit();
  file_.reset();
}

// The answers go out when the changes of all requests are on disk.
void Cache::serve() {
  receiver_.run(socket_->get(), [this](Message request) {
    requests_.add();
    // Only peers that speak as REQ does are answered.
    const auto envelope = zmq::envelope_frames(zmq::frames_of(request), zmq::Envelope::delimited);
    if (!envelope) return true;
    Answer made;
    made.value = answer(request, *envelope);
    zmq::take_way(request, *envelope, made.way);
    answers_.push_back(std::move(made));
    return true;
  });
  const bool kept = commit();
  for (auto& [way, value] : answers_) {
    Message reply = host_.message({kept ? std::string_view(value) : std::string_view{}});
    if (zmq::send_answer(socket_->get(), way, reply) != zmq::Delivered::yes) undelivered_.add();
  }
  answers_.clear();
}

std::string Cache::answer(const Message& request, std::size_t first) {
  try {
    if (request.size() != first + 1) throw Malformed("a cache request of several frames; expected 1");
    return carry_out(read(request[first]));
  } catch (const Malformed& error) {
    bad_requests_.happened(error.what());
  } catch (const Error& error) {
    store_failures_.happened(error.what());
  }
  return {};
}

std::string Cache::carry_out(const Fields& request) {
  const auto instruction = instruction_of(request.function);
  if (instruction == "set") {
    const std::string key = request.cache.empty() ? new_uuid() : std::string(request.cache);
    if (store(key, request.payload)) return key;
    refused_.happened("key \"" + key +
                      "\" is not kept: the cache is full, or the key is preset and protected");
    return {};
  }
  if (instruction.empty())
    throw Malformed("cache request \"" + std::string(request.function) +
                    "\"; expected SERVER.get, SERVER.set or SERVER.delete");
  if (!detail::is_utf8(request.payload)) throw Malformed("the key of a cache request is not UTF-8");
  if (instruction == "get") return std::string(find(request.payload).value_or(std::string_view{}));
  return erase(request.payload) ? std::string(request.payload) : std::string{};
}

std::optional<std::string_view> Cache::find(std::string_view key) {
  if (const auto value = store_.get(key, host_.now())) return value;
  if (const auto preset = preset_.find(key); preset != preset_.end()) return preset->second;
  return std::nullopt;
}

bool Cache::store(std::string_view key, std::string_view value) {
  if (protect_preset_ && preset_.find(key) != preset_.end()) return false;
  const auto now = host_.now();
  if (!store_.set(key, value, now, ttl_ > 0 ? now + ttl_ : 0)) return false;
  if (file_) file_->set(key, value, ttl_ > 0 ? wall_clock() + ttl_ / nanoseconds_per_millisecond : 0);
  return true;
}

bool Cache::erase(std::string_view key) {
  const auto preset = preset_.find(key);
  if (preset != preset_.end() && protect_preset_) return false;
  const bool stored = store_.remove(key, host_.now());
  if (stored && file_) file_->remove(key);
  const bool was_preset = preset != preset_.end();
  if (was_preset) preset_.erase(preset);
  return stored || was_preset;
}

// False: the disk did not take the changes; they hold in memory only.
bool Cache::commit() {
  if (!file_) return true;
  try {
    file_->commit();
    return true;
  } catch (const Error& error) {
    store_failures_.happened(error.what());
    return false;
  }
}

void Cache::tell() {
  entries_.set(static_cast<std::int64_t>(store_.size()));
  bytes_.set(static_cast<std::int64_t>(store_.bytes()));
}

// ---- functions ----------------------------------------------------------------------------------------

std::optional<Bytes> Cache::get(const std::string& key) {
  const auto value = find(key);
  if (!value) return std::nullopt;
  return Bytes{std::string(*value)};
}

std::string Cache::set(const Value& value, const std::string& key) {
  const std::string name = key.empty() ? new_uuid() : key;
  if (!store(name, content_of_argument(value)) || !commit())
    throw Error("CacheFull",
                "the cache does not take key \"" + name + "\": it is full, or the key is preset");
  return name;
}

bool Cache::remove(const std::string& key) {
  const bool was_there = erase(key);
  commit();
  return was_there;
}

bool Cache::contains(const std::string& key) { return find(key).has_value(); }

std::int64_t Cache::clean(const std::string& prefix) {
  auto removed = static_cast<std::int64_t>(store_.remove_prefix(prefix, host_.now()));
  if (!protect_preset_)
    removed += static_cast<std::int64_t>(
        std::erase_if(preset_, [&](const auto& entry) { return entry.first.starts_with(prefix); }));
  commit();
  return removed;
}

}  // namespace backplane::palm
