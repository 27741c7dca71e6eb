// Certificates made while the test runs, in a folder that goes with it.
//
//   CertificateFolder folder;
//   Authority authority;
//   const auto files = folder.add("server", authority.issue({{"DNS:example.org"}}));
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mcplb/net/settings.hpp"

struct evp_pkey_st;
struct x509_st;

namespace mcplb::test {

struct PemPair {
  std::string certificate;
  std::string key;
};

struct CertificateWish {
  std::vector<std::string> names;  // "DNS:*.example.org", "IP:127.0.0.1"
  bool expired = false;
};

class Authority {
 public:
  Authority();
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  PemPair issue(const CertificateWish& wish) const;
  std::string pem() const;

 private:
  struct FreeKey {
    void operator()(evp_pkey_st* key) const;
  };
  struct FreeCertificate {
    void operator()(x509_st* certificate) const;
  };
  std::unique_ptr<evp_pkey_st, FreeKey> key_;
  std::unique_ptr<x509_st, FreeCertificate> certificate_;
};

class CertificateFolder {
 public:
  CertificateFolder();
  ~CertificateFolder();
  CertificateFolder(const CertificateFolder&) = delete;
  CertificateFolder& operator=(const CertificateFolder&) = delete;

  // Each replaces what had the name before, by rename as certbot and Kubernetes do.
  net::TlsCertificateSettings add(const std::string& name, const PemPair& pair) const;
  std::string add_file(const std::string& name, const std::string& content) const;
  std::string path(const std::string& name) const { return path_ + '/' + name; }

 private:
  std::string path_;
};

}  // namespace mcplb::test
