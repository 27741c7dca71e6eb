// Between the text of a scalar and the Value of a row.
#pragma once

#include <string>
#include <string_view>

#include "config/schema.hpp"

namespace mcplb::config {

struct ParsedValue {
  Value value;
  std::string wrong;  // what is wrong, as the end of a sentence; empty when nothing is
};

// For every leaf but text_list. Checks the form, the range and the row's own check; not whether
// the value is built.
ParsedValue parse_value(const Row& row, const std::string& text);
// The inverse, as a person would write it; not for text_list. Not quoted for YAML.
std::string value_text(const Row& row, const Value& value);
// "1ms to 24h", for messages and documents; "" when the row has no range.
std::string range_text(const Row& row);
// The names of the choices, joined.
std::string choices_text(const Row& row, std::string_view separator);
// What a row that needs a restart says about it.
std::string_view restart_note(const Row& row);

}  // namespace mcplb::config
