// The tables that policies look into, before and after a batch.
#pragma once

#include "policy/inner_tables.h"

namespace tw::router {

// Null where no policy looks into tables.
struct Views {
  const policy::InnerView* before = nullptr;
  const policy::InnerView* after = nullptr;
};

}  // namespace tw::router
