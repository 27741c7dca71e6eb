// MCPLB_ASSERT: states what only a bug of ours can break; it ends the process, also in release
// builds. Bytes from the network or the operator never reach it: those are handled as errors.
#pragma once

namespace mcplb {

[[noreturn]] void assertion_failed(const char* claim, const char* file, int line);

}  // namespace mcplb

#define MCPLB_ASSERT(claim) \
  ((claim) ? static_cast<void>(0) : ::mcplb::assertion_failed(#claim, __FILE__, __LINE__))
