// Every bound that is not the operator's to set. Each queue, loop, table and retry names one of
// these; reaching one is counted (`mcplb_limit_hits_total{limit}`).
#pragma once

#include <cstddef>
#include <cstdint>

#include "mcplb/base/clock.hpp"

namespace mcplb::limits {

// One block of a read buffer; also the most that is read from one connection ahead of its use.
inline constexpr std::size_t buffer_block_bytes = 64 * 1024;
// Returned blocks kept for reuse by one loop.
inline constexpr std::size_t buffer_blocks_kept = 64;
// Bytes of chunk extensions and chunk framing beyond what the chunks need, per message.
inline constexpr std::size_t chunk_extension_bytes_max = 1024;
// Trailer fields of one message, names and values.
inline constexpr std::size_t trailer_bytes_max = 8 * 1024;
// 1xx replies relayed for one request.
inline constexpr int interim_replies_max = 16;
// How long and how much we read on after a last reply, so that the client can read it.
inline constexpr milliseconds linger_time{2000};
inline constexpr std::size_t linger_bytes_max = 1024 * 1024;
// A client that takes no byte for this long is let go.
inline constexpr milliseconds client_write_stall{30'000};
// A pooled backend connection that was used within this time is taken without a look at it.
inline constexpr milliseconds lease_trust{10};
// A backend that refused a connection is not tried again for this long, if others are usable.
inline constexpr milliseconds refused_skip{1000};
// While no backend of a pool is usable, so many good checks as bring one back fit into this time.
inline constexpr milliseconds recovery_look{800};
// Between two checks of one backend, however urgent the next one is.
inline constexpr milliseconds checks_apart_min{50};
// Between two checks while they contradict what is believed, unless the interval is shorter.
inline constexpr milliseconds changing_check_min{250};
// One reply to a health check, and what is kept of its outcome for people.
inline constexpr std::size_t check_reply_bytes_max = 64 * 1024;
inline constexpr std::size_t check_text_bytes_max = 200;
// How long checks that end may take to leave nothing behind.
inline constexpr milliseconds check_farewell{2000};
// A backend that is ejected again and again stays out for so many times `eject_for` at most. It
// has to stay in for as long until that is forgotten.
inline constexpr std::int64_t ejection_growth_max = 10;
// How long a name stays resolved without asking again.
inline constexpr milliseconds resolver_cache{5000};
inline constexpr std::size_t resolver_cache_entries_max = 1024;
// Backends or connections tried for one request, whatever `retries` says.
inline constexpr std::size_t tries_max = 11;
// Addresses tried for one name.
inline constexpr std::size_t addresses_max = 8;
// DNS servers that operators may name.
inline constexpr std::size_t dns_servers_max = 8;
// Names asked of DNS at a time by one loop, those that nobody waits for any more included.
inline constexpr std::size_t dns_queries_max = 256;
// Records taken of one answer, and of one SRV answer all addresses of its targets.
inline constexpr std::size_t dns_records_max = 256;
// Targets of one SRV answer whose addresses are asked for at the same time.
inline constexpr std::size_t dns_targets_at_once = 32;
// A DNS server that is silent for this long loses its turn to the next one, which is given the same
// in the first round, then twice as long; and how many rounds there are.
inline constexpr milliseconds dns_turn{500};
inline constexpr int dns_rounds = 3;
// One look-up of the addresses behind a `dns:` backend, with all that it needs to ask.
inline constexpr milliseconds dns_refresh{5000};
// A minted session whose client left during `initialize` is awaited this long, then deleted.
inline constexpr milliseconds orphan_initialize{10'000};
inline constexpr std::size_t orphan_initializes_max = 256;
// The first event of a GET stream is held up to this size to see whether it is `endpoint`.
inline constexpr std::size_t endpoint_event_bytes_max = 8 * 1024;
// Elements of one JSON-RPC batch, and the nesting that we look into.
inline constexpr std::size_t batch_elements_max = 1000;
// A JSON-RPC id that we echo in an error of our own.
inline constexpr std::size_t request_id_bytes_max = 256;
// Session ids longer than this are not learned (no revision names a bound).
inline constexpr std::size_t session_id_bytes_max = 8 * 1024;
// Asking the backends whose session it is: for how long in all, and how much longer for the others
// when one has claimed it.
inline constexpr milliseconds ask_time{2000};
inline constexpr milliseconds ask_grace{50};
// Askings of one worker at a time, backends asked by one of them at a time, and bytes read of one
// reply.
inline constexpr std::size_t asks_max = 64;
inline constexpr std::size_t asked_backends_max = 64;
inline constexpr std::size_t ask_reply_bytes_max = 64 * 1024;
// How often an asking beyond asks_max looks whether it is its turn.
inline constexpr milliseconds ask_turn{20};
// Askings without result that one worker may begin, at once and in the long run: ids can be made
// up.
inline constexpr std::int64_t asks_burst = 100;
inline constexpr std::int64_t asks_per_second = 50;
// Sessions that nobody owns, remembered for a moment so that nobody is asked again at once.
inline constexpr std::size_t unknown_sessions_kept = 4096;
inline constexpr milliseconds unknown_session_kept_for{2000};
// Keys that operators may give: a sealed id is tried with each.
inline constexpr std::size_t secrets_max = 8;
inline constexpr std::size_t secret_bytes_min = 16;
// The payload of a JWT that is read for its principal; a longer one is a credential like others.
inline constexpr std::size_t jwt_payload_bytes_max = 16 * 1024;
// Sealed sessions that were deleted here, remembered so that they do not come back.
inline constexpr std::size_t tombstones_max = 100'000;
// Sessions remembered by one process; the longest idle of a shard goes first.
inline constexpr std::size_t sessions_max = 1'000'000;
// Sessions that one sweep ends: each may cost its owner a DELETE.
inline constexpr std::size_t expired_per_sweep_max = 10'000;
// Sessions whose owner is yet to be told that they have expired, of one pool; how many are told at
// once, and how long one of them may take.
inline constexpr std::size_t farewells_max = 20'000;
inline constexpr std::size_t farewells_at_once = 16;
inline constexpr milliseconds farewell{5000};
// Sessions written to the store before anything else gets its turn, and by one look at a directory.
inline constexpr std::size_t store_writes_per_round = 10'000;
inline constexpr std::size_t store_writes_batch = 256;
// Expired sessions that the store hands out at once.
inline constexpr std::size_t store_expired_batch = 64;
// Deleted sessions that the store has yet to hear of.
inline constexpr std::size_t store_removals_max = 100'000;
// Different paths and hosts by which the sessions of one pool were opened.
inline constexpr std::size_t session_places_max = 1024;
// Path, host and revision of one of them, together; a longer one counts as not known.
inline constexpr std::size_t session_place_bytes_max = 2 * 1024;
// The name of a revision that a client says it speaks.
inline constexpr std::size_t session_protocol_bytes_max = 32;
// What is kept to open one session again elsewhere: how it was opened, and what its client has
// asked the server to remember. Beyond the first it cannot be opened again, beyond the second it is
// opened without what was too much.
inline constexpr std::size_t session_opening_bytes_max = 10 * 1024;
inline constexpr std::size_t session_journal_bytes_max = 3 * 1024;
inline constexpr std::size_t session_subscriptions_max = 32;
// Different openings of one directory, together. Clients of one kind share theirs.
inline constexpr std::size_t session_openings_bytes_max = 64 * 1024 * 1024;
// What a backend calls a session that moved to it.
inline constexpr std::size_t backend_session_bytes_max = 1024;
// Opening a session again on another backend: all of it, one backend, and how often those that wait
// for somebody else's attempt look again.
inline constexpr milliseconds session_move{10'000};
inline constexpr milliseconds session_move_try{5000};
inline constexpr milliseconds session_move_poll{10};
// A claim or lock outlives the attempt by this: it ends one that died, not one that is late.
inline constexpr milliseconds session_move_grace{2000};
// Sessions that one worker opens again at a time; the others wait for their turn.
inline constexpr std::size_t session_moves_max = 64;
// Buckets of a directory that one look for a backend's sessions goes through.
inline constexpr std::size_t owned_buckets_per_look = 16 * 1024;
// Moves of a session that one request waits for: each new owner may be gone, too.
inline constexpr int moves_per_request = 3;
// What is read of a 400 or 404 before it goes on, to see whether the session is unknown.
inline constexpr std::size_t held_reply_bytes_max = 8 * 1024;
// How long a backend is shown as one whose sessions may be gone, after it was seen to be restarted.
inline constexpr milliseconds suspect_for{10 * 60'000};
// How often draining backends are looked at, and the unused sessions of all that move at a time.
inline constexpr milliseconds drain_look{250};
// When the time of a drain is up, sessions whose requests were cut have this long to move.
inline constexpr milliseconds drain_grace{2000};
inline constexpr std::size_t drain_moves_max = 16;
// A scratch buffer that grew beyond this is not kept for the next request.
inline constexpr std::size_t scratch_bytes_kept = 64 * 1024;
// Finished request objects kept for reuse by one worker.
inline constexpr std::size_t scratch_kept = 256;
// Content up to this size is copied behind its head: one piece is cheaper to send than two.
inline constexpr std::size_t merged_body_bytes_max = 4 * 1024;
// Weight of a backend; with backends_max it bounds the round-robin schedule.
inline constexpr std::uint32_t weight_max = 100;
inline constexpr std::size_t backends_max = 1024;
// With session_hash, a backend with fewer requests and streams than this is not full: a quarter
// above the share of a few is less than one, and a key would leave its backend for nothing.
inline constexpr std::uint64_t hash_load_spared = 10;
// Turns of one round of the round-robin schedule.
inline constexpr std::size_t schedule_turns_max = weight_max * backends_max;
// Backends that one process may ever know: addresses come and go, and sessions remember them.
inline constexpr std::size_t backends_known_max = 16 * 1024;
// Log lines waiting for the disk; beyond it lines are dropped and counted.
inline constexpr std::size_t log_lines_queued_max = 64 * 1024;
// Backends that announced themselves; what one may say of itself.
inline constexpr std::size_t registered_nodes_max = 512;
inline constexpr std::size_t node_id_bytes_max = 128;
inline constexpr std::size_t node_name_bytes_max = 128;
inline constexpr std::size_t node_url_bytes_max = 320;
inline constexpr std::size_t node_pools_max = 16;
// How often it is looked who has fallen silent, and how often the store is asked for the nodes that
// other balancers know.
inline constexpr milliseconds registration_look{250};
inline constexpr milliseconds registration_ask{2000};
// Connections of the admin listener, with the flows of the control loop.
inline constexpr std::size_t admin_connections_max = 2048;
// Sessions on one page of the admin API.
inline constexpr std::size_t admin_page_max = 1000;
// The body of a command to the admin API.
inline constexpr std::size_t admin_command_bytes_max = 64 * 1024;
// Lines about commands that were refused, a second: whoever reaches the port can cause them.
inline constexpr int refused_command_lines_per_second = 10;
// Pools or backends that an error message names.
inline constexpr std::size_t named_in_message_max = 20;
// What a command line asks of the admin API: all of the answer, and how long it may take.
inline constexpr std::size_t admin_reply_bytes_max = 4 * 1024 * 1024;
inline constexpr milliseconds admin_call{10'000};
// Connections accepted in one go before the loop looks at anything else.
inline constexpr int accepts_per_turn = 64;
// How long accepting pauses when the process is out of file descriptors.
inline constexpr milliseconds accept_pause{100};
// Commands of one Redis connection that wait for their reply, timed-out ones included.
inline constexpr std::size_t redis_commands_max = 1024;
// Bytes of commands that wait to be written to one Redis connection.
inline constexpr std::size_t redis_queued_bytes_max = 8 * 1024 * 1024;
// One reply of Redis, with all that it contains.
inline constexpr std::size_t redis_reply_bytes_max = 1024 * 1024;
// Sentinels named in one URL.
inline constexpr std::size_t redis_sentinels_max = 16;
// Connecting to one server or sentinel, with all that is asked before it can be used.
inline constexpr milliseconds redis_connect{2000};
// Between two attempts to connect: doubled from the first to the last, then at random between a
// half and the whole of that.
inline constexpr milliseconds redis_backoff_min{100};
inline constexpr milliseconds redis_backoff_max{5000};
// A Redis connection on which nothing happens is asked for a sign of life this often, and a
// subscriber, whose owner does not wait for a reply, has this long to give one.
inline constexpr milliseconds redis_ping{5000};
inline constexpr milliseconds redis_pong{1000};
// A silent connection gets this much more: after a stall of our own its bytes may wait unread.
inline constexpr milliseconds redis_second_look{50};
// A TLS handshake with a client, from the first byte to the last.
inline constexpr milliseconds tls_handshake{10'000};
// Records that a peer makes us send and does not take; beyond it the connection ends.
inline constexpr std::size_t tls_unsent_bytes_max = 256 * 1024;
// Certificates of one listener, looked through at each handshake that names a server.
inline constexpr std::size_t tls_certificates_max = 256;
// Servers of one context whose last session is kept for resumption.
inline constexpr std::size_t tls_sessions_kept = 64;
// How often certificate files are looked at for a change.
inline constexpr milliseconds tls_files_look{5000};
// A tracestate that is passed on: all of it, and how many members it has.
inline constexpr std::size_t tracestate_bytes_max = 512;
inline constexpr std::size_t tracestate_members_max = 32;
// What one span says: attributes, bytes of one text, events.
inline constexpr std::size_t span_attributes_max = 32;
inline constexpr std::size_t span_text_bytes_max = 256;
inline constexpr std::size_t span_events_max = 16;
// Spans that wait to be sent; beyond it they are dropped.
inline constexpr std::size_t spans_queued_max = 8192;
// Spans are sent when so many wait, or the oldest has waited for so long; how often that is looked
// at.
inline constexpr std::size_t span_batch_max = 512;
inline constexpr milliseconds span_batch_wait{1000};
inline constexpr milliseconds span_look{50};
// Attempts to send one batch, and the pauses between them: doubled from the first to the last, then
// at random between a half and the whole of that. A collector may ask for a longer one, up to a
// bound.
inline constexpr int span_tries = 5;
inline constexpr milliseconds span_backoff_min{500};
inline constexpr milliseconds span_backoff_max{5000};
inline constexpr milliseconds span_retry_after_max{30'000};
// One attempt, with connecting, unless the environment says otherwise; and what a process that ends
// gives to all that is left.
inline constexpr milliseconds span_export{10'000};
inline constexpr milliseconds span_farewell{2000};
// A collector's reply, and what of its words is logged.
inline constexpr std::size_t span_reply_bytes_max = 64 * 1024;
// Between two lines that say that spans cannot be sent.
inline constexpr milliseconds span_failure_line{60'000};
// Of one variable of the environment that lists headers or attributes: bytes and entries.
inline constexpr std::size_t span_list_bytes_max = 8 * 1024;
inline constexpr std::size_t span_list_entries_max = 64;
// Lines about handshakes that failed, a second: strangers can cause any number of failures.
inline constexpr int tls_failure_lines_per_second = 10;

static_assert(trailer_bytes_max < buffer_block_bytes);
static_assert(endpoint_event_bytes_max < buffer_block_bytes);
static_assert(session_opening_bytes_max + session_journal_bytes_max + session_place_bytes_max +
                  backend_session_bytes_max <=
              std::size_t{16} * 1024);
static_assert(store_expired_batch * (session_id_bytes_max + session_place_bytes_max +
                                     backend_session_bytes_max + 1024) <
              redis_reply_bytes_max);

// Series of one metric that one worker keeps; what comes beyond is counted as one of them, "other".
inline constexpr std::size_t metric_series_max = 8192;
// How long the series of a backend that has left are still shown.
inline constexpr milliseconds gone_series_kept{10 * 60'000};
// Of what a command names, in its line of the log.
inline constexpr std::size_t audited_bytes_max = 256;
// Pages that follow /api/events at one time.
inline constexpr std::size_t admin_event_streams_max = 64;
// Between two states that such a page is sent.
inline constexpr milliseconds admin_event_interval{1000};
// Between two looks at the requests that were counted.
inline constexpr milliseconds traffic_look{1000};
// What changed lately, as /api/state tells it; and how much of it may come in one second.
inline constexpr std::size_t timeline_max = 100;
inline constexpr std::size_t timeline_events_per_second = 200;
// Equal events so far apart are told as one.
inline constexpr milliseconds timeline_same_within{10'000};

}  // namespace mcplb::limits
