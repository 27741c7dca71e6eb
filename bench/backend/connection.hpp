// One connection of the benchmark's backend.
#pragma once

#include <memory>

#include "mcplb/async/nursery.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/stream.hpp"

#include "backend/server.hpp"

namespace mcplb::bench {

// `loop` and `shared` outlive the job.
std::unique_ptr<Job> make_connection(net::Loop& loop, std::unique_ptr<net::Stream> stream,
                                     Shared& shared);

}  // namespace mcplb::bench
