#include "mcplb/tracing/target.hpp"

#include <algorithm>
#include <array>

#include "mcplb/base/text.hpp"

namespace mcplb::tracing {
namespace {

constexpr std::string_view endpoint_key = "tracing.otlp_endpoint";
constexpr std::uint64_t timeout_ms_max = 60'000;

// What we write ourselves.
bool is_ours(std::string_view header) {
  constexpr std::array<std::string_view, 6> names{"host",           "content-type",
                                                  "content-length", "connection",
                                                  "user-agent",     "transfer-encoding"};
  return std::any_of(names.begin(), names.end(),
                     [&](auto name) { return equals_ignoring_case(name, header); });
}

std::optional<std::string> percent_decoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const std::size_t high = digits.find(ascii_lower(text[i + 1]));
    const std::size_t low = digits.find(ascii_lower(text[i + 2]));
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return out;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < ' ' || c == 0x7f;
  });
}

class Reader {
 public:
  Reader(const Settings& settings, const Environment& environment)
      : settings_(settings), environment_(environment) {}

  Resolved read(const std::string& instance) {
    if (is_off()) return std::move(out_);
    Target target;
    if (!find_endpoint(target.endpoint)) return std::move(out_);
    if (!speaks_http()) return std::move(out_);
    read_headers(target);
    read_resource(target, instance);
    target.tls.ca = otlp("CERTIFICATE").value_or("");
    target.tls.certificate = otlp("CLIENT_CERTIFICATE").value_or("");
    target.tls.key = otlp("CLIENT_KEY").value_or("");
    read_timeout(target);
    out_.target = std::move(target);
    return std::move(out_);
  }

 private:
  // An empty variable is one that is not set.
  std::optional<std::string> variable(const std::string& name) {
    auto value = environment_ ? environment_(name) : std::nullopt;
    if (!value || trimmed(*value).empty()) return std::nullopt;
    used_ = name;
    return std::string(trimmed(*value));
  }

  // What is said of traces goes before what is said of all signals.
  std::optional<std::string> otlp(const std::string& what) {
    auto value = variable("OTEL_EXPORTER_OTLP_TRACES_" + what);
    return value ? value : variable("OTEL_EXPORTER_OTLP_" + what);
  }

  void note(std::string sentence) { out_.notes.push_back(std::move(sentence)); }

  bool is_off() {
    const auto disabled = variable("OTEL_SDK_DISABLED");
    if (disabled && equals_ignoring_case(*disabled, "true")) {
      if (!settings_.otlp_endpoint.empty()) note("OTEL_SDK_DISABLED=true: tracing is off");
      return true;
    }
    const auto exporter = variable("OTEL_TRACES_EXPORTER");
    return exporter && *exporter == "none" && settings_.otlp_endpoint.empty();
  }

  bool find_endpoint(Endpoint& endpoint) {
    ParsedEndpoint parsed;
    if (!settings_.otlp_endpoint.empty()) {
      out_.source = endpoint_key;
      parsed = parse_base_endpoint(settings_.otlp_endpoint);
    } else if (const auto own = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")) {
      out_.source = used_;
      parsed = parse_endpoint(*own);
    } else if (const auto base = variable("OTEL_EXPORTER_OTLP_ENDPOINT")) {
      out_.source = used_;
      parsed = parse_base_endpoint(*base);
    } else {
      return false;
    }
    endpoint = std::move(parsed.endpoint);
    if (parsed.wrong.empty()) return true;
    note(out_.source + ' ' + parsed.wrong + ": tracing is off");
    return false;
  }

  bool speaks_http() {
    const auto protocol = otlp("PROTOCOL");
    if (!protocol || protocol->starts_with("http/")) return true;
    const bool grpc = *protocol == "grpc";
    const std::string what = used_ + (grpc ? "=grpc" : " names an unknown protocol");
    // Whoever wrote the key meant this process, and not all that share its environment.
    if (out_.source == endpoint_key) {
      note(what + ": ignored, spans go by OTLP over HTTP to " + std::string(endpoint_key));
      return true;
    }
    note(what + ": mcplb speaks OTLP over HTTP only, tracing is off. Name the collector's HTTP " +
         "port, usually 4318, in " + std::string(endpoint_key));
    return false;
  }

  // "key=value,key=value", values percent-encoded. Nothing when it cannot be read.
  std::optional<std::vector<Pair>> list(const std::string& text, const std::string& name) {
    std::vector<Pair> pairs;
    bool sound = text.size() <= limits::span_list_bytes_max;
    for_each_list_element(text, [&](std::string_view element) {
      const std::size_t equals = std::min(element.find('='), element.size());
      const std::string_view key = trimmed(element.substr(0, equals));
      auto value = percent_decoded(trimmed(element.substr(std::min(equals + 1, element.size()))));
      sound = sound && equals < element.size() && !key.empty() && value && !has_control(*value) &&
              pairs.size() < limits::span_list_entries_max;
      if (sound) pairs.emplace_back(key, std::move(*value));
      return sound;
    });
    if (sound) return pairs;
    note(name + " is no list of key=value: ignored");
    return std::nullopt;
  }

  void read_headers(Target& target) {
    const auto text = otlp("HEADERS");
    if (!text) return;
    const std::string name = used_;
    auto pairs = list(*text, name);
    if (!pairs) return;
    for (Pair& pair : *pairs) {
      if (!is_token(pair.first) || is_ours(pair.first)) {
        note(name + " names a header that cannot be set: " + escaped(pair.first, 64));
        continue;
      }
      target.headers.push_back(std::move(pair));
    }
  }

  static void set(std::vector<Pair>& pairs, const std::string& key, std::string value) {
    const auto known = std::find_if(pairs.begin(), pairs.end(),
                                    [&](const Pair& pair) { return pair.first == key; });
    if (known == pairs.end()) {
      pairs.emplace_back(key, std::move(value));
    } else {
      known->second = std::move(value);
    }
  }

  void read_resource(Target& target, const std::string& instance) {
    set(target.resource, "service.name", "mcplb");
    set(target.resource, "service.version", MCPLB_VERSION);
    set(target.resource, "service.instance.id", instance);
    if (const auto text = variable("OTEL_RESOURCE_ATTRIBUTES")) {
      auto pairs = list(*text, "OTEL_RESOURCE_ATTRIBUTES");
      if (!pairs) pairs.emplace();
      for (Pair& pair : *pairs) set(target.resource, pair.first, std::move(pair.second));
    }
    if (auto name = variable("OTEL_SERVICE_NAME")) {
      set(target.resource, "service.name", std::move(*name));
    }
  }

  void read_timeout(Target& target) {
    const auto text = otlp("TIMEOUT");
    if (!text) return;
    const auto given = parse_decimal(*text);
    if (given && *given > 0 && *given <= timeout_ms_max) {
      target.timeout = milliseconds(*given);
    } else {
      note(used_ + " is no number of milliseconds from 1 to 60000: ignored");
    }
  }

  const Settings& settings_;
  const Environment& environment_;
  std::string used_;  // the variable that was found last
  Resolved out_;
};

}  // namespace

Resolved resolve(const Settings& settings, const Environment& environment,
                 const std::string& instance) {
  return Reader(settings, environment).read(instance);
}

}  // namespace mcplb::tracing
