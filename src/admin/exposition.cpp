#include "mcplb/admin/exposition.hpp"

#include <array>
#include <charconv>

namespace mcplb::admin {
namespace {

std::string_view to_string(Family::Type type) {
  switch (type) {
    case Family::Type::counter: return "counter";
    case Family::Type::gauge: return "gauge";
    case Family::Type::histogram: return "histogram";
  }
  return "";
}

// The shortest text that means the same number.
std::string number(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return std::string(text.data(), end.ptr);
}

void append_escaped(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
}

std::string with_bound(const std::string& labels, std::string_view bound) {
  return labels + (labels.empty() ? "" : ",") + "le=\"" + std::string(bound) + "\"";
}

}  // namespace

std::string Family::text_of(const MetricLabels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    if (!text.empty()) text += ',';
    text.append(name).append("=\"");
    append_escaped(text, value);
    text += '"';
  }
  return text;
}

void Family::add(const MetricLabels& labels, double value) { values_[text_of(labels)] += value; }

void Family::append_line(std::string& text, std::string_view suffix, std::string_view labels,
                         double value) const {
  text.append(name_).append(suffix);
  if (!labels.empty()) text.append("{").append(labels).append("}");
  text.append(" ").append(number(value)).append("\n");
}

void Family::append_histogram(std::string& text, const std::string& labels,
                              const Buckets& shown) const {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < shown.in_bucket.size(); ++i) {
    count += shown.in_bucket[i];
    const bool last = i == shown.bounds_us.size();
    const std::string bound =
        last ? "+Inf" : number(static_cast<double>(shown.bounds_us[i]) / 1e6);
    append_line(text, "_bucket", with_bound(labels, bound), static_cast<double>(count));
  }
  append_line(text, "_sum", labels, static_cast<double>(shown.sum_us) / 1e6);
  append_line(text, "_count", labels, static_cast<double>(count));
}

void Family::append_to(std::string& text) const {
  text.append("# HELP ").append(name_).append(" ").append(help_).append("\n");
  text.append("# TYPE ").append(name_).append(" ").append(to_string(type_)).append("\n");
  for (const auto& [labels, value] : values_) append_line(text, "", labels, value);
  for (const auto& [labels, shown] : histograms_) append_histogram(text, labels, shown);
}

}  // namespace mcplb::admin
