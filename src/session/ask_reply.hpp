// What one backend's reply to the question "is this session yours?" means, and what all replies
// mean together. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "mcplb/session/ask.hpp"

#include "session/own_call.hpp"

namespace mcplb::session {

enum class Verdict : std::uint8_t {
  claims,     // it answered inside of the session
  unknown,    // it says that it does not know the session
  gone,       // nobody listens there: a process that does not exist holds no session
  forbidden,  // it wants other credentials before it says anything
  silent      // no answer, or none that decides: it may still hold the session
};

// Lives for one call.
class ReplyJudge final : public OwnReply {
 public:
  // `id`: what our ping was sent with; it outlives the judge.
  explicit ReplyJudge(std::string_view id) : id_(id) {}

  // After the last call. `whole`: the reply was read to its end, or as far as was asked for.
  Verdict verdict(bool whole);

 private:
  bool wants_body(const wire::CallHead& head) override;
  bool on_event(std::string_view data) override;

  const std::string_view id_;
  std::optional<Verdict> decided_;  // before the end
};

// Counts verdicts.
class Tally {
 public:
  explicit Tally(std::size_t backends) : backends_(backends) {}

  void add(BackendId backend, Verdict verdict);
  // Only with the verdict `forbidden`; the first one is kept, but one that says what it wants is
  // of more use to the client.
  void add_refusal(Refusal refusal);
  bool has_claim() const { return claims_ > 0; }
  // Further verdicts change nothing.
  bool decided() const { return claims_ > 1 || noted_ == backends_; }
  // Who has not been noted counts as silent.
  Answer answer() &&;

 private:
  const std::size_t backends_;
  std::size_t noted_ = 0;
  std::size_t claims_ = 0;
  std::size_t silent_ = 0;
  BackendId claimant_ = BackendId::none;
  std::optional<Refusal> refusal_;
};

}  // namespace mcplb::session
