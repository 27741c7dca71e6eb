// What the ids of one pool's sessions are outside and inside, and whom a session answers to:
// `sessions.identity` and `sessions.bind`. Owned by a worker's pool, used on its loop only.
//
// Everywhere else a session goes by the id that its client knows: in the directory, in logs. A
// sealed one has another id inside: the one that its backend minted.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/base/clock.hpp"
#include "mcplb/http/head.hpp"
#include "mcplb/mcp/message.hpp"
#include "mcplb/mcp/principal.hpp"
#include "mcplb/mcp/seal.hpp"
#include "mcplb/proxy/worker_proxy.hpp"
#include "mcplb/session/directory.hpp"

namespace mcplb::proxy {

class SessionIdentity {
 public:
  // `pool` outlives this. `secrets` are asked for only when the pool seals or binds.
  SessionIdentity(const SharedPool& pool, const std::vector<std::string>& secrets);

  bool seals() const { return seals_.has_value(); }
  bool binds() const { return principals_.has_value(); }
  // Whether a server may find another session in the query than the one that find() looks at, or
  // one where it looks at none. Nobody shall get around a seal or a binding by naming two.
  bool names_unchecked_session(const http::RequestHead& head, const mcp::Message& message) const;

  enum class Found : std::uint8_t {
    known,
    unknown,  // not here; others may know it
    invalid,  // nobody's: no seal of ours, or deleted
    denied    // it belongs to another principal
  };
  struct Named {
    session::SessionUse use;
    std::string_view backend_session;  // as the owner calls it; a view into the request's head
    bool from_seal = false;            // nothing but the seal says who owns it
  };
  // The session that a request names. Fills `out` when it is known; a valid seal makes it so.
  Found find(const mcp::Message& message, const http::Fields& fields, TimePoint now, Named& out);

  // How the client is to call what a backend has minted; empty when that would be too long.
  // `fields` are of the request that the session was minted for.
  enum class Kind : std::uint8_t { session, endpoint };
  std::string outside(Kind kind, std::string_view id, const cluster::Backend& owner,
                      const http::Fields& fields);
  // Whom a session that this request opens answers to, as far as the directory is to know it.
  mcp::Principal principal_to_keep(const http::Fields& fields);
  // The session was deleted: drops it, and its seal brings it back no more.
  void end(std::string_view session, TimePoint now);
  // The same for a 2024-11-05 session whose stream has ended; what still uses it may finish.
  void end_stream(std::string_view session, TimePoint now);

 private:
  struct Seals {
    mcp::Seal session;
    mcp::Seal endpoint;
  };
  Found find_sealed(const mcp::Message& message, const http::Fields& fields, TimePoint now,
                    Named& out);
  // `none`: no member of the pool has that name.
  BackendId owner_named(mcp::OwnerTag tag) const;
  session::Directory& directory_of(const mcp::Message& message) const;
  std::string_view credential(const http::Fields& fields);
  std::string_view principal(const http::Fields& fields);

  const SharedPool& pool_;
  std::optional<Seals> seals_;                  // identity: sealed
  std::optional<mcp::Principals> principals_;   // bind: authorization
  std::string joined_;  // several Authorization fields
};

// A request's target with the backend's id in the place of the client's, when it stands in the
// query (2024-11-05). `target` is the head's or a copy without a prefix; `renamed` keeps the text.
std::string_view renamed_target(std::string_view target, const http::RequestHead& head,
                                const mcp::Message& message, std::string_view backend_session,
                                std::string& renamed);

}  // namespace mcplb::proxy
