#include "security.hpp"

#include <arpa/inet.h>
#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>

namespace backplane::zmq {

namespace {

constexpr std::size_t key_characters = 40;  // 32 bytes as Z85, five characters for four bytes
constexpr std::size_t key_bytes = 32;
constexpr std::size_t ipv4_prefix = 12;  // ::ffff: before an IPv4 address

[[noreturn]] void bad(const std::string& option, const std::string& why) {
  throw Error("BadOption", "option \"" + option + "\": " + why);
}

std::string_view without(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : std::string_view{};
}

// The host of HOST:PORT, without the brackets of an IPv6 address.
std::string_view host_of(std::string_view address) {
  auto host = address.substr(0, address.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host;
}

bool is_loopback(std::string_view host) {
  if (host == "lo" || host == "localhost") return true;
  static const auto ipv4 = Network::parse("127.0.0.0/8");
  static const auto ipv6 = Network::parse("::1");
  return ipv4->holds(host) || ipv6->holds(host);
}

std::optional<std::array<std::uint8_t, 16>> address_bytes(std::string_view written, bool& is_ipv4) {
  const std::string text(written);
  std::array<std::uint8_t, 16> bytes{};
  is_ipv4 = inet_pton(AF_INET, text.c_str(), bytes.data() + ipv4_prefix) == 1;
  if (is_ipv4) {
    bytes[10] = bytes[11] = 0xff;
    return bytes;
  }
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  return std::nullopt;
}

void check_key(const std::string& option, const std::string& key) {
  if (key.size() != key_characters)
    bad(option, "a CURVE key is " + std::to_string(key_characters) + " characters of Z85, this has " +
                    std::to_string(key.size()));
  std::array<std::uint8_t, key_bytes> bytes;
  if (zmq_z85_decode(bytes.data(), key.c_str()) == nullptr)
    bad(option, "not a CURVE key: it has characters that Z85 does not use");
}

std::string key_from_file(const std::string& option, const std::string& file) {
  std::ifstream in(file);
  if (!in) bad(option, "cannot read " + file + ": " + std::strerror(errno));
  std::string line;
  std::getline(in, line);
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  return line;
}

// The value of `option`, or the first line of the file named by `option`_file.
std::string read_secret(const Host& host, const std::string& option) {
  const std::string file_option = option + "_file";
  const auto value = host.option(option.c_str());
  const auto file = host.option(file_option.c_str());
  if (value.present() && file.present()) bad(option, "give either it or \"" + file_option + "\", not both");
  if (!value.present() && !file.present()) return {};
  const auto& source = value.present() ? option : file_option;
  auto key = value.present() ? std::string(value) : key_from_file(source, file);
  check_key(source, key);
  return key;
}

std::string read_public(const Host& host, const char* option) {
  const auto value = host.option(option);
  if (!value.present()) return {};
  std::string key = value;
  check_key(option, key);
  return key;
}

std::string public_of(const std::string& secret) {
  std::array<char, key_characters + 1> key;
  if (zmq_curve_public(key.data(), secret.c_str()) != 0)
    bad("secret_key", std::string("no public key for it: ") + zmq_strerror(errno));
  return key.data();
}

void make_pair(CurveKeys& keys) {
  std::array<char, key_characters + 1> own_public;
  std::array<char, key_characters + 1> own_secret;
  if (zmq_curve_keypair(own_public.data(), own_secret.data()) != 0)
    bad("server_key", std::string("this libzmq has no CURVE: ") + zmq_strerror(errno));
  keys.own_public = own_public.data();
  keys.own_secret = own_secret.data();
}

void complete_client(CurveKeys& keys) {
  if (keys.own_secret.empty()) {
    if (!keys.own_public.empty()) bad("public_key", "needs \"secret_key\" or \"secret_key_file\" beside it");
    make_pair(keys);
    return;
  }
  const auto worked_out = public_of(keys.own_secret);
  if (keys.own_public.empty()) keys.own_public = worked_out;
  if (keys.own_public != worked_out) bad("public_key", "does not belong to the secret key");
}

void set_key(void* socket, const char* option, int number, const std::string& key) {
  if (zmq_setsockopt(socket, number, key.c_str(), key.size() + 1) != 0)
    bad(option, std::string("libzmq refuses the key: ") + zmq_strerror(errno));
}

}  // namespace

bool is_local(std::string_view endpoint) {
  if (endpoint.starts_with("ipc://") || endpoint.starts_with("inproc://")) return true;
  const auto address = without(endpoint, "tcp://");
  return !address.empty() && is_loopback(host_of(address));
}

std::optional<Network> Network::parse(std::string_view written) {
  const auto slash = written.find('/');
  bool is_ipv4 = false;
  const auto bytes = address_bytes(written.substr(0, slash), is_ipv4);
  if (!bytes) return std::nullopt;
  Network network;
  network.bytes_ = *bytes;
  if (slash == std::string_view::npos) return network;
  const auto digits = written.substr(slash + 1);
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (error != std::errc{} || end != digits.data() + digits.size() || bits > (is_ipv4 ? 32u : 128u))
    return std::nullopt;
  network.bits_ = bits + (is_ipv4 ? ipv4_prefix * 8 : 0);
  return network;
}

bool Network::holds(std::string_view address) const {
  bool is_ipv4 = false;
  const auto bytes = address_bytes(address, is_ipv4);
  if (!bytes) return false;
  const auto whole = bits_ / 8;
  if (!std::equal(bytes_.begin(), bytes_.begin() + whole, bytes->begin())) return false;
  if (bits_ % 8 == 0) return true;
  const unsigned shift = 8 - bits_ % 8;
  return (bytes_[whole] >> shift) == ((*bytes)[whole] >> shift);
}

bool AllowList::allows(std::string_view address, std::string_view key) const {
  if (!keys.empty() && !keys.contains(std::string(key))) return false;
  return networks.empty() || std::any_of(networks.begin(), networks.end(),
                                         [&](const Network& network) { return network.holds(address); });
}

CurveKeys read_keys(const Host& host) {
  CurveKeys keys;
  keys.server_secret = read_secret(host, "server_secret_key");
  keys.server_public = read_public(host, "server_key");
  keys.own_secret = read_secret(host, "secret_key");
  keys.own_public = read_public(host, "public_key");
  if (keys.is_server() && keys.is_client())
    bad("server_key", "is for a CURVE client, \"server_secret_key\" for a server; a socket is one of them");
  if (keys.is_client()) {
    complete_client(keys);
  } else if (!keys.own_secret.empty() || !keys.own_public.empty()) {
    bad("secret_key", "and \"public_key\" are for a CURVE client, which needs \"server_key\" too");
  }
  return keys;
}

AllowList read_allow_list(const Host& host, const CurveKeys& keys) {
  AllowList list;
  const auto allowed = host.option("allow");
  for (const auto& key : allowed.list()) {
    check_key("allow", key);
    list.keys.insert(key);
  }
  if (allowed.given() && list.keys.empty())
    bad("allow", "an empty list would lock everybody out; name a key");
  if (!list.keys.empty() && !keys.is_server())
    bad("allow", "needs \"server_secret_key\": only CURVE shows who a client is");
  const auto addresses = host.option("allow_addresses");
  for (const auto& written : addresses.list()) {
    const auto network = Network::parse(written);
    if (!network)
      bad("allow_addresses", "\"" + written + "\" is neither an IP address nor a network such as 10.0.0.0/8");
    list.networks.push_back(*network);
  }
  if (addresses.given() && list.networks.empty())
    bad("allow_addresses", "an empty list would lock everybody out; name an address");
  return list;
}

void apply_keys(const CurveKeys& keys, void* socket) {
  if (keys.is_server()) {
    const int yes = 1;
    if (zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes) != 0)
      bad("server_secret_key", std::string("this libzmq has no CURVE: ") + zmq_strerror(errno));
    set_key(socket, "server_secret_key", ZMQ_CURVE_SECRETKEY, keys.server_secret);
  } else if (keys.is_client()) {
    set_key(socket, "server_key", ZMQ_CURVE_SERVERKEY, keys.server_public);
    set_key(socket, "public_key", ZMQ_CURVE_PUBLICKEY, keys.own_public);
    set_key(socket, "secret_key", ZMQ_CURVE_SECRETKEY, keys.own_secret);
  }
}

}  // namespace backplane::zmq
