// Backends that announce themselves.
#include <initializer_list>
#include <optional>
#include <utility>

#include "mcplb/admin/admin.hpp"
#include "mcplb/cluster/registration.hpp"

#include "admin/query.hpp"
#include "admin/reply.hpp"

namespace mcplb::admin {
namespace {

using Outcome = cluster::Registration::Outcome;

wire::Reply switched_off() {
  return command_failure(403, "registration_disabled",
                         "registration is off: set registration.enabled: true in the "
                         "configuration");
}

int status_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::added: return 201;
    case Outcome::renewed: return 200;
    case Outcome::invalid: return 400;
    case Outcome::unknown_pool:
    case Outcome::unknown_node: return 404;
    case Outcome::conflict: return 409;
    case Outcome::full: break;
  }
  return 503;
}

std::string_view word_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::added:
    case Outcome::renewed: break;
    case Outcome::invalid: return "bad_request";
    case Outcome::unknown_pool: return "no_such_pool";
    case Outcome::unknown_node: return "no_such_node";
    case Outcome::conflict: return "conflict";
    case Outcome::full: return "too_many_nodes";
  }
  return "";
}

wire::Reply refusal(const cluster::Registration::Answer& answer) {
  return command_failure(status_of(answer.outcome), word_of(answer.outcome), answer.message);
}

// Takes the members of a node out of a request's body. The first thing that is wrong with it is
// told; `wrong` is empty when all is well.
class NodeReader {
 public:
  explicit NodeReader(std::string_view text) : body_(Json::parse(text, nullptr, false)) {
    if (!body_.is_object()) complain("the body is a JSON object: {\"id\", \"url\", …}");
  }

  cluster::Node read() {
    cluster::Node node;
    if (!wrong.empty()) return node;
    for (const auto& [key, value] : body_.items()) {
      if (key == "id") take_text(value, "id", node.id);
      else if (key == "name") take_text(value, "name", node.name);
      else if (key == "url") take_text(value, "url", node.url);
      else if (key == "pools") take_pools(value, node.pools);
      else if (key == "weight") take_weight(value, node.weight);
      else complain("a node has id, name, url, pools and weight, nothing else");
    }
    for (const char* name : {"id", "url"}) {
      if (!body_.contains(name)) complain(std::string(name) + " is missing");
    }
    return node;
  }

  std::string wrong;

 private:
  void complain(std::string what) {
    if (wrong.empty()) wrong = std::move(what);
  }
  void take_text(const Json& value, const char* name, std::string& text) {
    if (!value.is_string()) return complain(std::string(name) + " is a string");
    text = value.get<std::string>();
  }
  void take_pools(const Json& value, std::vector<std::string>& pools) {
    if (!value.is_array()) return complain("pools is a list of names");
    for (const Json& name : value) {
      if (!name.is_string()) return complain("pools is a list of names");
      pools.push_back(name.get<std::string>());
    }
  }
  void take_weight(const Json& value, std::uint32_t& weight) {
    const bool number = value.is_number_unsigned();
    const std::uint64_t given = number ? value.get<std::uint64_t>() : 0;
    if (given < 1 || given > limits::weight_max) {
      return complain("weight is a number from 1 to " + std::to_string(limits::weight_max));
    }
    weight = static_cast<std::uint32_t>(given);
  }

  Json body_;
};

Json node_data(const std::string& id, const cluster::Registration& registration) {
  Json data = Json::object();
  data["id"] = id;
  data["node_timeout_ms"] = registration.node_timeout().count();
  return data;
}

}  // namespace

wire::Reply Admin::register_node(const Call& call) const {
  cluster::Registration* const registration = view_.registration();
  if (registration == nullptr) return switched_off();
  NodeReader reader(call.body);
  cluster::Node node = reader.read();
  if (!reader.wrong.empty()) return command_failure(400, "bad_request", reader.wrong);
  const std::string id = node.id;
  const auto answer = registration->announce(std::move(node));
  if (!answer.message.empty()) return refusal(answer);
  wire::Reply reply = data_reply(node_data(id, *registration));
  reply.status = status_of(answer.outcome);
  return reply;
}

wire::Reply Admin::heartbeat(const Call& call) const {
  cluster::Registration* const registration = view_.registration();
  if (registration == nullptr) return switched_off();
  const std::string id = percent_decoded(call.parts[0]).value_or("");
  const auto answer = registration->heartbeat(id);
  if (!answer.message.empty()) return refusal(answer);
  return data_reply(node_data(id, *registration));
}

wire::Reply Admin::remove_node(const Call& call) const {
  cluster::Registration* const registration = view_.registration();
  if (registration == nullptr) return switched_off();
  const std::string id = percent_decoded(call.parts[0]).value_or("");
  const auto answer = registration->remove(id);
  if (!answer.message.empty()) return refusal(answer);
  Json data = Json::object();
  data["id"] = id;
  return data_reply(std::move(data));
}

}  // namespace mcplb::admin
