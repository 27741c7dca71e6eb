// Keeps web pages from giving commands: a browser sends what any page asks for, from a machine
// that may reach the admin API where the page's author cannot.
#pragma once

#include <string_view>

#include "mcplb/http/head.hpp"

namespace mcplb::admin {

// Why a command must not come from there, as a sentence; empty: it may. `has_token`: whoever has
// come this far knows the token.
std::string_view foreign_origin(const http::RequestHead& head, bool has_token);

// Why nothing is told without a token, as a sentence; empty: it may be. A page of another site may
// have had its own name lead here.
std::string_view rebound_name(const http::RequestHead& head);

// Content-Type is JSON, with whatever parameters. A page of another site cannot send that unasked.
bool says_json(const http::RequestHead& head);

}  // namespace mcplb::admin
