// One request and its response: from the parsed request to the last byte of the reply, over as
// many tries as the retry policy allows. Lives in the frame of its client connection; destroying
// it (the client left) closes the backend's connection and writes the access log line.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mcplb/async/task.hpp"
#include "mcplb/cluster/lease.hpp"
#include "mcplb/net/address.hpp"
#include "mcplb/session/directory.hpp"
#include "mcplb/session/lookup.hpp"
#include "mcplb/session/move.hpp"
#include "mcplb/wire/request.hpp"
#include "proxy/access_log.hpp"
#include "proxy/context.hpp"
#include "proxy/exchange_trace.hpp"
#include "proxy/forward_head.hpp"
#include "proxy/in_flight.hpp"
#include "proxy/local_reply.hpp"
#include "proxy/relay.hpp"
#include "proxy/retry.hpp"
#include "proxy/stream_count.hpp"

namespace mcplb::proxy {

// What a connection knows about its client. Owned by the connection.
struct ClientInfo {
  std::string ip;
  std::string_view listener;
  bool trusted = false;  // one of trusted_proxies
  bool https = false;    // it speaks TLS with us
};

// What the client's connection is good for afterwards.
enum class Next : std::uint8_t {
  reuse,
  close,  // the reply is whole: let the client read it
  abort   // the reply is not: an orderly end would look like one
};

// A session that a reply has opened.
struct OpenedSession {
  std::string id;      // as the client calls it
  std::string result;  // of the `initialize`, as far as it is kept
};

class Exchange {
 public:
  // All outlive the exchange. `scratch` holds the whole request and nothing else yet; `route` is
  // null when no pool matches.
  Exchange(Context& context, const ClientInfo& client, net::Stream& stream, Scratch& scratch,
           const Route* route);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Task<Next> run();

 private:
  // Until a backend's reply is there, or own_reply_, or passed_reply_.
  Task<void> obtain();
  bool has_reply_of_ours() const { return own_reply_ || passed_reply_; }

  // Decisions before any backend is asked. None: go on.
  std::optional<LocalReply> admit();
  std::optional<LocalReply> choose_candidates();
  void rank_candidates();
  std::uint64_t affinity_key() const;
  cluster::Backend* pinned() const;
  std::string_view bytes_for_backend() const;
  void begin_traced_try();
  RequestForwarding forwarding() const;

  // The tries.
  Task<Result<void>> obtain_head();
  void report(cluster::Backend& backend, const Result<void>& got);
  Task<Result<void>> attempt(cluster::Backend& backend, bool fresh);
  net::Stream::WriteAwaiter send(Deadline deadline);
  Task<Result<void>> send_and_await_head();
  Task<Result<void>> pass_interim_head(int count);
  Task<void> prove_delivery();
  mcp::Repeat licence() const;
  LocalReply reply_for(const Error& error);
  bool should_leave(const cluster::Backend& backend) const;
  void release_lease();

  // Whose the session is that the request names.
  std::optional<LocalReply> find_owner();
  bool may_ask_backends() const;
  session::Directory& directory() const;
  session::LookupQuery lookup_query() const;
  Task<void> look_up_owner();
  std::optional<LocalReply> take_found_owner();
  void take_named(SessionIdentity::Named named);
  LocalReply lose_session(std::string_view why, Outcome outcome);
  void pass(session::Refusal reply) {
    passed_reply_ = std::make_unique<session::Refusal>(std::move(reply));
  }
  Task<Next> pass_reply();

  // The owner that is gone, or is to be left.
  Task<std::optional<LocalReply>> obtain_reply();
  std::optional<LocalReply> choose_owner();
  Task<std::optional<LocalReply>> leave_owner();
  std::optional<LocalReply> after_move(session::MoveResult result, const char* why);
  std::optional<LocalReply> reroute();
  session::MoveQuery move_query() const;
  bool owner_drains() const;
  Outcome outcome_so_far() const;
  void note_owner_refuses();
  bool may_go_elsewhere(const Error& error) const;
  bool knows_no_such_event() const;
  bool may_say_unknown() const;
  Task<void> hold_reply();

  // The session that the reply opens or ends.
  std::optional<LocalReply> learn();
  void learn_served();
  void end_session();
  void note_served();
  LocalReply session_conflict(std::string_view id) const;
  session::Facts opened_facts() const;
  Task<std::optional<LocalReply>> store_session(session::Directory& directory);
  // Returns the session as the client is to know it.
  std::string learn_endpoint(std::string_view session);
  Task<void> store_endpoint();
  void end_endpoint_session();
  void name_reply_session();

  // The reply.
  void build_client_head(ClientFraming framing);
  RelaySettings begin_reply();
  RelaySettings relay_settings(ClientFraming framing) const;
  void become_stream();
  void forget_heads();
  void prepare(Relay& relay, const RelaySettings& settings);
  std::unique_ptr<Announcement> announcement(const RelaySettings& settings);
  void note_end(const Relay& relay, RelayEnd end, const RelaySettings& settings);
  bool is_session_stream(const RelaySettings& settings) const;
  bool may_go_on(RelayEnd end, const RelaySettings& settings);
  Task<bool> go_on(RelayEnd end);
  Task<bool> go_on_after_drain();
  Task<bool> attach();
  Task<bool> is_owner_gone();
  void learn_result();
  Next conclude(RelayEnd end);
  Task<Next> answer();
  AccessRecord access_record() const;
  void end_trace(AccessRecord& record);

  // What is counted of it.
  void count_exchange();
  void count_own_reply(Reason reason);
  void count_retry();
  void count_session(session::Event event) { pool_->shared.session_events.add(event); }
  StreamKind stream_kind() const;

  wire::Request& request() const { return scratch_.request; }
  mcp::Message& message() const { return scratch_.message; }
  const http::ReplyHead& backend_reply() const { return lease_->replies.head(); }
  bool owned() const { return static_cast<bool>(use_); }
  net::Timers& timers() { return context_.loop.timers(); }

  Context& context_;
  const ClientInfo& client_;
  net::Stream& stream_;
  Scratch& scratch_;
  const std::string_view client_ip_;  // behind trusted proxies the one that they name
  const Route* route_;
  PoolContext* pool_ = nullptr;

  session::SessionUse use_;  // of the session that the request names or has opened
  std::string_view backend_session_;  // what the owner calls the session; a view into the head
  std::string client_session_;        // what the client calls the reply's; empty: the same
  std::array<cluster::Backend*, limits::tries_max> candidates_{};  // best first
  std::size_t candidate_count_ = 0;
  cluster::Backend* backend_ = nullptr;  // of the current or last try
  cluster::LoadShare load_;
  cluster::Lease lease_;
  std::uint64_t written_before_ = 0;  // on the leased connection, before this request
  InFlight in_flight_;  // ends before the lease
  StreamCount open_stream_;
  Attempt attempt_;
  bool maybe_delivered_ = false;      // by any try
  bool awaiting_head_ = false;
  bool needs_lookup_ = false;      // memory does not know the owner, or not surely
  bool learn_if_served_ = false;   // the session, when its reply is good
  bool all_full_ = false;          // some candidate was left out for sessions.max_per_backend
  std::optional<LocalReply> own_reply_;              // what we answer ourselves
  std::unique_ptr<session::Refusal> passed_reply_;   // or this, as it is
  const char* owner_gone_ = nullptr;  // why: the session has to move before it can be served
  bool owner_may_answer_ = false;     // all the same, when it cannot move
  bool is_streaming_ = false;         // to the client, who has the head
  bool closes_ = false;               // the connection, after the backend's reply
  bool tells_move_ = false;           // the client's reply does
  bool owner_forgot_ = false;         // the owner lives and does not know the session
  bool was_unknown_ = false;          // an owner has said so already
  bool given_up_ = false;             // by the last try, because its backend is cut off
  std::unique_ptr<HeldContent> held_;  // of the reply, read to see what it says
  bool ended_at_boundary_ = false;    // the event stream that was relayed last
  bool without_last_event_id_ = false;  // a new owner cannot know it
  const char* relay_error_ = "";      // static text
  bool endpoint_learned_ = false;  // dropped when the stream ends
  bool to_be_stored_ = false;
  std::unique_ptr<OpenedSession> opened_;  // by the reply

  ExchangeFigures record_;
  std::unique_ptr<ExchangeTrace> trace_;  // null: requests are not traced
  std::int64_t started_us_;
  std::int64_t sent_us_ = 0;
  std::int64_t head_us_ = 0;       // when the final head of the reply was there
  std::int64_t failed_us_ = 0;     // waited for backends in tries that failed
  std::int64_t overhead_us_ = -1;  // our own share; less than 0: not known
};

}  // namespace mcplb::proxy
