#include "mcplb/mcp/session_unknown.hpp"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "mcplb/base/text.hpp"

#include "mcp/error_body.hpp"

namespace mcplb::mcp {
namespace {

constexpr std::int64_t method_not_found = -32601;
constexpr std::int64_t invalid_params = -32602;
constexpr std::int64_t session_not_found = -32001;  // what the TypeScript SDK writes

// Ends a clause: a word of another clause does not speak of the session.
constexpr std::string_view clause_end = ".";

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Lower-case words; punctuation between clauses is a word of its own, hyphens, quotes and braces
// only part words. An apostrophe vanishes: "doesn't" is "doesnt".
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) words.push_back(word);
    word.clear();
  };
  for (const char c : text) {
    const char lower = ascii_lower(c);
    if ((lower >= 'a' && lower <= 'z') || is_digit(c)) {
      word += lower;
      continue;
    }
    if (c == '\'') continue;
    finish();
    if (c == '.' || c == ':' || c == ';' || c == ',') words.emplace_back(clause_end);
  }
  finish();
  return words;
}

class Words {
 public:
  explicit Words(std::string_view text) : words_(words_of(text)) {}

  bool say_session_unknown() const {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (says_not_initialized(i)) return true;
      if (!is_one_of(words_[i], {"session", "sessionid"})) continue;
      if (denied_before(i) || denied_after(i)) return true;
    }
    return false;
  }

 private:
  std::string_view at(std::size_t i) const {
    return i < words_.size() ? std::string_view(words_[i]) : clause_end;
  }

  // "Server not initialized": a server that never saw an `initialize` holds no session.
  bool says_not_initialized(std::size_t i) const {
    if (at(i) != "server") return false;
    const std::size_t from = is_one_of(at(i + 1), {"is", "has"}) ? i + 2 : i + 1;
    const std::size_t last = is_one_of(at(from + 1), {"been", "yet"}) ? from + 2 : from + 1;
    return at(from) == "not" && is_one_of(at(last), {"initialized", "initialised"});
  }

  // "unknown session", "no valid session id", "invalid or missing mcp-session-id". Other words in
  // between make it another statement: "invalid name for session".
  bool denied_before(std::size_t session) const {
    for (std::size_t i = session; i-- > 0;) {
      if (is_one_of(at(i), {"no", "unknown", "invalid", "expired", "missing", "unrecognized",
                            "nonexistent", "terminated", "stale"})) {
        return names_the_session(session);
      }
      if (!is_one_of(at(i), {"valid", "such", "active", "existing", "matching", "or", "mcp"})) {
        return false;
      }
    }
    return false;
  }

  // "invalid session", "invalid session id …", not "invalid session configuration".
  bool names_the_session(std::size_t session) const {
    return is_one_of(at(session + 1), {clause_end, "id", "ids", "identifier", "header", "found",
                                       "provided", "exists", "for", "with", "or", "in"});
  }

  // "session not found", "session 4f2-… does not exist", "session id is required". The request
  // carried an id, so a server that misses one does not know it.
  bool denied_after(std::size_t session) const {
    constexpr std::size_t reach = 16;  // an id may be several words
    for (std::size_t i = session + 1; i < session + reach && at(i) != clause_end; ++i) {
      if (is_one_of(at(i), {"expired", "terminated", "unknown", "invalid", "required", "missing",
                            "unrecognized", "closed", "gone"})) {
        return true;
      }
      const bool denies = is_one_of(at(i), {"not", "doesnt"}) &&
                          is_one_of(at(i + 1), {"found", "exist", "valid", "known", "recognized",
                                                "active", "initialized"});
      if (denies || (at(i) == "no" && at(i + 1) == "longer")) return true;
    }
    return false;
  }

  std::vector<std::string> words_;
};

bool text_says_so(std::string_view text) { return Words(text).say_session_unknown(); }

// Errors of the method or of its parameters come from behind the look at the session.
bool is_about_the_call(std::int64_t code) {
  return code == method_not_found || code == invalid_params;
}

bool error_body_says_so(int status, const ErrorBody& body) {
  if (body.json_rpc && is_about_the_call(body.code)) return false;
  if (std::any_of(body.texts.begin(), body.texts.end(), text_says_so)) return true;
  // A 404 that JSON-RPC made and that answers no request in particular was written by a transport
  // that looked for the session; a wrong path is answered by an HTTP router.
  return status == 404 && body.json_rpc && (body.id_is_null || body.code == session_not_found);
}

bool is_html(std::string_view content_type, std::string_view body) {
  return to_lower(content_type).starts_with("text/html") || trimmed(body).starts_with('<');
}

}  // namespace

bool says_session_unknown(int status, std::string_view content_type, std::string_view body) {
  // 401 and 403 speak of the user's session, 5xx of anything; 429 is about the rate.
  if (status < 400 || status > 499 || status == 401 || status == 403 || status == 429) return false;
  const std::string_view content = body.substr(std::min(body.find_first_not_of(" \t\r\n"),
                                                        body.size()));
  if (content.empty()) return status == 404;
  if (is_html(content_type, content)) return false;
  const auto error = read_error_body(content);
  if (error) return error_body_says_so(status, *error);
  return text_says_so(content);
}

bool says_session_unknown(const Response& response) {
  return response.is_error && !is_about_the_call(response.code) && text_says_so(response.message);
}

}  // namespace mcplb::mcp
