// From text to Settings and back. Everything here comes from one table (src/config/schema.cpp).
// Runs at start, at reload and for `mcplb check`; never on the path of a request.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mcplb/config/settings.hpp"

namespace mcplb::config {

// Something that the operator has to change. Lines and columns count from 1; line 0 means that
// the trouble has no place in a text (a file that cannot be read, a flag).
struct Problem {
  std::string file;
  int line = 0;
  int column = 0;
  std::string message;
};
// "FILE:LINE:COLUMN: message", or "FILE: message" without a line.
std::string to_string(const Problem& problem);

struct Loaded {
  Settings settings;
  // What is accepted but acts differently for now, one sentence each; for `check` and the log.
  std::vector<std::string> notes;
};

// Either settings or, when anything at all is wrong, every problem that was found.
struct Outcome {
  Loaded loaded;
  std::vector<Problem> problems;
  bool ok() const { return problems.empty(); }
};

// Looks up the names in ${NAME}.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

// Looks at what only other floors can judge, such as the files that settings name. Called when
// nothing else is wrong.
struct Complaint {
  std::string path;  // "listeners[0].tls.key"
  std::string message;
};
using Inspection = std::function<std::vector<Complaint>(const Settings& settings)>;

// Flags that win over every file; empty: not given. `listen` replaces all listeners by one,
// which keeps the name of the first.
struct Flags {
  std::string listen;
  std::string admin;
  std::string workers;
};

// Later files win: maps merge, values and whole lists replace.
Outcome load(std::span<const std::string> files, const Environment& environment,
             const Flags& flags = {}, const Inspection& inspection = {});
// `text` as if it were the content of a file called `name`.
Outcome load_text(std::string_view name, std::string_view text, const Environment& environment);
// One pool of these backend URLs and the default of everything else (`mcplb --backend URL…`).
Outcome defaults_for_backends(std::span<const std::string> urls, const Flags& flags = {});

// What differs between the settings of a running process and those that shall replace them, by
// key; a pool goes by its name. Elements of other lists are not told apart: "pools[tools].routes".
struct Differences {
  std::vector<std::string> keys;  // all that may change while it runs
  // Those that may not: "listeners[0].address: A cannot become B without a restart".
  struct Refused {
    std::string key;
    std::string message;  // shows no secret
  };
  std::vector<Refused> refused;
};
Differences differences(const Settings& running, const Settings& next);
// A backend of which only this is known, read as in pools[].backends; `url` is brought into its
// canonical form. "" when all is well, else what is wrong, as a sentence.
std::string read_backend(const std::string& id, std::string& url,
                         cluster::BackendSettings& backend);

// YAML with every key, which load_text accepts again; secrets are masked as "***", and those of
// `secrets` are refused then: nobody shall seal with asterisks.
std::string print_effective(const Settings& settings);
// The same as JSON.
std::string print_effective_json(const Settings& settings);
// JSON Schema (draft 7) of the file, for editors.
std::string json_schema();

}  // namespace mcplb::config
