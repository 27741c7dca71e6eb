#include "load/replies.hpp"

#include "mcplb/mcp/sse.hpp"

#include "load/requests.hpp"

namespace mcplb::bench {
namespace {

// Takes a prefix off; false when the text does not begin with it.
bool skip(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Stands in `expected` where a body has the name of its server.
constexpr std::string_view mark = "\1";

// The body is `expected` with some name instead of the mark.
std::optional<std::string_view> name_in(std::string_view body, std::string_view expected) {
  const std::size_t at = expected.find(mark);
  const std::string_view end = expected.substr(at + mark.size());
  if (!skip(body, expected.substr(0, at)) || !body.ends_with(end)) return std::nullopt;
  const std::string_view name = body.substr(0, body.size() - end.size());
  if (name.empty() || name.find('"') != std::string_view::npos) return std::nullopt;
  return name;
}

}  // namespace

std::optional<std::string_view> ReplyChecker::result(std::string_view body, Tool tool,
                                                     std::uint64_t id, bool modern) {
  id_ = std::to_string(id);
  tag_ = tag_of(id);
  const Reply reply{id_, {}, tag_, modern};
  expected_.clear();
  append_result_begin(expected_, reply);
  if (!skip(body, expected_)) return std::nullopt;
  const std::string_view name = body.substr(0, body.find('"'));
  body.remove_prefix(name.size());
  expected_.clear();
  append_result_middle(expected_, reply);
  const bool right = !name.empty() && skip(body, expected_) && skip(body, payload_of(tool)) &&
                     body == result_end;
  return right ? std::optional(name) : std::nullopt;
}

std::optional<std::string_view> ReplyChecker::event_stream(std::string_view body, std::uint64_t id,
                                                           bool modern) {
  constexpr std::size_t data_bytes_max = 4096;
  mcp::SseDataReader reader(data_bytes_max);
  std::string progress;
  for (int number = 1; !body.empty(); ++number) {
    body.remove_prefix(reader.feed(body));
    if (!reader.has_event() || number > progress_events + 1) return std::nullopt;
    if (number > progress_events) {
      data_ = reader.data();
      // What may follow is comments.
      reader.feed(body);
      if (reader.has_event()) return std::nullopt;
      return result(data_, Tool::events, id, modern);
    }
    progress.clear();
    append_progress(progress, std::to_string(id), number);
    if (reader.data() != progress) return std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::string_view> ReplyChecker::initialize_result(std::string_view body,
                                                                std::uint64_t id) {
  id_ = std::to_string(id);
  expected_.clear();
  append_initialize_result(expected_, {id_, mark, {}, false});
  return name_in(body, expected_);
}

std::optional<std::string_view> ReplyChecker::discover_result(std::string_view body,
                                                              std::uint64_t id) {
  id_ = std::to_string(id);
  expected_.clear();
  append_discover_result(expected_, {id_, mark, {}, true});
  return name_in(body, expected_);
}

bool ReplyChecker::empty_result(std::string_view body, std::uint64_t id) {
  expected_.clear();
  append_empty_result(expected_, std::to_string(id));
  return body == expected_;
}

}  // namespace mcplb::bench
