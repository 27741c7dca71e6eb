// What the requests have in common that are sent to backends on the balancer's own account, and
// how their replies are read.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "mcplb/base/limits.hpp"
#include "mcplb/cluster/backend.hpp"
#include "mcplb/cluster/pool.hpp"
#include "mcplb/mcp/sse.hpp"
#include "mcplb/session/ask.hpp"
#include "mcplb/wire/call.hpp"

namespace mcplb::session {

// 128 random bits in hex.
std::string random_id();

inline bool is_success(int status) { return status >= 200 && status < 300; }
inline bool is_refusal(int status) { return status == 401 || status == 403; }

// The way to backends that a worker has.
class Connecting final : public Asker::Connector {
 public:
  explicit Connecting(cluster::Dispatcher& dispatcher) : dispatcher_(dispatcher) {}
  Task<Result<cluster::Lease>> connect(cluster::Backend& backend, Deadline deadline) override {
    return dispatcher_.connect(backend, deadline);
  }

 private:
  cluster::Dispatcher& dispatcher_;
};

// Reads the reply to a JSON-RPC request: JSON, or an event stream as far as it is wanted; at most
// limits::ask_reply_bytes_max. Lives for one call.
class OwnReply : public wire::ReplySink {
 public:
  bool on_head(const wire::CallHead& head) final;
  bool on_content(std::string_view content) final;

  int status() const { return status_; }
  bool too_large() const { return too_large_; }
  // A 401 or 403 for the client. `whole`: the reply was read to its end.
  Refusal take_refusal(bool whole);

 protected:
  OwnReply() = default;
  ~OwnReply() = default;
  OwnReply(const OwnReply&) = delete;
  OwnReply& operator=(const OwnReply&) = delete;

  // Whether what follows the head is of interest.
  virtual bool wants_body(const wire::CallHead& head) = 0;
  // The data of one event of a 2xx event stream; false when nothing further is wanted.
  virtual bool on_event(std::string_view data) = 0;

  bool is_event_stream() const { return event_stream_; }
  const std::string& content_type() const { return content_type_; }
  const std::string& body() const { return body_; }

 private:
  int status_ = 0;
  bool event_stream_ = false;
  bool too_large_ = false;
  std::size_t bytes_ = 0;
  std::string content_type_;
  std::string www_authenticate_;
  std::string body_;
  mcp::SseDataReader events_{limits::ask_reply_bytes_max};
};

}  // namespace mcplb::session
