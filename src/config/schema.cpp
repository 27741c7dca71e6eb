#include "config/schema.hpp"

#include <algorithm>
#include <iterator>

#include "mcplb/base/limits.hpp"
#include "mcplb/config/settings.hpp"

#include "config/schema_rows.hpp"

namespace mcplb::config {
namespace {

constexpr std::int64_t second = 1000;
constexpr std::int64_t minute = 60 * second;
constexpr std::int64_t hour = 60 * minute;
constexpr std::int64_t kib = 1024;
constexpr std::int64_t mib = 1024 * kib;

constexpr Range pause{0, 24 * hour};  // zero is off
constexpr Range wait{1, 24 * hour};   // zero would mean "at once"
constexpr Range connecting{1, 10 * minute};
constexpr Range node_silence{second, hour};
constexpr Range counted{1, 100};

constexpr Choice log_levels[] = {{"debug"}, {"info"}, {"warn"}, {"error"}};
constexpr Choice log_formats[] = {{"text"}, {"json"}};
constexpr Choice balances[] = {{"round_robin"}, {"least_connections"}, {"session_hash"}};
constexpr Choice identities[] = {{"learned"}, {"sealed"}, {"none"}};
constexpr Choice losses[] = {{"reestablish"}, {"not_found"}, {"reroute"}};
constexpr Choice unknowns[] = {{"ask"}, {"not_found"}, {"forward"}};
constexpr Choice bindings[] = {{"none"}, {"authorization"}};
constexpr Choice health_checks[] = {{"tcp"}, {"http"}, {"mcp"}};
constexpr Choice tls_versions[] = {{"1.2"}, {"1.3"}};

// A url, of a backend or for DNS, is kept as host and port.
template <auto Part>
Value get_url(const void* scope) {
  const auto& part = static_cast<const BackendEntry*>(scope)->*Part;
  if (part.host.empty()) return std::string();
  return backend_url_text({part.host, part.port, part.https});
}
template <auto Part>
void set_url(void* scope, const Value& value) {
  auto& part = static_cast<BackendEntry*>(scope)->*Part;
  if (std::get<std::string>(value).empty()) return;
  const BackendUrl url = parse_backend_url(std::get<std::string>(value));
  part.host = url.host;
  part.port = url.port;
  part.https = url.https;
}
template <auto Part>
inline constexpr Access url_of{scope_tag<BackendEntry>, get_url<Part>, set_url<Part>};

// There is a store as soon as one of its keys is written; finish.cpp takes back one without a url.
const redis::Settings& store_in(const void* scope) {
  static const redis::Settings defaults;
  const auto& store = static_cast<const Settings*>(scope)->store;
  return store ? *store : defaults;
}
redis::Settings& store_in(void* scope) {
  auto& store = static_cast<Settings*>(scope)->store;
  return store ? *store : store.emplace();
}
template <auto... Members>
Value get_store(const void* scope) {
  return to_value((store_in(scope).*....*Members));
}
template <auto... Members>
void set_store(void* scope, const Value& value) {
  from_value((store_in(scope).*....*Members), value);
}
template <auto... Members>
inline constexpr Access store{scope_tag<Settings>, get_store<Members...>, set_store<Members...>};

// The url is kept in its parts and shown without its password.
Value get_store_url(const void* scope) {
  return store_in(scope).url.masked();
}
void set_store_url(void* scope, const Value& value) {
  store_in(scope).url = redis::parse_url(std::get<std::string>(value)).url;
}
bool same_store_url(const void* scope, const void* other) {
  return store_in(scope).url == store_in(other).url;
}
constexpr Access store_url{scope_tag<Settings>, get_store_url, set_store_url, same_store_url};

// Short names for the paths of members below.
template <auto Field>
inline constexpr Access pool = at<&PoolSettings::cluster, Field>;
template <auto Field>
inline constexpr Access health = at<&PoolSettings::cluster, &cluster::PoolSettings::health, Field>;
template <auto Field>
inline constexpr Access passive = at<&PoolSettings::cluster, &cluster::PoolSettings::health,
                                     &cluster::HealthSettings::passive, Field>;
template <auto Field>
inline constexpr Access pin = at<&PoolSettings::cluster, &cluster::PoolSettings::pin, Field>;
template <auto Field>
inline constexpr Access keepalive =
    at<&PoolSettings::cluster, &cluster::PoolSettings::keepalive, Field>;
template <auto Field>
inline constexpr Access sessions = at<&PoolSettings::sessions, Field>;
template <auto Field>
inline constexpr Access forward = at<&PoolSettings::forward, Field>;

using TlsServer = net::TlsServerSettings;
using TlsClient = net::TlsClientSettings;
using TlsCertificate = net::TlsCertificateSettings;
template <auto Field>
inline constexpr Access listener_tls = at<&net::ListenerSettings::tls, Field>;
template <auto Field>
inline constexpr Access backend = at<&BackendEntry::backend, Field>;
template <auto Field>
inline constexpr Access backend_tls =
    at<&BackendEntry::backend, &cluster::BackendSettings::tls, Field>;
template <auto Field>
inline constexpr Access store_tls = store<&redis::Settings::tls, Field>;

using Registration = cluster::RegistrationSettings;
template <auto Field>
inline constexpr Access registration = at<&Settings::registration, Field>;

using cluster::BackendSettings;
using cluster::HealthSettings;
using cluster::PassiveSettings;
using proxy::ClientSettings;
using proxy::ForwardSettings;
using proxy::RouteSettings;
using Cluster = cluster::PoolSettings;
using Sessions = session::Settings;

constexpr Row rows[] = {
    text("instance", at<&Settings::instance>,
         "Name of this balancer in logs and metrics. Empty: the host name.")
        .checked(check_name),
    list("listeners[]", list_at<&Settings::listeners>, "Where clients connect."),
    text("listeners[].address", at<&net::ListenerSettings::address>,
         "host:port, [v6]:port or unix:/path. Port 0 is any free one.")
        .checked(check_listen_address),
    text("listeners[].name", at<&net::ListenerSettings::name>, "What routes call it.")
        .checked(check_name),
    section("listeners[].tls", "Serve TLS here. Without a certificate: plain HTTP."),
    text("listeners[].tls.certificate", listener_tls<&TlsServer::certificate>,
         "File with the certificate chain (PEM)."),
    text("listeners[].tls.key", listener_tls<&TlsServer::key>, "File with the private key (PEM)."),
    choice("listeners[].tls.min_version", listener_tls<&TlsServer::min_version>, tls_versions,
           "The oldest version to accept."),
    list("listeners[].tls.certificates[]",
         list_at<&net::ListenerSettings::tls, &TlsServer::certificates>,
         "Chosen by the server name that clients ask for; the first of all is the default."),
    text("listeners[].tls.certificates[].certificate", at<&TlsCertificate::certificate>,
         "File with the certificate chain (PEM)."),
    text("listeners[].tls.certificates[].key", at<&TlsCertificate::key>,
         "File with the private key (PEM)."),

    section("admin", "The admin API: the health of the balancer and its backends."),
    text("admin.address", at<&Settings::admin, &admin::Settings::address>,
         "Where it listens. Not loopback: a token is required.")
        .checked(check_listen_address),
    text("admin.token", at<&Settings::admin, &admin::Settings::token>,
         "Asked for as Authorization: Bearer. Empty: none.")
        .kept_secret(),

    ranged(row("workers", Kind::count_or_auto, at<&Settings::workers>,
               "Threads that serve. auto: one per usable core."),
           {1, 1024}),
    texts("secrets", at<&Settings::secrets>,
          "Keys for sealed ids and credential binding. The first signs, all verify. `openssl rand "
          "-hex 32` makes one.")
        .checked(check_secret)
        .kept_secret(),
    texts("trusted_proxies", at<&Settings::client, &ClientSettings::trusted_proxies>,
          "CIDRs whose X-Forwarded-* and X-Request-Id are believed.")
        .checked(check_network),

    section("resolver", "Which DNS servers to ask."),
    texts("resolver.servers", at<&Settings::resolver, &net::ResolverSettings::servers>,
          "ip or ip:port, asked in this order. Empty: the system's.")
        .checked(check_dns_server),

    section("store", "Where sessions are shared with other instances."),
    section("store.redis", "Without a url, sessions live in this process only."),
    text("store.redis.url", store_url,
         "redis://[user:password@]host:port/db, rediss:// for TLS, redis+unix:///path or "
         "redis+sentinel://host:port,host:port/master-name.")
        .checked(check_store_url),
    text("store.redis.prefix", store<&redis::Settings::prefix>, "What all keys begin with.")
        .checked(check_store_prefix),
    duration("store.redis.timeout", store<&redis::Settings::timeout>, connecting,
             "How long one command may take; a request may wait for it."),
    section("store.redis.tls", "For rediss:// URLs."),
    text("store.redis.tls.ca", store_tls<&TlsClient::ca>,
         "File with the CAs to trust (PEM). Empty: the system's."),
    boolean("store.redis.tls.verify", store_tls<&TlsClient::verify>,
            "Check the certificate, its name included."),
    text("store.redis.tls.certificate", store_tls<&TlsClient::certificate>,
         "File with our own certificate chain (PEM), for a server that asks for one."),
    text("store.redis.tls.key", store_tls<&TlsClient::key>,
         "File with its private key (PEM)."),

    list("pools[]", list_at<&Settings::pools>, "The MCP servers, each with its replicas."),
    text("pools[].name", pool<&Cluster::name>, "Needed when there are several pools.")
        .checked(check_name),
    list("pools[].routes[]", list_at<&PoolSettings::routes>,
         "What comes here: host first (exact, *.suffix, *), then the longest path prefix."),
    text("pools[].routes[].listener", at<&RouteSettings::listener>,
         "Name of a listener. Empty: every one."),
    text("pools[].routes[].host", at<&RouteSettings::host>, "example.org, *.example.org or *.")
        .checked(check_route_host),
    text("pools[].routes[].path", at<&RouteSettings::path>,
         "A prefix of whole segments: /a matches /a and /a/b.")
        .checked(check_route_path),
    boolean("pools[].routes[].strip_prefix", at<&RouteSettings::strip_prefix>,
            "Remove `path` before the backend sees the request."),
    choice("pools[].balance", pool<&Cluster::balance>, balances,
           "Who serves what no session binds. round_robin: one after the other, by weight. "
           "least_connections: who has the fewest requests and streams for its weight. "
           "session_hash: the same key, the same backend."),
    text("pools[].hash_on", pool<&Cluster::hash_on>,
         "For session_hash: session, client_ip, header:NAME or cookie:NAME.")
        .checked(check_hash_on),
    section("pools[].pin", "A request may name its backend. Owned sessions win."),
    text("pools[].pin.header", pin<&cluster::Pin::header>, "A header with the id of a backend.")
        .checked(check_field_name),
    text("pools[].pin.cookie", pin<&cluster::Pin::cookie>,
         "A cookie with the id of a backend. We set it, too.")
        .checked(check_field_name),

    section("pools[].sessions", "How sessions find the backend that holds them."),
    choice("pools[].sessions.identity", sessions<&Sessions::identity>, identities,
           "learned: ids stay as they are. sealed: they carry their backend, for any balancer with "
           "the same secrets. none: no affinity."),
    duration("pools[].sessions.idle_timeout", sessions<&Sessions::idle_timeout>, {1, 720 * hour},
             "A session unused for this long is forgotten. Longer than the backends' own."),
    choice("pools[].sessions.on_backend_loss", sessions<&Sessions::on_backend_loss>, losses,
           "When the backend of a session is gone. reestablish: it is opened again on another. "
           "not_found: 404, clients initialize again. reroute: any other, they share sessions."),
    choice("pools[].sessions.on_unknown", sessions<&Sessions::on_unknown>, unknowns,
           "Of a session that neither memory nor store knows. ask: the backends say whose it is. "
           "not_found: 404. forward: to any backend, they share sessions."),
    integer("pools[].sessions.max_per_backend", sessions<&Sessions::max_per_backend>,
            {0, 1'000'000},
            "Sessions that one backend may hold, as far as this balancer knows. When all are full, "
            "new ones get 503 overloaded. 0: no cap."),
    boolean("pools[].sessions.delete_on_expiry", sessions<&Sessions::delete_on_expiry>,
            "Send DELETE to the owner when a session expires."),
    choice("pools[].sessions.bind", sessions<&Sessions::bind>, bindings,
           "authorization: a session answers only to who opened it: iss and sub of a JWT bearer, "
           "else the credential."),

    section("pools[].health", "How backends are watched."),
    choice("pools[].health.check", health<&HealthSettings::check>, health_checks,
           "tcp: a connection is accepted. http: GET is answered with 200-399. mcp: the server "
           "answers server/discover, or a ping in a session kept for that."),
    text("pools[].health.path", health<&HealthSettings::path>,
         "For http (default /health) and mcp (default /mcp).")
        .checked(check_target),
    text("pools[].health.host", health<&HealthSettings::host>,
         "Host header of checks. Empty: the backend's own.")
        .checked(check_host_header),
    duration("pools[].health.interval", health<&HealthSettings::interval>, wait,
             "Between two checks of one backend, ±10 %."),
    duration("pools[].health.timeout", health<&HealthSettings::timeout>, connecting,
             "How long one check may take, connecting included."),
    integer("pools[].health.rise", health<&HealthSettings::rise>, counted,
            "Good checks in a row that bring a backend back."),
    integer("pools[].health.fall", health<&HealthSettings::fall>, counted,
            "Bad checks in a row that take it out."),
    duration("pools[].health.slow_start", health<&HealthSettings::slow_start>, pause,
             "How long a backend that came back gets less than its share."),
    section("pools[].health.passive", "Failed requests take a backend out, too."),
    integer("pools[].health.passive.failures", passive<&PassiveSettings::failures>, {0, 100},
            "Failed requests in a row, over all clients. 0: never."),
    duration("pools[].health.passive.eject_for", passive<&PassiveSettings::eject_for>, wait,
             "How long it stays out; longer each time that follows soon."),
    ranged(row("pools[].health.passive.max_ejected", Kind::percent,
               passive<&PassiveSettings::max_ejected>,
               "The most of a pool that may be out because of this."),
           {0, 100}),

    section("pools[].drain", "Backends that are being emptied."),
    duration("pools[].drain.timeout", pool<&Cluster::drain_timeout>, pause,
             "After this, what is left is cut."),

    section("pools[].timeouts", "How long each step of a request may take."),
    duration("pools[].timeouts.connect", pool<&Cluster::connect_timeout>, connecting,
             "Opening a connection to a backend."),
    duration("pools[].timeouts.request_body", forward<&ForwardSettings::request_body>, wait,
             "Between two reads of a request's body."),
    duration("pools[].timeouts.response_head", forward<&ForwardSettings::response_head>, wait,
             "Until a backend begins to answer. Tools are slow."),
    duration("pools[].timeouts.stream_idle", forward<&ForwardSettings::stream_idle>, wait,
             "Between two reads of a response's body."),

    section("pools[].keepalive", "Idle connections to the backends."),
    duration("pools[].keepalive.idle", keepalive<&cluster::KeepaliveSettings::idle>, wait,
             "Closed after this. Less than the backends' own (Node, uvicorn: 5s)."),
    integer("pools[].keepalive.max_idle_per_backend",
            keepalive<&cluster::KeepaliveSettings::max_idle_per_backend>, {0, 65'536},
            "How many are kept, per worker."),
    duration("pools[].heartbeat", forward<&ForwardSettings::heartbeat>, pause,
             "SSE comment on idle event streams. 0s: never."),
    integer("pools[].retries", forward<&ForwardSettings::retries>, {0, 10},
            "Further tries after the first, all causes together."),

    list("pools[].backends[]", list_at<&PoolSettings::backends>,
         "The replicas, the only thing without a default."),
    text("pools[].backends[].url", url_of<&BackendEntry::backend>,
         "http://host:port or https://host:port.")
        .checked(check_backend_url),
    integer("pools[].backends[].weight", backend<&BackendSettings::weight>, {1, limits::weight_max},
            "Its share, relative to the others."),
    text("pools[].backends[].id", backend<&BackendSettings::id>,
         "What sessions, commands and logs call it. Empty: host:port.")
        .checked(check_name),
    section("pools[].backends[].tls", "For https:// URLs."),
    text("pools[].backends[].tls.ca", backend_tls<&TlsClient::ca>,
         "File with the CAs to trust (PEM). Empty: the system's."),
    boolean("pools[].backends[].tls.verify", backend_tls<&TlsClient::verify>,
            "Check the certificate, its name included."),
    text("pools[].backends[].tls.certificate", backend_tls<&TlsClient::certificate>,
         "File with our own certificate chain (PEM), for backends that ask for one."),
    text("pools[].backends[].tls.key", backend_tls<&TlsClient::key>,
         "File with its private key (PEM)."),
    text("pools[].backends[].dns", url_of<&BackendEntry::dns>,
         "Instead of url: http://name:port or https://name:port, every address behind the name is "
         "a backend. http://_service._proto.name: what its SRV records name, with their ports.")
        .checked(check_dns_url),
    duration("pools[].backends[].refresh",
             at<&BackendEntry::dns, &cluster::DnsSettings::refresh>, {100, 24 * hour},
             "How often dns is asked, ±10 %."),

    section("limits", "What clients may cost us."),
    size("limits.request_bytes_max", at<&Settings::http, &http::Settings::request_bytes_max>,
         {kib, 1024 * mib}, "A request's body. It is read whole before a backend is chosen."),
    size("limits.head_bytes_max", at<&Settings::http, &http::Settings::head_bytes_max>, {kib, mib},
         "A request's or reply's head."),
    integer("limits.headers_max", at<&Settings::http, &http::Settings::headers_max>, {1, 10'000},
            "Header lines of one head."),
    integer("limits.client_connections_max",
            at<&Settings::client, &ClientSettings::client_connections_max>, {1, 1'000'000},
            "Connections of clients, in the whole process. Beyond: 503 overloaded."),
    duration("limits.head_timeout", at<&Settings::client, &ClientSettings::head_timeout>, wait,
             "A request's head, from its first byte to its last."),
    duration("limits.client_idle_timeout",
             at<&Settings::client, &ClientSettings::client_idle_timeout>, wait,
             "Between two requests of one connection."),

    section("log", "Events go to stderr, one a line."),
    choice("log.level", at<&Settings::log, &LogSettings::level>, log_levels,
           "The least that is written."),
    choice("log.format", at<&Settings::log, &LogSettings::format>, log_formats,
           "json when a machine reads it."),
    text("log.access", at<&Settings::log, &LogSettings::access>,
         "off, stdout or a file's path: one line a request.")
        .checked(check_access_log),

    section("registration", "Backends that announce themselves over the admin API."),
    boolean("registration.enabled", registration<&Registration::enabled>,
            "Accept them. Who registers gets sessions, and what they send."),
    duration("registration.node_timeout", registration<&Registration::node_timeout>, node_silence,
             "Silent for this long: no new sessions. Three heartbeats or more."),
    duration("registration.cleanup_interval", registration<&Registration::cleanup_interval>,
             node_silence, "Silent for this much more: removed."),

    section("tracing", "Spans of requests, sent to a collector."),
    text("tracing.otlp_endpoint", at<&Settings::tracing, &tracing::Settings::otlp_endpoint>,
         "A collector that takes OTLP over HTTP: http://host:4318. Empty: "
         "OTEL_EXPORTER_OTLP_ENDPOINT, or off.")
        .checked(check_otlp_endpoint),
    ranged(row("tracing.sample_ratio", Kind::ratio,
               at<&Settings::tracing, &tracing::Settings::sample_millionths>,
               "Of new traces; who continues a trace does as its caller does."),
           {0, 1'000'000}),

    duration("shutdown_delay", at<&Settings::shutdown_delay>, pause,
             "Between turning not ready and no longer accepting."),
    duration("shutdown_timeout", at<&Settings::shutdown_timeout>, pause,
             "How long requests and streams may take to end."),
};

// The struct that a row's getter gets: that of the innermost list around it.
constexpr Scope scope_of(std::string_view path) {
  const std::string_view parent = path.substr(0, std::max<std::size_t>(path.rfind('.') + 1, 1) - 1);
  const std::size_t brackets = parent.rfind("[]");
  if (brackets == std::string_view::npos) return scope_tag<Settings>;
  for (const Row& each : rows) {
    if (each.path == parent.substr(0, brackets + 2)) return each.list.element;
  }
  return Scope::none;
}

constexpr bool scopes_match() {
  for (const Row& each : rows) {
    const Scope scope = each.kind == Kind::list ? each.list.scope : each.access.scope;
    if (scope != Scope::none && scope != scope_of(each.path)) return false;
  }
  return true;
}
static_assert(scopes_match(), "a row's field is no member of the struct at its path");

// What a running process keeps: keys, sections with all their keys, lists with their length. All
// else is taken over by a reload.
constexpr std::string_view kept_until_restart[] = {
    "instance",
    "listeners[]",
    "listeners[].address",
    "listeners[].name",
    "admin",
    "workers",
    "resolver",
    "store",
    "pools[].sessions.identity",
    "pools[].sessions.bind",
    "limits.head_bytes_max",  // the size of the buffers that there are
    "registration.enabled",
    "tracing.otlp_endpoint",
};

constexpr bool kept_paths_exist() {
  return std::all_of(std::begin(kept_until_restart), std::end(kept_until_restart), [](auto path) {
    return std::any_of(std::begin(rows), std::end(rows),
                       [path](const Row& each) { return each.path == path; });
  });
}
static_assert(kept_paths_exist(), "a path that is kept until a restart is no row's");

}  // namespace

bool needs_restart(const Row& row) {
  return std::any_of(std::begin(kept_until_restart), std::end(kept_until_restart), [&](auto kept) {
    if (row.path == kept) return row.kind != Kind::section;
    const bool is_below = row.path.starts_with(kept) && row.path[kept.size()] == '.';
    return is_below && row.is_leaf() && !kept.ends_with(']');
  });
}

std::span<const Row> schema() {
  return rows;
}

std::string joined_path(std::string_view path, std::string_view key) {
  std::string joined(path);
  if (!joined.empty()) joined += '.';
  return joined.append(key);
}

std::vector<const Row*> children(std::string_view parent) {
  std::vector<const Row*> found;
  for (const Row& each : rows) {
    if (each.parent() == parent) found.push_back(&each);
  }
  return found;
}

}  // namespace mcplb::config
