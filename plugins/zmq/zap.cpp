#include "zap.hpp"

#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "wire.hpp"

namespace backplane::zmq {

namespace {

constexpr auto zap_endpoint = "inproc://zeromq.zap.01";
constexpr std::string_view zap_version = "1.0";

// Frames of a request: version, request id, domain, address, routing id, mechanism, credentials.
constexpr std::size_t fixed_frames = 6;

struct Verdict {
  std::string_view code;  // 200: welcome; 400: refused
  std::string_view text;
};
constexpr Verdict welcome{"200", "OK"};

std::string z85(std::string_view bytes) {
  if (bytes.size() != 32) return {};
  std::array<char, 41> key;
  zmq_z85_encode(key.data(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  return key.data();
}

std::vector<Frame> receive_frames(void* socket) {
  std::vector<Frame> frames;
  do {
    frames.emplace_back();
    if (zmq_msg_recv(frames.back().raw(), socket, ZMQ_DONTWAIT) < 0) return {};
  } while (zmq_msg_more(frames.back().raw()) != 0);
  return frames;
}

void send_frames(void* socket, std::initializer_list<std::string_view> frames) {
  std::size_t left = frames.size();
  for (const auto frame : frames)
    zmq_send(socket, frame.data(), frame.size(), ZMQ_DONTWAIT | (--left > 0 ? ZMQ_SNDMORE : 0));
}

}  // namespace

class ZapHandler {
 public:
  explicit ZapHandler(void* zmq_context)
      : stop_(eventfd(0, EFD_CLOEXEC)), socket_(zmq_socket(zmq_context, ZMQ_REP)) {
    if (stop_ < 0 || socket_ == nullptr) fail("no resources for a ZAP handler");
    const int none = 0;
    zmq_setsockopt(socket_, ZMQ_LINGER, &none, sizeof none);
    if (zmq_bind(socket_, zap_endpoint) != 0)
      fail("cannot serve allow-lists: another ZAP handler runs in this process");
    thread_ = std::thread([this] { serve(); });
  }
  ~ZapHandler() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto told = write(stop_, &one, sizeof one);
    thread_.join();
    close_all();
  }
  ZapHandler(const ZapHandler&) = delete;
  ZapHandler& operator=(const ZapHandler&) = delete;

  void admit(const std::string& domain, AllowList list, Admission::Refused refused) {
    const std::scoped_lock lock(mutex_);
    domains_.insert_or_assign(domain, Entry{std::move(list), std::move(refused)});
  }
  void forget(const std::string& domain) {
    const std::scoped_lock lock(mutex_);
    domains_.erase(domain);
  }

 private:
  struct Entry {
    AllowList list;
    Admission::Refused refused;
  };

  [[noreturn]] void fail(const std::string& what) {
    const std::string why = zmq_strerror(errno);
    close_all();
    throw Error("ZapFailed", what + ": " + why);
  }

  void close_all() {
    if (socket_ != nullptr) {
      zmq_unbind(socket_, zap_endpoint);  // at once, unlike zmq_close: the next handler binds it again
      zmq_close(socket_);
    }
    if (stop_ >= 0) close(stop_);
  }

  void serve() {
    while (true) {
      zmq_pollitem_t items[] = {{socket_, 0, ZMQ_POLLIN, 0}, {nullptr, stop_, ZMQ_POLLIN, 0}};
      if (zmq_poll(items, 2, -1) < 0 && errno != EINTR) return;
      if (items[1].revents != 0) return;
      if (items[0].revents != 0) answer(receive_frames(socket_));
    }
  }

  void answer(const std::vector<Frame>& request) {
    if (request.size() < 2) return;
    const auto verdict = judge(request);
    send_frames(socket_, {zap_version, request[1].view(), verdict.code, verdict.text, {}, {}});
  }

  Verdict judge(const std::vector<Frame>& request) {
    if (request.size() < fixed_frames || request[0].view() != zap_version)
      return {"500", "unknown ZAP version"};
    const auto domain = request[2].view();
    const auto address = request[3].view();
    const bool curve = request[5].view() == "CURVE" && request.size() > fixed_frames;
    // CURVE servers without an allow-list ask too, with no domain: their key is all a client must know.
    if (domain.empty()) return welcome;
    const std::scoped_lock lock(mutex_);
    const auto entry = domains_.find(std::string(domain));
    if (entry == domains_.end()) return {"400", "no such domain"};
    const auto key = curve ? z85(request[fixed_frames].view()) : std::string();
    if (entry->second.list.allows(address, key)) return welcome;
    entry->second.refused(address, key.empty() ? "its address is not in allow_addresses"
                                               : "key " + key + " at this address is not allowed");
    return {"400", "not on the allow-list"};
  }

  int stop_;
  void* socket_;
  std::mutex mutex_;
  std::map<std::string, Entry> domains_;
  std::thread thread_;
};

namespace {

// libzmq has one ZAP address per context, so handlers are shared by all components of one.
struct Handlers {
  struct Shared {
    std::unique_ptr<ZapHandler> handler;
    std::size_t users = 0;
  };
  std::mutex mutex;
  std::map<void*, Shared> by_context;

  ZapHandler& use(void* zmq_context) {
    const std::scoped_lock lock(mutex);
    const auto found = by_context.find(zmq_context);
    if (found != by_context.end()) {
      ++found->second.users;
      return *found->second.handler;
    }
    auto handler = std::make_unique<ZapHandler>(zmq_context);
    auto& shared = by_context[zmq_context];
    shared.handler = std::move(handler);
    shared.users = 1;
    return *shared.handler;
  }
  void leave(void* zmq_context) {
    const std::scoped_lock lock(mutex);
    const auto found = by_context.find(zmq_context);
    if (--found->second.users == 0) by_context.erase(found);
  }
};

Handlers& handlers() {
  static Handlers all;
  return all;
}

std::string next_domain() {
  static std::atomic<std::uint64_t> last{0};
  return "backplane-" + std::to_string(++last);
}

}  // namespace

Admission::Admission(void* zmq_context, AllowList list, Refused refused)
    : zmq_context_(zmq_context), handler_(&handlers().use(zmq_context)), domain_(next_domain()) {
  handler_->admit(domain_, std::move(list), std::move(refused));
}

Admission::~Admission() {
  handler_->forget(domain_);
  handlers().leave(zmq_context_);
}

}  // namespace backplane::zmq
