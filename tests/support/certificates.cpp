#include "support/certificates.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "mcplb/base/assert.hpp"

namespace mcplb::test {
namespace {

constexpr long day = 24 * 60 * 60;

void add_extension(X509* certificate, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  MCPLB_ASSERT(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

X509* new_certificate(EVP_PKEY* key, const char* name) {
  static long serial = 0;
  X509* const certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -2 * day);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 2 * day);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  return certificate;
}

template <class Write>
std::string pem_of(Write write) {
  BIO* const memory = BIO_new(BIO_s_mem());
  MCPLB_ASSERT(write(memory) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(memory);
  return text;
}

}  // namespace

void Authority::FreeKey::operator()(evp_pkey_st* key) const {
  EVP_PKEY_free(key);
}
void Authority::FreeCertificate::operator()(x509_st* certificate) const {
  X509_free(certificate);
}

Authority::Authority() : key_(EVP_EC_gen("P-256")) {
  static int count = 0;
  const std::string name = "test authority " + std::to_string(++count);
  certificate_.reset(new_certificate(key_.get(), name.c_str()));
  X509* const certificate = certificate_.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate, NID_subject_key_identifier, "hash");
  MCPLB_ASSERT(X509_sign(certificate, key_.get(), EVP_sha256()) > 0);
}
Authority::~Authority() = default;

PemPair Authority::issue(const CertificateWish& wish) const {
  const std::unique_ptr<evp_pkey_st, FreeKey> key(EVP_EC_gen("P-256"));
  const std::unique_ptr<x509_st, FreeCertificate> certificate(
      new_certificate(key.get(), "test server"));
  X509* const raw = certificate.get();
  X509_set_issuer_name(raw, X509_get_subject_name(certificate_.get()));
  if (wish.expired) X509_gmtime_adj(X509_getm_notAfter(raw), -day);
  std::string names;
  for (const std::string& name : wish.names)
    names += (names.empty() ? "" : ",") + name;
  if (!names.empty()) add_extension(raw, NID_subject_alt_name, names);
  MCPLB_ASSERT(X509_sign(raw, key_.get(), EVP_sha256()) > 0);
  return {pem_of([&](BIO* out) { return PEM_write_bio_X509(out, raw); }), pem_of([&](BIO* out) {
            return PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

std::string Authority::pem() const {
  return pem_of([&](BIO* out) { return PEM_write_bio_X509(out, certificate_.get()); });
}

CertificateFolder::CertificateFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "mcplb-test-XXXXXX").string();
  MCPLB_ASSERT(mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

CertificateFolder::~CertificateFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

net::TlsCertificateSettings CertificateFolder::add(const std::string& name,
                                                   const PemPair& pair) const {
  return {add_file(name + ".crt", pair.certificate), add_file(name + ".key", pair.key)};
}

std::string CertificateFolder::add_file(const std::string& name, const std::string& content) const {
  const std::string next = path(name + ".next");
  std::ofstream(next, std::ios::binary) << content;
  std::filesystem::rename(next, path(name));
  return path(name);
}

}  // namespace mcplb::test
