// A request for the classifier, made of the text that a client would send.
#pragma once

#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "mcplb/http/parser.hpp"
#include "mcplb/mcp/message.hpp"

namespace mcplb::mcp {

// Not movable: the head's views point into the object's own bytes.
class Request {
 public:
  // `head`: the start line and the fields, each line ended by LF; Host and Content-Length are
  // added. `body` gets the room behind it that the classifier wants.
  Request(std::string_view head, std::string_view body) : body_(body) {
    for (const char c : head)
      bytes_ += c == '\n' ? std::string("\r\n") : std::string(1, c);
    bytes_ += "Host: mcp.example.com\r\n";
    if (!body.empty()) bytes_ += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    bytes_ += "\r\n";
    body_.reserve(body.size() + Classifier::padding_bytes);
    REQUIRE(http::parse_request_head(bytes_, http::Settings{}, head_));
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  const http::RequestHead& head() const { return head_; }
  const std::string& body() const { return body_; }

 private:
  std::string bytes_;
  std::string body_;
  http::RequestHead head_;
};

// What the classifier said. Not movable: a session is a view into the request.
struct Outcome {
  Outcome(std::string_view head, std::string_view body) : request(head, body) {
    Classifier classifier;
    accepted = classifier.classify(request.head(), request.body(), message, refusal);
  }
  bool refused_as(Refusal::Reason reason) const { return !accepted && refusal.reason == reason; }
  bool bad_request() const { return refused_as(Refusal::Reason::bad_request); }
  bool header_mismatch() const { return refused_as(Refusal::Reason::header_mismatch); }

  Request request;
  Message message;
  Refusal refusal;
  bool accepted = false;
};

}  // namespace mcplb::mcp
