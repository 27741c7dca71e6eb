#include "proxy/session_identity.hpp"

#include <utility>

#include "mcplb/base/hash.hpp"
#include "mcplb/base/log.hpp"

namespace mcplb::proxy {

using http::Name;

SessionIdentity::SessionIdentity(const SharedPool& pool, const std::vector<std::string>& secrets)
    : pool_(pool) {
  if (pool.session.bind == session::Bind::authorization) principals_.emplace(secrets);
  if (pool.session.identity != session::Identity::sealed) return;
  const std::string& name = pool.pool.name();
  seals_.emplace(
      Seals{mcp::Seal(secrets, "session/" + name), mcp::Seal(secrets, "endpoint/" + name)});
}

bool SessionIdentity::names_unchecked_session(const http::RequestHead& head,
                                              const mcp::Message& message) const {
  // Without a binding, what is not of the legacy era may have parameters of that name.
  const bool guarded = binds() || (seals() && message.era == mcp::Era::legacy);
  if (!guarded || head.method != http::Method::post || head.query.empty()) return false;
  return mcp::count_endpoint_sessions(head.query) > (message.endpoint_session ? 1U : 0U);
}

SessionIdentity::Found SessionIdentity::find(const mcp::Message& message,
                                             const http::Fields& fields, TimePoint now,
                                             Named& out) {
  if (seals()) return find_sealed(message, fields, now, out);
  session::SessionUse use = directory_of(message).begin_use(message.session, now);
  if (!use) return Found::unknown;
  if (principals_ && !principals_->fits(use.principal(), credential(fields))) return Found::denied;
  out.use = std::move(use);
  out.backend_session = message.session;
  return Found::known;
}

// The seal covers the principal, so whoever is not the one that opened the session cannot open it.
SessionIdentity::Found SessionIdentity::find_sealed(const mcp::Message& message,
                                                    const http::Fields& fields, TimePoint now,
                                                    Named& out) {
  mcp::Seal& seal = message.endpoint_session ? seals_->endpoint : seals_->session;
  const auto unsealed = seal.unwrap(message.session, principal(fields));
  if (!unsealed) return Found::invalid;
  session::Directory& directory = directory_of(message);
  session::SessionUse use = directory.begin_use(message.session, now);
  if (!use) {
    if (pool_.tombstones.contains(message.session, now)) return Found::invalid;
    const BackendId owner = owner_named(unsealed->owner);
    // It may have moved, which others know.
    if (owner == BackendId::none) return Found::unknown;
    // Opened through another balancer, or before a restart of this one.
    directory.learn(message.session, {owner}, now, use);
    out.from_seal = true;
  }
  if (!use) return Found::invalid;
  out.use = std::move(use);
  out.backend_session = unsealed->id;
  return Found::known;
}

std::string SessionIdentity::outside(Kind kind, std::string_view id, const cluster::Backend& owner,
                                     const http::Fields& fields) {
  if (!seals()) return std::string(id);
  mcp::Seal& seal = kind == Kind::endpoint ? seals_->endpoint : seals_->session;
  return seal.wrap(mcp::owner_tag(owner.name()), id, principal(fields));
}

// A sealed session needs no principal here: its id is worth nothing to others.
mcp::Principal SessionIdentity::principal_to_keep(const http::Fields& fields) {
  if (!principals_ || seals()) return {};
  return principals_->of(credential(fields));
}

void SessionIdentity::end(std::string_view session, TimePoint now) {
  if (seals()) pool_.tombstones.add(session, now);
  pool_.sessions.forget(session);
}

void SessionIdentity::end_stream(std::string_view session, TimePoint now) {
  if (seals()) pool_.tombstones.add(session, now);
  pool_.endpoint_sessions.forget_unless_streaming(session);
}

BackendId SessionIdentity::owner_named(mcp::OwnerTag tag) const {
  const auto view = pool_.pool.view();
  for (const cluster::Backend* backend : view->backends) {
    if (mcp::owner_tag(backend->name()) == tag) return backend->id();
  }
  return BackendId::none;
}

session::Directory& SessionIdentity::directory_of(const mcp::Message& message) const {
  return message.endpoint_session ? pool_.endpoint_sessions : pool_.sessions;
}

// Nobody knows which of several fields a backend believes, so together they are one credential,
// and no JWT.
std::string_view SessionIdentity::credential(const http::Fields& fields) {
  if (fields.count(Name::authorization) < 2) return fields.get(Name::authorization);
  joined_.clear();
  for (const http::Field& field : fields) {
    if (field.id == Name::authorization) joined_.append(field.value).append(", ");
  }
  return joined_;
}

std::string_view SessionIdentity::principal(const http::Fields& fields) {
  return principals_ ? principals_->identity(credential(fields)) : std::string_view();
}

std::string_view renamed_target(std::string_view target, const http::RequestHead& head,
                                const mcp::Message& message, std::string_view backend_session,
                                std::string& renamed) {
  const bool in_query = message.endpoint_session && !backend_session.empty();
  if (!in_query || backend_session == message.session) return target;
  // Counted from the end: a prefix may be gone from the front.
  const std::string_view query = head.query;
  const auto behind = static_cast<std::size_t>(query.data() + query.size() -
                                               (message.session.data() + message.session.size()));
  renamed = target.substr(0, target.size() - behind - message.session.size());
  renamed += backend_session;
  renamed += target.substr(target.size() - behind);
  return renamed;
}

}  // namespace mcplb::proxy
