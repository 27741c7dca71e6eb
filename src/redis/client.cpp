#include "mcplb/redis/client.hpp"

#include <unordered_map>
#include <utility>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"

#include "redis/codec.hpp"
#include "redis/link.hpp"
#include "redis/pending.hpp"

namespace mcplb::redis {
namespace {

Error silent() { return {Error::Kind::timeout, Error::Side::self, 0, "the store fell silent"}; }

Error passing_error() {
  return {Error::Kind::unreachable, Error::Side::self, 0, "the store is a replica or not ready"};
}

Command script_command(std::string_view verb, std::string_view script,
                       const Client::ScriptCall& call) {
  const std::string count = std::to_string(call.keys.size());
  std::vector<std::string_view> words{verb, script, count};
  words.insert(words.end(), call.keys.begin(), call.keys.end());
  words.insert(words.end(), call.arguments.begin(), call.arguments.end());
  return Command(words);
}

}  // namespace

// The flow that reads is the link's; the one that writes runs only while bytes are queued. Either
// ends the connection by setting `broken_`; it is taken down by the reader.
class Client::State final : private Link::User {
 public:
  State(net::Timers& timers, DeferQueue& turns, Connector& connector, const Settings& settings)
      : timers_(timers),
        turns_(turns),
        settings_(settings),
        link_(timers, connector, settings_, "commands"),
        nursery_(turns) {}

  void start(std::function<void()> on_connected) {
    MCPLB_ASSERT(nursery_.empty());
    on_connected_ = std::move(on_connected);
    nursery_.spawn(link_.keep_up(*this));
  }
  bool connected() const { return stream_ != nullptr && !broken_; }
  Result<void> send(std::string_view bytes);
  Deadline in_time() const { return timers_.in(settings_.timeout); }

  net::Timers& timers() { return timers_; }
  PendingReplies& pending() { return pending_; }
  Stats& stats() { return stats_; }
  std::unordered_map<const Script*, std::string>& hashes() { return hashes_; }

 private:
  // Commands of one turn of the loop leave in one write.
  class Flush final : public Deferred {
   public:
    explicit Flush(State& state) : state_(state) {}

   private:
    void run_deferred() override { state_.flush(); }
    State& state_;
  };
  class Watchdog final : public net::Timer {
   public:
    explicit Watchdog(State& state) : state_(state) {}

   private:
    void on_timer() override { state_.look(); }
    State& state_;
  };

  Task<Error> talk(net::Stream& stream) override;
  void begin(net::Stream& stream);
  void end();
  void take_replies(ReplyDecoder& decoder);
  void flush();
  Task<void> write_queued();
  void look();
  // When nothing has come until then, something is wrong, or the server is asked.
  void watch_on() {
    suspected_ = false;
    timers_.arm(watchdog_, pending_.empty() ? timers_.in(limits::redis_ping) : in_time());
  }

  net::Timers& timers_;
  DeferQueue& turns_;
  Settings settings_;
  Stats stats_;
  std::function<void()> on_connected_;
  Link link_;
  std::unordered_map<const Script*, std::string> hashes_;  // as the server computed them
  PendingReplies pending_;
  net::Stream* stream_ = nullptr;  // the link's, while there is a connection
  std::optional<Error> broken_;    // why the connection is about to be taken down
  bool suspected_ = false;         // the time was over once already
  std::string queued_;
  std::string writing_;
  Flush flush_{*this};
  Watchdog watchdog_{*this};
  Nursery nursery_;    // the link's flow
  Task<void> writer_;  // refers to the link's stream, so it dies first
};

Result<void> Client::State::send(std::string_view bytes) {
  if (!connected()) {
    return Error{Error::Kind::unreachable, Error::Side::self, 0, "the store is not connected"};
  }
  if (pending_.size() >= limits::redis_commands_max ||
      queued_.size() + bytes.size() > limits::redis_queued_bytes_max) {
    count_limit_hit(Limit::redis_commands);
    return Error{Error::Kind::overloaded, Error::Side::self, 0, "too many commands wait"};
  }
  if (pending_.empty()) timers_.arm(watchdog_, in_time());
  queued_.append(bytes);
  if (!flush_.linked()) turns_.defer(flush_);
  stats_.commands.add();
  return {};
}

Task<Error> Client::State::talk(net::Stream& stream) {
  begin(stream);
  ReplyDecoder decoder;
  while (!broken_) {
    // Bounded by the watchdog.
    auto more = co_await stream.more(Deadline::never());
    if (!more) {
      if (!broken_) broken_ = more.error();
      break;
    }
    decoder.feed(stream.unread());
    stream.consume(stream.unread().size());
    take_replies(decoder);
  }
  const Error lost = *broken_;
  end();
  co_return lost;
}

void Client::State::begin(net::Stream& stream) {
  stream_ = &stream;
  broken_.reset();
  stats_.connects.add();
  stats_.connected.add(1);
  watch_on();
  if (on_connected_) on_connected_();
}

void Client::State::end() {
  const Error lost = *broken_;
  stream_ = nullptr;
  watchdog_.disarm();
  flush_.unlink();
  writer_.reset();
  queued_.clear();
  stats_.losses.add();
  stats_.connected.add(-1);
  pending_.fail_all(lost);
}

void Client::State::take_replies(ReplyDecoder& decoder) {
  while (true) {
    auto reply = decoder.next();
    if (!reply) {
      broken_ = reply.error();
      return;
    }
    if (!*reply) break;
    if (pending_.empty()) {
      broken_ = Error{Error::Kind::malformed, Error::Side::self, 0, "more replies than commands"};
      return;
    }
    // What has been answered already is still handed out.
    if (is_passing_error(**reply)) broken_ = passing_error();
    if (is_cluster_error(**reply)) broken_ = cluster_refused();
    pending_.answer(std::move(**reply));
  }
  watch_on();
}

void Client::State::flush() {
  if (stream_ == nullptr || !writer_.done()) return;
  writer_ = write_queued();
  writer_.start([](void*) {}, nullptr);
}

Task<void> Client::State::write_queued() {
  while (!queued_.empty() && !broken_) {
    writing_.clear();
    std::swap(writing_, queued_);
    // Bounded by the watchdog: each command wants a reply.
    auto written = co_await stream_->write(writing_, Deadline::never());
    if (writing_.capacity() > limits::scratch_bytes_kept) release(writing_);
    if (written) continue;
    broken_ = written.error();
    timers_.arm(watchdog_, Deadline::at(timers_.now()));
  }
}

void Client::State::look() {
  if (!broken_ && pending_.empty()) {
    const Command ping({"PING"});
    auto sent = send(ping.bytes());
    if (sent) pending_.push_nobody();
    return;
  }
  if (!broken_ && !suspected_) {
    suspected_ = true;
    timers_.arm(watchdog_, timers_.in(limits::redis_second_look));
    return;
  }
  if (!broken_) broken_ = silent();
  stream_->interrupt();
}

Client::Client(net::Timers& timers, DeferQueue& turns, Connector& connector,
               const Settings& settings)
    : state_(std::make_unique<State>(timers, turns, connector, settings)) {}

Client::~Client() = default;

void Client::start(std::function<void()> on_connected) { state_->start(std::move(on_connected)); }
bool Client::connected() const { return state_->connected(); }
const Stats& Client::stats() const { return state_->stats(); }
Deadline Client::in_time() const { return state_->in_time(); }

Task<Result<Reply>> Client::command(Command command, Deadline deadline) {
  State& state = *state_;
  auto sent = state.send(command.bytes());
  if (!sent) {
    state.stats().failures.add();
    co_return sent.error();
  }
  PendingReplies::Waiter waiter(state.pending(), state.timers(), deadline);
  auto reply = co_await waiter;
  if (!reply) {
    state.stats().failures.add();
    if (reply.error().kind == Error::Kind::timeout) state.stats().timeouts.add();
  }
  co_return reply;
}

Task<Result<Reply>> Client::script(const Script& script, ScriptCall call, Deadline deadline) {
  auto& hashes = state_->hashes();
  if (!hashes.contains(&script)) {
    const Command load({"SCRIPT", "LOAD", script.source()});
    auto loaded = co_await command(load, deadline);
    if (!loaded) co_return loaded.error();
    // A server that refuses this may still run scripts.
    if (loaded->is_text()) hashes[&script] = loaded->text;
  }
  const auto hash = hashes.find(&script);
  if (hash != hashes.end()) {
    const Command by_hash = script_command("EVALSHA", hash->second, call);
    auto reply = co_await command(by_hash, deadline);
    if (!reply || reply->error_code() != "NOSCRIPT") co_return reply;
  }
  const Command by_source = script_command("EVAL", script.source(), call);
  co_return co_await command(by_source, deadline);
}

}  // namespace mcplb::redis
