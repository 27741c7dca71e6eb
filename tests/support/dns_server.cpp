#include "support/dns_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb::test {
namespace {

std::string number(std::size_t value) {
  return {static_cast<char>(value >> 8 & 255), static_cast<char>(value & 255)};
}

std::size_t number_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at]) << 8 |
                                  static_cast<unsigned char>(bytes[at + 1]));
}

std::string name_bytes(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    out += static_cast<char>(label.size());
    out += label;
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  return out + '\0';
}

DnsQuestion question_in(std::string_view query) {
  DnsQuestion question;
  MCPLB_ASSERT(query.size() > 16);
  question.id = query.substr(0, 2);
  std::size_t at = 12;
  for (auto size = static_cast<std::size_t>(query[at]); size != 0;
       size = static_cast<std::size_t>(query[at])) {
    if (!question.name.empty()) question.name += '.';
    question.name += to_lower(query.substr(at + 1, size));
    at += size + 1;
    MCPLB_ASSERT(at + 5 <= query.size());
  }
  question.type = static_cast<std::uint16_t>(number_at(query, at + 1));
  question.bytes = query.substr(12, at + 5 - 12);
  return question;
}

DnsRecord address_record(std::uint16_t type, int family, const std::string& text) {
  DnsRecord record{type, std::string(family == AF_INET ? 4 : 16, '\0')};
  MCPLB_ASSERT(inet_pton(family, text.c_str(), record.data.data()) == 1);
  return record;
}

}  // namespace

DnsRecord a(const std::string& address) { return address_record(type_a, AF_INET, address); }
DnsRecord aaaa(const std::string& address) { return address_record(type_aaaa, AF_INET6, address); }
DnsRecord srv(const DnsTarget& target) {
  return {type_srv, number(target.priority) + number(target.weight) + number(target.port) +
                        name_bytes(target.name)};
}

// One query over TCP: its size in two bytes, then itself.
class DnsServer::TcpClient final : public Job {
 public:
  TcpClient(net::Loop& loop, std::unique_ptr<net::Stream> stream, const DnsServer& server)
      : loop_(loop),
        stream_(std::move(stream)),
        server_(server) {}

 private:
  Task<void> run() override {
    const Deadline deadline = loop_.timers().in(milliseconds(5000));
    while (!complete()) {
      auto more = co_await stream_->more(deadline);
      if (!more) co_return;
    }
    const std::string answer = server_.usual_answer(question_in(stream_->unread().substr(2)));
    const std::string bytes = number(answer.size()) + answer;
    auto written = co_await stream_->write(bytes, deadline);
    if (!written) co_return;
    // c-ares closes.
    co_await loop_.timers().sleep(deadline);
  }
  bool complete() const {
    const std::string_view unread = stream_->unread();
    return unread.size() > 2 && unread.size() >= 2 + number_at(unread, 0);
  }

  net::Loop& loop_;
  std::unique_ptr<net::Stream> stream_;
  const DnsServer& server_;
};

DnsServer::DnsServer(net::Loop& loop) : loop_(loop), nursery_(loop) {
  net::ListenerSettings listener;
  listener.address = "127.0.0.1:0";
  // The port that TCP got may be taken for UDP.
  for (int tries = 0; tries < 20 && !socket_; ++tries) {
    auto listening = net::Acceptor::listen(loop, listener, [this](auto accepted) {
      auto stream = net::adopt_socket(loop_, accepted.fd, accepted.peer);
      MCPLB_ASSERT(stream);
      nursery_.spawn(std::make_unique<TcpClient>(loop_, *std::move(stream), *this));
    });
    MCPLB_ASSERT(listening);
    acceptor_ = *std::move(listening);
    const net::Address& local = acceptor_->local_address();
    port_ = local.port();
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (::bind(fd, local.get(), local.size()) == 0) {
      socket_ = loop.sockets().watch(fd);
    } else {
      ::close(fd);
    }
  }
  MCPLB_ASSERT(socket_);
  socket_->owner = this;
}

DnsServer::~DnsServer() = default;

int DnsServer::asked(std::uint16_t type) const {
  const auto found = asked_.find(type);
  return found == asked_.end() ? 0 : found->second;
}

std::string DnsServer::reply(const DnsQuestion& question, Rcode rcode,
                             const std::vector<DnsRecord>& records, std::uint16_t flags) {
  // An answer, authoritative, recursion as it pleases.
  std::string out = question.id + number(0x8580U | flags | static_cast<unsigned>(rcode)) +
                    number(1) + number(records.size()) + number(0) + number(0) + question.bytes;
  for (const DnsRecord& record : records) {
    out += number(0xc00c) + number(record.type) + number(1);  // the name is that of the question
    out += number(0) + number(0) + number(record.data.size()) + record.data;
  }
  return out;
}

std::string DnsServer::usual_answer(const DnsQuestion& question) const {
  const auto known = zone.find(question.name);
  if (known == zone.end()) return reply(question, Rcode::unknown, {});
  std::vector<DnsRecord> records = known->second;
  std::erase_if(records, [&](const DnsRecord& record) { return record.type != question.type; });
  return reply(question, Rcode::ok, records);
}

void DnsServer::on_ready() {
  while (true) {
    std::array<char, 1500> bytes{};
    sockaddr_storage from{};
    socklen_t from_size = sizeof from;
    auto* const peer = reinterpret_cast<sockaddr*>(&from);
    const auto size =
        ::recvfrom(socket_->fd, bytes.data(), bytes.size(), MSG_DONTWAIT, peer, &from_size);
    if (size <= 0) return;
    const DnsQuestion question =
        question_in(std::string_view(bytes.data(), static_cast<std::size_t>(size)));
    ++asked_[question.type];
    const std::string reply = answer ? answer(question) : usual_answer(question);
    if (!reply.empty()) {
      ::sendto(socket_->fd, reply.data(), reply.size(), MSG_DONTWAIT, peer, from_size);
    }
  }
}

}  // namespace mcplb::test
