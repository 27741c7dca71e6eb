// c-ares on a loop: its sockets are watched by libuv, its time-outs are one timer of ours.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ares.h>

#include "mcplb/net/address.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/settings.hpp"

namespace mcplb::net {

// One SRV record.
struct DnsService {
  std::string target;
  std::uint16_t port = 0;
  std::uint16_t priority = 0;
  std::uint16_t weight = 0;
};

enum class DnsVerdict : std::uint8_t {
  found,
  absent,   // the name has no such records
  unknown,  // the name does not exist
  failed    // nobody answered, or not in a way that says anything
};

// Who asks. Called from inside of the channel, perhaps before the asking has returned, and at the
// latest when the channel is destroyed: wakes nobody and asks nothing on the spot.
class DnsAsker {
 public:
  virtual void on_addresses(int family, DnsVerdict verdict, std::vector<Address> found) = 0;
  virtual void on_services(DnsVerdict verdict, std::vector<DnsService> found) = 0;

 protected:
  ~DnsAsker() = default;
};

class DnsChannel final : private Timer {
 public:
  DnsChannel(Loop& loop, const ResolverSettings& settings);
  ~DnsChannel() override;
  DnsChannel(const DnsChannel&) = delete;
  DnsChannel& operator=(const DnsChannel&) = delete;

  // What /etc/hosts says, for both families. Reads the file.
  std::vector<Address> in_hosts_file(const std::string& name) const;
  // Each question is answered exactly once, with what fits into one DNS message. `asker` lives
  // until then.
  void ask_addresses(const std::string& name, int family, DnsAsker& asker);
  void ask_services(const std::string& name, DnsAsker& asker);

 private:
  struct Watch;

  static void on_socket(void* self, ares_socket_t fd, int readable, int writable);
  void watch(ares_socket_t fd, int events);
  void process(ares_socket_t readable, ares_socket_t writable);
  void on_timer() override;
  void wait_on();

  Loop& loop_;
  ares_channel channel_ = nullptr;  // null when c-ares could not start: then everything fails
  std::map<ares_socket_t, Watch*> watches_;  // each is freed in its close callback
};

}  // namespace mcplb::net
