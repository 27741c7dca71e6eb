#include <doctest/doctest.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "mcplb/net/tls.hpp"

#include "unit/net/tls_pair.hpp"

namespace mcplb::net {
namespace {

using Reload = TlsContext::Reload;

// How a server is called in the certificate that the client got.
bool is_for(ssl_st* client, const char* name) {
  const unsigned int flags = X509_CHECK_FLAG_NO_WILDCARDS;
  return X509_check_host(SSL_get0_peer_certificate(client), name, 0, flags, nullptr) == 1;
}

struct Folder {
  test::CertificateFolder files;
  TlsCertificateSettings good = files.add("good", authority().issue({{"DNS:example.org"}}));
  TlsClientSettings trusting;

  Folder() { trusting.ca = files.add_file("ca.pem", authority().pem()); }

  TlsProblem problem_of(const TlsServerSettings& settings) const {
    TlsProblem problem;
    CHECK(!TlsServerContext::create(settings, problem));
    return problem;
  }
};

// Whether the client accepts the server, and why not.
std::string verdict(const TlsClientSettings& client, const TlsCertificateSettings& pair,
                    const std::string& name) {
  const auto server = server_of(one_certificate(pair));
  const auto trusting = client_of(client);
  TlsPair both(*trusting, *server, name);
  const auto [connected, accepted] = both.shake_hands();
  CHECK(static_cast<bool>(connected) == (both.verified == X509_V_OK));
  return X509_verify_cert_error_string(both.verified);
}

}  // namespace

TEST_SUITE("net/tls_context") {
  TEST_CASE_FIXTURE(Folder, "a server is believed by its name or address and its authority") {
    CHECK(verdict(trusting, good, "example.org") == "ok");
    const auto by_address = files.add("ip", authority().issue({{"IP:127.0.0.1", "IP:::1"}}));
    CHECK(verdict(trusting, by_address, "127.0.0.1") == "ok");
    CHECK(verdict(trusting, by_address, "::1") == "ok");
    CHECK(verdict(trusting, by_address, "127.0.0.2") == "IP address mismatch");
    CHECK(verdict(trusting, good, "example.com") == "hostname mismatch");
    const auto wild = files.add("wild", authority().issue({{"DNS:*.example.org"}}));
    CHECK(verdict(trusting, wild, "a.example.org") == "ok");
    CHECK(verdict(trusting, wild, "a.b.example.org") == "hostname mismatch");
  }

  TEST_CASE_FIXTURE(Folder, "a certificate that expired is refused") {
    const auto old = files.add("old", authority().issue({{"DNS:example.org"}, true}));
    CHECK(verdict(trusting, old, "example.org") == "certificate has expired");
  }

  TEST_CASE_FIXTURE(Folder, "a server of an unknown authority is refused, the system's included") {
    const test::Authority other;
    const auto strange = files.add("strange", other.issue({{"DNS:example.org"}}));
    CHECK(verdict(trusting, strange, "example.org") == "unable to get local issuer certificate");
    CHECK(verdict({}, good, "example.org") == "unable to get local issuer certificate");
  }

  TEST_CASE_FIXTURE(Folder, "without verification any certificate will do") {
    TlsClientSettings careless;
    careless.verify = false;
    const auto server = server_of(one_certificate(good));
    const auto client = client_of(careless);
    TlsPair pair(*client, *server, "whatever.example");
    pair.open();
  }

  TEST_CASE_FIXTURE(Folder, "the certificate is chosen by name: exact, wildcard, else the first") {
    TlsServerSettings settings = one_certificate(good);
    settings.certificates = {
        files.add("wild", authority().issue({{"DNS:*.example.net", "DNS:w.example"}})),
        files.add("exact", authority().issue({{"DNS:a.example.net"}}))};
    const auto server = server_of(settings);
    TlsClientSettings careless;
    careless.verify = false;
    const auto client = client_of(careless);
    const auto gets = [&](const char* asked, const char* name) {
      CAPTURE(asked);
      TlsPair pair(*client, *server, asked);
      pair.open();
      CHECK(is_for(pair.client_ssl, name));
    };
    gets("example.org", "example.org");
    gets("a.example.net", "a.example.net");
    gets("A.Example.NET", "a.example.net");
    gets("b.example.net", "w.example");
    gets("unknown.example", "example.org");
    gets("10.0.0.1", "example.org");  // addresses are no server names
  }

  TEST_CASE_FIXTURE(Folder, "http/1.1 is agreed on, and a client without it is refused") {
    const auto server = server_of(one_certificate(good));
    const auto client = client_of(trusting);
    TlsPair pair(*client, *server);
    pair.open();
    const unsigned char* chosen = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(pair.client_ssl, &chosen, &size);
    CHECK(std::string(reinterpret_cast<const char*>(chosen), size) == "http/1.1");
    TlsClientSettings other = trusting;
    other.alpn = "h2";
    const auto h2 = client_of(other);
    TlsPair wrong(*h2, *server);
    const auto [connected, accepted] = wrong.shake_hands();
    CHECK(!connected);
    CHECK(!accepted);
    other.alpn = "";
    const auto silent = client_of(other);
    TlsPair fine(*silent, *server);
    fine.open();
  }

  TEST_CASE_FIXTURE(Folder, "min_version 1.3 refuses 1.2, which is accepted otherwise") {
    TlsServerSettings settings = one_certificate(good);
    const auto client = client_of(trusting);
    {
      const auto server = server_of(settings);
      TlsPair pair(*client, *server);
      SSL_set_max_proto_version(pair.client_ssl, TLS1_2_VERSION);
      pair.open();
      CHECK(std::string(SSL_get_version(pair.client_ssl)) == "TLSv1.2");
    }
    settings.min_version = TlsServerSettings::Version::v1_3;
    const auto strict = server_of(settings);
    TlsPair pair(*client, *strict);
    SSL_set_max_proto_version(pair.client_ssl, TLS1_2_VERSION);
    const auto [connected, accepted] = pair.shake_hands();
    CHECK(!connected);
    CHECK(std::string(accepted.error().what) == "unsupported protocol");
  }

  TEST_CASE_FIXTURE(Folder, "TLS 1.1 is refused") {
    const auto server = server_of(one_certificate(good));
    const auto client = client_of(trusting);
    TlsPair pair(*client, *server);
    SSL_set_security_level(pair.client_ssl, 0);
    SSL_set_min_proto_version(pair.client_ssl, TLS1_1_VERSION);
    SSL_set_max_proto_version(pair.client_ssl, TLS1_1_VERSION);
    const auto [connected, accepted] = pair.shake_hands();
    CHECK(!connected);
    CHECK(!accepted);
  }

  TEST_CASE_FIXTURE(Folder, "the next connection to a server resumes its session, in 1.2 and 1.3") {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      CAPTURE(version);
      const auto server = server_of(one_certificate(good));
      const auto client = client_of(trusting);
      for (const bool resumed : {false, true, true}) {
        TlsPair pair(*client, *server);
        SSL_set_max_proto_version(pair.client_ssl, version);
        pair.open();
        CHECK(pair.client->resumed() == resumed);
        CHECK(pair.server->resumed() == resumed);
      }
    }
  }

  TEST_CASE_FIXTURE(Folder, "a session of one server is not offered to another") {
    const auto both =
        files.add("both", authority().issue({{"DNS:one.example", "DNS:two.example"}}));
    const auto server = server_of(one_certificate(both));
    const auto client = client_of(trusting);
    TlsPair first(*client, *server, "one.example");
    first.open();
    TlsPair second(*client, *server, "two.example");
    second.open();
    CHECK(!second.client->resumed());
  }

  TEST_CASE_FIXTURE(Folder, "a renewed certificate serves new connections, and open ones go on") {
    const auto server = server_of(one_certificate(good));
    const auto client = client_of(trusting);
    TlsPair open(*client, *server);
    open.open();
    TlsProblem problem;
    CHECK(server->reload_if_changed(problem) == Reload::unchanged);
    files.add("good", authority().issue({{"DNS:example.org", "DNS:renewed.example"}}));
    CHECK(server->reload_if_changed(problem) == Reload::loaded);
    CHECK(server->reload_if_changed(problem) == Reload::unchanged);
    auto asking = test::run(test::write(*open.client, "still here", Deadline::never()));
    open.pump();
    CHECK(open.server->unread() == "still here");
    TlsClientSettings fresh = trusting;
    const auto stranger = client_of(fresh);
    TlsPair next(*stranger, *server);
    next.open();
    CHECK(is_for(next.client_ssl, "renewed.example"));
  }

  TEST_CASE_FIXTURE(Folder, "a handshake that began before a reload ends well after it") {
    const auto server = server_of(one_certificate(good));
    const auto client = client_of(trusting);
    TlsPair pair(*client, *server);
    files.add("good", authority().issue({{"DNS:example.org"}}));
    TlsProblem problem;
    CHECK(server->reload_if_changed(problem) == Reload::loaded);
    pair.open();
  }

  TEST_CASE_FIXTURE(Folder, "a broken renewal is reported once, and the old certificate stays") {
    const auto server = server_of(one_certificate(good));
    const auto client = client_of(trusting);
    const auto other = authority().issue({{"DNS:example.org"}});
    files.add_file("good.crt", other.certificate);  // its key comes later
    TlsProblem problem;
    CHECK(server->reload_if_changed(problem) == Reload::failed);
    CHECK(problem.key == "key");
    CHECK(problem.file == good.key);
    CHECK(problem.reason == "does not belong to the certificate " + good.certificate);
    CHECK(server->reload_if_changed(problem) == Reload::unchanged);
    TlsPair pair(*client, *server);
    pair.open();
    files.add_file("good.key", other.key);
    CHECK(server->reload_if_changed(problem) == Reload::loaded);
  }

  TEST_CASE_FIXTURE(Folder, "files that do not serve are named, with the reason") {
    const auto none = problem_of(one_certificate({files.path("none.crt"), good.key}));
    CHECK(none.key == "certificate");
    CHECK(none.file == files.path("none.crt"));
    CHECK(none.reason == "cannot be read: No such file or directory");
    CHECK(problem_of(one_certificate({files.path(""), good.key})).reason == "is a directory");
    const std::string junk = files.add_file("junk", "no PEM at all\n");
    CHECK(problem_of(one_certificate({junk, good.key})).reason == "holds no certificate (PEM)");
    const auto no_key = problem_of(one_certificate({good.certificate, junk}));
    CHECK(no_key.key == "key");
    CHECK(no_key.reason.find("private key") != std::string::npos);
    const auto other = files.add("other", authority().issue({{"DNS:other"}}));
    CHECK(problem_of(one_certificate({good.certificate, other.key})).reason ==
          "does not belong to the certificate " + good.certificate);
    TlsServerSettings second = one_certificate(good);
    second.certificates = {other, {other.certificate, junk}};
    CHECK(problem_of(second).key == "certificates[1].key");
    TlsClientSettings untrusting;
    untrusting.ca = junk;
    TlsProblem problem;
    CHECK(!TlsClientContext::create(untrusting, problem));
    CHECK(problem.key == "ca");
  }
}

}  // namespace mcplb::net
