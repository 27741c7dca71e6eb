#include "mcp/jsonrpc.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

// Errors come as codes; this turns the throwing half of the library off.
#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include "mcplb/base/assert.hpp"
#include "mcplb/base/limits.hpp"
#include "mcplb/base/text.hpp"

namespace mcplb::mcp {

namespace ondemand = simdjson::ondemand;

static_assert(Classifier::padding_bytes == simdjson::SIMDJSON_PADDING);

namespace {

constexpr std::string_view claim_key = "io.modelcontextprotocol/protocolVersion";

// The parser's buffers take about six times the document that they were made for.
constexpr std::size_t parser_bytes_min = std::size_t{4} * 1024;
constexpr std::size_t parser_bytes_kept = std::size_t{1024} * 1024;

std::string_view without_blank_end(std::string_view token) {
  return token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
}

// A key as it reads after unescaping. One whose escapes are broken reads as empty: it is none of
// ours, and the backend will refuse the document.
std::string_view key_of(ondemand::field& field) {
  const char* const begin = field.key().raw();
  const char* end = begin;
  while (*end != '"' && *end != '\\')
    ++end;
  if (*end == '"') return {begin, static_cast<std::size_t>(end - begin)};
  std::string_view key;
  if (field.unescaped_key().get(key) != simdjson::SUCCESS) return {};
  return key;
}

// The text of a JSON string, unescaped; empty for any other value. Only a string with escapes is
// copied (into the parser's buffer, once: a second time could overflow it).
std::string_view text_of(ondemand::value& value) {
  const std::string_view token = without_blank_end(value.raw_json_token());
  if (token.size() < 2 || token.front() != '"') return {};
  const std::string_view inner = token.substr(1, token.size() - 2);
  if (std::memchr(inner.data(), '\\', inner.size()) == nullptr) return inner;
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) return {};
  return text;
}

bool is_integer(std::string_view token) {
  if (token.starts_with('-')) token.remove_prefix(1);
  if (token.size() > 1 && token.front() == '0') return false;
  return !token.empty() && std::all_of(token.begin(), token.end(), is_digit);
}

// An id as it stood. It is going to be echoed, so it is taken only when it is sound JSON.
std::string_view id_of(ondemand::value& value) {
  const std::string_view token = without_blank_end(value.raw_json_token());
  if (token.size() > limits::request_id_bytes_max) return {};
  if (!token.starts_with('"')) return is_integer(token) ? token : std::string_view();
  if (token.find('\\') == std::string_view::npos) return token;
  std::string_view text;
  return value.get_string().get(text) == simdjson::SUCCESS ? token : std::string_view();
}

// Calls `visit(key, value)` for each field; false when the JSON is broken or `visit` says so.
template <class Visit>
bool for_each_field(ondemand::object object, Visit visit) {
  for (auto item : object) {
    ondemand::field field;
    if (std::move(item).get(field) != simdjson::SUCCESS) return false;
    const std::string_view key = key_of(field);
    if (!visit(key, field.value())) return false;
  }
  return true;
}

// Steps into a value if it is an object; any other value is left to be stepped over.
template <class Visit>
bool for_each_field_if_object(ondemand::value& value, Visit visit) {
  if (!std::string_view(value.raw_json_token()).starts_with('{')) return true;
  ondemand::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) return false;
  return for_each_field(object, visit);
}

// Reads one message into an Envelope.
class MessageReader {
 public:
  explicit MessageReader(Envelope& out) : out_(out) { out_ = {}; }

  bool read(ondemand::object message) {
    return for_each_field(message, [this](std::string_view key, ondemand::value& value) {
      return on_field(key, value);
    });
  }

 private:
  enum Seen : unsigned {
    params = 1,
    result = 2,
    error = 4,
    name = 8,
    uri = 16,
    task = 32,
    meta = 64
  };

  bool on_field(std::string_view key, ondemand::value& value) {
    if (key == "jsonrpc") {
      note(out_.has_jsonrpc);
    } else if (key == "id") {
      if (note(out_.has_id)) out_.id_json = id_of(value);
    } else if (key == "method") {
      if (note(out_.has_method)) out_.method = text_of(value);
    } else if (key == "params") {
      if (note(params)) return read_params(value);
    } else if (key == "result") {
      note(result);
      out_.has_outcome = true;
    } else if (key == "error") {
      note(error);
      out_.has_outcome = true;
    }
    return true;
  }

  bool read_params(ondemand::value& value) {
    return for_each_field_if_object(value, [this](std::string_view key, ondemand::value& param) {
      if (key == "name") {
        if (note(name)) out_.name = text_of(param);
      } else if (key == "uri") {
        if (note(uri)) out_.uri = text_of(param);
      } else if (key == "taskId") {
        if (note(task)) out_.task_id = text_of(param);
      } else if (key == "_meta") {
        if (note(meta)) return read_meta(param);
      }
      return true;
    });
  }

  bool read_meta(ondemand::value& value) {
    return for_each_field_if_object(value, [this](std::string_view key, ondemand::value& entry) {
      if (key == claim_key) {
        if (note(out_.has_claim)) out_.claim = text_of(entry);
      } else if (key == "traceparent" && out_.traceparent.empty()) {
        out_.traceparent = text_of(entry);
      } else if (key == "tracestate" && out_.tracestate.empty()) {
        out_.tracestate = text_of(entry);
      }
      return true;
    });
  }

  // True when the key is met for the first time.
  bool note(bool& seen) {
    if (seen) out_.repeats_a_key = true;
    return !std::exchange(seen, true);
  }
  bool note(Seen key) {
    bool seen = (seen_ & key) != 0;
    seen_ |= key;
    return note(seen);
  }

  Envelope& out_;
  unsigned seen_ = 0;
};

void add_to(Batch& batch, const Envelope& element) {
  const Method method = element.has_method ? method_of(element.method) : Method::none;
  batch.has_jsonrpc = batch.has_jsonrpc || element.has_jsonrpc;
  batch.has_claim = batch.has_claim || element.has_claim;
  batch.has_initialize = batch.has_initialize || method == Method::initialize;
  batch.repeats_a_key = batch.repeats_a_key || element.repeats_a_key;
  if (repeat_licence(method) == Repeat::never) batch.repeatable = false;
}

bool read_batch(ondemand::array array, Batch& batch) {
  for (auto item : array) {
    if (item.error() != simdjson::SUCCESS) return false;
    ondemand::value value = item.value_unsafe();
    ++batch.elements;
    Envelope element;
    if (std::string_view(value.raw_json_token()).starts_with('{')) {
      ondemand::object object;
      if (value.get_object().get(object) != simdjson::SUCCESS) return false;
      if (!MessageReader(element).read(object)) return false;
    }
    add_to(batch, element);
  }
  return true;
}

// Form posts, multipart and empty bodies are told apart without parsing them.
bool may_be_json_rpc(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  return begin != std::string_view::npos && (text[begin] == '{' || text[begin] == '[');
}

// Where the JSON object or array ends that the text begins with; 0 when it does not end. Only
// for documents that the parser refused as a whole.
std::size_t first_document_size(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
      continue;
    }
    in_string = c == '"';
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return i + 1;
  }
  return 0;
}

}  // namespace

struct EnvelopeReader::Parser {
  ondemand::parser json;
  std::size_t capacity = 0;

  // False when the text is not JSON as far as the envelope goes. `out` is then half filled.
  bool parse(simdjson::padded_string_view text, Document& out);
};

bool EnvelopeReader::Parser::parse(simdjson::padded_string_view text, Document& out) {
  out = {};
  ondemand::document document;
  if (json.iterate(text).get(document) != simdjson::SUCCESS) return false;
  ondemand::json_type type{};
  if (document.type().get(type) != simdjson::SUCCESS) return false;
  if (type == ondemand::json_type::object) {
    ondemand::object object;
    if (document.get_object().get(object) != simdjson::SUCCESS) return false;
    if (!MessageReader(out.envelope).read(object)) return false;
    if (out.envelope.has_jsonrpc) out.shape = Document::Shape::single;
  } else {
    ondemand::array array;
    if (document.get_array().get(array) != simdjson::SUCCESS) return false;
    if (!read_batch(array, out.batch)) return false;
    const bool is_batch = out.batch.has_jsonrpc || out.batch.elements == 0;
    if (is_batch) out.shape = Document::Shape::batch;
  }
  out.has_trailing = document.current_location().error() == simdjson::SUCCESS;
  return true;
}

EnvelopeReader::EnvelopeReader() : parser_(std::make_unique<Parser>()) {}
EnvelopeReader::~EnvelopeReader() = default;

// Grows in powers of two: exact sizes would allocate again for every body that is a bit longer.
bool EnvelopeReader::prepare(std::size_t bytes) {
  if (bytes <= parser_->capacity) return true;
  const std::size_t capacity = std::bit_ceil(std::max(bytes, parser_bytes_min));
  if (parser_->json.allocate(capacity) != simdjson::SUCCESS) return false;
  parser_->capacity = capacity;
  return true;
}

void EnvelopeReader::shrink() {
  if (parser_->capacity > parser_bytes_kept) parser_ = std::make_unique<Parser>();
}

const Document& EnvelopeReader::read(const std::string& body) {
  MCPLB_ASSERT(body.capacity() - body.size() >= Classifier::padding_bytes);
  document_ = {};
  if (!may_be_json_rpc(body) || !prepare(body.size())) return document_;
  using simdjson::padded_string_view;
  const padded_string_view whole(body.data(), body.size(), body.capacity());
  if (parser_->parse(whole, document_)) return document_;

  // A parser that stops at the end of the first document would accept what ours refused because
  // of the bytes behind it: then it must be known what that first document is.
  const std::size_t size = first_document_size(body);
  const bool ends_early = size != 0 && size < without_blank_end(body).size();
  const padded_string_view first(body.data(), size, body.capacity());
  const bool parsed = ends_early && parser_->parse(first, document_);
  if (!parsed) document_ = {};
  document_.has_trailing = parsed;
  return document_;
}

}  // namespace mcplb::mcp
