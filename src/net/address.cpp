#include "mcplb/net/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "mcplb/base/text.hpp"

namespace mcplb::net {
namespace {

constexpr std::array<unsigned char, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
using Bytes16 = std::array<unsigned char, 16>;

// The address in 16 bytes, IPv4 as IPv4-mapped IPv6; false for other families.
bool to_bytes(const Address& address, Bytes16& out) {
  if (address.family() == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address.get());
    std::memcpy(out.data(), &v6->sin6_addr, out.size());
    return true;
  }
  if (address.family() != AF_INET) return false;
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(address.get());
  std::copy(mapped_prefix.begin(), mapped_prefix.end(), out.begin());
  std::memcpy(out.data() + mapped_prefix.size(), &v4->sin_addr, 4);
  return true;
}

bool is_mapped(const Bytes16& bytes) {
  return std::equal(mapped_prefix.begin(), mapped_prefix.end(), bytes.begin());
}

}  // namespace

Address::Address(const sockaddr* address, socklen_t size)
    : size_(std::min(size, static_cast<socklen_t>(sizeof storage_))) {
  std::memcpy(&storage_, address, size_);
}

Result<Address> Address::from_ip(std::string_view ip, std::uint16_t port) {
  const std::string text(ip);
  sockaddr_in v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    return Address(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  }
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    return Address(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  }
  return Error{Error::Kind::malformed, Error::Side::self, 0, "not an IP address"};
}

Result<Address> Address::from_unix_path(std::string_view path) {
  sockaddr_un un{};
  if (path.empty() || path.size() >= sizeof un.sun_path) {
    return Error{Error::Kind::config, Error::Side::self, 0, "unix socket path empty or too long"};
  }
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path.data(), path.size());
  const std::size_t size = offsetof(sockaddr_un, sun_path) + path.size() + 1;
  return Address(reinterpret_cast<const sockaddr*>(&un), static_cast<socklen_t>(size));
}

std::string Address::ip_text() const {
  Bytes16 bytes{};
  if (!to_bytes(*this, bytes)) return "unix";
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (is_mapped(bytes)) {
    inet_ntop(AF_INET, bytes.data() + mapped_prefix.size(), text.data(), text.size());
  } else {
    inet_ntop(AF_INET6, bytes.data(), text.data(), text.size());
  }
  return text.data();
}

std::string Address::text() const {
  if (is_unix()) {
    const auto* un = reinterpret_cast<const sockaddr_un*>(get());
    return std::string("unix:") + un->sun_path;
  }
  const std::string ip = ip_text();
  const std::string host = ip.find(':') == std::string::npos ? ip : "[" + ip + "]";
  return host + ":" + std::to_string(port());
}

std::uint16_t Address::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(get())->sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(get())->sin6_port);
  return 0;
}

bool Networks::add(std::string_view cidr) {
  const std::size_t slash = cidr.find('/');
  const auto address = Address::from_ip(cidr.substr(0, slash), 0);
  Bytes16 bytes{};
  if (!address || !to_bytes(*address, bytes)) return false;
  const std::uint64_t width = address->family() == AF_INET ? 32 : 128;
  std::uint64_t bits = width;
  if (slash != std::string_view::npos) {
    const auto parsed = parse_decimal(cidr.substr(slash + 1));
    if (!parsed || *parsed > width) return false;
    bits = *parsed;
  }
  Network network{};
  std::memcpy(network.bytes, bytes.data(), bytes.size());
  network.bits = static_cast<int>(bits + (128 - width));
  networks_.push_back(network);
  return true;
}

bool Networks::contains(const Address& address) const {
  Bytes16 bytes{};
  if (!to_bytes(address, bytes)) return false;
  const auto matches = [&](const Network& network) {
    const auto whole = static_cast<std::size_t>(network.bits / 8);
    if (std::memcmp(network.bytes, bytes.data(), whole) != 0) return false;
    const int rest = network.bits % 8;
    if (rest == 0) return true;
    const auto mask = static_cast<unsigned char>(0xff << (8 - rest));
    return ((network.bytes[whole] ^ bytes[whole]) & mask) == 0;
  };
  return std::any_of(networks_.begin(), networks_.end(), matches);
}

}  // namespace mcplb::net
