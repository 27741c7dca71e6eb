// A Stream that encrypts what goes through another one. OpenSSL sees no socket: its BIO reads from
// the unread bytes of the stream below and writes into it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "mcplb/async/nursery.hpp"
#include "mcplb/async/task.hpp"
#include "mcplb/net/stream.hpp"
#include "mcplb/net/tls.hpp"

struct bio_st;

namespace mcplb::net {

class TlsStream final : public Stream, private Stream::Watcher, private Deferred {
 public:
  // What every stream of a loop shares.
  struct Home {
    DeferQueue& later;
    BufferPool& buffers;
  };
  TlsStream(Home home, std::unique_ptr<Stream> below, TlsSession session);
  // Says goodbye (close_notify), unless the connection is to be reset.
  ~TlsStream() override;

  // Comes first and once; the stream is usable after it has succeeded. The errors are those of the
  // stream below, and `malformed` with OpenSSL's reason.
  Task<Result<void>> handshake(Deadline deadline);
  // About the handshake that succeeded.
  bool resumed() const;

  void shutdown_write() override;
  void reset_on_close(bool on) override;
  bool write_pending() const override;
  bool is_quiet() override;
  // The peer's system taking bytes proves nothing about records, so nothing is ever proven here.
  bool proves_nothing_delivered(std::uint64_t /*written_before*/) override { return false; }

 private:
  friend struct BioMethod;
  // OpenSSL's ends. Both return what a BIO returns: the number of bytes, or -1.
  int give(char* data, std::size_t size);
  int take(std::string_view data);

  std::size_t unacknowledged() const override;
  std::ptrdiff_t try_write(const Slices& bytes) override;
  void queue_write(std::string rest) override;
  void set_reading(bool on) override;
  void fetch() override;
  void on_bytes_unasked() override { decrypt(); }
  void on_peer_gone() override { decrypt(); }
  void on_write_ended(const std::optional<Error>& error) override;
  void run_deferred() override;

  bool blocked() const { return below_busy_ || !out_.empty(); }
  std::size_t encrypt(const Slices& bytes, std::size_t from);
  std::size_t read_records(Buffer::Room room);
  void decrypt();
  void push();
  void finish_shutdown();
  void note_read_failure(int returned);

  DeferQueue& later_;
  TlsSession session_;  // before what it writes into, so that it goes last
  std::unique_ptr<Stream> below_;
  std::string out_;                // records that the stream below has not been given yet
  std::string queued_;             // plain text of the one write that waits
  std::size_t queued_sent_ = 0;    // bytes of it that are records already
  std::size_t ahead_ = 0;          // of the write that is about to be queued, already records
  std::optional<Error> read_end_;  // found, and to be told once the bytes before it are
  int broken_ = 0;                 // errno of a write that failed
  bool below_busy_ = false;        // it still has bytes of ours to write
  bool open_ = false;              // the handshake has succeeded
  bool reading_ = false;
  bool ending_ = false;  // shutdown_write() was called
  bool reset_on_close_ = false;
};

// OpenSSL's reason for what failed last, a text that lives forever; clears its error queue.
const char* take_tls_reason();

}  // namespace mcplb::net
