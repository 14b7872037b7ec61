// Who may reach a socket: which endpoints are local, CURVE keys, allow-lists. Pure but for key files.
#pragma once

#include <backplane/host.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::zmq {

// Only programs of this machine can reach what is bound there: ipc, inproc, and TCP on a loopback address.
bool is_local(std::string_view endpoint);

// A range of IP addresses, written as one address or as ADDRESS/BITS. IPv4 is kept as ::ffff:a.b.c.d.
class Network {
 public:
  // Nothing when `written` is neither.
  static std::optional<Network> parse(std::string_view written);
  bool holds(std::string_view address) const;

 private:
  std::array<std::uint8_t, 16> bytes_{};
  unsigned bits_ = 128;
};

// Who may connect. An empty part does not limit.
struct AllowList {
  std::set<std::string> keys;  // Z85
  std::vector<Network> networks;

  bool empty() const { return keys.empty() && networks.empty(); }
  // `key` is the client's public CURVE key as Z85; empty when it has none.
  bool allows(std::string_view address, std::string_view key) const;
};

// The keys a socket uses; all empty: no CURVE.
struct CurveKeys {
  std::string server_secret;  // given: it is a CURVE server
  std::string server_public;  // given: it is a CURVE client of that server
  std::string own_public;
  std::string own_secret;

  bool is_server() const { return !server_secret.empty(); }
  bool is_client() const { return !server_public.empty(); }
};

// Both read the options of a component and throw Error "BadOption" naming the option, never a secret.
CurveKeys read_keys(const Host& host);
AllowList read_allow_list(const Host& host, const CurveKeys& keys);

// Gives a socket its keys. Throws Error "BadOption".
void apply_keys(const CurveKeys& keys, void* socket);

}  // namespace backplane::zmq
