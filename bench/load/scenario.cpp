#include "load/scenario.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

#include <nlohmann/json.hpp>

#include "mcplb/base/text.hpp"

namespace mcplb::bench {
namespace {

using nlohmann::json;

// Takes the known keys out of an object; the first thing that is wrong is kept as a text.
class Reader {
 public:
  Reader(json object, std::string where, std::string& error)
      : object_(std::move(object)),
        where_(std::move(where)),
        error_(error) {
    if (!object_.is_object()) fail("is not an object");
  }

  template <class Number>
  void number(const char* key, Number& out, double least, double most) {
    const json value = take(key);
    if (value.is_null()) return;
    const bool fits = value.is_number() &&
                      (std::is_floating_point_v<Number> || value.is_number_integer()) &&
                      value.get<double>() >= least && value.get<double>() <= most;
    if (fits) out = value.get<Number>();
    else fail(key, "is not a number in its range");
  }
  void boolean(const char* key, bool& out) {
    const json value = take(key);
    if (value.is_boolean()) out = value.get<bool>();
    else if (!value.is_null()) fail(key, "is not true or false");
  }
  void text(const char* key, std::string& out) {
    const json value = take(key);
    if (value.is_string()) out = value.get<std::string>();
    else if (!value.is_null()) fail(key, "is not a string");
  }
  // True for `yes`, false for `no`; unchanged when the key is absent.
  void choice(const char* key, bool& out, const char* no, const char* yes) {
    std::string word = out ? yes : no;
    text(key, word);
    if (word != no && word != yes) fail(key, "is none of its two words");
    out = word == yes;
  }
  json take(const char* key) {
    if (!object_.is_object() || !object_.contains(key)) return nullptr;
    json value = std::move(object_[key]);
    object_.erase(key);
    return value;
  }
  void fail(const char* what) {
    if (error_.empty()) error_ = where_ + " " + what;
  }
  void fail(const char* key, const char* what) {
    if (error_.empty()) error_ = where_ + "." + key + " " + what;
  }
  // What nobody took is unknown.
  void finish() {
    if (object_.is_object() && !object_.empty())
      fail(object_.begin().key().c_str(), "is not known");
  }

 private:
  json object_;
  std::string where_;
  std::string& error_;
};

constexpr double many = 10'000'000;

void read_url(const std::string& text, Url& out, std::string& error) {
  const auto url = parse_url(text);
  if (url) out = *url;
  else if (error.empty()) error = "url is not http://IP:PORT/path: " + text;
}

MixItem read_mix_item(const json& value, std::string& error) {
  MixItem item;
  Reader reader(value, "mix", error);
  std::string kind = "call";
  std::string tool = "small";
  reader.text("kind", kind);
  reader.text("tool", tool);
  reader.number("weight", item.weight, 1, many);
  reader.number("calls", item.calls, 0, many);
  reader.number("ms", item.ms, 0, 60'000);
  reader.boolean("initialized", item.initialized);
  reader.boolean("fresh_connection", item.fresh_connection);
  item.tool = tool_of(tool);
  item.name = kind == "call" ? tool : kind;
  if (kind == "ping") item.what = MixItem::What::ping;
  else if (kind == "discover") item.what = MixItem::What::discover;
  else if (kind == "churn") item.what = MixItem::What::churn;
  else if (kind != "call") reader.fail("kind", "is none of call, ping, discover, churn");
  if (item.tool == Tool::unknown) reader.fail("tool", "is none of small, large, events, sleep");
  reader.finish();
  return item;
}

void read_streams(const json& value, StreamPlan& plan, std::string& error) {
  Reader reader(value, "streams", error);
  reader.number("count", plan.count, 0, 60'000);
  reader.number("emit_every_ms", plan.emit_every_ms, 0, many);
  reader.number("emit_count", plan.emit_count, 0, many);
  reader.number("emit_bytes", plan.emit_bytes, 0, 65'536);
  const json urls = reader.take("emit_urls");
  if (!urls.is_null() && !urls.is_array()) reader.fail("emit_urls", "is not a list");
  if (urls.is_array()) {
    for (const json& url : urls) {
      Url parsed;
      read_url(url.is_string() ? url.get<std::string>() : std::string(), parsed, error);
      plan.emit_urls.push_back(std::move(parsed));
    }
  }
  if (plan.emit_every_ms > 0 && plan.emit_urls.empty()) reader.fail("emit_urls", "is empty");
  reader.finish();
}

void read_lists(Reader& reader, Scenario& scenario, std::string& error) {
  const json mix = reader.take("mix");
  if (!mix.is_null() && !mix.is_array()) reader.fail("mix", "is not a list");
  if (mix.is_array()) {
    for (const json& item : mix)
      scenario.mix.push_back(read_mix_item(item, error));
  }
  const json streams = reader.take("streams");
  if (!streams.is_null()) read_streams(streams, scenario.streams, error);
  const json headers = reader.take("headers");
  if (!headers.is_null() && !headers.is_object()) reader.fail("headers", "is not an object");
  if (headers.is_object()) {
    for (const auto& [name, value] : headers.items()) {
      if (!value.is_string()) reader.fail("headers", "has a value that is not a string");
      else scenario.headers.emplace_back(name, value.get<std::string>());
    }
  }
}

void read_keys(Reader& reader, Scenario& scenario, std::string& error) {
  std::string url = "http://127.0.0.1:8080/mcp";
  bool open = false;
  bool even = false;
  auto timeout_ms = static_cast<std::uint32_t>(scenario.timeout.count());
  reader.text("url", url);
  reader.choice("era", scenario.modern, "legacy", "modern");
  reader.choice("mode", open, "closed", "open");
  reader.choice("arrivals", even, "poisson", "even");
  reader.number("rate", scenario.rate, 0, many);
  reader.number("connections", scenario.connections, 0, 60'000);
  reader.number("sessions", scenario.sessions, 0, many);
  reader.number("warmup_seconds", scenario.warmup_seconds, 0, 3'600);
  reader.number("seconds", scenario.seconds, 0.001, 86'400);
  reader.number("timeout_ms", timeout_ms, 1, 3'600'000);
  reader.number("threads", scenario.threads, 1, 64);
  reader.number("seed", scenario.seed, 0, 9e15);
  reader.boolean("allow_moves", scenario.allow_moves);
  reader.boolean("keep_sessions", scenario.keep_sessions);
  read_lists(reader, scenario, error);
  scenario.mode = open ? Scenario::Mode::open : Scenario::Mode::closed;
  scenario.poisson = !even;
  scenario.timeout = milliseconds(timeout_ms);
  read_url(url, scenario.url, error);
}

// What no single key shows.
std::string contradiction(const Scenario& scenario) {
  for (const MixItem& item : scenario.mix) {
    const bool of_legacy = item.what == MixItem::What::churn || item.what == MixItem::What::ping;
    if (scenario.modern && of_legacy) return item.name + " does not exist in the modern era";
    if (!scenario.modern && item.what == MixItem::What::discover)
      return "discover does not exist in the legacy era";
  }
  if (scenario.mode == Scenario::Mode::open && scenario.rate <= 0) return "open mode needs a rate";
  if (!scenario.mix.empty() && scenario.connections < scenario.threads)
    return "there are fewer connections than threads";
  if (uses_sessions(scenario) && scenario.sessions < scenario.threads)
    return "there are fewer sessions than threads";
  return {};
}

}  // namespace

bool uses_sessions(const Scenario& scenario) {
  const auto& mix = scenario.mix;
  return !scenario.modern && std::any_of(mix.begin(), mix.end(), [](const MixItem& item) {
    return item.what == MixItem::What::call || item.what == MixItem::What::ping;
  });
}

std::string Url::authority() const { return ip + ":" + std::to_string(port); }

std::optional<Url> parse_url(std::string_view text) {
  constexpr std::string_view scheme = "http://";
  if (!text.starts_with(scheme)) return std::nullopt;
  text.remove_prefix(scheme.size());
  const std::size_t slash = std::min(text.find('/'), text.size());
  const std::string_view authority = text.substr(0, slash);
  const std::size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const auto port = parse_decimal(authority.substr(colon + 1));
  if (!port || *port == 0 || *port > std::numeric_limits<std::uint16_t>::max()) return std::nullopt;
  Url url;
  url.ip = authority.substr(0, colon);
  if (url.ip == "localhost") url.ip = "127.0.0.1";
  url.port = static_cast<std::uint16_t>(*port);
  if (slash < text.size()) url.path = text.substr(slash);
  return url;
}

ScenarioOrError read_scenario(std::string_view text, const std::vector<std::string>& changes) {
  ScenarioOrError out;
  json document = json::parse(text, nullptr, false);
  if (!document.is_object()) return {std::nullopt, "the scenario is not a JSON object"};
  for (const std::string& change : changes) {
    const std::size_t equals = std::min(change.find('='), change.size());
    const json value = json::parse(change.substr(std::min(equals + 1, change.size())), nullptr,
                                   false);
    if (value.is_discarded()) return {std::nullopt, change + " is not KEY=JSON"};
    document[change.substr(0, equals)] = value;
  }
  Scenario scenario;
  Reader reader(std::move(document), "scenario", out.error);
  read_keys(reader, scenario, out.error);
  reader.finish();
  if (out.error.empty()) out.error = contradiction(scenario);
  if (out.error.empty()) out.scenario = std::move(scenario);
  return out;
}

}  // namespace mcplb::bench
