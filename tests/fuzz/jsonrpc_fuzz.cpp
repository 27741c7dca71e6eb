// Any body: the classifier neither crashes nor looks behind the body's end, and its one pass over
// the envelope agrees with a parser that reads the whole document.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include "mcplb/base/limits.hpp"
#include "mcplb/mcp/message.hpp"
#include "mcplb/mcp/opening.hpp"

#include "mcp/jsonrpc.hpp"

namespace {

using namespace mcplb;
using simdjson::dom::element;
using simdjson::dom::object;

void require(bool claim) {
  if (!claim) std::abort();
}

// The field of that name in an object and how often it occurs.
struct Found {
  int count = 0;
  element value;

  bool is_object() const { return count == 1 && value.is_object(); }
  std::string_view text() const {
    std::string_view text;
    if (count != 1 || value.get(text) != simdjson::SUCCESS) return {};
    return text;
  }
  object as_object() const {
    object fields;
    require(value.get(fields) == simdjson::SUCCESS);
    return fields;
  }
};

Found find(const object& fields, std::string_view key) {
  Found found;
  for (const auto field : fields) {
    if (field.key != key) continue;
    ++found.count;
    found.value = field.value;
  }
  return found;
}

// Whether the envelope of a sound message holds what the whole document holds.
void check_message(const object& message, const mcp::Envelope& envelope) {
  bool repeats = false;
  const auto get = [&repeats](const object& fields, std::string_view key) {
    const Found found = find(fields, key);
    repeats = repeats || found.count > 1;
    return found;
  };
  const Found id = get(message, "id");
  const Found method = get(message, "method");
  const Found result = get(message, "result");
  const Found error = get(message, "error");
  const Found params = get(message, "params");
  repeats = repeats || find(message, "jsonrpc").count > 1;
  std::array<Found, 3> named;
  Found claim;
  if (params.is_object()) {
    const object fields = params.as_object();
    named = {get(fields, "name"), get(fields, "uri"), get(fields, "taskId")};
    const Found meta = get(fields, "_meta");
    if (meta.is_object()) {
      claim = get(meta.as_object(), "io.modelcontextprotocol/protocolVersion");
    }
  }
  if (params.count > 1) return require(envelope.repeats_a_key);
  require(envelope.repeats_a_key == repeats);
  if (repeats) return;
  require(envelope.has_id == (id.count == 1));
  require(envelope.has_method == (method.count == 1));
  require(envelope.has_outcome == (result.count + error.count > 0));
  require(envelope.has_claim == (claim.count == 1));
  require(envelope.method == method.text());
  require(envelope.name == named[0].text());
  require(envelope.uri == named[1].text());
  require(envelope.task_id == named[2].text());
  require(envelope.claim == claim.text());
  if (id.count == 1 && (id.value.is_int64() || id.value.is_uint64())) {
    require(!envelope.id_json.empty());
  }
}

void check_against_whole_parse(const std::string& body, const mcp::Document& document) {
  simdjson::dom::parser parser;
  element root;
  if (parser.parse(body.data(), body.size(), true).get(root) != simdjson::SUCCESS) return;
  require(!document.has_trailing);
  object message;
  if (root.get(message) == simdjson::SUCCESS) {
    const bool is_message = find(message, "jsonrpc").count > 0;
    require((document.shape == mcp::Document::Shape::single) == is_message);
    if (is_message) check_message(message, document.envelope);
  }
  simdjson::dom::array batch;
  if (root.get(batch) == simdjson::SUCCESS && document.shape == mcp::Document::Shape::batch) {
    std::size_t elements = 0;
    for ([[maybe_unused]] const auto each : batch)
      ++elements;
    require(document.batch.elements == elements);
  }
}

http::RequestHead head_of(std::uint8_t choice) {
  http::RequestHead head;
  head.method = http::Method::post;
  if ((choice & 1) != 0) head.fields.add("Mcp-Session-Id", "7f3c9a");
  if ((choice & 2) != 0) head.fields.add("MCP-Protocol-Version", "2026-07-28");
  if ((choice & 4) != 0) head.fields.add("Mcp-Method", "tools/call");
  if ((choice & 8) != 0) head.fields.add("Mcp-Name", "=?base64?YQ==?=");
  if ((choice & 16) != 0) head.query = "sessionId=b1";
  return head;
}

// The same bytes with `filling` in the room behind them.
std::string padded(std::string_view text, char filling) {
  std::string body(text.size() + mcp::Classifier::padding_bytes, filling);
  body.replace(0, text.size(), text);
  body.resize(text.size());
  return body;
}

bool classify(const http::RequestHead& head, const std::string& body, mcp::Message& message) {
  static mcp::Classifier classifier;
  mcp::Refusal refusal;
  const bool accepted = classifier.classify(head, body, message, refusal);
  require(accepted || refusal.what[0] != '\0');
  require(message.era == mcp::Era::legacy || message.session.empty());
  require(!message.endpoint_session || !message.session.empty());
  require(message.kind == mcp::Kind::other || message.era != mcp::Era::none || !accepted);
  return accepted;
}

// What is kept of it to open a session again obeys its bounds.
void check_opening(std::string_view text) {
  for (const char* const type : {"application/json", "text/event-stream"}) {
    const auto result = mcp::read_initialize_result(type, text);
    if (!result) continue;
    require(result->protocol.size() <= limits::session_protocol_bytes_max);
    // Of two equal keys each reader may take another one, so nothing follows for equal texts.
    require(mcp::offers_no_less(result->capabilities, "{}"));
    static_cast<void>(mcp::offers_no_less(result->capabilities, result->capabilities));
  }
  mcp::Journal journal;
  for (const auto method : {mcp::Method::logging_set_level, mcp::Method::resources_subscribe}) {
    const bool changed = mcp::journal_note(journal, method, text);
    require(!mcp::journal_note(journal, method, text) && changed != journal.empty());
    if (method == mcp::Method::logging_set_level) journal = {};
  }
  require(journal.bytes() <= limits::session_journal_bytes_max);
  const bool gone = mcp::journal_note(journal, mcp::Method::resources_unsubscribe, text);
  require(journal.empty() && gone == !mcp::subscription_uri(text).empty());
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer looks for this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const http::RequestHead head = head_of(data[0]);
  mcp::Message expected;
  const bool accepted = classify(head, padded(text, ' '), expected);
  for (const char filling : {'}', ']', ',', '"', ':', '{', '1', '\0', '\\'}) {
    mcp::Message message;
    require(classify(head, padded(text, filling), message) == accepted);
    require(message.era == expected.era && message.kind == expected.kind);
    require(message.method == expected.method && message.name == expected.name);
    require(message.id_json == expected.id_json && message.session == expected.session);
  }
  static mcp::EnvelopeReader reader;
  const std::string body = padded(text, '}');
  check_against_whole_parse(body, reader.read(body));
  check_opening(text);
  return 0;
}
