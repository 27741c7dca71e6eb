#include "mcplb/redis/subscriber.hpp"

#include <utility>

#include "mcplb/base/limits.hpp"

#include "redis/codec.hpp"
#include "redis/link.hpp"

namespace mcplb::redis {
namespace {

Error unexpected() {
  return {Error::Kind::malformed, Error::Side::self, 0, "the store says what a channel does not"};
}

}  // namespace

class Subscriber::State final : private Link::User {
 public:
  State(net::Timers& timers, DeferQueue& turns, Connector& connector, const Settings& settings)
      : timers_(timers),
        settings_(settings),
        link_(timers, connector, settings_, "events"),
        nursery_(turns) {}

  void start(std::string channel, Listener& listener) {
    MCPLB_ASSERT(nursery_.empty());
    channel_ = std::move(channel);
    listener_ = &listener;
    nursery_.spawn(link_.keep_up(*this));
  }
  bool subscribed() const { return subscribed_; }

 private:
  Task<Error> talk(net::Stream& stream) override {
    auto lost = co_await listen(stream);
    if (std::exchange(subscribed_, false)) listener_->on_lost();
    co_return lost.error();
  }

  // Never ends well.
  Task<Result<void>> listen(net::Stream& stream) {
    const Command subscribe({"SUBSCRIBE", channel_});
    auto sent = co_await stream.write(subscribe.bytes(), timers_.in(limits::redis_pong));
    if (!sent) co_return sent.error();
    ReplyDecoder decoder;
    // Whether something has been asked and nothing was heard since.
    bool asked = true;
    while (true) {
      const milliseconds patience = asked ? limits::redis_pong : limits::redis_ping;
      auto more = co_await stream.more(timers_.in(patience));
      const bool quiet = !more && more.error().kind == Error::Kind::timeout && !asked;
      if (!more && !quiet) co_return more.error();
      asked = quiet;
      if (quiet) {
        auto pinged = co_await ping(stream);
        if (!pinged) co_return pinged.error();
        continue;
      }
      decoder.feed(stream.unread());
      stream.consume(stream.unread().size());
      auto taken = take_all(decoder);
      if (!taken) co_return taken.error();
    }
  }

  Task<Result<void>> ping(net::Stream& stream) {
    const Command command({"PING"});
    co_return co_await stream.write(command.bytes(), timers_.in(limits::redis_pong));
  }

  Result<void> take_all(ReplyDecoder& decoder) {
    while (true) {
      auto reply = decoder.next();
      if (!reply) return reply.error();
      if (!*reply) return {};
      auto taken = take(**reply);
      if (!taken) return taken.error();
    }
  }

  // Everything here is an array that begins with what it is.
  Result<void> take(const Reply& reply) {
    if (is_passing_error(reply)) {
      return Error{Error::Kind::unreachable, Error::Side::self, 0, "the store is not ready"};
    }
    if (reply.is_error()) {
      return Error{Error::Kind::config, Error::Side::self, 0, "the store refuses to subscribe"};
    }
    if (reply.elements.empty()) return unexpected();
    const std::string& kind = reply.elements.front().text;
    if (kind == "pong") return {};
    if (reply.elements.size() != 3 || reply.elements[1].text != channel_) return unexpected();
    if (kind == "message") {
      if (!subscribed_) return unexpected();
      listener_->on_message(reply.elements[2].text);
    } else if (kind == "subscribe" && !subscribed_) {
      subscribed_ = true;
      listener_->on_resubscribed();
    } else {
      return unexpected();
    }
    return {};
  }

  net::Timers& timers_;
  Settings settings_;
  std::string channel_;
  Listener* listener_ = nullptr;  // set by start(), not owned
  bool subscribed_ = false;
  Link link_;
  Nursery nursery_;  // the link's flow
};

Subscriber::Subscriber(net::Timers& timers, DeferQueue& turns, Connector& connector,
                       const Settings& settings)
    : state_(std::make_unique<State>(timers, turns, connector, settings)) {}

Subscriber::~Subscriber() = default;

void Subscriber::start(std::string channel, Listener& listener) {
  state_->start(std::move(channel), listener);
}

bool Subscriber::subscribed() const { return state_->subscribed(); }

}  // namespace mcplb::redis
