// The options of the kinds, as tables that every kind puts together, and their way into a socket.
#pragma once

#include <backplane/host.hpp>
#include <backplane/options.hpp>

#include <array>

namespace backplane::zmq {

// Bounds of what libzmq keeps as an int, and of what it keeps as an int of milliseconds.
inline constexpr double most = 2147483647;
inline constexpr double longest = most * 1e6;

// Where to listen or whom to talk to.
inline constexpr std::array<Option, 3> endpoint_options = {{
    {"bind", endpoint_list, optional,
     "endpoint(s) to listen on, e.g. tcp://127.0.0.1:5555; port * takes a free one. Either this or connect"},
    {"connect", endpoint_list, optional, "endpoint(s) of peers to connect to. Either this or bind"},
    {"insecure", boolean, "false",
     "allow a bind that other machines can reach without CURVE or an allow-list"},
}};

// What every socket has.
inline constexpr std::array<Option, 22> transport_options = {{
    {"linger", duration.between(0, longest), "10s",
     "how long messages that are not yet sent survive a stop of the component"},
    {"identity", text, optional, "routing id under which ROUTER peers know this socket, 1 to 255 bytes"},
    {"max_message_size", backplane::size, "256MiB",
     "longest frame a peer may send; one that sends more is disconnected. 0: no limit"},
    {"tcp_keepalive", boolean, "true", "let the kernel find out that a silent TCP peer is gone"},
    {"tcp_keepalive_idle", duration.between(1e9, most * 1e9), "60s", "silence before the first probe"},
    {"tcp_keepalive_interval", duration.between(1e9, most * 1e9), "10s", "time between probes"},
    {"tcp_keepalive_count", integer.between(1, 127), "6", "unanswered probes before the peer counts as gone"},
    {"tcp_timeout", duration.between(0, longest), "0ms",
     "how long sent bytes may stay unacknowledged before the peer counts as gone. 0: as the system has it"},
    {"connect_timeout", duration.between(0, longest), "0ms",
     "how long one attempt to connect may take. 0: as the system has it"},
    {"reconnect_interval", duration.between(0, longest), "100ms", "pause before the next attempt to connect"},
    {"reconnect_interval_max", duration.between(0, longest), "5s",
     "the pause doubles up to this. 0: it stays the same"},
    {"handshake_interval", duration.between(0, longest), "30s",
     "a peer that has not finished the ZeroMQ handshake by then is disconnected. 0: no limit"},
    {"heartbeat_interval", duration.between(0, longest), "0ms",
     "send ZeroMQ heartbeats at this pace. 0: none. A peer that stops reading does not answer them"},
    {"heartbeat_timeout", duration.between(0, longest), optional,
     "disconnect a peer that leaves a heartbeat unanswered this long. Default: heartbeat_interval"},
    {"heartbeat_ttl", duration.between(0, 6553.5e9), "0ms",
     "tell the peer to disconnect when it hears nothing for this long. 0: it is not told"},
    {"backlog", integer.between(1, most), "100", "connections that the system keeps waiting to be accepted"},
    {"ipv6", boolean, "false", "accept and use IPv6 addresses beside IPv4"},
    {"tos", integer.between(0, 255), "0", "type-of-service byte of IP packets"},
    {"bind_to_device", text, optional, "network interface to use; needs the right to do so"},
    {"socks_proxy", text, optional, "HOST:PORT of a SOCKS5 proxy to connect through"},
    {"send_buffer", backplane::size.between(0, most), "0B",
     "kernel buffer per connection for sending. 0: as the system has it"},
    {"receive_buffer", backplane::size.between(0, most), "0B",
     "kernel buffer per connection for receiving. 0: as the system has it"},
}};

// Who may talk to the socket, and what it shows of itself.
inline constexpr std::array<Option, 9> security_options = {{
    {"server_secret_key", secret, optional,
     "CURVE server: own secret key, 40 characters of Z85; better from the environment or a file"},
    {"server_secret_key_file", path, optional, "CURVE server: file with the secret key on its first line"},
    {"server_key", text, optional, "CURVE client: public key of the server, 40 characters of Z85"},
    {"secret_key", secret, optional, "CURVE client: own secret key. Without one, a fresh pair is made"},
    {"secret_key_file", path, optional, "CURVE client: file with the own secret key on its first line"},
    {"public_key", text, optional, "CURVE client: own public key; it is worked out when left out"},
    {"allow", text_list, optional,
     "CURVE server: public keys of the clients that may connect; without it, all that know the server's key"},
    {"allow_addresses", text_list, optional,
     "IP addresses or networks (10.0.0.0/8, ::1) that may connect; all others are refused"},
    {"monitor", boolean, "false", "count connections and failed handshakes, and log them at debug level"},
}};

// For a socket that receives.
inline constexpr std::array<Option, 3> receive_options = {{
    {"receive_hwm", integer.between(0, most), "1000",
     "messages per peer that wait in the socket before the peer is held back. 0: no limit"},
    {"max_frames", integer.between(1, 65536), "256",
     "frames in one message; a longer one is dropped and counted"},
    {"batch", integer.between(1, 65536), "256",
     "messages taken per wake-up before other components have their turn"},
}};

// For a socket that sends.
inline constexpr std::array<Option, 2> send_options = {{
    {"send_hwm", integer.between(0, most), "1000",
     "messages per peer that wait in the socket before the component is busy. 0: no limit"},
    {"immediate", boolean, "false",
     "give messages only to peers that are connected now; those queued for one that goes are lost"},
}};

// For a socket that can be told to keep the newest message only.
inline constexpr std::array<Option, 1> conflate_option = {{
    {"conflate", boolean, "false",
     "keep only the newest message when the receiver is slow, and lose the others; for messages of one "
     "frame"},
}};

// What every kind has.
inline constexpr auto common_options = tables(endpoint_options, transport_options, security_options);

// Sets everything in these tables that libzmq knows as a socket option, and that the component's kind has.
// Throws Error "BadOption", naming the option, its value and libzmq's reason. [loop]
void apply_options(const Host& host, void* socket);

// Sets one socket option. Throws Error "BadOption" naming `option`.
void set_option(void* socket, const char* option, int number, int value);

}  // namespace backplane::zmq
