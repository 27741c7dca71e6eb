#include "net/tls_stream.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb::net {
namespace {

constexpr std::size_t record_bytes = SSL3_RT_MAX_PLAIN_LENGTH;

constexpr const char* truncated = "the connection ended without TLS close_notify";

// The next record's worth of `bytes` after `from`: a view of them where they lie together, else a
// copy that lives until the next call on this thread.
std::string_view next_record(const Slices& bytes, std::size_t from) {
  thread_local std::array<char, record_bytes> gathered;
  std::size_t filled = 0;
  for (std::string_view piece : bytes.pieces) {
    const std::size_t skipped = std::min(from, piece.size());
    from -= skipped;
    piece.remove_prefix(skipped);
    if (filled == 0 && piece.size() >= record_bytes) return piece.substr(0, record_bytes);
    const std::size_t copied = std::min(piece.size(), gathered.size() - filled);
    if (copied > 0) std::memcpy(gathered.data() + filled, piece.data(), copied);
    filled += copied;
  }
  return {gathered.data(), filled};
}

Error broken_error(int code) {
  return {Error::Kind::reset, Error::Side::self, code, "connection broke while writing"};
}

}  // namespace

const char* take_tls_reason() {
  const unsigned long code = ERR_peek_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "TLS failed" : reason;
}

// OpenSSL's view of a TlsStream: a source and sink that never blocks for writing.
struct BioMethod {
  static BIO_METHOD* get() {
    static BIO_METHOD* const method = make();
    return method;
  }

 private:
  static BIO_METHOD* make() {
    BIO_METHOD* const method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "mcplb");
    MCPLB_ASSERT(method != nullptr);
    BIO_meth_set_read(method, [](BIO* bio, char* data, int size) {
      BIO_clear_retry_flags(bio);
      const int got = stream_of(bio).give(data, static_cast<std::size_t>(size));
      if (got < 0) BIO_set_retry_read(bio);
      return got;
    });
    BIO_meth_set_write(method, [](BIO* bio, const char* data, int size) {
      BIO_clear_retry_flags(bio);
      return stream_of(bio).take({data, static_cast<std::size_t>(size)});
    });
    BIO_meth_set_ctrl(
        method, [](BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1L : 0L; });
    return method;
  }
  static TlsStream& stream_of(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }
};

TlsStream::TlsStream(Home home, std::unique_ptr<Stream> below, TlsSession session)
    : Stream(below->timers(), home.buffers),
      later_(home.later),
      session_(std::move(session)),
      below_(std::move(below)) {
  BIO* const bio = BIO_new(BioMethod::get());
  MCPLB_ASSERT(bio != nullptr);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(session_.ssl.get(), bio, bio);
}

TlsStream::~TlsStream() {
  below_->watch(nullptr);
  SSL* const ssl = session_.ssl.get();
  const bool says_goodbye = open_ && !ending_ && !reset_on_close_ && broken_ == 0 && !blocked();
  if (says_goodbye) SSL_shutdown(ssl);
  // Without it OpenSSL would take the session for a broken one and never resume it.
  SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  ERR_clear_error();
}

int TlsStream::give(char* data, std::size_t size) {
  const std::string_view unread = below_->unread().substr(0, size);
  if (unread.empty()) return -1;
  std::memcpy(data, unread.data(), unread.size());
  const auto given = static_cast<int>(unread.size());
  below_->consume(unread.size());
  return given;
}

// Always all of it, so that OpenSSL never has to wait: what the stream below does not take at once
// is kept, and nothing more is encrypted before it is out.
int TlsStream::take(std::string_view data) {
  std::size_t taken = 0;
  if (open_ && !blocked() && broken_ == 0) {
    Slices bytes;
    bytes.pieces[0] = data;
    const std::ptrdiff_t written = try_write_below(*below_, bytes);
    if (written < 0) broken_ = static_cast<int>(-written);
    if (written > 0) taken = static_cast<std::size_t>(written);
  }
  // A peer that makes us answer (KeyUpdate, alerts) and never reads would fill the memory.
  if (out_.size() + data.size() > limits::tls_unsent_bytes_max) broken_ = EOVERFLOW;
  if (broken_ != 0) return -1;
  out_.append(data.substr(taken));
  return static_cast<int>(data.size());
}

Task<Result<void>> TlsStream::handshake(Deadline deadline) {
  SSL* const ssl = session_.ssl.get();
  while (true) {
    ERR_clear_error();
    const int returned = SSL_do_handshake(ssl);
    const bool waits = returned != 1 && SSL_get_error(ssl, returned) == SSL_ERROR_WANT_READ;
    const char* const reason = returned == 1 || waits ? "" : take_tls_reason();
    if (!out_.empty()) {
      auto written = co_await below_->write(out_, deadline);
      // A peer that left may have said why.
      const bool explained = returned != 1 && !below_->unread().empty();
      if (!written && !explained) co_return written.error();
      release(out_);
    }
    if (returned == 1) break;
    if (!waits) co_return Error{Error::Kind::malformed, Error::Side::self, 0, reason};
    if (below_->unread().empty()) {
      auto more = co_await below_->more(deadline);
      if (!more) co_return more.error();
    }
  }
  open_ = true;
  below_->watch(this);
  start_reading();
  co_return Result<void>();
}

bool TlsStream::resumed() const {
  return SSL_session_reused(session_.ssl.get()) == 1;
}

void TlsStream::shutdown_write() {
  if (std::exchange(ending_, true) || broken_ != 0) return;
  ERR_clear_error();
  SSL_shutdown(session_.ssl.get());
  push();
  finish_shutdown();
}

void TlsStream::finish_shutdown() {
  if (ending_ && !write_pending()) below_->shutdown_write();
}

void TlsStream::reset_on_close(bool on) {
  reset_on_close_ = on;
  below_->reset_on_close(on);
}

bool TlsStream::write_pending() const {
  return blocked() || !queued_.empty();
}

std::size_t TlsStream::unacknowledged() const {
  return unacknowledged_below(*below_) + out_.size() + queued_.size() - queued_sent_;
}

// Tickets and KeyUpdate records come while a connection idles and are no bytes for anybody: what
// waits in the socket is looked at by OpenSSL.
bool TlsStream::is_quiet() {
  if (end() || read_end_ || !unread().empty()) return false;
  if (below_->unread().empty() && below_->is_quiet()) return true;
  if (below_->unread().empty()) fetch_below(*below_);
  ERR_clear_error();
  char byte = 0;
  std::size_t count = 0;
  const int returned = SSL_peek_ex(session_.ssl.get(), &byte, 1, &count);
  push();
  if (returned == 1) {
    later_.defer(*this);
    return false;
  }
  const bool waits = SSL_get_error(session_.ssl.get(), returned) == SSL_ERROR_WANT_READ;
  if (!waits) later_.defer(*this);
  return waits && !write_pending() && below_->is_quiet();
}

// Encrypts from `from` on until the stream below has enough. Returns how far it came.
std::size_t TlsStream::encrypt(const Slices& bytes, std::size_t from) {
  const std::size_t size = bytes.size();
  while (from < size && !blocked() && broken_ == 0) {
    const std::string_view record = next_record(bytes, from);
    std::size_t written = 0;
    ERR_clear_error();
    const int returned = SSL_write_ex(session_.ssl.get(), record.data(), record.size(), &written);
    if (returned != 1 && broken_ == 0) broken_ = EPROTO;
    if (returned == 1) from += written;
  }
  push();
  return from;
}

std::ptrdiff_t TlsStream::try_write(const Slices& bytes) {
  if (broken_ != 0 || ending_) return -(broken_ != 0 ? broken_ : EPIPE);
  // Left over from a flow that gave up waiting, as in TcpStream.
  if (!queued_.empty()) return -EBUSY;
  const std::size_t size = bytes.size();
  std::size_t done = encrypt(bytes, 0);
  if (broken_ != 0 && done == 0) return -broken_;
  // Written is what the stream below has taken: while it has not, the writer waits, for one byte
  // that is encrypted already when there is no other.
  const bool held_back = done > 0 && done == size && blocked();
  if (held_back) --done;
  ahead_ = held_back ? 1 : 0;
  return static_cast<std::ptrdiff_t>(done);
}

void TlsStream::queue_write(std::string rest) {
  queued_ = std::move(rest);
  queued_sent_ = std::exchange(ahead_, 0);
  if (!blocked()) later_.defer(*this);  // it broke: nobody else will say so
}

// Hands over what has to wait.
void TlsStream::push() {
  if (out_.empty() || below_busy_ || !open_) return;
  below_busy_ = true;
  queue_below(*below_, std::exchange(out_, {}));
}

void TlsStream::on_write_ended(const std::optional<Error>& error) {
  below_busy_ = false;
  if (error && broken_ == 0) broken_ = error->os_code != 0 ? error->os_code : EPIPE;
  if (broken_ == 0) push();
  if (broken_ == 0 && !queued_.empty()) {
    Slices rest;
    rest.pieces[0] = queued_;
    queued_sent_ = encrypt(rest, queued_sent_);
  }
  const bool goes_on = broken_ == 0 && (blocked() || queued_sent_ < queued_.size());
  if (goes_on) return;
  release(queued_);
  queued_sent_ = 0;
  if (broken_ != 0) {
    write_ended(broken_error(broken_));
    return;
  }
  finish_shutdown();
  write_ended(std::nullopt);
}

void TlsStream::set_reading(bool on) {
  reading_ = on;
  const bool something_waits = read_end_ || SSL_pending(session_.ssl.get()) > 0 ||
                               !below_->unread().empty() || below_->end();
  if (on && something_waits) later_.defer(*this);
}

void TlsStream::run_deferred() {
  if (!queued_.empty() && !blocked()) {
    later_.defer(*this);  // for what is to be read
    on_write_ended(std::nullopt);
    return;
  }
  decrypt();
}

void TlsStream::fetch() {
  if (!below_->unread().empty()) return;
  fetch_below(*below_);
  note_fetched(read_records(input().prepare()));
  input().release_if_empty();
}

// Fills `room` as far as it can; an end that it meets is kept in read_end_.
std::size_t TlsStream::read_records(Buffer::Room room) {
  SSL* const ssl = session_.ssl.get();
  std::size_t filled = 0;
  while (filled < room.size && !read_end_) {
    // Asked for more than there is, OpenSSL would keep a record buffer while the connection idles.
    const bool dry = below_->unread().empty() && SSL_has_pending(ssl) == 0;
    if (dry) break;
    std::size_t got = 0;
    ERR_clear_error();
    const int returned = SSL_read_ex(ssl, room.data + filled, room.size - filled, &got);
    filled += got;
    if (returned == 1) continue;
    if (SSL_get_error(ssl, returned) == SSL_ERROR_WANT_READ) break;
    note_read_failure(returned);
  }
  push();
  // Everything that came before it has been read.
  const bool drained = filled < room.size;
  if (drained && !read_end_ && below_->end()) {
    const bool by_fin = below_->end()->kind == Error::Kind::closed;
    read_end_ = Error{Error::Kind::reset, Error::Side::self, below_->end()->os_code,
                      by_fin ? truncated : below_->end()->what};
  }
  return filled;
}

void TlsStream::note_read_failure(int returned) {
  if (SSL_get_error(session_.ssl.get(), returned) == SSL_ERROR_ZERO_RETURN) {
    read_end_ = Error{Error::Kind::closed, Error::Side::self, 0, "peer closed the connection"};
    return;
  }
  read_end_ = Error{Error::Kind::reset, Error::Side::self, broken_, take_tls_reason()};
}

// The last thing that it does is to wake whoever waits, who may destroy this stream.
void TlsStream::decrypt() {
  // What is not wanted now stays below, whose buffer fills and whose peer waits.
  if (!reading_ || end()) return;
  const Buffer::Room room = input().prepare();
  const std::size_t count = read_records(room);
  if (count > 0) {
    // There may be more, and no event of the stream below will tell.
    if (count == room.size || read_end_) later_.defer(*this);
    bytes_arrived(count);
    return;
  }
  input().release_if_empty();
  if (!read_end_) return;
  reading_ = false;
  read_ended(*read_end_);
}

}  // namespace mcplb::net
