// Socket addresses as values.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/base/result.hpp"

namespace mcplb::net {

class Address {
 public:
  Address() = default;
  Address(const sockaddr* address, socklen_t size);
  // An IP literal (v6 without brackets) and a port.
  static Result<Address> from_ip(std::string_view ip, std::uint16_t port);
  // A path of a unix socket.
  static Result<Address> from_unix_path(std::string_view path);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }
  int family() const { return storage_.ss_family; }
  bool is_unix() const { return storage_.ss_family == AF_UNIX; }
  // Without port and brackets; IPv4-mapped IPv6 as IPv4; "unix" for unix sockets.
  std::string ip_text() const;
  // ip:port, [ip]:port or unix:/path.
  std::string text() const;
  std::uint16_t port() const;

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

// A set of networks in CIDR form, for trusted_proxies.
class Networks {
 public:
  // False when `cidr` is not an address or an address/length.
  bool add(std::string_view cidr);
  bool contains(const Address& address) const;
  bool empty() const { return networks_.empty(); }

 private:
  struct Network {
    unsigned char bytes[16];
    int bits;  // of the IPv6 or IPv4-mapped form
  };
  std::vector<Network> networks_;
};

}  // namespace mcplb::net
