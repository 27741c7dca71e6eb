#include "demo/tools.hpp"

#include <optional>
#include <utility>

namespace mcplb::demo {
namespace {

constexpr std::size_t shown_id_characters = 8;

// The definitions as a person would write them down.
constexpr const char* definitions_text = R"([
  {"name": "whoami",
   "description": "Says which replica answers and how many calls this session made",
   "inputSchema": {"type": "object", "properties": {}}},
  {"name": "echo",
   "description": "Returns the text that it is given",
   "inputSchema": {"type": "object", "required": ["text"],
                   "properties": {"text": {"type": "string"}}}},
  {"name": "slow",
   "description": "Takes its time; reports each step to those who sent a progress token",
   "inputSchema": {"type": "object", "properties": {
     "steps": {"type": "integer", "minimum": 1, "maximum": 100, "default": 5},
     "delay_ms": {"type": "integer", "minimum": 0, "maximum": 5000, "default": 300}}}},
  {"name": "ask",
   "description": "Asks the person behind the client and returns the answer",
   "inputSchema": {"type": "object", "properties": {"question": {"type": "string"}}}},
  {"name": "notify",
   "description": "Sends a log message on the event stream of this session",
   "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}}
])";

std::string question_of(const Json& params) {
  return text_member(member(params, "arguments"), "question", "What is your name?");
}

Json elicitation(const std::string& question) {
  Json schema = Json::parse(R"({"type": "object", "required": ["answer"],
                                "properties": {"answer": {"type": "string"}}})");
  Json params = Json::object();
  params["message"] = question;
  params["requestedSchema"] = std::move(schema);
  return params;
}

Json sampling(const std::string& question) {
  Json message = Json::object();
  message["role"] = "user";
  message["content"]["type"] = "text";
  message["content"]["text"] = question;
  Json params = Json::object();
  params["messages"] = Json::array();
  params["messages"].push_back(std::move(message));
  params["maxTokens"] = 100;
  return params;
}

// A request of ours to the client, in the way that it declared to know.
Json request_to_client(const Session& session, std::int64_t id, const std::string& question) {
  const bool elicits = session.client_can("elicitation");
  Json request = Json::object();
  request["jsonrpc"] = "2.0";
  request["id"] = id;
  request["method"] = elicits ? "elicitation/create" : "sampling/createMessage";
  request["params"] = elicits ? elicitation(question) : sampling(question);
  return request;
}

Json progress(const Json& token, int step, int steps) {
  Json message = Json::object();
  message["jsonrpc"] = "2.0";
  message["method"] = "notifications/progress";
  message["params"]["progressToken"] = token;
  message["params"]["progress"] = step;
  message["params"]["total"] = steps;
  message["params"]["message"] = "step " + std::to_string(step) + " of " + std::to_string(steps);
  return message;
}

// Why `ask` cannot be run for this call; empty when it can.
std::string_view obstacle_to_asking(const LongCall& call) {
  if (!call.takes_events) return "ask needs a client that accepts text/event-stream";
  if (call.session == nullptr) return "ask needs a session";
  if (call.session->full()) return "too many questions of this session are open";
  if (call.session->client_can("elicitation")) return "";
  if (call.session->client_can("sampling")) return "";
  return "this client declared neither elicitation nor sampling";
}

// The same question in the modern way: the client repeats its call with the answer, perhaps to
// another replica, and nobody waits.
Json ask_modern(const LongCall& call) {
  const Json& responses = member(call.params, "inputResponses");
  const Json& answer = member(responses, "answer");
  if (!answer.is_null()) {
    const std::string text = "the client answered " + to_text(answer);
    return result_message(call.id, complete(text_result(text)));
  }
  const Json& meta = member(call.params, "_meta");
  const Json& able = member(meta, "io.modelcontextprotocol/clientCapabilities");
  if (!member(able, "elicitation").is_object()) {
    Json refusal = error_message(call.id, missing_capability, "ask needs elicitation");
    refusal["error"]["data"]["requiredCapabilities"]["elicitation"] = Json::object();
    return refusal;
  }
  Json result = Json::object();
  result["resultType"] = "input_required";
  result["inputRequests"]["answer"]["method"] = "elicitation/create";
  result["inputRequests"]["answer"]["params"] = elicitation(question_of(call.params));
  result["inputRequests"]["answer"]["params"]["mode"] = "form";
  return result_message(call.id, std::move(result));
}

// What the tool returns once the client has answered, or not.
Json asked_result(const std::optional<Json>& response) {
  if (!response) return text_result("the client did not answer", true);
  const Json& error = member(*response, "error");
  if (!error.is_null()) return text_result("the client refused: " + to_text(error), true);
  return text_result("the client answered " + to_text(member(*response, "result")));
}

Json echo(const Json& arguments) {
  const Json& text = member(arguments, "text");
  if (!text.is_string()) return text_result("echo needs the argument text, a string", true);
  return text_result(text.get<std::string>());
}

// Ends an event stream with the response.
Task<void> finish_events(wire::ReplyWriter& writer, Json response) {
  std::string last = event_text(response);
  const auto written = co_await writer.write(std::move(last));
  if (!written) co_return;
  const auto finished = co_await writer.finish();
  static_cast<void>(finished);
}

}  // namespace

Json complete(Json result) {
  result["resultType"] = "complete";
  Json& server = result["_meta"]["io.modelcontextprotocol/serverInfo"];
  server["name"] = "mcplb-demo";
  server["version"] = MCPLB_VERSION;
  return result;
}

Json Tools::definitions(bool modern) {
  Json all = Json::parse(definitions_text);
  if (modern) all.erase(all.size() - 1);
  return all;
}

Outcome Tools::call(LongCall call) const {
  const std::string name = text_member(call.params, "name");
  const Json& arguments = member(call.params, "arguments");
  Json result;
  if (name == "whoami") {
    result = whoami(call.session);
  } else if (name == "echo") {
    result = echo(arguments);
  } else if (name == "notify" && !call.modern) {
    result = notify(arguments, call.session);
  } else if (name == "slow") {
    call.tool = LongCall::Tool::slow;
    return call;
  } else if (name == "ask") {
    if (call.modern) return ask_modern(call);
    const std::string_view obstacle = obstacle_to_asking(call);
    call.tool = LongCall::Tool::ask;
    if (obstacle.empty()) return call;
    result = text_result(obstacle, true);
  } else {
    return error_message(call.id, invalid_params, "unknown tool: " + name);
  }
  return result_message(call.id, call.modern ? complete(std::move(result)) : std::move(result));
}

Json Tools::whoami(Session* session) const {
  const std::uint64_t calls = session == nullptr ? 0 : session->count_call();
  const std::string id = session == nullptr ? "" : session->id().substr(0, shown_id_characters);
  const std::string rest = session == nullptr
                               ? " (no session)"
                               : ", call " + std::to_string(calls) + " of session " + id;
  Json result = text_result(replica_ + rest);
  Json& structured = result["structuredContent"];
  structured["replica"] = replica_;
  structured["calls"] = calls;
  structured["session"] = id;
  return result;
}

Json Tools::notify(const Json& arguments, Session* session) const {
  Inbox* stream = session == nullptr ? nullptr : session->inbox(Session::event_stream);
  if (stream == nullptr) return text_result("this session has no event stream open", true);
  Json message = Json::object();
  message["jsonrpc"] = "2.0";
  message["method"] = "notifications/message";
  message["params"]["level"] = "info";
  message["params"]["logger"] = replica_;
  message["params"]["data"] = text_member(arguments, "text", "hello from " + replica_);
  if (!stream->put(std::move(message))) {
    return text_result("the client does not read its event stream", true);
  }
  return text_result("sent on the event stream");
}

Task<void> Tools::run(LongCall call, wire::ReplyWriter& writer) const {
  if (call.tool == LongCall::Tool::slow) {
    co_await slow(std::move(call), writer);
  } else {
    co_await ask(std::move(call), writer);
  }
}

// The client's leaving destroys this flow, and with it the work: that is how it stops.
Task<void> Tools::slow(LongCall call, wire::ReplyWriter& writer) const {
  const Json& arguments = member(call.params, "arguments");
  const int steps = number_member(arguments, "steps", 5, 1, steps_max);
  const milliseconds delay(number_member(arguments, "delay_ms", 300, 0, delay_ms_max));
  const Json& token = member(member(call.params, "_meta"), "progressToken");
  const bool streams = call.takes_events && is_request_id(token);
  if (streams) {
    wire::Reply head = events_head();
    const auto begun = co_await writer.begin(std::move(head));
    if (!begun) co_return;
  }
  for (int step = 1; step <= steps; ++step) {
    const Deadline next = loop_.timers().in(delay);
    co_await loop_.timers().sleep(next);
    if (!streams) continue;
    std::string event = event_text(progress(token, step, steps));
    const auto written = co_await writer.write(std::move(event));
    if (!written) co_return;
  }
  Json result = text_result(replica_ + " is done after " + std::to_string(steps) + " steps");
  if (call.modern) result = complete(std::move(result));
  Json response = result_message(call.id, std::move(result));
  if (streams) {
    co_await finish_events(writer, std::move(response));
    co_return;
  }
  wire::Reply whole = json_reply(200, response);
  co_await send(writer, std::move(whole));
}

Task<void> Tools::ask(LongCall call, wire::ReplyWriter& writer) const {
  const std::int64_t id = call.session->next_request_id();
  const Json question = request_to_client(*call.session, id, question_of(call.params));
  Inbox inbox(loop_, *call.session, id);
  call.session = nullptr;
  wire::Reply head = events_head();
  const auto begun = co_await writer.begin(std::move(head));
  if (!begun) co_return;
  std::string event = event_text(question);
  const auto asked = co_await writer.write(std::move(event));
  if (!asked) co_return;
  const Deadline give_up = loop_.timers().in(answer_wait);
  co_await inbox.arrived(give_up);
  const std::optional<Json> response = inbox.take();
  Json answer = result_message(call.id, asked_result(response));
  co_await finish_events(writer, std::move(answer));
}

}  // namespace mcplb::demo
