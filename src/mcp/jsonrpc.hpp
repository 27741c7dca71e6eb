// The envelope of a JSON-RPC 2.0 message, read in one pass and in whatever order its keys come.
// Payloads (arguments, results) are stepped over, never copied or checked.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "mcplb/mcp/message.hpp"

namespace mcplb::mcp {

// What one message says of itself. A text is empty when its key is absent or holds no string.
struct Envelope {
  bool has_jsonrpc = false;
  bool has_id = false;
  bool has_method = false;
  bool has_outcome = false;    // `result` or `error`
  bool has_claim = false;      // params._meta names a protocol version, whatever it is
  bool repeats_a_key = false;  // JSON parsers differ in which of two equal keys counts
  std::string_view id_json;    // the JSON text of a string or an integer
  std::string_view method;
  std::string_view name;     // params.name
  std::string_view uri;      // params.uri
  std::string_view task_id;  // params.taskId
  std::string_view claim;    // the protocol version that _meta claims
  std::string_view traceparent;  // of _meta
  std::string_view tracestate;
};

// What the elements of an array say together.
struct Batch {
  std::size_t elements = 0;
  bool has_jsonrpc = false;
  bool has_claim = false;
  bool has_initialize = false;
  bool repeats_a_key = false;
  bool repeatable = true;  // every element may be sent again
};

struct Document {
  enum class Shape : std::uint8_t {
    other,  // not JSON, or JSON that is not JSON-RPC
    single,
    batch  // an empty array counts as one
  };
  Shape shape = Shape::other;
  bool has_trailing = false;  // more than white space follows
  Envelope envelope;          // when single
  Batch batch;                // when a batch
};

// Reads bodies one after another. Keeps its buffers between calls: one per worker, on its loop
// only.
class EnvelopeReader {
 public:
  EnvelopeReader();
  ~EnvelopeReader();
  EnvelopeReader(const EnvelopeReader&) = delete;
  EnvelopeReader& operator=(const EnvelopeReader&) = delete;

  // `body` has Classifier::padding_bytes of room after its end. The document's views point into
  // the body and into this reader's buffers: they live until the next call.
  const Document& read(const std::string& body);
  // Gives back what only a huge body needed. The views of the last document end here.
  void shrink();

 private:
  struct Parser;
  bool prepare(std::size_t bytes);

  std::unique_ptr<Parser> parser_;
  Document document_;
};

}  // namespace mcplb::mcp
