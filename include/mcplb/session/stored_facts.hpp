// Between what this process knows of a session and what the store keeps: there, backends go by
// their configured id.
#pragma once

#include <string_view>

#include "mcplb/cluster/pool.hpp"
#include "mcplb/session/record.hpp"
#include "mcplb/session/store.hpp"

namespace mcplb::session {

// The owner is BackendId::none when no backend of the pool has the id.
Facts facts_of(const StoredRecord& record, const cluster::PoolView& pool);
StoredRecord stored_record(std::string_view id, const Facts& facts, std::string_view owner);
// With what it takes to open the session again.
StoredRecord stored_record(const Record& record, std::string_view owner);

}  // namespace mcplb::session
