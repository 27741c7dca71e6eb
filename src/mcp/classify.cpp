#include "mcplb/base/limits.hpp"
#include "mcplb/base/metrics.hpp"
#include "mcplb/base/text.hpp"
#include "mcplb/mcp/message.hpp"

#include "mcp/headers.hpp"
#include "mcp/jsonrpc.hpp"

namespace mcplb::mcp {
namespace {

void keep_bounded(std::string& scratch) {
  scratch.clear();
  if (scratch.capacity() > limits::scratch_bytes_kept) scratch.shrink_to_fit();
}

bool accepts_event_stream(const http::Fields& fields) {
  bool accepted = false;
  for (const http::Field& field : fields) {
    if (field.id != http::Name::accept) continue;
    for_each_list_element(field.value, [&accepted](std::string_view range) {
      const std::string_view type = trimmed(range.substr(0, range.find(';')));
      accepted = accepted || equals_ignoring_case(type, "text/event-stream");
      return !accepted;
    });
  }
  return accepted;
}

// What a request names, by its method.
std::string_view name_in(const Envelope& envelope, Method method) {
  switch (method) {
    case Method::tools_call:
    case Method::prompts_get:
      return envelope.name;
    case Method::resources_read:
    case Method::resources_subscribe:
    case Method::resources_unsubscribe:
      return envelope.uri;
    case Method::tasks_get:
    case Method::tasks_result:
    case Method::tasks_cancel:
    case Method::tasks_update:
      return envelope.task_id;
    default:
      return {};
  }
}

// The methods whose name 2026-07-28 mirrors in Mcp-Name.
bool mirrors_name(Method method) {
  switch (method) {
    case Method::tools_call:
    case Method::prompts_get:
    case Method::resources_read:
    case Method::tasks_get:
    case Method::tasks_cancel:
    case Method::tasks_update:
      return true;
    default:
      return false;
  }
}

// One request on its way through the rules. Lives for one call of classify().
class Classification {
 public:
  Classification(const http::RequestHead& head, Message& out, Refusal& refusal)
      : head_(head),
        headers_(read_mcp_headers(head.fields)),
        out_(out),
        refusal_(refusal) {}

  bool without_body();
  bool post(const Document& document);

 private:
  bool single(const Document& document);
  bool batch(const Document& document);
  void take_trace(const Envelope& envelope);
  bool find_era(const Envelope& envelope);
  bool check_mirrors(const Envelope& envelope);
  bool take_session();

  bool version_is_modern() const { return is_modern_version(headers_.version.value); }
  bool refuse(Refusal::Reason reason, const char* what) {
    refusal_ = {reason, what};
    return false;
  }
  bool bad_request(const char* what) { return refuse(Refusal::Reason::bad_request, what); }
  bool mismatch(const char* what) { return refuse(Refusal::Reason::header_mismatch, what); }

  const http::RequestHead& head_;
  const McpHeaders headers_;
  Message& out_;
  Refusal& refusal_;
};

// Only POST exists in 2026-07-28, so every other request is legacy or not MCP at all.
bool Classification::without_body() {
  using HttpMethod = http::Method;
  if (headers_.broken != nullptr) return bad_request(headers_.broken);
  const HttpMethod method = head_.method;
  const bool in_session = headers_.session.present;
  if (method == HttpMethod::get && (in_session || accepts_event_stream(head_.fields))) {
    out_.kind = Kind::stream;
  } else if (method == HttpMethod::del && in_session) {
    out_.kind = Kind::del;
  }
  const bool reads =
      method == HttpMethod::get || method == HttpMethod::head || method == HttpMethod::options;
  if (reads || out_.kind == Kind::del) out_.repeat = Repeat::safe;
  if (in_session || out_.kind == Kind::stream) out_.era = Era::legacy;
  return take_session();
}

bool Classification::post(const Document& document) {
  if (document.shape == Document::Shape::single) out_.id_json = document.envelope.id_json;
  if (headers_.broken != nullptr) return bad_request(headers_.broken);
  if (document.shape == Document::Shape::other) {
    // A stray session id on modern traffic means nothing, here as everywhere.
    if (headers_.session.present && !version_is_modern()) out_.era = Era::legacy;
    return take_session();
  }
  if (document.has_trailing) return bad_request("bytes after the JSON-RPC message");
  return document.shape == Document::Shape::batch ? batch(document) : single(document);
}

bool Classification::single(const Document& document) {
  const Envelope& envelope = document.envelope;
  if (envelope.repeats_a_key) return bad_request("a key of the JSON-RPC envelope occurs twice");
  if (envelope.has_method) {
    out_.kind = envelope.has_id ? Kind::request : Kind::notification;
    out_.method = method_of(envelope.method);
    out_.repeat = repeat_licence(out_.method);
    out_.name = name_in(envelope, out_.method);
    take_trace(envelope);
  } else if (envelope.has_outcome) {
    out_.kind = Kind::response;
  }
  if (!find_era(envelope)) return false;
  return out_.era == Era::modern ? check_mirrors(envelope) : take_session();
}

// A text beyond the bound would not be passed on anyway.
void Classification::take_trace(const Envelope& envelope) {
  const auto fits = [](std::string_view text) {
    return text.size() <= limits::tracestate_bytes_max;
  };
  if (fits(envelope.traceparent)) out_.traceparent = envelope.traceparent;
  if (fits(envelope.tracestate)) out_.tracestate = envelope.tracestate;
}

// Arrays exist in 2025-03-26 only. All their elements go to one backend, so none may be of
// another era, and none may open a session that no one could learn from the reply's head.
bool Classification::batch(const Document& document) {
  const Batch& batch = document.batch;
  out_.kind = Kind::batch;
  out_.era = Era::legacy;
  out_.repeat = batch.repeatable ? Repeat::safe : Repeat::never;
  if (batch.elements == 0) return bad_request("empty JSON-RPC batch");
  if (batch.elements > limits::batch_elements_max) {
    count_limit_hit(Limit::batch_elements);
    return bad_request("too many elements in a JSON-RPC batch");
  }
  if (batch.repeats_a_key) return bad_request("a key of the JSON-RPC envelope occurs twice");
  if (batch.has_claim) return bad_request("a modern request in a JSON-RPC batch");
  if (batch.has_initialize) return bad_request("initialize in a JSON-RPC batch");
  return take_session();
}

// The body decides, the version header only where the body is silent. An answer to a server's
// request belongs to the session that the server asked in, and modern servers never ask.
bool Classification::find_era(const Envelope& envelope) {
  out_.era = Era::legacy;
  if (out_.kind == Kind::response) return true;
  const bool claims_modern = envelope.has_claim && is_modern_version(envelope.claim);
  if (out_.method == Method::initialize && !claims_modern) {
    return !version_is_modern() || mismatch("initialize with a modern MCP-Protocol-Version");
  }
  if (envelope.has_claim || version_is_modern()) out_.era = Era::modern;
  const bool contradicts =
      envelope.has_claim && headers_.version.present && headers_.version.value != envelope.claim;
  return !contradicts || mismatch("MCP-Protocol-Version differs from the body");
}

// Absent fields are the backend's to miss: it knows which ones its revision wants.
bool Classification::check_mirrors(const Envelope& envelope) {
  if (headers_.method.present && headers_.method.value != envelope.method) {
    return mismatch("Mcp-Method differs from the body");
  }
  if (headers_.name.present && mirrors_name(out_.method) &&
      !names(headers_.name.value, out_.name)) {
    return mismatch("Mcp-Name differs from the body");
  }
  return true;
}

bool Classification::take_session() {
  if (out_.era != Era::legacy) return true;
  if (headers_.session.present) {
    if (!is_session_id(headers_.session.value)) return bad_request("malformed Mcp-Session-Id");
    out_.session = headers_.session.value;
  } else if (head_.method == http::Method::post) {
    out_.session = endpoint_session(head_.query);
    out_.endpoint_session = !out_.session.empty();
  }
  return true;
}

}  // namespace

void Message::clear() {
  era = Era::none;
  kind = Kind::other;
  method = Method::none;
  repeat = Repeat::never;
  keep_bounded(name);
  keep_bounded(id_json);
  session = {};
  endpoint_session = false;
  traceparent.clear();
  tracestate.clear();
}

struct Classifier::Parser {
  EnvelopeReader reader;
};

Classifier::Classifier() : parser_(std::make_unique<Parser>()) {}
Classifier::~Classifier() = default;

bool Classifier::classify(const http::RequestHead& head, const std::string& body, Message& out,
                          Refusal& refusal) {
  out.clear();
  Classification classification(head, out, refusal);
  if (head.method != http::Method::post) return classification.without_body();
  const bool accepted = classification.post(parser_->reader.read(body));
  parser_->reader.shrink();
  return accepted;
}

}  // namespace mcplb::mcp
