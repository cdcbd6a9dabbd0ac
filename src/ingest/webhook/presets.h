// Providers' signature schemes as rows (ingestion spec §2.2).
#pragma once

#include <span>

#include "ingest/webhook/signature.h"

namespace tw::ingest {

// Sorted by name.
std::span<const Scheme> Presets();

}  // namespace tw::ingest
