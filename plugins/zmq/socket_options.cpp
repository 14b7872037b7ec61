#include "socket_options.hpp"

#include <zmq.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

namespace backplane::zmq {

namespace {

enum class As { number, milliseconds, seconds, size, unset_when_zero, text };

struct Setting {
  const char* option;
  int number;  // ZMQ_...
  As as;
};

constexpr Setting settings[] = {
    {"linger", ZMQ_LINGER, As::milliseconds},
    {"identity", ZMQ_ROUTING_ID, As::text},
    {"max_message_size", ZMQ_MAXMSGSIZE, As::size},
    {"tcp_keepalive", ZMQ_TCP_KEEPALIVE, As::number},
    {"tcp_keepalive_idle", ZMQ_TCP_KEEPALIVE_IDLE, As::seconds},
    {"tcp_keepalive_interval", ZMQ_TCP_KEEPALIVE_INTVL, As::seconds},
    {"tcp_keepalive_count", ZMQ_TCP_KEEPALIVE_CNT, As::number},
    {"tcp_timeout", ZMQ_TCP_MAXRT, As::milliseconds},
    {"connect_timeout", ZMQ_CONNECT_TIMEOUT, As::milliseconds},
    {"reconnect_interval", ZMQ_RECONNECT_IVL, As::milliseconds},
    {"reconnect_interval_max", ZMQ_RECONNECT_IVL_MAX, As::milliseconds},
    {"handshake_interval", ZMQ_HANDSHAKE_IVL, As::milliseconds},
    {"heartbeat_interval", ZMQ_HEARTBEAT_IVL, As::milliseconds},
    {"heartbeat_timeout", ZMQ_HEARTBEAT_TIMEOUT, As::milliseconds},
    {"heartbeat_ttl", ZMQ_HEARTBEAT_TTL, As::milliseconds},
    {"backlog", ZMQ_BACKLOG, As::number},
    {"ipv6", ZMQ_IPV6, As::number},
    {"tos", ZMQ_TOS, As::number},
    {"bind_to_device", ZMQ_BINDTODEVICE, As::text},
    {"socks_proxy", ZMQ_SOCKS_PROXY, As::text},
    {"send_buffer", ZMQ_SNDBUF, As::unset_when_zero},
    {"receive_buffer", ZMQ_RCVBUF, As::unset_when_zero},
    {"receive_hwm", ZMQ_RCVHWM, As::number},
    {"send_hwm", ZMQ_SNDHWM, As::number},
    {"immediate", ZMQ_IMMEDIATE, As::number},
    {"conflate", ZMQ_CONFLATE, As::number},
    {"handover", ZMQ_ROUTER_HANDOVER, As::number},
    {"probe", ZMQ_PROBE_ROUTER, As::number},
    {"invert_matching", ZMQ_INVERT_MATCHING, As::number},
    {"verbose", ZMQ_XPUB_VERBOSER, As::number},
    {"welcome", ZMQ_XPUB_WELCOME_MSG, As::text},
};

[[noreturn]] void refuse(const char* option, std::string_view value) {
  const int why = errno;
  throw Error("BadOption", std::string("option \"") + option + "\": libzmq refuses " + std::string(value) +
                               ": " + zmq_strerror(why));
}

void set_text(void* socket, const Setting& setting, std::string_view value) {
  if (zmq_setsockopt(socket, setting.number, value.data(), value.size()) != 0)
    refuse(setting.option, '"' + std::string(value) + '"');
}

void set_size(void* socket, const Setting& setting, std::int64_t value) {
  const std::int64_t bytes = value == 0 ? -1 : value;  // libzmq's "no limit" is -1
  if (zmq_setsockopt(socket, setting.number, &bytes, sizeof bytes) != 0)
    refuse(setting.option, std::to_string(value));
}

// Rounded up, so that a short time does not become "never" or "as the system has it".
int units(std::int64_t nanoseconds, std::int64_t unit) {
  return static_cast<int>((nanoseconds + unit - 1) / unit);
}

void apply(void* socket, const Setting& setting, OptionValue value) {
  const std::int64_t number = value;
  switch (setting.as) {
    case As::number:
      return set_option(socket, setting.option, setting.number, static_cast<int>(number));
    case As::milliseconds:
      return set_option(socket, setting.option, setting.number, units(number, 1'000'000));
    case As::seconds:
      return set_option(socket, setting.option, setting.number, units(number, 1'000'000'000));
    case As::unset_when_zero:
      if (number != 0) set_option(socket, setting.option, setting.number, static_cast<int>(number));
      return;
    case As::size:
      return set_size(socket, setting, number);
    case As::text:
      return set_text(socket, setting, value.view());
  }
}

}  // namespace

void set_option(void* socket, const char* option, int number, int value) {
  if (zmq_setsockopt(socket, number, &value, sizeof value) != 0) refuse(option, std::to_string(value));
}

void apply_options(const Host& host, void* socket) {
  for (const auto& setting : settings)
    if (const auto value = host.option(setting.option); value.present()) apply(socket, setting, value);
}

}  // namespace backplane::zmq
