#include "config/values.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "mcplb/base/text.hpp"

namespace mcplb::config {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};
// The largest first: a value is printed in the largest unit that divides it.
constexpr std::array<Unit, 4> durations{{{"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
constexpr std::array<Unit, 4> sizes{
    {{"GiB", 1LL << 30}, {"MiB", 1LL << 20}, {"KiB", 1LL << 10}, {"B", 1}}};
constexpr std::string_view duration_examples = "250ms, 30s, 5m, 1h";
constexpr std::string_view size_examples = "512B, 64KiB, 4MiB, 1GiB";

std::string quoted(const Row& row, std::string_view text) {
  return row.secret ? std::string("the value") : '"' + escaped(text) + '"';
}

ParsedValue wrong(std::string what) {
  return {Value{}, std::move(what)};
}

std::string join(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts)
    out += part;
  return out;
}

std::string in_units(std::span<const Unit> units, std::int64_t value) {
  // Zero is divisible by all units; the middle one reads best: 0s, and 0B for sizes.
  if (value == 0) return units.data() == durations.data() ? "0s" : "0B";
  const auto unit = std::find_if(units.begin(), units.end(),
                                 [&](const Unit& each) { return value % each.factor == 0; });
  return std::to_string(value / unit->factor) + std::string(unit->name);
}

constexpr std::size_t ratio_digits = 6;  // behind the point

// "0.25", "1.0": always with a point, never with a needless zero.
std::string ratio_text(std::int64_t millionths) {
  constexpr std::int64_t one = 1'000'000;
  std::string fraction = std::to_string(one + millionths % one).substr(1);
  while (fraction.size() > 1 && fraction.back() == '0') fraction.pop_back();
  return std::to_string(millionths / one) + '.' + fraction;
}

std::string number_text(const Row& row, std::int64_t number) {
  switch (row.kind) {
    case Kind::duration:
      return in_units(durations, number);
    case Kind::size:
      return in_units(sizes, number);
    case Kind::percent:
      return std::to_string(number) + "%";
    case Kind::ratio:
      return ratio_text(number);
    default:
      return std::to_string(number);
  }
}

ParsedValue in_range(const Row& row, const std::string& text, std::uint64_t number) {
  if (number <= static_cast<std::uint64_t>(row.max) &&
      number >= static_cast<std::uint64_t>(row.min)) {
    return {static_cast<std::int64_t>(number), ""};
  }
  return wrong(quoted(row, text) + " is out of range: " + range_text(row));
}

// "1.5s" with whole and fraction digits, then the unit. Bigger than any range is fine: in_range
// refuses it, so the product only must not wrap around.
std::optional<std::uint64_t> scaled(std::string_view digits, std::int64_t factor) {
  const std::size_t dot = digits.find('.');
  const auto whole = parse_decimal(digits.substr(0, dot));
  if (!whole || *whole > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  const auto unit = static_cast<std::uint64_t>(factor);
  if (dot == std::string_view::npos) return *whole * unit;
  const std::string_view fraction = digits.substr(dot + 1);
  const auto part = parse_decimal(fraction);
  if (!part || fraction.size() > 3) return std::nullopt;
  std::uint64_t scale = 1;
  for (std::size_t i = 0; i < fraction.size(); ++i)
    scale *= 10;
  if (*part * unit % scale != 0) return std::nullopt;
  return *whole * unit + *part * unit / scale;
}

ParsedValue parse_with_unit(const Row& row, const std::string& text) {
  const bool duration = row.kind == Kind::duration;
  const std::span<const Unit> units = duration ? std::span<const Unit>(durations) : sizes;
  const std::string_view examples = duration ? duration_examples : size_examples;
  const std::string_view view = text;
  const std::size_t end = std::min(view.find_first_not_of("0123456789."), view.size());
  const std::string_view name = view.substr(end);
  if (end > 0 && name.empty()) {
    return wrong(join({quoted(row, text), " needs a unit: ", examples}));
  }
  const auto unit =
      std::find_if(units.begin(), units.end(), [&](const Unit& each) { return each.name == name; });
  if (unit != units.end()) {
    const auto value = scaled(view.substr(0, end), unit->factor);
    if (value) return in_range(row, text, *value);
  }
  return wrong(
      join({quoted(row, text), duration ? " is no duration: " : " is no size: ", examples}));
}

ParsedValue parse_integer(const Row& row, const std::string& text) {
  const auto number = parse_decimal(text);
  if (number) return in_range(row, text, *number);
  return wrong(quoted(row, text) + " is no whole number: " + range_text(row));
}

ParsedValue parse_percent(const Row& row, const std::string& text) {
  const bool marked = !text.empty() && text.back() == '%';
  const auto number = parse_decimal(std::string_view(text).substr(0, text.size() - marked));
  if (marked && number) return in_range(row, text, *number);
  return wrong(quoted(row, text) + " is no percentage: " + range_text(row));
}

ParsedValue parse_ratio(const Row& row, const std::string& text) {
  const std::string_view view = text;
  const std::size_t dot = std::min(view.find('.'), view.size());
  std::string fraction(view.substr(std::min(dot + 1, view.size())));
  const bool short_enough = fraction.size() <= ratio_digits;
  fraction.resize(ratio_digits, '0');
  const auto whole = parse_decimal(view.substr(0, dot));
  const auto part = parse_decimal(fraction);
  const bool point_at_end = dot + 1 == view.size();
  if (!whole || !part || !short_enough || point_at_end || *whole > 1) {
    return wrong(quoted(row, text) + " is no ratio: " + range_text(row));
  }
  return in_range(row, text, *whole * 1'000'000 + *part);
}

ParsedValue parse_choice(const Row& row, const std::string& text) {
  const auto found = std::find_if(row.choices.begin(), row.choices.end(),
                                  [&](const Choice& choice) { return choice.name == text; });
  if (found != row.choices.end()) return {std::int64_t{found - row.choices.begin()}, ""};
  return wrong(quoted(row, text) + " is none of " + choices_text(row, ", "));
}

ParsedValue parse_text(const Row& row, std::string text) {
  if (row.check != nullptr) {
    std::string what = row.check(text);
    if (!what.empty()) return wrong(std::move(what));
  }
  return {std::move(text), ""};
}

}  // namespace

ParsedValue parse_value(const Row& row, const std::string& text) {
  switch (row.kind) {
    case Kind::duration:
    case Kind::size:
      return parse_with_unit(row, text);
    case Kind::percent:
      return parse_percent(row, text);
    case Kind::ratio:
      return parse_ratio(row, text);
    case Kind::integer:
      return parse_integer(row, text);
    case Kind::count_or_auto:
      return text == "auto" ? ParsedValue{std::int64_t{0}, ""} : parse_integer(row, text);
    case Kind::boolean:
      if (text == "true" || text == "false") return {std::int64_t{text == "true"}, ""};
      return wrong(quoted(row, text) + " is neither true nor false");
    case Kind::choice:
      return parse_choice(row, text);
    default:
      return parse_text(row, text);
  }
}

std::string value_text(const Row& row, const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  const auto* number = std::get_if<std::int64_t>(&value);
  if (number == nullptr) return "";
  if (row.kind == Kind::boolean) return *number != 0 ? "true" : "false";
  if (row.kind == Kind::count_or_auto && *number == 0) return "auto";
  if (row.kind == Kind::choice) {
    return std::string(row.choices[static_cast<std::size_t>(*number)].name);
  }
  return number_text(row, *number);
}

std::string range_text(const Row& row) {
  if (row.max == 0) return "";
  const std::string range = number_text(row, row.min) + " to " + number_text(row, row.max);
  return row.kind == Kind::count_or_auto ? "auto or " + range : range;
}

std::string choices_text(const Row& row, std::string_view separator) {
  std::string out;
  for (const Choice& choice : row.choices) {
    if (!out.empty()) out += separator;
    out += choice.name;
  }
  return out;
}

Value value_in(const Row& row, const void* scope) {
  return row.access.get(scope);
}

std::string_view restart_note(const Row& row) {
  return row.kind == Kind::list ? "How many there are needs a restart to change."
                                : "Needs a restart to change.";
}

bool same_value(const Row& row, const void* scope, const void* other) {
  if (row.access.same != nullptr) return row.access.same(scope, other);
  return value_in(row, scope) == value_in(row, other);
}

}  // namespace mcplb::config
